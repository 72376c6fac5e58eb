/* group_db.c - groups.db: one row a group, loaded at start, written by the
 * applier once a transaction for each group that it touched.
 *
 * A number at or below the row's high mark has been counted: that is what makes
 * applying twice harmless.  A row that belongs to a transaction which was
 * undone is not known any more and read again when it is next needed.
 *
 * Threads: the applier's alone (and main's at start).
 */
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "spool/group_int.h"

static struct span row_key(uint32_t id, char bytes[4])
{
    put32be(bytes, id);
    return (struct span){ bytes, 4 };
}

/* ---- rows --------------------------------------------------------------- */

static void take_row_locked(struct groups *g, struct entry *e, const struct marks *m, const struct group_facts *f)
{
    e->row = *m;
    e->row_flag = f->flag;
    e->row_removed = f->removed;
    e->row_created = f->created_us;
    e->row_text = text_make_locked(g, f);
    e->there = true;
    e->known = true;
}

/* Show the row to everybody. */
static void publish_row(struct groups *g, struct entry *e)
{
    bool was = atomic_load(&e->visible) && !atomic_load(&e->pub.removed), is = !e->row_removed;

    atomic_store(&e->pub.count, e->row.count);
    atomic_store(&e->pub.low, e->row.low);
    atomic_store(&e->pub.high, e->row.high);
    atomic_store(&e->pub.flag, e->row_flag);
    atomic_store(&e->pub.text, e->row_text);
    if (!atomic_load(&e->visible)) {
        /* nobody but us sees it yet: the committer's part and the plain fields may be set */
        e->pub.created_us = e->row_created;
        e->pub.next = e->row.high + 1 > e->row.floor ? e->row.high + 1 : e->row.floor;
    }
    atomic_store(&e->pub.removed, e->row_removed);
    atomic_store_explicit(&e->visible, true, memory_order_release);
    if (was == is)
        return;
    atomic_fetch_add(&g->count, is ? (size_t)1 : (size_t)-1);
    rwlock_write(&g->lock);
    order_stale_locked(g);
    rwlock_put(&g->lock);
}

struct loading { struct groups *g; struct err *e; bool bad; };

static bool load_row(struct span key, struct span value, void *arg)
{
    struct loading *l = arg;
    struct groups *g = l->g;
    struct marks m;
    struct group_facts f;
    struct entry *e;

    if (key.n != 4 || group_row_unpack(value, &m, &f) != 0 || f.id != get32be(key.p)) {
        err_set(l->e, "groups.db: a row cannot be understood; newsctl rebuild makes them anew");
        l->bad = true;
        return false;
    }
    rwlock_write(&g->lock);
    e = entry_add_locked(g, f.id, f.name);
    take_row_locked(g, e, &m, &f);
    rwlock_put(&g->lock);
    publish_row(g, e);
    return true;
}

int groups_load(struct groups *g, struct err *e)
{
    struct loading l = { .g = g, .e = e };
    struct bdb_bulk bulk = { 0 };
    struct span all = { NULL, 0 };
    int rc = bdb_scan(g->tree, all, all, &bulk, load_row, &l, e);

    bdb_bulk_fini(&bulk);
    return rc != 0 || l.bad ? -1 : 0;
}

/* Make 'row' what the database says. */
static void know(struct groups *g, struct txn *t, struct entry *e)
{
    struct marks m;
    struct group_facts f;
    struct span value;
    char key[4];

    if (e->known)
        return;
    e->known = true;
    e->there = txn_get(t, g->tree, row_key(e->pub.id, key), &value);
    if (!e->there)
        return;
    if (group_row_unpack(value, &m, &f) != 0) {
        txn_fail(t, "groups.db: a row cannot be understood");
        return;
    }
    rwlock_write(&g->lock);
    take_row_locked(g, e, &m, &f);
    rwlock_put(&g->lock);
}

static void touch(struct groups *g, struct entry *e)
{
    if (e->touched)
        return;
    e->touched = true;
    g->n_touched++;
    SLIST_INSERT_HEAD(&g->touched, e, touched_link);
}

static void end_touched(struct groups *g, bool committed)
{
    struct entry *e;

    while ((e = SLIST_FIRST(&g->touched)) != NULL) {
        SLIST_REMOVE_HEAD(&g->touched, touched_link);
        e->touched = false;
        if (committed)
            publish_row(g, e);
        else
            e->known = false;
    }
    g->n_touched = 0;
}

/* ---- records ------------------------------------------------------------ */

