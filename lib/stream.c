/* stream.c - one connection as bytes in and bytes out.  See stream.h.
 *
 * Output is a row of chunks: memory, or a range of a file that is turned into
 * memory as it comes near the head (fill).  Whatever an owner writes is flushed
 * by the stream's turn event, which libevent runs after the owner's function
 * has returned: so a burst of replies leaves in one write.
 *
 *     written by the owner ──▶ [mem][mem][file][mem] ──fill──▶ [mem][mem][mem]... ──writev──▶ carrier
 */
#include "lib/stream_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define READ_SIZE    65536             /* one read of a socket                          */
#define FIRST_CHUNK  2048
#define NEXT_CHUNK   32768
#define WRITE_SPANS  64
#define LINGER_US    2000000           /* after our end is closed: how long theirs may take */

static void on_turn(evutil_socket_t fd, short what, void *arg);

/* ---- telling the owner ---- */

void stream_want_turn(struct stream *s)
{
    event_active(&s->turn, EV_TIMEOUT, 1);
}

static void destroy(struct stream *s);

/* Tell one event.  false: the owner freed the stream. */
static bool tell(struct stream *s, enum stream_event what)
{
    s->inside++;
    s->fn(s, what, s->arg);
    s->inside--;
    if (!s->dead)
        return true;
    if (s->inside == 0)
        destroy(s);
    return false;
}

void stream_fail(struct stream *s, const char *why)
{
    if (s->over)
        return;
    s->over = s->failed = true;
    snprintf(s->reason, sizeof s->reason, "%s", why);
    event_del(&s->rd);
    event_del(&s->wr);
    stream_want_turn(s);
}

static void end_closed(struct stream *s)
{
    if (s->over)
        return;
    s->over = s->closed = true;
    event_del(&s->rd);
    event_del(&s->wr);
    stream_want_turn(s);
}

/* ---- reading ---- */

static void set_reading(struct stream *s)
{
    bool want = !s->over && !s->eof && s->connected &&
                (s->lingering || (!s->paused && buf_len(&s->in) < s->in_most));

    if (want == s->reading)
        return;
    s->reading = want;
    if (want && !s->memory)
        event_add(&s->rd, NULL);
    else if (want)
        event_active(&s->rd, EV_READ, 1);
    else
        event_del(&s->rd);
}

/* One read of the carrier into the input buffer; an idle stream holds no buffer. */
static long read_some(struct stream *s)
{
    static _Thread_local char scratch[READ_SIZE];
    long n;

    if (s->lingering)
        return s->io->read(s->carrier, scratch, sizeof scratch);
    if (buf_len(&s->in) > 0 && buf_reserve(&s->in, READ_SIZE / 2)) {
        n = s->io->read(s->carrier, s->in.p + s->in.end, buf_room(&s->in));
        if (n > 0)
            s->in.end += (size_t)n;
        return n;
    }
    n = s->io->read(s->carrier, scratch, sizeof scratch);
    if (n > 0) {
        if (!buf_reserve(&s->in, (size_t)n)) {
            errno = ENOMEM;
            return -1;
        }
        buf_add(&s->in, scratch, (size_t)n);
    }
    return n;
}

static bool tell_data(struct stream *s)
{
    s->data_due = false;
    if (!tell(s, STREAM_DATA))
        return false;
    buf_shrink(&s->in);
    set_reading(s);
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;
    long n;

    (void)fd, (void)what;
    if (!s->reading || s->over)
        return;
    n = read_some(s);
    if (n > 0) {
        s->active_us = clock_mono_us();
        s->n_in += (uint64_t)n;
        if (s->memory)
            event_active(&s->rd, EV_READ, 1);
        if (!s->lingering)
            (void)tell_data(s);
    } else if (n == 0) {
        s->eof = true;
        set_reading(s);
        if (s->finishing)
            end_closed(s);
        else
            (void)tell(s, STREAM_CLOSED);      /* one side alone: what is owed may still be said */
    } else if (errno != EAGAIN && errno != EINTR) {
        if (s->lingering)
            end_closed(s);
        else
            stream_fail(s, strerror(errno));
    }
}

/* ---- writing ---- */

struct chunk *stream_chunk(size_t cap)
{
    struct chunk *c = xmalloc(sizeof *c + cap);

    *c = (struct chunk){ .p = c->room, .cap = cap };
    return c;
}

static void drop_chunk(struct chunk *c)
{
    if (c->release != NULL)
        c->release(c->arg);
    if (c->p != c->room)
        free(c->p);
    free(c);
}

