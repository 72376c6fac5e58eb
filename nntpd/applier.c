/* applier.c - the applier: database, publishing, answers.
 *
 * One thread.  It takes the durable records, as many as a transaction may
 * hold, applies them (apply.c), lets readers, feeder and history see them, and
 * only then gives the submissions back: bytes, pointer, promise.  When nothing
 * else waits the committer does the same by applier_do, which spares the
 * article a change of threads.
 *
 *            durable            run applied
 *   WELL ──────────────▶ run ───────────────▶ publish, answer STORED ─▶ WELL
 *                         │ database fails
 *                         ▼
 *                     answer LATER, keep the places (owed) ─▶ UNWELL
 *   UNWELL, every second: reopen if broken; read "applied"; replay from the
 *   log what is missing, published or owed ─▶ WELL, and the owed are stored.
 *   Their claims stand until then, so that peers who offer them hear "later".
 */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "nntpd/replay.h"
#include "nntpd/store_int.h"

#define RUN_MOST 1024

struct applier {
    struct store *s;
    struct chain  todo;                      /* durable, taken over              */
    bool          busy;                      /* 'applying' is the applier's own  */
    unsigned      n;                         /* of them, the run at hand:        */
    struct submission *sub[RUN_MOST];
    struct record     rec[RUN_MOST];
    size_t            line[RUN_MOST + 1];    /* where in 'lines' each one begins */
    struct apply_item item[RUN_MOST];
    struct buf        lines;
};

/* The overview line with :bytes counting the Xref line too. */
static void finish_line(struct buf *out, const struct submission *sub)
{
    struct span digits = span_from(sub->overview, sub->size_at);
    uint64_t bytes = 0;
    size_t n = 0;

    while (n < digits.n && digits.p[n] >= '0' && digits.p[n] <= '9')
        bytes = bytes * 10 + (uint64_t)(digits.p[n++] - '0');
    buf_add(out, sub->overview.p, sub->size_at);
    buf_printf(out, "%llu", (unsigned long long)(bytes + sub->xref_n));
    buf_add_span(out, span_from(digits, n));
}

/* Cut the next run off what is to do. */
static void cut_run(struct applier *a)
{
    unsigned weight = 0;

    a->n = 0;
    buf_clear(&a->lines);
    while (a->todo.first != NULL && a->n < RUN_MOST) {
        const struct record *r = &a->todo.first->item.rec;

        weight += apply_weight(r);
        if (a->n > 0 && (weight > APPLY_WEIGHT_MOST || apply_alone(&a->s->ix, r) || apply_alone(&a->s->ix, &a->rec[a->n - 1])))
            break;
        a->sub[a->n] = chain_take(&a->todo);
        a->rec[a->n] = *r;
        a->line[a->n] = buf_len(&a->lines);
        if (r->kind == RECORD_ARTICLE)
            finish_line(&a->lines, a->sub[a->n]);
        a->n++;
    }
    a->line[a->n] = buf_len(&a->lines);
    for (unsigned i = 0; i < a->n; i++) {
        /* the head is all that applying an article needs when its line is made */
        a->rec[i].data = a->sub[i]->item.part[0];
        a->item[i] = (struct apply_item){ .rec = &a->rec[i], .pos = &a->sub[i]->item.pos };
        if (a->rec[i].kind == RECORD_ARTICLE)
            a->item[i].overview = (struct span){ buf_data(&a->lines) + a->line[i], a->line[i + 1] - a->line[i] };
    }
}

/* Those who follow the log hear of it; after the answers, which somebody waits for. */
static void tell_published(struct store *s, uint64_t seq)
{
    void (*fn)(uint64_t, void *);
    void *arg;

    lock_get(&s->lock);
    fn = s->on_publish;
    arg = s->on_publish_arg;
    lock_put(&s->lock);
    if (fn != NULL)
        fn(seq, arg);
}

static void publish_to(struct store *s, uint64_t seq)
{
    artlog_publish(s->ix.log, seq);
    lock_get(&s->lock);
    s->counts.applied_seq = s->counts.published_seq = seq;
    lock_put(&s->lock);
}

static void count_run(struct store *s, const struct applier *a, int64_t us)
{
    bool awaited;

    lock_get(&s->lock);
    s->counts.apply_us += us;
    for (unsigned i = 0; i < a->n; i++) {
        s->counts.stored += a->rec[i].kind == RECORD_ARTICLE;
        s->counts.refused += a->rec[i].kind == RECORD_REFUSED;
        s->counts.bytes += a->sub[i]->item.rec.data.n;
        if (a->sub[i]->arrives)
            s->safe_us = a->rec[i].arrived_us;
    }
    s->unapplied -= a->n;
    awaited = s->committer_waits;
    lock_put(&s->lock);
    if (awaited)
        cond_signal(&s->work);
}

static void publish_run(struct applier *a, int64_t us)
{
    const uint64_t seq = a->rec[a->n - 1].seq;
    struct store *s = a->s;
    struct chain done;

    apply_publish(&s->ix, a->item, a->n);
    publish_to(s, seq);
    count_run(s, a, us);
    chain_init(&done);
    for (unsigned i = 0; i < a->n; i++) {
        a->sub[i]->claim = NULL;                 /* his_published has ended it */
        chain_add(&done, a->sub[i]);
    }
    a->n = 0;                                    /* they are others' from here on */
    store_answer(s, &done, s->ix.refused ? COMMIT_CANCELLED : COMMIT_STORED, "");
    tell_published(s, seq);
}

/* The database would not have the run: answer all that is durable "later", and
 * keep their places. */
