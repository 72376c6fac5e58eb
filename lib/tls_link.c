/* tls_link.c - TLS as a layer of a stream.  See tls.h.
 *
 * OpenSSL reads through a BIO from the carrier below, and writes through it into
 * 'out', which never says no.  So a write is never half done inside OpenSSL, and
 * all waiting is ours: 'out' is handed on at once and, when the carrier below
 * takes no more, kept until the stream asks for it (flush).
 *
 *     stream ── tls_write ─▶ SSL ─▶ out ─▶ carrier below
 *            ◀─ tls_read ─── SSL ◀─────── carrier below
 */
#include "lib/tls_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/span.h"

#define RECORD       16384             /* the largest piece that TLS encrypts at once             */
#define OUT_MOST     (64u << 10)       /* encrypted ahead of the carrier                          */
#define ANSWERS_MOST (128u << 10)      /* the same, with what TLS itself wants to say             */

/* ---- between OpenSSL and the carrier below ---- */

static int bio_read(BIO *b, char *p, int n)
{
    struct link *l = BIO_get_data(b);
    long got = l->io->read(l->inner, p, (size_t)n);

    BIO_clear_retry_flags(b);
    l->eof = got == 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(b);
    else if (got < 0)
        l->sys = errno;
    return (int)got;
}

static int bio_write(BIO *b, const char *p, int n)
{
    buf_add(&((struct link *)BIO_get_data(b))->out, p, (size_t)n);
    return n;
}

