/* bdb_read.c - questions outside of a transaction.  See bdb.h.
 *
 * Nobody holds a lock longer than one call: a scan copies a buffer full under
 * the cursor, lets go, and calls its owner; then it goes on behind the last
 * key.  As victim of a deadlock the reader is chosen (DB_LOCK_MINWRITE), who
 * just asks again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bdb_int.h"
#include "lib/mem.h"

enum {
    BULK_LEAST = 64 << 10,
    BULK_UNIT  = BDB_PAGE_BYTES,    /* a multiple of 1024, and not less than a page */
    WARM_PAGES = 64                 /* read at a time                               */
};

/* A get into the caller's memory; when it is too small, its first part. */
static int get_into(DB *db, DBT *k, void *value, size_t cap, size_t *n)
{
    DBT v = { .data = value, .ulen = (uint32_t)cap, .flags = DB_DBT_USERMEM };
    int rc = db->get(db, NULL, k, &v, 0);

    *n = v.size;
    if (rc != DB_BUFFER_SMALL)
        return rc;
    v.flags |= DB_DBT_PARTIAL;
    v.dlen = (uint32_t)cap;
    return db->get(db, NULL, k, &v, 0);
}

int bdb_get(struct bdb_tree *tree, struct span key, void *value, size_t cap, size_t *n, struct err *e)
{
    struct bdb *b = tree->b;
    DBT k = bdb_in(key);
    int rc, tries = BDB_TRIES;

    if (bdb_enter(b, e) != 0)
        return -1;
    while ((rc = get_into(tree->db, &k, value, cap, n)) == DB_LOCK_DEADLOCK && --tries > 0)
        ;
    if (rc == 0 || rc == DB_NOTFOUND)
        return bdb_leave(b, rc == 0);
    return bdb_leave(b, bdb_failed(b, e, "get", tree->name, rc));
}

void bdb_bulk_fini(struct bdb_bulk *bulk)
{
    free(bulk->p);
    *bulk = (struct bdb_bulk){ 0 };
}

static bool bulk_grow(struct bdb_bulk *bulk, size_t want)
{
    size_t cap = bulk->cap != 0 ? bulk->cap : BULK_LEAST;
    void *p;

    while (cap < want)
        cap *= 2;
    if (cap > UINT32_MAX / 2 || (p = aligned_alloc(BDB_PAGE_BYTES, cap)) == NULL)
        return false;
    free(bulk->p);
    bulk->p = p;
    bulk->cap = cap;
    return true;
}

/* Fill the buffer with records from 'from' on. */
static int fill_once(struct bdb_tree *tree, struct span from, struct bdb_bulk *bulk, size_t most, DBT *out)
{
    DBT k = bdb_in(from);
    DBC *c;
    int rc, rc2;

    if ((rc = tree->db->cursor(tree->db, NULL, &c, 0)) != 0)
        return rc;
    *out = (DBT){ .data = bulk->p, .ulen = (uint32_t)most, .flags = DB_DBT_USERMEM };
    /* the cursor writes the key it stands on: give it memory of its own to make */
    k.flags = DB_DBT_MALLOC;
    rc = c->get(c, &k, out, (from.n > 0 ? DB_SET_RANGE : DB_FIRST) | DB_MULTIPLE_KEY);
    if (k.data != from.p)
        free(k.data);
    rc2 = c->close(c);
    return rc != 0 ? rc : rc2;
}

static int fill(struct bdb_tree *tree, struct span from, struct bdb_bulk *bulk, DBT *out)
{
    size_t most = bulk->want + BULK_UNIT - bulk->want % BULK_UNIT;
    int rc, tries = BDB_TRIES;

    if (bulk->p == NULL && !bulk_grow(bulk, BULK_LEAST))
        return ENOMEM;
    if (bulk->want == 0 || most > bulk->cap)
        most = bulk->cap;
    for (;;) {
        rc = fill_once(tree, from, bulk, most, out);
        if (rc == DB_BUFFER_SMALL) {
            size_t want = out->size > most ? out->size : most + 1;

            if (want > bulk->cap && !bulk_grow(bulk, want))
                return ENOMEM;
            most = bulk->cap;
        } else if (rc != DB_LOCK_DEADLOCK || --tries == 0) {
            return rc;
        }
    }
}

static bool beyond(struct span key, struct span to)
{
    size_t n = key.n < to.n ? key.n : to.n;
    int c = n > 0 ? memcmp(key.p, to.p, n) : 0;

    return to.n > 0 && (c > 0 || (c == 0 && key.n > to.n));
}

/* Hand out a buffer full.  Return false when the scan is at its end. */
static bool hand_out(DBT *full, struct span to, bdb_each_fn *each, void *arg, struct span *last)
{
    void *at, *kp, *vp;
    size_t kn, vn;

    DB_MULTIPLE_INIT(at, full);
    for (;;) {
        DB_MULTIPLE_KEY_NEXT(at, full, kp, kn, vp, vn);
        if (at == NULL)
            return true;
        *last = (struct span){ kp, kn };
        if (beyond(*last, to) || !each(*last, (struct span){ vp, vn }, arg) || span_eq(*last, to))
            return false;
    }
}

