/* peer_conns.c - a peer's connections.  See peer_conns.h.
 *
 *     work waits ─▶ name service (on the lane) ─▶ connect ─▶ ... ─▶ gone
 *         ▲                                                      │ trouble
 *         └─────────── pause: 1 s, 2 s, 4 s ... 5 min ◀──────────┘
 *
 * One more connection that the peer will not have, while others stand, is no
 * trouble of these: it has a pause of its own, of 1 min, 2 min ... 1 h.
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
#define MORE_LEAST   (60 * SECOND)
#define MORE_MOST    (3600 * SECOND)
#define SHORT_LIFE   SECOND               /* a connection that ends sooner is trouble       */
#define IDLE_EXTRA   (60 * SECOND)        /* all connections but the last                   */
#define IDLE_LAST    (600 * SECOND)
#define IDLE_POST    (15 * SECOND)            /* a newsreader does not hang about            */

void peer_error(struct peer *p, const char *what)
{
    snprintf(p->last_error, sizeof p->last_error, "%s", what);
    p->last_error_us = clock_now_us();
}

/* Twice as long as the last time; when that will be over, give or take a fifth. */
static int64_t longer(int64_t *wait_us, int64_t least, int64_t most)
{
    uint8_t r;

    random_bytes(&r, 1);
    *wait_us = *wait_us == 0 ? least : *wait_us * 2 < most ? *wait_us * 2 : most;
    return clock_mono_us() + *wait_us * (206 + r * 100 / 255) / 256;
}

static void back_off(struct peer *p)
{
    if (p->dead_us == 0 && p->n_conns == 0)
        p->dead_us = clock_now_us();
    p->next_try_us = longer(&p->wait_us, SECOND, WAIT_MOST);
}

/* A connection did not come to its first answer. */
static void not_reached(struct peer *p, const char *why)
{
    p->n_dials++;                             /* another address after each failure */
    peer_error(p, why);
    if (p->n_conns > 0)
        p->more_try_us = longer(&p->more_wait_us, MORE_LEAST, MORE_MOST);
    else
        back_off(p);
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
        not_reached(p, to != NULL ? e.text : why);
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
    return now >= p->next_try_us && now >= p->hold_us && (p->n_conns == 0 || now >= p->more_try_us);
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
    p->wait_us = p->more_wait_us = 0;
    p->next_try_us = p->more_try_us = 0;
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
    TAILQ_REMOVE(&p->conns, c, link);
    p->n_conns--;
    if (!trouble && c->state != CONN_CLOSING && clock_mono_us() - c->opened_us < SHORT_LIFE)
        trouble = true;
    if (trouble && (!c->was_ready || (c->answers == 0 && p->n_conns > 0))) {
        not_reached(p, why);
    } else if (trouble) {
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
