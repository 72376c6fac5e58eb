/* stream_out.c - the row of chunks that a stream is about to send.
 *
 * Small writes are copied into the chunk at the end of the row while it has
 * room; a big piece that the owner gives away is a chunk as it is.
 */
#include "lib/stream_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define FIRST_CHUNK  2048
#define NEXT_CHUNK   32768

struct chunk *stream_chunk(size_t cap)
{
    struct chunk *c = xmalloc(sizeof *c + cap);

    *c = (struct chunk){ .p = c->room, .cap = cap };
    return c;
}

void stream_drop_chunk(struct chunk *c)
{
    if (c->release != NULL)
        c->release(c->arg);
    if (c->p != c->room)
        free(c->p);
    free(c);
}

/* Gather what is ready at the head; return how many spans. */
int stream_gather(struct stream *s, struct span *v)
{
    struct chunk *c;
    int n = 0;

    TAILQ_FOREACH(c, &s->out, next) {
        if (c->file || n == STREAM_SPANS)
            break;
        v[n++] = (struct span){ c->p + c->at, c->len };
    }
    return n;
}

void stream_consume(struct stream *s, size_t n)
{
    s->out_len -= n;
    s->n_out += n;
    while (n > 0) {
        struct chunk *c = TAILQ_FIRST(&s->out);
        size_t k = c->len < n ? c->len : n;

        c->at += k;
        c->len -= k;
        n -= k;
        if (c->len == 0) {
            TAILQ_REMOVE(&s->out, c, next);
            stream_drop_chunk(c);
        }
    }
}

static void add_chunk(struct stream *s, struct chunk *c)
{
    TAILQ_INSERT_TAIL(&s->out, c, next);
}

/* n more bytes are in the row.  That the mark is passed is noted here: by the
 * turn's end they may have left, and the owner who saw it waits to be told. */
void stream_grown(struct stream *s, size_t n)
{
    if (s->out_len == 0)
        stream_want_turn(s);
    s->out_len += n;
    if (s->out_len > s->high)
        s->above = true;
}

void stream_write(struct stream *s, const void *p, size_t n)
{
    const char *from = p;

    if (s->over || n == 0)
        return;
    stream_grown(s, n);
    while (n > 0) {
        struct chunk *c = TAILQ_LAST(&s->out, chunks);
        size_t k;

        if (c == NULL || c->cap <= c->at + c->len) {        /* a range of a file has no room */
            c = stream_chunk(c == NULL && n <= FIRST_CHUNK ? FIRST_CHUNK : NEXT_CHUNK);
            add_chunk(s, c);
        }
        k = c->cap - c->at - c->len < n ? c->cap - c->at - c->len : n;
        memcpy(c->p + c->at + c->len, from, k);
        c->len += k;
        from += k;
        n -= k;
    }
}

void stream_puts(struct stream *s, const char *text)
{
    stream_write(s, text, strlen(text));
}

void stream_printf(struct stream *s, const char *fmt, ...)
{
    char text[1024], *big;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    need(n >= 0);
    if (n < (int)sizeof text) {
        stream_write(s, text, (size_t)n);
        return;
    }
    va_start(ap, fmt);
    need(vasprintf(&big, fmt, ap) >= 0);
    va_end(ap);
    stream_give(s, big, (size_t)n);
}

void stream_give(struct stream *s, char *p, size_t n)
{
    struct chunk *c;

    if (s->over || n == 0) {
        free(p);
        return;
    }
    stream_grown(s, n);
    c = stream_chunk(0);
    c->p = p;
    c->len = c->cap = n;
    add_chunk(s, c);
}
