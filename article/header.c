/* header.c - an index over the headers of an article.  See header.h. */
#include "article/header.h"

#include <string.h>

static const char *const names[HDR_KNOWN] = {
    [HDR_DATE] = "Date", [HDR_FROM] = "From", [HDR_MESSAGE_ID] = "Message-ID", [HDR_NEWSGROUPS] = "Newsgroups",
    [HDR_PATH] = "Path", [HDR_SUBJECT] = "Subject", [HDR_APPROVED] = "Approved", [HDR_ARCHIVE] = "Archive",
    [HDR_BYTES] = "Bytes", [HDR_CANCEL_KEY] = "Cancel-Key", [HDR_CANCEL_LOCK] = "Cancel-Lock",
    [HDR_CONTROL] = "Control", [HDR_DISTRIBUTION] = "Distribution", [HDR_EXPIRES] = "Expires",
    [HDR_FOLLOWUP_TO] = "Followup-To", [HDR_INJECTION_DATE] = "Injection-Date",
    [HDR_INJECTION_INFO] = "Injection-Info", [HDR_KEYWORDS] = "Keywords", [HDR_LINES] = "Lines",
    [HDR_ORGANIZATION] = "Organization", [HDR_REFERENCES] = "References", [HDR_REPLY_TO] = "Reply-To",
    [HDR_SENDER] = "Sender", [HDR_SUMMARY] = "Summary", [HDR_SUPERSEDES] = "Supersedes",
    [HDR_USER_AGENT] = "User-Agent", [HDR_XREF] = "Xref", [HDR_ALSO_CONTROL] = "Also-Control",
    [HDR_ARTICLE_NAMES] = "Article-Names", [HDR_ARTICLE_UPDATES] = "Article-Updates",
    [HDR_DATE_RECEIVED] = "Date-Received", [HDR_NNTP_POSTING_DATE] = "NNTP-Posting-Date",
    [HDR_NNTP_POSTING_HOST] = "NNTP-Posting-Host", [HDR_POSTED] = "Posted",
    [HDR_POSTING_VERSION] = "Posting-Version", [HDR_RECEIVED] = "Received", [HDR_RELAY_VERSION] = "Relay-Version",
    [HDR_SEE_ALSO] = "See-Also", [HDR_X_TRACE] = "X-Trace", [HDR_X_COMPLAINTS_TO] = "X-Complaints-To",
};

const char *hdr_name(enum hdr h)
{
    return names[h];
}

/* A name's bucket: first letter and length tell nearly all apart. */
static unsigned bucket(char first, size_t n)
{
    return ((unsigned)(first | 32) * 5u + (unsigned)n) & 127u;
}

enum hdr hdr_of(struct span name)
{
    /* the first name of each bucket, then a chain through the names in order */
    static _Thread_local unsigned char head[128], next[HDR_KNOWN];
    static _Thread_local bool ready;

