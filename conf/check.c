/* check.c - what must hold across settings.  See check.h. */
#include "conf/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void conf_error(struct buf *errors, const char *file, int line, const char *fmt, ...)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "%s:%d: ", file, line);
    size_t len;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text + n, sizeof text - (size_t)n - 1, fmt, ap);
    va_end(ap);
    len = strlen(text);
    strcpy(text + len++, "\n");
    if (buf_len(errors) < len || memcmp(errors->p + errors->end - len, text, len) != 0)
        buf_add(errors, text, len);
}

/* What all checks need to know. */
struct check {
    const struct conf *c;
    const char *file;
    struct buf *errors;
    int line;
};

#define wrong(k, ...) conf_error((k)->errors, (k)->file, (k)->line, __VA_ARGS__)

/* A path identity (RFC 5536 3.1.5). */
static bool identity(const char *s)
{
    return s[0] != '\0' && s[0] != '.' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") == strlen(s);
}

static bool host_name(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n <= 253 && s[0] != '.' && s[0] != '-' && s[n - 1] != '-' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == n;
}

static void check_identities(struct check *k, const char *key, const struct conf_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!identity(l->v[i]))
            wrong(k, "%s: \"%s\" cannot stand in a Path", key, l->v[i]);
}

static void check_wildmats(struct check *k, const char *key, const struct conf_list *l, bool poison)
{
    for (size_t i = 0; i < l->n; i++) {
        const char *p = l->v[i];

        if (p[0] == '@' && !poison)
            wrong(k, "%s: \"%s\": @ has a meaning for peers alone", key, p);
        if ((p[0] == '!' || p[0] == '@') && p[1] == '\0')
            wrong(k, "%s: nothing stands behind the %c", key, p[0]);
        if (strpbrk(p, " \t") != NULL)
            wrong(k, "%s: \"%s\" holds a blank; a list is { \"a\", \"b\" }", key, p);
    }
}

static void check_site(struct check *k, unsigned n_site)
{
    if (n_site != 1) {
        k->line = 1;
        wrong(k, n_site == 0 ? "a site block is missing: site \"news.example.org\" { }" : "there is more than one site block");
        return;
    }
    if (!identity(k->c->site.name))
        wrong(k, "site \"%s\": not a name that can stand in a Path", k->c->site.name);
    check_identities(k, "aliases", &k->c->site.aliases);
    if (k->c->site.post_max > k->c->site.article_max)
        wrong(k, "post-max is above article-max");
    if (k->c->site.queue_bytes < 2 * k->c->site.article_max)
        wrong(k, "queue must hold two of the largest articles (article-max)");
}

static void check_listen(struct check *k, const struct conf_listen *l)
{
    struct net_addr a;
    struct err e;
    bool both;

    if (net_addr_read(l->address, &a, &both, &e) != 0)
        wrong(k, "listen: %s", e.text);
    if (l->tls)
        wrong(k, "listen \"%s\": tls is not built into this version", l->address);
}

/* "host:port", "192.0.2.1:119", "[2001:db8::1]:119". */
static bool host_and_port(const char *s)
{
    const char *colon = strrchr(s, ':');
    char host[256];
    struct net_addr a;
    uint64_t port;
    size_t n;

    if (colon == NULL || span_u64(span_of(colon + 1), &port) != 0 || port < 1 || port > 65535)
        return false;
    n = (size_t)(colon - s);
    if (n >= sizeof host)
        return false;
    memcpy(host, s, n);
    host[n] = '\0';
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        return net_literal(host + 1, 0, &a) == 0;
    }
    return net_literal(host, 0, &a) == 0 ? strchr(host, ':') == NULL : host_name(host);
}

static void check_peer(struct check *k, const struct conf_peer *p)
{
    struct net_cidr cidr;
    struct net_addr a;

    if (!host_name(p->name) || strchr(p->name, '/') != NULL)
        wrong(k, "peer \"%s\": a name of letters, digits, dots and hyphens is wanted", p->name);
    for (size_t i = 0; i < p->address.n; i++)
        if (net_cidr_read(p->address.v[i], &cidr) != 0 && !host_name(p->address.v[i]))
            wrong(k, "peer \"%s\": address: \"%s\" is no address, network or host name", p->name, p->address.v[i]);
    if (p->send && p->connect == NULL)
        wrong(k, "peer \"%s\": where to connect? The first address is a network; say connect = \"host:119\"", p->name);
    else if (p->connect != NULL && !host_and_port(p->connect))
        wrong(k, "peer \"%s\": connect: \"%s\" is not host:port", p->name, p->connect);
    if (p->source != NULL && net_literal(p->source, 0, &a) != 0)
        wrong(k, "peer \"%s\": source: \"%s\" is not a literal address", p->name, p->source);
    check_identities(k, "path", &p->path);
    check_identities(k, "exclude", &p->exclude);
    check_wildmats(k, "groups", &p->groups, true);
    check_wildmats(k, "accept-groups", &p->accept_groups, true);
    for (size_t i = 0; i < p->path.n; i++)
        if (k->c->site.name != NULL && strcasecmp(p->path.v[i], k->c->site.name) == 0)
            wrong(k, "peer \"%s\": path: that is our own name", p->name);
}

static void check_access(struct check *k, const struct conf_access *a)
{
    struct net_cidr cidr;

    for (size_t i = 0; i < a->from.n; i++)
        if (strcmp(a->from.v[i], "*") != 0 && net_cidr_read(a->from.v[i], &cidr) != 0)
            wrong(k, "access \"%s\": from: \"%s\" is no address, network, or *", a->name, a->from.v[i]);
    check_wildmats(k, "read", &a->read, false);
    check_wildmats(k, "post", &a->post, false);
}

void conf_check(const struct conf *c, unsigned n_site, int *const line[BLOCKS], const char *file, struct buf *errors)
{
    struct check k = { c, file, errors, 0 };

    k.line = line[BLOCK_site][0];
    check_site(&k, n_site);
    if (c->n_listen == 0) {
        k.line = 1;
        wrong(&k, "a listen block is missing: listen \"*:119\" { }");
    }
    for (size_t i = 0; i < c->n_listen; i++) {
        k.line = line[BLOCK_listen][i];
        check_listen(&k, &c->listen[i]);
    }
    for (size_t i = 0; i < c->n_peer; i++) {
        k.line = line[BLOCK_peer][i];
        check_peer(&k, &c->peer[i]);
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(c->peer[i].name, c->peer[j].name) == 0)
                wrong(&k, "peer \"%s\" is there twice", c->peer[i].name);
    }
    for (size_t i = 0; i < c->n_access; i++) {
        k.line = line[BLOCK_access][i];
        check_access(&k, &c->access[i]);
    }
}
