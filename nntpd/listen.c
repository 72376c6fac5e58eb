/* listen.c - the listening sockets.  See listen.h. */
#include "nntpd/listen.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define BACKLOG      4096
#define TURN         64                        /* connections taken from one socket at a time */

struct ear {
    struct door  *d;
    int           fd;
    bool          tls;
    struct event *event;
};

struct door {
    struct event_base *base;
    struct ear  **ear;
    size_t        n_ear;
    struct event *again;
    int64_t       said_us;
    door_fn      *fn;
    void         *arg;
};

static void all_ears(struct door *d, bool on)
{
    for (size_t i = 0; i < d->n_ear; i++) {
        if (on)
            event_add(d->ear[i]->event, NULL);
        else
            event_del(d->ear[i]->event);
    }
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    all_ears(arg, true);
}

static void rest(struct door *d)
{
    static const struct timeval pause = { .tv_sec = NET_REST_MS / 1000 };

    all_ears(d, false);
    event_add(d->again, &pause);
}

static void on_knock(evutil_socket_t fd, short what, void *arg)
{
    struct ear *ear = arg;

    (void)what;
    for (int i = 0; i < TURN; i++) {
        struct net_addr from = { .len = sizeof from.sa };
        int conn = accept4((int)fd, (struct sockaddr *)&from.sa, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (conn >= 0) {
            ear->d->fn(conn, &from, ear->tls, ear->d->arg);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (net_must_rest("listen", errno, &ear->d->said_us)) {
            rest(ear->d);
            return;
        }                                      /* else: that one has gone already */
    }
}

/* What an operator can do about it. */
static const char *hint(int error, uint16_t port)
{
    if (error == EACCES && port < 1024)
        return " (below port 1024 that is for root, or by CAP_NET_BIND_SERVICE: nntpd(8))";
    if (error == EADDRINUSE)
        return " (by whom, says: ss -ltnp)";
    if (error == EADDRNOTAVAIL)
        return " (this machine has no such address, or not yet)";
    return "";
}

static int add(struct door *d, const struct net_addr *a, bool tls, struct err *e)
{
    char text[NET_TEXT_MAX];
    struct ear *ear;
    int fd = net_listen(a, BACKLOG, e);

    if (fd < 0) {
        struct err why = *e;

        err_set(e, "%s%s", why.text, hint(why.sys, net_port((const struct sockaddr *)&a->sa)));
        e->sys = why.sys;
        return -1;
    }
    ear = xcalloc(1, sizeof *ear);
    ear->d = d;
    ear->fd = fd;
    ear->tls = tls;
    ear->event = event_new(d->base, fd, EV_READ | EV_PERSIST, on_knock, ear);
    d->ear = xrealloc(d->ear, (d->n_ear + 1) * sizeof *d->ear);
    d->ear[d->n_ear++] = ear;
    log_msg(LOG_NOTICE, "listening on %s port %u%s", net_text((const struct sockaddr *)&a->sa, text), net_bound(fd),
            tls ? ", TLS" : "");
    return 0;
}

/* "*": both families on one port. */
static int add_both(struct door *d, struct net_addr *a, bool tls, struct err *e)
{
    uint16_t port = net_port((const struct sockaddr *)&a->sa);
    struct net_addr six;

    if (add(d, a, tls, e) != 0)
        return -1;
    if (net_literal("::", port != 0 ? port : net_bound(d->ear[d->n_ear - 1]->fd), &six) != 0)
        return 0;
    return add(d, &six, tls, e);
}

static int add_one(struct door *d, const struct conf_listen *l, struct err *e)
{
    struct net_addr a;
    bool both;

    if (net_addr_read(l->address, &a, &both, e) != 0)
        return -1;
    return both ? add_both(d, &a, l->tls, e) : add(d, &a, l->tls, e);
}

struct door *door_open(struct event_base *base, const struct conf *c, door_fn *fn, void *arg, struct err *e)
{
    struct door *d = xcalloc(1, sizeof *d);

    d->base = base;
    d->fn = fn;
    d->arg = arg;
    d->again = evtimer_new(base, on_again, d);
    for (size_t i = 0; i < c->n_listen; i++) {
        if (add_one(d, &c->listen[i], e) != 0) {
            err_prefix(e, "listen \"%s\"", c->listen[i].address);
            door_close(&d);
            return NULL;
        }
    }
    all_ears(d, true);
    return d;
}

void door_close(struct door **d)
{
    if (*d == NULL)
        return;
    for (size_t i = 0; i < (*d)->n_ear; i++) {
        event_free((*d)->ear[i]->event);
        close((*d)->ear[i]->fd);
        free((*d)->ear[i]);
    }
    free((*d)->ear);
    event_free((*d)->again);
    free(*d);
    *d = NULL;
}
