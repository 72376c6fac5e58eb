/* secure.c - the site's certificate.  See secure.h. */
#include "nntpd/secure.h"

#include <string.h>
#include <time.h>

#define DAY_S   INT64_C(86400)
#define SOON_S  (14 * DAY_S)

/* Do we know anybody by a certificate?  Only then readers' programs are asked for one. */
static bool asks(const struct conf *c)
{
    for (size_t i = 0; i < c->n_peer; i++)
        if (c->peer[i].certificate.n > 0)
            return true;
    for (size_t i = 0; i < c->n_access; i++)
        if (c->access[i].certificate.n > 0)
            return true;
    return c->site.tls_ca != NULL;
}

static int line_of(const struct conf_site *s, const char *at)
{
    if (strcmp(at, "key") == 0)
        return s->tls_line.key;
    if (strcmp(at, "ca") == 0)
        return s->tls_line.ca;
    return strcmp(at, "ciphers") == 0 ? s->tls_line.ciphers : s->tls_line.certificate;
}

static const char *key_of(const char *at)
{
    if (strcmp(at, "key") == 0)
        return "tls-key";
    if (strcmp(at, "ca") == 0)
        return "tls-ca";
    return strcmp(at, "ciphers") == 0 ? "tls-ciphers" : "tls-certificate";
}

static void tell_day(const struct conf *c, struct buf *told, const char *what, int64_t s)
{
    char day[32] = "?";
    time_t t = (time_t)s;
    struct tm tm;

    if (gmtime_r(&t, &tm) != NULL)
        strftime(day, sizeof day, "%Y-%m-%d %H:%M UTC", &tm);
    buf_printf(told, "%s:%d: tls-certificate: %s: %s %s\n", c->file, c->site.tls_line.certificate, c->site.tls_certificate,
               what, day);
}

static enum secure look(const struct conf *c, const struct tls *t, int64_t now_s, struct buf *told)
{
    if (tls_expires(t) <= now_s) {
        tell_day(c, told, "it has ended:", tls_expires(t));
        return SECURE_ENDED;
    }
    if (tls_begins(t) > now_s) {
        tell_day(c, told, "it is not valid before", tls_begins(t));
        return SECURE_ENDED;
    }
    if (tls_expires(t) - now_s < SOON_S) {
        tell_day(c, told, "it ends soon:", tls_expires(t));
        return SECURE_SOON;
    }
    return SECURE_GOOD;
}

enum secure secure_make(const struct conf *c, int64_t now_us, struct tls **out, struct buf *told)
{
    const struct conf_site *s = &c->site;
    struct tls_options o = { .server = true, .cert = s->tls_certificate, .key = s->tls_key, .ca = s->tls_ca,
                             .ask_cert = asks(c), .ciphers = s->tls_ciphers, .alpn = "nntp", .handshake_us = s->tls_handshake_us,
                             .minimum = s->tls_minimum == CONF_TLS_1_3 ? TLS_1_3 : TLS_1_2 };
    enum secure result;
    const char *at;
    struct tls *t;
    struct err e;

    if (out != NULL)
        *out = NULL;
    if (s->tls_certificate == NULL)
        return SECURE_GOOD;
    if ((t = tls_new(&o, &at, &e)) == NULL) {
        buf_printf(told, "%s:%d: %s: %s\n", c->file, line_of(s, at), key_of(at), e.text);
        return SECURE_BAD;
    }
    result = look(c, t, now_us / 1000000, told);
    if (out != NULL)
        *out = t;
    else
        tls_unref(&t);
    return result;
}