/* Gather what is ready at the head; return how many spans. */
static int gather(struct stream *s, struct span *v)
{
    struct chunk *c;
    int n = 0;

    TAILQ_FOREACH(c, &s->out, next) {
        if (c->file || n == WRITE_SPANS)
            break;
        v[n++] = (struct span){ c->p + c->at, c->len };
    }
    return n;
}

static void consume(struct stream *s, size_t n)
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
            drop_chunk(c);
        }
    }
}

/* Our end is done: say so, and hear the other's out, so that our last words
 * are not lost to a reset when it is still sending. */
static void linger(struct stream *s)
{
    struct timeval t = { LINGER_US / 1000000, LINGER_US % 1000000 };

    if (s->fd < 0 || s->eof || shutdown(s->fd, SHUT_WR) != 0) {
        end_closed(s);
        return;
    }
    s->lingering = true;
    event_add(&s->timer, &t);
    set_reading(s);
}

static void flush(struct stream *s)
{
    struct span v[WRITE_SPANS];

    while (s->out_len > 0 && !s->over && s->connected) {
        int n;
        long w;

        stream_fill(s);
        if (s->over || (n = gather(s, v)) == 0)
            return;                            /* a piece of a file is being read elsewhere */
        w = s->io->write(s->carrier, v, n);
        if (w < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN)
                event_add(&s->wr, NULL);
            else
                stream_fail(s, strerror(errno));
            return;
        }
        s->active_us = clock_mono_us();
        consume(s, (size_t)w);
    }
    if (s->out_len == 0 && s->finishing && !s->over && !s->lingering)
        linger(s);
}

static bool tell_drained(struct stream *s)
{
    if (!s->above || s->out_len > s->low || s->over)
        return true;
    s->above = false;
    return tell(s, STREAM_DRAINED);
}

static bool confirm_connection(struct stream *s)
{
    int error = 0;
    socklen_t n = sizeof error;

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    if (error != 0) {
        stream_fail(s, strerror(error));
        return true;
    }
    s->connected = true;
    s->active_us = clock_mono_us();
    set_reading(s);
    return tell(s, STREAM_CONNECTED);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;

    (void)fd, (void)what;
    if (s->over)
        return;
    if (!s->connected && !confirm_connection(s))
        return;
    flush(s);
    (void)tell_drained(s);
}

/* The end of a turn: what was written leaves, what is due is told. */
static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;

    (void)fd, (void)what;
    if (!s->over) {
        if (!event_pending(&s->wr, EV_WRITE, NULL))
            flush(s);
        if (!tell_drained(s))
            return;
    }
    if (s->data_due && !s->paused && buf_len(&s->in) > 0 && !s->lingering && !tell_data(s))
        return;
    if (s->over && !s->told) {
        s->told = true;
        (void)tell(s, s->failed ? STREAM_FAILED : STREAM_CLOSED);
    }
}

/* ---- time ---- */

static void arm_timer(struct stream *s)
{
    int64_t left = s->active_us + s->idle_us - clock_mono_us();
    struct timeval t = { left > 0 ? left / 1000000 : 0, left > 0 ? left % 1000000 : 1 };

    event_add(&s->timer, &t);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;

    (void)fd, (void)what;
    if (s->over)
        return;
    if (s->lingering) {
        end_closed(s);
    } else if (s->idle_us > 0) {
        bool idle = clock_mono_us() - s->active_us >= s->idle_us;

        if (idle)
            s->active_us = clock_mono_us();
        arm_timer(s);
        if (idle)
            (void)tell(s, STREAM_TIMEOUT);
    }
}

void stream_set_timeout(struct stream *s, int64_t idle_us)
{
    s->idle_us = idle_us;
    if (s->lingering)
        return;
    event_del(&s->timer);
    if (idle_us > 0)
        arm_timer(s);
}

/* ---- making and ending ---- */

static long socket_read(void *carrier, void *p, size_t n)
{
    return read((int)(intptr_t)carrier, p, n);
}

static long socket_write(void *carrier, const struct span *v, int n)
{
    struct iovec io[WRITE_SPANS];

    for (int i = 0; i < n; i++)
        io[i] = (struct iovec){ (void *)(uintptr_t)v[i].p, v[i].n };
    return writev((int)(intptr_t)carrier, io, n);
}

static void socket_free(void *carrier)
{
    close((int)(intptr_t)carrier);
}

static const struct stream_io socket_io = { socket_read, socket_write, socket_free };