static void raise_high(struct entry *e, uint64_t high)
{
    if (high <= e->row.high)
        return;
    e->row.high = high;
    if (e->row.count == 0)
        e->row.low = high + 1;
}

/* A group of this name that is no more: its numbers are not given again. */
static uint64_t floor_of_name(const struct entry *e)
{
    uint64_t floor = 1;

    for (const struct entry *o = e->older; o != NULL; o = o->older) {
        uint64_t next = o->row.high + 1 > o->row.floor ? o->row.high + 1 : o->row.floor;

        floor = next > floor ? next : floor;
    }
    return floor;
}

/* The entry of this id and name.  An id that had another name was never
 * published under it (its batch was lost): that entry is forgotten. */
static struct entry *entry_for(struct groups *g, const struct group_facts *f)
{
    struct entry *e = entry_by_id(g, f->id);

    if (e != NULL && span_eq(span_of(e->name), f->name))
        return e;
    if (e != NULL)
        return NULL;
    rwlock_write(&g->lock);
    e = entry_add_locked(g, f->id, f->name);
    rwlock_put(&g->lock);
    return e;
}

static void make_group(struct entry *e, const struct group_facts *f)
{
    /* nor does its high mark fall, for readers that know it (RFC 3977 6.1.1.2) */
    uint64_t floor = floor_of_name(e), high = f->high > floor - 1 ? f->high : floor - 1;

    if (!e->there)
        e->row = (struct marks){ .low = f->low > 0 ? f->low : 1, .high = high, .floor = floor };
    else                                   /* emptied by a rebuild: here it is again */
        raise_high(e, high);
    /* none of those numbers is here: they were elsewhere, or are no more */
    if (e->row.count == 0)
        e->row.low = e->row.high + 1;
    if (e->row.floor < floor)
        e->row.floor = floor;
    e->row_created = f->created_us;
    e->there = true;
}

/* RECORD_GROUP, or one group of a snapshot. */
static void apply_facts(struct groups *g, struct txn *t, const struct group_facts *f, bool snapshot)
{
    struct entry *e = entry_for(g, f);

    if (e == NULL) {
        txn_fail(t, "groups: a record gives a group's id to another name");
        return;
    }
    know(g, t, e);
    if (!e->there || e->row_removed)
        make_group(e, f);
    else if (snapshot)
        raise_high(e, f->high);            /* segments between may be missing */
    e->row_flag = f->flag;
    e->row_removed = f->removed;
    rwlock_write(&g->lock);
    e->row_text = text_make_locked(g, f);
    rwlock_put(&g->lock);
    touch(g, e);
}

/* A snapshot tells nothing new where all that came before it was applied. */
static bool same_facts(const struct entry *e, const struct group_facts *f)
{
    const struct group_text *x = e->row_text;

    return e->there && e->row_removed == f->removed && e->row_flag == f->flag && e->row.high >= f->high &&
           span_eq(span_of(x->description), f->description) && span_eq(span_of(x->creator), f->creator) &&
           span_eq(span_of(x->alias), f->alias);
}

static void apply_snapshot(struct groups *g, struct txn *t, struct span data)
{
    struct group_facts f;

    for (size_t at = 0; data.n - at >= 4;) {
        size_t n = get32(data.p + at);
        struct entry *e;

        at += 4;
        if (n > data.n - at || group_unpack((struct span){ data.p + at, n }, &f) != 0) {
            txn_fail(t, "groups: a snapshot cannot be understood");
            return;
        }
        at += n;
        if ((e = entry_by_id(g, f.id)) != NULL)
            know(g, t, e);
        if (e == NULL || !same_facts(e, &f))
            apply_facts(g, t, &f, true);
    }
}

static void apply_ungroup(struct groups *g, struct txn *t, uint32_t id)
{
    struct entry *e = entry_by_id(g, id);

    if (e == NULL)
        return;
    know(g, t, e);
    if (!e->there)
        return;
    e->row_removed = true;
    touch(g, e);
}

/* A group whose own record is damaged: nobody else may have its id, for numbers in it were given. */
static void spare_id(struct groups *g, uint32_t id)
{
    rwlock_write(&g->lock);
    if (id > g->lost_id)
        g->lost_id = id;
    rwlock_put(&g->lock);
}

