/* his_claims.c - claims in flight.  See his_claims.h.
 *
 * A shard is a pool of entries with chains through it by index.  A ticket is
 * (generation, shard, entry); the generation moves on whenever the entry is
 * freed or overtaken, which makes old tickets stale.
 */
#include "history/his_claims.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/lock.h"
#include "lib/mem.h"

#define SHARDS  64u
#define FIRST   64u                    /* buckets of a new shard                     */
#define PROMISES_MOST (1u << 14)       /* of a shard, a million in all               */
#define NONE    UINT32_MAX

_Static_assert(sizeof(void *) == 8, "a ticket is 64 bits");

struct entry {
    struct msgid_key key;
    const void *owner;
    int64_t  until_us;                 /* promised: dies then                        */
    uint32_t generation;               /* never 0                                    */
    uint32_t next;                     /* in the bucket, or in the free list         */
    bool     used, firm;
};

struct shard {
    struct lock   lock;
    struct entry *pool;
    uint32_t      size, used, free;
    uint32_t     *bucket, buckets;     /* a power of two, as many as claims at least */
    int64_t       sweep_us;            /* when to look for promises past their time  */
};

struct his_claims {
    int64_t      promise_us;
    struct shard shard[SHARDS];
};

struct his_claims *his_claims_new(int64_t promise_us)
{
    struct his_claims *c = xcalloc(1, sizeof *c);

    c->promise_us = promise_us;
    for (unsigned i = 0; i < SHARDS; i++) {
        lock_init(&c->shard[i].lock, "history.claims");
        c->shard[i].free = NONE;
        c->shard[i].buckets = FIRST;
        c->shard[i].bucket = xmalloc(FIRST * sizeof(uint32_t));
        memset(c->shard[i].bucket, 0xff, FIRST * sizeof(uint32_t));
    }
    return c;
}

void his_claims_free(struct his_claims **c)
{
    if (*c == NULL)
        return;
    for (unsigned i = 0; i < SHARDS; i++) {
        free((*c)->shard[i].pool);
        free((*c)->shard[i].bucket);
        lock_fini(&(*c)->shard[i].lock);
    }
    free(*c);
    *c = NULL;
}

static struct shard *shard_of(struct his_claims *c, const struct msgid_key *k)
{
    return &c->shard[k->b[12] % SHARDS];
}

static uint32_t *chain(struct shard *s, const struct msgid_key *k)
{
    return &s->bucket[((uint32_t)k->b[13] | (uint32_t)k->b[14] << 8 | (uint32_t)k->b[15] << 16) & (s->buckets - 1)];
}

static struct claim *ticket_of(const struct his_claims *c, const struct shard *s, uint32_t at)
{
    return (struct claim *)(uintptr_t)((uint64_t)s->pool[at].generation << 32 | (uint64_t)(s - c->shard) << 26 | at);
}

/* Take the entry at *link out of its chain and make its tickets stale. */
static void drop(struct shard *s, uint32_t *link)
{
    uint32_t at = *link;
    struct entry *e = &s->pool[at];

    *link = e->next;
    e->used = false;
    if (++e->generation == 0)
        e->generation = 1;
    e->next = s->free;
    s->free = at;
    s->used--;
}

/* The link that leads to an entry in use. */
static uint32_t *link_to(struct shard *s, uint32_t at)
{
    uint32_t *link = chain(s, &s->pool[at].key);

    while (*link != at)
        link = &s->pool[*link].next;
    return link;
}

static bool over(const struct entry *e, int64_t now)
{
    return !e->firm && now >= e->until_us;
}

/* The link that leads to the key's living claim, or NULL; a dead one found on the way is dropped. */
static uint32_t *find(struct shard *s, const struct msgid_key *k, int64_t now)
{
    for (uint32_t *link = chain(s, k); *link != NONE;) {
        struct entry *e = &s->pool[*link];

        if (over(e, now))
            drop(s, link);
        else if (memcmp(&e->key, k, sizeof *k) == 0)
            return link;
        else
            link = &e->next;
    }
    return NULL;
}

/* Once a promise's length, look through the shard, so that forgotten promises hold no memory. */
static void sweep(struct his_claims *c, struct shard *s, int64_t now)
{
    if (now < s->sweep_us)
        return;
    s->sweep_us = now + c->promise_us;
    for (unsigned b = 0; b < s->buckets; b++) {
        for (uint32_t *link = &s->bucket[b]; *link != NONE;) {
            if (over(&s->pool[*link], now))
                drop(s, link);
            else
                link = &s->pool[*link].next;
        }
    }
}

