/* artlog_recover.c - find the log's end after a stop or a crash.
 *
 * From the place the database has come to, record by record:
 *
 *     header and data whole           tell it, go on
 *     header whole, data not          a record or a segment after it says that it was durable
 *                                     once: its data is gone, tell it so; else the torn end
 *     header not whole, last segment  the torn end, or zeros that were written ahead
 *     header not whole, elsewhere     damage: refuse; segments are synced before the next is begun
 *     end of the file                 the next segment, or the end
 *
 * The torn end is cut off and the cut synced.  Only the tail is read: the work
 * is bounded by what was appended since the database's last note, and by one
 * segment when the log has lost its end ("behind").
 *
 * What is torn belongs to the last batch, which was never synced nor promised to
 * anybody; all behind its first torn record goes with it.  What was durable and
 * is not whole now was punched out or damaged: nothing that was promised
 * after it may be thrown away for that.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "lib/disk.h"
#include "lib/mem.h"
#include "spool/artlog_int.h"

#define WINDOW (256u << 10)

struct walk {
    struct artlog  *l;
    struct segment *s;           /* held */
    uint64_t seq, offset, size;  /* the next record, its place; the file's size */
    struct buf window;           /* the file's bytes from 'from' on */
    uint64_t from;
    struct record_number *numbers;
};

/* At least n bytes of the file at 'at' (they are there).  p NULL: trouble. */
static struct span bytes_at(struct walk *w, uint64_t at, size_t n, struct err *e)
{
    struct span none = { NULL, 0 };
    uint64_t left = w->size - at;
    size_t want = n > WINDOW ? n : left < WINDOW ? (size_t)left : WINDOW;
    ssize_t got;

    if (at >= w->from && at + n <= w->from + buf_len(&w->window))
        return span_from(buf_span(&w->window), (size_t)(at - w->from));
    buf_clear(&w->window);
    if (!buf_reserve(&w->window, want)) {
        err_set(e, "log: no memory for %zu octets", want);
        return none;
    }
    got = disk_read(w->s->fd, w->window.p, want, at);
    if (got < 0 || (size_t)got < n) {
        if (got < 0)
            err_sys(e, "log: segment %u: read at %llu", w->s->number, (unsigned long long)at);
        else
            err_set(e, "log: segment %u: shorter than it was", w->s->number);
        return none;
    }
    w->window.end = (size_t)got;
    w->from = at;
    return buf_span(&w->window);
}

enum found { FOUND_END, FOUND_WHOLE, FOUND_NO_DATA, FOUND_BAD, FOUND_TROUBLE };

/* What lies at 'at', which should be record 'seq'? */
static enum found look(struct walk *w, uint64_t at, uint64_t seq, struct record *r, size_t *size, struct err *e)
{
    struct span b;
    enum record_fault fault;

    if (at == w->size)
        return FOUND_END;
    if (w->size - at < RECORD_HEADER_SIZE)
        return FOUND_BAD;
    if ((b = bytes_at(w, at, RECORD_HEADER_SIZE, e)).p == NULL)
        return FOUND_TROUBLE;
    *size = record_size_of(b.p);
    if (*size == 0 || *size > w->size - at)
        return FOUND_BAD;
    if ((b = bytes_at(w, at, *size, e)).p == NULL)
        return FOUND_TROUBLE;
    fault = record_read(r, b, seq, true, w->numbers, RECORD_NUMBERS_MAX, size);
    if (fault == RECORD_OK)
        return r->flags & RECORD_GONE ? FOUND_NO_DATA : FOUND_WHOLE;
    if (record_read(r, b, seq, false, w->numbers, RECORD_NUMBERS_MAX, size) != RECORD_OK)
        return FOUND_BAD;
    record_set_gone(r, RECORD_GONE | RECORD_DAMAGED);
    return FOUND_NO_DATA;
}

/* Does a record after it, at 'at' and on, say that 'bad' was durable?  1, 0, -1. */
static int was_durable(struct walk *w, uint64_t bad, uint64_t at, struct err *e)
{
    struct record r;
    uint64_t seq = bad + 1;
    size_t size;

    for (;;) {
        switch (look(w, at, seq, &r, &size, e)) {
        case FOUND_WHOLE:
        case FOUND_NO_DATA:
            if (r.synced >= bad)
                return 1;
            at += size, seq++;
            break;
        case FOUND_END:
        case FOUND_BAD:
            return 0;
        case FOUND_TROUBLE:
            return -1;
        }
    }
}

static int enter(struct walk *w, struct segment *s, uint64_t seq, uint64_t offset, struct err *e)
{
    int64_t size = disk_size(s->fd);

    if (w->s != NULL)
        segment_put(w->s);
    w->s = s;
    w->seq = seq;
    w->offset = offset;
    w->size = size > 0 ? (uint64_t)size : 0;
    buf_clear(&w->window);
    return size < 0 ? err_sys(e, "log: segment %u: size", s->number) : 0;
}

