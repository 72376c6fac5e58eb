/* intake_cancel.c - what an article says about cancelling: who may take it away
 * (Cancel-Lock), whom it takes away (Control: cancel, Supersedes) and with what
 * keys; and whether a cancel was here before it.
 *
 * Nothing is decided here but the last: the record carries what apply_cancel.c
 * needs.  A cancel that is still on its way when its article comes is found
 * there, too.
 */
#include "article/canlock.h"
#include "nntpd/apply.h"
#include "nntpd/stages.h"

/* Control counts where both stand (RFC 5536 3.2.3 forbids it). */
struct span intake_target(const struct intake *in)
{
    struct span body = hdr_body(&in->h, HDR_CONTROL), none = { 0 };

    if (!in->is_control)
        body = hdr_body(&in->h, HDR_SUPERSEDES);
    else if (!span_ieq(span_word(&body), SPAN("cancel")))
        return none;
    body = span_trim(body);
    return msgid_valid(body) ? body : none;
}

void intake_cancels(struct intake *in, struct record *r)
{
    static const enum record_cancels how[] = { CANCELS_NOTHING, CANCELS_BY_KEY, CANCELS_ALL };
    struct span id = intake_target(in);
    size_t locks;

    buf_clear(&in->marks);
    canlock_locks(&in->marks, hdr_body(&in->h, HDR_CANCEL_LOCK));
    locks = buf_len(&in->marks);
    if (id.n > 0)
        r->cancels = how[in->rules->site->cancels];
    if (r->cancels != CANCELS_NOTHING) {
        struct buf keys = { 0 };

        r->target = msgid_key(store_key(in->store), id);
        canlock_keys(&keys, hdr_body(&in->h, HDR_CANCEL_KEY));
        buf_add_span(&in->marks, buf_span(&keys));
        buf_fini(&keys);
    }
    r->locks = (struct span){ buf_data(&in->marks), locks };
    r->keys = span_from(buf_span(&in->marks), locks);
}

enum verdict stage_cancelled(struct intake *in)
{
    struct his *h = store_history(in->store);
    struct buf locks = { 0 };
    bool gone;

    if (in->mode == MODE_EXPLAIN || !his_awaited(h, &in->key))
        return GO_ON;
    canlock_locks(&locks, hdr_body(&in->h, HDR_CANCEL_LOCK));
    gone = cancelled_before(h, &in->key, buf_span(&locks));
    buf_fini(&locks);
    return gone ? V_CANCELLED : GO_ON;
}
