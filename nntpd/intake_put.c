/* intake_put.c - the last stage: Path with our name in front, no foreign Xref,
 * everything else as it came, and off to the store.
 *
 * Only the head is written anew; the body goes from where it was received to
 * the log.  The committer adds numbers and Xref.
 */
#include <stdlib.h>
#include <string.h>

#include "article/overview.h"
#include "article/path.h"
#include "lib/mem.h"
#include "nntpd/stages.h"

/* ---- Path ---- */

/* path = "*": nobody has told us its names. */
static bool is_unnamed(const struct conf_peer *p)
{
    return p->path.n == 1 && strcmp(p->path.v[0], "*") == 0;
}

static bool peer_is(const struct conf_peer *p, struct span name)
{
    for (size_t i = 0; !is_unnamed(p) && i < p->path.n; i++)
        if (span_ieq(span_of(p->path.v[i]), name))
            return true;
    return p->path.n == 0 && span_ieq(span_of(p->name), name);
}

/* Is the leftmost name that of the one who sent it (RFC 5537 3.2.1)? */
static enum path_sender sender(const struct intake *in, struct span path, struct span *detail)
{
    struct span first = { 0 };
    size_t at = 0;

    *detail = (struct span){ 0 };
    if (in->way == WAY_IMPORT || !in->rules->site->path_diagnostics)
        return PATH_UNKNOWN;
    (void)path_next(path, &at, false, &first);
    for (size_t i = 0; i < in->n_peer; i++)
        if (peer_is(in->peer[i], first))
            return PATH_MATCH;
    if (in->n_peer == 0 || is_unnamed(in->peer[0])) {
        *detail = span_of(in->address);
        return detail->n > 0 ? PATH_SEEN : PATH_UNKNOWN;
    }
    *detail = span_of(in->peer[0]->path.n > 0 ? in->peer[0]->path.v[0] : in->peer[0]->name);
    return PATH_MISMATCH;
}

static bool starts_with_us(const struct intake *in, struct span path)
{
    const struct conf_site *site = in->rules->site;
    struct span first;
    size_t at = 0;

    if (!path_next(path, &at, false, &first))
        return false;
    for (size_t i = 0; i < site->aliases.n; i++)
        if (span_ieq(first, span_of(site->aliases.v[i])))
            return true;
    return span_ieq(first, span_of(site->name));
}

/* Our own name is the leftmost: it is the one that peers look for (RFC 5537 3.2.1, steps
 * 4 and 5).  "!!": that the next one is ours, too, is certain. */
void intake_put_names(const struct intake *in, struct buf *out)
{
    const struct conf_site *site = in->rules->site;

    buf_puts(out, site->name);
    for (size_t i = 0; site->path_aliases && i < site->aliases.n; i++)
        buf_printf(out, "!!%s", site->aliases.v[i]);
}

static void write_path(struct intake *in, struct span path)
{
    struct span detail;
    enum path_sender how = sender(in, path, &detail);

    if (in->way == WAY_POST || (in->way == WAY_IMPORT && starts_with_us(in, path))) {
        buf_add_span(&in->out, path);           /* our name is there already */
        return;
    }
    intake_put_names(in, &in->out);
    path_prepend(&in->out, SPAN(""), how, detail, path);
}

/* ---- the head ---- */

static struct record_range range(size_t at, const struct hdr_field *f)
{
    return (struct record_range){ .at = (uint32_t)(at + (size_t)(f->body.p - f->whole.p)), .len = (uint32_t)f->body.n };
}

/* Note where the fields lie that the feeder wants to find without parsing. */
static void note_range(struct intake *in, struct record *r, const struct hdr_field *f)
{
    size_t at = buf_len(&in->out);

    if (f->whole.p == in->h.field[HDR_NEWSGROUPS].whole.p)
        r->newsgroups = range(at, f);
    else if (f->whole.p == in->h.field[HDR_DISTRIBUTION].whole.p)
        r->distribution = range(at, f);
    else if (f->whole.p == in->h.field[HDR_MESSAGE_ID].whole.p)
        r->msgid = (struct record_range){ .at = (uint32_t)(at + (size_t)(in->msgid.p - f->whole.p)),
                                          .len = (uint32_t)in->msgid.n };
}

