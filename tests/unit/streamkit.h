/* streamkit.h - two ends, a loop that turns until something is so, bytes that can be checked. */
#ifndef TESTS_UNIT_STREAMKIT_H
#define TESTS_UNIT_STREAMKIT_H

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/net.h"
#include "lib/stream.h"
#include "lib/work.h"
#include "tests/kit.h"

#define MAYBE_UNUSED __attribute__((unused))

enum { EVENTS = STREAM_FAILED + 1 };

/* One end: what was told to it, and what it read. */
struct end {
    struct stream *s;
    unsigned told[EVENTS];
    bool   inside;                 /* its function is running                              */
    bool   keep;                   /* leave what arrives in the stream                     */
    void (*then)(struct end *, enum stream_event);
    struct buf got;
    uint64_t checked;              /* octets compared with the pattern, instead of 'got'   */
    bool   pattern;
};

static struct event_base *base;

/* Turn the loop until 'what' is so; a fault of ours would turn it for ever. */
#define until(what)                                                          \
    do {                                                                     \
        time_t began_ = time(NULL);                                          \
        while (!(what)) {                                                    \
            if (time(NULL) - began_ > 200)                                   \
                fail_msg("%s:%d: never so: %s", __FILE__, __LINE__, #what);  \
            event_base_loop(base, EVLOOP_ONCE);                              \
        }                                                                    \
    } while (0)

MAYBE_UNUSED static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

/* All that can happen now has happened: the loop finds nothing to do, several times. */
MAYBE_UNUSED static void settle(void)
{
    for (int i = 0; i < 50; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

/* The octet at 'at' of an endless text that does not repeat soon. */
static inline char pattern_at(uint64_t at)
{
    return (char)(at * 7 + (at >> 8) * 13 + (at >> 16) * 29);
}

MAYBE_UNUSED static void pattern_fill(char *p, uint64_t at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = pattern_at(at + i);
}

MAYBE_UNUSED static void check_pattern(struct end *e, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != pattern_at(e->checked + i))
            fail_msg("octet %llu is wrong", (unsigned long long)(e->checked + i));
    e->checked += s.n;
}

MAYBE_UNUSED static void on_end(struct stream *s, enum stream_event what, void *arg)
{
    struct end *e = arg;
    struct buf *in = stream_in(s);

    assert_false(e->inside);
    assert_ptr_equal(s, e->s);
    e->inside = true;
    e->told[what]++;
    if (what == STREAM_DATA && !e->keep) {
        if (e->pattern)
            check_pattern(e, buf_span(in));
        else
            buf_add_span(&e->got, buf_span(in));
        buf_drop(in, buf_len(in));
    }
    if (e->then != NULL)
        e->then(e, what);
    e->inside = false;
}

MAYBE_UNUSED static void end_close(struct end *e)
{
    stream_free(&e->s);
    assert_null(e->s);
    buf_fini(&e->got);
}

MAYBE_UNUSED static bool got_is(const struct end *e, const char *text)
{
    return span_eq(buf_span(&e->got), span_of(text));
}

MAYBE_UNUSED static void pair_of(int fd[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
}

/* Two streams over a socket pair. */
MAYBE_UNUSED static void ends_open(struct end *a, struct end *b)
{
    int fd[2];

    pair_of(fd);
    *a = *b = (struct end){ 0 };
    a->s = stream_socket(base, fd[0], on_end, a);
    b->s = stream_socket(base, fd[1], on_end, b);
}

MAYBE_UNUSED static int open_base(void **state)
{
    (void)state;
    base = event_base_new();
    return 0;
}

MAYBE_UNUSED static int close_base(void **state)
{
    (void)state;
    event_base_free(base);
    return 0;
}

/* A carrier around a carrier that counts and may be stingy. */
struct tap {
    void *inner;
    const struct stream_io *io;
    unsigned writes;
    int      most_spans;
    bool     freed;
};

MAYBE_UNUSED static long tap_read(void *carrier, void *p, size_t n)
{
    struct tap *t = carrier;

    return t->io->read(t->inner, p, n);
}

MAYBE_UNUSED static long tap_write(void *carrier, const struct span *v, int n)
{
    struct tap *t = carrier;

    t->writes++;
    t->most_spans = n > t->most_spans ? n : t->most_spans;
    return t->io->write(t->inner, v, n);
}

MAYBE_UNUSED static void tap_free(void *carrier)
{
    struct tap *t = carrier;

    t->io->free(t->inner);
    t->freed = true;
}

MAYBE_UNUSED static void *tap_wrap(void *inner, const struct stream_io *inner_io, const struct stream_io **io, void *arg)
{
    static const struct stream_io tap_io = { .read = tap_read, .write = tap_write, .free = tap_free };
    struct tap *t = arg;

    *t = (struct tap){ .inner = inner, .io = inner_io };
    *io = &tap_io;
    return t;
}

#endif