static long bio_ctrl(BIO *b, int what, long n, void *p)
{
    (void)n, (void)p;
    if (what == BIO_CTRL_EOF)
        return ((struct link *)BIO_get_data(b))->eof;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

static void make_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    need(bio_method != NULL);
    BIO_meth_set_read(bio_method, bio_read);
    BIO_meth_set_write(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

/* Hand on what is encrypted, as far as it is taken.  false: that failed. */
static bool push(struct link *l)
{
    while (buf_len(&l->out) > 0) {
        struct span v = buf_span(&l->out);
        long n = l->io->write(l->inner, &v, 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            if (l->reason == NULL)
                l->reason = xstrdup(strerror(errno));
            return false;
        }
        if (n < 0)
            break;
        buf_drop(&l->out, (size_t)n);
    }
    buf_shrink(&l->out);
    return true;
}

/* ---- what went wrong ---- */

static char *sentence(const struct link *l, unsigned long code)
{
    const char *where = l->done ? "TLS" : "TLS handshake", *why = ERR_reason_error_string(code);
    int reason = ERR_GET_REASON(code);

    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return xasprintf("%s: %s", where, why != NULL ? why : "the connection broke off");
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return xasprintf("%s", l->done ? "the connection was cut: TLS's farewell is missing"
                                       : "the other end hung up within the TLS handshake");
    if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST)
        return xasprintf("%s: what came is not TLS", where);
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return xasprintf("the other end's certificate is not good: %s",
                         X509_verify_cert_error_string(SSL_get_verify_result(l->ssl)));
    if (reason > SSL_AD_REASON_OFFSET)
        return xasprintf("%s: the other end refuses: %s", where, SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    return xasprintf("%s: %s", where, why != NULL ? why : "the connection broke off");
}

/* The other end is told (an alert), when it can be. */
static void fail(struct link *l, int ssl_error)
{
    unsigned long code = ERR_peek_error();

    if (l->sys != 0)
        l->reason = xstrdup(strerror(l->sys));
    else
        l->reason = sentence(l, ssl_error == SSL_ERROR_SSL ? code : 0);
    ERR_clear_error();
    (void)push(l);
}

static long failed(const struct link *l)
{
    errno = l->reason != NULL ? EIO : EAGAIN;
    return -1;
}

/* ---- the handshake ---- */

static void cert_print(const struct link *l, char print[TLS_PRINT_MAX])
{
    const X509 *cert = SSL_get0_peer_certificate(l->ssl);

    print[0] = '\0';
    if (cert != NULL)
        tls_print_of(cert, print);
}

static void shaken(struct link *l)
{
    char print[TLS_PRINT_MAX];

    if (l->pinned) {
        cert_print(l, print);
        if (strcmp(print, l->pin) != 0) {
            l->reason = xasprintf("the other end's certificate is not the one that is pinned: its SHA-256 is %s",
                                  print[0] != '\0' ? print : "missing");
            return;
        }
    }
    l->done = true;
    stream_secured(l->s);
}

static void shake(struct link *l)
{
    int r, error;

    ERR_clear_error();
    r = SSL_do_handshake(l->ssl);
    if (r == 1) {
        shaken(l);
    } else {
        error = SSL_get_error(l->ssl, r);
        if (error != SSL_ERROR_WANT_READ)
            fail(l, error);
    }
    if (buf_len(&l->out) > 0 || l->reason != NULL)
        stream_want_turn(l->s);
}

/* ---- the layer ---- */

static long tls_read(void *carrier, void *p, size_t n)
{
    struct link *l = carrier;
    size_t got = 0, k;

    if (l->reason == NULL && !l->done) {
        shake(l);
        return failed(l);
    }
    while (l->reason == NULL && !l->ended && got < n) {
        int error;

        ERR_clear_error();
        if (SSL_read_ex(l->ssl, (char *)p + got, n - got, &k) == 1) {
            got += k;
            continue;
        }
        error = SSL_get_error(l->ssl, 0);
        if (error == SSL_ERROR_WANT_READ)
            break;
        if (error == SSL_ERROR_ZERO_RETURN)
            l->ended = true;
        else
            fail(l, error);
    }
    if (buf_len(&l->out) > 0)
        stream_want_turn(l->s);                /* TLS had something to answer */
    if (buf_len(&l->out) > ANSWERS_MOST && l->reason == NULL)
        l->reason = xstrdup("TLS: the other end asks for answers and does not read them");
    if (got > 0 || (l->ended && l->reason == NULL))
        return (long)got;                      /* what is wrong is said the next time */
    return failed(l);
}

/* The next piece to encrypt: a span as it is, or small ones together. */
static struct span next_piece(const struct span *v, int n, size_t skip, char scratch[RECORD])
{
    size_t used = 0;
    int i = 0;

    for (; i < n && skip >= v[i].n; i++)
        skip -= v[i].n;
    if (i == n)
        return (struct span){ 0 };
    if (i == n - 1 || v[i].n - skip >= RECORD)
        return (struct span){ v[i].p + skip, v[i].n - skip < RECORD ? v[i].n - skip : RECORD };
    for (; i < n && used < RECORD; i++, skip = 0) {
        size_t k = v[i].n - skip < RECORD - used ? v[i].n - skip : RECORD - used;

        memcpy(scratch + used, v[i].p + skip, k);
        used += k;
    }
    return (struct span){ scratch, used };
}

static long tls_write(void *carrier, const struct span *v, int n)
{
    static _Thread_local char scratch[RECORD];
    struct link *l = carrier;
    struct span piece;
    size_t taken = 0, k;

    if (l->reason != NULL || !push(l) || buf_len(&l->out) > 0)
        return failed(l);
    while (buf_len(&l->out) < OUT_MOST && (piece = next_piece(v, n, taken, scratch)).n > 0) {
        ERR_clear_error();
        if (SSL_write_ex(l->ssl, piece.p, piece.n, &k) != 1) {
            fail(l, SSL_get_error(l->ssl, 0));
            return failed(l);
        }
        taken += k;
    }
    if (!push(l))
        return failed(l);
    return (long)taken;
}

static long tls_flush(void *carrier, bool end)
{
    struct link *l = carrier;

    if (end && l->done && !l->said_end && l->reason == NULL) {
        l->said_end = true;
        ERR_clear_error();
        (void)SSL_shutdown(l->ssl);
    }
    if (!push(l) || l->reason != NULL)
        return failed(l);
    return (long)buf_len(&l->out);
}

static const char *tls_why(void *carrier)
{
    return ((struct link *)carrier)->reason;
}

static void tls_free(void *carrier)
{
    struct link *l = carrier;

    SSL_free(l->ssl);
    ERR_clear_error();
    l->io->free(l->inner);
    buf_fini(&l->out);
    free(l->reason);
    tls_unref(&l->tls);
    free(l);
}

static const struct stream_io tls_io = { .read = tls_read, .write = tls_write, .free = tls_free, .flush = tls_flush,
                                         .why = tls_why };

/* ---- beginning ---- */

static void *wrap(void *inner, const struct stream_io *inner_io, const struct stream_io **io, void *arg)
{
    struct link *l = arg;

    l->inner = inner;
    l->io = inner_io;
    *io = &tls_io;
    return l;
}

static struct link *link_new(struct stream *s, struct tls *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct link *l = xcalloc(1, sizeof *l);
    BIO *bio;

    pthread_once(&once, make_method);
    l->s = s;
    l->tls = tls_ref(t);
    l->ssl = SSL_new(t->ctx);
    bio = BIO_new(bio_method);
    need(l->ssl != NULL && bio != NULL);
    BIO_set_data(bio, l);
    BIO_set_init(bio, 1);
    SSL_set_bio(l->ssl, bio, bio);
    SSL_set_app_data(l->ssl, l);
    return l;
}

void tls_begin_server(struct stream *s, struct tls *t)
{
    struct link *l = link_new(s, t);

    need(t->server);
    SSL_set_accept_state(l->ssl);
    stream_layer(s, wrap, l);
    stream_shake(s, t->handshake_us);
}

static bool literal(const char *name)
{
    struct in6_addr a;

    return inet_pton(AF_INET, name, &a) == 1 || inet_pton(AF_INET6, name, &a) == 1;
}

/* What the server must be, and how it is called. */
static int want_server(struct link *l, const struct tls_want *w, struct err *e)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(l->ssl);
    bool address = w->name != NULL && literal(w->name);

    if (w->name != NULL && !address && SSL_set_tlsext_host_name(l->ssl, w->name) != 1)
        return err_set(e, "\"%s\" cannot be asked for by TLS", w->name);
    SSL_set_verify(l->ssl, SSL_VERIFY_PEER, w->verify == TLS_VERIFY_NAME ? NULL : tls_verified);
    if (w->verify == TLS_VERIFY_PRINT) {
        l->pinned = true;
        if (w->print == NULL || !tls_print_read(w->print, l->pin))
            return err_set(e, "a fingerprint has 64 hex digits (SHA-256)");
    } else if (w->verify == TLS_VERIFY_NAME || w->verify == TLS_VERIFY_LOOK) {
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (w->name == NULL || *w->name == '\0' ||
            (address ? X509_VERIFY_PARAM_set1_ip_asc(param, w->name) : SSL_set1_host(l->ssl, w->name)) != 1)
            return err_set(e, "the name that the certificate should have is missing");
    }
    return 0;
}

int tls_begin_client(struct stream *s, struct tls *t, const struct tls_want *want, struct err *e)
{
    struct link *l = link_new(s, t);

    need(!t->server);
    if (want_server(l, want, e) != 0) {
        SSL_free(l->ssl);
        tls_unref(&l->tls);
        free(l);
        return -1;
    }
    SSL_set_connect_state(l->ssl);
    stream_layer(s, wrap, l);
    stream_shake(s, t->handshake_us);
    shake(l);                                  /* the first word is ours */
    return 0;
}

/* ---- who is there ---- */

static const struct link *done_of(const struct stream *s)
{
    const struct link *l = stream_layer_of(s, &tls_io);

    return l != NULL && l->done ? l : NULL;
}

void tls_facts(const struct stream *s, struct tls_facts *f)
{
    const struct link *l = done_of(s);

    *f = (struct tls_facts){ .on = l != NULL, .protocol = "", .cipher = "", .cert_trouble = "" };
    if (l == NULL)
        return;
    f->protocol = SSL_get_version(l->ssl);
    f->cipher = SSL_get_cipher_name(l->ssl);
    cert_print(l, f->cert);
    if (l->unverified)
        f->cert_trouble = X509_verify_cert_error_string(l->trouble);
    f->cert_good = f->cert[0] != '\0' && !l->unverified && (l->tls->has_ca || !l->tls->server);
}

static void put_name(struct buf *out, const GENERAL_NAME *n)
{
    const unsigned char *p;
    char text[INET6_ADDRSTRLEN];
    int size;

    if (n->type == GEN_DNS) {
        p = ASN1_STRING_get0_data(n->d.dNSName);
        for (size = ASN1_STRING_length(n->d.dNSName); size > 0; size--, p++)
            buf_add(out, *p > ' ' && *p < 127 ? (const char *)p : "?", 1);
        buf_puts(out, "\n");
    } else if (n->type == GEN_IPADD) {
        size = ASN1_STRING_length(n->d.iPAddress);
        if ((size == 4 || size == 16) &&
            inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(n->d.iPAddress), text, sizeof text) != NULL)
            buf_printf(out, "%s\n", text);
    }
}

void tls_names(const struct stream *s, struct buf *out)
{
    const struct link *l = done_of(s);
    X509 *cert = l != NULL ? SSL_get0_peer_certificate(l->ssl) : NULL;
    size_t was = buf_len(out);
    GENERAL_NAMES *names;
    char common[256];
    int n;

    if (cert == NULL)
        return;
    names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        put_name(out, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, common, sizeof common);
    /* one with a NUL in it, or cut off, would be another's name */
    if (buf_len(out) == was && n > 0 && n < (int)sizeof common - 1 && (size_t)n == strlen(common)) {
        for (char *p = common; *p != '\0'; p++)
            if ((unsigned char)*p < ' ' || *p == 127)
                *p = '?';
        buf_printf(out, "%s\n", common);
    }
    ERR_clear_error();
}
