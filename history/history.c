/* history.c - which Message-IDs have we met?  See history.h.
 *
 *     his_peek ── cache: met ──▶ SEEN
 *              ── claims ──────▶ BUSY
 *              ── cache: new ──▶ NEW          (looked for in vain, not published since)
 *              ── filter: no ──▶ NEW          (the filter knows every id)
 *              ── else ────────▶ ASK ── his_look, the database ──▶ SEEN or NEW
 *
 * An id becomes known in this order: into the filter, into the database,
 * committed, into the cache, claim ended (his_apply, his_published).  Whoever
 * finds no claim any more therefore finds the id in cache or filter; and a look
 * at the database that was overtaken by a publication is not in the cache as
 * CACHE_NEW.  That closes the gap between a question and its claim, however
 * long it is.
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
#include "history/his_sweep.h"
#include "history/his_waiting.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define LOAD_KEYS     4096
#define LOAD_AGAIN_US 1000000L
#define TALLIES       16

/* Counted at each question: a line for each thread, or they would fight for it. */
struct tally { _Alignas(64) _Atomic uint64_t cache_hits, filter_news; };

struct his {
    struct tally       tally[TALLIES];
    struct his_db     *db;
    struct his_filter *filter;
    struct his_cache  *cache;
    struct his_claims *claims;
    struct his_waiting *waiting;
    struct his_sweep  *sweep;
    atomic_bool        ready;
    _Alignas(64) struct lock filter_lock;   /* "history.filter": who adds; 'closing'   */
    struct cond        wake;
    bool               closing;
    pthread_t          loader;
    _Atomic uint64_t   looks, false_hits;
};

