/* cmd_layer.c - STARTTLS (RFC 4642), COMPRESS (RFC 8054).
 *
 * The order is TLS, then login, then compression.  Both begin when their line is
 * consumed: what stood behind it in the input is dropped, for it came in clear.
 */
#include "conf/conf.h"
#include "lib/deflate.h"
#include "nntpd/sess.h"

void cmd_starttls(struct session *s, const struct call *c)
{
    (void)c;
    if (s->who.tls)
        reply(s, "502 TLS is active already");
    else if (s->compressed)
        reply(s, "502 Compression is active: TLS would have to come before it");
    else if (s->who.user != NULL)
        reply(s, "502 You have logged in: TLS would have to come before that");
    else if (s->h->tls == NULL)
        reply(s, "580 There is no certificate here: no TLS");
    else {
        reply(s, "382 Begin TLS now");
        s->afterwards = session_begin_tls;
    }
}

/* RFC 8054 5.3: one to twenty capitals, digits, "-" and "_". */
static bool algorithm_valid(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        char ch = name.p[i];

        if (!((ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_'))
            return false;
    }
    return name.n <= 20;
}

void cmd_compress(struct session *s, const struct call *c)
{
    if (!algorithm_valid(c->arg[0]))
        reply(s, "501 Syntax error in the algorithm's name");
    else if (s->compressed)
        reply(s, "502 Compression is active already");
    else if (!span_eq(c->arg[0], SPAN("DEFLATE")))
        reply(s, "503 Only DEFLATE is known here");
    else if (!s->rights.compress)
        reply(s, "403 Compression is switched off%s", s->who.tls ? " under TLS" : "");
    else if ((s->deflate = deflate_new()) == NULL)
        reply(s, "403 Out of memory for compression");
    else {
        reply(s, "206 Compression begins now");
        s->afterwards = session_begin_deflate;
    }
}
