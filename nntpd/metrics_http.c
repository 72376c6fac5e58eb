/* metrics_http.c - libevent's HTTP server on a thread of its own.  See metrics_http.h. */
#include "nntpd/metrics_http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/lock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/prom.h"
#include "lib/work.h"

#define REQUEST_MOST 4096
#define REQUEST_S    5
#define BACKLOG      16

struct metrics_http {
    struct nntpd *n;
    struct event_base *base;
    struct evhttp *http;
    struct mailbox *home;
    pthread_t thread;
    bool running;
    struct evconnlistener *ear[2];       /* "*" makes two */
    int n_ear;
    struct event *again;
    int64_t said_us;                     /* net_must_rest's */
};

/* The one that this thread runs: libevent's error callback is given nothing of ours. */
static _Thread_local struct metrics_http *running;

struct stop_mail { struct mail mail; struct metrics_http *h; };

static void on_metrics(struct evhttp_request *r, void *arg)
{
    struct metrics_http *h = arg;
    struct evbuffer *body;
    struct buf text = { 0 };

    if (evhttp_request_get_command(r) != EVHTTP_REQ_GET && evhttp_request_get_command(r) != EVHTTP_REQ_HEAD) {
        evhttp_add_header(evhttp_request_get_output_headers(r), "Allow", "GET, HEAD");
        evhttp_send_error(r, HTTP_BADMETHOD, NULL);
        return;
    }
    body = evbuffer_new();
    need(body != NULL);
    nntpd_metrics(h->n, &text);
    need(evbuffer_add(body, buf_data(&text), buf_len(&text)) == 0);
    evhttp_add_header(evhttp_request_get_output_headers(r), "Content-Type", PROM_TYPE);
    evhttp_send_reply(r, HTTP_OK, "OK", body);
    evbuffer_free(body);
    buf_fini(&text);
}

static void on_other(struct evhttp_request *r, void *arg)
{
    (void)arg;
    evhttp_send_error(r, HTTP_NOTFOUND, NULL);
}

static void on_stop(struct mail *m)
{
    struct stop_mail *s = (struct stop_mail *)m;

    event_base_loopexit(s->h->base, NULL);
    free(s);
}

static void *run(void *arg)
{
    struct metrics_http *h = arg;

    running = h;
    event_base_loop(h->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    struct metrics_http *h = arg;

    (void)fd, (void)what;
    for (int i = 0; i < h->n_ear; i++)
        evconnlistener_enable(h->ear[i]);
}

/* Left to itself libevent asks again at once, for ever, and writes a line each time. */
static void on_accept_error(struct evconnlistener *listener, void *theirs)
{
    static const struct timeval pause = { .tv_sec = NET_REST_MS / 1000 };
    struct metrics_http *h = running;

    (void)listener, (void)theirs;
    if (h == NULL || !net_must_rest("metrics-listen", errno, &h->said_us))
        return;
    for (int i = 0; i < h->n_ear; i++)
        evconnlistener_disable(h->ear[i]);
    event_add(h->again, &pause);
}

static int listen_on(struct metrics_http *h, const struct net_addr *a, uint16_t *port, struct err *e)
{
    char text[NET_TEXT_MAX];
    struct evhttp_bound_socket *bound;
    int fd = net_listen(a, BACKLOG, e);

    if (fd < 0)
        return -1;
    *port = net_bound(fd);
    if ((bound = evhttp_accept_socket_with_handle(h->http, fd)) == NULL) {
        close(fd);
        return err_set(e, "libevent does not take the socket");
    }
    h->ear[h->n_ear] = evhttp_bound_socket_get_listener(bound);
    evconnlistener_set_error_cb(h->ear[h->n_ear++], on_accept_error);
    log_msg(LOG_NOTICE, "metrics: http://%s:%u/metrics", net_text((const struct sockaddr *)&a->sa, text), *port);
    return 0;
}

/* "*": both families on one port, as far as the machine has both. */
static int listen_all(struct metrics_http *h, const char *address, struct err *e)
{
    struct net_addr a, six;
    uint16_t port;
    bool both;

    if (net_addr_read(address, &a, &both, e) != 0 || listen_on(h, &a, &port, e) != 0)
        return -1;
    if (both && net_literal("::", port, &six) == 0)
        return listen_on(h, &six, &port, e);
    return 0;
}

struct metrics_http *metrics_http_open(struct nntpd *n, const char *address, struct err *e)
{
    struct metrics_http *h = xcalloc(1, sizeof *h);

    h->n = n;
    h->base = event_base_new();
    need(h->base != NULL);
    h->http = evhttp_new(h->base);
    need(h->http != NULL);
    evhttp_set_max_headers_size(h->http, REQUEST_MOST);
    evhttp_set_max_body_size(h->http, 0);
    evhttp_set_timeout(h->http, REQUEST_S);
    evhttp_set_cb(h->http, "/metrics", on_metrics, h);
    evhttp_set_gencb(h->http, on_other, NULL);
    h->home = mailbox_new(h->base);
    h->again = evtimer_new(h->base, on_again, h);
    if (listen_all(h, address, e) != 0) {
        err_prefix(e, "metrics-listen %s", address);
        metrics_http_close(&h);
        return NULL;
    }
    h->running = true;
    thread_start(&h->thread, "metrics", run, h);
    return h;
}

void metrics_http_close(struct metrics_http **http)
{
    struct metrics_http *h = *http;

    if (h == NULL)
        return;
    if (h->running) {
        struct stop_mail *m = xmalloc(sizeof *m);

        *m = (struct stop_mail){ { .deliver = on_stop }, h };
        mailbox_post(h->home, &m->mail);
        pthread_join(h->thread, NULL);
    }
    evhttp_free(h->http);
    event_free(h->again);
    mailbox_free(&h->home);
    event_base_free(h->base);
    free(h);
    *http = NULL;
}
