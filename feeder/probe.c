/* probe.c - a probe's life: names, connection, end.  See probe.h. */
#include "feeder/probe_int.h"

#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/rpc.h"

#define SILENT_US (12 * INT64_C(1000000))      /* of one address, or one answer */

/* ---- what is told ---- */

void probe_row(struct probe *p, const char *step, enum probe_result r, const char *fmt, ...)
{
    static const char *const words[] = { "ok", "note", "FAIL" };
    char text[PROBE_SAYS], ms[32];
    int64_t now = clock_mono_us();
    struct buf out = { 0 };
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(ms, sizeof ms, "%lld", (long long)((now - p->step_us) / 1000));
    p->step_us = now;
    rpc_fields(&out, "R", step, words[r], ms, text, NULL);
    p->fn(buf_span(&out), false, p->arg);
    buf_fini(&out);
}

static void end(struct probe *p, struct buf *last)
{
    probe_fn *fn = p->fn;
    void *arg = p->arg;
    struct buf out = { 0 };

    buf_add_span(&out, buf_span(&p->ours));
    buf_add_span(&out, buf_span(last));
    buf_fini(last);
    probe_free(&p);
    fn(buf_span(&out), true, arg);
    buf_fini(&out);
}

void probe_fail(struct probe *p, const char *step, const char *fmt, ...)
{
    struct buf last = { 0 };
    char text[PROBE_SAYS];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    probe_row(p, step, PROBE_BAD, "%s", text);
    rpc_error(&last, "%s: %s: %s", p->name, step, text);
    end(p, &last);
}

void probe_done(struct probe *p)
{
    struct buf last = { 0 };

    rpc_ok(&last, "%s: all is well: %s", p->name, p->summary);
    end(p, &last);
}

/* ---- the name service ---- */

static void ask_free(struct ask *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->q[i].name);
    free(a->cidr);
    free(a);
}

static void run_ask(struct job *j)
{
    struct ask *a = (struct ask *)j;

    for (size_t i = 0; i < a->n && !atomic_load(&a->off); i++) {
        struct addrinfo hints = { .ai_family = i == 0 ? a->family : AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                                  .ai_flags = AI_NUMERICSERV };
        struct addrinfo *list = NULL;
        struct asked *q = &a->q[i];

        q->rc = getaddrinfo(q->name, a->port, &hints, &list);
        for (struct addrinfo *x = q->rc == 0 ? list : NULL; x != NULL && q->n < PROBE_ADDRESSES; x = x->ai_next) {
            memcpy(&q->v[q->n].sa, x->ai_addr, x->ai_addrlen);
            q->v[q->n++].len = x->ai_addrlen;
        }
        if (list != NULL)
            freeaddrinfo(list);
    }
}

static void ask_done(struct mail *m)
{
    struct ask *a = (struct ask *)m;
    struct probe *p = a->probe;

    if (p != NULL) {
        p->ask = NULL;
        p->n_to = a->q[0].n;
        memcpy(p->to, a->q[0].v, sizeof p->to);
        if (probe_tell_names(p, a))
            probe_next_address(p, NULL);
    }
    ask_free(a);
}

/* The host and the port of "host:port" or "[address]:port". */
static char *split_connect(const char *connect, char port[8])
{
    const char *colon = strrchr(connect, ':');
    size_t n = (size_t)(colon - connect);

    if (n >= 2 && connect[0] == '[')
        connect++, n -= 2;
    snprintf(port, 8, "%s", colon + 1);
    return xasprintf("%.*s", (int)n, connect);
}

static void ask_new(struct probe *p, const struct conf_peer *c)
{
    struct ask *a = xcalloc(1, sizeof *a);
    struct net_addr from;

    a->probe = p;
    a->job.run = run_ask;
    a->job.mail.deliver = ask_done;
    a->job.home = p->f->home;
    p->host = split_connect(c->connect, a->port);
    a->q[a->n++].name = xstrdup(p->host);
    a->family = c->source != NULL && net_literal(c->source, 0, &from) == 0 ? from.sa.ss_family : AF_UNSPEC;
    a->cidr = xcalloc(c->address.n + 1, sizeof *a->cidr);
    for (size_t i = 0; i < c->address.n; i++) {
        if (net_cidr_read(c->address.v[i], &a->cidr[a->n_cidr]) == 0)
            a->n_cidr++;
        else if (a->n <= PROBE_NAMES)
            a->q[a->n++].name = xstrdup(c->address.v[i]);
    }
    p->ask = a;
}

/* ---- the connection ---- */

