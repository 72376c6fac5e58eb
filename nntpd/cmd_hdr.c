/* cmd_hdr.c - HDR (RFC 3977 8.5), XHDR and XPAT (RFC 2980 2.6, 2.9).
 *
 * Fields that the overview has are answered from it; for others the heads of
 * the articles are read, after a scan has found where they lie.
 *
 * An article without the field: HDR an empty value, XHDR no line, XPAT no line.
 * Nothing in the range: HDR 423, the others 221 and an empty block.  The current
 * article has gone: 420 to all of them.
 */
#include <stdlib.h>
#include <string.h>

#include "article/number.h"
#include "article/overview.h"
#include "article/wildmat.h"
#include "lib/mem.h"
#include "nntpd/fetch.h"
#include "nntpd/sess.h"

#define HEADS_MOST 256             /* articles read in one task */

enum kind { KIND_HDR, KIND_XHDR, KIND_XPAT };

struct head_place { uint64_t number; struct log_pos pos; };

struct hdr_task {
    struct task t;
    enum kind kind;
    const struct group *group;     /* NULL: by id                                   */
    uint64_t lo, hi;               /* still to be told                              */
    bool current;
    char *field;
    int   index;                   /* of the field in the overview; -1: not there   */
    char *pattern;                 /* XPAT                                          */
    char *id;
    struct head_place *place;      /* found by the scan, heads to be read           */
    unsigned n_place, read;        /* how many there are, and have been read        */
    bool scanned;                  /* to the end of the range                       */
    struct buf head;
};

static void fini(struct task *t)
{
    struct hdr_task *h = (struct hdr_task *)t;

    free(h->field);
    free(h->pattern);
    free(h->id);
    free(h->place);
    buf_fini(&h->head);
}

static void begin(struct hdr_task *h)
{
    if (!h->t.begun)
        buf_printf(&h->t.out, "%d %.60s of articles follows\r\n", h->kind == KIND_HDR ? 225 : 221, h->field);
    h->t.begun = true;
}

/* One article's value; n 0: it has none. */
static void put_value(struct hdr_task *h, uint64_t number, struct span value)
{
    struct buf *out = &h->t.out;

    begin(h);
    if (h->kind != KIND_HDR && value.n == 0)
        return;
    if (h->kind == KIND_XPAT && !wildmat_simple(value, span_of(h->pattern)))
        return;
    if (h->kind != KIND_HDR && h->id != NULL)
        buf_puts(out, h->id);
    else
        buf_number(out, number);
    buf_add(out, " ", 1);
    buf_add_span(out, value);
    buf_add(out, "\r\n", 2);
    h->t.lines++;
}

static void end(struct hdr_task *h)
{
    if (h->kind != KIND_HDR && !h->current)
        begin(h);
    if (h->t.begun)
        buf_puts(&h->t.out, ".\r\n");
    else
        buf_puts(&h->t.out, h->current ? "420 The current article is not there any more\r\n" : "423 No articles in that range\r\n");
}

/* --- from the overview ------------------------------------------------- */

static struct span from_line(const struct hdr_task *h, struct span line)
{
    struct span v = { 0 };

    if (!overview_field(line, h->index, &v))
        return (struct span){ 0 };
    if (h->index == 7 && span_istarts(v, SPAN("Xref:")))
        v = span_trim(span_from(v, 5));
    return v;
}

static bool each_line(uint64_t number, const struct log_pos *pos, struct span line, void *arg)
{
    struct hdr_task *h = arg;

    (void)pos;
    put_value(h, number, from_line(h, line));
    h->lo = number + 1;
    h->t.more = buf_len(&h->t.out) >= CHUNK || task_tired(&h->t);
    return !h->t.more;
}

static int scan(struct hdr_task *h, ov_each_fn *each)
{
    if (h->lo > h->hi)
        return 0;
    return ov_scan(store_overview(h->t.store), h->group->id, h->lo, h->hi, h->t.bulk, each, h, &h->t.e);
}

/* --- from the articles ------------------------------------------------- */

static bool each_place(uint64_t number, const struct log_pos *pos, struct span line, void *arg)
{
    struct hdr_task *h = arg;

    (void)line;
    h->place[h->n_place++] = (struct head_place){ number, *pos };
    h->lo = number + 1;
    return h->n_place < HEADS_MOST;
}

/* The value from an article's head.  1, 0 the article is gone, -1. */
static int from_head(struct hdr_task *h, uint64_t number, const struct log_pos *pos)
{
    struct buf value = { 0 };
    struct hdr_field f;
    struct span head;
    uint64_t body;
    size_t at = 0;
    int r = fetch_head(h->t.store, pos, &h->head, &head, &body, &h->t.e);

    if (r != 1)
        return r;
    while (headers_next(head, &at, &f)) {
        if (span_ieq(f.name, span_of(h->field))) {
            hdr_unfold(&value, f.body);
            break;
        }
    }
    put_value(h, number, span_trim(buf_span(&value)));
    buf_fini(&value);
    return 1;
}

