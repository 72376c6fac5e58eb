/* artlog_follow.c - follow the log through a window of its bytes, in the writer's
 * process or another.
 *
 *     reader --- one segment: [ told ... |{ next ... window }... | not yet written ]
 *                                          ^ offset
 *
 * What is at or below the published word never changes place and is never cut
 * off, so that a reader needs no lock.  The window is believed for records that
 * were published before it was read.  Zeros ahead of the end are cut off when a
 * segment ends, before anything in the next one is published: a record that is
 * published and not here is in the next segment.
 *
 * Read, not mapped: a sector that is lost, or a file that somebody made shorter,
 * is an error with a sentence and no signal.
 *
 * Threads: a reader belongs to one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/disk.h"
#include "lib/mem.h"
#include "spool/artlog_int.h"

#define WINDOW_FIRST 8192        /* one or two articles, for who waits for them */
#define WINDOW_MOST  262144      /* for who has many to read                    */
#define HEAD_FIRST   512         /* header and meta of nearly every article     */

struct log_reader {
    struct artlog  *l;
    struct segment *s;           /* held; NULL: not placed yet */
    struct buf      window;      /* its bytes from 'window_at' on */
    uint64_t        window_at;
    size_t          ahead;       /* how much to read at once */
    uint64_t        seq, offset; /* the next record */
    uint64_t        known;       /* the published word when last looked at */
    uint64_t        fresh;       /* the same when the window was read */
    bool            check_data;
    struct record_number numbers[RECORD_NUMBERS_MAX];
};

struct log_reader *log_reader_new(struct artlog *l, uint64_t seq)
{
    struct log_reader *r = xcalloc(1, sizeof *r);

    r->l = l;
    r->seq = seq > 0 ? seq : 1;
    r->check_data = true;
    return r;
}

uint64_t log_reader_seq(const struct log_reader *r)
{
    return r->seq;
}

static void leave(struct log_reader *r)
{
    if (r->s != NULL)
        segment_put(r->s);
    r->s = NULL;
    buf_clear(&r->window);
    r->fresh = 0;
}

void log_reader_free(struct log_reader **rp)
{
    if (*rp == NULL)
        return;
    leave(*rp);
    buf_fini(&(*rp)->window);
    free(*rp);
    *rp = NULL;
}

static void enter(struct log_reader *r, struct segment *s)
{
    leave(r);
    r->s = s;
}

/* Read n octets or more from the reader's offset on, or as many as the file has.  Who
 * reads on where the last window ends will want more; who waits for news, little. */
static int fill(struct log_reader *r, size_t n, struct err *e)
{
    bool on = r->seq <= r->fresh && r->offset >= r->window_at && r->offset <= r->window_at + buf_len(&r->window);
    ssize_t got;

    r->ahead = !on ? WINDOW_FIRST : r->ahead < WINDOW_MOST ? 2 * r->ahead : WINDOW_MOST;
    n = n > r->ahead ? n : r->ahead;
    buf_clear(&r->window);
    r->fresh = 0;
    if (r->window.cap > 4 * WINDOW_MOST && n <= WINDOW_MOST)
        buf_fini(&r->window);
    if (!buf_reserve(&r->window, n)) {
        errno = ENOMEM;
        return err_sys(e, "log: segment %u at %llu: %zu octets", r->s->number, (unsigned long long)r->offset, n);
    }
    if ((got = disk_read(r->s->fd, r->window.p, n, r->offset)) < 0)
        return err_sys(e, "log: segment %u at %llu: read", r->s->number, (unsigned long long)r->offset);
    r->window.end = (size_t)got;
    r->window_at = r->offset;
    r->fresh = r->known;
    return 0;
}

