/* store.c - a site's log and database as one thing: open, close, submit, ask.
 *
 * The threads live in commit.c and applier.c, what happens at start in
 * store_recover.c.  Here are the doors, the queue between them, the note of
 * trouble, and the keeper: a thread that flushes and checkpoints the database
 * behind everybody's back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "nntpd/store_int.h"

#define CHECKPOINT_BYTES (16u << 20)        /* of database log since the last */

/* ---- chains ---- */

void chain_init(struct chain *c)
{
    *c = (struct chain){ .first = NULL };
    c->tail = &c->first;
}

static struct submission *next_of(const struct submission *sub)
{
    return (struct submission *)(void *)sub->mail.next;
}

void chain_add(struct chain *c, struct submission *sub)
{
    sub->mail.next = NULL;
    *c->tail = sub;
    c->tail = (struct submission **)(void *)&sub->mail.next;
    c->n++;
}

struct submission *chain_take(struct chain *c)
{
    struct submission *sub = c->first;

    if (sub == NULL)
        return NULL;
    c->first = next_of(sub);
    if (--c->n == 0)
        c->tail = &c->first;
    sub->mail.next = NULL;
    return sub;
}

void chain_join(struct chain *to, struct chain *from)
{
    if (from->n == 0)
        return;
    *to->tail = from->first;
    to->tail = from->tail;
    to->n += from->n;
    chain_init(from);
}

/* ---- answers, trouble, and those who wait for claims ---- */

/* Under the lock: take the waiters off. */
static struct waiter *take_waiters(struct store *s)
{
    struct waiter *w = s->waiters;

    s->waiters = NULL;
    s->epoch++;
    return w;
}

static void wake(struct waiter *w)
{
    while (w != NULL) {
        struct waiter *next = w->next;

        mailbox_post(w->home, w->mail);
        free(w);
        w = next;
    }
}

void store_claim_ended(struct store *s)
{
    struct waiter *w;

    lock_get(&s->lock);
    w = take_waiters(s);
    lock_put(&s->lock);
    wake(w);
}

uint64_t store_epoch(struct store *s)
{
    uint64_t n;

    lock_get(&s->lock);
    n = s->epoch;
    lock_put(&s->lock);
    return n;
}

void store_await(struct store *s, uint64_t epoch, struct mailbox *home, struct mail *m)
{
    struct waiter *w = xmalloc(sizeof *w);

    *w = (struct waiter){ .home = home, .mail = m };
    lock_get(&s->lock);
    if (s->epoch == epoch) {
        w->next = s->waiters;
        s->waiters = w;
        w = NULL;
    }
    lock_put(&s->lock);
    wake(w);
}

void store_answer(struct store *s, struct chain *subs, enum commit_result result, const char *why)
{
    struct submission *sub;
    struct waiter *w;
    uint64_t bytes = 0;

    if (subs->n == 0)
        return;
    for (sub = subs->first; sub != NULL; sub = next_of(sub)) {
        bytes += sub->size;
        sub->result = result;
        snprintf(sub->why, sizeof sub->why, "%s", why);
        if (sub->claim != NULL)
            his_release(s->ix.his, &sub->claim);
    }
    lock_get(&s->lock);
    s->counts.queued -= subs->n;
    s->counts.queued_bytes -= bytes;
    if (result == COMMIT_LATER || result == COMMIT_STOPPED)
        s->counts.later += subs->n;
    w = take_waiters(s);
    lock_put(&s->lock);
    while ((sub = chain_take(subs)) != NULL) {
        if (sub->home != NULL)
            mailbox_post(sub->home, &sub->mail);
        else
            sub->mail.deliver(&sub->mail);
    }
    wake(w);
}

void store_trouble(struct store *s, struct trouble *t, const char *what, const struct err *e)
{
    bool news;

    lock_get(&s->lock);
    news = !t->on || strncmp(t->why, e->text, sizeof t->why - 1) != 0;
    t->on = true;
    t->since_us = clock_mono_us();
    snprintf(t->why, sizeof t->why, "%.*s", (int)sizeof t->why - 1, e->text);
    cond_signal(&s->work);                   /* the committer may be waiting for the applier */
    lock_put(&s->lock);
    if (news)
        log_msg(LOG_ERROR, "%s: %s (articles are answered \"later\"; trying again every second)", what, e->text);
}

void store_broken(struct store *s, const struct err *e)
{
    store_trouble(s, &s->db, "database", e);
    cond_signal(&s->ready);
}

