/* session_layer.c - a session and the layers of its stream.
 *
 * TLS makes a session new (RFC 4642 2.2.2): what it had learnt in clear is
 * forgotten, and who it is may have changed with the certificate it showed.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "lib/deflate.h"
#include "lib/mem.h"
#include "lib/tls.h"
#include "nntpd/sess.h"

/* TLS, then login, then compression; each once. */
void session_may_layer(struct session *s)
{
    enum conf_compress when = s->conf->site.compress;

    s->rights.compressed = s->compressed;
    s->rights.starttls = s->h->tls != NULL && !s->who.tls && !s->compressed && s->who.user == NULL;
    s->rights.compress = !s->compressed && (when == CONF_COMPRESS_ALWAYS || (when == CONF_COMPRESS_CLEAR && !s->who.tls));
}

void session_begin_tls(struct session *s)
{
    if (s->h->tls == NULL) {           /* a reload took the certificate away, this listener stayed */
        session_finish(s, "there is no certificate any more");
        return;
    }
    s->state = SESS_SHAKE;
    tls_begin_server(s->st, s->h->tls);
}

static void forget(struct session *s)
{
    auth_free(s);                      /* a name of AUTHINFO USER */
    s->group = NULL;
    s->number = 0;
    s->asked_capabilities = false;
}

/* Whom the certificate is for, once somebody of ours vouches for it. */
static char *names_of(const struct session *s, bool good)
{
    struct buf names = { 0 };
    size_t n;

    if (!good)
        return NULL;
    tls_names(s->st, &names);
    buf_add(&names, "", 1);
    return buf_steal(&names, &n);
}

void session_secured(struct session *s)
{
    struct tls_facts f;

    tls_facts(s->st, &f);
    need(f.on && s->state == SESS_SHAKE);
    s->state = SESS_LINE;
    s->who.tls = true;
    s->who.cert_good = f.cert_good;
    memcpy(s->who.cert, f.cert, sizeof s->who.cert);
    free(s->who.cert_names);
    s->who.cert_names = names_of(s, f.cert_good);
    forget(s);
    COUNT(s, sessions_tls);
    session_identify(s);
    session_welcome(s);
    session_go(s);
}

void session_begin_deflate(struct session *s)
{
    struct deflate *d = s->deflate;

    s->deflate = NULL;
    s->compressed = true;
    session_may_layer(s);
    COUNT(s, sessions_compressed);
    deflate_begin(s->st, d);
}

void session_layers_say(const struct session *s, struct buf *out)
{
    struct tls_facts f;
    struct deflate_counts c;

    tls_facts(s->st, &f);
    if (f.on)
        buf_printf(out, ", %s", f.protocol);
    if (f.cert[0] != '\0')
        buf_printf(out, " by certificate %s (%s)", f.cert, f.cert_good ? "good" : "not signed by tls-ca");
    deflate_counts(s->st, &c);
    if (deflate_on(s->st))
        buf_printf(out, ", compressed %llu in, %llu out", (unsigned long long)c.in_packed, (unsigned long long)c.out_packed);
}
