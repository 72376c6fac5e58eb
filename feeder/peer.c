/* peer.c - a peer: its life, what it reads of the log, what the operator may ask.
 * See peer.h; its works are peer_work.c's, its connections peer_conns.c's.
 */
#include "feeder/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "article/groups.h"
#include "article/wildmat.h"
#include "feeder/conn.h"
#include "feeder/peer_conns.h"
#include "feeder/peer_work.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define READ_MOST  1000                    /* records a turn: others want their turn             */
#define TELL_US    (60 * INT64_C(1000000))
#define PATIENCE_US (60 * INT64_C(1000000)) /* a place of the log that stays bad is stepped over  */

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    peer_run(arg);
}

void peer_soon(struct peer *p)
{
    event_active(&p->turn, EV_TIMEOUT, 1);
}

static void tell(struct peer *p, const char *why)
{
    peer_error(p, why);
    if (p->told_us != 0 && clock_mono_us() - p->told_us < TELL_US)
        return;
    p->told_us = clock_mono_us();
    log_msg(LOG_ERROR, "%s: %s", p->name, why);
}

/* ---- life ---- */

/* Find the cursor.  A damaged one is begun anew at the log's first record: a peer
 * may be offered an article twice, but never one too few. */
static void open_cursor(struct peer *p)
{
    char *dir = xasprintf("%s/feeder", p->f->conf->site.directory);
    struct err e = { 0 };
    enum cursor_found found;

    cursor_close(&p->cursor);
    free(p->only);
    found = cursor_open(&p->cursor, dir, p->name, &e);
    free(dir);
    if (found == CURSOR_DAMAGED) {
        p->damaged = true;
        log_msg(LOG_ERROR, "%s; all that is in the log is offered again", e.text);
    }
    if (found == CURSOR_NONE || found == CURSOR_DAMAGED) {
        uint64_t at = p->damaged ? artlog_first_seq(p->f->log) : p->f->begin;

        p->open = cursor_begin(&p->cursor, at, &e) == 0;
    } else {
        p->open = found == CURSOR_LOADED;
    }
    if (!p->open) {
        tell(p, e.text);
        return;
    }
    if (p->f->certain && p->cursor.next > p->f->live) {     /* the log lost its end: numbers are given again */
        log_msg(LOG_WARNING, "%s: it stands at record %llu, the log ends before %llu: goes on there", p->name,
                (unsigned long long)p->cursor.next, (unsigned long long)p->f->live);
        cursor_move(&p->cursor, p->f->live);
    }
    p->next = p->cursor.next;
    for (size_t i = 0; i < p->cursor.n_exc; i++)
        if (p->cursor.exc[i].seq > p->known_to)
            p->known_to = p->cursor.exc[i].seq;
    log_msg(LOG_NOTICE, "%s: %s at record %llu of %llu, %zu exceptions", p->name,
            found == CURSOR_LOADED ? "goes on" : "begins", (unsigned long long)p->next,
            (unsigned long long)(p->f->live - 1), p->cursor.n_exc);
    peer_soon(p);
}

struct peer *peer_new(struct feeder *f, const struct conf_peer *conf, size_t index)
{
    struct peer *p = xcalloc(1, sizeof *p);

    p->f = f;
    p->conf = conf;
    p->index = index;
    p->name = xstrdup(conf->name);
    p->cursor.fd = -1;
    p->state = "";
    p->ring = xcalloc(QUEUE_MOST, sizeof *p->ring);
    TAILQ_INIT(&p->conns);
    need(event_assign(&p->turn, f->base, -1, 0, on_turn, p) == 0);
    open_cursor(p);
    return p;
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
    queue_drop(p);
    event_del(&p->turn);
    log_reader_free(&p->reader);
    cursor_close(&p->cursor);
    free(p->ring);
    free(p->only);
    free(p->name);
    free(p);
    *peer = NULL;
}

