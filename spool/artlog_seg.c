/* artlog_seg.c - the table of segments: which there are, their first bytes,
 * their descriptors.
 *
 * The directory is the truth; it is read at open and again whenever a segment
 * above the last known is asked for, or one that is not known.  A struct
 * segment is never freed before the log is closed.  Descriptors that nobody
 * uses are kept for the next user, the oldest closed beyond OPEN_MOST.
 *
 * Threads: everything here takes l->lock.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/crc32c.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "spool/artlog_int.h"

enum {
    OPEN_MOST = 128,

    AT_MAGIC = 0,              /* offsets in a segment's header */
    AT_MAJOR = 8,
    AT_MINOR = 9,
    AT_HEADER_SIZE = 10,
    AT_NUMBER = 12,
    AT_FIRST_SEQ = 16,
    AT_FIRST_ARRIVED = 24,
    AT_CREATED = 32,
    AT_SUM = 60                /* over the 60 bytes before it */
};

void segment_path(const struct artlog *l, uint32_t number, const char *suffix, char *out, size_t size)
{
    need((size_t)snprintf(out, size, "%s/%010u.%s", l->o.dir, number, suffix) < size);
}

void segment_head_pack(char out[SEGMENT_HEADER_SIZE], const struct segment_head *h)
{
    memset(out, 0, SEGMENT_HEADER_SIZE);
    put64(out + AT_MAGIC, SEGMENT_MAGIC);
    out[AT_MAJOR] = SEGMENT_MAJOR;
    out[AT_MINOR] = SEGMENT_MINOR;
    put16(out + AT_HEADER_SIZE, SEGMENT_HEADER_SIZE);
    put32(out + AT_NUMBER, h->number);
    put64(out + AT_FIRST_SEQ, h->first_seq);
    put64(out + AT_FIRST_ARRIVED, (uint64_t)h->first_arrived_us);
    put64(out + AT_CREATED, (uint64_t)h->created_us);
    put32(out + AT_SUM, crc32c(0, out, AT_SUM));
}

/* 0, or -1: this is no header of a segment. */
static int segment_head_unpack(const char *in, size_t n, struct segment_head *h)
{
    if (n < SEGMENT_HEADER_SIZE || get64(in + AT_MAGIC) != SEGMENT_MAGIC || in[AT_MAJOR] != SEGMENT_MAJOR)
        return -1;
    if (get32(in + AT_SUM) != crc32c(0, in, AT_SUM))
        return -1;
    *h = (struct segment_head){
        .number = get32(in + AT_NUMBER),
        .header_size = get16(in + AT_HEADER_SIZE),
        .first_seq = get64(in + AT_FIRST_SEQ),
        .first_arrived_us = (int64_t)get64(in + AT_FIRST_ARRIVED),
        .created_us = (int64_t)get64(in + AT_CREATED),
    };
    return h->header_size >= SEGMENT_HEADER_SIZE && h->header_size % 8 == 0 && h->first_seq != 0 ? 0 : -1;
}

/* ---- the table ---------------------------------------------------------- */

