/* intake_claim.c - have we met this Message-ID?  If not, it is ours now.
 *
 *     his_firm ── NEW ──▶ ours, go on          SEEN ──▶ duplicate
 *         │ ASK: look at the database on the lane, ask again
 *         └ BUSY: another copy is being stored.  Whether ours is a duplicate
 *           shows in milliseconds; to say "no" now could lose the article, if
 *           that other one cannot be stored.  So wait, and ask again.
 */
#include "lib/clock.h"
#include "nntpd/stages.h"

static void on_looked(struct mail *m)
{
    intake_resume((struct intake *)(void *)m);
}

static void look(struct job *j)
{
    struct intake *in = (struct intake *)(void *)j;

    in->look = his_look(store_history(in->store), &in->key, &in->entry, &in->look_err);
    in->looked = true;
}

/* The answer of memory was "ask": to the lane, or, without one, at once. */
static enum verdict ask(struct intake *in)
{
    if (in->lane == NULL) {
        look(&in->job);
        return GO_ON;
    }
    in->job.run = look;
    in->job.home = in->home;
    in->job.mail.deliver = on_looked;
    lane_send(in->lane, &in->job);
    return AWAY;
}

static void on_retry(struct mail *m)
{
    intake_resume((struct intake *)(void *)((char *)m - offsetof(struct intake, retry)));
}

static enum verdict wait_for_other(struct intake *in, uint64_t epoch)
{
    int64_t now = clock_mono_us();

    if (in->busy_since_us == 0)
        in->busy_since_us = now;
    if (in->home == NULL || now - in->busy_since_us > in->rules->site->claim_us)
        return V_BUSY;
    in->looked = false;
    in->retry.deliver = on_retry;
    store_await(in->store, epoch, in->home, &in->retry);
    return AWAY;
}

/* What a look at the database says, when there has been one. */
static enum his_answer looked(const struct intake *in)
{
    return in->looked ? in->look : HIS_ASK;
}

static enum verdict firm(struct intake *in)
{
    uint64_t epoch = store_epoch(in->store);

    switch (looked(in) == HIS_SEEN || looked(in) == HIS_FAILED
                ? looked(in)
                : his_firm(store_history(in->store), &in->key, in, in->looked, &in->claim)) {
    case HIS_NEW:
        return GO_ON;
    case HIS_SEEN:
        return V_DUPLICATE;
    case HIS_BUSY:
        return in->refusal != GO_ON ? in->refusal : wait_for_other(in, epoch);
    case HIS_ASK:
        break;
    case HIS_FAILED:
        return in->refusal != GO_ON ? in->refusal : intake_say(in, V_LATER, span_of(in->look_err.text));
    }
    if (in->looked)
        return intake_say(in, V_LATER, SPAN("history cannot tell"));
    return ask(in) == AWAY ? AWAY : firm(in);
}

enum verdict stage_claim(struct intake *in)
{
    enum verdict v;

    if (in->mode == MODE_EXPLAIN) {
        look(&in->job);
        return in->look == HIS_SEEN ? V_DUPLICATE : GO_ON;
    }
    v = firm(in);
    return v == GO_ON && in->refusal != GO_ON ? in->refusal : v;
}
