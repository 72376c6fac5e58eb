/* history.c - which Message-IDs have we met?  See history.h.
 *
 *     his_peek ── cache: met ──▶ SEEN
 *              ── claims ──────▶ BUSY
 *              ── filter: no ──▶ NEW          (the filter knows every id)
 *              ── else ────────▶ ASK ── his_look, the database ──▶ SEEN or NEW
 *
 * An id becomes known in this order: committed to the database, put into
 * cache and filter, claim ended (his_published).  Whoever finds no claim any
 * more therefore finds the id in the cache; that is what closes the gap
 * between a look at the database and the claim.
 *
 * At open a thread fills the filter from the database.  Until it is through,
 * the filter must not say "never met".
 */
#include "history/history.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "history/his_cache.h"
#include "history/his_claims.h"
#include "history/his_db.h"
#include "history/his_filter.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define LOAD_KEYS 4096

struct his {
    struct his_db     *db;
    struct his_filter *filter;
    struct his_cache  *cache;
    struct his_claims *claims;
    struct lock        filter_lock;     /* "history.filter": who adds      */
    atomic_bool        ready, closing;
    pthread_t          loader;
    _Atomic uint64_t   cache_hits, filter_news, looks, false_hits;
};

static void count(_Atomic uint64_t *c)
{
    atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

static void filter_add(struct his *h, const struct msgid_key *keys, int n)
{
    lock_get(&h->filter_lock);
    for (int i = 0; i < n; i++)
        his_filter_add(h->filter, &keys[i]);
    lock_put(&h->filter_lock);
}

static void *load_filter(void *arg)
{
    struct his *h = arg;
    struct msgid_key from = { 0 }, *keys = xcalloc(LOAD_KEYS, sizeof *keys);
    struct bdb_bulk bulk = { 0 };
    struct err e;
    int n = 1;

    while (n > 0 && !h->closing) {
        n = his_db_keys(h->db, &from, keys, LOAD_KEYS, &bulk, &e);
        if (n > 0)
            filter_add(h, keys, n);
    }
    if (n < 0)
        log_msg(LOG_WARNING, "history: the filter cannot be filled, every question goes to the database: %s", e.text);
    if (n == 0)
        h->ready = true;
    bdb_bulk_fini(&bulk);
    free(keys);
    return NULL;
}

struct his *his_open(const struct his_options *o, struct err *e)
{
    struct his_db *db = his_db_open(o->bdb, e);
    struct his *h;

    if (db == NULL)
        return NULL;
    h = xcalloc(1, sizeof *h);
    h->db = db;
    h->filter = his_filter_new();
    h->cache = his_cache_new(o->cache_entries > 0 ? o->cache_entries : 1u << 18);
    h->claims = his_claims_new(o->claim_us);
    lock_init(&h->filter_lock, "history.filter");
    thread_start(&h->loader, "history.filter", load_filter, h);
    return h;
}

void his_close(struct his **his)
{
    struct his *h = *his;

    if (h == NULL)
        return;
    h->closing = true;
    pthread_join(h->loader, NULL);
    his_claims_free(&h->claims);
    his_cache_free(&h->cache);
    his_filter_free(&h->filter);
    his_db_close(&h->db);
    lock_fini(&h->filter_lock);
    free(h);
    *his = NULL;
}

bool his_filter_ready(const struct his *h)
{
    return h->ready;
}

static bool never_met(const struct his *h, const struct msgid_key *key)
{
    return atomic_load_explicit(&h->ready, memory_order_acquire) && !his_filter_has(h->filter, key);
}

enum his_answer his_peek(struct his *h, const struct msgid_key *key)
{
    if (his_cache_has(h->cache, key)) {
        count(&h->cache_hits);
        return HIS_SEEN;
    }
    if (his_claims_ask(h->claims, key) != CLAIM_FREE)
        return HIS_BUSY;
    if (!never_met(h, key))
        return HIS_ASK;
    count(&h->filter_news);
    return HIS_NEW;
}

enum his_answer his_look(struct his *h, const struct msgid_key *key, struct his_entry *entry, struct err *e)
{
    struct his_entry found;

    count(&h->looks);
    switch (his_db_get(h->db, key, &found, e)) {
    case 1:
        his_cache_put(h->cache, key);
        if (entry != NULL)
            *entry = found;
        return HIS_SEEN;
    case 0:
        if (h->ready)
            count(&h->false_hits);
        return HIS_NEW;
    default:
        return HIS_FAILED;
    }
}

/* What memory says of an id at the moment of its claim. */
struct ask { struct his *h; const struct msgid_key *key; bool looked; enum his_answer answer; };

static bool still_new(void *arg)
{
    struct ask *a = arg;

    if (his_cache_has(a->h->cache, a->key))
        a->answer = HIS_SEEN;
    else if (a->looked || never_met(a->h, a->key))
        a->answer = HIS_NEW;
    else
        a->answer = HIS_ASK;
    return a->answer == HIS_NEW;
}

static enum his_answer take(struct his *h, const struct msgid_key *key, const void *owner, bool firm, bool looked,
                            struct claim **c)
{
    struct ask ask = { h, key, looked, HIS_BUSY };
    enum claim_answer was;
    bool refused;

    was = his_claims_take(h->claims, key, owner, firm, still_new, &ask, &refused, c);
    if (refused)
        return ask.answer;
    if (was == CLAIM_FIRM || (was == CLAIM_PROMISED && !firm))
        return HIS_BUSY;
    return HIS_NEW;
}

enum his_answer his_claim(struct his *h, const struct msgid_key *key, const void *owner, bool looked, struct claim **c)
{
    return take(h, key, owner, false, looked, c);
}

enum his_answer his_firm(struct his *h, const struct msgid_key *key, const void *owner, bool looked, struct claim **c)
{
    return take(h, key, owner, true, looked, c);
}

void his_release(struct his *h, struct claim **c)
{
    his_claims_release(h->claims, c);
}

void his_release_owner(struct his *h, const void *owner)
{
    his_claims_release_owner(h->claims, owner);
}

void his_apply(struct his *h, struct txn *t, const struct msgid_key *key, const struct his_entry *entry)
{
    bool fresh = never_met(h, key);

    /* nobody claims the id of a cancel: the article may stand later in the same
     * transaction, and must find that it is not fresh */
    if (entry->state == HIS_CANCELLED)
        filter_add(h, key, 1);
    his_db_merge(h->db, t, key, entry, fresh);
}

void his_published(struct his *h, const struct msgid_key *key, const struct his_entry *entry)
{
    (void)entry;
    his_cache_put(h->cache, key);
    filter_add(h, key, 1);
    his_claims_end(h->claims, key);
}

int his_empty(struct his *h, struct err *e)
{
    /* ids stay in the filter: it may say "perhaps" too often, never "no" wrongly */
    his_cache_clear(h->cache);
    return his_db_empty(h->db, e);
}

void his_counts(struct his *h, struct his_counts *out)
{
    *out = (struct his_counts){
        .ids = his_filter_ids(h->filter), .filter_bits = his_filter_bits(h->filter), .cache_hits = h->cache_hits,
        .filter_news = h->filter_news, .looks = h->looks, .false_hits = h->false_hits,
        .claims = his_claims_count(h->claims),
    };
}
