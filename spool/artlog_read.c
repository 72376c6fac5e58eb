/* artlog_read.c - one record by its place, a descriptor to send it from, the
 * punching of its data.  Threads: any.
 */
#include <errno.h>
#include <stdlib.h>

#include "lib/disk.h"
#include "lib/mem.h"
#include "spool/artlog_int.h"

#define FIRST_READ 512         /* header and meta of nearly every article */

static int not_there(const struct log_pos *pos, struct err *e, const char *why)
{
    return err_set(e, "log: segment %u at %llu: %s", pos->segment, (unsigned long long)pos->offset, why);
}

/* Read n octets at the place; fewer only at the file's end. */
static int read_some(struct segment *s, const struct log_pos *pos, size_t n, struct buf *out, struct err *e)
{
    ssize_t got;

    buf_clear(out);
    if (!buf_reserve(out, n)) {
        errno = ENOMEM;
        return err_sys(e, "log: segment %u at %llu: %zu octets", pos->segment, (unsigned long long)pos->offset, n);
    }
    got = disk_read(s->fd, out->p, n, pos->offset);
    if (got < 0)
        return err_sys(e, "log: segment %u at %llu: read", pos->segment, (unsigned long long)pos->offset);
    out->end = (size_t)got;
    return 0;
}

static int read_whole(struct segment *s, const struct log_pos *pos, struct record *r, struct record_number *numbers,
                      unsigned most, struct buf *scratch, struct err *e)
{
    size_t size = pos->size;
    enum record_fault fault;

    if (size == 0) {
        if (read_some(s, pos, RECORD_HEADER_SIZE, scratch, e) != 0)
            return -1;
        size = buf_len(scratch) == RECORD_HEADER_SIZE ? record_size_of(buf_data(scratch)) : 0;
        if (size == 0)
            return not_there(pos, e, "no record there");
    }
    if (read_some(s, pos, size, scratch, e) != 0)
        return -1;
    fault = record_read(r, buf_span(scratch), 0, true, numbers, most, &size);
    if (fault == RECORD_BAD && record_read(r, buf_span(scratch), 0, false, numbers, most, &size) == RECORD_OK) {
        record_set_gone(r, RECORD_GONE | RECORD_DAMAGED);
        return 0;
    }
    return fault == RECORD_OK ? 0 : not_there(pos, e, "no whole record there");
}

int artlog_read(struct artlog *l, const struct log_pos *pos, struct record *r,
                struct record_number *numbers, unsigned most, struct buf *scratch, struct err *e)
{
    struct segment *s = segment_get(l, pos->segment, e);
    int rc;

    if (s == NULL)
        return -1;
    rc = read_whole(s, pos, r, numbers, most, scratch, e);
    segment_put(s);
    return rc;
}

/* Header and meta only.  On success the first octet of the data is in 'scratch' behind them, if there is data. */
static int read_head(struct segment *s, const struct log_pos *pos, struct record *r, size_t *data_at,
                     struct buf *scratch, struct err *e)
{
    enum record_fault fault = RECORD_SHORT;
    size_t size;

    for (size_t n = FIRST_READ; n <= (2u << 20); n *= 8) {
        if (read_some(s, pos, n, scratch, e) != 0)
            return -1;
        fault = record_read_head(r, buf_span(scratch), 0, NULL, 0, data_at, &size);
        if (fault == RECORD_OK && (r->data.n == 0 || buf_len(scratch) > *data_at))
            return 0;
        if (fault == RECORD_BAD)
            break;
    }
    return not_there(pos, e, "no whole record there");
}

int artlog_fd_get(struct artlog *l, const struct log_pos *pos, uint64_t *at, uint64_t *len, void **hold, struct err *e)
{
    struct segment *s = segment_get(l, pos->segment, e);
    struct buf scratch = { 0 };
    struct record r;
    size_t data_at;
    int rc;

    if (s == NULL)
        return -1;
    rc = read_head(s, pos, &r, &data_at, &scratch, e);
    /* an article does not begin with a NUL: if this does, it was punched out */
    if (rc == 0 && r.data.n > 0 && buf_data(&scratch)[data_at] == '\0')
        rc = not_there(pos, e, "the article has been removed");
    buf_fini(&scratch);
    if (rc != 0) {
        segment_put(s);
        return -1;
    }
    *at = pos->offset + data_at;
    *len = r.data.n;
    *hold = s;
    return s->fd;
}

void artlog_fd_put(void *hold)
{
    segment_put(hold);
}

int artlog_punch(struct artlog *l, const struct log_pos *pos, struct err *e)
{
    struct segment *s;
    struct buf scratch = { 0 };
    struct record r;
    size_t data_at;
    int rc;

    need(l->o.writable);
    if ((s = segment_get(l, pos->segment, e)) == NULL)
        return -1;
    rc = read_head(s, pos, &r, &data_at, &scratch, e);
    if (rc == 0 && r.data.n > 0 && disk_punch(s->fd, pos->offset + data_at, r.data.n) != 0)
        rc = err_sys(e, "log: segment %u at %llu: punch", pos->segment, (unsigned long long)pos->offset);
    buf_fini(&scratch);
    segment_put(s);
    return rc;
}