/* The octets at the reader's offset: n at least, if the file has them. */
static int look(struct log_reader *r, size_t n, struct span *b, struct err *e)
{
    bool there = r->seq <= r->fresh && r->offset >= r->window_at &&
                 r->offset + n <= r->window_at + buf_len(&r->window);

    if (!there && fill(r, n, e) != 0)
        return -1;
    *b = span_from(buf_span(&r->window), (size_t)(r->offset - r->window_at));
    return 0;
}

static int damaged(const struct log_reader *r, struct err *e)
{
    return err_set(e, "log: segment %u at %llu: record %llu is damaged", r->s->number, (unsigned long long)r->offset,
                   (unsigned long long)r->seq);
}

/* The record at the reader's offset: its size, and its first n octets (all of it if n is 0).
 * b->n 0: it is not there, the segment ends here. */
static int bytes_here(struct log_reader *r, size_t n, struct span *b, struct err *e)
{
    size_t size, want;

    if (look(r, RECORD_HEADER_SIZE, b, e) != 0)
        return -1;
    size = b->n < RECORD_HEADER_SIZE ? 0 : record_size_of(b->p);
    if (size == 0) {
        if (b->n >= RECORD_HEADER_SIZE && (b->p[0] != 0 || memcmp(b->p, b->p + 1, RECORD_HEADER_SIZE - 1) != 0))
            b->n = RECORD_HEADER_SIZE;   /* no header: damaged */
        else
            b->n = 0;                    /* the file's end, or zeros written ahead */
        return 0;
    }
    want = n != 0 && n < size ? n : size;
    if (look(r, want, b, e) != 0)
        return -1;
    if (b->n < want)                     /* what is published is whole */
        return damaged(r, e);
    b->n = want;
    return 0;
}

/* Behind the record at the reader's offset. */
static void advance(struct log_reader *r, size_t size)
{
    segment_mark(r->s, r->seq, r->offset);
    r->offset += size;
    r->seq++;
}

/* Step over the record at the reader's offset.  1, 0 not there, -1. */
static int step_over(struct log_reader *r, struct err *e)
{
    enum record_fault fault = RECORD_SHORT;
    struct record rec;
    size_t data_at, size;
    struct span b = { NULL, 0 };

    for (size_t n = HEAD_FIRST, had = 0; fault == RECORD_SHORT; n *= 8, had = b.n) {
        if (bytes_here(r, n, &b, e) != 0)
            return -1;
        if (b.n == 0)
            return 0;
        fault = b.n == had ? RECORD_BAD : record_read_head(&rec, b, r->seq, NULL, 0, &data_at, &size);
    }
    if (fault != RECORD_OK)
        return damaged(r, e);
    advance(r, size);
    return 1;
}

/* From the nearest known place, over the headers, to r->seq.  1: there; 0: the segment ends before it; -1. */
static int walk_to_seq(struct log_reader *r, struct err *e)
{
    uint64_t want = r->seq;
    int rc = 1;

    segment_nearest(r->s, want, &r->seq, &r->offset);
    while (r->seq < want && rc == 1)
        rc = step_over(r, e);
    r->seq = want;
    return rc;
}

/* Into the next segment that is there, at its first record.  1, 0 none, -1. */
static int next_segment(struct log_reader *r, struct err *e)
{
    struct segment *s;
    int rc;

    if (segment_after(r->l, r->s->number, &s, e) != 0)
        return -1;
    if (s == NULL)
        return 0;
    if (s->head.first_seq > r->seq)
        r->seq = s->head.first_seq;
    enter(r, s);
    if ((rc = walk_to_seq(r, e)) < 0)
        leave(r);                        /* the next call seeks */
    return rc;
}

/* Find the place of r->seq.  1, 0 nothing there yet, -1. */
static int seek(struct log_reader *r, struct err *e)
{
    struct segment *s;
    int rc;

    if (segment_of_seq(r->l, r->seq, &s, e) != 0)
        return -1;
    if (s == NULL)
        return 0;
    if (s->head.first_seq > r->seq)
        r->seq = s->head.first_seq;      /* what came before it is no more */
    enter(r, s);
    if ((rc = walk_to_seq(r, e)) < 0)
        leave(r);
    if (rc == 0 && (rc = next_segment(r, e)) <= 0)
        leave(r);
    return rc;
}

