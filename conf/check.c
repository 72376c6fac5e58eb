/* check.c - what must hold across settings.  See check.h. */
#include "conf/check.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/map.h"
#include "lib/mem.h"
#include "lib/tls.h"
#include "lib/users.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* What all checks need: the block at hand, and where to tell. */
struct check {
    const struct conf *c;
    const struct block_text *block;
    struct errors *errors;
};

#define wrong(k, key, ...) errors_add((k)->errors, block_line((k)->block, (key)), __VA_ARGS__)

/* ---- single words ---------------------------------------------------------- */

/* A path identity (RFC 5536 3.1.5). */
static bool identity(const char *s)
{
    return s[0] != '\0' && s[0] != '.' && strspn(s, LETTERS ".-_:") == strlen(s);
}

/* One that may end a Message-ID as well (RFC 5536 3.1.3): words between single
 * dots, and short enough for what we put in front (MSGID_DOMAIN_MAX of article/msgid.h). */
static bool id_domain(const char *s)
{
    size_t n = strlen(s);

    return n <= 200 && s[n - 1] != '.' && strchr(s, ':') == NULL && strstr(s, "..") == NULL;
}

/* What DNS may know: no address, so the last label is not a number. */
static bool host_name(const char *s)
{
    size_t n = strlen(s);
    const char *last = strrchr(s, '.');

    last = last != NULL ? last + 1 : s;
    return n > 0 && n <= 253 && s[0] != '.' && s[0] != '-' && s[n - 1] != '-' && strstr(s, "..") == NULL &&
           strspn(s, LETTERS ".-_") == n && (last[0] == '\0' || last[strspn(last, "0123456789")] != '\0');
}

/* SHA-256 in hex, with or without colons. */
static bool fingerprint(const char *s)
{
    size_t digits = 0;

    for (; *s != '\0'; s++) {
        if (strchr("0123456789abcdefABCDEF", *s) != NULL)
            digits++;
        else if (*s != ':')
            return false;
    }
    return digits == 64;
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
        return strchr(host + 1, ':') != NULL && net_literal(host + 1, 0, &a) == 0;
    }
    return net_literal(host, 0, &a) == 0 ? strchr(host, ':') == NULL : host_name(host);
}

static bool distribution(const char *s)
{
    s += s[0] == '!';
    return s[0] != '\0' && strchr("+-_", s[0]) == NULL && strspn(s, LETTERS "+-_*?") == strlen(s);
}

/* ---- lists ------------------------------------------------------------------- */

static void check_distributions(struct check *k, const char *key, const struct conf_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!distribution(l->v[i]))
            wrong(k, key, "%s: \"%s\" is no distribution", key, l->v[i]);
}

static void check_identities(struct check *k, const char *key, const struct conf_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!identity(l->v[i]))
            wrong(k, key, "%s: \"%s\" cannot stand in a Path", key, l->v[i]);
}

/* One wildmat; a list's item may be several, with commas between them. */
static void check_wildmat(struct check *k, const char *key, struct span p, bool poison)
{
    if (p.n > 0 && p.p[0] == '@' && !poison)
        wrong(k, key, "%s: \"%.*s\": @ has a meaning for peers' groups alone", key, SPAN_F(p));
    if (p.n > 0 && (p.p[0] == '!' || p.p[0] == '@'))
        p = span_from(p, 1);
    if (p.n == 0)
        wrong(k, key, "%s: a wildmat is empty", key);
    else if (memchr(p.p, ' ', p.n) != NULL)
        wrong(k, key, "%s: \"%.*s\" holds a blank; a list is { \"a\", \"b\" }", key, SPAN_F(p));
}

static void check_wildmats(struct check *k, const char *key, const struct conf_list *l, bool poison)
{
    for (size_t i = 0; i < l->n; i++) {
        struct span all = span_of(l->v[i]), one;

        while (span_next(&all, ',', &one))
            check_wildmat(k, key, one, poison);
    }
}

static void check_moderators(struct check *k, const struct conf_list *l)
{
    struct span pattern, address;

    for (size_t i = 0; i < l->n; i++)
        if (conf_read_moderator(l->v[i], &pattern, &address) != 0)
            wrong(k, "moderators", "moderators: \"%s\": \"pattern:address\" is wanted, with %%s at most once", l->v[i]);
}

