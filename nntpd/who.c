/* who.c - from identities to rights.  See who.h.
 *
 * The table is a row of ranges for the peers and one for the access blocks, in
 * the configuration's order; a connection walks them at its start, and again
 * when its identity or the configuration has changed.
 */
#include "nntpd/who.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "article/wildmat.h"
#include "lib/buf.h"
#include "lib/lock.h"
#include "lib/mem.h"
#include "lib/tls.h"

struct range {
    struct net_cidr cidr;
    const void *block;              /* conf_peer or rule                                         */
};

struct prints {                     /* certificates                                              */
    char (*v)[TLS_PRINT_MAX];
    size_t n;
    const struct conf_list *names;  /* and names that they are for, when a CA of ours has signed; or NULL */
    bool good;                      /* any that a CA of ours has signed                          */
};

struct rule {                       /* an access block, ready to ask                             */
    const struct conf_access *access;
    struct span read, post, user;   /* user n 0: no login is wanted                              */
    struct prints prints;
};

struct pass {                       /* a peer that is known by more than its address             */
    const struct conf_peer *peer;
    struct prints prints;
};

struct who {
    _Atomic unsigned refs;
    struct range *peer, *access;
    size_t n_peer, n_access;
    struct rule *rule;
    size_t n_rule;
    struct pass *pass;
    size_t n_pass;
    bool strangers_read, logins, clear, starttls;
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

static struct prints prints_of(const struct conf_list *l)
{
    struct prints p = { .v = l->n > 0 ? xcalloc(l->n, sizeof *p.v) : NULL };

    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->v[i], "*") == 0)
            p.good = true;
        else if (tls_print_read(l->v[i], p.v[p.n]))
            p.n++;
    }
    return p;
}

static void add_pass(struct who *w, const struct conf_peer *p)
{
    w->pass[w->n_pass] = (struct pass){ p, prints_of(&p->certificate) };
    w->pass[w->n_pass++].prints.names = &p->certificate;
}

static void add_peers(struct who *w, const struct conf *c, const struct names *names)
{
    w->pass = xcalloc(c->n_peer + 1, sizeof *w->pass);
    for (size_t i = 0; i < c->n_peer; i++) {
        const struct conf_peer *p = &c->peer[i];

        for (size_t j = 0; p->accept && j < p->address.n; j++)
            add_peer(w, p, p->address.v[j], names);
        if (p->accept && (p->login != NULL || p->certificate.n > 0))
            add_pass(w, p);
    }
}

static void add_rules(struct who *w, const struct conf *c)
{
    w->rule = xcalloc(c->n_access + 1, sizeof *w->rule);
    for (size_t i = 0; i < c->n_access; i++) {
        const struct conf_access *a = &c->access[i];
        struct rule *r = &w->rule[w->n_rule++];

        *r = (struct rule){ a, joined(&a->read), joined(&a->post), joined(&a->user), prints_of(&a->certificate) };
        for (size_t j = 0; j < a->from.n; j++)
            add_access(w, r, a->from.v[j]);
    }
}

struct who *who_new(const struct conf *c, const struct names *n)
{
    struct who *w = xcalloc(1, sizeof *w);

    w->refs = 1;
    w->strangers_read = c->site.strangers == CONF_STRANGER_READ;
    w->logins = conf_has_logins(c);
    w->clear = c->site.cleartext_logins;
    w->starttls = c->site.tls_certificate != NULL;
    add_peers(w, c, n);
    add_rules(w, c);
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
            free((char *)(*w)->rule[i].user.p);
            free((*w)->rule[i].prints.v);
        }
        for (size_t i = 0; i < (*w)->n_pass; i++)
            free((*w)->pass[i].prints.v);
        free((*w)->rule);
        free((*w)->pass);
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

/* Is the certificate for one of these?  Letter by letter: one for *.example is for no host alone. */
static bool is_for(const struct conf_list *wanted, const char *names)
{
    struct span rest = span_of(names), one;

    while (rest.n > 0 && span_next(&rest, '\n', &one))
        for (size_t i = 0; i < wanted->n; i++)
            if (span_ieq(one, span_of(wanted->v[i])))
                return true;
    return false;
}

static bool shows(const struct prints *p, const struct identity *id)
{
    if (id->cert_good && (p->good || (p->names != NULL && id->cert_names != NULL && is_for(p->names, id->cert_names))))
        return true;
    for (size_t i = 0; id->cert[0] != '\0' && i < p->n; i++)
        if (strcmp(p->v[i], id->cert) == 0)
            return true;
    return false;
}

