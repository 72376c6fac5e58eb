/* his_cache.c - the ids met last.  See his_cache.h.
 *
 * A hash leads to a set, two cache lines with their own lock; the newest entry
 * goes in front, the last falls out.  What is done under the lock is a compare
 * of seven keys, shorter than going to sleep would be.
 */
#include "history/his_cache.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define WAYS  7
#define SPINS 200           /* then the holder is not running: let it */

struct set {
    _Alignas(64) struct msgid_key way[WAYS];
    uint32_t    published;                  /* so many ids of this set, ever   */
    uint8_t     what[WAYS];                 /* enum cache_answer               */
    atomic_flag busy;
};
_Static_assert(sizeof(struct set) == 128, "a set is two cache lines");

struct his_cache {
    uint32_t sets;                          /* a power of two */
    struct set *set;
};

struct his_cache *his_cache_new(uint32_t entries)
{
    struct his_cache *c = xcalloc(1, sizeof *c);

    c->sets = 64;
    while (c->sets * WAYS < entries && c->sets < 1u << 24)
        c->sets *= 2;
    if ((c->set = aligned_alloc(64, c->sets * sizeof *c->set)) == NULL)
        die(1, "history: no memory for a cache of %u entries", entries);
    memset(c->set, 0, c->sets * sizeof *c->set);
    for (uint32_t i = 0; i < c->sets; i++)
        atomic_flag_clear(&c->set[i].busy);
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

/* The key's set, locked. */
static struct set *enter(struct his_cache *c, const struct msgid_key *k)
{
    /* not the octets that the filter takes its block from: the two shall not agree by accident */
    uint32_t hash = (uint32_t)k->b[4] | (uint32_t)k->b[5] << 8 | (uint32_t)k->b[6] << 16 | (uint32_t)k->b[7] << 24;
    struct set *s = &c->set[hash & (c->sets - 1)];

    for (int i = 0; atomic_flag_test_and_set_explicit(&s->busy, memory_order_acquire); i++)
        if (i >= SPINS)
            sched_yield();
    return s;
}

static void leave(struct set *s)
{
    atomic_flag_clear_explicit(&s->busy, memory_order_release);
}

static int find(const struct set *s, const struct msgid_key *k)
{
    for (int i = 0; i < WAYS; i++)
        if (s->what[i] != CACHE_NONE && memcmp(&s->way[i], k, sizeof *k) == 0)
            return i;
    return -1;
}

static void put(struct set *s, const struct msgid_key *k, enum cache_answer what)
{
    int at = find(s, k);

    if (at < 0)
        at = WAYS - 1;
    memmove(&s->way[1], &s->way[0], (size_t)at * sizeof s->way[0]);
    memmove(&s->what[1], &s->what[0], (size_t)at);
    s->way[0] = *k;
    s->what[0] = (uint8_t)what;
}

enum cache_answer his_cache_get(struct his_cache *c, const struct msgid_key *k)
{
    struct set *s = enter(c, k);
    int at = find(s, k);
    enum cache_answer a = at < 0 ? CACHE_NONE : (enum cache_answer)s->what[at];

    leave(s);
    return a;
}

void his_cache_met(struct his_cache *c, const struct msgid_key *k, enum cache_answer what)
{
    struct set *s = enter(c, k);

    put(s, k, what);
    leave(s);
}

void his_cache_published(struct his_cache *c, const struct msgid_key *k, enum cache_answer what)
{
    struct set *s = enter(c, k);

    s->published++;
    put(s, k, what);
    leave(s);
}

uint32_t his_cache_look(struct his_cache *c, const struct msgid_key *k)
{
    struct set *s = enter(c, k);
    uint32_t look = s->published;

    leave(s);
    return look;
}

bool his_cache_in_vain(struct his_cache *c, const struct msgid_key *k, uint32_t look)
{
    struct set *s = enter(c, k);
    bool still = s->published == look;

    if (still)
        put(s, k, CACHE_NEW);
    leave(s);
    return still;
}

static struct set *enter_nth(struct his_cache *c, uint32_t i)
{
    struct msgid_key k = { .b = { [4] = (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16), (uint8_t)(i >> 24) } };

    return enter(c, &k);
}

void his_cache_clear(struct his_cache *c)
{
    for (uint32_t i = 0; i < c->sets; i++) {
        struct set *s = enter_nth(c, i);

        s->published++;                     /* a look under way saw what is no more */
        memset(s->what, 0, sizeof s->what);
        leave(s);
    }
}

void his_cache_forget(struct his_cache *c)
{
    for (uint32_t i = 0; i < c->sets; i++) {
        struct set *s = enter_nth(c, i);

        for (int w = 0; w < WAYS; w++)
            if (s->what[w] == CACHE_REMEMBERED)
                s->what[w] = CACHE_NONE;
        leave(s);
    }
}