/* The certificates that a peer may show: a fingerprint, or a name that an authority vouches for. */
static void check_shown(struct check *k, const struct conf_peer *p)
{
    char print[TLS_PRINT_MAX];

    for (size_t i = 0; i < p->certificate.n; i++) {
        const char *s = p->certificate.v[i];

        if (tls_print_read(s, print))
            continue;
        if (!host_name(s) || strchr(s, '.') == NULL)
            wrong(k, "certificate", "certificate: \"%s\" is neither a SHA-256 fingerprint (64 hex digits, colons between them at most) "
                  "nor a host name", s);
        else if (k->c->site.name != NULL && k->c->site.tls_ca == NULL)
            wrong(k, "certificate", "certificate: \"%s\": who vouches for that name?  The site's tls-ca is wanted", s);
    }
}

/* Those that a reader may show: a fingerprint, or any that an authority vouches for. */
static void check_certificates(struct check *k, const struct conf_list *l)
{
    char print[TLS_PRINT_MAX];

    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i], "*") != 0 && !tls_print_read(l->v[i], print))
            wrong(k, "certificate", "certificate: \"%s\" is no SHA-256 fingerprint (64 hex digits, colons between them at most)",
                  l->v[i]);
}

/* ---- blocks ------------------------------------------------------------------ */

static void check_tls(struct check *k, const struct conf_site *s)
{
    static const char *const keys[] = { "tls-key", "tls-ca", "tls-ciphers" };

    for (size_t i = 0; s->tls_certificate == NULL && i < sizeof keys / sizeof *keys; i++)
        if (block_has(k->block, keys[i]))
            wrong(k, keys[i], "%s means nothing without tls-certificate", keys[i]);
}

static void check_site(struct check *k)
{
    const struct conf_site *s = &k->c->site;
    struct net_addr a;
    struct err e;
    bool both;

    if (!identity(s->name))
        wrong(k, NULL, "site \"%s\": not a name that can stand in a Path", s->name);
    else if (!id_domain(s->name))
        wrong(k, NULL, "site \"%s\": not a name that our Message-IDs can end in", s->name);
    check_identities(k, "aliases", &s->aliases);
    check_identities(k, "exclude", &s->exclude);
    check_distributions(k, "accept-distributions", &s->accept_distributions);
    check_tls(k, s);
    check_wildmats(k, "local-groups", &s->local_groups, false);
    check_wildmats(k, "private-groups", &s->private_groups, false);
    if (s->private_groups.n > 0 && s->strangers == CONF_STRANGER_READ)
        wrong(k, "strangers", "strangers: with private-groups, who may read is said by access blocks");
    if (s->login_program.n > 0 && s->login_program.v[0][0] != '/')
        wrong(k, "login-program", "login-program: \"%s\": its whole path is wanted", s->login_program.v[0]);
    if (s->metrics_listen != NULL && net_addr_read(s->metrics_listen, &a, &both, &e) != 0)
        wrong(k, "metrics-listen", "metrics-listen: %s", e.text);
    check_moderators(k, &s->moderators);
    if (s->sendmail[0] != '/')
        wrong(k, "sendmail", "sendmail: \"%s\": the program's whole path is wanted first", s->sendmail);
    if (k->block->wrong)
        return;                               /* what follows compares values */
    if (s->post_max > s->article_max)
        wrong(k, "post-max", "post-max is above article-max");
    if (s->queue_bytes < 2 * s->article_max)
        wrong(k, block_has(k->block, "article-max") ? "article-max" : "queue",
              "queue must hold two of the largest articles (article-max)");
}

static void check_listen(struct check *k, const struct conf_listen *l)
{
    struct net_addr a;
    struct err e;
    bool both;

    if (net_addr_read(l->address, &a, &both, &e) != 0)
        wrong(k, NULL, "listen: %s", e.text);
    if (l->tls && k->c->site.name != NULL && k->c->site.tls_certificate == NULL)
        wrong(k, "tls", "listen \"%s\": tls wants a certificate: the site's tls-certificate", l->address);
}

/* Who they are to us, and what we tell them. */
static void check_login(struct check *k, const struct conf_peer *p)
{
    if (p->fingerprint != NULL && !fingerprint(p->fingerprint))
        wrong(k, "fingerprint", "fingerprint: 64 hex digits are wanted, the SHA-256 of a certificate");
    if (p->fingerprint != NULL && p->tls == CONF_TLS_NO)
        wrong(k, "fingerprint", "fingerprint: without tls the peer shows no certificate");
    if ((p->login_as != NULL) != (p->login_password != NULL))
        wrong(k, p->login_as != NULL ? "login-as" : "login-password", "login-as and login-password go together");
    if (p->login_as != NULL && p->tls == CONF_TLS_NO && !p->cleartext_login)
        wrong(k, "login-as", "login-as: without tls the password may be read on its way; tls = starttls, or cleartext-login = true");
    if (p->login_as != NULL && (p->login_as[0] == '\0' || strpbrk(p->login_as, " \t\r\n") != NULL))
        wrong(k, "login-as", "login-as: a word is wanted");
    if (p->login_password != NULL && (p->login_password[0] == '\0' || strpbrk(p->login_password, " \t\r\n") != NULL))
        wrong(k, "login-password", "login-password: a word is wanted");
}

