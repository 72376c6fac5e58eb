/* group.h - all newsgroups: names, flags, marks.  They live in memory; the log
 * and the database make them durable.
 *
 * Threads:  group_find, group_each and the reading of a struct group are free
 *           on any thread.  Changes (groups_apply..., groups_publish) come from
 *           the applier; group_number, group_next_id, groups_keep_numbers,
 *           groups_forget_numbers and groups_snapshot from the committer, which
 *           alone knows numbers not yet published.
 * Crash:    loaded from the database at start, brought up to date by applying
 *           the log's tail.
 * Memory:   about 200 bytes a group.  A struct group lives until groups_close,
 *           also when it is removed (then 'removed' is set).
 * Standard: RFC 3977 6.1.1 (low = high + 1 when empty), RFC 6048 (flags).
 */
#ifndef SPOOL_GROUP_H
#define SPOOL_GROUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/bdb.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/span.h"
#include "spool/record.h"

struct groups;

struct group_facts {           /* what a RECORD_GROUP says                                     */
    uint32_t id;               /* stable, from 1, never reused                                 */
    char     flag;             /* y n m x j, or '='                                            */
    int64_t  created_us;
    struct span name;
    struct span alias;         /* with '=': the group it stands for                            */
    struct span creator;       /* "newsctl", "import", ...                                     */
    struct span description;   /* UTF-8 or what was given                                      */
    uint64_t low, high;        /* first and last number: in snapshots and imports; else 1, 0   */
    bool     removed;          /* in snapshots: its numbers are still not given again          */
};

struct group {
    uint32_t id;
    const char *name;                       /* never changes                                   */
    _Atomic(char) flag;
    _Atomic(const struct group_text *) text;/* description, creator, alias: replaced whole     */
    int64_t  created_us;
    _Atomic uint64_t low, high, count;      /* published: high = low - 1 when empty            */
    _Atomic bool removed;
    uint64_t next;                          /* the committer's alone: the next number to give  */
};
struct group_text { const char *description, *creator, *alias; };

/* Load from the database ("groups.db"). */
struct groups *groups_open(struct bdb *b, struct err *e);
void groups_close(struct groups **g);

const struct group *group_find(struct groups *g, struct span name);     /* NULL: not there (or removed) */
const struct group *group_by_id(struct groups *g, uint32_t id);         /* removed ones too    */
size_t groups_count_all(struct groups *g);

/* Call 'each' for every group that is not removed, in order of name; false ends it. */
void group_each(struct groups *g, bool (*each)(const struct group *, void *), void *arg);

/* The same one by one: the groups that were there when the walk began, less those
 * that are removed when it comes to them.  It may rest between two steps as long
 * as it likes, hand itself to another thread, and end before its end. */
struct groups_walk { struct order *order; size_t at; };
void groups_walk_begin(struct groups *g, struct groups_walk *w);
const struct group *groups_walk_next(struct groups_walk *w);              /* NULL: the end       */
void groups_walk_end(struct groups_walk *w);                              /* a zeroed one too    */

/* The committer: give the next number of a group. */
uint64_t group_number(struct groups *g, uint32_t id);
uint32_t group_next_id(struct groups *g);
/* The batch is durable (artlog_sync returned 0): its numbers and ids stay given. */
void groups_keep_numbers(struct groups *g);
/* Take back what was given since groups_keep_numbers (the batch failed). */
void groups_forget_numbers(struct groups *g);

/* The bytes of a RECORD_GROUP's data, and back. */
void group_pack(struct buf *out, const struct group_facts *f);
int  group_unpack(struct span data, struct group_facts *f);
/* All groups as a RECORD_SNAPSHOT's data: as published, numbered as of groups_keep_numbers. */
void groups_snapshot(struct groups *g, struct buf *out);

/* Apply records to the database within 't': group records, and the marks that an
 * article's numbers move.  First groups_apply_begin (it also forgets what a run
 * before this one applied and could not commit), then groups_apply a record and
 * group_article_gone, then groups_apply_end, which writes one row for each group that was
 * touched.  Nothing is seen by readers before groups_publish.  Applying a record
 * twice changes nothing.  Articles that are RECORD_GONE move the high mark only. */
void groups_apply_begin(struct groups *g);
void groups_apply(struct groups *g, struct txn *t, const struct record *r);
void groups_apply_end(struct groups *g, struct txn *t);

/* After the commit: let readers see all that was applied since groups_apply_begin. */
void groups_publish(struct groups *g);

/* After bdb_reopen: the rows may be older than what is known here. */
void groups_reopened(struct groups *g);

/* An article left a group (cancel, removal), told once: the count falls, and the low
 * mark rises to 'new_low' (0: stays).  Between groups_apply_begin and _end. */
void group_article_gone(struct groups *g, struct txn *t, uint32_t id, uint64_t number, uint64_t new_low);

int  groups_empty(struct groups *g, struct err *e) need_result;   /* rebuild: forget all but the highest
                                                                     numbers, which are never given again */
bool group_flag_valid(struct span flag);                          /* y n m x j =name           */

#endif
