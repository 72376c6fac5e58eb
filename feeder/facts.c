/* facts.c - see facts.h. */
#include "feeder/facts.h"

#include <string.h>

#include "article/groups.h"
#include "article/header.h"
#include "article/path.h"
#include "lib/buf.h"
#include "lib/digest.h"

struct span facts_range(const struct record *r, struct record_range at)
{
    return at.len > 0 && (size_t)at.at + at.len <= r->data.n ? (struct span){ r->data.p + at.at, at.len } : SPAN("");
}

void facts_begin(struct facts *f, const struct record *r)
{
    f->r = r;
    f->groups = facts_range(r, r->newsgroups);
    f->distribution = facts_range(r, r->distribution);
    f->n_groups = groups_count(f->groups);
    f->hops = path_hops(facts_range(r, r->path));
    f->head_read = f->md5_made = false;
}

/* ---- the head ---- */

/* The first word of a field's body: up to a blank, fold or semicolon. */
static struct span first_word(struct span body)
{
    size_t n = 0;

    while (n < body.n && memchr(" \t\r\n;", body.p[n], 5) == NULL)
        n++;
    return (struct span){ body.p, n };
}

static void note_origin(struct facts *f, struct span body)
{
    struct buf plain = { 0 };
    struct span word;

    if (body.n > 0 && body.p[0] == '(') {          /* a comment may stand before it */
        hdr_skip_cfws(&plain, body);
        body = span_trim(buf_span(&plain));
    }
    word = first_word(body);
    if (word.n >= sizeof f->origin)
        word.n = sizeof f->origin - 1;
    memcpy(f->origin, word.p, word.n);
    f->origin[word.n] = '\0';
    buf_fini(&plain);
}

static size_t count_followups(struct span to, size_t n_groups)
{
    size_t n = groups_count(to);

    return n == 0 ? n_groups : span_eq(to, SPAN("poster")) ? 0 : n;
}

/* An article that cannot be understood says nothing. */
static void read_head(struct facts *f)
{
    const struct record *r = f->r;
    struct span head = { r->data.p, r->body >= 2 && r->body <= r->data.n ? r->body - 2 : 0 }, where;
    struct headers h;

    if (f->head_read)
        return;
    f->head_read = true;
    f->followups = f->n_groups;
    f->approved = false;
    f->verb = f->xref = SPAN("");
    f->origin[0] = '\0';
    if (head.n == 0 || headers_read(&h, head, &where) != HDR_OK)
        return;
    f->followups = count_followups(hdr_body(&h, HDR_FOLLOWUP_TO), f->n_groups);
    f->approved = hdr_has(&h, HDR_APPROVED);
    if (hdr_has(&h, HDR_CONTROL))
        f->verb = first_word(hdr_body(&h, HDR_CONTROL));
    if (hdr_has(&h, HDR_XREF))
        f->xref = hdr_body(&h, HDR_XREF);
    if (hdr_has(&h, HDR_INJECTION_INFO))
        note_origin(f, hdr_body(&h, HDR_INJECTION_INFO));
    else if (hdr_has(&h, HDR_X_TRACE))
        note_origin(f, hdr_body(&h, HDR_X_TRACE));
}

size_t facts_followups(struct facts *f)
{
    read_head(f);
    return f->followups;
}

struct span facts_verb(struct facts *f)
{
    if (!(f->r->flags & RECORD_CONTROL))
        return SPAN("");
    read_head(f);
    return f->verb;
}

struct span facts_origin(struct facts *f)
{
    read_head(f);
    return span_of(f->origin);
}

/* ---- what the groups were here ---- */

static bool told(const struct facts *f)
{
    return (f->r->flags & RECORD_GROUPS) != 0;
}

/* "Xref: site group:1 group:2" */
static bool filed_in(struct facts *f, struct span group)
{
    struct span rest, word;

    read_head(f);
    rest = f->xref;
    (void)span_word(&rest);
    while ((word = span_word(&rest)).n > 0)
        if (word.n > group.n && word.p[group.n] == ':' && memcmp(word.p, group.p, group.n) == 0)
            return true;
    return false;
}

static bool like_newgroup(struct facts *f)
{
    struct span verb = facts_verb(f);

    return span_ieq(verb, SPAN("newgroup")) || span_ieq(verb, SPAN("rmgroup")) || span_ieq(verb, SPAN("checkgroups"));
}

enum facts_moderated facts_moderated(struct facts *f)
{
    if (told(f)) {
        if (f->r->flags & RECORD_MODERATED)
            return FACTS_MODERATED;
        return f->r->flags & (RECORD_KNOWN | RECORD_JUNK) ? FACTS_UNMODERATED : FACTS_NEITHER;
    }
    read_head(f);
    return f->approved && !like_newgroup(f) ? FACTS_MODERATED : FACTS_UNMODERATED;
}

bool facts_unknown_group(struct facts *f)
{
    struct span name;
    size_t at = 0;

    if (told(f))
        return (f->r->flags & RECORD_UNKNOWN) != 0;
    if (f->r->flags & RECORD_CONTROL)              /* filed by its verb: Xref does not tell */
        return false;
    while (groups_next(f->groups, &at, &name))
        if (!filed_in(f, name))
            return true;
    return false;
}

bool facts_in_junk(struct facts *f)
{
    return told(f) ? (f->r->flags & RECORD_JUNK) != 0 : filed_in(f, SPAN("junk"));
}

bool facts_homeless(const struct facts *f)
{
    return (f->r->flags & (RECORD_GROUPS | RECORD_JUNK | RECORD_KNOWN)) == (RECORD_GROUPS | RECORD_JUNK);
}

/* ---- shares ---- */

uint32_t facts_part(struct facts *f, unsigned offset, uint32_t of)
{
    const uint8_t *p = f->md5 + 12 - offset;

    if (!f->md5_made) {
        digest_md5(facts_range(f->r, f->r->msgid), f->md5);
        f->md5_made = true;
    }
    return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]) % of + 1;
}