/* Let go of all connections and of what is queued, and read the log again from 'seq'. */
static void go_to(struct peer *p, uint64_t seq, const char *why)
{
    peer_conns_close(p, why);
    queue_drop(p);
    log_reader_free(&p->reader);
    p->next = seq;
    p->stuck_us = 0;
    p->known_to = 0;
    for (size_t i = 0; i < p->cursor.n_exc; i++)
        if (p->cursor.exc[i].seq > p->known_to)
            p->known_to = p->cursor.exc[i].seq;
    peer_soon(p);
}

void peer_conf(struct peer *p, const struct conf_peer *conf, size_t index, bool changed)
{
    p->conf = conf;
    p->index = index;
    if (changed && p->open) {
        queue_advance(p);
        go_to(p, p->cursor.next, "its settings have changed");
    }
}

/* ---- reading ---- */

/* Is it outside what a refeed asked for? */
static bool left_out(struct peer *p, const struct record *r)
{
    struct span list = { r->data.p + r->newsgroups.at, r->newsgroups.len }, name;
    size_t at = 0;

    if (p->only == NULL)
        return false;
    if (r->seq >= p->only_to) {
        free(p->only);
        p->only = NULL;
        return false;
    }
    while (groups_next(list, &at, &name))
        if (wildmat(name, span_of(p->only)))
            return false;
    return true;
}

/* The record is decided: queue it if it is wanted. */
static void take(struct peer *p, const struct record *r, const struct log_pos *pos, enum offer_why why)
{
    struct work *w = NULL;

    if (why == OFFER_YES && left_out(p, r))
        why = OFFER_NO_GROUP;
    if (why == OFFER_YES)
        w = work_new(p->f, r, pos);
    p->not_wanted[why]++;
    if (w != NULL && r->seq <= p->known_to && cursor_find(&p->cursor, r->seq) != NULL) {
        work_free(p->f, w);                /* it waits among the exceptions */
        w = NULL;
    }
    if (w != NULL)
        queue_put(p, w);
    p->next = r->seq + 1;
    queue_advance(p);
}

void peer_live(struct peer *p, const struct record *r, const struct log_pos *pos, enum offer_why why)
{
    /* behind: it comes there by itself, or falls behind now, with a full queue */
    if (!p->open || p->conf->delay_us > 0 || p->reader != NULL || r->seq != p->next || (why == OFFER_YES && queue_full(p)))
        return;
    take(p, r, pos, why);
    if (why == OFFER_YES)
        peer_soon(p);
}

/* A place that cannot be read: wait, then step over the segment that it is in. */
static void stuck(struct peer *p, const char *why)
{
    int64_t now = clock_mono_us();
    struct err e;
    char text[500];

    snprintf(text, sizeof text, "the log cannot be read at %llu: %s", (unsigned long long)p->next, why);
    tell(p, text);
    if (p->stuck_us == 0)
        p->stuck_us = now;
    if (now - p->stuck_us < PATIENCE_US || p->reader == NULL || log_reader_skip(p->reader, &e) != 1)
        return;
    log_msg(LOG_ERROR, "%s: records %llu to %llu are stepped over", p->name, (unsigned long long)p->next,
            (unsigned long long)log_reader_seq(p->reader) - 1);
    p->stuck_us = 0;
}

/* What came later than now came before the clock was set back: it is not held for as long as that was. */
static bool too_young(const struct peer *p, const struct record *r)
{
    int64_t age_us = clock_now_us() - r->arrived_us;

    return p->conf->delay_us > 0 && age_us < p->conf->delay_us && age_us > -p->conf->delay_us;
}

