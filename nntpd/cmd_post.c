/* cmd_post.c - POST (RFC 3977 6.3.1).
 *
 * The id recommended with 340 is one that intake takes and that is never given
 * twice; a client may use it, give its own, or none.
 */
#include "article/msgid.h"
#include "conf/conf.h"
#include "lib/clock.h"
#include "lib/siphash.h"
#include "nntpd/sess.h"

static void posted(struct session *s)
{
    char why[160];

    if (share_stops_post(s, why, sizeof why))
        body_answer(s, WAY_POST, 441, why);
    else
        body_to_intake(s, WAY_POST);
}

void cmd_post(struct session *s, const struct call *c)
{
    struct buf id = { 0 };
    uint64_t r;

    (void)c;
    if (!session_healthy(s)) {
        reply(s, "440 Posting is not possible now, please try later");
        return;
    }
    random_bytes(&r, sizeof r);
    msgid_make(&id, s->conf->site.name, clock_now_us(), r);
    reply(s, "340 Send it; recommended Message-ID %.*s", SPAN_F(buf_span(&id)));
    buf_fini(&id);
    body_begin(s, s->conf->site.post_max, slot_new(s, (struct span){ 0 }, false), posted);
    s->body.ends = ENDS_ASK;
}
