/* header_syntax.c - what a posting agent may write into a header field.  See header.h.
 *
 * Stricter than what is relayed: RFC 5536 2.2, with UTF-8 as RFC 6532 has it.
 */
#include "article/header.h"

#include <string.h>

#include "lib/utf8.h"

bool hdr_name_valid(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || (unsigned char)name.p[i] >= 0x7f || name.p[i] == ':')
            return false;
    return name.n > 0;
}

/* One line of a body: printable (or UTF-8), blanks and tabs; *text when anything but blanks is there. */
static bool line_valid(struct span line, bool *text)
{
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
        if (c != ' ' && c != '\t')
            *text = true;
    }
    return true;
}

bool hdr_body_valid(struct span body)
{
    bool first = true;

    if (body.n == 0 || !utf8_valid(body))
        return false;
    while (body.n > 0) {
        const char *lf = memchr(body.p, '\n', body.n);
        struct span line = { body.p, lf != NULL ? (size_t)(lf - body.p) : body.n };
        bool text = false;

        if (!first && (line.n == 0 || (line.p[0] != ' ' && line.p[0] != '\t')))
            return false;                           /* a fold begins with a blank */
        body = span_from(body, line.n + (lf != NULL));
        if (lf != NULL && line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (!line_valid(line, &text) || !text)
            return false;
        if (lf != NULL && body.n == 0)
            return false;                           /* nothing behind the fold */
        first = false;
    }
    return true;
}

/* Skip one comment that begins at 'i' (nested ones too); return the place behind it. */
static size_t skip_comment(struct span s, size_t i)
{
    int depth = 0;

    do {
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        else if (s.p[i] == '(')
            depth++;
        else if (s.p[i] == ')')
            depth--;
        i++;
    } while (i < s.n && depth > 0);
    return i;
}

/* Copy one quoted string that begins at 'i', unfolded; return the place behind it. */
static size_t copy_quoted(struct buf *out, struct span s, size_t i)
{
    do {
        if (s.p[i] == '\\' && i + 1 < s.n)
            buf_add(out, &s.p[i++], 1);
        if (s.p[i] != '\r' && s.p[i] != '\n')
            buf_add(out, &s.p[i], 1);
        i++;
    } while (i < s.n && s.p[i] != '"');
    if (i < s.n)
        buf_add(out, &s.p[i++], 1);
    return i;
}

void hdr_skip_cfws(struct buf *out, struct span body)
{
    size_t i = 0, from = buf_len(out);
    bool apart = false;

    while (i < body.n) {
        char c = body.p[i];

        if (c == '(') {
            i = skip_comment(body, i);
            apart = true;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            i++;
            apart = true;
        } else {
            if (apart && buf_len(out) > from)
                buf_add(out, " ", 1);
            apart = false;
            if (c == '"')
                i = copy_quoted(out, body, i);
            else
                buf_add(out, &body.p[i++], 1);
        }
    }
}
