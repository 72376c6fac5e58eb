/* artlog_follow.c - follow the log through a read-only mapping, in the writer's
 * process or another.
 *
 *     reader --- one segment mapped: [ told ... | next ... | not yet written ]
 *                                                ^ offset   ^ size
 *
 * A mapping is as long as a segment may become, so that it need not be made
 * anew while the file grows; nothing behind the file's end is touched.  What is
 * at or below the published word never changes place and is never cut off, so
 * that a reader needs no lock.  Zeros ahead of the end are cut off when a segment
 * ends, before anything in the next one is published: so the size is looked at
 * after the published word, and believed for what that word covers.
 *
 * Threads: a reader belongs to one.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/disk.h"
#include "lib/mem.h"
#include "spool/artlog_int.h"

struct log_reader {
    struct artlog  *l;
    struct segment *s;           /* held and mapped; NULL: not placed yet */
    const char     *map;
    size_t          map_size;
    uint64_t        size;        /* of the file, when last looked */
    uint64_t        seq, offset; /* the next record */
    uint64_t        known;       /* the published word when the size was looked at */
    bool            check_data;
    struct record_number numbers[RECORD_NUMBERS_MAX];
};

struct log_reader *log_reader_new(struct artlog *l, uint64_t seq, struct err *e)
{
    struct log_reader *r = xcalloc(1, sizeof *r);

    (void)e;
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
    if (r->map != NULL)
        munmap((void *)(uintptr_t)r->map, r->map_size);
    if (r->s != NULL)
        segment_put(r->s);
    r->map = NULL;
    r->s = NULL;
}

void log_reader_free(struct log_reader **rp)
{
    if (*rp == NULL)
        return;
    leave(*rp);
    free(*rp);
    *rp = NULL;
}

/* Look how long the file is now; map it (anew) when the mapping has become too short. */
static int refresh(struct log_reader *r, struct err *e)
{
    int64_t size = disk_size(r->s->fd);
    size_t want;
    void *p;

    if (size < 0)
        return err_sys(e, "log: segment %u: size", r->s->number);
    r->size = (uint64_t)size;
    if (r->map != NULL && r->map_size >= r->size)
        return 0;
    want = (size_t)(r->size > r->l->o.segment_bytes ? r->size : r->l->o.segment_bytes) + (16u << 20);
    if (r->map != NULL)
        munmap((void *)(uintptr_t)r->map, r->map_size);
    r->map = NULL;
    if ((p = mmap(NULL, want, PROT_READ, MAP_SHARED, r->s->fd, 0)) == MAP_FAILED)
        return err_sys(e, "log: segment %u: map", r->s->number);
    r->map = p;
    r->map_size = want;
    return 0;
}

static int enter(struct log_reader *r, struct segment *s, struct err *e)
{
    leave(r);
    r->s = s;
    return refresh(r, e);
}

/* The whole record at the reader's offset, looking again how far the file has come.  n 0: not there. */
static int bytes_here(struct log_reader *r, struct span *b, struct err *e)
{
    *b = (struct span){ NULL, 0 };
    for (int again = 0; again < 2; again++) {
        if (r->offset + RECORD_HEADER_SIZE <= r->size) {
            const char *p = r->map + r->offset;
            size_t size = record_size_of(p);

            if (size == 0 && p[0] == 0 && memcmp(p, p + 1, RECORD_HEADER_SIZE - 1) == 0)
                return 0;                /* zeros written ahead: the end */
            if (size == 0 || r->offset + size <= r->size) {
                *b = (struct span){ p, size != 0 ? size : RECORD_HEADER_SIZE };
                return 0;
            }
        }
        if (again == 0 && refresh(r, e) != 0)
            return -1;
    }
    return 0;
}