void store_well(struct store *s, struct trouble *t, const char *what)
{
    lock_get(&s->lock);
    t->on = false;
    t->why[0] = '\0';
    cond_signal(&s->work);
    lock_put(&s->lock);
    log_msg(LOG_NOTICE, "%s: in order again", what);
}

int64_t store_date_us(struct store *s)
{
    int64_t us;

    lock_get(&s->lock);
    us = clock_now_us();
    if ((s->writing || s->unapplied > 0) && s->safe_us < us)
        us = s->safe_us;
    lock_put(&s->lock);
    return us;
}

bool store_healthy(struct store *s, char *why, size_t size)
{
    const struct trouble *t;
    bool well;

    lock_get(&s->lock);
    t = s->log.on ? &s->log : &s->db;
    well = !t->on;
    if (size > 0)
        snprintf(why, size, "%s", t->why);
    lock_put(&s->lock);
    return well;
}

/* ---- submissions ---- */

struct submission *submission_new(void)
{
    return xcalloc(1, sizeof (struct submission));
}

void submission_free(struct submission **s)
{
    if (*s == NULL)
        return;
    free((*s)->group);
    free((*s)->numbers);
    buf_fini(&(*s)->bytes);
    buf_fini(&(*s)->xref);
    free(*s);
    *s = NULL;
}

static bool refuse(struct submission *sub, const char *why)
{
    snprintf(sub->why, sizeof sub->why, "%s", why);
    return false;
}

/* Under the lock. */
static bool accept_submission(struct store *s, struct submission *sub)
{
    if (s->stopping)
        return refuse(sub, "the site is closing");
    if (s->log.on || s->db.on)
        return refuse(sub, s->log.on ? s->log.why : s->db.why);
    if (s->counts.queued_bytes > 0 && s->counts.queued_bytes + sub->size > s->o.queue_bytes)
        return refuse(sub, "the queue is full");
    s->counts.queued++;
    s->counts.queued_bytes += sub->size;
    chain_add(&s->queue, sub);
    return true;
}

bool store_submit(struct store *s, struct submission *sub)
{
    bool taken, first;

    sub->size = sub->item.part[0].n + sub->item.part[2].n;
    lock_get(&s->lock);
    taken = accept_submission(s, sub);
    first = taken && s->queue.n == 1;
    if (!taken)
        s->counts.later++;
    lock_put(&s->lock);
    if (first)
        cond_signal(&s->work);
    return taken;
}

struct commit_wait { struct lock lock; struct cond cond; bool done; };

static void on_committed(struct mail *m)
{
    struct submission *sub = (struct submission *)(void *)m;
    struct commit_wait *w = sub->user;

    lock_get(&w->lock);
    w->done = true;
    cond_signal(&w->cond);
    lock_put(&w->lock);
}

enum commit_result store_commit_wait(struct store *s, struct submission *sub)
{
    struct commit_wait w = { .done = false };

    lock_init(&w.lock, "store.wait");
    cond_init(&w.cond);
    sub->mail.deliver = on_committed;
    sub->home = NULL;
    sub->user = &w;
    if (store_submit(s, sub)) {
        lock_get(&w.lock);
        while (!w.done)
            cond_wait(&w.cond, &w.lock);
        lock_put(&w.lock);
    } else {
        sub->result = COMMIT_LATER;
    }
    cond_fini(&w.cond);
    lock_fini(&w.lock);
    return sub->result;
}

static struct submission *plain_submission(enum record_kind kind, struct span data)
{
    struct submission *sub = submission_new();
    struct record *r = &sub->item.rec;

    buf_add_span(&sub->bytes, data);
    sub->item.part[0] = buf_span(&sub->bytes);
    r->kind = kind;
    r->arrived_us = clock_now_us();
    r->data.n = sub->item.part[0].n;
    r->source = SPAN("control");
    return sub;
}

struct submission *submission_group(struct store *s, const struct group_facts *f)
{
    struct group_facts facts = *f;
    struct submission *sub;
    struct buf b = { 0 };

    (void)s;
    if (facts.id == 0)
        facts.id = GROUP_NEW;
    group_pack(&b, &facts);
    sub = plain_submission(RECORD_GROUP, buf_span(&b));
    buf_fini(&b);
    return sub;
}

struct submission *submission_ungroup(struct store *s, uint32_t id)
{
    struct submission *sub = plain_submission(RECORD_UNGROUP, (struct span){ 0 });

