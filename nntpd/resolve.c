/* resolve.c - the resolver's thread.  See resolve.h.
 *
 * Every round makes a new, immutable struct names.  A round is due every five
 * minutes, a minute after one with failures, and when the configuration changed.
 *
 * A name server that is down costs many seconds a name.  So what a slow round has
 * found so far is told every second: nobody waits at the door for another's name.
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

#ifndef ROUND_US                               /* a test is less patient                 */
#define ROUND_US      (300 * INT64_C(1000000))
#define AGAIN_US      (60 * INT64_C(1000000))
#endif
#define TELL_US       INT64_C(1000000)         /* of a round's answers, while it goes on */
#define ADDRESSES_MOST 32

struct resolve {
    struct lock lock;              /* guards all below but 'changed', 'arg', 'thread'           */
    struct cond wake, done;
    const struct conf *conf;
    struct names *names;
    _Atomic uint64_t asked;        /* rounds wanted by resolve_conf                             */
    uint64_t answered;             /* and done                                                  */
    _Atomic bool stop;
    resolve_fn *changed;
    void *arg;
    pthread_t thread;
    struct map *failing;           /* the thread's own: names that had no answer last time, told once */
};

static bool is_literal(const char *address)
{
    struct net_cidr c;

    return net_cidr_read(address, &c) == 0;
}

static int by_octets(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct net_addr));
}

/* Sorted, each once: name servers turn their answers round, and that is no news. */
static int sort(struct net_addr *v, int n)
{
    int kept = 0;

    qsort(v, (size_t)n, sizeof *v, by_octets);
    for (int i = 0; i < n; i++)
        if (kept == 0 || by_octets(&v[kept - 1], &v[i]) != 0)
            v[kept++] = v[i];
    return kept;
}

/* Ask for one name.  Return how many addresses, or -1. */
static int ask(struct resolve *r, const char *name, struct net_addr *out)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
    int n = 0, rc = getaddrinfo(name, NULL, &hints, &list);

    if (rc != 0) {
        if (map_put(r->failing, span_of(name), r) == NULL)
            log_msg(LOG_WARNING, "peer address %s: %s (asked again every minute)", name, gai_strerror(rc));
        return -1;
    }
    if (map_del(r->failing, span_of(name)) != NULL)
        log_msg(LOG_NOTICE, "peer address %s: resolves again", name);
    for (struct addrinfo *a = list; a != NULL && n < ADDRESSES_MOST; a = a->ai_next) {
        if (a->ai_addrlen > sizeof out[n].sa)
            continue;
        memset(&out[n], 0, sizeof out[n]);
        memcpy(&out[n].sa, a->ai_addr, a->ai_addrlen);
        out[n++].len = a->ai_addrlen;
    }
    freeaddrinfo(list);
    return sort(out, n);
}

/* One name into the table: what is known stays when there is no answer.  false: it failed. */
static bool ask_into(struct resolve *r, struct names *to, const char *name)
{
    struct net_addr v[ADDRESSES_MOST];
    int n = ask(r, name, v);

    if (n >= 0)
        names_put(to, span_of(name), v, (size_t)n);
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

/* The names that the peers of 'c' are known by, each once. */
static struct map *wanted(const struct conf *c)
{
    struct map *m = map_new();

    for (size_t i = 0; i < c->n_peer; i++)
        for (size_t j = 0; c->peer[i].accept && j < c->peer[i].address.n; j++)
            if (!is_literal(c->peer[i].address.v[j]))
                map_put(m, span_of(c->peer[i].address.v[j]), c->peer[i].address.v[j]);
    return m;
}

/* A table of what is known of these names. */
static struct names *copy(const struct names *from, const struct map *of)
{
    struct names *n = names_new();
    size_t at = 0;
    struct span key;
    void *v;

    while (map_next(of, &at, &key, &v)) {
        const struct name_addresses *old = names_get(from, key);

        if (old != NULL)
            names_put(n, key, old->v, old->n);
    }
    return n;
}

/* Let others see what was found, if it is news. */
static void tell(struct resolve *r, const struct names *found, const struct map *of)
{
    struct names *now;

    if (same(found, r->names))                     /* this thread alone changes it */
        return;
    now = copy(found, of);
    lock_get(&r->lock);
    names_unref(&r->names);
    r->names = names_ref(now);
    lock_put(&r->lock);
    r->changed(now, r->arg);
}

/* Ask for all names, until others are wanted.  Called without the lock.  true: all were answered. */
static bool one_round(struct resolve *r, const struct conf *c, uint64_t asked)
{
    struct map *names = wanted(c);
    struct names *found = copy(r->names, names);
    int64_t told_us = clock_mono_us();
    struct span key;
    size_t at = 0;
    void *name;
    bool good = true;

    while (!r->stop && r->asked == asked && map_next(names, &at, &key, &name)) {
        good &= ask_into(r, found, name);
        if (clock_mono_us() - told_us >= TELL_US) {
            tell(r, found, names);
            told_us = clock_mono_us();
        }
    }
    tell(r, found, names);
    names_unref(&found);
    map_free(&names);
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
            wait_us = one_round(r, c, asked) ? ROUND_US : AGAIN_US;
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
    r->failing = map_new();
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
    map_free(&(*r)->failing);
    cond_fini(&(*r)->wake);
    cond_fini(&(*r)->done);
    lock_fini(&(*r)->lock);
    free(*r);
    *r = NULL;
}
