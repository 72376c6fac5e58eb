/* apply_cancel.c - what a cancel takes away, and who may.
 *
 *     record comes        its target is       then
 *     CANCEL (operator)   kept                its rows go; the id is cancelled, always
 *     ARTICLE that        kept, expired       its rows go and the id is cancelled, if it may
 *       cancels           refused, cancelled  nothing
 *                         not there           the cancel waits for it
 *     ARTICLE that one    -                   cancelled, if one of those may: it gets no rows;
 *       waits for                             nothing waits any longer
 *
 * All of it is a function of the record and of what was applied before; who may
 * is said by the record (what the site's `cancels` was when it came) and the
 * marks of locks and keys, which outlive the articles' bytes.  So a replay and a
 * rebuild decide as it was decided first.
 *
 * Questions to the database cannot be asked within the transaction, so they are
 * asked before it, and such a record is a run of its own: what they answer is
 * then all that came before it in the log, live and in a rebuild alike.
 */
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "nntpd/apply_int.h"

/* THE rule who may cancel: an article with locks (RFC 8315) only he who has a key; one
 * without, anybody if the site said so when the cancel came.  Keys and locks are marks. */
static bool cancel_reaches(enum record_cancels how, struct span keys, struct span locks)
{
    if (how == CANCELS_NOTHING)
        return false;
    return locks.n > 0 ? canlock_opens(keys, locks) : how == CANCELS_ALL;
}

static bool waiting_reaches(struct span facts, void *arg)
{
    const struct span *locks = arg;

    return facts.n > 0 && cancel_reaches((enum record_cancels)(unsigned char)facts.p[0], span_from(facts, 1), *locks);
}

bool cancelled_before(struct his *h, const struct msgid_key *key, struct span locks)
{
    return his_awaited_by(h, key, waiting_reaches, &locks);
}

bool apply_alone(const struct indexes *ix, const struct record *r)
{
    switch (r->kind) {
    case RECORD_CANCEL:
    case RECORD_FORGET:
        return true;
    case RECORD_ARTICLE:
        return r->cancels != CANCELS_NOTHING || his_awaited(ix->his, &r->key);
    case RECORD_REFUSED:
        return his_awaited(ix->his, &r->key);
    default:
        return false;
    }
}

/* ---- the plan ---- */

/* The group's low mark when 'number' is gone from it; 0: it stays. */
static int low_without(struct indexes *ix, uint32_t group, uint64_t number, uint64_t *low, struct err *e)
{
    const struct group *g = group_by_id(ix->groups, group);
    int found;

    *low = 0;
    if (g == NULL || atomic_load(&g->low) != number)
        return 0;
    if ((found = ov_near(ix->ov, group, number + 1, 1, low, e)) == 0)
        *low = atomic_load(&g->high) + 1;
    return found < 0 ? -1 : 0;
}

/* Keep of the target's numbers those that have a row. */
static int find_rows(struct indexes *ix, struct plan *p, unsigned n, struct err *e)
{
    struct log_pos pos;

    for (unsigned i = 0; i < n; i++) {
        int rc = ov_get(ix->ov, p->numbers[i].group, p->numbers[i].number, &pos, NULL, e);

        if (rc < 0 || low_without(ix, p->numbers[i].group, p->numbers[i].number, &p->low[p->n], e) != 0)
            return -1;
        if (rc == 1)
            p->numbers[p->n++] = p->numbers[i];
    }
    return 0;
}

/* The target is there.  One that cannot be read any more is no reason to stop:
 * its rows stay for `verify` to tell. */
static int find_target(struct indexes *ix, const struct record *r, const struct his_entry *entry, struct plan *p, struct err *e)
{
    struct buf scratch = { 0 };
    struct record rec;
    int rc = 0;

    p->pos = (struct log_pos){ .segment = entry->segment, .offset = entry->offset, .size = entry->size };
    if (artlog_read(ix->log, &p->pos, &rec, p->numbers, RECORD_NUMBERS_MAX, &scratch, e) != 0) {
        if (entry->state == HIS_KEPT)
            log_msg(LOG_ERROR, "cancel: the article at %u/%llu cannot be read: %s", entry->segment,
                    (unsigned long long)entry->offset, e->text);
    } else if (r->kind == RECORD_CANCEL || cancel_reaches(r->cancels, r->keys, rec.locks)) {
        p->found = p->reaches = rec.kind == RECORD_ARTICLE;
        rc = p->found ? find_rows(ix, p, rec.n_numbers, e) : 0;
    }
    buf_fini(&scratch);
    return rc;
}

/* It waits, unless no article whatever could be reached by it. */
static void make_wait(const struct record *r, struct plan *p)
{
    p->waits = r->cancels == CANCELS_ALL || r->keys.n > 0;
    p->facts[0] = (char)r->cancels;
    if (r->keys.n > 0)
        memcpy(p->facts + 1, r->keys.p, r->keys.n);
    p->wait = (struct his_wait){ .seq = r->seq, .target = r->target, .facts = { p->facts, 1 + r->keys.n } };
}

static int plan_target(struct indexes *ix, const struct record *r, struct plan *p, struct err *e)
{
    struct his_entry entry;

    switch (his_look(ix->his, &p->target, &entry, e)) {
    case HIS_SEEN:
        return entry.state == HIS_KEPT || entry.state == HIS_EXPIRED ? find_target(ix, r, &entry, p, e) : 0;
    case HIS_NEW:
        if (r->kind == RECORD_ARTICLE)
            make_wait(r, p);
        return 0;
    default:
        return -1;
    }
}

int plan_make(struct indexes *ix, const struct record *r, struct plan *p, struct err *e)
{
    bool own = memcmp(r->target.b, r->key.b, sizeof r->key.b) == 0;

    p->reaches = p->found = p->waits = p->refused = false;
    p->n = 0;
    p->settles = his_awaited(ix->his, &r->key);
    if (p->settles && r->kind == RECORD_ARTICLE)
        p->refused = cancelled_before(ix->his, &r->key, r->locks);
    p->target = r->kind == RECORD_CANCEL ? r->key : r->target;
    if (r->kind == RECORD_CANCEL || (r->kind == RECORD_ARTICLE && r->cancels != CANCELS_NOTHING && !own && !p->refused))
        return plan_target(ix, r, p, e);
    return 0;
}

/* ---- within the transaction, and behind it ---- */

void plan_apply(struct indexes *ix, struct txn *t, const struct plan *p, const struct record *r, const struct log_pos *pos)
{
    struct his_entry entry;

    for (unsigned i = 0; p->found && i < p->n; i++) {
        ov_remove(ix->ov, t, p->numbers[i].group, p->numbers[i].number);
        group_article_gone(ix->groups, t, p->numbers[i].group, p->numbers[i].number, p->low[i]);
    }
    if (p->reaches && r->kind == RECORD_ARTICLE) {
        entry = apply_entry(r, pos, HIS_CANCELLED);
        his_apply(ix->his, t, &p->target, &entry);
    }
    if (p->waits)
        his_wait(ix->his, t, &p->wait);
    if (p->settles)
        his_settle(ix->his, t, &r->key);
}

void plan_done(struct indexes *ix, const struct plan *p, const struct record *r, const struct log_pos *pos)
{
    ix->refused = p->refused;
    if (p->waits)
        his_wait_published(ix->his, &p->wait);
    if (p->settles)
        his_settle_published(ix->his, &r->key);
    if (ix->on_gone == NULL)
        return;
    if (p->found)
        ix->on_gone(&p->pos, ix->on_gone_arg);
    if (p->refused)
        ix->on_gone(pos, ix->on_gone_arg);
}