    (void)s;
    sub->numbers = xcalloc(1, sizeof *sub->numbers);
    sub->numbers[0].group = id;
    sub->item.rec.numbers = sub->numbers;
    sub->item.rec.n_numbers = 1;
    return sub;
}

struct submission *submission_cancel(struct store *s, struct span msgid, const char *why)
{
    struct submission *sub = plain_submission(RECORD_CANCEL, span_of(why));

    sub->item.rec.key = msgid_key(&s->key, msgid);
    return sub;
}

/* ---- questions ---- */

struct his *store_history(struct store *s)
{
    return s->ix.his;
}

struct groups *store_groups(struct store *s)
{
    return s->ix.groups;
}

struct ov *store_overview(struct store *s)
{
    return s->ix.ov;
}

struct artlog *store_log(struct store *s)
{
    return s->ix.log;
}

const struct sipkey *store_key(const struct store *s)
{
    return &s->key;
}

enum his_answer store_find(struct store *s, struct span msgid, struct his_entry *entry, struct err *e)
{
    struct msgid_key key = msgid_key(&s->key, msgid);

    return his_look(s->ix.his, &key, entry, e);
}

void store_counts(struct store *s, struct store_counts *out)
{
    lock_get(&s->lock);
    *out = s->counts;
    lock_put(&s->lock);
}

void store_on_publish(struct store *s, void (*fn)(uint64_t, void *), void *arg)
{
    lock_get(&s->lock);
    s->on_publish = fn;
    s->on_publish_arg = arg;
    lock_put(&s->lock);
}

/* ---- the keeper, open and close ---- */

/* Give back the bytes of what was cancelled: the database must know it for sure before. */
static void punch(struct store *s, const struct log_pos *gone, unsigned n)
{
    struct err e;

    for (unsigned i = 0; i < n; i++)
        if (artlog_punch(s->ix.log, &gone[i], &e) != 0)
            log_msg(LOG_WARNING, "%s", e.text);
}

/* Bytes that are not punched now are found by the next rebuild. */
static int flush(struct store *s, const struct log_pos *gone, unsigned n, struct err *e)
{
    if (bdb_flush(s->ix.bdb, e) != 0)
        return -1;
    punch(s, gone, n);
    return bdb_checkpoint(s->ix.bdb, CHECKPOINT_BYTES, e);
}

static void keep(struct store *s)
{
    struct log_pos *gone;
    struct err e;
    unsigned n;
    bool well;

    lock_get(&s->lock);
    well = !s->db.on;
    gone = s->gone;
    n = s->n_gone;
    s->gone = NULL;
    s->n_gone = s->cap_gone = 0;
    lock_put(&s->lock);
    if (well && flush(s, gone, n, &e) != 0) {
        if (bdb_broken(s->ix.bdb))
            store_broken(s, &e);
        else
            log_msg(LOG_WARNING, "%s", e.text);
    }
    free(gone);
    store_claim_ended(s);
}

static void *keeper_run(void *arg)
{
    struct store *s = arg;
    int64_t us = store_warm(s);

    lock_get(&s->lock);
    while (!s->keeper_stop) {
        (void)cond_wait_us(&s->tick, &s->lock, (long)us);
        if (s->keeper_stop)
            break;
        lock_put(&s->lock);
        keep(s);
        store_forget(s);
        us = store_warm(s);
        lock_get(&s->lock);
    }
    lock_put(&s->lock);
    return NULL;
}

struct store *store_open(const struct store_options *o, progress_fn *progress, void *arg, struct err *e)
{
    struct store *s = store_open_rooms(o, false, e);

    if (s == NULL)
        return NULL;
    if (store_recover(s, progress, arg, e) != 0 || store_key_fits(s, e) != 0) {
        store_close_rooms(&s);
        return NULL;
    }
    applier_init(s);
    thread_start(&s->committer, "committer", committer_run, s);
    thread_start(&s->applier, "applier", applier_run, s);
    thread_start(&s->keeper, "keeper", keeper_run, s);
    return s;
}

void store_close(struct store **sp)
{
    struct store *s = *sp;

    if (s == NULL)
        return;
    lock_get(&s->lock);
    s->stopping = true;
    cond_signal(&s->work);
    cond_signal(&s->turn);
    lock_put(&s->lock);
    pthread_join(s->committer, NULL);
    pthread_join(s->applier, NULL);
    lock_get(&s->lock);
    s->keeper_stop = true;
    cond_signal(&s->tick);
    lock_put(&s->lock);
    pthread_join(s->keeper, NULL);
    applier_fini(s);
    keep(s);
    store_close_rooms(sp);
}
