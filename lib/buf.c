/* buf.c - a growable run of bytes with a read position.  See buf.h. */
#include "lib/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = (struct buf){ 0 };
}

void buf_clear(struct buf *b)
{
    b->at = b->end = 0;
}

bool buf_reserve(struct buf *b, size_t n)
{
    size_t cap = b->cap > 0 ? b->cap : 256, held = buf_len(b);
    char *p;

    if (buf_room(b) >= n)
        return true;
    if (b->at > 0 && b->at >= held) {              /* at least half is consumed: moving is cheap */
        if (held > 0)
            memmove(b->p, b->p + b->at, held);
        b->at = 0;
        b->end = held;
        if (buf_room(b) >= n)
            return true;
    }
    if (n > SIZE_MAX / 2 - b->end)
        return false;
    while (cap < b->end + n)
        cap *= 2;
    if ((p = realloc(b->p, cap)) == NULL)
        return false;
    b->p = p;
    b->cap = cap;
    return true;
}

static void must_reserve(struct buf *b, size_t n)
{
    if (!buf_reserve(b, n))
        die(1, "out of memory (%zu bytes wanted)", n);
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    must_reserve(b, n);
    memcpy(b->p + b->end, p, n);
    b->end += n;
}

void buf_add_span(struct buf *b, struct span s)
{
    buf_add(b, s.p, s.n);
}

void buf_puts(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_number(struct buf *b, uint64_t n)
{
    char digits[20], *p = digits + sizeof digits;

    do {
        *--p = (char)('0' + n % 10);
    } while ((n /= 10) > 0);
    buf_add(b, p, (size_t)(digits + sizeof digits - p));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    need(n >= 0);
    must_reserve(b, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(b->p + b->end, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->end += (size_t)n;
}

void buf_drop(struct buf *b, size_t n)
{
    need(n <= buf_len(b));
    b->at += n;
    if (b->at == b->end)
        b->at = b->end = 0;
}

void buf_shrink(struct buf *b)
{
    if (buf_len(b) == 0)
        buf_fini(b);
}

char *buf_steal(struct buf *b, size_t *n)
{
    char *p;

    if (b->at > 0) {
        memmove(b->p, b->p + b->at, buf_len(b));
        b->end -= b->at;
        b->at = 0;
    }
    p = b->p != NULL ? b->p : xmalloc(1);
    *n = b->end;
    *b = (struct buf){ 0 };
    return p;
}
