/* store_forget.c - ids that are not kept are forgotten after a while.
 *
 * In two steps that may be any time apart:
 *
 *     the log     once a day a RECORD_FORGET says "before this day".  From there on an
 *                 id that was refused, expired or cancelled before it counts as never
 *                 met: in answers, and where a record is applied.  So what is known is
 *                 what the log says, live, after a crash and in a rebuild.
 *     the rows    of such ids are taken out of the database behind everybody's back,
 *                 some thousand looked at in a second.  Nothing depends on how far
 *                 that has come; killed at any moment, it begins anew.
 *
 * That an article cannot come back under a forgotten id is the date check's work:
 * the configuration sees to it that ids are remembered for as long as an article
 * that bears them may be taken (nntpd/server.c).
 *
 * Threads: the keeper's, but store_remember.  For the moment of a transaction the
 * keeper takes the applier's place, as the committer does.
 */
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "nntpd/store_int.h"

#define DAY_US     (INT64_C(86400) * 1000000)
#define SWEEP_ROWS 4096                      /* looked at in a turn of the keeper */

void store_remember(struct store *s, int64_t us)
{
    s->remember_us = us;
}

/* Ids that came before this day may be forgotten; 0: none. */
static uint32_t day_now(struct store *s)
{
    int64_t us = s->remember_us, now = clock_now_us();

    return us > 0 && now > us ? (uint32_t)((now - us) / DAY_US) : 0;
}

static void on_told(struct mail *m)
{
    struct submission *sub = (struct submission *)(void *)m;
    struct store *s = sub->user;

    if (sub->result != COMMIT_STORED)
        s->forget_asked = 0;                 /* once more */
    submission_free(&sub);
}

static void tell_log(struct store *s, uint32_t day)
{
    struct submission *sub = submission_new();
    struct record *r = &sub->item.rec;

    record_forget_pack(&sub->bytes, day);
    sub->item.part[0] = buf_span(&sub->bytes);
    r->kind = RECORD_FORGET;
    r->arrived_us = clock_now_us();
    r->data.n = sub->item.part[0].n;
    r->source = SPAN("keeper");
    sub->mail.deliver = on_told;
    sub->user = s;
    if (!store_submit(s, sub)) {
        s->forget_asked = 0;
        submission_free(&sub);
    }
}

/* A log that begins later has nothing to forget. */
static bool is_old(struct store *s, uint32_t day)
{
    return his_forgotten_day(s->ix.his) > 0 || artlog_oldest_us(s->ix.log) < day * DAY_US;
}

/* ---- the rows ---- */

struct drop { struct his *his; unsigned n; };

static void work_drop(struct txn *t, void *arg)
{
    struct drop *d = arg;

    d->n = his_swept(d->his, t);
}

/* Into the applier's place; false: not now. */
static bool take_turn(struct store *s)
{
    bool mine;

    lock_get(&s->lock);
    s->keeper_waits = true;
    while (s->applying && !s->stopping)
        cond_wait(&s->turn, &s->lock);
    s->keeper_waits = false;
    mine = !s->applying && !s->stopping && !s->db.on;
    s->applying = s->applying || mine;
    if (!mine)
        cond_signal(&s->ready);
    lock_put(&s->lock);
    return mine;
}

static void leave_turn(struct store *s, unsigned swept)
{
    lock_get(&s->lock);
    s->applying = false;
    s->counts.swept += swept;
    cond_signal(&s->ready);
    lock_put(&s->lock);
}

static void sweep(struct store *s)
{
    struct drop d = { .his = s->ix.his };
    struct err e;
    int n = his_sweep(s->ix.his, SWEEP_ROWS, &e), rc;

    if (n > 0 && take_turn(s)) {
        rc = bdb_run(s->ix.bdb, work_drop, &d, &e);
        leave_turn(s, rc == 0 ? d.n : 0);
        n = rc == 0 ? n : -1;
    }
    if (n < 0)                               /* the applier's next transaction knows what to do */
        log_msg(LOG_WARNING, "history: rows of forgotten ids stay for now: %s", e.text);
}

void store_forget(struct store *s)
{
    uint32_t day = day_now(s), known = his_forgotten_day(s->ix.his);

    if (day > known && day > s->forget_asked) {
        s->forget_asked = day;
        if (is_old(s, day))
            tell_log(s, day);
    }
    if (!his_sweep_over(s->ix.his))
        sweep(s);
}
