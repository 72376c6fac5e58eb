/* apply.h - THE function that makes a record of the log show in the indexes.
 *
 * Used live (the applier), at start-up (the log's tail) and by rebuild (all of
 * the log); nothing else writes history, groups or overview.  (store_forget takes
 * rows out of history that mean nothing any more, which changes no answer.)
 *
 * Threads:  one at a time (the applier; at start, main).
 * Crash:    a run is one transaction, with the note "applied up to" in it.
 *           Records at or below that note are passed over, so that applying
 *           twice changes nothing.
 */
#ifndef NNTPD_APPLY_H
#define NNTPD_APPLY_H

#include "article/canlock.h"
#include "history/history.h"
#include "lib/bdb.h"
#include "spool/artlog.h"
#include "spool/group.h"
#include "spool/overview.h"

struct indexes {
    struct bdb      *bdb;
    struct bdb_tree *meta;         /* "applied", "rebuilding"                                 */
    struct his      *his;
    struct groups   *groups;
    struct ov       *ov;
    struct artlog   *log;
    void           (*on_gone)(const struct log_pos *pos, void *arg);   /* a cancelled article's place, when
                                     nothing points there any more; may be NULL               */
    void            *on_gone_arg;
    bool             refused;      /* of the last apply_run: its one article was cancelled before it came */
};

/* How far the database has come: the last record in it, and where the next begins. */
struct applied {
    uint64_t       seq;
    struct log_pos end;
};

struct apply_item {
    const struct record  *rec;
    const struct log_pos *pos;
    struct span           overview;    /* the line without Xref; p NULL: made from the data   */
};

/* What takes something away, or is waited for, looks up what is there already: it
 * stands alone in its run.  So does a FORGET, whose effect all behind it sees.  Ask
 * when all before it is applied and published. */
bool apply_alone(const struct indexes *ix, const struct record *r);

/* Has a cancel come before the article that reaches it?  From memory, any thread. */
bool cancelled_before(struct his *h, const struct msgid_key *key, struct span locks);

/* What a record touches in the database, about: runs are cut by the sum. */
unsigned apply_weight(const struct record *r);
#define APPLY_WEIGHT_MOST 8192

/* Apply the items, in log order, in one transaction.  -1: nothing was changed. */
int apply_run(struct indexes *ix, const struct apply_item *items, unsigned n, struct err *e) need_result;

/* After it: let readers and history's memory see them. */
void apply_publish(struct indexes *ix, const struct apply_item *items, unsigned n);

int applied_get(struct indexes *ix, struct applied *a, struct err *e) need_result;

/* A rebuild: note what the database knew, and that nothing is applied; at the
 * end, where it has come to.  One that was cut short is begun again from the
 * start (rebuild_begun: 1 and *known, 0, -1). */
int rebuild_begin(struct indexes *ix, const struct applied *known, struct err *e) need_result;
int rebuild_done(struct indexes *ix, const struct applied *end, struct err *e) need_result;
int rebuild_begun(struct indexes *ix, struct applied *known, struct err *e) need_result;

struct his_entry apply_entry(const struct record *r, const struct log_pos *pos, enum his_state state);

#endif
