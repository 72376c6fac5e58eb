/* store_verify.c - do the indexes say what the log says?
 *
 * The log is walked with all checksums; each article must be found by history
 * at its place, and its overview rows must be what its bytes give.  Then each
 * group's rows are counted against its marks.  Nothing is changed.  The site
 * may be running: only what was published when the walk began is looked at.
 */
#include <stdarg.h>
#include <stdio.h>

#include "article/overview.h"
#include "article/wire.h"
#include "nntpd/store_int.h"

struct verify {
    struct store *s;
    tell_fn      *tell;
    void         *arg;
    int64_t       faults;
    const struct record *r;        /* the record at hand                    */
    struct buf    want, got;
    struct bdb_bulk bulk;
};

static void fault(struct verify *v, const char *fmt, ...) printf_like(2, 3);
static void fault(struct verify *v, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    v->faults++;
    if (v->tell != NULL)
        v->tell(line, v->arg);
}

static struct span id_of(const struct record *r)
{
    if (r->msgid.len == 0 || r->msgid.at + (size_t)r->msgid.len > r->data.n)
        return SPAN("(id unknown)");
    return (struct span){ r->data.p + r->msgid.at, r->msgid.len };
}

#define RECORD_AT "record %llu %.*s: "
#define RECORD_IS(v) (unsigned long long)(v)->r->seq, SPAN_F(id_of((v)->r))

/* The overview line that the article's bytes give. */
static void make_line(struct verify *v)
{
    struct span head = { v->r->data.p, v->r->body - 2 }, where;
    struct headers h = { .all = { 0 } };

    (void)headers_read(&h, head, &where);
    buf_clear(&v->want);
    overview_write(&v->want, &h, wire_bytes(v->r->data), v->r->lines);
    if (hdr_has(&h, HDR_XREF)) {
        buf_puts(&v->want, "Xref: ");
        hdr_unfold(&v->want, hdr_body(&h, HDR_XREF));
    }
}

static int check_row(struct verify *v, const struct record_number *n, const struct log_pos *pos, bool there,
                     struct err *e)
{
    const struct group *g = group_by_id(v->s->ix.groups, n->group);
    unsigned long long number = n->number;
    struct log_pos at;
    int rc;

    buf_clear(&v->got);
    if ((rc = ov_get(v->s->ix.ov, n->group, n->number, &at, &v->got, e)) < 0)
        return -1;
    if (!there && rc == 1)
        fault(v, RECORD_AT "cancelled, but group %u still has it as %llu", RECORD_IS(v), n->group, number);
    if (!there)
        return 0;
    if (rc == 0)
        fault(v, RECORD_AT "no overview row %u/%llu", RECORD_IS(v), n->group, number);
    else if (at.segment != pos->segment || at.offset != pos->offset)
        fault(v, RECORD_AT "overview row %u/%llu points elsewhere", RECORD_IS(v), n->group, number);
    else if (!span_eq(buf_span(&v->want), buf_span(&v->got)))
        fault(v, RECORD_AT "overview row %u/%llu is not what the article gives", RECORD_IS(v), n->group, number);
    if (g == NULL)
        fault(v, RECORD_AT "group %u is not known", RECORD_IS(v), n->group);
    else if (n->number > atomic_load(&g->high) || n->number < atomic_load(&g->low))
        fault(v, RECORD_AT "%s:%llu is outside of the group's marks", RECORD_IS(v), g->name, number);
    return 0;
}

static int check_rows(struct verify *v, const struct log_pos *pos, bool there, struct err *e)
{
    if (there)
        make_line(v);
    for (unsigned i = 0; i < v->r->n_numbers; i++)
        if (check_row(v, &v->r->numbers[i], pos, there, e) != 0)
            return -1;
    return 0;
}

/* Was it cancelled, and has its id been forgotten since?  Another article may have come under it then. */
static bool forgotten(const struct verify *v, const struct log_pos *pos, const struct his_entry *now)
{
    struct his_entry was = apply_entry(v->r, pos, HIS_CANCELLED);

    return (now == NULL || now->seq > v->r->seq) && his_forgets(v->s->ix.his, &was);
}

static int check_article(struct verify *v, const struct log_pos *pos, struct err *e)
{
    struct his_entry h;
    enum his_answer a = his_look(v->s->ix.his, &v->r->key, &h, e);

    if (a == HIS_FAILED)
        return -1;
    if (v->r->flags & RECORD_DAMAGED) {
        fault(v, RECORD_AT "its data does not match its checksum", RECORD_IS(v));
        return 0;
    }
    if (forgotten(v, pos, a == HIS_SEEN ? &h : NULL))
        return check_rows(v, pos, false, e);
    if (a != HIS_SEEN) {
        fault(v, RECORD_AT "not in history", RECORD_IS(v));
        return 0;
    }
    if (h.state == HIS_KEPT && (h.seq != v->r->seq || h.segment != pos->segment || h.offset != pos->offset)) {
        fault(v, RECORD_AT "history points to record %llu", RECORD_IS(v), (unsigned long long)h.seq);
        return 0;
    }
    if ((v->r->flags & RECORD_GONE) && h.state == HIS_KEPT) {
        fault(v, RECORD_AT "its data is gone, but history has it as kept", RECORD_IS(v));
        return 0;
    }
    if (h.state == HIS_REFUSED) {
        fault(v, RECORD_AT "history has it as refused", RECORD_IS(v));
        return 0;
    }
    return check_rows(v, pos, h.state == HIS_KEPT, e);
}

