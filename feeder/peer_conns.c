/* peer_conns.c - a peer's connections.  See peer_conns.h.
 *
 *     work waits ─▶ name service (on the lane) ─▶ connect ─▶ ... ─▶ gone
 *         ▲                                                      │ trouble
 *         └─────────── pause: 1 s, 2 s, 4 s ... 5 min ◀──────────┘
 */
#include "feeder/peer_conns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feeder/conn.h"
#include "feeder/dial.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/siphash.h"

#define SECOND       INT64_C(1000000)
#define WAIT_MOST    (300 * SECOND)
#define SHORT_LIFE   SECOND               /* a connection that ends sooner is trouble       */
#define IDLE_EXTRA   (60 * SECOND)        /* all connections but the last                   */
#define IDLE_LAST    (600 * SECOND)
#define IDLE_POST    (15 * SECOND)            /* a newsreader does not hang about            */

void peer_error(struct peer *p, const char *what)
{
    snprintf(p->last_error, sizeof p->last_error, "%s", what);
    p->last_error_us = clock_now_us();
}

/* Wait before the next try: twice as long as the last time, give or take a fifth. */
static void back_off(struct peer *p)
{
    uint8_t r;

    random_bytes(&r, 1);
    if (p->dead_us == 0 && p->n_conns == 0)
        p->dead_us = clock_now_us();
    p->wait_us = p->wait_us == 0 ? SECOND : p->wait_us * 2 < WAIT_MOST ? p->wait_us * 2 : WAIT_MOST;
    p->next_try_us = clock_mono_us() + p->wait_us * (206 + r * 100 / 255) / 256;
}

void peer_up(struct peer *p)
{
    p->wait_us = 0;
    p->dead_us = 0;
    p->nonsense = 0;
}

static void open_one(const struct net_addr *to, const struct net_addr *from, const char *why, void *arg)
{
    struct peer *p = arg;
    struct err e = { 0 };
    struct conn *c = to != NULL ? conn_open(p, to, from, &e) : NULL;

    p->dial = NULL;
    if (c == NULL) {
        p->n_dials += to != NULL;             /* another address after each failure */
        peer_error(p, to != NULL ? e.text : why);
        back_off(p);
        return;
    }
    TAILQ_INSERT_TAIL(&p->conns, c, link);
    p->n_conns++;
}

void peer_dial_forget(struct peer *p)
{
    dial_forget(&p->dial);
}

/* How many articles wait for a connection. */
static size_t waiting(const struct peer *p)
{
    return p->n_again + (size_t)(p->tail - p->todo);
}

static bool all_ready(const struct peer *p)
{
    struct conn *c;

    TAILQ_FOREACH(c, &p->conns, link)
        if (!conn_ready(c))
            return false;
    return true;
}

static bool want_connection(const struct peer *p)
{
    int64_t now;

    if (!peer_has_work(p) || p->dial != NULL || p->n_conns >= (p->conf->pull_post ? 1 : (size_t)p->conf->connections))
        return false;
    /* another one when those that stand have more than a window before them */
    if (p->n_conns > 0 && (!all_ready(p) || waiting(p) <= (size_t)p->conf->window))
        return false;
    now = clock_mono_us();
    return now >= p->next_try_us && now >= p->hold_us;
}

void peer_conns_run(struct peer *p)
{
    struct conn *c;

    TAILQ_FOREACH(c, &p->conns, link)
        conn_work(c);
    if (want_connection(p))
        p->dial = dial_begin(p->f, p->conf, p->n_dials, open_one, p);
}

void peer_conns_tick(struct peer *p)
{
    int64_t now = clock_mono_us();
    struct conn *c, *next;

    for (c = TAILQ_FIRST(&p->conns); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (conn_ready(c) && c->n_away == 0 &&
            now - c->busy_us > (c->state == CONN_POST ? IDLE_POST : p->n_conns > 1 ? IDLE_EXTRA : IDLE_LAST))
            conn_quit(c, "nothing to send");
        else
            conn_tick(c, now);
    }
}

void peer_conns_now(struct peer *p)
{
    p->wait_us = 0;
    p->next_try_us = 0;
}

void peer_conns_close(struct peer *p, const char *why)
{
    struct conn *c;

    peer_dial_forget(p);
    while ((c = TAILQ_FIRST(&p->conns)) != NULL)
        conn_close(c, why, false);
    peer_conns_now(p);
}

void peer_conn_gone(struct peer *p, struct conn *c, const char *why, bool trouble)
{
    bool was_ready = conn_ready(c);

    TAILQ_REMOVE(&p->conns, c, link);
    p->n_conns--;
    if (!trouble && c->state != CONN_CLOSING && clock_mono_us() - c->opened_us < SHORT_LIFE)
        trouble = true;
    if (trouble) {
        p->n_dials += !was_ready;
        peer_error(p, why);
        back_off(p);
    }
    /* a peer that is down is told about once, not at every try */
    log_msg(c->was_ready ? LOG_NOTICE : p->wait_us <= SECOND ? LOG_INFO : LOG_DEBUG,
            "%s: connection to %s ended: %s (offered %llu, accepted %llu, refused %llu, rejected %llu, deferred %llu)",
            p->name, c->address, why, (unsigned long long)c->n[N_OFFERED], (unsigned long long)c->n[N_ACCEPTED],
            (unsigned long long)c->n[N_REFUSED], (unsigned long long)c->n[N_REJECTED],
            (unsigned long long)c->n[N_DEFERRED]);
    peer_soon(p);
}

const char *peer_state(const struct peer *p)
{
    const struct conn *c;

    if (!p->open)
        return "stopped";
    if (p->paused)
        return "paused";
    TAILQ_FOREACH(c, &p->conns, link)
        if (conn_ready(c))
            return p->n_away > 0 ? "sending" : "idle";
    if (p->n_conns > 0 || p->dial != NULL)
        return "connecting";
    if (!peer_has_work(p) && p->next < p->f->live && p->conf->delay_us > 0)
        return "holding back";
    return peer_has_work(p) || p->next < p->f->live ? "waiting" : "idle";
}
