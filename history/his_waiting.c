/* his_waiting.c - cancels that came before their article.  See his_waiting.h.
 *
 * All of them are in memory: by target in a map, where those of one target are
 * chained, and by age in a queue.  Most sites have none or few of them, so the
 * first question is a count.
 */
#include "history/his_waiting.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/lock.h"
#include "lib/map.h"
#include "lib/mem.h"

#define KEY_SIZE 8

struct waiting {
    TAILQ_ENTRY(waiting) age;
    struct waiting  *same;               /* another one for this target */
    uint64_t         seq;
    struct msgid_key target;
    size_t           n;
    char             facts[];
};

struct his_waiting {
    struct bdb_tree *tree;
    unsigned         most;
    _Atomic unsigned count;
    struct lock      lock;               /* "history.waiting": all below */
    struct map      *by_target;
    TAILQ_HEAD(, waiting) row;           /* the oldest first             */
};

static struct span key_of(const struct msgid_key *k)
{
    return (struct span){ (const char *)k->b, sizeof k->b };
}

static struct span seq_key(uint64_t seq, char out[KEY_SIZE])
{
    for (int i = 0; i < KEY_SIZE; i++)
        out[i] = (char)(seq >> 8 * (KEY_SIZE - 1 - i));
    return (struct span){ out, KEY_SIZE };
}

/* ---- memory: with the lock held ---- */

static struct waiting *first_of(const struct his_waiting *w, const struct msgid_key *target)
{
    return map_get(w->by_target, key_of(target));
}

static void add(struct his_waiting *w, const struct his_wait *one)
{
    struct waiting *first = first_of(w, &one->target), *x;

    for (x = first; x != NULL; x = x->same)
        if (x->seq == one->seq)
            return;
    x = xmalloc(sizeof *x + one->facts.n);
    *x = (struct waiting){ .same = first, .seq = one->seq, .target = one->target, .n = one->facts.n };
    if (one->facts.n > 0)
        memcpy(x->facts, one->facts.p, one->facts.n);
    map_put(w->by_target, key_of(&x->target), x);
    TAILQ_INSERT_TAIL(&w->row, x, age);
    w->count++;
}

static void drop(struct his_waiting *w, struct waiting *x)
{
    struct waiting *first = first_of(w, &x->target);

    if (first != x) {
        while (first->same != x)
            first = first->same;
        first->same = x->same;
    } else if (x->same != NULL) {
        map_put(w->by_target, key_of(&x->target), x->same);
    } else {
        map_del(w->by_target, key_of(&x->target));
    }
    TAILQ_REMOVE(&w->row, x, age);
    free(x);
    w->count--;
}

static void clear(struct his_waiting *w)
{
    while (!TAILQ_EMPTY(&w->row))
        drop(w, TAILQ_FIRST(&w->row));
}

/* ---- the database ---- */

static bool load_one(struct span key, struct span value, void *arg)
{
    struct his_waiting *w = arg;
    struct his_wait one = { .seq = 0 };

    if (key.n != KEY_SIZE || value.n < sizeof one.target.b)
        return true;
    for (int i = 0; i < KEY_SIZE; i++)
        one.seq = one.seq << 8 | (unsigned char)key.p[i];
    memcpy(one.target.b, value.p, sizeof one.target.b);
    one.facts = span_from(value, sizeof one.target.b);
    lock_get(&w->lock);
    add(w, &one);
    lock_put(&w->lock);
    return true;
}

int his_waiting_load(struct his_waiting *w, struct err *e)
{
    struct bdb_bulk bulk = { 0 };
    char from[KEY_SIZE];
    int rc;

    lock_get(&w->lock);
    clear(w);
    lock_put(&w->lock);
    rc = bdb_scan(w->tree, seq_key(0, from), SPAN(""), &bulk, load_one, w, e);
    bdb_bulk_fini(&bulk);
    return rc;
}

struct his_waiting *his_waiting_open(struct bdb *b, unsigned most, struct err *e)
{
    struct bdb_tree *tree = bdb_tree(b, "waiting", e);
    struct his_waiting *w;

    if (tree == NULL)
        return NULL;
    w = xcalloc(1, sizeof *w);
    w->tree = tree;
    w->most = most;
    w->by_target = map_new();
    lock_init(&w->lock, "history.waiting");
    TAILQ_INIT(&w->row);
    return w;
}

void his_waiting_close(struct his_waiting **w)
{
    if (*w == NULL)
        return;
    clear(*w);
    map_free(&(*w)->by_target);
    lock_fini(&(*w)->lock);
    free(*w);
    *w = NULL;
}

int his_waiting_empty(struct his_waiting *w, struct err *e)
{
    if (bdb_empty(w->tree, e) != 0)
        return -1;
    return his_waiting_load(w, e);
}

/* ---- questions ---- */

bool his_waiting_has(const struct his_waiting *w, const struct msgid_key *target)
{
    struct his_waiting *m = (struct his_waiting *)(uintptr_t)w;
    bool has;

    if (atomic_load_explicit(&m->count, memory_order_acquire) == 0)
        return false;
    lock_get(&m->lock);
    has = first_of(w, target) != NULL;
    lock_put(&m->lock);
    return has;
}

bool his_waiting_fits(struct his_waiting *w, const struct msgid_key *target, his_fits_fn *fits, void *arg)
{
    bool fit = false;

    if (atomic_load_explicit(&w->count, memory_order_acquire) == 0)
        return false;
    lock_get(&w->lock);
    for (const struct waiting *x = first_of(w, target); x != NULL && !fit; x = x->same)
        fit = fits((struct span){ x->facts, x->n }, arg);
    lock_put(&w->lock);
    return fit;
}

uint64_t his_waiting_count(const struct his_waiting *w)
{
    return w->count;
}

/* ---- changes: the applier alone makes them, so what it saw stays true ---- */

static void del_row(struct his_waiting *w, struct txn *t, uint64_t seq)
{
    char key[KEY_SIZE];

    txn_del(t, w->tree, seq_key(seq, key));
}

void his_waiting_put(struct his_waiting *w, struct txn *t, const struct his_wait *one)
{
    struct buf value = { 0 };
    char key[KEY_SIZE];
    uint64_t oldest;

    buf_add(&value, one->target.b, sizeof one->target.b);
    buf_add_span(&value, one->facts);
    txn_put(t, w->tree, seq_key(one->seq, key), buf_span(&value));
    buf_fini(&value);
    lock_get(&w->lock);
    oldest = w->count >= w->most ? TAILQ_FIRST(&w->row)->seq : one->seq;
    lock_put(&w->lock);
    if (oldest != one->seq)
        del_row(w, t, oldest);
}

void his_waiting_published(struct his_waiting *w, const struct his_wait *one)
{
    lock_get(&w->lock);
    add(w, one);
    if (w->count > w->most)
        drop(w, TAILQ_FIRST(&w->row));
    lock_put(&w->lock);
}

void his_waiting_settle(struct his_waiting *w, struct txn *t, const struct msgid_key *target)
{
    const struct waiting *x;

    lock_get(&w->lock);
    x = first_of(w, target);
    lock_put(&w->lock);
    for (; x != NULL; x = x->same)
        del_row(w, t, x->seq);
}

void his_waiting_settled(struct his_waiting *w, const struct msgid_key *target)
{
    struct waiting *x;

    lock_get(&w->lock);
    while ((x = first_of(w, target)) != NULL)
        drop(w, x);
    lock_put(&w->lock);
}
