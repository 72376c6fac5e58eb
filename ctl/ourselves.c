/* ourselves.c - what the configuration says of us to a friend.  See ourselves.h. */
#include "ctl/ourselves.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/net.h"
#include "lib/tls.h"

static bool wildcard(const char *host, size_t n)
{
    static const char *const any[] = { "*", "0.0.0.0", "[::]" };

    for (size_t i = 0; i < sizeof any / sizeof *any; i++)
        if (strlen(any[i]) == n && memcmp(any[i], host, n) == 0)
            return true;
    return false;
}

static bool has(const struct conf_list *l, struct span s)
{
    for (size_t i = 0; i < l->n; i++)
        if (span_eq(span_of(l->v[i]), s))
            return true;
    return false;
}

static void add_once(struct conf_list *l, struct span s)
{
    if (!has(l, s) && l->n < TOKEN_LIST_MOST)
        token_add(l, s);
}

/* The host that others reach us by: what the operator says, else our name. */
static struct span our_host(const struct conf *c, const struct ourselves *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (memchr(p->address[i].p, '/', p->address[i].n) == NULL)
            return p->address[i];
    return span_of(c->site.name);
}

/* Does a listener serve others than this machine itself? */
static bool public(const struct conf_listen *l)
{
    struct net_addr a;
    bool both;

    return net_addr_read(l->address, &a, &both, NULL) == 0 && !net_is_loopback((const struct sockaddr *)&a.sa);
}

static void add_listener(const struct conf *c, const struct ourselves *p, const struct conf_listen *l, struct token *t)
{
    const char *colon = strrchr(l->address, ':');
    size_t n = (size_t)(colon - l->address);
    bool any = wildcard(l->address, n);
    struct span host = any || p->n > 0 ? our_host(c, p) : (struct span){ l->address, n };
    bool bare = memchr(host.p, ':', host.n) != NULL && host.p[0] != '[';
    char *text = xasprintf("%s%.*s%s%s", bare ? "[" : "", SPAN_F(host), bare ? "]" : "", colon);

    add_once(l->tls ? &t->nntps : &t->nntp, span_of(text));
    free(text);
    if (p->n > 0)
        return;
    if (!any && host.p[0] == '[')
        host = (struct span){ host.p + 1, host.n - 2 };
    add_once(&t->address, host);
}

char *ourselves_leaving(const struct conf *c, const char *groups)
{
    struct buf out = { 0 };
    char *text;

    buf_puts(&out, groups);
    for (size_t i = 0; i < c->site.local_groups.n; i++) {
        struct span all = span_of(c->site.local_groups.v[i]), one;

        while (span_next(&all, ',', &one)) {
            char *pattern = xasprintf("!%.*s", SPAN_F(one));
            struct span have = buf_span(&out), item = { 0 };
            bool there = one.n > 0 && one.p[0] == '!';        /* an exception to the exceptions may leave */

            while (!there && span_next(&have, ',', &item))
                there = span_eq(item, span_of(pattern));
            if (!there)
                buf_printf(&out, ",%s", pattern);
            free(pattern);
        }
    }
    text = xstrndup(buf_data(&out), buf_len(&out));
    buf_fini(&out);
    return text;
}

int ourselves_token(const struct conf *c, const struct ourselves *p, const char *groups, struct token *t, struct err *e)
{
    char print[TLS_PRINT_MAX];
    bool open = false;

    *t = (struct token){ .site = xstrdup(c->site.name), .article_max = c->site.article_max };
    for (size_t i = 0; i < c->site.aliases.n; i++)
        add_once(&t->alias, span_of(c->site.aliases.v[i]));
    for (size_t i = 0; i < p->n; i++)
        add_once(&t->address, p->address[i]);
    for (size_t i = 0; i < c->n_listen; i++)
        open |= public(&c->listen[i]);
    for (size_t i = 0; i < c->n_listen; i++)
        if (!open || public(&c->listen[i]))
            add_listener(c, p, &c->listen[i], t);
    t->offer = ourselves_leaving(c, groups != NULL ? groups : "*");
    t->want = xstrdup(t->offer);
    if (c->site.tls_certificate == NULL)
        return 0;
    if (tls_file_print(c->site.tls_certificate, print, e) != 0)
        return -1;
    t->starttls = true;
    t->fingerprint = xstrdup(print);
    return 0;
}
