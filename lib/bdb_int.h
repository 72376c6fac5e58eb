/* bdb_int.h - the inside of struct bdb, shared by lib/bdb*.c alone; the one
 * place that knows Berkeley DB's own header.
 *
 *     bdb.c         open, close, open again; trees; flush and checkpoint
 *     bdb_txn.c     transactions
 *     bdb_read.c    get, scan, last, warm
 *     bdb_route.c   its files on the disk of lib/disk.h
 */
#ifndef LIB_BDB_INT_H
#define LIB_BDB_INT_H

#include <db.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "lib/bdb.h"
#include "lib/lock.h"

enum {
    BDB_PAGE_BYTES = 4 << 10,   /* see "Torn pages" in bdb.c          */
    BDB_TRIES      = 100        /* of a deadlock's victim             */
};

struct bdb_tree {
    struct bdb *b;
    char       *name;           /* of the file                        */
    DB         *db;             /* NULL only while broken             */
    SLIST_ENTRY(bdb_tree) link;
};

struct bdb {
    char         *dir;
    size_t        cache_bytes;
    uint32_t      batch_most;
    DB_ENV       *env;          /* NULL only while broken             */
    struct rwlock door;         /* read: inside Berkeley DB           */
    struct lock   pen;          /* guards 'why'                       */
    atomic_bool   broken;
    char          why[200];
    atomic_bool   running;      /* a bdb_run is on                    */
    SLIST_HEAD(, bdb_tree) trees;   /* changed with the door held to write */
};

struct txn {
    DB_TXN *t;
    int     rc;                 /* the first failure, or 0            */
    char    why[200];           /* txn_fail's reason; then rc is -1   */
    DBT     got;                /* txn_get's memory                   */
};

/* Go in, unless it is broken.  Return 0, or -1 and not inside; leave with the result. */
int bdb_enter(struct bdb *b, struct err *e);
int bdb_leave(struct bdb *b, int result);

/* Berkeley DB's failure as a sentence; -1.  One that the environment has not survived
 * breaks 'b' for good. */
int bdb_failed(struct bdb *b, struct err *e, const char *what, const char *name, int rc);
void bdb_set_broken(struct bdb *b, const char *what, int rc);

/* Berkeley DB's way to open a file: it must be set before an environment is made. */
int bdb_hook_open(const char *path, int flags, ...);

static inline DBT bdb_in(struct span s)
{
    return (DBT){ .data = (void *)(uintptr_t)s.p, .size = (uint32_t)s.n };
}

#endif