static int enter_from_start(struct walk *w, struct segment *s, struct err *e)
{
    return enter(w, s, s->head.first_seq, s->head.header_size, e);
}

/* Go into the next segment.  1 done, 0 there is none, -1. */
static int enter_next(struct walk *w, struct err *e)
{
    struct segment *s;
    uint64_t expect = w->seq;

    if (segment_after(w->l, w->s->number, &s, e) != 0)
        return -1;
    if (s == NULL)
        return 0;
    if (enter_from_start(w, s, e) != 0)
        return -1;
    if (w->seq < expect)
        return err_set(e, "log: segment %u begins with record %llu, but %llu was told before it", s->number,
                       (unsigned long long)w->seq, (unsigned long long)expect - 1);
    return 1;
}

/* The log was to go on in a segment that had not been begun (artlog_end): is it there now? */
static int place_unborn(struct walk *w, uint64_t applied, uint32_t number, struct err *e)
{
    struct segment *s;

    if (segment_after(w->l, number - 1, &s, e) != 0)
        return -1;
    if (s != NULL)
        return enter_from_start(w, s, e);
    w->l->fresh_segment = true;
    w->seq = applied + 1;
    if (segment_last(w->l, &s, e) != 0)
        return -1;
    if (s == NULL)
        return 0;
    if (enter(w, s, w->seq, 0, e) != 0)
        return -1;
    w->offset = w->size;
    return 0;
}

/* Where to begin: at 'end' when that is there, else where the true end can be found from. */
static int place(struct walk *w, uint64_t applied, const struct log_pos *end, struct err *e)
{
    struct log_pos at = *end;
    struct segment *s;

    if (at.segment == 0)
        return segment_after(w->l, 0, &s, e) != 0 ? -1 : s == NULL ? 0 : enter_from_start(w, s, e);
    if (at.offset + at.size == 0)
        return place_unborn(w, applied, at.segment, e);
    if (segment_last(w->l, &s, e) != 0)
        return -1;
    if (s == NULL || s->number < at.segment)
        return s == NULL ? 0 : enter_from_start(w, s, e);
    segment_put(s);
    if ((s = segment_get(w->l, at.segment, e)) == NULL)
        return err_prefix(e, "the database ends in it, and later ones are there");
    if (enter(w, s, applied + 1, at.offset + at.size, e) != 0)
        return -1;
    if (w->offset > w->size) {
        w->s = NULL;
        return enter_from_start(w, s, e);
    }
    return 0;
}

static bool last_segment(struct walk *w, struct err *e, bool *trouble)
{
    struct segment *s;

    *trouble = segment_after(w->l, w->s->number, &s, e) != 0;
    if (s != NULL)
        segment_put(s);
    return s == NULL;
}

/* Octets from the walk's place to the last that is not zero: zeros were only written ahead. */
static int64_t torn_octets(struct walk *w, struct err *e)
{
    uint64_t last = w->offset;

    for (uint64_t at = w->offset; at < w->size;) {
        size_t n = w->size - at < WINDOW ? (size_t)(w->size - at) : WINDOW;
        struct span b = bytes_at(w, at, n, e);

        if (b.p == NULL)
            return -1;
        for (size_t i = 0; i < n; i++)
            if (b.p[i] != 0)
                last = at + i + 1;
        at += n;
    }
    return (int64_t)(last - w->offset);
}

/* The torn end, or damage?  0: this is the end, cut; -1. */
static int cut_here(struct walk *w, struct err *e)
{
    struct artlog *l = w->l;
    bool trouble, last = last_segment(w, e, &trouble);
    int64_t torn;

    if (trouble)
        return -1;
    if (!last || w->seq == w->s->head.first_seq)
        return err_set(e, "log %s: segment %u is damaged at %llu (record %llu), and that is no torn end: %s; "
                       "bring the file back from a copy, or move it away and rebuild", l->o.dir, w->s->number,
                       (unsigned long long)w->offset, (unsigned long long)w->seq,
                       last ? "a segment is never without its first record" : "other segments follow");
    if ((torn = torn_octets(w, e)) < 0)
        return -1;
    l->cut_bytes += (uint64_t)torn;
    if (disk_truncate(w->s->fd, w->offset) != 0 || disk_sync(w->s->fd) != 0)
        return err_sys(e, "log %s: segment %u: cut off at %llu", l->o.dir, w->s->number, (unsigned long long)w->offset);
    w->size = w->offset;
    return 0;
}

