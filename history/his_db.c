/* his_db.c - history's rows in the database.  See his_db.h.
 *
 * What an entry becomes when another one for the same id is applied.  The log
 * is applied in order and any part of it may be applied again, so the table
 * must give the same end whatever is repeated:
 *
 *     there \ comes   kept            refused   expired   cancelled
 *     nothing         kept            refused   expired   cancelled
 *     kept            kept (older)    kept      expired   cancelled
 *     refused         kept if newer   refused   expired   cancelled
 *     expired         kept if newer   expired   expired   cancelled
 *     cancelled       cancelled, always: also when the cancel came first
 *
 * One that was forgotten counts as nothing.  That is decided by the log alone (a
 * record names the day), never by the row having been swept away already: so the
 * same log gives the same history.
 */
#include "history/his_db.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/mem.h"

#define VALUE_SIZE     32
#define FORGOTTEN_SIZE 12

/* Both only grow while records are applied: one who reads them between two
 * changes takes less for forgotten than is, never more. */
struct his_db {
    struct bdb_tree *tree;
    _Atomic uint32_t day;               /* rows of before this day                        */
    _Atomic uint64_t seq;               /* that were written by a record before this one  */
    atomic_bool known;                  /* both were read: without them nothing can be said */
};

static const struct span FORGOTTEN = { "forgotten", 9 };

static void pack(char v[VALUE_SIZE], const struct his_entry *e)
{
    memset(v, 0, VALUE_SIZE);
    put64(v, e->seq);
    put32(v + 8, e->segment);
    put64(v + 12, e->offset);
    put32(v + 20, e->size);
    put32(v + 24, e->day);
    v[28] = (uint8_t)e->state;
}

static void unpack(struct his_entry *e, const char v[VALUE_SIZE])
{
    e->seq = get64(v);
    e->segment = get32(v + 8);
    e->offset = get64(v + 12);
    e->size = get32(v + 20);
    e->day = get32(v + 24);
    e->state = v[28];
}

static struct span key_span(const struct msgid_key *k)
{
    return (struct span){ (const char *)k->b, sizeof k->b };
}

struct his_db *his_db_open(struct bdb *b, struct err *e)
{
    struct bdb_tree *tree = bdb_tree(b, "history", e);
    struct his_db *d;

    if (tree == NULL)
        return NULL;
    d = xcalloc(1, sizeof *d);
    d->tree = tree;
    (void)his_db_load_forgotten(d, e);  /* if not now, then with the first question */
    return d;
}

void his_db_close(struct his_db **d)
{
    free(*d);
    *d = NULL;
}

/* ---- what was forgotten ---- */

bool his_db_forgets(const struct his_db *d, const struct his_entry *e)
{
    return e->state != HIS_KEPT && e->day < d->day && e->seq < d->seq;
}

void his_db_forget(struct his_db *d, struct txn *t, uint32_t day, uint64_t seq)
{
    char v[FORGOTTEN_SIZE];

    put32(v, day);
    put64(v + 4, seq);
    txn_put(t, d->tree, FORGOTTEN, (struct span){ v, sizeof v });
}

void his_db_forgotten(struct his_db *d, uint32_t day, uint64_t seq)
{
    d->day = day;
    d->seq = seq;
}

int his_db_load_forgotten(struct his_db *d, struct err *e)
{
    char v[FORGOTTEN_SIZE] = { 0 };
    size_t n;
    int rc = bdb_get(d->tree, FORGOTTEN, v, sizeof v, &n, e);

    if (rc == 1 && n != sizeof v)
        return err_set(e, "history: the note of what was forgotten has %zu octets", n);
    if (rc >= 0) {
        his_db_forgotten(d, get32(v), get64(v + 4));
        d->known = true;
    }
    return rc < 0 ? -1 : 0;
}

static int know(struct his_db *d, struct err *e)
{
    return d->known ? 0 : his_db_load_forgotten(d, e);
}

