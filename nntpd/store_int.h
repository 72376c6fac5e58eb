/* store_int.h - the inside of struct store, for store*.c, commit.c, applier.c.
 *
 * How a submission walks (each list is linked by mail.next):
 *
 *    store_submit          committer                     applier
 *   ─────▶ queue ─────▶ batch ─ append, sync ─▶ durable ─────▶ run ─ apply, publish ─▶ home
 *                                                     └─ database fails: home ("later"), place kept in owed
 *
 * Locks: 'lock' guards what is below it and is held for moments only; nothing
 * is asked of the disk, of another room or of a caller's function under it.
 */
#ifndef NNTPD_STORE_INT_H
#define NNTPD_STORE_INT_H

#include <pthread.h>

#include "lib/lock.h"
#include "nntpd/apply.h"
#include "nntpd/store.h"

#define BATCH_MOST      512                 /* records in one write and one sync                    */
#define BATCH_BYTES     (8u << 20)
#define UNAPPLIED_MOST  (4 * BATCH_MOST)    /* durable records that may wait for the applier        */
#define GROUP_NEW       (UINT32_MAX - 1)    /* the id in a submission whose group has none yet      */
#define KEEPER_US       INT64_C(1000000)
#define RETRY_US        INT64_C(1000000)    /* after trouble: try again                             */

struct chain { struct submission *first, **tail; unsigned n; };

struct trouble {
    bool    on;
    int64_t since_us;          /* of the last try, clock_mono_us */
    char    why[200];
};

struct store {
    struct store_options o;
    char          *dir, *site;
    int            lock_fd;
    int64_t        retry_us, keeper_us;     /* RETRY_US, KEEPER_US; tests are less patient          */
    _Atomic int64_t remember_us;            /* store_remember                                       */
    struct sipkey  key;
    struct indexes ix;
    pthread_t      committer, applier, keeper;

    struct lock    lock;                    /* "store": all below                                   */
    struct cond    work, ready, tick;       /* for the committer, the applier, the keeper           */
    struct cond    turn;                    /* the keeper wants to be in the applier's place        */
    struct chain   queue, durable;
    unsigned       unapplied;               /* durable and not yet published                        */
    bool           writing;                 /* articles have their arrival, and are not durable yet */
    int64_t        safe_us;                 /* while 'writing' or 'unapplied': what is not published
                                               yet has arrived no earlier                           */
    bool           applying;                /* the applier, or the committer in its place, is at it    */
    bool           committer_waits;         /* for the applier to be further                        */
    bool           keeper_waits;            /* the keeper is to be next                             */
    bool           stopping, committed_all, keeper_stop;
    struct trouble log, db;
    struct waiter *waiters;
    uint64_t       epoch;
    struct log_pos *gone;                   /* cancelled articles, to be punched out by the keeper  */
    unsigned       n_gone, cap_gone;
    struct store_counts counts;
    void         (*on_publish)(uint64_t, void *);
    void          *on_publish_arg;

    /* the keeper's alone */
    _Atomic uint32_t forget_asked;          /* the last day that it looked whether to forget; 0 by
                                               the applier: that could not be stored                */
    struct bdb_warmth warmth;
    int64_t        warming_since_us;
    bool           warmed;

    /* the committer's alone */
    bool           drain;                   /* publish all before the next batch is numbered        */

    struct applier *a;                      /* of the one who has set 'applying'                    */

    /* of the same one: durable, answered "later", not yet in the database */
    struct owed   *owed;
    unsigned       n_owed;
};

struct owed { uint64_t seq; struct log_pos pos; };
struct waiter { struct waiter *next; struct mailbox *home; struct mail *mail; };

void chain_init(struct chain *c);
void chain_add(struct chain *c, struct submission *sub);
struct submission *chain_take(struct chain *c);
void chain_join(struct chain *to, struct chain *from);     /* 'from' is empty after it */

/* Give submissions back with this result.  Their claims end here, unless the
 * applier has dealt with them.  Not under the lock. */
void store_answer(struct store *s, struct chain *subs, enum commit_result result, const char *why);

/* Note trouble, or its end, and log it once.  Not under the lock. */
void store_trouble(struct store *s, struct trouble *t, const char *what, const struct err *e);
void store_well(struct store *s, struct trouble *t, const char *what);
/* The keeper met trouble of the database: the applier repairs it at once, for there may be no next
 * transaction for a long time, and until then nobody could read. */
void store_broken(struct store *s, const struct err *e);

/* The threads' functions; 'arg' is the store. */
void *committer_run(void *arg);
void *applier_run(void *arg);

/* The applier's work on the committer's thread, which has set 'applying'. */
void applier_do(struct store *s, struct chain *subs);
void applier_init(struct store *s);
void applier_fini(struct store *s);
void committer_snapshot(struct buf *data, void *arg);      /* an artlog_snapshot_fn */

/* store_forget.c: the keeper, once in its turn */
void store_forget(struct store *s);

/* store_warm.c: the keeper, once in its turn; when the next one is due */
int64_t store_warm(struct store *s);

/* store_recover.c */
int store_recover(struct store *s, progress_fn *progress, void *arg, struct err *e) need_result;
/* store.c: directory, lock, key, and all rooms below, without threads or recovery.  'fresh':
 * a database that cannot be opened is put aside. */
struct store *store_open_rooms(const struct store_options *o, bool fresh, struct err *e);
void store_close_rooms(struct store **s);
int  store_key_fits(struct store *s, struct err *e) need_result;   /* once the log's end is known */

#endif
