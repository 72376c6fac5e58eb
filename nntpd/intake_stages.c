/* intake_stages.c - what an article must be, in INN's order.
 *
 * These stages touch nothing but their argument and the rules.  Some faults are
 * found before the article's Message-ID is known to be one; then it is looked
 * for by hand, so that the refusal can be remembered all the same.
 */
#include <stdio.h>

#include "article/groups.h"
#include "article/path.h"
#include "nntpd/stages.h"

/* ---- the block ---- */

/* Look for a line that says "Message-ID: <...>" among the first header lines of 'bytes'. */
static void find_id(struct intake *in, struct span bytes)
{
    struct span line;

    if (in->msgid.n > 0)
        return;
    while (span_next(&bytes, '\n', &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0)
            return;
        if (span_istarts(line, SPAN("Message-ID:"))) {
            intake_note_id(in, span_trim(span_from(line, 11)));
            return;
        }
    }
}

/* What the sender's blocks allow, the most generous one; never more than the site. */
static uint64_t size_limit(const struct intake *in)
{
    uint64_t site = in->rules->site->article_max, most = 0;

    for (size_t i = 0; i < in->n_peer; i++) {
        uint64_t one = in->peer[i]->article_max;

        if (one == 0 || one > site)
            return site;
        most = one > most ? one : most;
    }
    return in->n_peer > 0 ? most : site;
}

/* Over a peer's own limit alone, the article may come from another. */
static enum verdict too_big(struct intake *in, uint64_t limit)
{
    char text[80];

    find_id(in, in->block);
    in->forgettable = in->true_size <= in->rules->site->article_max;
    snprintf(text, sizeof text, "%zu bytes exceeds local limit of %llu", in->true_size, (unsigned long long)limit);
    return intake_say(in, V_TOO_BIG, span_of(text));
}

enum verdict stage_wire(struct intake *in)
{
    uint64_t limit = size_limit(in);

    if (in->true_size > limit)
        return too_big(in, limit);
    switch (wire_check(in->block, &in->facts)) {
    case WIRE_OK:
        in->head = (struct span){ in->block.p, in->facts.body - 2 };
        return GO_ON;
    case WIRE_EMPTY:
        return V_EMPTY;
    case WIRE_EMPTY_BOTH:
        return V_EMPTY_BOTH;
    case WIRE_NO_HEADERS:
        return V_NO_HEADERS;
    case WIRE_NO_BODY:
        find_id(in, in->block);
        return V_NO_BODY;
    case WIRE_NUL_HEAD:
        find_id(in, in->block);
        return V_NUL_HEADER;
    case WIRE_NUL_BODY:
        find_id(in, in->block);
        return V_NUL_BODY;
    case WIRE_HIDDEN_END:
        find_id(in, in->block);
        return V_HIDDEN_END;
    }
    return GO_ON;
}

/* ---- headers ---- */

static enum verdict mandatory(struct intake *in)
{
    for (int i = 0; i < HDR_MANDATORY; i++) {
        enum hdr f = (enum hdr)i;

        if (hdr_has(&in->h, f) && in->h.count[i] == 1)
            continue;
        in->forgettable = f == HDR_MESSAGE_ID || f == HDR_PATH;
        return intake_say(in, hdr_has(&in->h, f) ? V_DUPLICATE_FIELD : V_MISSING_FIELD, span_of(hdr_name(f)));
    }
    return GO_ON;
}

enum verdict stage_headers(struct intake *in)
{
    struct span where = { 0 };

    switch (headers_read(&in->h, in->head, &where)) {
    case HDR_OK:
        break;
    case HDR_NO_COLON:
    case HDR_STARTS_FOLDED:
        find_id(in, in->head);
        return intake_say(in, V_NO_COLON, where);
    case HDR_BLANK_NAME:
        find_id(in, in->head);
        return intake_say(in, V_BLANK_NAME, where);
    }
    if (hdr_has(&in->h, HDR_MESSAGE_ID))
        intake_note_id(in, hdr_body(&in->h, HDR_MESSAGE_ID));
    in->is_control = hdr_has(&in->h, HDR_CONTROL);
    return mandatory(in);
}

enum verdict stage_identity(struct intake *in)
{
    struct span named = span_of(in->named);

    if (in->msgid.n == 0)
        return intake_say(in, V_BAD_ID, hdr_body(&in->h, HDR_MESSAGE_ID));
    if (named.n > 0 && !span_eq(named, in->msgid))
        return intake_say(in, V_ID_DIFFERS, in->msgid);
    return GO_ON;
}

/* ---- dates ---- */