int bdb_scan(struct bdb_tree *tree, struct span from, struct span to, struct bdb_bulk *bulk, bdb_each_fn *each,
             void *arg, struct err *e)
{
    struct bdb *b = tree->b;
    struct span last = { 0 };
    char *next = NULL;
    int rc;
    DBT full;

    for (;;) {
        if (bdb_enter(b, e) != 0) {
            rc = -1;
            break;
        }
        if ((rc = fill(tree, from, bulk, &full)) == DB_NOTFOUND) {
            rc = bdb_leave(b, 0);
            break;
        }
        if (rc != 0) {
            rc = bdb_leave(b, bdb_failed(b, e, "scan", tree->name, rc));
            break;
        }
        bdb_leave(b, 0);     /* 'each' may call in here, and nobody waits for it */
        if (!hand_out(&full, to, each, arg, &last))
            break;
        /* the least key behind the last one is that key and a zero byte */
        next = xrealloc(next, last.n + 1);
        memcpy(next, last.p, last.n);
        next[last.n] = '\0';
        from = (struct span){ next, last.n + 1 };
    }
    free(next);
    return rc;
}

/* Stand on the greatest key <= 'key'.  k and v are malloc'd by Berkeley DB. */
static int seek_last(DBC *c, struct span key, DBT *k, DBT *v)
{
    int rc = c->get(c, k, v, DB_SET_RANGE);

    if (rc == 0 && span_eq((struct span){ k->data, k->size }, key))
        return 0;
    if (rc != 0 && rc != DB_NOTFOUND)
        return rc;
    if (k->data != key.p)
        free(k->data);
    free(v->data);
    *k = *v = (DBT){ .flags = DB_DBT_MALLOC };
    return c->get(c, k, v, rc == 0 ? DB_PREV : DB_LAST);
}

static size_t copy_out(void *out, size_t cap, const DBT *d)
{
    size_t n = d->size < cap ? d->size : cap;

    if (n > 0)
        memcpy(out, d->data, n);
    return d->size;
}

int bdb_last(struct bdb_tree *tree, struct span key, void *key_out, size_t key_cap, size_t *key_n, void *value,
             size_t cap, size_t *n, struct err *e)
{
    struct bdb *b = tree->b;
    int rc, tries = BDB_TRIES;
    DBC *c;

    if (bdb_enter(b, e) != 0)
        return -1;
    do {
        DBT k = bdb_in(key), v = { .flags = DB_DBT_MALLOC };

        k.flags = DB_DBT_MALLOC;
        if ((rc = tree->db->cursor(tree->db, NULL, &c, 0)) != 0)
            break;
        if ((rc = seek_last(c, key, &k, &v)) == 0) {
            *key_n = copy_out(key_out, key_cap, &k);
            *n = copy_out(value, cap, &v);
        }
        if (k.data != key.p)
            free(k.data);
        free(v.data);
        (void)c->close(c);
    } while (rc == DB_LOCK_DEADLOCK && --tries > 0);
    if (rc == 0 || rc == DB_NOTFOUND)
        return bdb_leave(b, rc == 0);
    return bdb_leave(b, bdb_failed(b, e, "seek", tree->name, rc));
}

/* ---- warming ---- */

/* How many pages all trees have together, at most ('*all'), and the tree of this number. */
static struct bdb_tree *warm_tree(struct bdb *b, unsigned number, uint64_t *all)
{
    struct bdb_tree *t, *found = NULL;
    unsigned i = 0;
    db_pgno_t last;

    *all = 0;
    SLIST_FOREACH(t, &b->trees, link) {
        if (i++ == number)
            found = t;
        if (t->db->get_mpf(t->db)->get_last_pgno(t->db->get_mpf(t->db), &last) == 0)
            *all += (uint64_t)last + 1;
    }
    return found;
}

/* The first page worth reading: a tree has the part of the cache that it has of all pages, and
 * a quarter of the cache is left to what comes. */
static db_pgno_t warm_from(const struct bdb *b, db_pgno_t last, uint64_t all)
{
    uint64_t room = b->cache_bytes / BDB_PAGE_BYTES / 4 * 3;

    return all <= room ? 0 : (db_pgno_t)(last - (uint64_t)last * room / all);
}

int bdb_warm(struct bdb *b, struct bdb_warmth *w, struct err *e)
{
    struct bdb_tree *t;
    DB_MPOOLFILE *file;
    db_pgno_t last;
    uint64_t all;
    void *page;
    int rc;

    if (bdb_enter(b, e) != 0)
        return -1;
    if ((t = warm_tree(b, w->tree, &all)) == NULL)
        return bdb_leave(b, 0);
    file = t->db->get_mpf(t->db);
    rc = file->get_last_pgno(file, &last);
    if (w->page == 0)
        w->page = warm_from(b, last, all);
    for (int i = 0; rc == 0 && i < WARM_PAGES && w->page <= last; i++, w->page++, w->bytes += BDB_PAGE_BYTES)
        if ((rc = file->get(file, &w->page, NULL, 0, &page)) == 0)
            rc = file->put(file, page, DB_PRIORITY_UNCHANGED, 0);
    if (rc != 0)
        return bdb_leave(b, bdb_failed(b, e, "read ahead", t->name, rc));
    if (w->page > last) {
        w->page = 0;
        w->tree++;
    }
    return bdb_leave(b, 1);
}
