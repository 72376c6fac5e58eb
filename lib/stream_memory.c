/* stream_memory.c - a stream whose other end is the test that drives it. */
#include "lib/stream_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

struct memory {
    struct buf to_us, from_us;
    bool ended;                   /* the other end closed */
};

static long memory_read(void *carrier, void *p, size_t n)
{
    struct memory *m = carrier;
    size_t k = buf_len(&m->to_us) < n ? buf_len(&m->to_us) : n;

    if (k == 0 && !m->ended) {
        errno = EAGAIN;
        return -1;
    }
    if (k > 0)
        memcpy(p, buf_data(&m->to_us), k);
    buf_drop(&m->to_us, k);
    return (long)k;
}

static long memory_write(void *carrier, const struct span *v, int n)
{
    struct memory *m = carrier;
    long sum = 0;

    for (int i = 0; i < n; i++) {
        buf_add_span(&m->from_us, v[i]);
        sum += (long)v[i].n;
    }
    return sum;
}

static void memory_free(void *carrier)
{
    struct memory *m = carrier;

    buf_fini(&m->to_us);
    buf_fini(&m->from_us);
    free(m);
}

static const struct stream_io memory_io = { .read = memory_read, .write = memory_write, .free = memory_free };

struct stream *stream_memory(struct event_base *base, stream_fn *fn, void *arg)
{
    struct memory *m = xcalloc(1, sizeof *m);
    struct stream *s = stream_new(base, -1, &memory_io, m, fn, arg);

    s->memory = m;
    s->reading = true;
    return s;
}

void stream_feed(struct stream *s, struct span bytes)
{
    struct memory *m = s->memory;

    if (bytes.p == NULL)
        m->ended = true;
    buf_add_span(&m->to_us, bytes);
    event_active(&s->rd, EV_READ, 1);
}

struct buf *stream_taken(struct stream *s)
{
    return &((struct memory *)s->memory)->from_us;
}
