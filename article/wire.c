/* wire.c - articles and text on the wire.  See wire.h. */
#include "article/wire.h"

#include <string.h>

/* States of wire_scan: how much of CR LF . CR LF stands right behind us.  A
 * block begins at the start of a line, as if CR LF had just been seen. */
enum { AT_LINE, IN_LINE, SEEN_CR, SEEN_DOT, SEEN_DOT_CR };

static int step(int state, char c)
{
    switch (state) {
    case AT_LINE:
        if (c == '.')
            return SEEN_DOT;
        break;
    case SEEN_CR:
        if (c == '\n')
            return AT_LINE;
        break;
    case SEEN_DOT:
        if (c == '\r')
            return SEEN_DOT_CR;
        break;
    case SEEN_DOT_CR:
        if (c == '\n')
            return -1;
        break;
    default:
        break;
    }
    return c == '\r' ? SEEN_CR : IN_LINE;
}

size_t wire_scan(struct wire_scan *w, const char *p, size_t n, bool *done)
{
    size_t i = 0;

    *done = false;
    while (i < n) {
        if (w->state == IN_LINE) {                  /* the long run: straight to the next CR */
            const char *cr = memchr(p + i, '\r', n - i);

            if (cr == NULL)
                return n;
            i = (size_t)(cr - p);
        }
        w->state = step(w->state, p[i++]);
        if (w->state < 0) {
            w->state = AT_LINE;
            *done = true;
            return i;
        }
    }
    return n;
}

/* Offset behind the blank line that ends the headers; 0: there is none. */
static size_t find_body(struct span block)
{
    const char *p = memmem(block.p, block.n, "\r\n\r\n", 4);

    return p != NULL ? (size_t)(p - block.p) + 4 : 0;
}

/* Does a line that is but a dot begin here, before the terminator at 'end'?  For a reader whose lines end in LF. */
static bool dot_alone(const char *p, const char *end)
{
    if (p >= end || *p++ != '.')
        return false;
    p += p < end && *p == '\r';
    return p < end && *p == '\n';
}

/* Count the lines of the body.  true: one in the block looks like its end. */
static bool look_at_lines(struct span block, struct wire_facts *facts)
{
    const char *p = block.p, *end = block.p + block.n - 3, *body = block.p + facts->body;
    bool hidden = dot_alone(p, end);

    for (; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++) {
        facts->lines += p >= body && p[-1] == '\r';
        hidden |= dot_alone(p + 1, end);
    }
    return hidden;
}

enum wire_fault wire_check(struct span block, struct wire_facts *facts)
{
    const char *nul;

    *facts = (struct wire_facts){ 0 };
    if (span_eq(block, SPAN(".\r\n")))
        return WIRE_EMPTY;
    if (span_eq(block, SPAN("\r\n.\r\n")))
        return WIRE_EMPTY_BOTH;
    if (span_starts(block, SPAN("\r\n")))
        return WIRE_NO_HEADERS;
    facts->body = find_body(block);
    nul = memchr(block.p, '\0', block.n);
    if (nul != NULL)
        return facts->body == 0 || (size_t)(nul - block.p) < facts->body ? WIRE_NUL_HEAD : WIRE_NUL_BODY;
    if (facts->body == 0)
        return WIRE_NO_BODY;
    return look_at_lines(block, facts) ? WIRE_HIDDEN_END : WIRE_OK;
}

size_t wire_bytes(struct span block)
{
    size_t n = block.n > 3 ? block.n - 3 : 0;       /* ".\r\n" */
    const char *end, *p;

    if (n == 0)
        return 0;
    end = block.p + n;                              /* where the last dot stands, which is not counted */
    n -= block.p[0] == '.';
    for (p = block.p + 1; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        n -= p[-1] == '\r' && p + 1 < end && p[1] == '.';
    return n;
}

void wire_from_text(struct buf *out, struct span text)
{
    struct span line;

    while (text.n > 0 && span_next(&text, '\n', &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n > 0 && line.p[0] == '.')
            buf_add(out, ".", 1);
        buf_add_span(out, line);
        buf_add(out, "\r\n", 2);
    }
    buf_add(out, ".\r\n", 3);
}

void wire_to_text(struct buf *out, struct span block)
{
    while (block.n > 0) {
        const char *crlf = memmem(block.p, block.n, "\r\n", 2);
        struct span line = { block.p, crlf != NULL ? (size_t)(crlf - block.p) : block.n };

        if (crlf != NULL && span_eq(line, SPAN(".")))
            return;
        if (crlf != NULL && line.n > 0 && line.p[0] == '.')
            line = span_from(line, 1);
        buf_add_span(out, line);
        if (crlf == NULL)
            return;
        buf_add(out, "\n", 1);
        block = span_from(block, (size_t)(crlf - block.p) + 2);
    }
}
