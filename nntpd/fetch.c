/* fetch.c - articles for readers, on the lane.  See fetch.h. */
#include "nntpd/fetch.h"

#include <string.h>

#include "article/header.h"
#include "article/overview.h"
#include "article/wire.h"
#include "lib/disk.h"

#define HEAD_FIRST 4096            /* most heads are shorter */

static struct log_pos place(const struct his_entry *h)
{
    return (struct log_pos){ .segment = h->segment, .offset = h->offset, .size = h->size };
}

/* May one read any of the groups that it is in? */
static int readable(struct store *s, const struct rights *r, const struct log_pos *pos, struct err *e)
{
    struct record_number numbers[RECORD_NUMBERS_MAX];
    struct buf scratch = { 0 };
    struct record rec;
    int yes = 0;

    if (artlog_read(store_log(s), pos, &rec, numbers, RECORD_NUMBERS_MAX, &scratch, e) != 0) {
        buf_fini(&scratch);
        return -1;
    }
    for (unsigned i = 0; i < rec.n_numbers && !yes; i++) {
        const struct group *g = group_by_id(store_groups(s), rec.numbers[i].group);

        yes = g != NULL && rights_may_read(r, span_of(g->name));
    }
    buf_fini(&scratch);
    return yes;
}

int fetch_find(struct store *s, const struct rights *r, struct span id, struct log_pos *pos, struct err *e)
{
    struct his_entry entry;

    switch (store_find(s, id, &entry, e)) {
    case HIS_SEEN:
        if (entry.state != HIS_KEPT)
            return 0;
        *pos = place(&entry);
        return r->read_all ? 1 : readable(s, r, pos, e);
    case HIS_NEW:
    case HIS_BUSY:
        return 0;
    case HIS_ASK:
        return err_set(e, "history does not know now");
    case HIS_FAILED:
        return -1;
    }
    return -1;
}

/* The end of the head in what has been read: the offset behind the blank line, or 0. */
static uint64_t find_body(struct span s)
{
    const char *p;

    if (span_starts(s, SPAN("\r\n")))
        return 2;
    p = memmem(s.p, s.n, "\r\n\r\n", 4);
    return p != NULL ? (uint64_t)(p - s.p) + 4 : 0;
}

static int read_head(int fd, uint64_t at, uint64_t len, struct buf *b, uint64_t *body, struct err *e)
{
    for (uint64_t want = HEAD_FIRST;; want *= 2) {
        uint64_t n = want < len ? want : len, have = buf_len(b);
        ssize_t got;

        if (!buf_reserve(b, n - have))
            return err_set(e, "no memory for the head of an article");
        got = disk_read(fd, b->p + b->end, n - have, (off_t)(at + have));
        if (got < 0)
            return err_sys(e, "reading an article");
        b->end += (size_t)got;
        if ((*body = find_body(buf_span(b))) != 0)
            return 1;
        if (n == len || (uint64_t)got < n - have)
            return err_set(e, "an article without a blank line");
    }
}

int fetch_head(struct store *s, const struct log_pos *pos, struct buf *b, struct span *head, uint64_t *body, struct err *e)
{
    uint64_t at, len;
    void *hold;
    int fd = artlog_fd_get(store_log(s), pos, &at, &len, &hold, e), found;

    buf_clear(b);
    if (fd < 0)
        return -1;
    found = len == 0 ? 0 : read_head(fd, at, len, b, body, e);
    artlog_fd_put(hold);
    if (found == 1)
        *head = (struct span){ buf_data(b), *body - 2 };
    return found;
}

int fetch_overview(struct store *s, const struct log_pos *pos, struct buf *line, struct err *e)
{
    struct record_number numbers[RECORD_NUMBERS_MAX];
    struct buf scratch = { 0 };
    struct record rec;
    struct headers h;
    struct span where;

    if (artlog_read(store_log(s), pos, &rec, numbers, RECORD_NUMBERS_MAX, &scratch, e) != 0) {
        buf_fini(&scratch);
        return -1;
    }
    (void)headers_read(&h, (struct span){ rec.data.p, rec.body >= 2 ? rec.body - 2 : 0 }, &where);
    overview_write(line, &h, wire_bytes(rec.data), rec.lines);
    if (hdr_has(&h, HDR_XREF)) {
        buf_puts(line, "Xref: ");
        hdr_unfold(line, hdr_body(&h, HDR_XREF));
    }
    buf_fini(&scratch);
    return 1;
}