struct stream *stream_new(struct event_base *base, int fd, const struct stream_io *io, void *carrier,
                          stream_fn *fn, void *arg)
{
    struct stream *s = xcalloc(1, sizeof *s);

    s->base = base;
    s->fn = fn;
    s->arg = arg;
    s->fd = fd;
    s->io = io;
    s->carrier = carrier;
    s->in_most = 1 << 20;
    s->low = 64 << 10;
    s->high = 256 << 10;
    s->connected = true;
    s->active_us = clock_mono_us();
    TAILQ_INIT(&s->out);
    need(event_assign(&s->rd, base, fd, fd >= 0 ? EV_READ | EV_PERSIST : 0, on_readable, s) == 0);
    need(event_assign(&s->wr, base, fd, fd >= 0 ? EV_WRITE : 0, on_writable, s) == 0);
    need(event_assign(&s->turn, base, -1, 0, on_turn, s) == 0);
    need(event_assign(&s->timer, base, -1, 0, on_timer, s) == 0);
    return s;
}

static void no_delay(int fd)
{
    int one = 1;

    /* a Unix socket pair has no such option: no harm */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

struct stream *stream_socket(struct event_base *base, int fd, stream_fn *fn, void *arg)
{
    struct stream *s = stream_new(base, fd, &socket_io, (void *)(intptr_t)fd, fn, arg);

    no_delay(fd);
    set_reading(s);
    return s;
}

struct stream *stream_connect(struct event_base *base, const struct sockaddr *to, unsigned to_len,
                              const struct sockaddr *from, unsigned from_len, stream_fn *fn, void *arg,
                              struct err *e)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stream *s;

    if (fd < 0) {
        err_sys(e, "socket");
        return NULL;
    }
    if ((from != NULL && bind(fd, from, from_len) != 0) ||
        (connect(fd, to, to_len) != 0 && errno != EINPROGRESS)) {
        err_sys(e, "connect");
        close(fd);
        return NULL;
    }
    no_delay(fd);
    s = stream_new(base, fd, &socket_io, (void *)(intptr_t)fd, fn, arg);
    s->connected = false;
    event_add(&s->wr, NULL);
    return s;
}

void stream_own(struct stream *s, stream_fn *fn, void *arg)
{
    s->fn = fn;
    s->arg = arg;
}

void stream_layer(struct stream *s, stream_wrap_fn *wrap, void *arg)
{
    const struct stream_io *io = NULL;

    s->carrier = wrap(s->carrier, s->io, &io, arg);
    s->io = io;
    buf_fini(&s->in);                  /* what came before the layer must not be taken for inside it */
    set_reading(s);
}

static void destroy(struct stream *s)
{
    struct chunk *c;

    while ((c = TAILQ_FIRST(&s->out)) != NULL) {
        TAILQ_REMOVE(&s->out, c, next);
        drop_chunk(c);
    }
    buf_fini(&s->in);
    s->io->free(s->carrier);
    free(s);
}

void stream_free(struct stream **stream)
{
    struct stream *s = *stream;

    if (s == NULL)
        return;
    *stream = NULL;
    s->over = s->told = s->dead = true;
    event_del(&s->rd);
    event_del(&s->wr);
    event_del(&s->turn);
    event_del(&s->timer);
    stream_forget_job(s);
    if (s->inside == 0)
        destroy(s);
}

/* ---- what the owner asks and says ---- */

struct buf *stream_in(struct stream *s)
{
    return &s->in;
}

void stream_pause(struct stream *s, bool paused)
{
    s->paused = paused;
    if (!paused && buf_len(&s->in) > 0) {
        s->data_due = true;
        stream_want_turn(s);
    }
    set_reading(s);
}

void stream_set_in_most(struct stream *s, size_t bytes)
{
    s->in_most = bytes;
    set_reading(s);
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

        if (c == NULL || c->file || c->cap <= c->at + c->len) {
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

size_t stream_out_len(const struct stream *s)
{
    return s->out_len;
}

void stream_set_marks(struct stream *s, size_t low, size_t high)
{
    s->low = low;
    s->high = high;
}

void stream_finish(struct stream *s)
{
    s->finishing = true;
    stream_want_turn(s);
}

const char *stream_reason(const struct stream *s)
{
    return s->reason;
}

int stream_fd(const struct stream *s)
{
    return s->fd;
}

void stream_counts(const struct stream *s, uint64_t *in, uint64_t *out)
{
    *in = s->n_in;
    *out = s->n_out;
}