static void apply_number(struct groups *g, struct txn *t, const struct record_number *n, bool gone)
{
    struct entry *e = entry_by_id(g, n->group);

    if (e == NULL) {
        spare_id(g, n->group);
        return;
    }
    know(g, t, e);
    if (!e->there || n->number <= e->row.high)
        return;
    if (gone) {
        raise_high(e, n->number);
    } else {
        if (e->row.count++ == 0)
            e->row.low = n->number;
        e->row.high = n->number;
    }
    touch(g, e);
}

void groups_apply_begin(struct groups *g)
{
    end_touched(g, false);
    g->applying = true;
}

void groups_apply(struct groups *g, struct txn *t, const struct record *r)
{
    struct group_facts f;

    need(g->applying);
    switch (r->kind) {
    case RECORD_ARTICLE:
        for (unsigned i = 0; i < r->n_numbers; i++)
            apply_number(g, t, &r->numbers[i], (r->flags & RECORD_GONE) != 0);
        break;
    case RECORD_GROUP:
        if ((r->flags & RECORD_GONE) != 0)      /* a rebuild meets it: all else of the log is worth having */
            log_msg(LOG_ERROR, "record %llu made or changed a group and is damaged: it is passed over; what newsctl group list "
                    "lacks has to be made again", (unsigned long long)r->seq);
        else if (group_unpack(r->data, &f) != 0)
            txn_fail(t, "groups: a group's record cannot be understood");
        else
            apply_facts(g, t, &f, false);
        break;
    case RECORD_UNGROUP:
        if (r->n_numbers > 0)
            apply_ungroup(g, t, r->numbers[0].group);
        break;
    case RECORD_SNAPSHOT:
        if ((r->flags & RECORD_GONE) == 0)
            apply_snapshot(g, t, r->data);
        break;
    case RECORD_REFUSED:
    case RECORD_CANCEL:
    case RECORD_REMOVED:
    case RECORD_FORGET:
        break;
    }
}

void group_article_gone(struct groups *g, struct txn *t, uint32_t id, uint64_t number, uint64_t new_low)
{
    struct entry *e = entry_by_id(g, id);

    need(g->applying);
    if (e == NULL)
        return;
    know(g, t, e);
    if (!e->there || number > e->row.high || e->row.count == 0)
        return;
    e->row.count--;
    if (new_low > e->row.low)
        e->row.low = new_low < e->row.high + 1 ? new_low : e->row.high + 1;
    if (e->row.count == 0)
        e->row.low = e->row.high + 1;
    touch(g, e);
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = (*(struct entry *const *)a)->pub.id, y = (*(struct entry *const *)b)->pub.id;

    return x < y ? -1 : x > y;
}

void groups_apply_end(struct groups *g, struct txn *t)
{
    struct entry **rows = xmalloc((g->n_touched + 1) * sizeof *rows), *e;
    struct buf value = { 0 };
    size_t n = 0;
    char key[4];

    need(g->applying);
    g->applying = false;
    SLIST_FOREACH(e, &g->touched, touched_link)
        rows[n++] = e;
    qsort(rows, n, sizeof *rows, by_id);     /* neighbours share a page */
    for (size_t i = 0; i < n; i++) {
        buf_clear(&value);
        group_row_pack(&value, rows[i]);
        txn_put(t, g->tree, row_key(rows[i]->pub.id, key), buf_span(&value));
    }
    buf_fini(&value);
    free(rows);
}

void groups_publish(struct groups *g)
{
    end_touched(g, true);
}

void groups_reopened(struct groups *g)
{
    end_touched(g, false);
    rwlock_read(&g->lock);
    for (uint32_t id = 1; id <= g->max_id; id++)
        if (g->by_id[id] != NULL)
            g->by_id[id]->known = false;
    rwlock_put(&g->lock);
}

/* ---- rebuild ------------------------------------------------------------ */

static void work_empty(struct txn *t, void *arg)
{
    struct groups *g = arg;

    groups_apply_begin(g);
    for (uint32_t id = 1; id <= g->max_id; id++) {
        struct entry *e = g->by_id[id];
        uint64_t next;

        if (e == NULL)
            continue;
        know(g, t, e);
        if (!e->there)
            continue;
        next = e->pub.next > e->row.high + 1 ? e->pub.next : e->row.high + 1;
        if (e->row.floor < next)
            e->row.floor = next;
        e->row.low = 1;
        e->row.high = e->row.count = 0;
        e->row_removed = true;
        touch(g, e);
    }
    groups_apply_end(g, t);
}

int groups_empty(struct groups *g, struct err *e)
{
    if (bdb_run(g->b, work_empty, g, e) != 0)
        return -1;
    groups_publish(g);
    return 0;
}
