/* resolve.c - the resolver's thread.  See resolve.h.
 *
 * Every round makes a new, immutable struct names.  A round is due every five
 * minutes, a minute after one with failures, and when the configuration changed.
 */
#include "nntpd/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define ROUND_US      (300 * INT64_C(1000000))
#define AGAIN_US      (60 * INT64_C(1000000))
#define ADDRESSES_MOST 32

struct resolve {
    struct lock lock;              /* guards all below but 'changed', 'arg', 'thread'           */
    struct cond wake, done;
    const struct conf *conf;
    struct names *names;
    uint64_t asked, answered;      /* rounds wanted by resolve_conf, and done                   */
    bool stop;
    resolve_fn *changed;
    void *arg;
    pthread_t thread;
};

static bool is_literal(const char *address)
{
    struct net_cidr c;

    return net_cidr_read(address, &c) == 0;
}

/* Ask for one name.  Return how many addresses, or -1. */
static int ask(const char *name, struct net_addr *out)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
    int n = 0, rc = getaddrinfo(name, NULL, &hints, &list);

    if (rc != 0) {
        log_msg(LOG_WARNING, "peer address %s: %s", name, gai_strerror(rc));
        return -1;
    }
    for (struct addrinfo *a = list; a != NULL && n < ADDRESSES_MOST; a = a->ai_next) {
        if (a->ai_addrlen > sizeof out[n].sa)
            continue;
        memset(&out[n], 0, sizeof out[n]);
        memcpy(&out[n].sa, a->ai_addr, a->ai_addrlen);
        out[n++].len = a->ai_addrlen;
    }
    freeaddrinfo(list);
    return n;
}

/* One name into the new table; the old answer when there is no new one.  false: it failed. */
static bool ask_into(struct names *to, const struct names *from, const char *name)
{
    struct net_addr v[ADDRESSES_MOST];
    const struct name_addresses *old = names_get(from, span_of(name));
    int n;

    if (names_get(to, span_of(name)) != NULL)
        return true;
    if ((n = ask(name, v)) >= 0)
        names_put(to, span_of(name), v, (size_t)n);
    else if (old != NULL)
        names_put(to, span_of(name), old->v, old->n);
    return n >= 0;
}

static bool same(const struct names *a, const struct names *b)
{
    size_t at = 0;
    struct span key;
    void *v;

    if (map_count(a->map) != map_count(b->map))
        return false;
    while (map_next(a->map, &at, &key, &v)) {
        const struct name_addresses *x = v, *y = names_get(b, key);

        if (y == NULL || x->n != y->n || memcmp(x->v, y->v, x->n * sizeof *x->v) != 0)
            return false;
    }
    return true;
}

/* Ask for all names.  Called without the lock.  true: all were answered. */
static bool one_round(struct resolve *r, const struct conf *c)
{
    struct names *old = resolve_names(r), *now = names_new();
    bool good = true, changed;

    for (size_t i = 0; i < c->n_peer; i++)
        for (size_t j = 0; c->peer[i].accept && j < c->peer[i].address.n; j++)
            if (!is_literal(c->peer[i].address.v[j]))
                good &= ask_into(now, old, c->peer[i].address.v[j]);
    changed = !same(now, old);
    names_unref(&old);
    if (changed) {
        lock_get(&r->lock);
        names_unref(&r->names);
        r->names = names_ref(now);
        lock_put(&r->lock);
        r->changed(names_ref(now), r->arg);
    }
    names_unref(&now);
    return good;
}

static void *run(void *arg)
{
    struct resolve *r = arg;
    int64_t wait_us = ROUND_US;

    lock_get(&r->lock);
    while (!r->stop) {
        uint64_t asked = r->asked;
        const struct conf *c = r->conf;

        if (c != NULL) {
            lock_put(&r->lock);
            wait_us = one_round(r, c) ? ROUND_US : AGAIN_US;
            lock_get(&r->lock);
            r->answered = asked;
            cond_broadcast(&r->done);
        }
        if (!r->stop && r->asked == asked)
            cond_wait_us(&r->wake, &r->lock, wait_us);
    }
    lock_put(&r->lock);
    return NULL;
}

struct resolve *resolve_new(resolve_fn *changed, void *arg)
{
    struct resolve *r = xcalloc(1, sizeof *r);

    lock_init(&r->lock, "nntpd.resolve");
    cond_init(&r->wake);
    cond_init(&r->done);
    r->names = names_new();
    r->changed = changed;
    r->arg = arg;
    thread_start(&r->thread, "resolve", run, r);
    return r;
}

void resolve_conf(struct resolve *r, const struct conf *c)
{
    lock_get(&r->lock);
    r->conf = c;
    r->asked++;
    cond_signal(&r->wake);
    lock_put(&r->lock);
}

struct names *resolve_names(struct resolve *r)
{
    struct names *n;

    lock_get(&r->lock);
    n = names_ref(r->names);
    lock_put(&r->lock);
    return n;
}

void resolve_wait(struct resolve *r, int64_t most_us)
{
    int64_t end = clock_mono_us() + most_us, left;

    lock_get(&r->lock);
    while (r->answered < r->asked && (left = end - clock_mono_us()) > 0)
        cond_wait_us(&r->done, &r->lock, left);
    lock_put(&r->lock);
}

void resolve_free(struct resolve **r)
{
    if (*r == NULL)
        return;
    lock_get(&(*r)->lock);
    (*r)->stop = true;
    cond_signal(&(*r)->wake);
    lock_put(&(*r)->lock);
    pthread_join((*r)->thread, NULL);
    names_unref(&(*r)->names);
    cond_fini(&(*r)->wake);
    cond_fini(&(*r)->done);
    lock_fini(&(*r)->lock);
    free(*r);
    *r = NULL;
}
