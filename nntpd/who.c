/* who.c - addresses to rights.  See who.h.
 *
 * The table is a row of ranges for the peers and one for the access blocks, in
 * the configuration's order; a connection walks them once, at its start.
 */
#include "nntpd/who.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "article/wildmat.h"
#include "lib/buf.h"
#include "lib/lock.h"
#include "lib/mem.h"

struct range {
    struct net_cidr cidr;
    const void *block;              /* conf_peer or rule                                         */
};

struct rule {                       /* an access block, ready to ask                             */
    const struct conf_access *access;
    struct span read, post;
};

struct who {
    _Atomic unsigned refs;
    struct range *peer, *access;
    size_t n_peer, n_access;
    struct rule *rule;
    size_t n_rule;
    bool strangers_read;
};

/* --- names ------------------------------------------------------------- */

struct names *names_new(void)
{
    struct names *n = xcalloc(1, sizeof *n);

    n->refs = 1;
    n->map = map_new();
    return n;
}

void names_put(struct names *n, struct span name, const struct net_addr *v, size_t count)
{
    struct name_addresses *a = xmalloc(sizeof *a + count * sizeof *v);

    a->n = count;
    if (count > 0)
        memcpy(a->v, v, count * sizeof *v);
    free(map_put(n->map, name, a));
}

const struct name_addresses *names_get(const struct names *n, struct span name)
{
    return n == NULL ? NULL : map_get(n->map, name);
}

struct names *names_ref(struct names *n)
{
    if (n != NULL)
        n->refs++;
    return n;
}

void names_unref(struct names **n)
{
    size_t at = 0;
    struct span key;
    void *v;

    if (*n != NULL && --(*n)->refs == 0) {
        while (map_next((*n)->map, &at, &key, &v))
            free(v);
        map_free(&(*n)->map);
        free(*n);
    }
    *n = NULL;
}

/* --- the table --------------------------------------------------------- */

static void add_range(struct range **v, size_t *n, const struct net_cidr *c, const void *block)
{
    *v = xrealloc(*v, (*n + 1) * sizeof **v);
    (*v)[(*n)++] = (struct range){ *c, block };
}

/* An entry of a peer's address list: a range, or a name with its addresses. */
static void add_peer(struct who *w, const struct conf_peer *p, const char *address, const struct names *names)
{
    const struct name_addresses *known;
    char text[NET_TEXT_MAX];
    struct net_cidr c;

    if (net_cidr_read(address, &c) == 0) {
        add_range(&w->peer, &w->n_peer, &c, p);
        return;
    }
    if ((known = names_get(names, span_of(address))) == NULL)
        return;
    for (size_t i = 0; i < known->n; i++)
        if (net_cidr_read(net_text((const struct sockaddr *)&known->v[i].sa, text), &c) == 0)
            add_range(&w->peer, &w->n_peer, &c, p);
}

static void add_access(struct who *w, const struct rule *r, const char *from)
{
    static const struct net_cidr all = { .prefix = 0 };
    struct net_cidr c;

    if (strcmp(from, "*") == 0)
        add_range(&w->access, &w->n_access, &all, r);
    else if (net_cidr_read(from, &c) == 0)
        add_range(&w->access, &w->n_access, &c, r);
}

static struct span joined(const struct conf_list *l)
{
    struct buf b = { 0 };
    struct span s = { 0 };

    if (l->n > 0) {
        conf_join(l, &b);
        s.p = buf_steal(&b, &s.n);
    }
    return s;
}

struct who *who_new(const struct conf *c, const struct names *n)
{
    struct who *w = xcalloc(1, sizeof *w);

    w->refs = 1;
    w->strangers_read = c->site.strangers == CONF_STRANGER_READ;
    for (size_t i = 0; i < c->n_peer; i++)
        for (size_t j = 0; c->peer[i].accept && j < c->peer[i].address.n; j++)
            add_peer(w, &c->peer[i], c->peer[i].address.v[j], n);
    w->rule = xcalloc(c->n_access + 1, sizeof *w->rule);
    for (size_t i = 0; i < c->n_access; i++) {
        const struct conf_access *a = &c->access[i];
        struct rule *r = &w->rule[w->n_rule++];

        if (a->user != NULL)
            continue;
        *r = (struct rule){ a, joined(&a->read), joined(&a->post) };
        for (size_t j = 0; j < a->from.n; j++)
            add_access(w, r, a->from.v[j]);
    }
    return w;
}

struct who *who_ref(struct who *w)
{
    if (w != NULL)
        w->refs++;
    return w;
}