static void take_peers(struct rights *r, const struct who *w, const struct identity *id)
{
    for (size_t i = 0; i < w->n_peer; i++)
        if (net_cidr_has(&w->peer[i].cidr, (const struct sockaddr *)&id->from.sa))
            add_right(r, w->peer[i].block);
    for (size_t i = 0; i < w->n_pass; i++) {
        const struct conf_peer *p = w->pass[i].peer;
        bool known = p->login != NULL && id->user != NULL && strcmp(p->login, id->user) == 0;

        if (known || shows(&w->pass[i].prints, id)) {
            add_right(r, p);
            continue;
        }
        if (p->login != NULL && r->logins && !r->logged_in)
            r->login.transit = true, r->login.streaming |= p->streaming;
        if (p->certificate.n > 0 && w->starttls && !id->tls)
            r->tls.transit = true, r->tls.streaming |= p->streaming;
    }
}

static bool from_there(const struct range *a, const struct identity *id)
{
    return a->cidr.prefix == 0 || net_cidr_has(&a->cidr, (const struct sockaddr *)&id->from.sa);
}

static bool has_login(const struct rule *r, const struct identity *id)
{
    return r->user.n == 0 || (id->user != NULL && wildmat(span_of(id->user), r->user));
}

static bool has_channel(const struct rule *r, const struct identity *id)
{
    return (id->tls || !r->access->tls) && ((r->prints.n == 0 && !r->prints.good) || shows(&r->prints, id));
}

static void take_access(struct rights *r, const struct rule *rule)
{
    r->access = rule->access;
    r->read = rule->read;
    r->post = rule->post;
    r->newnews = rule->access->newnews && rule->read.n > 0;
}

static void add_may(struct may *m, const struct rule *r)
{
    m->read |= r->read.n > 0;
    m->post |= r->post.n > 0;
    m->newnews |= r->access->newnews && r->read.n > 0;
}

/* Could its channel be what the rule wants after STARTTLS? */
static bool after_tls(const struct who *w, const struct rule *rule, const struct identity *id)
{
    return !id->tls && (rule->access->tls || (w->starttls && (rule->prints.n > 0 || rule->prints.good)));
}

/* Could the rule count for this end, were it somebody who has logged in? */
static bool after_login(const struct rights *r, const struct who *w, const struct rule *rule, const struct identity *id)
{
    return r->logins && !r->logged_in && rule->user.n > 0 && (has_channel(rule, id) || after_tls(w, rule, id));
}

/* What the blocks behind the last one that matches could give: those in front of
 * it would be overruled after a login, too. */
static void take_hopes(struct rights *r, const struct who *w, const struct identity *id, size_t from)
{
    for (size_t i = from; i < w->n_access; i++) {
        const struct rule *rule = w->access[i].block;

        if (!from_there(&w->access[i], id))
            continue;
        if (after_login(r, w, rule, id))
            add_may(&r->login, rule);
        else if (has_login(rule, id) && after_tls(w, rule, id))
            add_may(&r->tls, rule);
    }
}

void rights_of(struct rights *r, struct who *w, const struct identity *id)
{
    size_t behind = 0;

    *r = (struct rights){ .who = who_ref(w), .logins = w->logins, .logged_in = id->user != NULL };
    r->clear = id->tls || w->clear || net_is_loopback((const struct sockaddr *)&id->from.sa);
    take_peers(r, w, id);
    for (size_t i = 0; i < w->n_access; i++) {
        const struct rule *rule = w->access[i].block;

        if (from_there(&w->access[i], id) && has_login(rule, id) && has_channel(rule, id)) {
            take_access(r, rule);
            behind = i + 1;
        }
    }
    if (r->access == NULL && !r->transit && w->strangers_read)
        r->read = SPAN("*");
    take_hopes(r, w, id, behind);
    r->read_all = span_eq(r->read, SPAN("*"));
}

int rights_group_wants(const struct rights *r, const struct identity *id, struct span group)
{
    const struct who *w = r->who;
    int code = 0;

    if (rights_may_read(r, group))
        return 0;

    for (size_t i = 0; i < w->n_access; i++) {
        const struct rule *rule = w->access[i].block;

        if (!from_there(&w->access[i], id))
            continue;
        if (has_login(rule, id) && has_channel(rule, id))
            code = 0;                  /* it counts now, and overrules those before it then */
        else if (rule->read.n == 0 || !wildmat(group, rule->read))
            continue;
        else if (after_login(r, w, rule, id))
            code = 480;
        else if (has_login(rule, id) && after_tls(w, rule, id))
            code = 483;
    }
    return code;
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

static bool may_any(const struct may *m)
{
    return m->read || m->post || m->transit;
}

bool rights_hope(const struct rights *r)
{
    return may_any(&r->login) || may_any(&r->tls);
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
    struct tally tally;
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

struct tally *guests_tally(struct guests *g, const char *peer)
{
    struct tally *tally;

    lock_get(g->lock);
    tally = &guest(g, peer)->tally;
    lock_put(g->lock);
    return tally;
}
