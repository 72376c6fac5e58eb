/* probe_tell.c - what a probe says to the operator about names, certificates, and
 * our own configuration. */
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "feeder/probe_int.h"
#include "feeder/rules.h"
#include "lib/rpc.h"
#include "lib/tls.h"
#include "lib/utf8.h"

const char *probe_quote(struct span s, char out[PROBE_SAYS])
{
    size_t n = 0;

    while (s.n > 0 && n + 8 < PROBE_SAYS) {
        size_t k = utf8_harmless(s);

        memcpy(out + n, k > 0 ? s.p : "?", k > 0 ? k : 1);
        n += k > 0 ? k : 1;
        s = span_from(s, k > 0 ? k : 1);
    }
    out[n] = '\0';
    return out;
}

/* ---- names ---- */

static void put_addresses(const struct asked *q, struct buf *out)
{
    char at[NET_TEXT_MAX];

    for (size_t i = 0; i < q->n; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", net_text((const struct sockaddr *)&q->v[i].sa, at));
    if (q->n == 0)
        buf_puts(out, gai_strerror(q->rc));
}

static bool same_host(const struct net_addr *a, const struct net_addr *b)
{
    char x[NET_TEXT_MAX], y[NET_TEXT_MAX];

    return strcmp(net_text((const struct sockaddr *)&a->sa, x), net_text((const struct sockaddr *)&b->sa, y)) == 0;
}

/* Would nntpd take a connection from there for this peer's, by 'address'? */
static bool known_from(const struct ask *a, const struct net_addr *from)
{
    for (size_t i = 0; i < a->n_cidr; i++)
        if (net_cidr_has(&a->cidr[i], (const struct sockaddr *)&from->sa))
            return true;
    for (size_t i = 1; i < a->n; i++)
        for (size_t k = 0; k < a->q[i].n; k++)
            if (same_host(&a->q[i].v[k], from))
                return true;
    return false;
}

/* How connections that come from the peer are compared. */
static void tell_address(struct probe *p, const struct ask *a)
{
    struct buf text = { 0 };
    bool all = true;

    if (a->n == 1 && a->n_cidr == 0) {
        probe_row(p, "compare", PROBE_OK, "it is known by login or certificate, wherever it comes from");
        return;
    }
    for (size_t i = 1; i < a->n; i++) {
        buf_printf(&text, "%s is ", a->q[i].name);
        put_addresses(&a->q[i], &text);
        buf_puts(&text, "; ");
        all = all && a->q[i].n > 0;
    }
    for (size_t i = 0; i < a->q[0].n; i++) {
        char at[NET_TEXT_MAX];
        bool known = known_from(a, &a->q[0].v[i]);

        net_text((const struct sockaddr *)&a->q[0].v[i].sa, at);
        buf_printf(&text, "%s%s %s", i > 0 ? ", " : "", at, known ? "is in address" : "is not in address");
        all = all && known;
    }
    buf_puts(&text, all ? ": what comes from there is this peer's" : ": what comes from elsewhere is not taken for this peer's");
    probe_row(p, "compare", all ? PROBE_OK : PROBE_NOTE, "%.*s", SPAN_F(buf_span(&text)));
    buf_fini(&text);
}

bool probe_tell_names(struct probe *p, const struct ask *a)
{
    struct buf text = { 0 };

    put_addresses(&a->q[0], &text);
    if (a->q[0].n == 0) {
        probe_fail(p, "names", "%s (connect): %.*s", p->host, SPAN_F(buf_span(&text)));
        buf_fini(&text);
        return false;
    }
    probe_row(p, "names", PROBE_OK, "%s (connect) is %.*s", p->host, SPAN_F(buf_span(&text)));
    buf_fini(&text);
    tell_address(p, a);
    return true;
}

/* ---- TLS ---- */

/* "PROTOCOL, CIPHER", then whose certificate it is and what we make of it. */
bool probe_tell_tls(struct probe *p, char why[PROBE_SAYS])
{
    char names[PROBE_SAYS], want[TLS_PRINT_MAX] = "", whose[PROBE_SAYS / 2 + TLS_PRINT_MAX + 20];
    struct buf text = { 0 };
    struct tls_facts f;

    tls_facts(p->stream, &f);
    probe_row(p, "tls", PROBE_OK, "%s, %s", f.protocol, f.cipher);
    tls_names(p->stream, &text);
    for (size_t i = 0; i < buf_len(&text); i++)
        if (buf_data(&text)[i] == '\n')
            buf_data(&text)[i] = i + 1 < buf_len(&text) ? ',' : ' ';
    probe_quote(span_trim(buf_span(&text)), names);
    buf_fini(&text);
    snprintf(whose, sizeof whose, "of %.*s, SHA-256 %s", PROBE_SAYS / 2 - 1, names[0] != '\0' ? names : "nobody by name", f.cert);
    if (p->fingerprint != NULL) {
        if (!tls_print_read(p->fingerprint, want) || strcmp(want, f.cert) != 0) {
            snprintf(why, PROBE_SAYS, "%s: not the one that is pinned (fingerprint = %s)", whose, want);
            return false;
        }
        probe_row(p, "certificate", PROBE_OK, "%s: the one that is pinned", whose);
    } else if (!p->tls_verify) {
        probe_row(p, "certificate", PROBE_NOTE, "%s: not looked at (tls-verify = false)", whose);
    } else if (f.cert_trouble[0] != '\0') {
        snprintf(why, PROBE_SAYS, "%s: not good for %s: %s (if they say that it is theirs, fingerprint pins it)", whose, p->host,
                 f.cert_trouble);
        return false;
    } else {
        probe_row(p, "certificate", PROBE_OK, "%s: good for %s, signed by an authority of the system", whose, p->host);
    }
    return true;
}

/* ---- our own configuration ---- */

static void row(struct buf *out, const char *step, struct buf *text)
{
    buf_add(text, "", 1);
    rpc_fields(out, "R", step, "here", "", buf_data(text), NULL);
    buf_fini(text);
}

static void put_list(struct buf *out, const char *before, const struct conf_list *l)
{
    if (l->n == 0)
        return;
    buf_puts(out, before);
    conf_join(l, out);
}

static void put_rules(const struct conf_peer *c, struct buf *out)
{
    struct rules s;

    rules_make(&s, &c, 1, 1);
    for (size_t i = 0; i < s.n; i++) {
        buf_printf(out, "; not: %s", offer_words[s.v[i].why]);
        if (s.v[i].limit > 0)
            buf_printf(out, " %lld", (long long)s.v[i].limit);
        if (s.v[i].list != NULL)
            put_list(out, " ", s.v[i].list);
        if (s.v[i].why == OFFER_HASH)
            buf_printf(out, " %s", c->hash);
    }
    rules_free(&s);
}

static const struct peer *peer_of(const struct feeder *f, const struct conf_peer *c)
{
    for (size_t i = 0; i < f->n_peer; i++)
        if (f->peer[i]->conf == c)
            return f->peer[i];
    return NULL;
}

/* What goes to the peer. */
static void ours_out(struct feeder *f, const struct conf_peer *c, struct buf *out)
{
    const struct peer *p = peer_of(f, c);
    struct buf text = { 0 };

    buf_puts(&text, c->pull_post ? "posts of ours in groups " : c->send ? "groups " : "nothing (send = false; else groups ");
    conf_join(c->pull_post ? &c->pull : &c->groups, &text);
    put_list(&text, "; never those of local-groups ", &f->conf->site.local_groups);
    if (c->path_check)
        put_list(&text, "; not what has in Path ", &c->path);
    put_list(&text, "; not what has in Path (exclude) ", &c->exclude);
    put_rules(c, &text);
    if (c->delay_us > 0)
        buf_printf(&text, "; held back for %lld s", (long long)(c->delay_us / 1000000));
    buf_puts(&text, conf_peer_sends(c) ? "" : ")");
    row(out, "it gets", &text);
    if (p == NULL)
        return;
    buf_printf(&text, "%s, %llu records behind, %zu deferred or set aside", peer_state(p),
               (unsigned long long)(f->live > peer_settled_to(p) ? f->live - peer_settled_to(p) : 0), p->cursor.n_exc);
    if (p->last_error[0] != '\0')
        buf_printf(&text, "; last error: %s", p->last_error);
    row(out, "feeding", &text);
}

static void put_limit(struct buf *out, const char *what, uint64_t v)
{
    if (v > 0)
        buf_printf(out, "; %s %llu", what, (unsigned long long)v);
}

/* What comes from it. */
static void ours_in(struct feeder *f, const struct conf_peer *c, struct buf *out)
{
    struct buf text = { 0 };

    buf_puts(&text, c->accept ? "groups " : "nothing (accept = false; else groups ");
    conf_join(&c->accept_groups, &text);
    put_limit(&text, "article-max", c->article_max > 0 ? c->article_max : f->conf->site.article_max);
    put_limit(&text, "incoming-connections", (uint64_t)c->incoming_connections);
    put_limit(&text, "command-rate", (uint64_t)c->command_rate);
    put_limit(&text, "byte-rate", c->byte_rate);
    buf_puts(&text, c->streaming ? "; CHECK, TAKETHIS, IHAVE" : "; IHAVE");
    buf_puts(&text, c->accept ? "" : ")");
    row(out, "we take", &text);
    if (c->pull.n > 0) {
        put_list(&text, "groups ", &c->pull);
        row(out, "we pull", &text);
    }
    put_list(&text, "address ", &c->address);
    if (c->login != NULL)
        buf_printf(&text, "%slogin %s", buf_len(&text) > 0 ? "; or " : "", c->login);
    if (c->certificate.n > 0)
        put_list(&text, buf_len(&text) > 0 ? "; or certificate " : "certificate ", &c->certificate);
    row(out, "known by", &text);
}

void probe_ours(struct feeder *f, const struct conf_peer *c, struct buf *out)
{
    ours_out(f, c, out);
    ours_in(f, c, out);
}
