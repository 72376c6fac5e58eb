/* inject.c - what a post must be (RFC 5537 3.5), in INN's order and words.
 *
 * A proto-article is looked at more strictly than a relayed one: it can still
 * be mended by the one who wrote it.
 */
#include <stdio.h>
#include <string.h>

#include "article/groups.h"
#include "article/path.h"
#include "article/wildmat.h"
#include "nntpd/stages.h"

#define LINE_MOST 998

/* ---- lines: the block, and a head that can be read ---- */

static struct span chomp(struct span line)
{
    return line.n > 0 && line.p[line.n - 1] == '\r' ? (struct span){ line.p, line.n - 1 } : line;
}

/* Behind the colon stands a space (RFC 5536 2.2).  A field whose name we know is
 * mended when it does not; any other is not ours to change (RFC 5537 3.5).  What
 * cannot be a field is left out and noted, to be told in its turn. */
static void mend_line(struct intake *in, struct span line)
{
    const char *colon = memchr(line.p, ':', line.n);
    struct span name = { line.p, colon != NULL ? (size_t)(colon - line.p) : 0 };
    bool folded = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
    bool space = colon != NULL && name.n + 1 < line.n && colon[1] == ' ';

    if (folded ? buf_len(&in->fixed) > 0 : space && hdr_name_valid(name)) {
        buf_add_span(&in->fixed, line);
    } else if (!folded && colon != NULL && hdr_of(name) != HDR_OTHER) {
        buf_add_span(&in->fixed, name);
        buf_puts(&in->fixed, ": ");
        buf_add_span(&in->fixed, span_trim(span_from(line, name.n + 1)));
    } else {
        if (in->bad_line.p == NULL)
            in->bad_line = name.n > 0 ? name : line;
        return;
    }
    buf_puts(&in->fixed, "\r\n");
}

static enum verdict mend_head(struct intake *in)
{
    struct span head = { in->block.p, in->facts.body - 2 }, line;

    while (span_next(&head, '\n', &line)) {
        line = chomp(line);
        if (line.n > LINE_MOST)
            return V_P_LINE_LONG;
        if (line.n > 0)
            mend_line(in, line);
    }
    in->head = buf_span(&in->fixed);
    if (headers_read(&in->h, in->head, &line) != HDR_OK)
        return intake_say(in, V_P_SYNTAX, line);
    in->is_control = hdr_has(&in->h, HDR_CONTROL);
    return GO_ON;
}

static enum verdict too_big(struct intake *in, uint64_t limit)
{
    char text[32];

    snprintf(text, sizeof text, "%llu", (unsigned long long)limit);
    return intake_say(in, V_P_TOO_BIG, span_of(text));
}

enum verdict stage_p_lines(struct intake *in)
{
    uint64_t limit = in->rules->site->post_max;

    if (in->true_size > limit)
        return too_big(in, limit);
    inject_mend_ends(in);
    switch (wire_check(in->block, &in->facts)) {
    case WIRE_OK:
        return mend_head(in);
    case WIRE_EMPTY:
        return V_EMPTY;
    case WIRE_EMPTY_BOTH:
        return V_EMPTY_BOTH;
    case WIRE_NO_HEADERS:
        return V_NO_HEADERS;
    case WIRE_NO_BODY:
        return V_P_NO_BODY;
    case WIRE_NUL_HEAD:
        return V_NUL_HEADER;
    case WIRE_NUL_BODY:
        return V_NUL_BODY;
    case WIRE_HIDDEN_END:
        return V_HIDDEN_END;
    }
    return GO_ON;
}

/* ---- fields: none obsolete, none twice ---- */

enum verdict stage_p_fields(struct intake *in)
{
    for (int i = HDR_ALSO_CONTROL; i < HDR_KNOWN; i++)
        if (in->h.count[i] > 0)
            return intake_say(in, V_P_OBSOLETE, span_of(hdr_name((enum hdr)i)));
    for (int i = 0; i < HDR_ALSO_CONTROL; i++)
        if (in->h.count[i] > 1)
            return intake_say(in, V_P_DUPLICATE, span_of(hdr_name((enum hdr)i)));
    return GO_ON;
}

/* ---- groups ---- */

static enum verdict post_to(struct intake *in, struct span name, const struct group *g)
{
    switch (atomic_load(&g->flag)) {
    case 'n':
    case 'x':
    case 'j':
        return intake_say(in, V_P_NOT_HERE, name);
    case '=':
        return intake_say(in, V_P_RENAMED, name);
    case 'm':
        if (!hdr_has(&in->h, HDR_APPROVED) && in->moderated.n == 0)
            in->moderated = name;
        else if (hdr_has(&in->h, HDR_APPROVED) && !wildmat(name, span_of(in->approve)))
            return intake_say(in, V_P_NOT_APPROVED, name);
        in->about_groups |= RECORD_MODERATED;
        break;
    default:
        break;
    }
    in->about_groups |= RECORD_KNOWN;
    groups_add(in, g);
    return GO_ON;
}

