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
 */
#include "history/his_db.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/mem.h"

#define VALUE_SIZE 32

struct his_db { struct bdb_tree *tree; };

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
    return d;
}

void his_db_close(struct his_db **d)
{
    free(*d);
    *d = NULL;
}

int his_db_get(struct his_db *d, const struct msgid_key *k, struct his_entry *entry, struct err *e)
{
    char v[VALUE_SIZE];
    size_t n;
    int rc = bdb_get(d->tree, key_span(k), v, sizeof v, &n, e);

    if (rc == 1 && n != sizeof v)
        return err_set(e, "history: a row of %zu octets", n);
    if (rc == 1)
        unpack(entry, v);
    return rc;
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

    if (!fresh && txn_get(t, d->tree, key_span(k), &was) && was.n == VALUE_SIZE) {
        memcpy(v, was.p, sizeof v);
        unpack(&there, v);
        if (!replaces(&there, entry))
            return;
    }
    pack(v, entry);
    txn_put(t, d->tree, key_span(k), (struct span){ (const char *)v, sizeof v });
}

struct gather { struct msgid_key *keys; int n, most; };

static bool gather_key(struct span key, struct span value, void *arg)
{
    struct gather *g = arg;

    (void)value;
    if (key.n == sizeof g->keys[0].b)
        memcpy(g->keys[g->n++].b, key.p, key.n);
    return g->n < g->most;
}

int his_db_keys(struct his_db *d, struct msgid_key *from, struct msgid_key *keys, int most, bool *at_end,
                struct bdb_bulk *bulk, struct err *e)
{
    struct gather g = { keys, 0, most };

    if (bdb_scan(d->tree, key_span(from), SPAN(""), bulk, gather_key, &g, e) != 0)
        return -1;
    *at_end = g.n < most;
    if (g.n == 0)
        return 0;
    /* on from the next key in order: this one plus one; behind the last of all there is nothing */
    *from = keys[g.n - 1];
    for (int i = sizeof from->b - 1; i >= 0 && ++from->b[i] == 0; i--)
        if (i == 0)
            *at_end = true;
    return g.n;
}

int his_db_empty(struct his_db *d, struct err *e)
{
    return bdb_empty(d->tree, e);
}