/* Behind the live reader: read on while there is room. */
static void catch_up(struct peer *p)
{
    struct record r;
    struct log_pos pos;
    struct err e = { 0 };
    int rc = 1;

    if (p->reader == NULL)
        p->reader = log_reader_new(p->f->log, p->next);
    for (int i = 0; rc == 1 && i < READ_MOST && !queue_full(p) && p->next < p->f->live; i++) {
        if ((rc = log_reader_next(p->reader, &r, &pos, &e)) == 1 && too_young(p, &r)) {
            log_reader_free(&p->reader);
            return;                        /* the next tick looks again */
        }
        if (rc == 1)
            take(p, &r, &pos, offer_one(p->f->offer, p->index, &r));
    }
    if (rc < 0)
        stuck(p, e.text);
    else if (rc == 1)
        p->stuck_us = 0;
    if (p->next >= p->f->live)
        log_reader_free(&p->reader);       /* level with the live reader again */
    else if (rc == 1 && !queue_full(p))
        peer_soon(p);
}

void peer_run(struct peer *p)
{
    if (!p->open)
        return;
    if (p->next < p->f->live && !queue_full(p))
        catch_up(p);
    if (p->more_due && p->n_retrying == 0 && !p->paused)
        queue_retry(p, clock_now_us());
    peer_conns_run(p);
}

void peer_tick(struct peer *p, int64_t now_us)
{
    struct err e;
    const char *state = peer_state(p);

    if (strcmp(state, p->state) != 0) {
        p->state = state;
        p->since_us = now_us;
    }
    if (!p->open && now_us / 1000000 % 10 == 0)
        open_cursor(p);
    if (!p->open)
        return;
    if (p->cursor.dirty && cursor_save(&p->cursor, &e) != 0)
        tell(p, e.text);
    if (!p->paused)
        queue_retry(p, now_us);
    peer_run(p);
    peer_conns_tick(p);
}

int peer_save(struct peer *p, struct err *e)
{
    if (!p->open)
        return 0;
    queue_advance(p);
    return p->cursor.dirty ? cursor_save(&p->cursor, e) : 0;
}

/* ---- for the operator ---- */

/* Not settled: in the queue, or not reached. */
static const char *place_ahead(const struct peer *p, const struct record *r)
{
    for (uint64_t i = p->head; i < p->tail; i++) {
        const struct work *w = p->ring[i % QUEUE_MOST];

        if (w->seq == r->seq && w->state != WORK_DONE)
            return w->state == WORK_QUEUED ? "waits to be offered" :
                   w->state == WORK_ASKED  ? "offered, no answer yet" :
                   w->state == WORK_WANTED ? "wanted, to be sent in a moment" : "sent, no answer yet";
    }
    if (r->seq < p->next)
        return NULL;
    return too_young(p, r) ? "held back for a while (delay)" : "it has not come there yet";
}

void peer_place(struct peer *p, const struct record *r, char *out, size_t n)
{
    const struct exception *x = p->open ? cursor_find(&p->cursor, r->seq) : NULL;
    const char *where = place_ahead(p, r);

    if (!p->open)
        where = "it has no state";
    else if (x != NULL)
        where = x->due_us == ASIDE ? "set aside: the peer's answers made no sense" :
                x->away            ? "deferred, now offered again" : "deferred, to be offered again";
    else if (where == NULL)
        where = "done with: it took it, had it, refused it, or it was not for it";
    snprintf(out, n, "%s", where);
}

void peer_flush(struct peer *p)
{
    for (size_t i = 0; i < p->cursor.n_exc; i++)
        if (p->cursor.exc[i].due_us != ASIDE)
            p->cursor.exc[i].due_us = 0;
    p->hold_us = 0;
    p->nonsense = 0;
    peer_conns_now(p);
    peer_tick(p, clock_now_us());
}

void peer_pause(struct peer *p, bool paused)
{
    p->paused = paused;
    if (!paused)
        peer_soon(p);
}

void peer_refeed(struct peer *p, uint64_t seq, const char *groups)
{
    if (!p->open)
        return;
    free(p->only);
    p->only = groups != NULL ? xstrdup(groups) : NULL;
    p->only_to = peer_settled_to(p);
    cursor_move(&p->cursor, seq < p->f->live ? seq : p->f->live);
    go_to(p, p->cursor.next, "refeed");
}