static void count(_Atomic uint64_t *c)
{
    atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

static struct tally *tally(struct his *h)
{
    static atomic_uint threads;
    static _Thread_local unsigned mine;

    if (mine == 0)
        mine = 1 + atomic_fetch_add(&threads, 1);
    return &h->tally[mine % TALLIES];
}

static enum cache_answer met_as(const struct his_entry *e)
{
    return e->state == HIS_KEPT ? CACHE_MET : CACHE_REMEMBERED;
}

/* Return false when history is closing. */
static bool filter_add(struct his *h, const struct msgid_key *keys, int n)
{
    bool go_on;

    lock_get(&h->filter_lock);
    for (int i = 0; i < n; i++)
        his_filter_add(h->filter, &keys[i]);
    go_on = !h->closing;
    lock_put(&h->filter_lock);
    return go_on;
}

/* Put all ids of the database into the filter.  Return 0, -1 trouble, 1 closing. */
static int load_all(struct his *h, struct msgid_key *keys, struct bdb_bulk *bulk, struct err *e)
{
    struct msgid_key from = { 0 };
    bool at_end = false;

    while (!at_end) {
        int n = his_db_keys(h->db, &from, keys, LOAD_KEYS, false, &at_end, bulk, e);

        if (n < 0)
            return -1;
        if (!filter_add(h, keys, n))
            return 1;
    }
    return 0;
}

static bool closing_after(struct his *h, long us)
{
    bool closing;

    lock_get(&h->filter_lock);
    while (!h->closing && cond_wait_us(&h->wake, &h->filter_lock, us) == 0)
        ;
    closing = h->closing;
    lock_put(&h->filter_lock);
    return closing;
}

static void *load_filter(void *arg)
{
    struct his *h = arg;
    struct msgid_key *keys = xcalloc(LOAD_KEYS, sizeof *keys);
    struct bdb_bulk bulk = { 0 };
    struct err e = { 0 };
    bool told = false;
    int rc;

    while ((rc = load_all(h, keys, &bulk, &e)) < 0) {
        if (!told)
            log_msg(LOG_WARNING, "history: the filter cannot be filled yet, so questions go to the database: %s", e.text);
        told = true;
        if (closing_after(h, LOAD_AGAIN_US))
            break;
    }
    if (rc == 0)
        h->ready = true;
    bdb_bulk_fini(&bulk);
    free(keys);
    return NULL;
}

struct his *his_open(const struct his_options *o, struct err *e)
{
    struct his_waiting *waiting = his_waiting_open(o->bdb, o->waiting_most > 0 ? o->waiting_most : HIS_WAITING_MOST, e);
    struct his_db *db = waiting != NULL ? his_db_open(o->bdb, e) : NULL;
    struct his *h;

    if (db == NULL) {
        his_waiting_close(&waiting);
        return NULL;
    }
    if ((h = aligned_alloc(64, sizeof *h)) == NULL)
        die(1, "history: no memory");
    memset(h, 0, sizeof *h);
    h->db = db;
    h->waiting = waiting;
    h->filter = his_filter_new();
    h->cache = his_cache_new(o->cache_entries > 0 ? o->cache_entries : 1u << 18);
    h->claims = his_claims_new(o->claim_us);
    h->sweep = his_sweep_new(db);
    lock_init(&h->filter_lock, "history.filter");
    cond_init(&h->wake);
    thread_start(&h->loader, "history.filter", load_filter, h);
    return h;
}

void his_close(struct his **his)
{
    struct his *h = *his;

    if (h == NULL)
        return;
    lock_get(&h->filter_lock);
    h->closing = true;
    cond_signal(&h->wake);
    lock_put(&h->filter_lock);
    pthread_join(h->loader, NULL);
    his_waiting_close(&h->waiting);
    his_claims_free(&h->claims);
    his_sweep_free(&h->sweep);
    his_cache_free(&h->cache);
    his_filter_free(&h->filter);
    his_db_close(&h->db);
    cond_fini(&h->wake);
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
    enum cache_answer there = his_cache_get(h->cache, key);

    if (there == CACHE_MET || there == CACHE_REMEMBERED) {
        count(&tally(h)->cache_hits);
        return HIS_SEEN;
    }
    if (his_claims_ask(h->claims, key) != CLAIM_FREE)
        return HIS_BUSY;
    /* what the cache said of a new id may be old by now; his_claim asks again */
    if (there == CACHE_NEW)
        return HIS_NEW;
    if (!never_met(h, key))
        return HIS_ASK;
    count(&tally(h)->filter_news);
    return HIS_NEW;
}

enum his_answer his_look(struct his *h, const struct msgid_key *key, struct his_entry *entry, struct err *e)
{
    struct his_entry found;
    uint32_t look;

    count(&h->looks);
    do {
        look = his_cache_look(h->cache, key);
        switch (his_db_get(h->db, key, &found, e)) {
        case 1:
            his_cache_met(h->cache, key, met_as(&found));
            if (entry != NULL)
                *entry = found;
            return HIS_SEEN;
        case 0:
            break;
        default:
            return HIS_FAILED;
        }
    } while (!his_cache_in_vain(h->cache, key, look));
    if (h->ready)
        count(&h->false_hits);
    return HIS_NEW;
}

/* What memory says of an id at the moment of its claim. */
struct ask { struct his *h; const struct msgid_key *key; enum his_answer answer; };

static bool still_new(void *arg)
{
    struct ask *a = arg;

    switch (his_cache_get(a->h->cache, a->key)) {
    case CACHE_MET:
    case CACHE_REMEMBERED:
        a->answer = HIS_SEEN;
        break;
    case CACHE_NEW:
        a->answer = HIS_NEW;
        break;
    case CACHE_NONE:
        a->answer = never_met(a->h, a->key) ? HIS_NEW : HIS_ASK;
        break;
    }
    return a->answer == HIS_NEW;
}

static enum his_answer take(struct his *h, const struct msgid_key *key, const void *owner, bool firm, struct claim **c)
{
    struct ask ask = { h, key, HIS_BUSY };
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
    (void)looked;                 /* the cache knows, and better */
    return take(h, key, owner, false, c);
}

enum his_answer his_firm(struct his *h, const struct msgid_key *key, const void *owner, bool looked, struct claim **c)
{
    (void)looked;
    return take(h, key, owner, true, c);
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

    /* it may stand again in the same transaction, and must not be fresh then;
     * an id whose transaction fails costs a look now and then */
    if (fresh || !his_filter_has(h->filter, key))
        filter_add(h, key, 1);
    his_db_merge(h->db, t, key, entry, fresh);
}

void his_published(struct his *h, const struct msgid_key *key, const struct his_entry *entry)
{
    if (!his_filter_has(h->filter, key))
        filter_add(h, key, 1);
    his_cache_published(h->cache, key, met_as(entry));
    his_claims_end(h->claims, key);
}

/* ---- forgetting ---- */

void his_forget(struct his *h, struct txn *t, uint32_t day, uint64_t seq)
{
    if (day > his_db_forgotten_day(h->db))
        his_db_forget(h->db, t, day, seq);
}

void his_forgotten(struct his *h, uint32_t day, uint64_t seq)
{
    if (day <= his_db_forgotten_day(h->db))
        return;
    his_db_forgotten(h->db, day, seq);
    his_cache_forget(h->cache);
}

uint32_t his_forgotten_day(const struct his *h)
{
    return his_db_forgotten_day(h->db);
}

bool his_forgets(const struct his *h, const struct his_entry *e)
{
    return his_db_forgets(h->db, e);
}

int his_sweep(struct his *h, int rows, struct err *e)
{
    return his_sweep_look(h->sweep, rows, e);
}

unsigned his_swept(struct his *h, struct txn *t)
{
    return his_sweep_drop(h->sweep, t);
}

bool his_sweep_over(const struct his *h)
{
    return his_sweep_done(h->sweep);
}

/* ---- cancels that wait: his_waiting.c ---- */

bool his_awaited(const struct his *h, const struct msgid_key *target)
{
    return his_waiting_has(h->waiting, target);
}

bool his_awaited_by(struct his *h, const struct msgid_key *target, his_fits_fn *fits, void *arg)
{
    return his_waiting_fits(h->waiting, target, fits, arg);
}

void his_wait(struct his *h, struct txn *t, const struct his_wait *one)
{
    his_waiting_put(h->waiting, t, one);
}

void his_wait_published(struct his *h, const struct his_wait *one)
{
    his_waiting_published(h->waiting, one);
}

void his_settle(struct his *h, struct txn *t, const struct msgid_key *target)
{
    his_waiting_settle(h->waiting, t, target);
}

void his_settle_published(struct his *h, const struct msgid_key *target)
{
    his_waiting_settled(h->waiting, target);
}

int his_recall(struct his *h, struct err *e)
{
    return his_db_load_forgotten(h->db, e) != 0 ? -1 : his_waiting_load(h->waiting, e);
}

int his_empty(struct his *h, struct err *e)
{
    /* ids stay in the filter: it may say "perhaps" too often, never "no" wrongly */
    his_cache_clear(h->cache);
    return his_waiting_empty(h->waiting, e) != 0 ? -1 : his_db_empty(h->db, e);
}

void his_counts(struct his *h, struct his_counts *out)
{
    *out = (struct his_counts){
        .ids = his_filter_ids(h->filter), .filter_bits = his_filter_bits(h->filter),
        .looks = h->looks, .false_hits = h->false_hits, .claims = his_claims_count(h->claims), .waiting = his_waiting_count(h->waiting),
    };
    for (int i = 0; i < TALLIES; i++) {
        out->cache_hits += h->tally[i].cache_hits;
        out->filter_news += h->tally[i].filter_news;
    }
}
