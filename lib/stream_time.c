/* stream_time.c - how long a stream waits, and for what.
 *
 * One timer serves all: silence (the owner's limit), the other end's farewell
 * after ours, a handshake, and the rest that layers take when nothing moves.
 * Bytes that move only note the time; the timer looks when it fires.
 */
#include "lib/stream_int.h"

#include "lib/clock.h"

#define REST_US 10000000               /* as quiet as this: layers give memory back */

static void sooner(int64_t *at, int64_t than)
{
    if (*at == 0 || than < *at)
        *at = than;
}

void stream_arm_timer(struct stream *s)
{
    int64_t at = 0, left;
    struct timeval t;

    if (s->lingering)
        return;
    if (s->idle_us > 0)
        sooner(&at, s->active_us + s->idle_us);
    if (s->shaking)
        sooner(&at, s->layers->shake_until_us);
    if (s->rests && !s->rested)
        sooner(&at, s->active_us + REST_US);
    if (at == 0) {
        event_del(&s->timer);
        return;
    }
    left = at - clock_mono_us();
    t = (struct timeval){ left > 0 ? left / 1000000 : 0, left > 0 ? left % 1000000 : 1 };
    event_add(&s->timer, &t);
}

void stream_timer(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;
    int64_t now = clock_mono_us();
    bool idle;

    (void)fd, (void)what;
    if (s->over)
        return;
    if (s->lingering) {
        stream_end(s);
        return;
    }
    if (s->shaking && now >= s->layers->shake_until_us) {
        stream_fail(s, "the TLS handshake took too long");
        return;
    }
    if (s->rests && !s->rested && now - s->active_us >= REST_US) {
        s->rested = true;
        stream_rest_layers(s);
    }
    idle = s->idle_us > 0 && now - s->active_us >= s->idle_us;
    if (idle)
        s->active_us = now;
    stream_arm_timer(s);
    if (idle)
        stream_tell(s, STREAM_TIMEOUT);
}

void stream_set_timeout(struct stream *s, int64_t idle_us)
{
    s->idle_us = idle_us;
    stream_arm_timer(s);
}