/* From the nearest known place, over the headers, to r->seq.  1: there; 0: the segment ends before it; -1. */
static int walk_to_seq(struct log_reader *r, struct err *e)
{
    uint64_t want = r->seq;
    struct record rec;
    size_t data_at, size;
    struct span b;

    segment_nearest(r->s, want, &r->seq, &r->offset);
    while (r->seq < want) {
        uint64_t at = r->seq;

        if (bytes_here(r, &b, e) != 0 || b.n == 0) {
            r->seq = want;
            return b.n == 0 ? 0 : -1;
        }
        if (record_read_head(&rec, b, at, NULL, 0, &data_at, &size) != RECORD_OK) {
            r->seq = want;
            return err_set(e, "log: segment %u at %llu: record %llu is damaged", r->s->number,
                           (unsigned long long)r->offset, (unsigned long long)at);
        }
        segment_mark(r->s, at, r->offset);
        r->offset += size;
        r->seq++;
    }
    return 1;
}

/* Into the next segment that is there, at its first record.  1, 0 none, -1. */
static int next_segment(struct log_reader *r, struct err *e)
{
    struct segment *s;

    if (segment_after(r->l, r->s->number, &s, e) != 0)
        return -1;
    if (s == NULL)
        return 0;
    if (s->head.first_seq > r->seq)
        r->seq = s->head.first_seq;
    if (enter(r, s, e) != 0) {
        leave(r);                /* the next call seeks */
        return -1;
    }
    return walk_to_seq(r, e);
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
    if (enter(r, s, e) != 0 || (rc = walk_to_seq(r, e)) < 0) {
        leave(r);
        return -1;
    }
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
        return err_set(e, "log: segment %u at %llu: record %llu is damaged", r->s->number,
                       (unsigned long long)r->offset, (unsigned long long)r->seq);
    *pos = (struct log_pos){ .segment = r->s->number, .offset = r->offset, .size = (uint32_t)size };
    segment_mark(r->s, r->seq, r->offset);
    r->offset += size;
    r->seq++;
    return 1;
}

/* Is the next record published?  1, 0, -1. */
static int may_read(struct log_reader *r, struct err *e)
{
    uint64_t published;

    if (r->seq <= r->known)
        return 1;
    published = artlog_published(r->l);
    if (r->seq > published)
        return 0;
    if (r->s != NULL && refresh(r, e) != 0)
        return -1;
    r->known = published;
    return 1;
}

int log_reader_next(struct log_reader *r, struct record *rec, struct log_pos *pos, struct err *e)
{
    struct span b;
    int rc;

    for (;;) {
        if ((rc = may_read(r, e)) <= 0)
            return rc;
        if (r->s == NULL) {
            if ((rc = seek(r, e)) <= 0)
                return rc;
            continue;                    /* it may have gone beyond what is published */
        }
        if (bytes_here(r, &b, e) != 0)
            return -1;
        if (b.n > 0)
            return read_here(r, b, rec, pos, e);
        if ((rc = next_segment(r, e)) <= 0)
            return rc;
    }
}

int log_reader_skip(struct log_reader *r, struct err *e)
{
    struct segment *s;
    int rc;

    if (r->s == NULL && (segment_of_seq(r->l, r->seq, &s, e) != 0 || (s != NULL && enter(r, s, e) != 0)))
        return -1;
    if (r->s == NULL || segment_after(r->l, r->s->number, &s, e) != 0)
        return r->s == NULL ? 0 : -1;
    if (s == NULL)
        return 0;
    if (s->head.first_seq > r->seq)
        r->seq = s->head.first_seq;
    r->offset = s->head.header_size;
    rc = enter(r, s, e);
    return rc == 0 ? 1 : -1;
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
    r = log_reader_new(l, s->head.first_seq, e);
    r->check_data = false;
    segment_put(s);
    while ((rc = log_reader_next(r, &rec, &pos, e)) > 0 && rec.arrived_us < arrived_us)
        ;
    *seq = rc > 0 ? rec.seq : log_reader_seq(r);
    log_reader_free(&r);
    return rc < 0 ? -1 : 0;
}
