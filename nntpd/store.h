/* store.h - all that a site keeps, as one thing: the log, the database with
 * history, groups and overview, and the two threads that write them.
 *
 * Threads:  store_open and store_close from main.  store_submit and the
 *           questions on any thread.  Inside: the committer (numbers, appends,
 *           syncs) and the applier (database, publishing), see doc/threads.md.
 * Crash:    a submission told COMMIT_STORED survives a power cut.  store_open
 *           brings the indexes up to the log, with nntpd/apply, in time
 *           proportional to the tail.
 * Memory:   queue_bytes of articles at most wait inside; beyond it store_submit
 *           says "later".
 *
 * The order is bytes, then pointer, then promise: append, fdatasync; apply to
 * the database in one transaction; publish, and only then 'done'.  The applier
 * works on one batch while the committer appends and syncs the next.
 */
#ifndef NNTPD_STORE_H
#define NNTPD_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "history/history.h"
#include "lib/err.h"
#include "lib/work.h"
#include "spool/artlog.h"
#include "spool/group.h"
#include "spool/overview.h"

struct store;

struct store_options {
    const char *directory;          /* log/, db/, key, lock live in it                       */
    const char *site;               /* name in Xref                                          */
    uint64_t segment_bytes, cache_bytes, queue_bytes;
    uint64_t reserve_bytes;       /* with less left on the disk nothing is stored; 0: whatever is left */
    enum artlog_fsync fsync;
    int64_t  fsync_interval_us;
    int64_t  claim_us;
    int64_t  remember_us;           /* as store_remember                                     */
};

/* false: the work is not wanted any more (recovery and rebuild go on all the same). */
typedef bool progress_fn(const char *what, uint64_t done, uint64_t total, void *arg);
#define PROGRESS_RECORDS 1000       /* a walk of the log tells it so often */

/* Take the lock, recover, start the threads.  'progress' may be NULL. */
struct store *store_open(const struct store_options *o, progress_fn *progress, void *arg, struct err *e);

/* Ids that are not kept are remembered for so long after they came; 0: for ever.
 * From any thread; older ones are forgotten in the background, a day at a time. */
void store_remember(struct store *s, int64_t us);

/* Finish what is queued, checkpoint, give the lock back. */
void store_close(struct store **s);

/* The rooms below, for questions. */
struct his    *store_history(struct store *s);
struct groups *store_groups(struct store *s);
struct ov     *store_overview(struct store *s);
struct artlog *store_log(struct store *s);
const struct sipkey *store_key(const struct store *s);

/* Is the site able to store now?  When not, 'why' says so ("spool: ...: No space
 * left on device"); the committer tries again every second by itself. */
bool store_healthy(struct store *s, char *why, size_t size);

/* A time by the clock of arrivals: now, but not later than the arrival of anything that
 * readers cannot see yet.  Who has seen all that arrived before it, and asks for what
 * arrived since, misses nothing (RFC 3977 7.5). */
int64_t store_date_us(struct store *s);

enum commit_result {
    COMMIT_STORED,        /* durable, applied, published                                      */
    COMMIT_LATER,         /* our own trouble; nothing remains                                 */
    COMMIT_CANCELLED,     /* the same, but a cancel was before it: nobody will see it             */
    COMMIT_NO_GROUP,      /* all its groups went away meanwhile; nothing remains              */
    COMMIT_STOPPED        /* the site is closing                                              */
};

/* One record on its way.  The caller fills it and gives it away; it comes back
 * by 'home' (mail.deliver is called there), or, home NULL, deliver is called
 * on the applier's thread. */
struct submission {
    struct mail     mail;
    struct mailbox *home;
    enum commit_result result;
    char            why[200];        /* with COMMIT_LATER                                     */

    struct artlog_item item;         /* rec: kind, flags, arrived_us, key, ranges, body (as if
                                        there were no Xref), lines, source.  part[0]: headers to
                                        before the blank line, part[2]: the rest; the committer
                                        makes part[1] = the Xref line (articles with groups)   */
    uint32_t       *group;           /* ids of the groups it goes to, in Newsgroups' order    */
    unsigned        n_groups;
    struct span     overview;        /* overview_write's fields with :bytes counted without Xref,
                                        see size_at: the applier finishes it                  */
    bool            arrives;         /* arrived_us is not the caller's to say: it arrives when it
                                        gets its numbers, so that both have one order          */
    size_t          size_at;         /* offset in 'overview' of the :bytes digits             */
    struct claim   *claim;           /* firm; ended by the store                              */
    struct record_number *numbers;   /* filled in; freed with the submission                  */
    struct buf      bytes;           /* memory that the spans above point into                */
    struct buf      xref;            /* the committer's                                       */
    size_t          size;            /* the store's: what it counts in queue_bytes            */
    size_t          xref_n;          /* the committer's: octets of the Xref line              */
    void           *user;
};
struct submission *submission_new(void);
void submission_free(struct submission **s);   /* releases nothing of history: the store did  */

/* Give it away.  false: the queue is full or the site unwell ("later"; 'why' of
 * the submission says it); the caller still owns it. */
bool store_submit(struct store *s, struct submission *sub) need_result;

/* When his_firm said HIS_BUSY: have 'm' come home when claims have ended since
 * store_epoch was 'epoch'; ask again then.  It may come for nothing. */
uint64_t store_epoch(struct store *s);
void store_await(struct store *s, uint64_t epoch, struct mailbox *home, struct mail *m);
/* A firm claim ended outside of the store (his_release): those who wait may ask again. */
void store_claim_ended(struct store *s);

/* Submit and wait: for control commands, not for workers. */
enum commit_result store_commit_wait(struct store *s, struct submission *sub);

/* Group changes and cancel as submissions: filled and ready to commit. */
struct submission *submission_group(struct store *s, const struct group_facts *f);   /* f->id 0: a new one */
struct submission *submission_ungroup(struct store *s, uint32_t id);
struct submission *submission_cancel(struct store *s, struct span msgid, const char *why);

/* Where and whether: by Message-ID (HIS_SEEN with entry.state HIS_KEPT only when it can be read). */
enum his_answer store_find(struct store *s, struct span msgid, struct his_entry *entry, struct err *e);

/* Throw the indexes away and make them again from the log (site stopped, store
 * opened by the caller).  verify compares without changing; 'tell' gets a line a fault. */
int store_rebuild(const struct store_options *o, progress_fn *progress, void *arg, struct err *e);
typedef void tell_fn(const char *line, void *arg);
int64_t store_verify(struct store *s, progress_fn *progress, tell_fn *tell, void *arg, struct err *e); /* faults, or -1 */

struct store_counts {
    uint64_t stored, refused, later, batches, largest_batch, bytes;
    uint64_t queued, queued_bytes, applied_seq, published_seq;
    uint64_t swept;                           /* rows of forgotten ids taken out of history */
    int64_t  append_us, sync_us, apply_us;    /* sums */
};
void store_counts(struct store *s, struct store_counts *out);

/* Tests and the feeder's wake-up: called on the applier's thread after each publish. */
void store_on_publish(struct store *s, void (*fn)(uint64_t seq, void *), void *arg);

#endif
