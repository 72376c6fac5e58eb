/* session_pace.c - a peer's command-rate and byte-rate.
 *
 * What has been worked off is taken from the peer's buckets, which all its
 * connections share.  While one is in debt, nothing is looked at: the input
 * buffer fills, the stream reads no more, TCP tells the peer.  Nobody is refused
 * for being fast.
 */
#include <event2/event.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "nntpd/sess.h"

#define LOOK_AGAIN_US INT64_C(10000000)    /* a reload may have changed the rates meanwhile */

void pace_set(struct session *s)
{
    const struct rights *r = &s->rights;

    s->rates = r->command_rate > 0 || r->byte_rate > 0 ? guests_rates(s->h->guests, r->peer[0]->name) : NULL;
    s->paced = false;
}

void pace_fini(struct session *s)
{
    if (s->pace_timer != NULL)
        event_free(s->pace_timer);
    s->pace_timer = NULL;
    s->paced = false;
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    session_go(arg);
}

static void wake_in(struct session *s, int64_t us)
{
    struct timeval t;

    us = us < LOOK_AGAIN_US ? us : LOOK_AGAIN_US;
    t = (struct timeval){ us / 1000000, us % 1000000 };
    if (s->pace_timer == NULL)
        s->pace_timer = evtimer_new(s->h->base, on_time, s);
    need(s->pace_timer != NULL);
    event_add(s->pace_timer, &t);
}

bool pace_wait(struct session *s)
{
    const struct rights *r = &s->rights;
    int64_t now = clock_mono_us(), us = 0, octets = 0;

    if (r->command_rate > 0)
        us = rate_wait_us(&s->rates->commands, now);
    if (r->byte_rate > 0)
        octets = rate_wait_us(&s->rates->octets, now);
    us = us > octets ? us : octets;
    if (us > 0 && !s->paced)
        COUNT(s, paced);
    s->paced = us > 0;
    if (us > 0)
        wake_in(s, us);
    return us > 0;
}

void pace_take(struct session *s, uint64_t lines, uint64_t octets)
{
    const struct rights *r = &s->rights;
    int64_t now = clock_mono_us();

    if (s->rates == NULL)                  /* a reload just took the limits away */
        return;
    if (r->command_rate > 0 && lines > 0)
        rate_take(&s->rates->commands, r->command_rate, lines, now);
    if (r->byte_rate > 0 && octets > 0)
        rate_take(&s->rates->octets, r->byte_rate, octets, now);
}
