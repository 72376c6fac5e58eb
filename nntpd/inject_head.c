/* inject_head.c - an injecting agent's duties (RFC 5537 3.5): the fields it adds.
 *
 *     Path             our name and .POSTED in front of what was given, or of not-for-mail
 *     what was given   as it was; known fields that are empty are left out
 *     Message-ID, Date when absent
 *     Organization     the site's, when absent
 *     Injection-Date   unless given, or both Message-ID and Date were
 *     Cancel-Lock      ours behind the client's; Cancel-Key likewise, when it cancels or supersedes
 *     Injection-Info   our name and the account as a hash; the address only when so configured
 */
#include "article/path.h"
#include "lib/siphash.h"
#include "nntpd/stages.h"

static struct span posting_host(const struct intake *in)
{
    return in->rules->site->posting_host ? span_of(in->address) : (struct span){ 0 };
}

static void write_given(struct intake *in)
{
    struct hdr_field f;
    size_t at = 0;

    while (headers_next(in->head, &at, &f)) {
        enum hdr which = hdr_of(f.name);

        if (which == HDR_PATH || which == HDR_CANCEL_LOCK || which == HDR_CANCEL_KEY || (which != HDR_OTHER && span_trim(f.body).n == 0))
            continue;
        if (in->moderated.n > 0)
            inject_given_for_mail(in, &f);
        else
            buf_add_span(&in->made, f.whole);
    }
}

static void write_date(struct intake *in, const char *name)
{
    char date[DATE_TEXT_MAX];

    date_write(in->now_us / 1000000, date);
    buf_printf(&in->made, "%s: %s\r\n", name, date);
}

/* The one it has, or a new one. */
static void write_id(struct intake *in, struct buf *id)
{
    uint64_t random;

    if (hdr_has(&in->h, HDR_MESSAGE_ID)) {
        buf_add_span(id, hdr_body(&in->h, HDR_MESSAGE_ID));
        return;
    }
    random_bytes(&random, sizeof random);
    msgid_make(id, in->rules->site->name, in->now_us, random);
    buf_printf(&in->made, "Message-ID: %.*s\r\n", SPAN_F(buf_span(id)));
}

static void write_info(struct intake *in)
{
    const struct conf_site *site = in->rules->site;
    struct span host = posting_host(in);

    buf_printf(&in->made, "Injection-Info: %s", site->name);
    buf_puts(&in->made, "; posting-account=\"");
    inject_account(in, &in->made);
    buf_puts(&in->made, "\"");
    if (host.n > 0)
        buf_printf(&in->made, "; posting-host=\"%.*s\"", SPAN_F(host));
    if (site->complaints != NULL)
        buf_printf(&in->made, "; mail-complaints-to=\"%s\"", site->complaints);
    buf_puts(&in->made, "\r\n");
}

/* What goes to a moderator is not injected yet (RFC 5537 3.5). */
static void write_proto_head(struct intake *in)
{
    struct buf id = { 0 };

    write_given(in);
    write_id(in, &id);
    if (!hdr_has(&in->h, HDR_DATE))
        write_date(in, "Date");
    inject_lock(in, buf_span(&id), &in->made);
    inject_key(in, &in->made);
    buf_fini(&id);
}

static void write_head(struct intake *in)
{
    const struct conf_site *site = in->rules->site;
    bool had_id = hdr_has(&in->h, HDR_MESSAGE_ID), had_date = hdr_has(&in->h, HDR_DATE);
    struct span path = hdr_has(&in->h, HDR_PATH) ? hdr_body(&in->h, HDR_PATH) : (struct span){ 0 };
    struct buf id = { 0 };

    buf_puts(&in->made, "Path: ");
    intake_put_names(in, &in->made);
    path_inject(&in->made, SPAN(""), posting_host(in), path);
    buf_puts(&in->made, "\r\n");
    write_given(in);
    write_id(in, &id);
    if (!had_date)
        write_date(in, "Date");
    if (site->organization != NULL && !hdr_has(&in->h, HDR_ORGANIZATION))
        buf_printf(&in->made, "Organization: %s\r\n", site->organization);
    if (!hdr_has(&in->h, HDR_INJECTION_DATE) && !(had_id && had_date))
        write_date(in, "Injection-Date");
    inject_lock(in, buf_span(&id), &in->made);
    inject_key(in, &in->made);
    write_info(in);
    buf_fini(&id);
}

enum verdict stage_p_make(struct intake *in)
{
    struct span where;

    if (in->moderated.n > 0)
        write_proto_head(in);
    else
        write_head(in);
    in->head = buf_span(&in->made);
    if (headers_read(&in->h, in->head, &where) != HDR_OK)
        return intake_say(in, V_P_SYNTAX, where);
    if (!intake_note_id(in, hdr_body(&in->h, HDR_MESSAGE_ID)))
        return intake_say(in, V_P_BAD_BODY, SPAN("Message-ID"));
    return GO_ON;
}