enum verdict stage_dates(struct intake *in)
{
    const struct conf_site *site = in->rules->site;
    struct span date = hdr_body(&in->h, HDR_DATE), injected = hdr_body(&in->h, HDR_INJECTION_DATE);
    int64_t posted, now = in->now_us / 1000000;

    if (date_read_lax(date, &posted) != 0)
        return intake_say(in, V_BAD_DATE, date);
    if (hdr_has(&in->h, HDR_INJECTION_DATE)) {
        if (date_read_lax(injected, &posted) != 0)
            return intake_say(in, V_BAD_INJECTION_DATE, injected);
        date = injected;
    }
    /* what an operator imports is old: that is no fault */
    if (site->age_max_us > 0 && in->way != WAY_IMPORT && posted < now - site->age_max_us / 1000000)
        return intake_say(in, V_TOO_OLD, date);
    if (posted > now + site->future_max_us / 1000000)
        return intake_say(in, V_FUTURE, date);
    return GO_ON;
}

/* ---- newsgroups, path, distribution ---- */

enum verdict stage_newsgroups(struct intake *in)
{
    struct span list = hdr_body(&in->h, HDR_NEWSGROUPS);

    for (size_t i = 0; i < list.n; i++)
        if (list.p[i] == ':')
            return V_BAD_NEWSGROUPS;
    return groups_count(list) > 0 ? GO_ON : V_BAD_NEWSGROUPS;
}

/* The first of these names that 'is_in' finds in Path, or NULL. */
static const char *one_of(const struct conf_list *names, struct span path, bool (*is_in)(struct span, struct span))
{
    for (size_t i = 0; i < names->n; i++)
        if (is_in(path, span_of(names->v[i])))
            return names->v[i];
    return NULL;
}

/* One of our names in Path?  Then it has been here (RFC 5537 3.6). */
static const char *own_name_in(const struct intake *in, struct span path)
{
    const struct conf_site *site = in->rules->site;

    return path_passed(path, span_of(site->name)) ? site->name : one_of(&site->aliases, path, path_passed);
}

enum verdict stage_excluded(struct intake *in)
{
    const char *name = hdr_has(&in->h, HDR_PATH)
                           ? one_of(&in->rules->site->exclude, hdr_body(&in->h, HDR_PATH), path_has) : NULL;

    return name != NULL ? intake_say(in, V_EXCLUDED, span_of(name)) : GO_ON;
}

enum verdict stage_path(struct intake *in)
{
    struct span path = hdr_body(&in->h, HDR_PATH), element;
    size_t at = 0;
    const char *own;

    if (!path_next(path, &at, false, &element)) {
        in->forgettable = true;
        return V_BAD_PATH;
    }
    /* an archive of our own comes back by import; `why` looks at what is stored */
    own = in->way == WAY_IMPORT || in->mode == MODE_EXPLAIN ? NULL : own_name_in(in, path);
    return own != NULL ? intake_say(in, V_LOOP, span_of(own)) : stage_excluded(in);
}

enum verdict stage_distribution(struct intake *in)
{
    const struct conf_list *rules = &in->rules->site->accept_distributions;
    struct span d = hdr_body(&in->h, HDR_DISTRIBUTION);

    if (d.n > 0 && d.p[0] == ',')
        return intake_say(in, V_BAD_DISTRIBUTION, d);
    return distribution_wanted(rules->v, rules->n, d) ? GO_ON : intake_say(in, V_UNWANTED_DISTRIBUTION, d);
}

/* ---- how many groups, and how many of the answers ---- */

/* Is n over one of two limits, of which 0 is none? */
static enum verdict limit(struct intake *in, enum verdict v, size_t n, int most, int post_most)
{
    char text[60];

    if (in->way == WAY_POST && post_most > 0 && (most == 0 || post_most < most))
        most = post_most;
    if (most == 0 || n <= (size_t)most)
        return GO_ON;
    snprintf(text, sizeof text, "%zu, and %d are allowed", n, most);
    return intake_say(in, v, span_of(text));
}

/* Counted as the feeder counts: names, known or not; answers go where the article went if it does not say. */
enum verdict stage_limits(struct intake *in)
{
    const struct conf_site *site = in->rules->site;
    struct span to = hdr_body(&in->h, HDR_FOLLOWUP_TO);
    size_t groups = groups_count(hdr_body(&in->h, HDR_NEWSGROUPS)), answers = groups_count(to);
    enum verdict v = limit(in, V_CROSSPOST, groups, site->crosspost_max, site->post_crosspost_max);

    if (answers == 0)
        answers = groups;
    if (v != GO_ON || span_ieq(to, SPAN("poster")))
        return v;
    return limit(in, V_FOLLOWUPS, answers, site->followup_max, site->post_followup_max);
}
