/* tlskit.h - certificates for the tests of TLS, and streams that speak it.
 *
 * The certificates are made at the start: an authority, a server and a client
 * signed by it, and one that signed itself.
 */
#ifndef TLSKIT_H
#define TLSKIT_H

#include "tests/unit/streamkit.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "lib/tls.h"

/* --- certificates ------------------------------------------------------- */

struct party { EVP_PKEY *key; X509 *cert; char print[TLS_PRINT_MAX]; };

static struct party ca, server, client, loner, old;
static struct tls *at_server, *at_server_asking, *at_client, *at_client_shown, *at_client_loner;

static void extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX x;
    X509_EXTENSION *e;

    X509V3_set_ctx(&x, issuer, cert, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &x, nid, value);
    assert_non_null(e);
    X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
}

static void save(const char *name, const struct party *p)
{
    FILE *f = fopen(kit_path("%s.pem", name), "w");

    PEM_write_X509(f, p->cert);
    fclose(f);
    f = fopen(kit_path("%s.key", name), "w");
    PEM_write_PrivateKey(f, p->key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
}

/* 'issuer' NULL: it signs itself.  'names' as OpenSSL's subjectAltName, or NULL. */
static void make(struct party *p, const char *name, const struct party *issuer, const char *names, int from_day, int to_day)
{
    static long serial;
    unsigned char sum[32];
    X509_NAME *subject;

    p->key = EVP_EC_gen("P-256");
    p->cert = X509_new();
    X509_set_version(p->cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(p->cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(p->cert), 86400L * from_day);
    X509_gmtime_adj(X509_getm_notAfter(p->cert), 86400L * to_day);
    subject = X509_get_subject_name(p->cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(p->cert, X509_get_subject_name(issuer != NULL ? issuer->cert : p->cert));
    X509_set_pubkey(p->cert, p->key);
    extension(p->cert, issuer != NULL ? issuer->cert : p->cert, NID_basic_constraints, issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    if (names != NULL)
        extension(p->cert, p->cert, NID_subject_alt_name, names);
    assert_true(X509_sign(p->cert, issuer != NULL ? issuer->key : p->key, EVP_sha256()) > 0);
    X509_digest(p->cert, EVP_sha256(), sum, NULL);
    for (int i = 0; i < 32; i++)
        snprintf(p->print + 2 * i, 3, "%02x", sum[i]);
    save(name, p);
}

static void unmake(struct party *p)
{
    EVP_PKEY_free(p->key);
    X509_free(p->cert);
}

static struct tls *context(bool serves, const char *name, const char *authority, bool ask)
{
    struct err e = { 0 };
    char *cert = name != NULL ? xstrdup(kit_path("%s.pem", name)) : NULL;
    char *key = name != NULL ? xstrdup(kit_path("%s.key", name)) : NULL;
    char *file = authority != NULL ? xstrdup(kit_path("%s.pem", authority)) : NULL;
    struct tls_options o = { .server = serves, .cert = cert, .key = key, .ca = file, .ask_cert = ask };
    struct tls *t = tls_new(&o, NULL, &e);

    if (t == NULL)
        fail_msg("%s", e.text);
    free(cert);
    free(key);
    free(file);
    return t;
}

static int make_all(void **state)
{
    (void)state;
    make(&ca, "ca", NULL, NULL, -1, 3650);
    make(&server, "server", &ca, "DNS:news.test,DNS:*.many.test,IP:192.0.2.1", -1, 365);
    make(&client, "client", &ca, NULL, -1, 365);
    make(&loner, "loner", NULL, "DNS:loner.test", -1, 365);
    make(&old, "old", &ca, "DNS:news.test", -30, -1);
    at_server = context(true, "server", NULL, false);
    at_server_asking = context(true, "server", "ca", true);
    at_client = context(false, NULL, "ca", false);
    at_client_shown = context(false, "client", "ca", false);
    at_client_loner = context(false, "loner", "ca", false);
    return 0;
}

static int unmake_all(void **state)
{
    (void)state;
    tls_unref(&at_server);
    tls_unref(&at_server_asking);
    tls_unref(&at_client);
    tls_unref(&at_client_shown);
    tls_unref(&at_client_loner);
    unmake(&ca), unmake(&server), unmake(&client), unmake(&loner), unmake(&old);
    return 0;
}

/* --- two ends ----------------------------------------------------------- */

MAYBE_UNUSED static const struct tls_want anybody = { .verify = TLS_VERIFY_NONE };
MAYBE_UNUSED static const struct tls_want news_test = { .verify = TLS_VERIFY_NAME, .name = "news.test" };

MAYBE_UNUSED static void begin_client(struct end *e, struct tls *t, const struct tls_want *w)
{
    struct err err = { 0 };

    if (tls_begin_client(e->s, t, w, &err) != 0)
        fail_msg("%s", err.text);
}

MAYBE_UNUSED static void secured(struct end *a, struct end *b, struct tls *ta, struct tls *tb, const struct tls_want *w)
{
    ends_open(a, b);
    tls_begin_server(a->s, ta);
    begin_client(b, tb, w);
    until(a->told[STREAM_SECURE] + a->told[STREAM_FAILED] == 1 && b->told[STREAM_SECURE] + b->told[STREAM_FAILED] == 1);
}

MAYBE_UNUSED static void both_close(struct end *a, struct end *b)
{
    end_close(a);
    end_close(b);
}

/* A server's stream and a bare socket at its other end. */
MAYBE_UNUSED static void open_raw(struct end *a, int *peer, struct tls *t)
{
    int fd[2];

    pair_of(fd);
    *a = (struct end){ 0 };
    a->s = stream_socket(base, fd[0], on_end, a);
    tls_begin_server(a->s, t);
    *peer = fd[1];
}

MAYBE_UNUSED static void fails_with(struct end *a, const char *why)
{
    until(a->told[STREAM_FAILED] == 1);
    assert_string_equal(stream_reason(a->s), why);
    assert_int_equal(a->told[STREAM_SECURE] + a->told[STREAM_DATA], 0);
}

MAYBE_UNUSED static void more(struct end *e, uint64_t *sent, uint64_t most, size_t piece)
{
    char bytes[40000];

    while (*sent < most && stream_out_len(e->s) < 200000) {
        size_t n = 1 + kit_random() % piece;

        n = *sent + n > most ? (size_t)(most - *sent) : n;
        pattern_fill(bytes, *sent, n);
        stream_write(e->s, bytes, n);
        *sent += n;
    }
}

MAYBE_UNUSED static void exchange(struct end *a, struct end *b, uint64_t most, size_t piece)
{
    uint64_t sent_a = 0, sent_b = 0;

    a->pattern = b->pattern = true;
    while (a->checked < most || b->checked < most) {
        more(a, &sent_a, most, piece);
        more(b, &sent_b, most, piece);
        event_base_loop(base, EVLOOP_ONCE);
        assert_int_equal(a->told[STREAM_FAILED] + b->told[STREAM_FAILED], 0);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_base, close_base)

#endif
