/* peer_work.c - a peer's works: the queue, what becomes of them, and the
 * exceptions that are tried again.  See peer.h.
 *
 *     ring     [done][in flight][done][queued][queued]
 *     again    those that came back from a connection, and exceptions that are due
 *
 * A work that came back keeps its place in the ring, so the cursor waits for it.
 */
#include "feeder/peer_work.h"

#include <stdlib.h>
#include <string.h>

#include "feeder/peer_conns.h"
#include "feeder/shelf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define NONSENSE_MOST 3                    /* tries before an article is set aside               */
#define ASIDE_IN_ROW  10                   /* then it is the peer's fault, not the articles'     */
#define HOLD_US       (60 * INT64_C(1000000))
#define PUT_OFF_MOST  (86400 * INT64_C(1000000))
#define TELL_US       (60 * INT64_C(1000000))

/* ---- works ---- */

struct work *work_new(struct feeder *f, const struct record *r, const struct log_pos *pos)
{
    struct work *w;

    if (r->msgid.len == 0 || r->msgid.len > MSGID_MAX || (size_t)r->msgid.at + r->msgid.len > r->data.n)
        return NULL;
    if ((w = TAILQ_FIRST(&f->spare)) != NULL)
        TAILQ_REMOVE(&f->spare, w, link);
    else
        w = xmalloc(sizeof *w);
    w->seq = r->seq;
    w->arrived_us = r->arrived_us;
    w->pos = *pos;
    w->state = WORK_QUEUED;
    w->tries = 0;
    w->retry = false;
    w->id_n = (uint8_t)r->msgid.len;
    memcpy(w->id, r->data.p + r->msgid.at, r->msgid.len);
    w->id[w->id_n] = '\0';
    return w;
}

void work_free(struct feeder *f, struct work *w)
{
    TAILQ_INSERT_HEAD(&f->spare, w, link);
}

void work_free_spare(struct feeder *f)
{
    struct work *w;

    while ((w = TAILQ_FIRST(&f->spare)) != NULL) {
        TAILQ_REMOVE(&f->spare, w, link);
        free(w);
    }
}

/* ---- the queue ---- */

bool queue_full(const struct peer *p)
{
    return p->tail - p->head == QUEUE_MOST;
}

void queue_put(struct peer *p, struct work *w)
{
    need(!queue_full(p));
    p->ring[p->tail++ % QUEUE_MOST] = w;
}

void queue_drop(struct peer *p)
{
    need(p->n_away == 0);
    for (size_t i = 0; i < p->n_again; i++)
        if (p->again[i]->retry)
            work_free(p->f, p->again[i]);
    for (; p->head < p->tail; p->head++)
        work_free(p->f, p->ring[p->head % QUEUE_MOST]);
    for (size_t i = 0; i < p->cursor.n_exc; i++)
        p->cursor.exc[i].away = false;
    p->todo = p->head;
    p->n_again = p->n_retrying = 0;
}

uint64_t peer_settled_to(const struct peer *p)
{
    return p->head < p->tail ? p->ring[p->head % QUEUE_MOST]->seq : p->next;
}

uint64_t peer_lag(const struct peer *p)
{
    uint64_t to = peer_settled_to(p);

    return p->f->live > to ? p->f->live - to : 0;
}

size_t peer_aside(const struct peer *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->cursor.n_exc; i++)
        n += p->cursor.exc[i].due_us == ASIDE;
    return n;
}

void queue_advance(struct peer *p)
{
    uint64_t to;

    while (p->head < p->todo && p->ring[p->head % QUEUE_MOST]->state == WORK_DONE)
        work_free(p->f, p->ring[p->head++ % QUEUE_MOST]);
    to = peer_settled_to(p);
    if (to != p->cursor.next) {
        p->cursor.next = to;
        p->cursor.dirty = true;
    }
}

bool peer_has_work(const struct peer *p)
{
    return !p->paused && (p->n_again > 0 || p->todo < p->tail);
}