uint32_t his_db_forgotten_day(const struct his_db *d)
{
    return d->day;
}

bool his_db_drop(struct his_db *d, struct txn *t, const struct msgid_key *k)
{
    struct his_entry there;
    struct span was;

    if (!txn_get(t, d->tree, key_span(k), &was) || was.n != VALUE_SIZE)
        return false;
    unpack(&there, was.p);
    if (!his_db_forgets(d, &there))
        return false;
    txn_del(t, d->tree, key_span(k));
    return true;
}

/* ---- rows ---- */

int his_db_get(struct his_db *d, const struct msgid_key *k, struct his_entry *entry, struct err *e)
{
    char v[VALUE_SIZE];
    size_t n;
    int rc = know(d, e) != 0 ? -1 : bdb_get(d->tree, key_span(k), v, sizeof v, &n, e);

    if (rc == 1 && n != sizeof v)
        return err_set(e, "history: a row of %zu octets", n);
    if (rc == 1)
        unpack(entry, v);
    return rc == 1 && his_db_forgets(d, entry) ? 0 : rc;
}

static bool replaces(const struct his_entry *there, const struct his_entry *comes)
{
    if (there->state == HIS_CANCELLED)
        return false;
    switch (comes->state) {
    case HIS_KEPT: return there->state != HIS_KEPT && comes->seq > there->seq;
    case HIS_REFUSED: return false;
    case HIS_EXPIRED: return there->state != HIS_EXPIRED && comes->seq >= there->seq;
    case HIS_CANCELLED: return true;
    }
    return false;
}

void his_db_merge(struct his_db *d, struct txn *t, const struct msgid_key *k, const struct his_entry *entry, bool fresh)
{
    char v[VALUE_SIZE];
    struct his_entry there;
    struct span was;

    if (!d->known) {
        txn_fail(t, "history: what was forgotten could not be read");
        return;
    }
    if (!fresh && txn_get(t, d->tree, key_span(k), &was) && was.n == VALUE_SIZE) {
        memcpy(v, was.p, sizeof v);
        unpack(&there, v);
        if (!his_db_forgets(d, &there) && !replaces(&there, entry))
            return;
    }
    pack(v, entry);
    txn_put(t, d->tree, key_span(k), (struct span){ (const char *)v, sizeof v });
}

struct gather {
    const struct his_db *d;
    struct msgid_key *keys, last;
    int  n, rows, most;
    bool forgotten;
};

static bool gather_key(struct span key, struct span value, void *arg)
{
    struct gather *g = arg;
    struct his_entry e;

    if (key.n != sizeof g->last.b)
        return true;
    memcpy(g->last.b, key.p, key.n);
    g->rows++;
    if (value.n == VALUE_SIZE)
        unpack(&e, value.p);
    if ((value.n == VALUE_SIZE && his_db_forgets(g->d, &e)) == g->forgotten)
        g->keys[g->n++] = g->last;
    return g->rows < g->most;
}

int his_db_keys(struct his_db *d, struct msgid_key *from, struct msgid_key *keys, int most, bool forgotten, bool *at_end,
                struct bdb_bulk *bulk, struct err *e)
{
    struct gather g = { .d = d, .keys = keys, .most = most, .forgotten = forgotten };

    if (know(d, e) != 0 || bdb_scan(d->tree, key_span(from), SPAN(""), bulk, gather_key, &g, e) != 0)
        return -1;
    *at_end = g.rows < most;
    if (g.rows == 0)
        return 0;
    /* on from the next key in order: this one plus one; behind the last of all there is nothing */
    *from = g.last;
    for (int i = sizeof from->b - 1; i >= 0 && ++from->b[i] == 0; i--)
        if (i == 0)
            *at_end = true;
    return g.n;
}

int his_db_empty(struct his_db *d, struct err *e)
{
    return bdb_empty(d->tree, e) != 0 ? -1 : his_db_load_forgotten(d, e);
}
