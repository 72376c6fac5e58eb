/* session_share.c - a session and the limits of its access block.
 *
 * Limits are those of the block in force; what was used is counted by user, or by
 * address before a login and where none is wanted, over all connections together.
 */
#include <stdio.h>

#include "conf/conf.h"
#include "lib/clock.h"
#include "nntpd/sess.h"
#include "nntpd/share.h"

static bool limited(const struct conf_access *a)
{
    return a != NULL && (a->connections > 0 || a->posts_per_hour > 0 || a->posts_per_day > 0 || a->bytes_per_day > 0);
}

/* What has left since it was looked at last. */
static void tell_sent(struct session *s)
{
    uint64_t in, out;

    if (s->share == NULL || s->st == NULL)
        return;
    stream_counts(s->st, &in, &out);
    share_sent(s->h->shares, s->share, out - s->told, clock_mono_us());
    s->told = out;
}

void share_leave_all(struct session *s)
{
    if (s->share == NULL)
        return;
    tell_sent(s);
    if (s->shared)
        share_leave(s->h->shares, s->share);
    s->shared = false;
    share_put(s->h->shares, &s->share);
}

void share_identify(struct session *s)
{
    const struct conf_access *a = s->rights.access;
    uint64_t in;

    share_leave_all(s);
    if (!limited(a))
        return;
    stream_counts(s->st, &in, &s->told);
    s->share = share_get(s->h->shares, s->who.user, (struct sockaddr *)&s->who.from.sa, clock_mono_us());
    s->shared = share_enter(s->h->shares, s->share, (unsigned)a->connections);
}

bool share_crowded(const struct session *s)
{
    return s->share != NULL && !s->shared;
}

bool share_stops_reading(struct session *s)
{
    char text[SHARE_TEXT_MAX];
    int64_t wait;

    if (s->share == NULL || s->rights.access->bytes_per_day == 0)
        return false;
    tell_sent(s);
    if ((wait = share_full(s->h->shares, s->share, s->rights.access->bytes_per_day, clock_mono_us())) == 0)
        return false;
    COUNT(s, over_bytes);
    reply(s, "502 You have read as much as you may in a day; it goes on in %s", share_wait_text(wait, text));
    return true;
}

bool share_stops_post(struct session *s, char *why, size_t size)
{
    const struct conf_access *a = s->rights.access;
    char text[SHARE_TEXT_MAX];
    int64_t wait;

    if (s->share == NULL)
        return false;
    wait = share_post(s->h->shares, s->share, (unsigned)a->posts_per_hour, (unsigned)a->posts_per_day, clock_mono_us());
    if (wait == 0)
        return false;
    COUNT(s, over_posts);
    snprintf(why, size, "You have posted as much as you may for now; you can post again in %s", share_wait_text(wait, text));
    return true;
}

void share_back(struct session *s)
{
    if (s->share != NULL)
        share_unpost(s->h->shares, s->share);
}