void who_unref(struct who **w)
{
    if (*w != NULL && --(*w)->refs == 0) {
        for (size_t i = 0; i < (*w)->n_rule; i++) {
            free((char *)(*w)->rule[i].read.p);
            free((char *)(*w)->rule[i].post.p);
        }
        free((*w)->rule);
        free((*w)->peer);
        free((*w)->access);
        free(*w);
    }
    *w = NULL;
}

/* --- rights ------------------------------------------------------------ */

static void add_right(struct rights *r, const struct conf_peer *p)
{
    for (size_t i = 0; i < r->n_peer; i++)
        if (r->peer[i] == p)
            return;
    r->peer = xrealloc(r->peer, (r->n_peer + 1) * sizeof *r->peer);
    r->peer[r->n_peer++] = p;
    r->transit = true;
    r->streaming |= p->streaming;
    if (r->n_peer > 1)
        return;
    r->most = (unsigned)p->incoming_connections;
    r->command_rate = (uint64_t)p->command_rate;
    r->byte_rate = p->byte_rate;
}

void rights_of(struct rights *r, struct who *w, const struct identity *id)
{
    const struct sockaddr *from = (const struct sockaddr *)&id->from.sa;
    const struct rule *rule = NULL;

    *r = (struct rights){ .who = who_ref(w) };
    for (size_t i = 0; i < w->n_peer; i++)
        if (net_cidr_has(&w->peer[i].cidr, from))
            add_right(r, w->peer[i].block);
    for (size_t i = 0; i < w->n_access; i++)
        if (w->access[i].cidr.prefix == 0 || net_cidr_has(&w->access[i].cidr, from))
            rule = w->access[i].block;
    if (rule != NULL) {
        r->access = rule->access;
        r->read = rule->read;
        r->post = rule->post;
        r->newnews = rule->access->newnews && rule->read.n > 0;
    } else if (!r->transit && w->strangers_read) {
        r->read = SPAN("*");
    }
    r->read_all = span_eq(r->read, SPAN("*"));
}

void rights_fini(struct rights *r)
{
    free(r->peer);
    who_unref(&r->who);
    *r = (struct rights){ 0 };
}

bool rights_any(const struct rights *r)
{
    return r->transit || r->read.n > 0 || r->post.n > 0;
}

bool rights_may_read(const struct rights *r, struct span group)
{
    return r->read_all || (r->read.n > 0 && wildmat(group, r->read));
}

bool rights_may_post(const struct rights *r, struct span group)
{
    return r->post.n > 0 && wildmat(group, r->post);
}

/* --- guests ------------------------------------------------------------ */

struct guest {                      /* a peer, by name                                           */
    unsigned here;                  /* connections                                               */
    struct guest_rates rates;
};

struct guests *guests_new(uint64_t bytes_most)
{
    struct guests *g = xcalloc(1, sizeof *g);

    g->by_peer = map_new();
    g->lock = xcalloc(1, sizeof *g->lock);
    g->bytes_most = bytes_most;
    lock_init(g->lock, "nntpd.guests");
    return g;
}

void guests_free(struct guests **g)
{
    size_t at = 0;
    struct span key;
    void *v;

    if (*g == NULL)
        return;
    while (map_next((*g)->by_peer, &at, &key, &v))
        free(v);
    map_free(&(*g)->by_peer);
    lock_fini((*g)->lock);
    free((*g)->lock);
    free(*g);
    *g = NULL;
}

/* With the lock held. */
static struct guest *guest(struct guests *g, const char *peer)
{
    struct guest *one = map_get(g->by_peer, span_of(peer));

    if (one == NULL) {
        one = xcalloc(1, sizeof *one);
        map_put(g->by_peer, span_of(peer), one);
    }
    return one;
}

bool guests_enter(struct guests *g, const char *peer, unsigned most)
{
    struct guest *one;
    bool in;

    lock_get(g->lock);
    one = guest(g, peer);
    in = most == 0 || one->here < most;
    one->here += in;
    lock_put(g->lock);
    return in;
}

void guests_leave(struct guests *g, const char *peer)
{
    struct guest *one;

    lock_get(g->lock);
    one = guest(g, peer);
    one->here -= one->here > 0;
    lock_put(g->lock);
}

unsigned guests_of(struct guests *g, const char *peer)
{
    unsigned here;

    lock_get(g->lock);
    here = guest(g, peer)->here;
    lock_put(g->lock);
    return here;
}

struct guest_rates *guests_rates(struct guests *g, const char *peer)
{
    struct guest_rates *rates;

    lock_get(g->lock);
    rates = &guest(g, peer)->rates;
    lock_put(g->lock);
    return rates;
}
