/* artlog.h - the article log: append, make durable, read, follow.
 *
 * Threads:  one thread appends and syncs (nntpd's committer).  Reading is free
 *           on any thread, also in another process (feeder), at any time.
 * Crash:    what artlog_sync returned 0 for survives a power cut.  A torn end
 *           is cut off by artlog_recover.  With fsync "interval" or "never" the
 *           operator has chosen otherwise.
 * Memory:   one descriptor for each segment in use; no caches.
 * Format:   doc/formats.md; segments log/0000000001.seg, ...
 *
 * A sequence number is for ever; a position (segment, offset) is where it
 * lies.  Long-lived notes are sequence numbers.
 */
#ifndef SPOOL_ARTLOG_H
#define SPOOL_ARTLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "spool/record.h"

struct artlog;
struct log_reader;

enum artlog_fsync { FSYNC_ALWAYS, FSYNC_INTERVAL, FSYNC_NEVER };

struct artlog_options {
    const char *dir;               /* "log" below the site's directory; made when writable   */
    uint64_t    segment_bytes;     /* a new segment is begun when this is passed             */
    enum artlog_fsync fsync;
    int64_t     fsync_interval_us; /* with FSYNC_INTERVAL; 0: a second                       */
    bool        writable;          /* false: feeder, export                                  */
};

/* Called (in artlog_append, before the batch) when a segment is begun: fill 'data'
 * with the snapshot's data (groups_snapshot).  It must tell all that was appended
 * before this batch and nothing of it: wait here until the applier has published that.
 * The snapshot is a record with a sequence number of its own, between two batches. */
typedef void artlog_snapshot_fn(struct buf *data, void *arg);

struct artlog *artlog_open(const struct artlog_options *o, struct err *e);
void artlog_close(struct artlog **l);
void artlog_on_segment(struct artlog *l, artlog_snapshot_fn *fn, void *arg);

/* Find the end: everything up to 'applied' at 'end' is known to be whole; check
 * what follows record by record, calling 'each' for it, and cut off what is
 * torn.  'end' {0}: from the first segment.  Else the check begins at offset +
 * size: give what artlog_end said then, or the place of the record 'applied'.
 * Return how many records were told, or -1.  *behind is set when the log ends
 * before 'applied' (it was damaged or older than the database): next numbers go
 * on after 'applied'.  Publishes 'applied'.  A record whose header is good and
 * whose data is not is told with RECORD_GONE (and _DAMAGED) if a later one says
 * that it was durable once; a bad header anywhere but in the last segment is no
 * torn end: -1, and nothing is cut. */
typedef int artlog_each_fn(const struct record *r, const struct log_pos *pos, void *arg, struct err *e);
int64_t artlog_recover(struct artlog *l, uint64_t applied, const struct log_pos *end,
                       artlog_each_fn *each, void *arg, bool *behind, struct err *e);

uint64_t artlog_cut(const struct artlog *l);   /* octets that artlog_recover cut off: tell the operator */

/* Append a batch with one write.  Gives each record its seq and pos (record i's
 * data may come in pieces: see struct artlog_item).  On failure nothing of the
 * batch remains, and the numbers are given again: they were never published. */
struct artlog_item {
    struct record   rec;           /* seq, synced filled in; data.n must be the sum of the parts */
    struct span     part[3];       /* the data, in pieces; unused ones empty                  */
    struct log_pos  pos;           /* filled in                                               */
};
int artlog_append(struct artlog *l, struct artlog_item **items, unsigned n, struct err *e) need_result;

/* Make what was appended durable (as 'fsync' says; with FSYNC_INTERVAL call it
 * also now and then when nothing comes).  On failure the file is cut back to
 * where the last artlog_sync that returned 0 left it: the batches since then are
 * lost and must be answered "later". */
int artlog_sync(struct artlog *l, struct err *e) need_result;

uint64_t artlog_next_seq(const struct artlog *l);              /* the next record's; from 1      */
void     artlog_end(struct artlog *l, struct log_pos *pos);    /* where it will lie; offset 0: in a
                                                                  segment that is not begun yet  */

/* Tell readers, in this and other processes, that records up to 'seq' may be
 * read (a word in a mapped file; not durable and need not be). */
void     artlog_publish(struct artlog *l, uint64_t seq);
uint64_t artlog_published(const struct artlog *l);

/* One record by its place.  The bytes go to 'scratch' (grown as needed), spans
 * in *r point there.  Return 0; -1 trouble, or (e->sys 0) the place
 * holds something else. */
int artlog_read(struct artlog *l, const struct log_pos *pos, struct record *r,
                struct record_number *numbers, unsigned most, struct buf *scratch, struct err *e);

/* A descriptor to send from, and the range of the record's data in it.  The
 * descriptor stays open until artlog_fd_put.  'pos' must come from the database.
 * May read the record's header (a cold page): not on a worker. */
/* Trouble also when the data has been punched out. */
int  artlog_fd_get(struct artlog *l, const struct log_pos *pos, uint64_t *at, uint64_t *len, void **hold, struct err *e);
void artlog_fd_put(void *hold);

/* Give the blocks of a record's data back (the writing side).  Only when its
 * cancel is durable in the log and flushed in the database (bdb_flush), so that
 * nobody looks for it again; may be called again.  Header and meta stay. */
int  artlog_punch(struct artlog *l, const struct log_pos *pos, struct err *e);

/* Follow the log from the record 'seq' on.  A reader belongs to one thread.
 * log_reader_next: 1 and *r (valid until the next call), 0 nothing more up to artlog_published, -1 trouble (it may be called again).
 * Missing segments are stepped over; data that is gone is told as RECORD_GONE.
 * log_reader_new only notes where to begin, so it cannot fail. */
struct log_reader *log_reader_new(struct artlog *l, uint64_t seq);
int  log_reader_next(struct log_reader *r, struct record *rec, struct log_pos *pos, struct err *e);
/* After trouble that does not go away (a damaged header): go on with the next segment.
 * 1 done, 0 there is none yet, -1 trouble. */
int  log_reader_skip(struct log_reader *r, struct err *e);
uint64_t log_reader_seq(const struct log_reader *r);            /* of the record told next */
void log_reader_free(struct log_reader **r);

/* The first record that is still there, and the first that arrived at or after
 * a time (for refeed; by the segments' first arrival times, then a walk). */
uint64_t artlog_first_seq(struct artlog *l);
/* No record was ever in the log that arrived before this, as far as its first segment
 * tells: 0 when others went before it, INT64_MAX when there is none. */
int64_t artlog_oldest_us(struct artlog *l);
int artlog_seq_at(struct artlog *l, int64_t arrived_us, uint64_t *seq, struct err *e);

#endif