    if (!ready) {
        memset(head, HDR_KNOWN, sizeof head);
        for (int h = HDR_KNOWN - 1; h >= 0; h--) {
            unsigned b = bucket(names[h][0], strlen(names[h]));

            next[h] = head[b];
            head[b] = (unsigned char)h;
        }
        ready = true;
    }
    if (name.n == 0)
        return HDR_OTHER;
    for (int h = head[bucket(name.p[0], name.n)]; h < HDR_KNOWN; h = next[h])
        if (span_ieq(name, span_of(names[h])))
            return (enum hdr)h;
    return HDR_OTHER;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The length of the line that s begins with, without its CRLF; all of s when there is none. */
static size_t line_length(struct span s)
{
    for (size_t at = 0; at < s.n; at++) {
        const char *lf = memchr(s.p + at, '\n', s.n - at);

        if (lf == NULL)
            return s.n;
        at = (size_t)(lf - s.p);
        if (at > 0 && s.p[at - 1] == '\r')
            return at - 1;
    }
    return s.n;
}

/* The end of the field that begins at 'at': behind the CRLF of its last line. */
static size_t field_end(struct span head, size_t at)
{
    do {
        at += line_length(span_from(head, at)) + 2;
    } while (at < head.n && blank(head.p[at]));
    return at < head.n ? at : head.n;
}

/* Cut a field's lines into name and body; a line without a colon has all as its name. */
static void cut_field(struct span whole, struct hdr_field *f)
{
    const char *colon = memchr(whole.p, ':', whole.n);
    struct span body;

    f->whole = whole;
    if (whole.n >= 2 && memcmp(whole.p + whole.n - 2, "\r\n", 2) == 0)
        whole.n -= 2;
    if (colon == NULL || (size_t)(colon - whole.p) >= whole.n) {
        f->name = whole;
        f->body = (struct span){ whole.p + whole.n, 0 };
        return;
    }
    f->name = (struct span){ whole.p, (size_t)(colon - whole.p) };
    body = span_from(whole, f->name.n + 1);
    f->body = body.n > 0 && blank(body.p[0]) ? span_from(body, 1) : body;
}

bool headers_next(struct span head, size_t *at, struct hdr_field *f)
{
    size_t end;

    if (*at >= head.n)
        return false;
    end = field_end(head, *at);
    cut_field((struct span){ head.p + *at, end - *at }, f);
    *at = end;
    return true;
}

/* The fault of one field, as INN sees it: a colon followed by blank or tab (or
 * by nothing) must end the name, and the name holds no blanks. */
static enum hdr_fault field_fault(const struct hdr_field *f)
{
    size_t line = line_length(f->whole);

    if (blank(f->whole.p[0]))
        return HDR_STARTS_FOLDED;
    if (f->name.n >= line || f->whole.p[f->name.n] != ':')
        return HDR_NO_COLON;
    if (f->name.n + 1 < line && !blank(f->whole.p[f->name.n + 1]))
        return HDR_NO_COLON;
    if (f->name.n == 0)
        return HDR_NO_COLON;
    if (memchr(f->name.p, ' ', f->name.n) != NULL || memchr(f->name.p, '\t', f->name.n) != NULL)
        return HDR_BLANK_NAME;
    return HDR_OK;
}

enum hdr_fault headers_read(struct headers *h, struct span head, struct span *where)
{
    struct hdr_field f;
    size_t at = 0;

    memset(h, 0, sizeof *h);
    h->all = head;
    while (headers_next(head, &at, &f)) {
        enum hdr_fault fault = field_fault(&f);
        enum hdr which;

        if (fault != HDR_OK) {
            *where = (struct span){ f.whole.p, line_length(f.whole) };
            if (where->n > 60)
                where->n = 60;
            return fault;
        }
        if ((which = hdr_of(f.name)) == HDR_OTHER)
            continue;
        if (h->count[which] == 0)
            h->field[which] = f;
        if (h->count[which] < 255)
            h->count[which]++;
    }
    return HDR_OK;
}

static bool empty_body(struct span body)
{
    for (size_t i = 0; i < body.n; i++)
        if (!blank(body.p[i]) && body.p[i] != '\r' && body.p[i] != '\n')
            return false;
    return true;
}

bool hdr_has(const struct headers *h, enum hdr which)
{
    return h->count[which] > 0 && !empty_body(h->field[which].body);
}

struct span hdr_body(const struct headers *h, enum hdr which)
{
    struct span b = h->field[which].body;

    if (h->count[which] == 0)
        return (struct span){ NULL, 0 };
    while (b.n > 0 && (blank(b.p[0]) || b.p[0] == '\r' || b.p[0] == '\n'))
        b.p++, b.n--;
    while (b.n > 0 && (blank(b.p[b.n - 1]) || b.p[b.n - 1] == '\r' || b.p[b.n - 1] == '\n'))
        b.n--;
    return b;
}

void hdr_unfold(struct buf *out, struct span body)
{
    size_t at = out->end;

    buf_add_span(out, body);
    for (size_t i = at, end = out->end; i < end; i++) {
        char c = out->p[i];

        if (c == '\r' && i + 1 < end && out->p[i + 1] == '\n')
            i++;                                    /* the fold's CRLF goes, its blank stays */
        else
            out->p[at++] = c == '\t' || c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
    }
    out->end = at;
}
