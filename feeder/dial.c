/* dial.c - reach a peer as its block says.  See dial.h. */
#include "feeder/dial.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feeder/peer.h"
#include "lib/log.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/tls.h"

#define ADDRESSES 8

/* What the name service said last. */
struct known { size_t n; struct net_addr v[ADDRESSES]; };

/* A question to the name service. */
struct dial {
    struct job      job;
    struct feeder  *f;
    dial_fn        *fn;                   /* NULL: nobody waits any more                    */
    void           *arg;
    char            host[256], port[8];
    unsigned        turn;
    int             family;
    struct net_addr from;                 /* len 0: any                                     */
    struct net_addr to[ADDRESSES];
    size_t          n;
    int             rc;
};

/* The host of "host:port" or "[address]:port". */
static char *host_of(const char *connect)
{
    const char *colon = strrchr(connect, ':');
    size_t n = colon != NULL ? (size_t)(colon - connect) : strlen(connect);

    if (n >= 2 && connect[0] == '[' && connect[n - 1] == ']')
        connect++, n -= 2;
    return xasprintf("%.*s", (int)n, connect);
}

static void run_dial(struct job *j)
{
    struct dial *d = (struct dial *)j;
    struct addrinfo hints = { .ai_family = d->family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *list = NULL;

    d->rc = getaddrinfo(d->host, d->port, &hints, &list);
    for (struct addrinfo *a = d->rc == 0 ? list : NULL; a != NULL && d->n < ADDRESSES; a = a->ai_next) {
        memcpy(&d->to[d->n].sa, a->ai_addr, a->ai_addrlen);
        d->to[d->n++].len = a->ai_addrlen;
    }
    if (list != NULL)
        freeaddrinfo(list);
}

static void answer(struct dial *d)
{
    char why[400];

    snprintf(why, sizeof why, "%s: %s", d->host, d->n > 0 ? "" : gai_strerror(d->rc));
    if (d->fn != NULL)
        d->fn(d->n > 0 ? &d->to[d->turn % d->n] : NULL, d->from.len > 0 ? &d->from : NULL, why, d->arg);
    free(d);
}

/* A name service that is down keeps nobody from a peer that it has told of: what is known stays, as at the door
 * (nntpd/resolve.c).  Families differ by 'source'. */
static void remember(struct dial *d)
{
    char *key = xasprintf("%d %s %s", d->family, d->host, d->port);
    struct known *k;

    if (d->n > 0) {
        k = xmalloc(sizeof *k);
        k->n = d->n;
        memcpy(k->v, d->to, sizeof k->v);
        free(map_put(d->f->known, span_of(key), k));
    } else if ((k = map_get(d->f->known, span_of(key))) != NULL) {
        log_msg(LOG_INFO, "%s: %s; the addresses that it had are tried", d->host, gai_strerror(d->rc));
        memcpy(d->to, k->v, sizeof k->v);
        d->n = k->n;
    }
    free(key);
}

static void dial_done(struct mail *m)
{
    struct dial *d = (struct dial *)m;

    remember(d);
    answer(d);
}

void dial_fini(struct feeder *f)
{
    struct span key;
    size_t at = 0;
    void *v;

    while (map_next(f->known, &at, &key, &v))
        free(v);
    map_free(&f->known);
}

struct dial *dial_begin(struct feeder *f, const struct conf_peer *conf, unsigned turn, dial_fn *fn, void *arg)
{
    struct dial *d = xcalloc(1, sizeof *d);
    char *host = host_of(conf->connect);

    d->f = f;
    d->fn = fn;
    d->arg = arg;
    d->turn = turn;
    snprintf(d->host, sizeof d->host, "%s", host);
    snprintf(d->port, sizeof d->port, "%s", strrchr(conf->connect, ':') + 1);
    free(host);
    if (conf->source == NULL || net_literal(conf->source, 0, &d->from) != 0)
        d->from.len = 0;
    if (net_literal(d->host, (uint16_t)atoi(d->port), &d->to[0]) == 0) {
        d->n = 1;
        answer(d);
        return NULL;
    }
    d->family = d->from.len > 0 ? d->from.sa.ss_family : AF_UNSPEC;
    d->job.run = run_dial;
    d->job.mail.deliver = dial_done;
    d->job.home = f->home;
    lane_send(f->lane, &d->job);
    return d;
}

void dial_forget(struct dial **d)
{
    if (*d != NULL)
        (*d)->fn = NULL;
    *d = NULL;
}

int dial_tls(struct feeder *f, const struct conf_peer *p, struct stream *s, struct err *e)
{
    struct tls *tls = p->show_certificate ? f->tls : f->tls_bare;
    char *host = host_of(p->connect);
    struct tls_want want = {
        .verify = p->fingerprint != NULL ? TLS_VERIFY_PRINT : p->tls_verify ? TLS_VERIFY_NAME : TLS_VERIFY_NONE,
        .name = host, .print = p->fingerprint,
    };
    int rc = tls != NULL ? tls_begin_client(s, tls, &want, e) : err_set(e, "TLS is not to be had here");

    free(host);
    return rc;
}

struct hello_wants dial_wants(const struct conf_peer *p, bool reader)
{
    return (struct hello_wants){
        .starttls = p->tls == CONF_TLS_STARTTLS, .encrypted = p->tls == CONF_TLS_YES,
        .user = p->login_as, .password = p->login_password, .cleartext = p->cleartext_login,
        .compress = p->compress, .streaming = p->streaming, .reader = reader,
    };
}
