/* session_patience.c - how long a session waits for its other end.
 *
 * The stream tells silence.  One octet now and then is as good as silence: a line
 * must be whole within the time that may be silent, and so must an article that
 * comes at less than DRIP octets a second.  That is looked at when octets come:
 * when none do, there is silence.
 */
#include "conf/conf.h"
#include "lib/clock.h"
#include "nntpd/sess.h"

#define LOGIN_US (300 * INT64_C(1000000))    /* so long may one stand idle at the door before logging in */
#define DRIP     100

/* Who may do nothing yet has a while to log in. */
int64_t session_patience(const struct session *s)
{
    const struct conf_site *c = &s->conf->site;
    int64_t idle = s->rights.transit ? c->peer_idle_us : c->idle_us;

    return rights_any(&s->rights) || idle < LOGIN_US ? idle : LOGIN_US;
}

static void end(struct session *s, const char *reason)
{
    if (s->state == SESS_LINE && s->rights.n_peer == 0)
        reply(s, "400 %s: idle for too long", s->conf->site.name);
    if (s->state == SESS_LINE)
        session_finish(s, reason);
    else
        session_die(s, reason);
}

void session_idle(struct session *s)
{
    if (!row_empty(s) || s->state == SESS_AWAY || s->state == SESS_SHAKE || s->paced)
        return;                     /* it waits for us, not we for it; a handshake has its own limit */
    end(s, s->state == SESS_LINE ? "idle" : s->state == SESS_BODY ? "idle within an article" : "does not read what was sent");
}

void session_part(struct session *s)
{
    if (s->part_us == 0)
        s->part_us = clock_mono_us();
}

/* Of a peer with limits of ours the pace is ours. */
bool session_drips(struct session *s)
{
    bool body = s->state == SESS_BODY;
    int64_t most = session_patience(s);

    if (s->part_us == 0 || s->rates != NULL || (s->state != SESS_LINE && !body))
        return false;
    if (body)
        most += (int64_t)(s->body.size / DRIP) * 1000000;
    if (clock_mono_us() - s->part_us <= most)
        return false;
    end(s, body ? "an article comes by drops" : "a line comes by drops");
    return true;
}