/* A slow disk makes heads slow: a turn may end between two. */
static int read_heads(struct hdr_task *h)
{
    int r = 0;

    while (h->read < h->n_place && r >= 0 && buf_len(&h->t.out) < CHUNK && !task_tired(&h->t)) {
        const struct head_place *p = &h->place[h->read++];

        r = from_head(h, p->number, &p->pos);
    }
    return r;
}

static int from_articles(struct hdr_task *h)
{
    if (h->place == NULL)
        h->place = xmalloc(HEADS_MOST * sizeof *h->place);
    if (h->read == h->n_place) {
        h->read = h->n_place = 0;
        if (scan(h, each_place) != 0)
            return -1;
        h->scanned = h->n_place < HEADS_MOST;
    }
    if (read_heads(h) < 0)
        return -1;
    h->t.more = h->read < h->n_place || !h->scanned;
    return 0;
}

/* --- the tasks --------------------------------------------------------- */

static void work(struct task *t)
{
    struct hdr_task *h = (struct hdr_task *)t;
    int r = h->index < 0 ? from_articles(h) : scan(h, each_line);

    if (r < 0)
        task_fail(t);
    else if (!t->more)
        end(h);
}

static void work_id(struct task *t)
{
    struct hdr_task *h = (struct hdr_task *)t;
    struct buf line = { 0 };
    struct log_pos pos;
    int r = fetch_find(t->store, &t->s->rights, span_of(h->id), &pos, &t->e);

    if (r == 1 && h->index < 0) {
        r = from_head(h, 0, &pos);
    } else if (r == 1) {
        r = fetch_overview(t->store, &pos, &line, &t->e);
        if (r == 1)
            put_value(h, 0, from_line(h, buf_span(&line)));
    }
    buf_fini(&line);
    if (r < 0)
        task_fail(t);
    else if (r == 0)
        buf_puts(&t->out, "430 No such article\r\n");
    else
        end(h);
}

/* --- the commands ------------------------------------------------------ */

static struct hdr_task *hdr_new(struct session *s, const struct call *c, enum kind kind, void (*work_fn)(struct task *))
{
    struct hdr_task *h = task_new(s, sizeof *h, work_fn);
    struct span pattern = call_tail(c, 2);

    h->kind = kind;
    h->field = xstrndup(c->arg[0].p, c->arg[0].n);
    h->index = overview_index(c->arg[0]);
    if (kind == KIND_XPAT)
        h->pattern = xstrndup(pattern.p, pattern.n);
    h->t.fini = fini;
    h->t.count_as = COUNT_over_lines;
    return h;
}

static bool field_good(struct session *s, struct span field)
{
    if (field.p[0] == ':' && overview_index(field) < 0) {
        reply(s, "503 No such metadata item here");
        return false;
    }
    if (field.p[0] != ':' && !hdr_name_valid(field)) {
        reply(s, "501 Syntax error in header name");
        return false;
    }
    return true;
}

static void by_id(struct session *s, const struct call *c, enum kind kind)
{
    struct hdr_task *h;

    if (!msgid_valid_lax(c->arg[1])) {
        reply(s, "501 Syntax error in Message-ID");
        return;
    }
    h = hdr_new(s, c, kind, work_id);
    h->id = xstrndup(c->arg[1].p, c->arg[1].n);
    task_send(&h->t);
}

static void in_range(struct session *s, const struct call *c, enum kind kind, uint64_t lo, uint64_t hi)
{
    struct marks m = group_marks(s->group);
    struct hdr_task *h = hdr_new(s, c, kind, work);

    h->group = s->group;
    h->lo = lo > m.low ? lo : m.low;
    h->hi = hi < m.high ? hi : m.high;
    h->current = c->n < 2;
    h->t.quick = h->index >= 0 && kind != KIND_XPAT;
    task_bulk(&h->t);
    task_send(&h->t);
}

static void hdr(struct session *s, const struct call *c, enum kind kind)
{
    uint64_t lo = s->number, hi = s->number;

    if (!field_good(s, c->arg[0]))
        return;
    if (c->n > 1 && c->arg[1].p[0] == '<')
        by_id(s, c, kind);
    else if (c->n > 1 && range_read(c->arg[1], &lo, &hi) != 0)
        reply(s, "501 Syntax error in range");
    else if (c->n < 2 && s->number == 0)
        reply(s, "420 No current article");
    else
        in_range(s, c, kind, lo, hi);
}

void cmd_hdr(struct session *s, const struct call *c)
{
    hdr(s, c, KIND_HDR);
}

void cmd_xhdr(struct session *s, const struct call *c)
{
    hdr(s, c, KIND_XHDR);
}

void cmd_xpat(struct session *s, const struct call *c)
{
    hdr(s, c, KIND_XPAT);
}