static int read_here(struct log_reader *r, struct span b, struct record *rec, struct log_pos *pos, struct err *e)
{
    size_t size;
    enum record_fault fault = record_read(rec, b, r->seq, r->check_data, r->numbers, RECORD_NUMBERS_MAX, &size);

    if (fault == RECORD_BAD &&
        record_read(rec, b, r->seq, false, r->numbers, RECORD_NUMBERS_MAX, &size) == RECORD_OK) {
        record_set_gone(rec, RECORD_GONE | RECORD_DAMAGED);
        fault = RECORD_OK;
    }
    if (fault != RECORD_OK)
        return damaged(r, e);
    *pos = (struct log_pos){ .segment = r->s->number, .offset = r->offset, .size = (uint32_t)size };
    advance(r, size);
    return 1;
}

/* Is the next record published? */
static bool may_read(struct log_reader *r)
{
    if (r->seq > r->known)
        r->known = artlog_published(r->l);
    return r->seq <= r->known;
}

int log_reader_next(struct log_reader *r, struct record *rec, struct log_pos *pos, struct err *e)
{
    struct span b;
    int rc;

    for (;;) {
        if (!may_read(r))
            return 0;
        if (r->s == NULL) {
            if ((rc = seek(r, e)) <= 0)
                return rc;
            continue;                    /* it may have gone beyond what is published */
        }
        if (bytes_here(r, 0, &b, e) != 0)
            return -1;
        if (b.n > 0)
            return read_here(r, b, rec, pos, e);
        if ((rc = next_segment(r, e)) <= 0) {
            r->known = r->fresh = 0;     /* the word said more than there was: believe neither */
            return rc;
        }
    }
}

int log_reader_skip(struct log_reader *r, struct err *e)
{
    struct segment *s = NULL;

    if (r->s == NULL && segment_of_seq(r->l, r->seq, &s, e) != 0)
        return -1;
    if (s != NULL)
        enter(r, s);
    if (r->s == NULL || segment_after(r->l, r->s->number, &s, e) != 0)
        return r->s == NULL ? 0 : -1;
    if (s == NULL)
        return 0;
    if (s->head.first_seq > r->seq)
        r->seq = s->head.first_seq;
    r->offset = s->head.header_size;
    enter(r, s);
    return 1;
}

uint64_t artlog_first_seq(struct artlog *l)
{
    struct segment *s;
    uint64_t seq;

    if (segment_after(l, 0, &s, NULL) != 0 || s == NULL)
        return 1;
    seq = s->head.first_seq;
    segment_put(s);
    return seq;
}

int64_t artlog_oldest_us(struct artlog *l)
{
    struct segment *s;
    int64_t us;

    if (segment_after(l, 0, &s, NULL) != 0 || s == NULL)
        return INT64_MAX;
    us = s->number == 1 ? s->head.first_arrived_us : 0;
    segment_put(s);
    return us;
}

int artlog_seq_at(struct artlog *l, int64_t arrived_us, uint64_t *seq, struct err *e)
{
    struct log_reader *r;
    struct segment *s;
    struct record rec;
    struct log_pos pos;
    int rc;

    *seq = 1;
    if (segment_of_time(l, arrived_us, &s, e) != 0)
        return -1;
    if (s == NULL)
        return 0;
    r = log_reader_new(l, s->head.first_seq);
    r->check_data = false;
    segment_put(s);
    while ((rc = log_reader_next(r, &rec, &pos, e)) > 0 && rec.arrived_us < arrived_us)
        ;
    *seq = rc > 0 ? rec.seq : log_reader_seq(r);
    log_reader_free(&r);
    return rc < 0 ? -1 : 0;
}
