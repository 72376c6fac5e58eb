/* peer.c - a peer's queue: what it is to be offered, in what order, and what is
 * settled.  See peer.h; connections are peer_conns.c's.
 */
#include "feeder/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feeder/conn.h"
#include "feeder/peer_conns.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define READ_MOST     1000                 /* records a turn: others want their turn    */
#define NONSENSE_MOST 3                    /* tries before an article is set aside      */
#define ASIDE_IN_ROW  10                   /* then it is the peer, not the articles     */
#define HOLD_US       (60 * INT64_C(1000000))

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    peer_run(arg);
}

static int begin_reader(struct peer *p, struct err *e)
{
    log_reader_free(&p->reader);
    if (p->next >= p->f->live)
        return 0;
    p->reader = log_reader_new(p->f->log, p->next, e);
    return p->reader != NULL ? 0 : -1;
}

struct peer *peer_new(struct feeder *f, const struct conf_peer *conf, size_t index, struct err *e)
{
    struct peer *p = xcalloc(1, sizeof *p);
    char *dir = xasprintf("%s/feeder", f->conf->site.directory);
    bool fresh;

    p->f = f;
    p->conf = conf;
    p->index = index;
    p->name = xstrdup(conf->name);
    p->since_us = clock_now_us();
    p->ring = xcalloc(QUEUE_MOST, sizeof *p->ring);
    TAILQ_INIT(&p->conns);
    need(event_assign(&p->turn, f->base, -1, 0, on_turn, p) == 0);
    if (cursor_open(&p->cursor, dir, p->name, f->live, &fresh, e) != 0) {
        free(dir);
        free(p->ring);
        free(p->name);
        free(p);
        return NULL;
    }
    free(dir);
    p->next = p->cursor.next;
    if (begin_reader(p, e) != 0)
        log_msg(LOG_ERROR, "%s: the log cannot be read from %llu on: %s", p->name, (unsigned long long)p->next, e->text);
    log_msg(LOG_NOTICE, "%s: %s at record %llu, %zu exceptions", p->name, fresh ? "a new peer, begins" : "goes on",
            (unsigned long long)p->next, p->cursor.n_exc);
    return p;
}

static void drop_queue(struct peer *p)
{
    for (size_t i = 0; i < p->n_again; i++)
        if (p->again[i]->retry)
            free(p->again[i]);
    for (; p->head < p->tail; p->head++)
        free(p->ring[p->head % QUEUE_MOST]);
    p->todo = p->head;
    p->n_again = p->n_retrying = 0;
}

void peer_stop(struct peer *p)
{
    peer_conns_close(p, "stopping");
}

void peer_free(struct peer **peer)
{
    struct peer *p = *peer;

    if (p == NULL)
        return;
    peer_stop(p);
    peer_dial_forget(p);
    drop_queue(p);
    event_del(&p->turn);
    log_reader_free(&p->reader);
    cursor_close(&p->cursor);
    free(p->ring);
    free(p->name);
    free(p);
    *peer = NULL;
}

void peer_change(struct peer *p, const struct conf_peer *conf, size_t index, bool reconnect)
{
    p->conf = conf;
    p->index = index;
    if (reconnect)
        peer_conns_close(p, "its settings have changed");
}

/* ---- the queue ---- */

static bool full(const struct peer *p)
{
    return p->tail - p->head == QUEUE_MOST;
}

uint64_t peer_settled_to(const struct peer *p)
{
    return p->head < p->tail ? p->ring[p->head % QUEUE_MOST]->seq : p->next;
}

static void advance(struct peer *p)
{
    uint64_t to;

    while (p->head < p->todo && p->ring[p->head % QUEUE_MOST]->state == WORK_DONE)
        free(p->ring[p->head++ % QUEUE_MOST]);
    to = peer_settled_to(p);
    if (to != p->cursor.next) {
        p->cursor.next = to;
        p->cursor.dirty = true;
    }
}

static struct work *new_work(const struct record *r, const struct log_pos *pos)
{
    struct work *w;

    if (r->msgid.len == 0 || r->msgid.len > MSGID_MAX || (size_t)r->msgid.at + r->msgid.len > r->data.n)
        return NULL;
    w = xcalloc(1, sizeof *w);
    w->seq = r->seq;
    w->pos = *pos;
    w->id_n = (uint8_t)r->msgid.len;
    memcpy(w->id, r->data.p + r->msgid.at, r->msgid.len);
    return w;
}

/* The record is decided: queue it if it is wanted. */
static void take(struct peer *p, const struct record *r, const struct log_pos *pos, bool wanted)
{
    struct work *w = wanted ? new_work(r, pos) : NULL;

    if (w != NULL)
        p->ring[p->tail++ % QUEUE_MOST] = w;
    p->next = r->seq + 1;
    advance(p);
}

void peer_live(struct peer *p, const struct record *r, const struct log_pos *pos, bool wanted)
{
    /* behind: it comes there by itself, or falls behind now, with a full queue */
    if (p->reader != NULL || r->seq != p->next || (wanted && full(p)))
        return;
    take(p, r, pos, wanted);
    if (wanted)
        event_active(&p->turn, EV_TIMEOUT, 1);
}