static int check_record(struct verify *v, const struct log_pos *pos, struct err *e)
{
    bool damaged = (v->r->flags & RECORD_DAMAGED) != 0;
    struct his_entry h;

    switch (v->r->kind) {
    case RECORD_ARTICLE:
        return check_article(v, pos, e);
    case RECORD_GROUP:
        if (damaged)
            fault(v, "record %llu, which made or changed a group, does not match its checksum; it stands in the indexes "
                  "alone, and a rebuild would be without it", (unsigned long long)v->r->seq);
        return 0;
    case RECORD_SNAPSHOT:
    case RECORD_FORGET:
        if (damaged)
            fault(v, "record %llu does not match its checksum", (unsigned long long)v->r->seq);
        return 0;
    case RECORD_REFUSED:
    case RECORD_CANCEL:
        if (damaged)
            fault(v, "record %llu does not match its checksum: why its id is not taken cannot be told", (unsigned long long)v->r->seq);
        switch (his_look(v->s->ix.his, &v->r->key, &h, e)) {
        case HIS_FAILED:
            return -1;
        case HIS_SEEN:
            return 0;
        default:
            if (!forgotten(v, pos, NULL))
                fault(v, RECORD_AT "its id is not in history", RECORD_IS(v));
            return 0;
        }
    default:
        return 0;
    }
}

/* ---- groups ---- */

struct rows { uint64_t n, first, last; };

static bool count_row(uint64_t number, const struct log_pos *pos, struct span line, void *arg)
{
    struct rows *r = arg;

    (void)pos, (void)line;
    if (r->n++ == 0)
        r->first = number;
    r->last = number;
    return true;
}

struct group_walk { struct verify *v; struct err *e; int rc; };

static bool check_group(const struct group *g, void *arg)
{
    struct group_walk *w = arg;
    uint64_t low = atomic_load(&g->low), high = atomic_load(&g->high), count = atomic_load(&g->count);
    struct rows r = { 0 };

    w->rc = ov_scan(w->v->s->ix.ov, g->id, 0, high, &w->v->bulk, count_row, &r, w->e);
    if (w->rc != 0)
        return false;
    /* articles have come or gone meanwhile: nothing can be said */
    if (high != atomic_load(&g->high) || count != atomic_load(&g->count))
        return true;
    if (r.n != count)
        fault(w->v, "group %s: %llu overview rows, but its count is %llu", g->name, (unsigned long long)r.n,
              (unsigned long long)count);
    if (r.n > 0 && r.first != low)
        fault(w->v, "group %s: the first row is %llu, but its low mark is %llu", g->name, (unsigned long long)r.first,
              (unsigned long long)low);
    if (r.n == 0 && low != high + 1)
        fault(w->v, "group %s: empty, but its marks are %llu and %llu", g->name, (unsigned long long)low,
              (unsigned long long)high);
    return true;
}

/* ---- the walk ---- */

static int walk_log(struct verify *v, progress_fn *progress, void *arg, struct err *e)
{
    struct artlog *l = v->s->ix.log;
    uint64_t first = artlog_first_seq(l), last = artlog_published(l);
    struct log_reader *in = log_reader_new(l, first);
    struct log_pos pos;
    struct record r;
    int rc = 0;

    while (rc >= 0 && log_reader_seq(in) <= last && (rc = log_reader_next(in, &r, &pos, e)) != 0) {
        if (rc < 0) {
            fault(v, "%s", e->text);              /* a damaged header: the rest of the segment cannot be told */
            rc = log_reader_skip(in, e);
            if (rc == 0)
                break;
            continue;
        }
        v->r = &r;
        rc = check_record(v, &pos, e);
        if (rc >= 0 && progress != NULL && (r.seq - first) % PROGRESS_RECORDS == 0 &&
            !progress("verifying", r.seq - first, last - first + 1, arg))
            rc = err_set(e, "broken off");
    }
    log_reader_free(&in);
    if (rc >= 0 && progress != NULL)
        (void)progress("verifying", last + 1 - first, last + 1 - first, arg);
    return rc < 0 ? -1 : 0;
}

int64_t store_verify(struct store *s, progress_fn *progress, tell_fn *tell, void *arg, struct err *e)
{
    struct verify v = { .s = s, .tell = tell, .arg = arg };
    struct group_walk w = { .v = &v, .e = e };
    int rc = walk_log(&v, progress, arg, e);

    if (rc == 0) {
        group_each(s->ix.groups, check_group, &w);
        rc = w.rc;
    }
    buf_fini(&v.want);
    buf_fini(&v.got);
    bdb_bulk_fini(&v.bulk);
    return rc == 0 ? v.faults : -1;
}