enum verdict stage_p_groups(struct intake *in)
{
    struct span list = hdr_body(&in->h, HDR_NEWSGROUPS), name;
    enum verdict v = GO_ON;
    size_t at = 0;

    in->n_groups = 0;
    in->about_groups = RECORD_GROUPS;
    if (!hdr_has(&in->h, HDR_NEWSGROUPS))
        return GO_ON;                       /* "required" tells it */
    if (groups_count(list) == 0)
        return V_P_NEWSGROUPS;
    if (hdr_has(&in->h, HDR_APPROVED) && in->approve[0] == '\0')
        return V_P_APPROVED;
    while (v == GO_ON && groups_next(list, &at, &name)) {
        const struct group *g = group_find(store_groups(in->store), name);

        if (!wildmat(name, span_of(in->post_groups)))      /* it does not tell whether the group is there */
            v = intake_say(in, V_P_NOT_ALLOWED, name);
        else if (g != NULL)
            v = post_to(in, name, g);
        else
            in->about_groups |= RECORD_UNKNOWN;
    }
    if (v == GO_ON && in->n_groups == 0)
        return intake_say(in, V_P_NO_GROUP, list);
    if (v == GO_ON && in->is_control)
        v = groups_for_control(in);
    return v;
}

/* ---- values ---- */

static enum verdict no_system_fields(struct intake *in)
{
    static const enum hdr ours[] = { HDR_XREF, HDR_INJECTION_INFO };

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (in->h.count[ours[i]] > 0)
            return intake_say(in, V_P_SYSTEM, span_of(hdr_name(ours[i])));
    return GO_ON;
}

static enum verdict field_syntax(struct intake *in, bool known)
{
    struct hdr_field f;
    size_t at = 0;

    while (headers_next(in->head, &at, &f)) {
        if ((hdr_of(f.name) != HDR_OTHER) != known)
            continue;
        /* one that we know and that is empty is left out of the article */
        if (known && span_trim(f.body).n == 0)
            continue;
        if (!hdr_body_valid(f.body))
            return intake_say(in, V_P_SYNTAX, f.name);
    }
    return GO_ON;
}

static bool too_old(const struct intake *in, int64_t t)
{
    int64_t most_us = in->rules->site->age_max_us;

    return most_us > 0 && t < in->now_us / 1000000 - most_us / 1000000;
}

static enum verdict dates(struct intake *in)
{
    int64_t t, ahead = in->now_us / 1000000 + in->rules->site->future_max_us / 1000000;

    if (hdr_has(&in->h, HDR_INJECTION_DATE)) {
        if (date_read(hdr_body(&in->h, HDR_INJECTION_DATE), &t) != 0)
            return intake_say(in, V_P_BAD_BODY, SPAN("Injection-Date"));
        if (t > ahead)
            return V_P_FUTURE;
        if (too_old(in, t))                                   /* no peer would take it */
            return intake_say(in, V_TOO_OLD, hdr_body(&in->h, HDR_INJECTION_DATE));
    }
    if (!hdr_has(&in->h, HDR_DATE))
        return GO_ON;
    if (date_read(hdr_body(&in->h, HDR_DATE), &t) != 0)
        return intake_say(in, V_P_BAD_BODY, SPAN("Date"));
    if (t > ahead)
        return V_P_FUTURE;
    return too_old(in, t) ? V_P_OLD : GO_ON;
}

static enum verdict control(struct intake *in)
{
    static const char *const types[] = { "cancel", "ihave", "sendme", "sendsys", "senduuname", "version",
                                         "checkgroups", "newgroup", "rmgroup" };
    struct span body = hdr_body(&in->h, HDR_CONTROL), word = span_word(&body);

    if (!in->is_control)
        return GO_ON;
    if (hdr_has(&in->h, HDR_SUPERSEDES))
        return V_P_TWO_WAYS;                                  /* RFC 5536 3.2.3 */
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!span_ieq(word, span_of(types[i])))
            continue;
        if (i >= 6 && !hdr_has(&in->h, HDR_APPROVED))        /* RFC 5537 5.2 */
            return intake_say(in, V_P_UNAPPROVED, word);
        return i == 0 && !msgid_valid(span_trim(body)) ? V_P_CANCEL : GO_ON;
    }
    return intake_say(in, V_P_CONTROL, word);
}

static enum verdict distribution(struct intake *in)
{
    struct span list = hdr_body(&in->h, HDR_DISTRIBUTION), one;
    size_t at = 0;

    while (list.n > 0 && groups_next(list, &at, &one))
        if (memchr(one.p, '.', one.n) != NULL)
            return intake_say(in, V_P_DISTRIBUTION, one);
    return stage_distribution(in);
}

static enum verdict others(struct intake *in)
{
    int64_t t;

