/* post_form.c - see post_form.h. */
#include "feeder/post_form.h"

#include <string.h>

static bool tells_its_way(struct span field)
{
    static const char *const names[] = {
        "Path:", "Xref:", "Injection-Info:", "NNTP-Posting-Host:", "NNTP-Posting-Date:", "NNTP-Posting-User:", "X-Trace:",
        "X-Complaints-To:", "X-Abuse-Info:", "X-Report:", "Date-Received:", "Relay-Version:", "Posting-Version:", "Received:",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (span_istarts(field, span_of(names[i])))
            return true;
    return false;
}

/* The next line with its LF; n 0: the end. */
static struct span next_line(struct span *rest)
{
    const char *nl = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;
    struct span line = { rest->p, nl != NULL ? (size_t)(nl - rest->p) + 1 : rest->n };

    *rest = span_from(*rest, line.n);
    return line;
}

void post_form(struct buf *out, struct span article)
{
    bool left_out = false;
    struct span line;

    while ((line = next_line(&article)).n > 0 && line.p[0] != '\r' && line.p[0] != '\n') {
        if (line.p[0] != ' ' && line.p[0] != '\t')       /* else it goes with its field */
            left_out = tells_its_way(line);
        if (!left_out)
            buf_add_span(out, line);
    }
    buf_add_span(out, line);
    buf_add_span(out, article);
}

static bool says(struct span line, const char *word)
{
    struct span w = span_of(word);

    for (; line.n >= w.n; line = span_from(line, 1))
        if (span_istarts(line, w))
            return true;
    return false;
}

/* 441 says everything; servers put the code that a peer would have heard behind it (441 435 Duplicate). */
static enum reply failed(struct span line)
{
    struct span text = span_trim(span_from(line, 3));

    if (span_starts(text, SPAN("436")) || span_starts(text, SPAN("431")) || span_starts(text, SPAN("400")) ||
        says(text, "try again later"))
        return REPLY_LATER;
    if (span_starts(text, SPAN("435")) || span_starts(text, SPAN("438")) || says(text, "duplicate message-id") ||
        says(text, "duplicate article") || says(text, "already have") || span_ieq(text, SPAN("duplicate")))
        return REPLY_REFUSED;
    return REPLY_REJECTED;
}

enum reply post_meaning(int code, struct span line, bool sent)
{
    switch (code) {
    case 340: return sent ? REPLY_NONSENSE : REPLY_SEND;
    case 240: return sent ? REPLY_ACCEPTED : REPLY_NONSENSE;
    case 441: return sent ? failed(line) : REPLY_NONSENSE;
    case 435: case 438: return REPLY_REFUSED;
    case 437: case 439: return REPLY_REJECTED;
    case 403: case 431: case 436: case 503: return REPLY_LATER;
    case 400: case 440: case 480: case 483: case 502: return REPLY_GOODBYE;
    default:  return REPLY_NONSENSE;
    }
}