/* Behind the live reader: read on while there is room. */
static void catch_up(struct peer *p)
{
    struct record r;
    struct log_pos pos;
    struct err e;
    int rc = 1;

    if (p->reader == NULL && p->next < p->f->live && begin_reader(p, &e) != 0)
        rc = -1;
    for (int i = 0; p->reader != NULL && i < READ_MOST && !full(p) && p->next < p->f->live; i++) {
        enum offer_why why;

        if ((rc = log_reader_next(p->reader, &r, &pos, &e)) != 1)
            break;
        why = offer_one(p->f->offer, p->index, &r);
        p->n.not_wanted[why]++;
        take(p, &r, &pos, why == OFFER_YES);
    }
    if (rc < 0 && clock_mono_us() - p->trouble_told_us > HOLD_US) {
        log_msg(LOG_ERROR, "%s: the log cannot be read at %llu: %s", p->name, (unsigned long long)p->next, e.text);
        p->trouble_told_us = clock_mono_us();
    }
    if (p->next >= p->f->live)
        log_reader_free(&p->reader);       /* level with the live reader again */
    else if (rc == 1 && !full(p))
        event_active(&p->turn, EV_TIMEOUT, 1);
}

void peer_run(struct peer *p)
{
    if (p->next < p->f->live)
        catch_up(p);
    peer_conns_run(p);
}

bool peer_has_work(const struct peer *p)
{
    return !p->paused && (p->n_again > 0 || p->todo < p->tail);
}

struct work *peer_next_work(struct peer *p)
{
    if (!peer_has_work(p) || clock_mono_us() < p->hold_us)
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
        advance(p);
        return;
    }
    for (size_t i = 0; i < p->n_retrying; i++)
        if (p->retrying[i] == w->seq)
            p->retrying[i] = p->retrying[--p->n_retrying];
    free(w);
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

void peer_defer(struct peer *p, struct work *w)
{
    if (cursor_defer(&p->cursor, w->seq, clock_now_us() + p->conf->retry_us, w->tries)) {
        done(p, w);
        return;
    }
    /* too much is deferred: the peer is given a rest */
    p->hold_us = clock_mono_us() + HOLD_US;
    peer_requeue(p, w);
}

void peer_nonsense(struct peer *p, struct work *w, const char *reply)
{
    peer_error(p, reply);
    if (++w->tries < NONSENSE_MOST) {
        peer_requeue(p, w);
        return;
    }
    log_msg(LOG_WARNING, "%s: %s is set aside: the peer keeps answering \"%s\"", p->name, w->id, reply);
    p->n.aside++;
    if (cursor_defer(&p->cursor, w->seq, ASIDE, w->tries))
        done(p, w);
    else
        peer_settle(p, w);                 /* no room to note it: the line must not be blocked */
    if (++p->nonsense >= ASIDE_IN_ROW) {
        p->nonsense = 0;
        p->hold_us = clock_mono_us() + HOLD_US;
    }
}

/* Exceptions that are due become works again. */
static void retry_due(struct peer *p, int64_t now_us)
{
    for (size_t i = 0; i < p->cursor.n_exc && p->n_retrying < RETRY_MOST; i++) {
        struct exception *x = &p->cursor.exc[i];
        struct log_reader *reader;
        struct record r;
        struct log_pos pos;
        struct err e;
        struct work *w = NULL;
        bool busy = false;

        for (size_t k = 0; k < p->n_retrying; k++)
            busy |= p->retrying[k] == x->seq;
        if (busy || x->due_us > now_us)
            continue;
        if ((reader = log_reader_new(p->f->log, x->seq, &e)) == NULL)
            return;
        if (log_reader_next(reader, &r, &pos, &e) == 1 && r.seq == x->seq &&
            offer_one(p->f->offer, p->index, &r) == OFFER_YES)
            w = new_work(&r, &pos);
        log_reader_free(&reader);
        if (w == NULL) {                   /* gone from the log, or no longer wanted */
            cursor_settle(&p->cursor, x->seq);
            i--;
            continue;
        }
        w->retry = true;
        w->tries = x->tries;
        p->retrying[p->n_retrying++] = w->seq;
        peer_requeue(p, w);
    }
}

void peer_tick(struct peer *p, int64_t now_us)
{
    struct err e;

    if (p->cursor.dirty && cursor_save(&p->cursor, &e) != 0 && clock_mono_us() - p->trouble_told_us > HOLD_US) {
        log_msg(LOG_ERROR, "%s", e.text);
        p->trouble_told_us = clock_mono_us();
    }
    if (!p->paused)
        retry_due(p, now_us);
    peer_run(p);
    peer_conns_tick(p);
}

int peer_save(struct peer *p, struct err *e)
{
    advance(p);
    return p->cursor.dirty ? cursor_save(&p->cursor, e) : 0;
}

/* ---- for the operator ---- */

void peer_flush(struct peer *p)
{
    for (size_t i = 0; i < p->cursor.n_exc; i++)
        if (p->cursor.exc[i].due_us != ASIDE)
            p->cursor.exc[i].due_us = 0;
    p->hold_us = 0;
    peer_conns_now(p);
    peer_tick(p, clock_now_us());
}

void peer_pause(struct peer *p, bool paused)
{
    p->paused = paused;
    if (!paused)
        peer_run(p);
}

void peer_refeed(struct peer *p, uint64_t seq)
{
    struct err e;

    peer_conns_close(p, "refeed");
    drop_queue(p);
    p->next = p->cursor.next = seq < p->f->live ? seq : p->f->live;
    p->cursor.dirty = true;
    if (begin_reader(p, &e) != 0)
        log_msg(LOG_ERROR, "%s: %s", p->name, e.text);
    peer_run(p);
}