static void write_head(struct intake *in, struct record *r)
{
    struct hdr_field f;
    size_t at = 0;

    while (headers_next(in->head, &at, &f)) {
        if (span_ieq(f.name, SPAN("Xref")))
            continue;
        if (f.whole.p == in->h.field[HDR_PATH].whole.p) {
            buf_puts(&in->out, "Path: ");
            r->path.at = (uint32_t)buf_len(&in->out);
            write_path(in, span_trim(f.body));
            r->path.len = (uint32_t)(buf_len(&in->out) - r->path.at);
            buf_puts(&in->out, "\r\n");
            continue;
        }
        note_range(in, r, &f);
        buf_add_span(&in->out, f.whole);
    }
}

/* ---- to the store ---- */

static enum verdict verdict_of(struct intake *in, const struct submission *sub)
{
    switch (sub->result) {
    case COMMIT_STORED:
        return V_STORED;
    case COMMIT_CANCELLED:
        in->forgettable = true;                     /* history has it as cancelled */
        return V_CANCELLED;
    case COMMIT_LATER:
        return intake_say(in, V_LATER, span_of(sub->why));
    case COMMIT_NO_GROUP:
        return V_GROUP_GONE;
    case COMMIT_STOPPED:
        return V_STOPPING;
    }
    bug("no such result of a commit");
}

static void on_committed(struct mail *m)
{
    struct submission *sub = (struct submission *)(void *)m;

    intake_resume(sub->user);
}

static void make_overview(struct intake *in, struct submission *sub)
{
    size_t bytes = wire_bytes(in->block) - (in->facts.body - 2) + buf_len(&in->out);
    struct span digits;

    overview_write(&in->overview, &in->h, bytes, in->facts.lines);
    sub->overview = buf_span(&in->overview);
    if (!overview_field(sub->overview, 5, &digits))
        bug("an overview line without :bytes");
    sub->size_at = (size_t)(digits.p - sub->overview.p);
}

static struct submission *make_submission(struct intake *in)
{
    struct submission *sub = submission_new();
    struct record *r = &sub->item.rec;

    r->kind = RECORD_ARTICLE;
    r->flags = (uint16_t)((in->way == WAY_POST ? RECORD_LOCAL : 0) | (in->is_control ? RECORD_CONTROL : 0) |
                          in->about_groups);
    r->arrived_us = in->now_us;
    sub->arrives = true;
    r->key = in->key;
    r->lines = (uint32_t)in->facts.lines;
    r->source = span_of(in->source);
    intake_cancels(in, r);
    write_head(in, r);
    r->body = (uint32_t)(buf_len(&in->out) + 2);
    sub->item.part[0] = buf_span(&in->out);
    sub->item.part[2] = span_from(in->block, in->facts.body - 2);
    r->data.n = sub->item.part[0].n + sub->item.part[2].n;
    sub->group = xmalloc(in->n_groups * sizeof *sub->group);
    memcpy(sub->group, in->group, in->n_groups * sizeof *sub->group);
    sub->n_groups = in->n_groups;
    make_overview(in, sub);
    sub->mail.deliver = on_committed;
    sub->home = in->home;
    sub->user = in;
    return sub;
}

enum verdict stage_store(struct intake *in)
{
    if (in->mode == MODE_EXPLAIN)
        return GO_ON;
    if (in->sub != NULL)
        return verdict_of(in, in->sub);
    in->sub = make_submission(in);
    in->sub->claim = in->claim;
    if (store_submit(in->store, in->sub)) {
        in->claim = NULL;
        return AWAY;
    }
    in->sub->claim = NULL;
    return intake_say(in, V_LATER, span_of(in->sub->why));
}

/* ---- refusals ---- */

static void on_remembered(struct mail *m)
{
    struct submission *sub = (struct submission *)(void *)m;

    submission_free(&sub);
}

void intake_remember(struct intake *in, const char *why)
{
    struct submission *sub = submission_new();
    struct record *r = &sub->item.rec;
    size_t n;

    buf_puts(&sub->bytes, why);
    n = buf_len(&sub->bytes);
    buf_puts(&sub->bytes, in->source);
    sub->item.part[0] = (struct span){ buf_data(&sub->bytes), n };
    r->kind = RECORD_REFUSED;
    r->arrived_us = in->now_us;
    sub->arrives = true;             /* it may begin a segment, which is found by this time */
    r->key = in->key;
    r->data.n = n;
    r->source = span_from(buf_span(&sub->bytes), n);
    sub->claim = in->claim;
    sub->mail.deliver = on_remembered;
    if (store_submit(in->store, sub)) {
        in->claim = NULL;
        return;
    }
    sub->claim = NULL;              /* not remembered, then: the peer may offer it again */
    submission_free(&sub);
}
