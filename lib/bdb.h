/* bdb.h - all that the house knows of Berkeley DB.
 *
 * Threads:  every function may be called on any thread, except that one
 *           thread at a time runs bdb_run (the applier).  bdb_get and
 *           bdb_scan may wait for the disk and, for milliseconds, for a
 *           running transaction: call them from the disk lane.
 * Crash:    a bdb_run that returned 0 survives the death of the process;
 *           it survives a power cut once bdb_flush has returned 0 after it.
 *           Opening runs recovery: the trees are as after some bdb_run.
 * Memory:   the cache of the options, plus little.
 *
 * Other files see no Berkeley DB type: trees are byte strings to byte
 * strings, in the order of memcmp on the keys.
 */
#ifndef LIB_BDB_H
#define LIB_BDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/span.h"

struct bdb;        /* an environment: one directory             */
struct bdb_tree;   /* a B-tree in it; lives as long as the bdb  */
struct txn;        /* the running transaction                   */

struct bdb_options {
    const char *dir;          /* made when it is not there                        */
    size_t      cache_bytes;  /* page cache                                       */
    uint32_t    batch_most;   /* records a transaction may touch: sizes the locks */
};

/* Open the environment, run recovery.  Return NULL with the reason in 'e'. */
struct bdb *bdb_open(const struct bdb_options *o, struct err *e);

/* Checkpoint and close.  All trees are gone with it. */
void bdb_close(struct bdb **b);

/* After a failure that Berkeley DB cannot go on from (bdb_broken): close, run
 * recovery, open all trees again under the same struct bdb_tree pointers.
 * Waits until no reader is inside.  What a later transaction did not flush
 * may be undone: read "applied up to" again afterwards. */
int  bdb_reopen(struct bdb *b, struct err *e) need_result;
bool bdb_broken(const struct bdb *b);

/* The tree of this name, made when it is not there. */
struct bdb_tree *bdb_tree(struct bdb *b, const char *name, struct err *e);

/* Write the database's log to stable storage (cheap; every second or so). */
int bdb_flush(struct bdb *b, struct err *e) need_result;

/* Write dirty pages so that recovery starts here; drops old log files.  Slow:
 * from a thread of its own.  'bytes': only if that much was logged since (0: always). */
int bdb_checkpoint(struct bdb *b, size_t bytes, struct err *e) need_result;

/* Run 'work' in a transaction and commit; again when Berkeley DB chose it as
 * the victim of a deadlock, so 'work' changes nothing but the database and
 * what it can change twice.  After the first failure the txn_ calls do nothing. */
int bdb_run(struct bdb *b, void (*work)(struct txn *, void *), void *arg, struct err *e) need_result;

void txn_put(struct txn *t, struct bdb_tree *tree, struct span key, struct span value);
void txn_del(struct txn *t, struct bdb_tree *tree, struct span key);   /* absent is fine */

/* Return true and fill *value (valid until the next txn_ call) when the key is there. */
bool txn_get(struct txn *t, struct bdb_tree *tree, struct span key, struct span *value);
void txn_fail(struct txn *t, const char *why);      /* undo the transaction          */

/* Outside a transaction.  Return 1 found (at most 'cap' bytes copied, *n the
 * true size), 0 not there, -1 trouble. */
int bdb_get(struct bdb_tree *tree, struct span key, void *value, size_t cap, size_t *n, struct err *e);

/* A scan's scratch memory; one for each thread that scans, kept between scans.
 * 'want' may say about how many octets of rows are wanted (0: no idea): then no
 * more is copied at a time. */
struct bdb_bulk { void *p; size_t cap, want; };
void bdb_bulk_fini(struct bdb_bulk *bulk);

typedef bool bdb_each_fn(struct span key, struct span value, void *arg);   /* false: enough */

/* Call 'each' for the keys from <= key <= to, in order, in bulk.  'to' may be
 * empty: to the end.  Not a snapshot.  Return 0, or -1. */
int bdb_scan(struct bdb_tree *tree, struct span from, struct span to,
             struct bdb_bulk *bulk, bdb_each_fn *each, void *arg, struct err *e);

/* After opening the cache is empty.  Read into it some of the trees' pages that no call of before
 * has read, in the files' order; when not all fit, of each tree the newest ones.  'w' begins as zeros
 * and belongs to the caller: one thread, between whose calls time may pass.  1: there is more to read,
 * 0: that was all (or all that fits), or -1. */
struct bdb_warmth { unsigned tree; uint32_t page; uint64_t bytes; };
int bdb_warm(struct bdb *b, struct bdb_warmth *w, struct err *e);

/* The greatest key <= 'key'.  1, 0 or -1 as bdb_get; the key goes to key_out. */
int bdb_last(struct bdb_tree *tree, struct span key, void *key_out, size_t key_cap, size_t *key_n,
             void *value, size_t cap, size_t *n, struct err *e);

/* Empty the tree (rebuild).  Outside any transaction. */
int bdb_empty(struct bdb_tree *tree, struct err *e) need_result;

#endif