    if (hdr_has(&in->h, HDR_MESSAGE_ID) && !msgid_valid(hdr_body(&in->h, HDR_MESSAGE_ID)))
        return intake_say(in, V_P_BAD_BODY, SPAN("Message-ID"));
    if (hdr_has(&in->h, HDR_PATH) && path_is_posted(hdr_body(&in->h, HDR_PATH)))
        return V_P_POSTED;
    if (hdr_has(&in->h, HDR_EXPIRES) && date_read(hdr_body(&in->h, HDR_EXPIRES), &t) != 0)
        return V_P_EXPIRES;
    if (hdr_has(&in->h, HDR_SUPERSEDES) && !msgid_valid(hdr_body(&in->h, HDR_SUPERSEDES)))
        return intake_say(in, V_P_BAD_BODY, SPAN("Supersedes"));
    return GO_ON;
}

static enum verdict known_syntax(struct intake *in)
{
    return field_syntax(in, true);
}

enum verdict stage_p_values(struct intake *in)
{
    static stage_fn *const checks[] = { no_system_fields, known_syntax, dates, control, others, distribution,
                                        stage_excluded };
    enum verdict v = GO_ON;

    for (size_t i = 0; i < sizeof checks / sizeof *checks && v == GO_ON; i++)
        v = checks[i](in);
    return v;
}

/* ---- required ---- */

enum verdict stage_p_required(struct intake *in)
{
    static const enum hdr must[] = { HDR_FROM, HDR_NEWSGROUPS, HDR_SUBJECT };

    for (size_t i = 0; i < sizeof must / sizeof *must; i++)
        if (!hdr_has(&in->h, must[i]))
            return intake_say(in, V_P_MISSING, span_of(hdr_name(must[i])));
    if (in->bad_line.p != NULL)
        return intake_say(in, V_P_SYNTAX, in->bad_line);
    return field_syntax(in, false);
}

/* ---- body, and what goes with it ---- */

static bool body_is_empty(const struct intake *in)
{
    struct span body = span_from(in->block, in->facts.body);

    body.n -= 3;                            /* ".\r\n" */
    for (size_t i = 0; i < body.n; i++)
        if (strchr(" \t\r\n", body.p[i]) == NULL)
            return false;
    return true;
}

/* The first c that is not in a quoted string; NULL. */
static const char *unquoted(struct span s, char c)
{
    bool quoted = false;

    for (size_t i = 0; i < s.n; i++) {
        if (quoted && s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (!quoted && s.p[i] == c)
            return s.p + i;
    }
    return NULL;
}

/* Has From an address with something before the "@", and a dot or an address in
 * brackets behind it? */
static bool has_address(struct span from)
{
    const char *open, *close, *at;
    struct span local, domain;

    if (from.n == 0)                        /* nothing but comments: there may be no octet to point at */
        return false;
    open = unquoted(from, '<');
    close = unquoted(from, '>');
    if (open != NULL && close > open)
        from = (struct span){ open + 1, (size_t)(close - open - 1) };
    else
        from = span_word(&from);
    if ((at = memrchr(from.p, '@', from.n)) == NULL)
        return false;
    local = (struct span){ from.p, (size_t)(at - from.p) };
    domain = span_from(from, local.n + 1);
    if (local.n > 0 && domain.n > 2 && domain.p[0] == '[' && domain.p[domain.n - 1] == ']')
        return true;
    return local.n > 0 && domain.n > 2 && memchr(domain.p + 1, '.', domain.n - 2) != NULL;
}

static bool from_has_address(struct intake *in)
{
    struct buf plain = { 0 };
    bool has;

    hdr_skip_cfws(&plain, hdr_body(&in->h, HDR_FROM));
    /* without comments the blanks are gone too, but those in a quoted name */
    has = has_address(buf_span(&plain)) || has_address(hdr_body(&in->h, HDR_FROM));
    buf_fini(&plain);
    return has;
}

/* For this poster: the answer must not tell of groups that are hidden from it. */
static bool is_there(const struct intake *in, struct span name)
{
    return (wildmat(name, span_of(in->read_groups)) || wildmat(name, span_of(in->post_groups))) &&
           group_find(store_groups(in->store), name) != NULL;
}

static enum verdict followup(struct intake *in)
{
    struct span list = hdr_body(&in->h, HDR_FOLLOWUP_TO), name;
    size_t at = 0;

    if (!hdr_has(&in->h, HDR_FOLLOWUP_TO) || span_ieq(list, SPAN("poster")))
        return GO_ON;
    while (groups_next(list, &at, &name))
        if (is_there(in, name))
            return GO_ON;
    return intake_say(in, V_P_NO_GROUP, list);
}

enum verdict stage_p_body(struct intake *in)
{
    enum verdict v;

    if (body_is_empty(in))
        return V_P_EMPTY;
    if (!from_has_address(in))
        return V_P_ADDRESS;
    if ((v = followup(in)) != GO_ON)
        return v;
    return inject_find_moderator(in);
}
