/* store_recover.c - at start: bring the database up to the log; and rebuild.
 *
 *   database has come to S      log ends at L
 *   S = L                       nothing to do
 *   S < L                       the records S+1 to L are applied; a torn end is cut off
 *   S > L                       the log was damaged or put back from a backup: all indexes
 *                               are made again from it, while sequence and article numbers
 *                               go on above what the database knew
 *   damaged database            it was put aside (store_dir.c): S = 0
 *   "rebuilding" is noted       a rebuild was cut short: again from the start
 */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "nntpd/replay.h"
#include "nntpd/store_int.h"

struct walk {
    struct replay *replay;
    progress_fn   *progress;
    void          *arg;
    uint64_t       done, total;
};

static void tell(struct walk *w, const char *what)
{
    if (w->progress != NULL && (w->done % PROGRESS_RECORDS == 0 || w->done == w->total))
        w->progress(what, w->done, w->total, w->arg);
}

static int on_tail(const struct record *r, const struct log_pos *pos, void *arg, struct err *e)
{
    struct walk *w = arg;

    w->done++;
    tell(w, "recovering");
    return replay_add(w->replay, r, pos, e);
}

static int on_nothing(const struct record *r, const struct log_pos *pos, void *arg, struct err *e)
{
    struct walk *w = arg;

    (void)r, (void)pos, (void)e;
    w->done++;
    tell(w, "checking the log");
    return 0;
}

static int apply_all(struct store *s, struct walk *w, struct err *e)
{
    uint64_t last = artlog_next_seq(s->ix.log) - 1, first = artlog_first_seq(s->ix.log);
    struct log_reader *in = log_reader_new(s->ix.log, first);
    struct log_pos pos;
    struct record rec;
    int rc;

    w->done = 0;
    w->total = last + 1 - first;
    while ((rc = log_reader_next(in, &rec, &pos, e)) == 1) {
        w->done++;
        tell(w, "rebuilding");
        if ((rc = replay_add(w->replay, &rec, &pos, e)) != 0)
            break;
    }
    log_reader_free(&in);
    return rc < 0 ? -1 : replay_end(w->replay, e);
}

static int empty_indexes(struct store *s, struct err *e)
{
    if (his_empty(s->ix.his, e) != 0 || ov_empty(s->ix.ov, e) != 0)
        return -1;
    return groups_empty(s->ix.groups, e);
}

/* Make the indexes again from a log whose end is known.  'known': what the
 * database knew of that end; it is kept until all is done. */
static int rebuild(struct store *s, struct walk *w, const struct applied *known, struct err *e)
{
    struct applied a = { .seq = artlog_next_seq(s->ix.log) - 1 };

    if (rebuild_begin(&s->ix, known, e) != 0 || empty_indexes(s, e) != 0)
        return -1;
    artlog_publish(s->ix.log, a.seq);
    if (apply_all(s, w, e) != 0)
        return -1;
    /* where the log itself will go on: it may be above the last record there is */
    artlog_end(s->ix.log, &a.end);
    return rebuild_done(&s->ix, &a, e);
}

/* Find the log's end, then make all indexes from it. */
static int find_and_rebuild(struct store *s, struct walk *w, const struct applied *known, struct err *e)
{
    bool behind;

    if (artlog_recover(s->ix.log, known->seq, &known->end, on_nothing, w, &behind, e) < 0)
        return -1;
    return rebuild(s, w, known, e);
}

static int recover(struct store *s, struct walk *w, struct err *e)
{
    bool behind = false;
    struct applied a;
    int begun = rebuild_begun(&s->ix, &a, e);

    if (begun == 1) {
        log_msg(LOG_WARNING, "the last rebuild of the indexes was cut short: again");
        return find_and_rebuild(s, w, &a, e);
    }
    if (begun < 0 || applied_get(&s->ix, &a, e) != 0 || his_recall(s->ix.his, e) != 0)
        return -1;
    if (artlog_recover(s->ix.log, a.seq, &a.end, on_tail, w, &behind, e) < 0 || replay_end(w->replay, e) != 0)
        return -1;
    if (artlog_cut(s->ix.log) > 0)
        log_msg(LOG_NOTICE, "the log's torn end was cut off: %llu octets that nobody was promised",
                (unsigned long long)artlog_cut(s->ix.log));
    if (behind) {
        log_msg(LOG_ERROR, "the log ends before record %llu, which the database knows: it was damaged or is a "
                "backup; making all indexes again from it", (unsigned long long)a.seq);
        return rebuild(s, w, &a, e);
    }
    artlog_publish(s->ix.log, artlog_next_seq(s->ix.log) - 1);
    return 0;
}

int store_recover(struct store *s, progress_fn *progress, void *arg, struct err *e)
{
    struct walk w = { .replay = replay_new(&s->ix), .progress = progress, .arg = arg };
    int rc = recover(s, &w, e);

    replay_free(&w.replay);
    s->counts.applied_seq = s->counts.published_seq = artlog_published(s->ix.log);
    if (rc == 0 && w.done > 0)
        log_msg(LOG_NOTICE, "recovered: %llu records of the log applied", (unsigned long long)w.done);
    return rc;
}

int store_rebuild(const struct store_options *o, progress_fn *progress, void *arg, struct err *e)
{
    struct store *s = store_open_rooms(o, true, e);
    struct walk w = { .progress = progress, .arg = arg };
    struct applied a;
    int rc;

    if (s == NULL)
        return -1;
    w.replay = replay_new(&s->ix);
    /* one cut short before has the note that counts */
    rc = rebuild_begun(&s->ix, &a, e);
    if (rc == 0)
        rc = applied_get(&s->ix, &a, e);
    if (rc >= 0)
        rc = find_and_rebuild(s, &w, &a, e);
    replay_free(&w.replay);
    if (rc == 0)
        rc = bdb_checkpoint(s->ix.bdb, 0, e);
    store_close_rooms(&s);
    return rc;
}