/* Twice as many buckets, so that chains stay short. */
static void spread(struct shard *s)
{
    s->buckets *= 2;
    s->bucket = xrealloc(s->bucket, s->buckets * sizeof *s->bucket);
    memset(s->bucket, 0xff, s->buckets * sizeof *s->bucket);
    for (uint32_t i = 0; i < s->size; i++) {
        if (s->pool[i].used) {
            uint32_t *link = chain(s, &s->pool[i].key);

            s->pool[i].next = *link;
            *link = i;
        }
    }
}

static uint32_t new_entry(struct shard *s, const struct msgid_key *k)
{
    uint32_t at;

    if (s->used >= s->buckets)
        spread(s);

    if (s->free == NONE) {
        uint32_t size = s->size > 0 ? s->size * 2 : 16;

        need(size < 1u << 26);
        s->pool = xrealloc(s->pool, size * sizeof *s->pool);
        memset(s->pool + s->size, 0, (size - s->size) * sizeof *s->pool);
        for (uint32_t i = size; i-- > s->size;) {
            s->pool[i].generation = 1;
            s->pool[i].next = s->free;
            s->free = i;
        }
        s->size = size;
    }
    at = s->free;
    s->free = s->pool[at].next;
    s->pool[at].key = *k;
    s->pool[at].used = true;
    s->pool[at].next = *chain(s, k);
    *chain(s, k) = at;
    s->used++;
    return at;
}

static enum claim_answer kind(const struct entry *e)
{
    return e->firm ? CLAIM_FIRM : CLAIM_PROMISED;
}

enum claim_answer his_claims_ask(struct his_claims *c, const struct msgid_key *k)
{
    struct shard *s = shard_of(c, k);
    enum claim_answer a = CLAIM_FREE;
    uint32_t *link;

    lock_get(&s->lock);
    if (s->used > 0 && (link = find(s, k, clock_mono_us())) != NULL)
        a = kind(&s->pool[*link]);
    lock_put(&s->lock);
    return a;
}

enum claim_answer his_claims_take(struct his_claims *c, const struct msgid_key *k, const void *owner, bool firm,
                                  still_new_fn *still_new, void *arg, bool *refused, struct claim **ticket)
{
    struct shard *s = shard_of(c, k);
    int64_t now = clock_mono_us();
    enum claim_answer was = CLAIM_FREE;
    uint32_t *link, at;

    *refused = false;
    *ticket = NULL;
    lock_get(&s->lock);
    sweep(c, s, now);
    if ((link = find(s, k, now)) != NULL)
        was = kind(&s->pool[*link]);
    if (was == CLAIM_FIRM || (was == CLAIM_PROMISED && !firm)) {
        lock_put(&s->lock);
        return was;
    }
    if (!still_new(arg)) {
        *refused = true;
    } else if (firm || s->used < PROMISES_MOST) {     /* a flood of CHECKs must not fill the memory: */
        if (link != NULL)                             /* beyond that it is promised without a note   */
            drop(s, link);                            /* overtaken by a complete copy                */
        at = new_entry(s, k);
        s->pool[at].owner = owner;
        s->pool[at].firm = firm;
        s->pool[at].until_us = now + c->promise_us;
        *ticket = ticket_of(c, s, at);
    }
    lock_put(&s->lock);
    return was;
}

void his_claims_release(struct his_claims *c, struct claim **ticket)
{
    uint64_t t = (uint64_t)(uintptr_t)*ticket;
    struct shard *s = &c->shard[t >> 26 & (SHARDS - 1)];
    uint32_t at = t & ((1u << 26) - 1);

    if (*ticket == NULL)
        return;
    *ticket = NULL;
    lock_get(&s->lock);
    if (at < s->size && s->pool[at].used && s->pool[at].generation == t >> 32)
        drop(s, link_to(s, at));
    lock_put(&s->lock);
}

void his_claims_release_owner(struct his_claims *c, const void *owner)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shard[i];

        lock_get(&s->lock);
        for (uint32_t at = 0; at < s->size && s->used > 0; at++) {
            const struct entry *e = &s->pool[at];

            if (e->used && !e->firm && e->owner == owner)
                drop(s, link_to(s, at));
        }
        lock_put(&s->lock);
    }
}

void his_claims_end(struct his_claims *c, const struct msgid_key *k)
{
    struct shard *s = shard_of(c, k);

    lock_get(&s->lock);
    for (uint32_t *link = chain(s, k); *link != NONE;) {
        if (memcmp(&s->pool[*link].key, k, sizeof *k) == 0)
            drop(s, link);
        else
            link = &s->pool[*link].next;
    }
    lock_put(&s->lock);
}

uint64_t his_claims_count(struct his_claims *c)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < SHARDS; i++) {
        lock_get(&c->shard[i].lock);
        n += c->shard[i].used;
        lock_put(&c->shard[i].lock);
    }
    return n;
}
