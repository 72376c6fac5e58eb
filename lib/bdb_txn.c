/* bdb_txn.c - transactions.  See bdb.h. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/bdb_int.h"
#include "lib/mem.h"

void txn_put(struct txn *t, struct bdb_tree *tree, struct span key, struct span value)
{
    DBT k = bdb_in(key), v = bdb_in(value);

    if (t->rc == 0)
        t->rc = tree->db->put(tree->db, t->t, &k, &v, 0);
}

void txn_del(struct txn *t, struct bdb_tree *tree, struct span key)
{
    DBT k = bdb_in(key);
    int rc;

    if (t->rc == 0 && (rc = tree->db->del(tree->db, t->t, &k, 0)) != DB_NOTFOUND)
        t->rc = rc;
}

bool txn_get(struct txn *t, struct bdb_tree *tree, struct span key, struct span *value)
{
    DBT k = bdb_in(key);
    int rc;

    if (t->rc != 0)
        return false;
    t->got.flags = DB_DBT_REALLOC;
    rc = tree->db->get(tree->db, t->t, &k, &t->got, 0);
    if (rc != 0 && rc != DB_NOTFOUND)
        t->rc = rc;
    if (rc == 0)
        *value = (struct span){ t->got.data, t->got.size };
    return rc == 0;
}

void txn_fail(struct txn *t, const char *why)
{
    if (t->rc != 0)
        return;
    t->rc = -1;
    snprintf(t->why, sizeof t->why, "%s", why);
}

/* One try.  A commit or an undoing that fails leaves the state unknown. */
static int run_once(struct bdb *b, struct txn *x, void (*work)(struct txn *, void *), void *arg)
{
    int rc;

    x->rc = 0;
    if ((x->rc = b->env->txn_begin(b->env, NULL, &x->t, 0)) != 0)
        return x->rc;
    work(x, arg);
    if (x->rc == 0) {
        if ((rc = x->t->commit(x->t, 0)) != 0 && rc != DB_LOCK_DEADLOCK)
            bdb_set_broken(b, "commit", rc);
        x->rc = rc;
    } else if ((rc = x->t->abort(x->t)) != 0) {
        bdb_set_broken(b, "undoing a transaction", rc);
    }
    return x->rc;
}

int bdb_run(struct bdb *b, void (*work)(struct txn *, void *), void *arg, struct err *e)
{
    struct txn x = { 0 };
    int rc, tries = BDB_TRIES;

    if (bdb_enter(b, e) != 0)
        return -1;
    need(!atomic_exchange(&b->running, true));
    while ((rc = run_once(b, &x, work, arg)) == DB_LOCK_DEADLOCK && --tries > 0)
        ;
    atomic_store(&b->running, false);
    free(x.got.data);
    if (rc == 0)
        return bdb_leave(b, 0);
    if (x.why[0] != '\0')
        return bdb_leave(b, err_set(e, "%s", x.why));
    return bdb_leave(b, bdb_failed(b, e, "transaction", b->dir, rc));
}
