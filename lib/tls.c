/* tls.c - contexts for TLS over OpenSSL: what the files say, once.  See tls.h.
 *
 * tls_link.c is a stream's layer that begins with one.
 */
#include "lib/tls_int.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/mem.h"

#define HANDSHAKE_US INT64_C(20000000)

/* ---- fingerprints ---- */

int tls_file_print(const char *file, char print[TLS_PRINT_MAX], struct err *e)
{
    FILE *f = fopen(file, "re");
    X509 *cert;

    print[0] = '\0';
    if (f == NULL)
        return err_sys(e, "%s", file);
    cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    ERR_clear_error();
    if (cert == NULL)
        return err_set(e, "%s: no certificate (PEM)", file);
    tls_print_of(cert, print);
    X509_free(cert);
    return 0;
}

bool tls_print_read(const char *text, char print[TLS_PRINT_MAX])
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        char c = *text >= 'A' && *text <= 'F' ? (char)(*text + 32) : *text;

        if (c == ':' && n > 0 && n % 2 == 0 && text[-1] != ':')
            continue;
        if (strchr("0123456789abcdef", c) == NULL || n == TLS_PRINT_MAX - 1)
            return false;
        print[n++] = c;
    }
    print[n] = '\0';
    return n == TLS_PRINT_MAX - 1;
}

void tls_print_of(const X509 *cert, char print[TLS_PRINT_MAX])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    print[0] = '\0';
    if (X509_digest(cert, EVP_sha256(), sum, &n) != 1 || n != 32)
        return;
    for (unsigned i = 0; i < n; i++)
        snprintf(print + (size_t)2 * i, 3, "%02x", sum[i]);
}

/* ---- the context ---- */

static int wrong(struct err *e, const char **at, const char *which, const char *file, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *why = code != 0 ? ERR_reason_error_string(code) : NULL;

    *at = which;
    return err_set(e, "%s%s%s%s%s", file, *file != '\0' ? ": " : "", what, why != NULL ? ": " : "", why != NULL ? why : "");
}

/* OpenSSL's words for a missing file are hard to read. */
static int readable(const char *file, const char **at, const char *which, struct err *e)
{
    FILE *f = fopen(file, "re");

    if (f == NULL) {
        *at = which;
        return err_sys(e, "%s", file);
    }
    fclose(f);
    return 0;
}

static int no_passphrase(char *p, int size, int rw, void *arg)
{
    (void)p, (void)size, (void)rw, (void)arg;
    return -1;                         /* nobody is there to type it */
}

static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm;

    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static int load_own(struct tls *t, const struct tls_options *o, const char **at, struct err *e)
{
    const X509 *cert;

    if (!o->server && o->cert == NULL && o->key == NULL)
        return 0;
    if (o->cert == NULL || o->key == NULL) {
        *at = o->cert == NULL ? "cert" : "key";
        return err_set(e, "a certificate and its key are wanted");
    }
    if (readable(o->cert, at, "cert", e) != 0 || readable(o->key, at, "key", e) != 0)
        return -1;
    if (SSL_CTX_use_certificate_chain_file(t->ctx, o->cert) != 1)
        return wrong(e, at, "cert", o->cert, "not a certificate that can be used (PEM, BEGIN CERTIFICATE)");
    if (SSL_CTX_use_PrivateKey_file(t->ctx, o->key, SSL_FILETYPE_PEM) != 1)
        return wrong(e, at, "key", o->key, "not a key that can be used (PEM, BEGIN PRIVATE KEY, no passphrase)");
    if (SSL_CTX_check_private_key(t->ctx) != 1)
        return wrong(e, at, "key", o->key, "does not fit the certificate");
    cert = SSL_CTX_get0_certificate(t->ctx);
    t->begins = seconds_of(X509_get0_notBefore(cert));
    t->expires = seconds_of(X509_get0_notAfter(cert));
    tls_print_of(cert, t->print);
    return 0;
}