/* The place of the first segment with a number >= 'number'. */
static size_t place_of(const struct artlog *l, uint32_t number)
{
    size_t lo = 0, hi = l->n_seg;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (l->seg[mid]->number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct segment *find_locked(const struct artlog *l, uint32_t number)
{
    size_t i = place_of(l, number);

    return i < l->n_seg && l->seg[i]->number == number ? l->seg[i] : NULL;
}

static struct segment *insert_locked(struct artlog *l, uint32_t number)
{
    size_t i = place_of(l, number);
    struct segment *s;

    if (i < l->n_seg && l->seg[i]->number == number)
        return l->seg[i];
    if (l->n_seg == l->cap_seg) {
        l->cap_seg = l->cap_seg != 0 ? 2 * l->cap_seg : 16;
        l->seg = xrealloc(l->seg, l->cap_seg * sizeof *l->seg);
    }
    memmove(l->seg + i + 1, l->seg + i, (l->n_seg - i) * sizeof *l->seg);
    s = xcalloc(1, sizeof *s);
    s->log = l;
    s->number = number;
    s->fd = -1;
    l->seg[i] = s;
    l->n_seg++;
    return s;
}

/* "0000000001.seg" alone: a segment that is being made has another name. */
static bool segment_name(const char *name, uint32_t *number)
{
    uint64_t n;

    if (strlen(name) != 14 || strcmp(name + 10, ".seg") != 0 || span_u64((struct span){ name, 10 }, &n) != 0)
        return false;
    *number = (uint32_t)n;
    return n != 0 && n <= UINT32_MAX;
}

static int scan_locked(struct artlog *l, struct err *e)
{
    DIR *d = opendir(l->o.dir);
    struct dirent *entry;
    uint32_t number;

    if (d == NULL)
        return err_sys(e, "log %s: open directory", l->o.dir);
    for (size_t i = 0; i < l->n_seg; i++)
        l->seg[i]->missing = true;
    while ((entry = readdir(d)) != NULL)
        if (segment_name(entry->d_name, &number))
            insert_locked(l, number)->missing = false;
    closedir(d);
    return 0;
}

int segment_scan(struct artlog *l, struct err *e)
{
    int rc;

    lock_get(&l->lock);
    rc = scan_locked(l, e);
    lock_put(&l->lock);
    return rc;
}

static void close_oldest_locked(struct artlog *l)
{
    struct segment *oldest = NULL;

    for (size_t i = 0; i < l->n_seg; i++) {
        struct segment *s = l->seg[i];

        if (s->fd >= 0 && s->users == 0 && (oldest == NULL || s->used < oldest->used))
            oldest = s;
    }
    if (oldest != NULL) {
        disk_close(oldest->fd);
        oldest->fd = -1;
        l->n_open--;
    }
}

static int read_head_locked(struct segment *s, const char *path, struct err *e)
{
    char bytes[SEGMENT_HEADER_SIZE];
    ssize_t n = disk_read(s->fd, bytes, sizeof bytes, 0);

    if (n < 0)
        return err_sys(e, "%s: read", path);
    if (segment_head_unpack(bytes, (size_t)n, &s->head) != 0 || s->head.number != s->number)
        return err_set(e, "%s: its first %d octets are not those of this segment", path, SEGMENT_HEADER_SIZE);
    s->known = true;
    return 0;
}

/* Open it and read its head, if that is not done.  1; 0: it is no more; -1 trouble. */
static int open_locked(struct segment *s, struct err *e)
{
    struct artlog *l = s->log;
    char path[4096];

    segment_path(l, s->number, "seg", path, sizeof path);
    if (s->fd < 0) {
        if (l->n_open >= OPEN_MOST)
            close_oldest_locked(l);
        s->fd = disk_open(path, l->o.writable ? O_RDWR : O_RDONLY, 0);
        if (s->fd < 0 && errno == ENOENT) {
            s->missing = true;
            return 0;
        }
        if (s->fd < 0)
            return err_sys(e, "%s: open", path);
        l->n_open++;
    }
    s->used = ++l->turn;
    return s->known || read_head_locked(s, path, e) == 0 ? 1 : -1;
}

static struct segment *hold_locked(struct segment *s)
{
    s->users++;
    return s;
}

struct segment *segment_get(struct artlog *l, uint32_t number, struct err *e)
{
    struct segment *s;
    int rc = 0;

    /* somebody may be opening one, and wait for the disk */
    if (disk_hurried() && !lock_try(&l->lock)) {
        (void)disk_miss();
        err_set(e, "log %s: busy", l->o.dir);
        return NULL;
    }
    if (!disk_hurried())
        lock_get(&l->lock);
    s = find_locked(l, number);
    if (s == NULL && !disk_hurried() && scan_locked(l, e) == 0)
        s = find_locked(l, number);
    if (s == NULL && disk_hurried())
        (void)disk_miss();
    if (s != NULL && (s->fd >= 0 || !s->missing))
        rc = open_locked(s, e);
    if (rc == 0)
        err_set(e, "log %s: segment %u is not there", l->o.dir, number);
    s = rc == 1 ? hold_locked(s) : NULL;
    lock_put(&l->lock);
    return s;
}

void segment_put(struct segment *s)
{
    need(atomic_fetch_sub(&s->users, 1) > 0);     /* no lock: it may be held by one who waits for the disk */
}

/* The first segment at or above place *i that is really there, opened. */
static int first_from_locked(struct artlog *l, size_t *i, struct err *e)
{
    for (; *i < l->n_seg; ++*i) {
        int rc = l->seg[*i]->missing ? 0 : open_locked(l->seg[*i], e);

        if (rc != 0)
            return rc;
    }
    return 0;
}

static bool begins_after(const struct segment *s, bool by_time, uint64_t seq, int64_t us)
{
    return by_time ? s->head.first_arrived_us > us : s->head.first_seq > seq;
}

/* Halve the table; missing ones are looked through to the next that is there. */
static int search_locked(struct artlog *l, bool by_time, uint64_t seq, int64_t us, struct segment **out, struct err *e)
{
    size_t lo = 0, hi, i = 0;
    int rc = first_from_locked(l, &i, e);

    *out = rc > 0 ? l->seg[i] : NULL;
    if (rc <= 0)
        return rc;
    for (lo = i + 1, hi = l->n_seg; lo < hi;) {
        size_t mid = i = lo + (hi - lo) / 2;

        if ((rc = first_from_locked(l, &i, e)) < 0)
            return -1;
        if (rc == 0 || i >= hi || begins_after(l->seg[i], by_time, seq, us)) {
            hi = mid;
        } else {
            *out = l->seg[i];
            lo = i + 1;
        }
    }
    return 0;
}

static int search(struct artlog *l, bool by_time, uint64_t seq, int64_t us, struct segment **out, struct err *e)
{
    int rc;

    *out = NULL;
    lock_get(&l->lock);
    if ((rc = scan_locked(l, e)) == 0 && (rc = search_locked(l, by_time, seq, us, out, e)) == 0 && *out != NULL) {
        /* the one found may have been closed again while others were looked at */
        rc = open_locked(*out, e) == 1 ? 0 : -1;
        *out = rc == 0 ? hold_locked(*out) : NULL;
    }
    lock_put(&l->lock);
    return rc;
}

int segment_of_seq(struct artlog *l, uint64_t seq, struct segment **s, struct err *e)
{
    return search(l, false, seq, 0, s, e);
}

int segment_of_time(struct artlog *l, int64_t arrived_us, struct segment **s, struct err *e)
{
    return search(l, true, 0, arrived_us, s, e);
}

int segment_after(struct artlog *l, uint32_t number, struct segment **s, struct err *e)
{
    size_t i;
    int rc;

    *s = NULL;
    lock_get(&l->lock);
    rc = scan_locked(l, e);
    i = rc == 0 && number < UINT32_MAX ? place_of(l, number + 1) : l->n_seg;
    if (rc == 0 && (rc = first_from_locked(l, &i, e)) > 0) {
        *s = hold_locked(l->seg[i]);
        rc = 0;
    }
    lock_put(&l->lock);
    return rc;
}

int segment_last(struct artlog *l, struct segment **s, struct err *e)
{
    int rc;

    *s = NULL;
    lock_get(&l->lock);
    rc = scan_locked(l, e);
    for (size_t i = l->n_seg; rc == 0 && i-- > 0;)
        if (!l->seg[i]->missing && (rc = open_locked(l->seg[i], e)) > 0) {
            *s = hold_locked(l->seg[i]);
            break;
        }
    lock_put(&l->lock);
    return rc < 0 ? -1 : 0;
}

struct segment *segment_add(struct artlog *l, const struct segment_head *h, int fd)
{
    struct segment *s;

    lock_get(&l->lock);
    s = insert_locked(l, h->number);
    s->missing = false;
    if (!s->known)               /* else a reader has seen its name already, and may be looking at its head */
        s->head = *h;
    s->known = true;
    if (s->fd < 0) {
        s->fd = fd;
        l->n_open++;
    } else {
        disk_close(fd);          /* that reader has opened it */
    }
    s->n_marks = 0;
    s->used = ++l->turn;
    hold_locked(s);
    lock_put(&l->lock);
    return s;
}

void segments_free(struct artlog *l)
{
    for (size_t i = 0; i < l->n_seg; i++) {
        if (l->seg[i]->fd >= 0)
            disk_close(l->seg[i]->fd);
        free(l->seg[i]->mark);
        free(l->seg[i]);
    }
    free(l->seg);
}

/* ---- the sparse index --------------------------------------------------- */

void segment_mark(struct segment *s, uint64_t seq, uint64_t offset)
{
    uint64_t nth = seq - s->head.first_seq;

    if (nth % MARK_EVERY != 0)
        return;
    lock_get(&s->log->lock);
    if (nth / MARK_EVERY == s->n_marks) {
        if (s->n_marks == s->cap_marks) {
            s->cap_marks = s->cap_marks != 0 ? 2 * s->cap_marks : 16;
            s->mark = xrealloc(s->mark, s->cap_marks * sizeof *s->mark);
        }
        s->mark[s->n_marks++] = offset;
    }
    lock_put(&s->log->lock);
}

void segment_nearest(struct segment *s, uint64_t seq, uint64_t *at_seq, uint64_t *offset)
{
    uint64_t nth;

    *at_seq = s->head.first_seq;
    *offset = s->head.header_size;
    if (seq <= *at_seq)
        return;
    lock_get(&s->log->lock);
    if (s->n_marks > 0) {
        nth = (seq - *at_seq) / MARK_EVERY;
        nth = nth < s->n_marks ? nth : s->n_marks - 1;
        *at_seq += nth * MARK_EVERY;
        *offset = s->mark[nth];
    }
    lock_put(&s->log->lock);
}

/* What lay from 'from_offset' on was cut off. */
void segment_unmark(struct segment *s, uint64_t from_offset)
{
    lock_get(&s->log->lock);
    while (s->n_marks > 0 && s->mark[s->n_marks - 1] >= from_offset)
        s->n_marks--;
    lock_put(&s->log->lock);
}