struct work *peer_next_work(struct peer *p)
{
    if (!peer_has_work(p) || (p->hold_us != 0 && clock_mono_us() < p->hold_us))
        return NULL;
    if (p->n_again > 0)
        return p->again[--p->n_again];
    return p->ring[p->todo++ % QUEUE_MOST];
}

/* ---- what becomes of a work ---- */

static void done(struct peer *p, struct work *w)
{
    if (!w->retry) {
        w->state = WORK_DONE;
        queue_advance(p);
        return;
    }
    p->n_retrying--;
    work_free(p->f, w);
    if (p->n_retrying == 0 && p->more_due)
        peer_soon(p);
}

void peer_settle(struct peer *p, struct work *w)
{
    if (w->retry)
        cursor_settle(&p->cursor, w->seq);
    done(p, w);
}

void peer_requeue(struct peer *p, struct work *w)
{
    w->state = WORK_QUEUED;
    need(p->n_again < QUEUE_MOST + RETRY_MOST);
    p->again[p->n_again++] = w;
}

/* The same, but behind all others that came back. */
static void requeue_last(struct peer *p, struct work *w)
{
    peer_requeue(p, w);
    memmove(p->again + 1, p->again, (p->n_again - 1) * sizeof *p->again);
    p->again[0] = w;
}

static bool make_exception(struct peer *p, struct work *w, int64_t due_us)
{
    struct exception x = { .seq = w->seq, .due_us = due_us, .tries = w->tries, .pos = w->pos };

    return cursor_defer(&p->cursor, &x);
}

static void put_off(struct peer *p, struct work *w, int64_t wait_us)
{
    if (make_exception(p, w, clock_now_us() + wait_us)) {
        done(p, w);
        return;
    }
    /* too much is deferred: the peer is given a rest, and the queue stands */
    p->hold_us = clock_mono_us() + HOLD_US;
    requeue_last(p, w);
}

void peer_defer(struct peer *p, struct work *w)
{
    put_off(p, w, p->conf->retry_us);
}

/* Whether the article or the line is at fault cannot be told from here.  So it is never given up; but it lets
 * the others pass, longer each time, and not only until the next connection. */
void peer_suspect(struct peer *p, struct work *w, const char *why)
{
    int64_t wait_us = p->conf->retry_us > 4 * p->wait_us ? p->conf->retry_us : 4 * p->wait_us;

    if (++w->tries < NONSENSE_MOST) {
        peer_requeue(p, w);
        return;
    }
    for (uint32_t i = NONSENSE_MOST; i < w->tries && wait_us < PUT_OFF_MOST; i++)
        wait_us *= 2;
    log_msg(LOG_WARNING, "%s: %s is put off: %u connections have ended at it, this one: %s", p->name, w->id, w->tries, why);
    put_off(p, w, wait_us < PUT_OFF_MOST ? wait_us : PUT_OFF_MOST);
}

/* Room for one more that is set aside: the oldest is given up, and said so. */
static void make_room_aside(struct peer *p)
{
    const struct exception *first = NULL;
    size_t n = 0;

    for (size_t i = 0; i < p->cursor.n_exc; i++) {
        if (p->cursor.exc[i].due_us != ASIDE)
            continue;
        if (n++ == 0)
            first = &p->cursor.exc[i];
    }
    if (first == NULL || (n < ASIDE_MOST && p->cursor.n_exc < EXCEPTIONS_MOST))
        return;
    log_msg(LOG_WARNING, "%s: record %llu, set aside, is forgotten: there are too many", p->name,
            (unsigned long long)first->seq);
    cursor_settle(&p->cursor, first->seq);
}

/* It says so to all that it is offered: a rest, and later once more. */
static bool says_so_to_all(struct peer *p, struct work *w)
{
    if (p->nonsense < ASIDE_IN_ROW)
        return false;
    p->hold_us = clock_mono_us() + HOLD_US;
    requeue_last(p, w);
    return true;
}