static void owe(struct applier *a, const struct err *e)
{
    struct store *s = a->s;
    struct chain all;

    chain_init(&all);
    for (unsigned i = 0; i < a->n; i++)
        chain_add(&all, a->sub[i]);
    a->n = 0;
    chain_join(&all, &a->todo);
    store_trouble(s, &s->db, "database", e);
    lock_get(&s->lock);
    chain_join(&all, &s->durable);
    lock_put(&s->lock);
    s->owed = xrealloc(s->owed, (s->n_owed + all.n) * sizeof *s->owed);
    for (struct submission *sub = all.first; sub != NULL; sub = (struct submission *)(void *)sub->mail.next) {
        s->owed[s->n_owed++] = (struct owed){ .seq = sub->item.rec.seq, .pos = sub->item.pos };
        sub->claim = NULL;                       /* stands until it is applied after all */
    }
    store_answer(s, &all, COMMIT_LATER, e->text);
}

static int replay_published(struct store *s, struct replay *r, uint64_t from, struct err *e)
{
    uint64_t to = artlog_published(s->ix.log);
    struct log_reader *in;
    struct log_pos pos;
    struct record rec;
    int rc = 0;

    if (from > to)
        return 0;
    in = log_reader_new(s->ix.log, from);
    while (log_reader_seq(in) <= to && (rc = log_reader_next(in, &rec, &pos, e)) == 1)
        if ((rc = replay_add(r, &rec, &pos, e)) != 0)
            break;
    log_reader_free(&in);
    return rc < 0 ? -1 : 0;
}

static int replay_owed(struct store *s, struct replay *r, uint64_t applied, struct err *e)
{
    struct record_number *numbers = xcalloc(RECORD_NUMBERS_MAX, sizeof *numbers);
    struct buf scratch = { 0 };
    struct record rec;
    int rc = 0;

    for (unsigned i = 0; i < s->n_owed && rc == 0; i++) {
        if (s->owed[i].seq <= applied)
            continue;
        rc = artlog_read(s->ix.log, &s->owed[i].pos, &rec, numbers, RECORD_NUMBERS_MAX, &scratch, e);
        if (rc == 0)
            rc = replay_add(r, &rec, &s->owed[i].pos, e);
    }
    buf_fini(&scratch);
    free(numbers);
    return rc;
}

/* Bring the database up to the log again. */
static int catch_up(struct store *s, struct err *e)
{
    struct replay *r;
    struct applied a;
    int rc;

    if (bdb_broken(s->ix.bdb)) {
        if (bdb_reopen(s->ix.bdb, e) != 0)
            return -1;
        groups_reopened(s->ix.groups);
    }
    if (his_recall(s->ix.his, e) != 0 || applied_get(&s->ix, &a, e) != 0)
        return -1;
    r = replay_new(&s->ix);
    rc = replay_published(s, r, a.seq + 1, e);
    if (rc == 0)
        rc = replay_owed(s, r, a.seq, e);
    if (rc == 0)
        rc = replay_end(r, e);
    replay_free(&r);
    return rc;
}

static void repair(struct applier *a)
{
    struct store *s = a->s;
    struct err e;

    if (catch_up(s, &e) != 0) {
        store_trouble(s, &s->db, "database", &e);
        return;
    }
    if (s->n_owed > 0) {
        publish_to(s, s->owed[s->n_owed - 1].seq);
        tell_published(s, s->owed[s->n_owed - 1].seq);
    }
    lock_get(&s->lock);
    s->unapplied -= s->n_owed;
    lock_put(&s->lock);
    s->n_owed = 0;
    store_well(s, &s->db, "database");
    store_claim_ended(s);
}

static void apply_todo(struct applier *a)
{
    struct err e;

    while (a->todo.first != NULL) {
        int64_t t0 = clock_mono_us();

        cut_run(a);
        if (apply_run(&a->s->ix, a->item, a->n, &e) != 0) {
            owe(a, &e);
            return;
        }
        publish_run(a, clock_mono_us() - t0);
    }
}

/* Wait for something to do; false: the site is closing and nothing is left that can be done. */
static bool wait_for_work(struct applier *a, bool *unwell)
{
    struct store *s = a->s;
    bool go;

    lock_get(&s->lock);
    if (a->busy)
        s->applying = false;
    a->busy = false;
    if (s->keeper_waits)
        cond_signal(&s->turn);
    if (s->db.on && !s->committed_all)
        (void)cond_wait_us(&s->ready, &s->lock, (long)s->retry_us);
    while (s->applying || s->keeper_waits || (!s->db.on && s->durable.first == NULL && !s->committed_all))
        cond_wait(&s->ready, &s->lock);
    *unwell = s->db.on;
    chain_join(&a->todo, &s->durable);
    go = a->todo.first != NULL || (s->db.on && !s->committed_all);
    a->busy = s->applying = true;
    lock_put(&s->lock);
    return go;
}

void applier_init(struct store *s)
{
    s->a = xcalloc(1, sizeof *s->a);
    s->a->s = s;
    chain_init(&s->a->todo);
}

void applier_fini(struct store *s)
{
    if (s->a != NULL)
        buf_fini(&s->a->lines);
    free(s->a);
    s->a = NULL;
}

void applier_do(struct store *s, struct chain *subs)
{
    chain_join(&s->a->todo, subs);
    apply_todo(s->a);
}

void *applier_run(void *arg)
{
    struct store *s = arg;
    struct applier *a = s->a;
    struct err same = { .text = "the database is out of order" };
    bool unwell;

    while (wait_for_work(a, &unwell)) {
        if (unwell && a->todo.first != NULL)
            owe(a, &same);                       /* was being written when the database failed */
        if (unwell)
            repair(a);
        else
            apply_todo(a);
    }
    if (s->n_owed > 0)
        repair(a);                               /* a last try; start-up does it otherwise */
    return NULL;
}