static int load_authorities(struct tls *t, const struct tls_options *o, const char **at, struct err *e)
{
    STACK_OF(X509_NAME) *names;

    if (o->ca == NULL) {
        if (!o->server)
            SSL_CTX_set_default_verify_paths(t->ctx);
        return 0;
    }
    if (readable(o->ca, at, "ca", e) != 0)
        return -1;
    if (SSL_CTX_load_verify_file(t->ctx, o->ca) != 1)
        return wrong(e, at, "ca", o->ca, "no certificates that can be used");
    t->has_ca = true;
    if (o->server && (names = SSL_load_client_CA_file(o->ca)) != NULL)
        SSL_CTX_set_client_CA_list(t->ctx, names);
    return 0;
}

/* A certificate that no authority of ours signed may still be one that is known
 * by its fingerprint: remember, and go on. */
int tls_verified(int good, X509_STORE_CTX *x)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct link *l = SSL_get_app_data(ssl);

    if (!good && !l->unverified)
        l->trouble = X509_STORE_CTX_get_error(x);
    if (!good)
        l->unverified = true;
    return 1;
}

/* A client that names protocols and not ours was sent to the wrong door (ALPACA). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in, unsigned n, void *arg)
{
    struct tls *t = arg;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_n, t->alpn, t->alpn_n, in, n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void set_alpn(struct tls *t, const char *name)
{
    size_t n = strlen(name);

    need(n > 0 && n < sizeof t->alpn);
    t->alpn[0] = (unsigned char)n;
    memcpy(t->alpn + 1, name, n);
    t->alpn_n = (unsigned)n + 1;
    if (t->server)
        SSL_CTX_set_alpn_select_cb(t->ctx, on_alpn, t);
    else
        need(SSL_CTX_set_alpn_protos(t->ctx, t->alpn, t->alpn_n) == 0);
}

static int set_up(struct tls *t, const struct tls_options *o, const char **at, struct err *e)
{
    SSL_CTX *c = t->ctx;
    uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE;

    bool ask = o->server && (o->ask_cert || o->ca != NULL);

    if (ask || !o->server)
        options |= SSL_OP_NO_TICKET;           /* who came by a ticket showed its certificate another time */
    SSL_CTX_set_options(c, options);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    if (options & SSL_OP_NO_TICKET)
        SSL_CTX_set_num_tickets(c, 0);
    SSL_CTX_set_read_ahead(c, 1);
    SSL_CTX_set_default_passwd_cb(c, no_passphrase);
    if (SSL_CTX_set_min_proto_version(c, o->minimum == TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1)
        return err_set(e, "this OpenSSL does not know the TLS version that is wanted");
    if (o->ciphers != NULL && SSL_CTX_set_cipher_list(c, o->ciphers) != 1)
        return wrong(e, at, "ciphers", "", "no cipher of this list is known");
    if (load_own(t, o, at, e) != 0 || load_authorities(t, o, at, e) != 0)
        return -1;
    if (o->alpn != NULL)
        set_alpn(t, o->alpn);
    if (ask)
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, tls_verified);
    return 0;
}

struct tls *tls_new(const struct tls_options *o, const char **at, struct err *e)
{
    struct tls *t = xcalloc(1, sizeof *t);
    const char *nowhere;

    at = at != NULL ? at : &nowhere;
    *at = "";
    t->refs = 1;
    t->server = o->server;
    t->handshake_us = o->handshake_us > 0 ? o->handshake_us : HANDSHAKE_US;
    ERR_clear_error();
    t->ctx = SSL_CTX_new(o->server ? TLS_server_method() : TLS_client_method());
    need(t->ctx != NULL);
    if (set_up(t, o, at, e) != 0)
        tls_unref(&t);
    ERR_clear_error();
    return t;
}

struct tls *tls_ref(struct tls *t)
{
    if (t != NULL)
        t->refs++;
    return t;
}

void tls_unref(struct tls **t)
{
    if (*t != NULL && --(*t)->refs == 0) {
        SSL_CTX_free((*t)->ctx);
        free(*t);
    }
    *t = NULL;
}

int64_t tls_expires(const struct tls *t)
{
    return t->expires;
}

int64_t tls_begins(const struct tls *t)
{
    return t->begins;
}

const char *tls_print(const struct tls *t)
{
    return t->print;
}
