/* follow.c - the live end of the log.  See follow.h. */
#include "feeder/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define RECORDS_A_TURN 500                /* then replies and other peers have their turn */
#define TELL_US (60 * INT64_C(1000000))

struct follow {
    struct feeder *f;
    struct log_reader *reader;
    struct event *wake, *poll, *more;
    uint8_t *why;
    size_t   room;
    int64_t  told_us;
    void (*parent_gone)(void *);
    void *arg;
};

static void deliver(struct follow *l, const struct record *r, const struct log_pos *pos)
{
    struct feeder *f = l->f;

    if (l->room < f->n_peer) {
        l->room = f->n_peer;
        l->why = xrealloc(l->why, l->room);
    }
    if (f->n_peer > 0)
        (void)offer_all(f->offer, r, l->why);
    f->live = r->seq + 1;
    for (size_t i = 0; i < f->n_peer; i++)
        peer_live(f->peer[i], r, pos, (enum offer_why)l->why[i]);
}

static void trouble(struct follow *l, const char *why)
{
    if (l->told_us != 0 && clock_mono_us() - l->told_us < TELL_US)
        return;
    l->told_us = clock_mono_us();
    log_msg(LOG_ERROR, "the log cannot be read at %llu: %s", (unsigned long long)l->f->live, why);
}

/* A place that cannot be read is left to the peers' own readers, which are
 * patient: this one goes on with the next segment, if there is one. */
static void read_on(struct follow *l)
{
    struct record r;
    struct log_pos pos;
    struct err e;
    int rc = 1;

    if (l->reader == NULL)
        l->reader = log_reader_new(l->f->log, l->f->live);
    for (int i = 0; i < RECORDS_A_TURN && (rc = log_reader_next(l->reader, &r, &pos, &e)) == 1; i++)
        deliver(l, &r, &pos);
    if (rc < 0) {
        trouble(l, e.text);
        if (log_reader_skip(l->reader, &e) == 1)
            rc = 1;
    }
    if (rc == 1)
        event_active(l->more, EV_TIMEOUT, 1);
}

static void on_more(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    read_on(arg);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct follow *l = arg;
    char bytes[256];
    ssize_t n;

    (void)what;
    while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        ;
    if (n == 0) {
        event_del(l->wake);
        l->parent_gone(l->arg);
        return;
    }
    read_on(l);
}

bool follow_parent_is_gone(int wake)
{
    return send(wake, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
           (errno == ECONNREFUSED || errno == ECONNRESET || errno == EPIPE || errno == ENOTCONN);
}

struct follow *follow_new(struct feeder *f, int wake, void (*parent_gone)(void *), void *arg)
{
    struct follow *l = xcalloc(1, sizeof *l);
    struct timeval often = { 0, wake >= 0 ? 900000 : 100000 };

    l->f = f;
    l->parent_gone = parent_gone;
    l->arg = arg;
    l->more = event_new(f->base, -1, 0, on_more, l);
    l->poll = event_new(f->base, -1, EV_PERSIST, on_more, l);
    event_add(l->poll, &often);
    if (wake >= 0) {
        l->wake = event_new(f->base, wake, EV_READ | EV_PERSIST, on_wake, l);
        event_add(l->wake, NULL);
    }
    read_on(l);
    return l;
}

void follow_free(struct follow **follow)
{
    struct follow *l = *follow;

    if (l == NULL)
        return;
    log_reader_free(&l->reader);
    event_free(l->more);
    event_free(l->poll);
    if (l->wake != NULL)
        event_free(l->wake);
    free(l->why);
    free(l);
    *follow = NULL;
}