/* Does the pattern fit within the wildmats, as text?  "priv.a.*" does within "priv.*", "*" does not. */
static bool within(struct span pattern, const struct conf_list *wildmats)
{
    char *text = xstrndup(pattern.p, pattern.n);
    bool is = false;

    for (size_t i = 0; i < wildmats->n; i++) {
        struct span all = span_of(wildmats->v[i]), one;

        while (span_next(&all, ',', &one)) {
            bool not = span_starts(one, SPAN("!"));
            char *w = xstrndup(one.p + not, one.n - not);

            if (fnmatch(w, text, 0) == 0)
                is = !not;
            free(w);
        }
    }
    free(text);
    return is;
}

/* "*" may mean private groups or not: they are just not sent.  But who names them wants them sent. */
static void check_private(struct check *k, const struct conf_peer *p)
{
    const struct conf_list *out = p->pull_post ? &p->pull : &p->groups;

    if (!conf_peer_sends(p) || conf_peer_private(p))
        return;
    for (size_t i = 0; i < out->n; i++) {
        struct span all = span_of(out->v[i]), one;

        while (span_next(&all, ',', &one))
            if (!span_starts(one, SPAN("!")) && !span_starts(one, SPAN("@")) && within(one, &k->c->site.private_groups))
                wrong(k, p->pull_post ? "pull" : "groups", "%s: \"%.*s\" is private (private-groups): tls and fingerprint are wanted",
                      p->pull_post ? "pull" : "groups", SPAN_F(one));
    }
}

/* What is sent. */
static void check_selection(struct check *k, const struct conf_peer *p)
{
    check_wildmats(k, "groups", &p->groups, true);
    check_private(k, p);
    check_wildmats(k, "origins", &p->origins, false);
    check_identities(k, "exclude", &p->exclude);
    check_distributions(k, "distributions", &p->distributions);
    if (p->hash != NULL && conf_read_hash(p->hash, &(struct conf_hash){ 0 }) != 0)
        wrong(k, "hash", "hash: \"%s\": a share is wanted, as 1/3 or 2-3/3 (1/3_4: by other octets)", p->hash);
    if (k->block->wrong)
        return;                               /* what follows compares values */
    if (p->size_max > 0 && p->size_min > p->size_max)
        wrong(k, "size-min", "size-min is above size-max");
    if (p->origin_missing && p->origins.n == 0)
        wrong(k, "origin-missing", "origin-missing: without origins there is nothing that it could let through");
}

/* What is read from them. */
static void check_pull(struct check *k, const struct conf_peer *p)
{
    check_wildmats(k, "pull", &p->pull, false);
    if (p->pull_post && p->pull.n == 0)
        wrong(k, "pull-post", "pull-post means nothing without pull");
    if (p->pull.n > 0 && p->connect == NULL)
        wrong(k, "pull", "where to pull from? The first address is a network; say connect = \"host:119\"");
    if (p->pull_post && p->send)
        wrong(k, "pull-post", "pull-post: with send the peer gets everything already, as from a server");
}

/* One of our names in Path means that we had it: nothing would come from the peer, and nothing go to it. */
static void check_own_names(struct check *k, const struct conf_peer *p)
{
    const struct conf_site *s = &k->c->site;

    for (size_t i = 0; i < p->path.n; i++) {
        if (s->name != NULL && strcasecmp(p->path.v[i], s->name) == 0)
            wrong(k, "path", "peer \"%s\": path: that is our own name", p->name);
        for (size_t j = 0; j < s->aliases.n; j++)
            if (strcasecmp(p->path.v[i], s->aliases.v[j]) == 0)
                wrong(k, "path", "peer \"%s\": path: \"%s\" is a name of ours (aliases)", p->name, p->path.v[i]);
    }
}

