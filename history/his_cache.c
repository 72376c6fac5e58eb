/* his_cache.c - the ids met last.  See his_cache.h.
 *
 * A set of eight entries for each hash; the newest goes in front, the last
 * falls out.  Sets share PARTS spin locks: what is done under one is a compare
 * of eight keys, shorter than going to sleep would be.
 */
#include "history/his_cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define WAYS  8
#define PARTS 256u

struct set { struct msgid_key way[WAYS]; };

struct his_cache {
    uint32_t sets;                          /* a power of two */
    struct set *set;
    struct { _Alignas(64) atomic_flag busy; } part[PARTS];
};

static const struct msgid_key none;

struct his_cache *his_cache_new(uint32_t entries)
{
    struct his_cache *c = aligned_alloc(64, sizeof *c);

    if (c == NULL)
        die(1, "history: no memory for the cache");
    c->sets = 64;
    while (c->sets * WAYS < entries)
        c->sets *= 2;
    c->set = xcalloc(c->sets, sizeof *c->set);
    for (unsigned i = 0; i < PARTS; i++)
        atomic_flag_clear(&c->part[i].busy);
    return c;
}

void his_cache_free(struct his_cache **c)
{
    if (*c == NULL)
        return;
    free((*c)->set);
    free(*c);
    *c = NULL;
}

static uint32_t set_of(const struct his_cache *c, const struct msgid_key *k)
{
    /* not the bytes that the filter takes its block from: the two shall not agree by accident */
    return ((uint32_t)k->b[4] | (uint32_t)k->b[5] << 8 | (uint32_t)k->b[6] << 16 | (uint32_t)k->b[7] << 24) &
           (c->sets - 1);
}

static void enter(struct his_cache *c, uint32_t set)
{
    while (atomic_flag_test_and_set_explicit(&c->part[set % PARTS].busy, memory_order_acquire))
        ;
}

static void leave(struct his_cache *c, uint32_t set)
{
    atomic_flag_clear_explicit(&c->part[set % PARTS].busy, memory_order_release);
}

static int find(const struct set *s, const struct msgid_key *k)
{
    for (int i = 0; i < WAYS; i++)
        if (memcmp(&s->way[i], k, sizeof *k) == 0)
            return i;
    return -1;
}

bool his_cache_has(struct his_cache *c, const struct msgid_key *k)
{
    uint32_t set = set_of(c, k);
    bool there;

    if (memcmp(k, &none, sizeof *k) == 0)
        return false;
    enter(c, set);
    there = find(&c->set[set], k) >= 0;
    leave(c, set);
    return there;
}

void his_cache_put(struct his_cache *c, const struct msgid_key *k)
{
    uint32_t set = set_of(c, k);
    struct set *s = &c->set[set];
    int at;

    enter(c, set);
    at = find(s, k);
    if (at < 0)
        at = WAYS - 1;
    memmove(&s->way[1], &s->way[0], (size_t)at * sizeof s->way[0]);
    s->way[0] = *k;
    leave(c, set);
}

void his_cache_clear(struct his_cache *c)
{
    for (uint32_t i = 0; i < c->sets; i++) {
        enter(c, i);
        memset(&c->set[i], 0, sizeof c->set[i]);
        leave(c, i);
    }
}