static bool open_next(struct probe *p, struct err *e)
{
    const struct net_addr *to = &p->to[p->at_to];
    struct net_addr from;
    bool bound = p->source != NULL && net_literal(p->source, 0, &from) == 0;

    p->stream = stream_connect(p->f->base, (const struct sockaddr *)&to->sa, to->len,
                               bound ? (const struct sockaddr *)&from.sa : NULL, bound ? from.len : 0,
                               probe_on_stream, p, e);
    if (p->stream == NULL)
        return false;
    stream_set_in_most(p->stream, 64 << 10);
    stream_set_timeout(p->stream, SILENT_US);
    return true;
}

void probe_next_address(struct probe *p, const char *trouble)
{
    struct err e = { 0 };
    char at[NET_TEXT_MAX];

    p->stage = PROBE_CONNECTING;
    for (;; trouble = e.text) {
        if (trouble != NULL) {
            const struct sockaddr *sa = (const struct sockaddr *)&p->to[p->at_to++].sa;

            net_text(sa, at);
            if (p->at_to == p->n_to) {
                probe_fail(p, "connect", "%s port %u: %s", at, net_port(sa), trouble);
                return;
            }
            probe_row(p, "connect", PROBE_NOTE, "%s port %u: %s; its next address is tried", at, net_port(sa), trouble);
        }
        stream_free(&p->stream);
        if (open_next(p, &e))
            return;
    }
}

/* ---- life ---- */

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct probe *p = arg;
    struct buf out = { 0 };

    (void)fd, (void)what;
    rpc_fields(&out, "C", "step", "result", "ms", "says", NULL);
    p->fn(buf_span(&out), false, p->arg);
    buf_fini(&out);
    if (p->ask != NULL) {
        p->asked = true;
        lane_send(p->f->probe_lane, &p->ask->job);
    } else {
        probe_fail(p, "names", "no place to connect to is known: the block has no connect, and its first address is a network");
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct probe *p = arg;
    const char *step = probe_step(p);

    (void)fd, (void)what;
    if (p->stage >= PROBE_CAPABILITIES) {          /* the rest does not matter to feeding */
        probe_row(p, step, PROBE_NOTE, "no end of it within %d s", (int)(PROBE_US / 1000000));
        probe_done(p);
    } else {
        probe_fail(p, step, "no end of it within %d s", (int)(PROBE_US / 1000000));
    }
}

static char *copy(const char *s)
{
    return s != NULL ? xstrdup(s) : NULL;
}

struct probe *probe_new(struct feeder *f, const struct conf_peer *c, probe_fn *fn, void *arg)
{
    struct probe *p = xcalloc(1, sizeof *p);
    struct timeval most = { PROBE_US / 1000000, 0 };

    p->f = f;
    p->fn = fn;
    p->arg = arg;
    p->name = xstrdup(c->name);
    p->connect = copy(c->connect);
    p->source = copy(c->source);
    p->fingerprint = copy(c->fingerprint);
    p->user = copy(c->login_as);
    p->password = copy(c->login_password);
    p->tls_verify = c->tls_verify;
    p->show_certificate = c->show_certificate;
    p->wants = (struct hello_wants){
        .starttls = c->tls == CONF_TLS_STARTTLS, .encrypted = c->tls == CONF_TLS_YES, .user = p->user, .password = p->password,
        .cleartext = c->cleartext_login, .compress = c->compress, .streaming = c->streaming,
        .reader = c->pull.n > 0 && !c->send,
    };
    p->sends = c->send;
    p->step_us = clock_mono_us();
    if (c->connect != NULL)
        ask_new(p, c);
    probe_ours(f, c, &p->ours);
    need(event_assign(&p->turn, f->base, -1, 0, on_turn, p) == 0);
    need(evtimer_assign(&p->deadline, f->base, on_deadline, p) == 0);
    event_add(&p->deadline, &most);
    event_active(&p->turn, EV_TIMEOUT, 1);
    return p;
}

void probe_free(struct probe **probe)
{
    struct probe *p = *probe;

    if (p == NULL)
        return;
    event_del(&p->turn);
    event_del(&p->deadline);
    if (p->ask != NULL && p->asked) {
        p->ask->probe = NULL;                  /* it is the lane's */
        atomic_store(&p->ask->off, true);
    } else if (p->ask != NULL) {
        ask_free(p->ask);
    }
    stream_free(&p->stream);
    if (p->password != NULL)
        explicit_bzero(p->password, strlen(p->password));
    free(p->name);
    free(p->connect);
    free(p->host);
    free(p->source);
    free(p->fingerprint);
    free(p->user);
    free(p->password);
    buf_fini(&p->words);
    buf_fini(&p->ours);
    free(p);
    *probe = NULL;
}