static void check_peer(struct check *k, const struct conf_peer *p)
{
    struct net_cidr cidr;
    struct net_addr a;

    if (!host_name(p->name))
        wrong(k, NULL, "peer \"%s\": a name of letters, digits, dots and hyphens is wanted", p->name);
    for (size_t i = 0; block_has(k->block, "address") && i < p->address.n; i++)
        if (net_cidr_read(p->address.v[i], &cidr) != 0 && !host_name(p->address.v[i]))
            wrong(k, "address", "address: \"%s\" is no address, network or host name%s", p->address.v[i],
                  host_and_port(p->address.v[i]) ? " (a port stands in connect)" : "");
    if (p->send && p->connect == NULL)
        wrong(k, "send", "where to send to? The first address is a network; say connect = \"host:119\"");
    if (p->article_max > k->c->site.article_max && k->c->site.article_max > 0)
        wrong(k, "article-max", "article-max is above the site's");
    if (block_has(k->block, "connect") && p->connect != NULL && !host_and_port(p->connect))
        wrong(k, "connect", "connect: \"%s\" is not host:port", p->connect);
    if (p->source != NULL && net_literal(p->source, 0, &a) != 0)
        wrong(k, "source", "source: \"%s\" is not a literal address", p->source);
    if (p->login != NULL && !users_name_good(span_of(p->login)))
        wrong(k, "login", "login: \"%s\" is no name that a user can have", p->login);
    check_shown(k, p);
    if (block_has(k->block, "path") && !(p->path.n == 1 && strcmp(p->path.v[0], "*") == 0))
        check_identities(k, "path", &p->path);
    check_login(k, p);
    check_pull(k, p);
    check_selection(k, p);
    check_wildmats(k, "accept-groups", &p->accept_groups, true);
    check_own_names(k, p);
}

static void check_access(struct check *k, const struct conf_access *a)
{
    struct net_cidr cidr;

    if (a->name[strspn(a->name, " ")] == '\0')
        wrong(k, NULL, "access: the name is empty");
    for (const char *p = a->name; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            wrong(k, NULL, "access \"%s\": control characters in the name", a->name);
    for (size_t i = 0; i < a->from.n; i++)
        if (strcmp(a->from.v[i], "*") != 0 && net_cidr_read(a->from.v[i], &cidr) != 0)
            wrong(k, "from", "from: \"%s\" is no address, network (192.0.2.0/24), or *", a->from.v[i]);
    check_wildmats(k, "user", &a->user, false);
    check_certificates(k, &a->certificate);
    check_wildmats(k, "read", &a->read, false);
    check_wildmats(k, "post", &a->post, false);
    check_wildmats(k, "approve", &a->approve, false);
}

/* A title of each kind is there once.  'seen' goes from "kind title" to the block that had it first. */
static void check_title(struct check *k, struct map *seen, const char *title)
{
    char *name = xasprintf("%s %s", block_names[k->block->kind], title);
    const struct block_text *first;

    for (char *p = name; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p |= 32;
    if ((first = map_get(seen, span_of(name))) != NULL)
        wrong(k, NULL, "%s \"%s\" is there twice (first in line %d)", block_names[k->block->kind], title, first->line);
    else
        map_put(seen, span_of(name), (void *)(uintptr_t)k->block);
    free(name);
}

static void check_block(struct check *k, size_t n)
{
    switch (k->block->kind) {
    case BLOCK_site:
        if (n == 0)
            check_site(k);
        return;
    case BLOCK_listen:
        check_listen(k, &k->c->listen[n]);
        return;
    case BLOCK_peer:
        check_peer(k, &k->c->peer[n]);
        return;
    case BLOCK_access:
        check_access(k, &k->c->access[n]);
        return;
    case BLOCKS:
        break;
    }
    bug("a kind of block");
}

static const char *title_of(const struct conf *c, enum block kind, size_t n)
{
    return kind == BLOCK_listen ? c->listen[n].address : kind == BLOCK_peer ? c->peer[n].name : c->access[n].name;
}

void conf_check(const struct conf *c, const struct blocks *blocks, bool whole, struct errors *errors)
{
    struct check k = { c, NULL, errors };
    struct map *seen = map_new();
    size_t at[BLOCKS] = { 0 };

    for (size_t i = 0; i < blocks->n; i++) {
        enum block kind = blocks->v[i].kind;
        size_t n = at[kind]++;

        k.block = &blocks->v[i];
        if (kind != BLOCK_site)
            check_title(&k, seen, title_of(c, kind, n));
        if (!k.block->broken)
            check_block(&k, n);
    }
    if (whole && at[BLOCK_site] == 0)
        errors_add(errors, 1, "a site block is missing: site \"news.example.org\" { }");
    if (whole && at[BLOCK_listen] == 0)
        errors_add(errors, 1, "a listen block is missing: listen \"*:119\" { }");
    map_free(&seen);
}
