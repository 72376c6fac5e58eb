/* stream.c - one connection as bytes in and bytes out.  See stream.h.
 *
 * Output is a row of chunks: memory, or a range of a file that is turned into
 * memory as it comes near the head (fill).  Whatever an owner writes is flushed
 * by the stream's turn event, which libevent runs after the owner's function
 * has returned: so a burst of replies leaves in one write.
 *
 *     written by the owner ──▶ [mem][mem][file][mem] ──fill──▶ [mem][mem][mem]... ──write──▶ carrier
 *
 * Here: events, reading, flushing, ending.  stream_out.c: the row of chunks;
 * stream_file.c: files; stream_time.c: patience; stream_layer.c: what stands
 * between; stream_socket.c and stream_memory.c: the carriers.
 */
#include "lib/stream_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define READ_SIZE    65536             /* one read of a socket                          */
#define LINGER_US    2000000           /* after our end is closed: how long theirs may take */
#define IN_MOST      (1 << 20)         /* octets, until stream_set_in_most                  */
#define OUT_LOW      (64 << 10)        /* octets, until stream_set_marks                    */
#define OUT_HIGH     (256 << 10)

/* ---- telling the owner ---- */

void stream_want_turn(struct stream *s)
{
    event_active(&s->wake, EV_TIMEOUT, 1);
}

/* The carrier takes no more: be told when it does.  'wake' is the turn's event
 * as well: a turn that was wanted is forgotten, and must be begun or wanted again. */
void stream_set_blocked(struct stream *s, bool blocked)
{
    if (s->blocked == blocked)
        return;
    s->blocked = blocked;
    if (blocked)
        event_add(&s->wake, NULL);
    else
        event_del(&s->wake);
}

static void destroy(struct stream *s);

/* Tell one event.  false: the owner freed the stream. */
bool stream_tell(struct stream *s, enum stream_event what)
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

/* The last event is due. */
static void end(struct stream *s)
{
    s->over = true;
    event_del(&s->rd);
    stream_set_blocked(s, false);
    stream_want_turn(s);
}

void stream_fail(struct stream *s, const char *why)
{
    if (s->over)
        return;
    s->failed = true;
    s->reason = xstrdup(why);
    end(s);
}

void stream_end(struct stream *s)
{
    if (!s->over)
        end(s);
}

/* ---- reading ---- */

void stream_set_reading(struct stream *s)
{
    bool want = !s->over && !s->eof && s->connected &&
                (s->lingering || (!s->paused && buf_len(&s->in) < s->in_most));

    if (want == s->reading)
        return;
    s->reading = want;
    if (want && !s->memory)
        event_add(&s->rd, NULL);
    if (!want)
        event_del(&s->rd);
    else if (s->memory || s->layers != NULL)
        event_active(&s->rd, EV_READ, 1);
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
    if (!stream_tell(s, STREAM_DATA))
        return false;
    buf_shrink(&s->in);
    stream_set_reading(s);
    return true;
}

/* Their end is closed: that side alone, what is owed may still be said. */
static void on_eof(struct stream *s)
{
    s->eof = true;
    stream_set_reading(s);
    if (s->lingering)
        stream_end(s);
    else if (!s->finishing)
        (void)stream_tell(s, STREAM_CLOSED);
}

/* A layer and the other end have agreed.  false: the owner freed the stream. */
static bool tell_secure(struct stream *s)
{
    if (!s->secure_due || s->over)
        return true;
    s->secure_due = false;
    stream_want_turn(s);                       /* what was written meanwhile may leave ...   */
    if (s->reading)
        event_active(&s->rd, EV_READ, 1);      /* and what has come may lie in the layer     */
    return stream_tell(s, STREAM_SECURE);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;
    int error;
    long n;

    (void)fd, (void)what;
    if (!s->reading || s->over)
        return;
    n = read_some(s);
    error = errno;
    if (!tell_secure(s))
        return;
    if (n > 0) {
        stream_moved(s);
        s->n_in += (uint64_t)n;
        if (s->memory || s->layers != NULL)    /* there may be more, and no socket to say so */
            event_active(&s->rd, EV_READ, 1);
        if (!s->lingering)
            (void)tell_data(s);
    } else if (n == 0) {
        on_eof(s);
    } else if (error == EINTR && s->layers != NULL) {
        event_active(&s->rd, EV_READ, 1);
    } else if (error != EAGAIN && error != EINTR) {
        errno = error;
        if (s->lingering)
            stream_end(s);
        else
            stream_fail(s, stream_why(s));
    }
}

/* ---- writing ---- */