/* A record without good data: is it told as gone (1) or is it the torn end (0)?  -1 trouble. */
static int gone_here(struct walk *w, size_t size, struct record *r, struct err *e)
{
    bool trouble;
    int rc = last_segment(w, e, &trouble) ? was_durable(w, w->seq, w->offset + size, e) : 1;

    if (trouble || rc < 0)
        return -1;
    /* looking ahead has moved the window that r points into */
    return rc == 0 ? 0 : look(w, w->offset, w->seq, r, &size, e) == FOUND_NO_DATA ? 1 : -1;
}

struct telling { uint64_t applied; artlog_each_fn *each; void *arg; int64_t told; };

static int tell(struct walk *w, struct telling *t, const struct record *r, size_t size, struct err *e)
{
    struct log_pos pos = { .segment = w->s->number, .offset = w->offset, .size = (uint32_t)size };

    if (w->seq > t->applied) {
        if (t->each != NULL && t->each(r, &pos, t->arg, e) != 0)
            return -1;
        t->told++;
    }
    segment_mark(w->s, w->seq, w->offset);
    w->offset += size;
    w->seq++;
    return 0;
}

static int walk_all(struct walk *w, struct telling *t, struct err *e)
{
    struct record r;
    size_t size;
    int rc;

    for (;;) {
        switch (look(w, w->offset, w->seq, &r, &size, e)) {
        case FOUND_END:
            if ((rc = enter_next(w, e)) <= 0)
                return rc;
            break;
        case FOUND_NO_DATA:
            if ((rc = gone_here(w, size, &r, e)) < 0)
                return -1;
            if (rc == 0)
                return cut_here(w, e);
            /* fall through */
        case FOUND_WHOLE:
            if (tell(w, t, &r, size, e) != 0)
                return -1;
            break;
        case FOUND_BAD:
            return cut_here(w, e);
        case FOUND_TROUBLE:
            return -1;
        }
    }
}

/* A segment that was being made when we stopped still has its working name. */
static void remove_unborn(struct artlog *l)
{
    DIR *d = opendir(l->o.dir);
    struct dirent *entry;

    while (d != NULL && (entry = readdir(d)) != NULL) {
        size_t n = strlen(entry->d_name);

        if (n == 14 && strcmp(entry->d_name + n - 4, ".new") == 0) {
            char *path = xasprintf("%s/%s", l->o.dir, entry->d_name);

            (void)disk_unlink(path);
            free(path);
        }
    }
    if (d != NULL)
        closedir(d);
}

/* After a kill the tail may be in the kernel's memory alone; it must not be
 * told to the database before it is on the disk (I3).  Earlier segments are. */
static int make_durable(struct artlog *l, struct err *e)
{
    struct segment *s;
    int rc;

    if (segment_last(l, &s, e) != 0)
        return -1;
    if (s == NULL)
        return 0;
    rc = disk_sync(s->fd) == 0 ? 0 : err_sys(e, "log %s: segment %u: sync", l->o.dir, s->number);
    segment_put(s);
    if (rc == 0 && disk_sync_dir(l->o.dir) != 0)
        rc = err_sys(e, "log %s: sync directory", l->o.dir);
    return rc;
}

/* The committer goes on here. */
static void take_end(struct walk *w, uint64_t applied, uint32_t segment, bool *behind)
{
    struct artlog *l = w->l;

    l->next_seq = w->seq;
    *behind = l->next_seq <= applied;
    if (*behind) {
        l->next_seq = applied + 1;
        l->fresh_segment = true;       /* numbers are dense within a segment */
    }
    l->number_floor = l->fresh_segment && !*behind && segment > 0 ? segment - 1 : segment;
    l->kept_seq = l->synced_seq = l->next_seq;
    l->cur = w->s;
    l->end = l->kept = l->allocated = l->filled = w->s != NULL ? w->offset : 0;
    l->recovered = true;
}

int64_t artlog_recover(struct artlog *l, uint64_t applied, const struct log_pos *end,
                       artlog_each_fn *each, void *arg, bool *behind, struct err *e)
{
    struct walk w = { .l = l, .seq = 1 };
    struct telling t = { .applied = applied, .each = each, .arg = arg };
    int rc;

    need(l->o.writable && !l->recovered);
    remove_unborn(l);
    artlog_publish(l, applied);
    w.numbers = xmalloc(RECORD_NUMBERS_MAX * sizeof *w.numbers);
    rc = make_durable(l, e);
    if (rc == 0)
        rc = place(&w, applied, end, e);
    if (rc == 0 && w.s != NULL)
        rc = walk_all(&w, &t, e);
    if (rc == 0)
        take_end(&w, applied, end->segment, behind);
    else if (w.s != NULL)
        segment_put(w.s);
    free(w.numbers);
    buf_fini(&w.window);
    return rc == 0 ? t.told : -1;
}
