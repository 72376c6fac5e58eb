/* path.c - the Path field.  See path.h. */
#include "article/path.h"

#include <string.h>

static bool fold(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The raw element at 'at', blanks and folds around it cut off; *last: the tail entry. */
static struct span element_at(struct span path, size_t at, size_t *next, bool *last)
{
    const char *bang = memchr(path.p + at, '!', path.n - at);
    struct span e = { path.p + at, bang != NULL ? (size_t)(bang - path.p) - at : path.n - at };

    *last = bang == NULL;
    *next = at + e.n + 1;
    while (e.n > 0 && fold(e.p[0]))
        e.p++, e.n--;
    while (e.n > 0 && fold(e.p[e.n - 1]))
        e.n--;
    return e;
}

bool path_next(struct span path, size_t *at, bool diagnostics, struct span *element)
{
    bool last;

    while (*at < path.n) {
        *element = element_at(path, *at, at, &last);
        if (element->n > 0 && (diagnostics || element->p[0] != '.'))
            return true;
    }
    return false;
}

bool path_has(struct span path, struct span name)
{
    struct span e;
    size_t at = 0;

    while (path_next(path, &at, false, &e))
        if (span_ieq(e, name))
            return true;
    return false;
}

size_t path_hops(struct span path)
{
    size_t at = 0, hops = 0;
    bool last = false;

    while (at < path.n && !last) {
        struct span e = element_at(path, at, &at, &last);

        if (!last && e.n > 0 && e.p[0] != '.')
            hops++;
    }
    return hops;
}

static bool says_posted(struct span e)
{
    return span_istarts(e, SPAN(".POSTED")) && (e.n == 7 || e.p[7] == '.');
}

bool path_is_posted(struct span path)
{
    struct span e;
    size_t at = 0;

    while (path_next(path, &at, true, &e))
        if (says_posted(e))
            return true;
    return false;
}

struct span path_travelled(struct span path)
{
    bool last = false;
    size_t at = 0, next = 0;

    for (; at < path.n; at = next) {
        struct span e = element_at(path, at, &next, &last);

        if (last || says_posted(e))
            return (struct span){ path.p, at };
    }
    return path;
}

bool path_passed(struct span path, struct span name)
{
    return path_has(path_travelled(path), name);
}

void path_prepend(struct buf *out, struct span ours, enum path_sender how, struct span detail, struct span path)
{
    buf_add_span(out, ours);
    switch (how) {
    case PATH_UNKNOWN: buf_puts(out, "!"); break;
    case PATH_MATCH: buf_puts(out, "!!"); break;
    case PATH_MISMATCH: buf_printf(out, "!.MISMATCH.%.*s!", SPAN_F(detail)); break;
    case PATH_SEEN: buf_printf(out, "!.SEEN.%.*s!", SPAN_F(detail)); break;
    }
    buf_add_span(out, path);
}

void path_inject(struct buf *out, struct span ours, struct span detail, struct span path)
{
    buf_add_span(out, ours);
    buf_puts(out, "!.POSTED");
    if (detail.n > 0)
        buf_printf(out, ".%.*s", SPAN_F(detail));
    buf_puts(out, "!");
    buf_add_span(out, path.n > 0 ? path : SPAN("not-for-mail"));
}