void stream_moved(struct stream *s)
{
    s->active_us = clock_mono_us();
    if (s->rested) {
        s->rested = false;
        stream_arm_timer(s);
    }
}

/* Our end is done: say so, and hear the other's out, so that our last words
 * are not lost to a reset when it is still sending. */
static void linger(struct stream *s)
{
    struct timeval t = { LINGER_US / 1000000, LINGER_US % 1000000 };

    if (s->fd < 0 || s->eof || shutdown(s->fd, SHUT_WR) != 0) {
        stream_end(s);
        return;
    }
    s->lingering = true;
    event_add(&s->timer, &t);
    stream_set_reading(s);
}

/* What is ready goes to the carrier.  false: it takes no more (or has failed). */
static bool flush_row(struct stream *s)
{
    struct span v[STREAM_SPANS];

    while (s->out_len > 0 && !s->over && s->connected && !s->shaking) {
        int n;
        long w;

        stream_fill(s);
        if (s->over)
            return false;
        if ((n = stream_gather(s, v)) == 0)
            return true;                       /* a piece of a file is being read elsewhere */
        w = s->io->write(s->carrier, v, n);
        if (w < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                stream_fail(s, stream_why(s));
            return false;
        }
        stream_moved(s);
        stream_consume(s, (size_t)w);
    }
    return true;
}

void stream_flush(struct stream *s)
{
    bool taken = flush_row(s);

    if (s->over || !s->connected || s->lingering)
        return;
    if (s->layers != NULL) {
        if (!stream_flush_layers(s, s->finishing && s->out_len == 0)) {
            stream_fail(s, stream_why(s));
            return;
        }
        taken = taken && s->layers->held == 0;
    }
    stream_set_blocked(s, !taken);
    if (s->out_len + stream_held(s) == 0 && s->finishing && !s->lingering)
        linger(s);
}

static bool tell_drained(struct stream *s)
{
    if (!s->above || s->out_len + stream_held(s) > s->low || s->over)
        return true;
    s->above = false;
    return stream_tell(s, STREAM_DRAINED);
}

/* The outgoing connection stands, or not.  false: the owner freed the stream. */
static bool connected(struct stream *s)
{
    int error = stream_connect_result(s->fd);

    if (error != 0) {
        stream_fail(s, strerror(error));
        return true;
    }
    s->connected = true;
    stream_moved(s);
    stream_set_reading(s);
    return stream_tell(s, STREAM_CONNECTED);
}

/* The end of a turn: what was written leaves, what is due is told. */
static void on_turn(struct stream *s, bool writable)
{
    if (!s->over) {
        if (writable || !s->blocked)
            stream_flush(s);
        if (!tell_secure(s) || !tell_drained(s))
            return;
    }
    if (s->data_due && !s->paused && buf_len(&s->in) > 0 && !s->lingering && !tell_data(s))
        return;
    if (s->over && !s->told) {
        s->told = true;
        (void)stream_tell(s, s->failed ? STREAM_FAILED : STREAM_CLOSED);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;

    (void)fd;
    if ((what & EV_WRITE) && !s->over && !s->connected && !connected(s))
        return;
    on_turn(s, (what & EV_WRITE) != 0);
}

/* ---- making and ending ---- */

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
    s->in_most = IN_MOST;
    s->low = OUT_LOW;
    s->high = OUT_HIGH;
    s->connected = true;
    s->active_us = clock_mono_us();
    TAILQ_INIT(&s->out);
    need(event_assign(&s->rd, base, fd, fd >= 0 ? EV_READ | EV_PERSIST : 0, on_readable, s) == 0);
    need(event_assign(&s->wake, base, fd, fd >= 0 ? EV_WRITE | EV_PERSIST : 0, on_wake, s) == 0);
    need(event_assign(&s->timer, base, -1, 0, stream_timer, s) == 0);
    return s;
}

void stream_own(struct stream *s, stream_fn *fn, void *arg)
{
    s->fn = fn;
    s->arg = arg;
}

static void destroy(struct stream *s)
{
    struct chunk *c;

    while ((c = TAILQ_FIRST(&s->out)) != NULL) {
        TAILQ_REMOVE(&s->out, c, next);
        stream_drop_chunk(c);
    }
    buf_fini(&s->in);
    s->io->free(s->carrier);
    stream_free_layers(s);
    free(s->reason);
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
    event_del(&s->wake);
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
    stream_set_reading(s);
}

void stream_set_in_most(struct stream *s, size_t bytes)
{
    s->in_most = bytes;
    stream_set_reading(s);
}

size_t stream_out_len(const struct stream *s)
{
    return s->out_len + stream_held(s);
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
    return s->reason != NULL ? s->reason : "";
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