static void put_aside(struct peer *p, struct work *w, const char *reply)
{
    make_room_aside(p);
    if (!make_exception(p, w, ASIDE)) {
        p->hold_us = clock_mono_us() + HOLD_US;
        requeue_last(p, w);
        return;
    }
    log_msg(LOG_WARNING, "%s: %s is set aside: the peer answers \"%s\"", p->name, w->id, reply);
    p->n[N_ASIDE]++;
    p->nonsense++;
    done(p, w);
}

void peer_nonsense(struct peer *p, struct work *w, const char *reply)
{
    peer_error(p, reply);
    if (says_so_to_all(p, w))
        return;
    if (++w->tries < NONSENSE_MOST)
        peer_requeue(p, w);
    else
        put_aside(p, w, reply);
}

void peer_set_aside(struct peer *p, struct work *w, const char *reply)
{
    peer_error(p, reply);
    w->tries++;
    if (!says_so_to_all(p, w))
        put_aside(p, w, reply);
}

/* ---- exceptions ---- */

static void tell(struct peer *p, const struct exception *x, const char *why)
{
    if (p->told_us != 0 && clock_mono_us() - p->told_us < TELL_US)
        return;
    p->told_us = clock_mono_us();
    log_msg(LOG_ERROR, "%s: record %llu cannot be read: %s", p->name, (unsigned long long)x->seq, why);
}

/* The record of an exception whose place is not known (it was loaded from disk). */
static enum shelf_got look_up(struct peer *p, struct exception *x, struct err *e)
{
    struct log_reader *reader = log_reader_new(p->f->log, x->seq);
    struct record r;
    int rc;

    rc = log_reader_next(reader, &r, &x->pos, e);
    log_reader_free(&reader);
    if (rc == 0)
        err_set(e, "it is not published");
    if (rc != 1 || r.seq != x->seq)
        x->pos.segment = 0;
    return rc != 1 ? SHELF_FAILED : r.seq == x->seq ? SHELF_READ : SHELF_GONE;
}

/* false: it cannot be read now. */
static bool retry(struct peer *p, struct exception *x)
{
    enum shelf_got got = SHELF_READ;
    struct work *w = NULL;
    struct record r;
    struct err e = { 0 };

    if (x->pos.segment == 0)
        got = look_up(p, x, &e);
    if (got == SHELF_READ)
        got = shelf_get(p->f->shelf, &x->pos, x->seq, &r, &e);
    if (got == SHELF_FAILED) {
        tell(p, x, e.text);
        return false;
    }
    if (got == SHELF_READ && offer_one(p->f->offer, p->index, &r) == OFFER_YES)
        w = work_new(p->f, &r, &x->pos);
    if (w == NULL) {                       /* gone from the log, or no longer wanted */
        p->n[N_GONE] += got == SHELF_GONE;
        cursor_settle(&p->cursor, x->seq);
        return true;
    }
    w->retry = true;
    w->tries = x->tries;
    x->away = true;
    p->n_retrying++;
    peer_requeue(p, w);
    return true;
}

/* A time that nothing is put off to means that the clock was wrong, and went back. */
static bool is_due(struct exception *x, int64_t now_us)
{
    if (x->due_us != ASIDE && x->due_us > now_us + PUT_OFF_MOST)
        x->due_us = now_us;
    return !x->away && x->due_us <= now_us;
}

static void retry_all(struct peer *p, int64_t now_us)
{
    for (size_t i = 0; i < p->cursor.n_exc;) {
        size_t was = p->cursor.n_exc;

        if (!is_due(&p->cursor.exc[i], now_us)) {
            i++;
            continue;
        }
        if (p->n_retrying == RETRY_MOST) {
            p->more_due = true;
            return;
        }
        if (!retry(p, &p->cursor.exc[i]))
            return;
        if (p->cursor.n_exc == was)
            i++;
    }
}

void queue_retry(struct peer *p, int64_t now_us)
{
    size_t first = p->n_again, last;

    p->more_due = false;
    retry_all(p, now_us);
    for (last = p->n_again; first + 1 < last; first++) {     /* the last one goes out next: the oldest be it */
        struct work *w = p->again[--last];

        p->again[last] = p->again[first];
        p->again[first] = w;
    }
}
