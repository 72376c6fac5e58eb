/* span.c - a piece of somebody else's bytes.  See span.h. */
#include "lib/span.h"

#include <string.h>

static unsigned char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 32) : (unsigned char)c;
}

struct span span_of(const char *s)
{
    return (struct span){ s, s != NULL ? strlen(s) : 0 };
}

bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_ieq(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool span_starts(struct span s, struct span head)
{
    return s.n >= head.n && span_eq((struct span){ s.p, head.n }, head);
}

bool span_istarts(struct span s, struct span head)
{
    return s.n >= head.n && span_ieq((struct span){ s.p, head.n }, head);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
    while (s.n > 0 && blank(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct span span_from(struct span s, size_t at)
{
    return at < s.n ? (struct span){ s.p + at, s.n - at } : (struct span){ s.n > 0 ? s.p + s.n : s.p, 0 };     /* p may be NULL */
}

struct span span_word(struct span *s)
{
    struct span w;
    size_t i = 0;

    if (s->n == 0)
        return *s;
    while (i < s->n && blank(s->p[i]))
        i++;
    w.p = s->p + i;
    while (i < s->n && !blank(s->p[i]))
        i++;
    w.n = (size_t)(s->p + i - w.p);
    *s = span_from(*s, i);
    return w;
}

bool span_next(struct span *s, char sep, struct span *item)
{
    const char *end;

    if (s->p == NULL)
        return false;
    end = s->n > 0 ? memchr(s->p, sep, s->n) : NULL;
    if (end == NULL) {
        *item = *s;
        *s = (struct span){ NULL, 0 };
        return true;
    }
    *item = (struct span){ s->p, (size_t)(end - s->p) };
    *s = span_from(*s, item->n + 1);
    return true;
}

int span_u64(struct span s, uint64_t *v)
{
    uint64_t x = 0;

    if (s.n == 0)
        return -1;
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned char)s.p[i] - '0';

        if (d > 9 || x > (UINT64_MAX - d) / 10)
            return -1;
        x = x * 10 + d;
    }
    *v = x;
    return 0;
}
