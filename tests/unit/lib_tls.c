/* lib_tls.c - TLS on streams: who is there, bytes both ways, every way to go wrong.
 *
 * Certificates are made here, at the start: an authority, a server and a client
 * signed by it, and one that signed itself.
 */
#include "tests/unit/streamkit.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "lib/deflate.h"
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

static const struct tls_want anybody = { .verify = TLS_VERIFY_NONE };
static const struct tls_want news_test = { .verify = TLS_VERIFY_NAME, .name = "news.test" };

static void begin_client(struct end *e, struct tls *t, const struct tls_want *w)
{
    struct err err = { 0 };

    if (tls_begin_client(e->s, t, w, &err) != 0)
        fail_msg("%s", err.text);
}

static void secured(struct end *a, struct end *b, struct tls *ta, struct tls *tb, const struct tls_want *w)
{
    ends_open(a, b);
    tls_begin_server(a->s, ta);
    begin_client(b, tb, w);
    until(a->told[STREAM_SECURE] + a->told[STREAM_FAILED] == 1 && b->told[STREAM_SECURE] + b->told[STREAM_FAILED] == 1);
}

static void both_close(struct end *a, struct end *b)
{
    end_close(a);
    end_close(b);
}

static void both_ends_shake_hands_and_know_each_other(void **state)
{
    struct end a, b;
    struct tls_facts f;
    struct buf names = { 0 };

    (void)state;
    secured(&a, &b, at_server, at_client, &news_test);
    assert_int_equal(a.told[STREAM_SECURE] + b.told[STREAM_SECURE], 2);
    tls_facts(a.s, &f);
    assert_true(f.on && !f.cert_good);
    assert_string_equal(f.cert, "");
    assert_string_equal(f.protocol, "TLSv1.3");
    tls_names(a.s, &names);
    assert_int_equal(buf_len(&names), 0);
    tls_facts(b.s, &f);
    assert_true(f.on && f.cert_good);
    assert_string_equal(f.cert, server.print);
    assert_string_equal(f.protocol, "TLSv1.3");
    assert_true(strncmp(f.cipher, "TLS_", 4) == 0);
    tls_names(b.s, &names);
    assert_true(span_eq(buf_span(&names), SPAN("news.test\n*.many.test\n192.0.2.1\n")));
    stream_puts(a.s, "200 hello\r\n");
    stream_puts(b.s, "DATE\r\n");
    until(got_is(&b, "200 hello\r\n") && got_is(&a, "DATE\r\n"));
    settle();
    assert_int_equal(stream_out_len(a.s), 0);
    buf_fini(&names);
    both_close(&a, &b);
}

static void a_stream_without_tls_says_so(void **state)
{
    struct end a, b;
    struct tls_facts f;

    (void)state;
    ends_open(&a, &b);
    tls_facts(a.s, &f);
    assert_false(f.on || f.cert_good);
    tls_begin_server(a.s, at_server);          /* begun is not done */
    tls_facts(a.s, &f);
    assert_false(f.on || f.cert_good);
    both_close(&a, &b);
}

static void not_before_it_stands(struct end *e, enum stream_event what)
{
    assert_true(what != STREAM_DATA || e->told[STREAM_SECURE] == 1);
}

static void what_is_written_before_it_stands_waits_and_arrives(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    a.then = b.then = not_before_it_stands;
    tls_begin_server(a.s, at_server);
    begin_client(&b, at_client, &news_test);
    stream_puts(a.s, "200 hello\r\n");
    stream_puts(b.s, "CAPABILITIES\r\n");
    assert_int_equal(stream_out_len(a.s), 11);
    until(got_is(&b, "200 hello\r\n") && got_is(&a, "CAPABILITIES\r\n"));
    assert_int_equal(a.told[STREAM_SECURE] + b.told[STREAM_SECURE], 2);
    both_close(&a, &b);
}

static void free_it(struct end *e, enum stream_event what)
{
    if (what == STREAM_SECURE)
        stream_free(&e->s);
}

static void the_owner_may_free_it_when_it_stands(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    a.then = free_it;
    tls_begin_server(a.s, at_server);
    begin_client(&b, at_client, &news_test);
    until(a.s == NULL && b.told[STREAM_FAILED] == 1);
    both_close(&a, &b);
}

/* --- bytes -------------------------------------------------------------- */

static void more(struct end *e, uint64_t *sent, uint64_t most, size_t piece)
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

static void exchange(struct end *a, struct end *b, uint64_t most, size_t piece)
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

static void much_goes_both_ways_at_once(void **state)
{
    struct end a, b;

    (void)state;
    secured(&a, &b, at_server, at_client, &news_test);
    exchange(&a, &b, 8 << 20, 40000);
    both_close(&a, &b);
}

static void small_pieces_go_both_ways(void **state)
{
    struct end a, b;

    (void)state;
    secured(&a, &b, at_server, at_client, &news_test);
    exchange(&a, &b, 100000, 3);
    both_close(&a, &b);
}

/* A carrier that gives and takes an octet at a time, and now and then nothing. */
struct drip { void *inner; const struct stream_io *io; };

static long drip_read(void *carrier, void *p, size_t n)
{
    struct drip *d = carrier;

    if (kit_random() % 4 == 0) {
        errno = EAGAIN;
        return -1;
    }
    return d->io->read(d->inner, p, n < 3 ? n : 1 + kit_random() % 3);
}

static long drip_write(void *carrier, const struct span *v, int n)
{
    struct drip *d = carrier;
    struct span some = { v[0].p, v[0].n < 5 ? v[0].n : 1 + kit_random() % 5 };

    (void)n;
    if (kit_random() % 4 == 0) {
        errno = EAGAIN;
        return -1;
    }
    return d->io->write(d->inner, &some, 1);
}

static void drip_free(void *carrier)
{
    struct drip *d = carrier;

    d->io->free(d->inner);
}

static void *drip_wrap(void *inner, const struct stream_io *inner_io, const struct stream_io **io, void *arg)
{
    static const struct stream_io drip_io = { .read = drip_read, .write = drip_write, .free = drip_free };
    struct drip *d = arg;

    *d = (struct drip){ inner, inner_io };
    *io = &drip_io;
    return d;
}

static void it_stands_on_a_carrier_that_drips(void **state)
{
    struct drip da, db;
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    stream_layer(a.s, drip_wrap, &da);
    stream_layer(b.s, drip_wrap, &db);
    tls_begin_server(a.s, at_server);
    begin_client(&b, at_client, &news_test);
    exchange(&a, &b, 20000, 500);
    assert_int_equal(a.told[STREAM_SECURE] + b.told[STREAM_SECURE], 2);
    both_close(&a, &b);
}

static void deflate_stands_on_it(void **state)
{
    struct end a, b;

    (void)state;
    secured(&a, &b, at_server, at_client, &news_test);
    stream_puts(b.s, "COMPRESS DEFLATE\r\n");
    until(got_is(&a, "COMPRESS DEFLATE\r\n"));
    stream_puts(a.s, "206 go\r\n");
    deflate_begin(a.s, deflate_new());
    until(got_is(&b, "206 go\r\n"));
    deflate_begin(b.s, deflate_new());
    exchange(&a, &b, 3 << 20, 20000);
    stream_finish(a.s);
    until(b.told[STREAM_CLOSED] == 1);
    stream_finish(b.s);
    until(a.told[STREAM_CLOSED] == 1);
    assert_int_equal(a.told[STREAM_FAILED] + b.told[STREAM_FAILED], 0);
    both_close(&a, &b);
}

static void files_go_through_it(void **state)
{
    enum { N = 3000000 };
    struct mailbox *home = mailbox_new(base);
    struct lane *lane = lane_new("test", 1);
    int fd = open(kit_path("file"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    char *p = xmalloc(N);
    struct end a, b;

    (void)state;
    pattern_fill(p, 0, N);
    assert_int_equal(write(fd, p, N), N);
    free(p);
    secured(&a, &b, at_server, at_client, &news_test);
    b.pattern = true;
    stream_send_file(a.s, fd, 0, N, lane, home, NULL, NULL);
    until(b.checked == N);
    both_close(&a, &b);
    lane_free(&lane);
    mailbox_free(&home);
    close(fd);
}

static void one_who_does_not_read_is_owed_no_more_than_the_layers_room(void **state)
{
    struct end a, b;
    size_t asked = 0;

    (void)state;
    secured(&a, &b, at_server, at_client, &news_test);
    stream_pause(b.s, true);
    for (int i = 0; i < 400; i++) {
        char piece[10000];

        pattern_fill(piece, asked, sizeof piece);
        stream_write(a.s, piece, sizeof piece);
        asked += sizeof piece;
        settle();
    }
    assert_true(stream_out_len(a.s) > 1 << 20 && a.told[STREAM_DRAINED] == 0);
    b.pattern = true;
    stream_pause(b.s, false);
    until(b.checked == asked && a.told[STREAM_DRAINED] == 1 && stream_out_len(a.s) == 0);
    both_close(&a, &b);
}

static void it_begins_again_for_one_line_in_clear(void **state)
{
    struct end a = { 0 }, b = { 0 };

    /* the dialogue of RFC 4642 2.2.3 */
    (void)state;
    ends_open(&a, &b);
    stream_puts(b.s, "STARTTLS\r\n");
    until(got_is(&a, "STARTTLS\r\n"));
    stream_puts(a.s, "382 go\r\n");
    tls_begin_server(a.s, at_server);
    until(got_is(&b, "382 go\r\n"));
    begin_client(&b, at_client, &news_test);
    stream_puts(b.s, "DATE\r\n");
    until(got_is(&a, "STARTTLS\r\nDATE\r\n"));
    both_close(&a, &b);
}

static void begin_at_starttls(struct end *e, enum stream_event what)
{
    struct buf *in = stream_in(e->s);

    if (what == STREAM_DATA && e->told[STREAM_SECURE] == 0 && e->told[STREAM_DATA] == 1) {
        buf_drop(in, 10);                      /* "STARTTLS\r\n" */
        assert_true(buf_len(in) > 0);
        stream_puts(e->s, "382 go\r\n");
        tls_begin_server(e->s, at_server);
        assert_int_equal(buf_len(in), 0);
        e->keep = false;
    }
}

static void what_was_smuggled_behind_starttls_is_never_heard(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    a.keep = true;
    a.then = begin_at_starttls;
    stream_puts(b.s, "STARTTLS\r\nPOST\r\n");
    until(got_is(&b, "382 go\r\n"));
    begin_client(&b, at_client, &news_test);
    stream_puts(b.s, "DATE\r\n");
    until(got_is(&a, "DATE\r\n"));
    both_close(&a, &b);
}

/* --- ends --------------------------------------------------------------- */

static void a_farewell_is_an_end_and_the_other_way_stays_open(void **state)
{
    struct end a, b;

    (void)state;
    secured(&a, &b, at_server, at_client, &news_test);
    stream_puts(b.s, "QUIT\r\n");
    stream_finish(b.s);
    until(a.told[STREAM_CLOSED] == 1);
    assert_true(got_is(&a, "QUIT\r\n"));
    stream_puts(a.s, "205 bye\r\n");
    stream_finish(a.s);
    until(a.told[STREAM_CLOSED] == 2 && b.told[STREAM_CLOSED] == 1);
    assert_int_equal(a.told[STREAM_FAILED] + b.told[STREAM_FAILED], 0);
    both_close(&a, &b);
}

static void an_end_without_farewell_is_noticed(void **state)
{
    struct end a, b;

    (void)state;
    secured(&a, &b, at_server, at_client, &news_test);
    stream_puts(b.s, "IHAVE <1@example>\r\n");
    until(got_is(&a, "IHAVE <1@example>\r\n"));
    shutdown(stream_fd(b.s), SHUT_WR);
    until(a.told[STREAM_FAILED] == 1);
    assert_string_equal(stream_reason(a.s), "the connection was cut: TLS's farewell is missing");
    assert_int_equal(a.told[STREAM_CLOSED], 0);
    both_close(&a, &b);
}

/* A server's stream and a bare socket at its other end. */
static void open_raw(struct end *a, int *peer, struct tls *t)
{
    int fd[2];

    pair_of(fd);
    *a = (struct end){ 0 };
    a->s = stream_socket(base, fd[0], on_end, a);
    tls_begin_server(a->s, t);
    *peer = fd[1];
}

static void fails_with(struct end *a, const char *why)
{
    until(a->told[STREAM_FAILED] == 1);
    assert_string_equal(stream_reason(a->s), why);
    assert_int_equal(a->told[STREAM_SECURE] + a->told[STREAM_DATA], 0);
}

static void what_is_not_tls_fails(void **state)
{
    static const char *const said[] = { "CAPABILITIES\r\n", "GET / HTTP/1.1\r\nHost: news.test\r\n\r\n", "\0\0\0\0\0\0\0\0" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct end a;
        int fd;

        open_raw(&a, &fd, at_server);
        assert_true(write(fd, said[i], i == 2 ? 8 : strlen(said[i])) > 0);
        fails_with(&a, "TLS handshake: what came is not TLS");
        end_close(&a);
        close(fd);
    }
}

static void random_octets_fail_or_wait_for_more(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        char junk[600];
        struct end a;
        size_t n = 1 + kit_random() % sizeof junk;
        int fd;

        for (size_t k = 0; k < n; k++)
            junk[k] = (char)kit_random();
        if (i % 2 == 0) {                      /* the frame of a ClientHello, and nonsense in it */
            static const char head[] = { 0x16, 3, 1, 1, 0, 1, 0, 0, (char)252, 3, 3 };

            memcpy(junk, head, n < sizeof head ? n : sizeof head);
        }
        open_raw(&a, &fd, at_server);
        assert_int_equal(write(fd, junk, n), n);
        shutdown(fd, SHUT_WR);
        until(a.told[STREAM_FAILED] == 1);
        assert_true(*stream_reason(a.s) != '\0');
        assert_int_equal(a.told[STREAM_SECURE] + a.told[STREAM_DATA], 0);
        end_close(&a);
        close(fd);
    }
}

static void garbage_behind_the_handshake_fails(void **state)
{
    struct end a, b;

    (void)state;
    secured(&a, &b, at_server, at_client, &news_test);
    stream_puts(b.s, "DATE\r\n");
    until(got_is(&a, "DATE\r\n"));
    assert_int_equal(write(stream_fd(b.s), "QUIT\r\n and more than a header\r\n", 31), 31);
    until(a.told[STREAM_FAILED] == 1);
    assert_true(strncmp(stream_reason(a.s), "TLS: ", 5) == 0);
    assert_true(got_is(&a, "DATE\r\n"));
    both_close(&a, &b);
}

static void hanging_up_in_the_handshake_fails(void **state)
{
    struct end a;
    int fd;

    (void)state;
    open_raw(&a, &fd, at_server);
    close(fd);
    fails_with(&a, "the other end hung up within the TLS handshake");
    end_close(&a);
}

static struct tls *impatient(void)
{
    char *cert = xstrdup(kit_path("server.pem")), *key = xstrdup(kit_path("server.key"));
    struct tls_options o = { .server = true, .cert = cert, .key = key, .handshake_us = 30000 };
    struct tls *t = tls_new(&o, NULL, NULL);

    assert_non_null(t);
    free(cert);
    free(key);
    return t;
}

static void a_silent_end_is_not_waited_for(void **state)
{
    struct tls *t = impatient();
    struct end a;
    int fd;

    (void)state;
    open_raw(&a, &fd, t);
    tls_unref(&t);                             /* the stream has its own reference */
    fails_with(&a, "the TLS handshake took too long");
    end_close(&a);
    close(fd);
}

static void octets_now_and_then_win_no_time(void **state)
{
    static const char head[] = { 0x16, 3, 1, 64, 0 };  /* a record that will be 16 kB */
    struct tls *t = impatient();
    struct end a;
    int fd;

    (void)state;
    open_raw(&a, &fd, t);
    stream_set_timeout(a.s, 1000000);
    assert_int_equal(write(fd, head, sizeof head), sizeof head);
    while (a.told[STREAM_FAILED] == 0) {
        (void)!write(fd, "\1", 1);
        event_base_loop(base, EVLOOP_NONBLOCK);
        usleep(2000);
    }
    fails_with(&a, stream_reason(a.s));
    tls_unref(&t);
    end_close(&a);
    close(fd);
}

static void a_handshake_in_time_leaves_no_clock_ticking(void **state)
{
    struct tls *t = impatient();
    struct end a, b;

    (void)state;
    secured(&a, &b, t, at_client, &news_test);
    if (a.told[STREAM_SECURE] == 1) {          /* on a slow machine it was not in time */
        stream_set_timeout(a.s, 60000);
        until(a.told[STREAM_TIMEOUT] == 1);
        assert_int_equal(a.told[STREAM_FAILED], 0);
    }
    tls_unref(&t);
    both_close(&a, &b);
}

/* --- a client of OpenSSL's own ------------------------------------------- */

static SSL *raw_client(SSL_CTX *c, int fd)
{
    SSL *ssl = SSL_new(c);

    SSL_set_fd(ssl, fd);
    SSL_set_connect_state(ssl);
    return ssl;
}

static bool raw_wants(SSL *ssl, int r)
{
    int error = SSL_get_error(ssl, r);

    return r <= 0 && (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE);
}

static int raw_shake(SSL *ssl)
{
    int r;

    while (raw_wants(ssl, r = SSL_do_handshake(ssl)))
        event_base_loop(base, EVLOOP_NONBLOCK);
    return r;
}

static void renegotiation_is_refused(void **state)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    struct end a;
    SSL *ssl;
    int fd;

    (void)state;
    SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
    open_raw(&a, &fd, at_server);
    ssl = raw_client(c, fd);
    assert_int_equal(raw_shake(ssl), 1);
    assert_int_equal(SSL_renegotiate(ssl), 1);
    ERR_clear_error();
    assert_true(raw_shake(ssl) != 1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    until(a.told[STREAM_FAILED] == 1);         /* the client gives up, not we */
    assert_string_equal(stream_reason(a.s), "TLS: the other end refuses: handshake failure");
    assert_int_equal(a.told[STREAM_SECURE], 1);
    SSL_free(ssl);
    SSL_CTX_free(c);
    end_close(&a);
    close(fd);
}

static void a_client_that_asks_for_endless_answers_is_cut_off(void **state)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    struct end a;
    SSL *ssl;
    int fd, r = 1;

    (void)state;
    open_raw(&a, &fd, at_server);
    ssl = raw_client(c, fd);
    assert_int_equal(raw_shake(ssl), 1);
    /* key updates, each to be answered, and none of the answers is read */
    for (int i = 0; i < 300000 && a.told[STREAM_FAILED] == 0 && r == 1; i++) {
        assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        while (raw_wants(ssl, r = SSL_do_handshake(ssl)) && a.told[STREAM_FAILED] == 0)
            event_base_loop(base, EVLOOP_NONBLOCK);
        event_base_loop(base, EVLOOP_NONBLOCK);
        assert_true(stream_out_len(a.s) < 300000);
    }
    assert_int_equal(a.told[STREAM_FAILED], 1);
    assert_string_equal(stream_reason(a.s), "TLS: the other end asks for answers and does not read them");
    SSL_free(ssl);
    SSL_CTX_free(c);
    end_close(&a);
    close(fd);
}

static void old_versions_are_refused(void **state)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    struct end a;
    SSL *ssl;
    int fd;

    (void)state;
    SSL_CTX_set_security_level(c, 0);
    SSL_CTX_set_min_proto_version(c, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(c, TLS1_1_VERSION);
    open_raw(&a, &fd, at_server);
    ssl = raw_client(c, fd);
    assert_true(raw_shake(ssl) != 1);
    fails_with(&a, "TLS handshake: unsupported protocol");
    SSL_free(ssl);
    SSL_CTX_free(c);
    end_close(&a);
    close(fd);
}

static void a_site_may_ask_for_tls_1_3(void **state)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    char *cert = xstrdup(kit_path("server.pem")), *key = xstrdup(kit_path("server.key"));
    struct tls_options o = { .server = true, .cert = cert, .key = key, .minimum = TLS_1_3 };
    struct tls *t = tls_new(&o, NULL, NULL);
    struct end a, b;
    SSL *ssl;
    int fd;

    (void)state;
    SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
    open_raw(&a, &fd, t);
    ssl = raw_client(c, fd);
    assert_true(raw_shake(ssl) != 1);
    fails_with(&a, "TLS handshake: unsupported protocol");
    SSL_free(ssl);
    SSL_CTX_free(c);
    end_close(&a);
    close(fd);
    secured(&a, &b, t, at_client, &news_test);
    assert_int_equal(a.told[STREAM_SECURE], 1);
    both_close(&a, &b);
    tls_unref(&t);
    free(cert);
    free(key);
}

static void one_who_came_for_another_protocol_is_refused(void **state)
{
    static const struct { const char *offered; unsigned n; bool good; } rows[] = {
        { "\4nntp", 5, true }, { "\2h2\4nntp", 8, true }, { "\10http/1.1", 9, false }, { NULL, 0, true },
    };
    char *cert = xstrdup(kit_path("server.pem")), *key = xstrdup(kit_path("server.key"));
    struct tls_options o = { .server = true, .cert = cert, .key = key, .alpn = "nntp" };
    struct tls *t = tls_new(&o, NULL, NULL);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SSL_CTX *c = SSL_CTX_new(TLS_client_method());
        struct end a;
        SSL *ssl;
        int fd;

        if (rows[i].offered != NULL)
            SSL_CTX_set_alpn_protos(c, (const unsigned char *)rows[i].offered, rows[i].n);
        open_raw(&a, &fd, t);
        ssl = raw_client(c, fd);
        assert_int_equal(raw_shake(ssl) == 1, rows[i].good);
        until(a.told[STREAM_SECURE] + a.told[STREAM_FAILED] == 1);
        assert_int_equal(a.told[STREAM_SECURE], rows[i].good);
        SSL_free(ssl);
        SSL_CTX_free(c);
        end_close(&a);
        close(fd);
    }
    tls_unref(&t);
    free(cert);
    free(key);
}

/* --- who is there ------------------------------------------------------- */

struct wish { const char *server; const struct tls_want want; bool good, known; };

static void a_client_takes_only_the_server_that_it_wants(void **state)
{
    const struct wish wishes[] = {
        { "server", { TLS_VERIFY_NAME, "news.test", NULL }, true, true },
        { "server", { TLS_VERIFY_NAME, "NEWS.test", NULL }, true, true },
        { "server", { TLS_VERIFY_NAME, "x.many.test", NULL }, true, true },
        { "server", { TLS_VERIFY_NAME, "192.0.2.1", NULL }, true, true },
        { "server", { TLS_VERIFY_NAME, "192.0.2.2", NULL }, false, false },
        { "server", { TLS_VERIFY_NAME, "other.test", NULL }, false, false },
        { "server", { TLS_VERIFY_NAME, "a.b.many.test", NULL }, false, false },
        { "server", { TLS_VERIFY_NAME, "server", NULL }, false, false },         /* its common name does not count */
        { "loner", { TLS_VERIFY_NAME, "loner.test", NULL }, false, false },
        { "old", { TLS_VERIFY_NAME, "news.test", NULL }, false, false },
        { "server", { TLS_VERIFY_PRINT, "news.test", server.print }, true, true },
        { "loner", { TLS_VERIFY_PRINT, NULL, loner.print }, true, false },
        { "old", { TLS_VERIFY_PRINT, NULL, old.print }, true, false },
        { "loner", { TLS_VERIFY_PRINT, NULL, server.print }, false, false },
        { "loner", { TLS_VERIFY_NONE, NULL, NULL }, true, false },
        { "server", { TLS_VERIFY_NONE, "other.test", NULL }, true, true },
        { "server", { TLS_VERIFY_LOOK, "news.test", NULL }, true, true },
        { "server", { TLS_VERIFY_LOOK, "other.test", NULL }, true, false },
        { "loner", { TLS_VERIFY_LOOK, "loner.test", NULL }, true, false },
        { "old", { TLS_VERIFY_LOOK, "news.test", NULL }, true, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        const struct wish *w = &wishes[i];
        struct tls *t = context(true, w->server, NULL, false);
        struct tls_facts f;
        struct end a, b;

        ends_open(&a, &b);
        tls_begin_server(a.s, t);
        begin_client(&b, at_client, &w->want);
        until(b.told[STREAM_SECURE] + b.told[STREAM_FAILED] == 1);
        if (b.told[STREAM_SECURE] != w->good)
            fail_msg("wish %zu: %s", i, stream_reason(b.s));
        if (!w->good)
            assert_true(strstr(stream_reason(b.s), "certificate is not") != NULL);
        tls_facts(b.s, &f);
        assert_int_equal(f.on, w->good);
        assert_int_equal(f.cert_good, w->known);
        if (w->want.verify == TLS_VERIFY_LOOK)                   /* what NAME would have said */
            assert_int_equal(f.cert_trouble[0] == '\0', w->known);
        tls_unref(&t);
        both_close(&a, &b);
    }
}

static void a_wish_that_cannot_be_is_refused_at_once(void **state)
{
    static const struct tls_want bad[] = {
        { TLS_VERIFY_NAME, NULL, NULL }, { TLS_VERIFY_NAME, "", NULL },
        { TLS_VERIFY_PRINT, "news.test", NULL }, { TLS_VERIFY_PRINT, "news.test", "abc" },
    };
    struct end a, b;
    struct err e;

    (void)state;
    ends_open(&a, &b);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e.text[0] = '\0';
        assert_int_equal(tls_begin_client(b.s, at_client, &bad[i], &e), -1);
        assert_true(e.text[0] != '\0');
    }
    begin_client(&b, at_client, &news_test);   /* it is as before */
    tls_begin_server(a.s, at_server);
    until(b.told[STREAM_SECURE] == 1);
    both_close(&a, &b);
}

static void a_server_that_asks_knows_its_clients(void **state)
{
    const struct { struct tls *context; const char *print; bool good; } rows[] = {
        { at_client, "", false }, { at_client_shown, client.print, true }, { at_client_loner, loner.print, false },
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct tls_facts f;
        struct end a, b;

        secured(&a, &b, at_server_asking, rows[i].context, &anybody);
        tls_facts(a.s, &f);
        assert_true(f.on);
        assert_string_equal(f.cert, rows[i].print);
        assert_int_equal(f.cert_good, rows[i].good);
        both_close(&a, &b);
    }
}

static void a_server_without_authorities_knows_fingerprints_alone(void **state)
{
    struct tls *t = context(true, "server", NULL, true);
    struct tls_facts f;
    struct end a, b;

    (void)state;
    secured(&a, &b, t, at_client_shown, &anybody);
    tls_facts(a.s, &f);
    assert_string_equal(f.cert, client.print);
    assert_false(f.cert_good);
    tls_unref(&t);
    both_close(&a, &b);
    secured(&a, &b, at_server, at_client_shown, &anybody);           /* and one that does not ask, nothing */
    tls_facts(a.s, &f);
    assert_string_equal(f.cert, "");
    both_close(&a, &b);
}

static void a_certificate_without_names_is_called_by_its_subject(void **state)
{
    struct buf names = { 0 };
    struct end a, b;

    (void)state;
    secured(&a, &b, at_server_asking, at_client_shown, &anybody);
    tls_names(a.s, &names);
    assert_true(span_eq(buf_span(&names), SPAN("client\n")));
    buf_fini(&names);
    both_close(&a, &b);
}

/* --- contexts ----------------------------------------------------------- */

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(kit_path("%s", name), "w");

    fputs(text, f);
    fclose(f);
}

static void what_is_wrong_with_the_files_is_told(void **state)
{
    static const struct { const char *cert, *key, *ca, *ciphers, *at, *why; } rows[] = {
        { "none.pem", "server.key", NULL, NULL, "cert", "none.pem: No such file or directory" },
        { "server.pem", "none.key", NULL, NULL, "key", "none.key: No such file or directory" },
        { "server.pem", "server.key", "none.pem", NULL, "ca", "none.pem: No such file or directory" },
        { "junk", "server.key", NULL, NULL, "cert", "junk: not a certificate that can be used" },
        { "server.key", "server.key", NULL, NULL, "cert", "server.key: not a certificate that can be used" },
        { "server.pem", "junk", NULL, NULL, "key", "junk: not a key that can be used" },
        { "server.pem", "client.key", NULL, NULL, "key", "client.key: " },
        { "server.pem", "server.key", "junk", NULL, "ca", "junk: no certificates that can be used" },
        { "server.pem", "server.key", NULL, "NONSENSE", "ciphers", "no cipher of this list is known" },
        { "server.pem", NULL, NULL, NULL, "key", "a certificate and its key are wanted" },
        { NULL, NULL, NULL, NULL, "cert", "a certificate and its key are wanted" },
    };

    (void)state;
    write_file("junk", "this is not PEM\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *f[3] = { NULL };
        const char *names[3] = { rows[i].cert, rows[i].key, rows[i].ca }, *at = "?";
        struct tls_options o = { .server = true, .ciphers = rows[i].ciphers };
        struct err e = { 0 };

        for (int k = 0; k < 3; k++)
            f[k] = names[k] != NULL ? xstrdup(kit_path("%s", names[k])) : NULL;
        o.cert = f[0], o.key = f[1], o.ca = f[2];
        assert_null(tls_new(&o, &at, &e));
        assert_string_equal(at, rows[i].at);
        if (strstr(e.text, rows[i].why) == NULL)
            fail_msg("row %zu: %s", i, e.text);
        for (int k = 0; k < 3; k++)
            free(f[k]);
    }
}

static void a_key_with_a_passphrase_is_refused_without_asking(void **state)
{
    char *cert = xstrdup(kit_path("server.pem")), *key = xstrdup(kit_path("locked.key"));
    struct tls_options o = { .server = true, .cert = cert, .key = key };
    FILE *f = fopen(key, "w");
    const char *at = "?";
    struct err e;

    (void)state;
    PEM_write_PrivateKey(f, server.key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL);
    fclose(f);
    assert_null(tls_new(&o, &at, &e));
    assert_string_equal(at, "key");
    free(cert);
    free(key);
}

static void a_context_knows_its_own_days_and_fingerprint(void **state)
{
    struct tls *t = context(true, "old", NULL, false);
    int64_t now = time(NULL);

    (void)state;
    assert_string_equal(tls_print(t), old.print);
    assert_true(llabs(tls_expires(t) - (now - 86400)) < 300);
    assert_true(llabs(tls_begins(t) - (now - 30 * 86400)) < 300);
    tls_unref(&t);
    assert_int_equal(tls_expires(at_client), 0);
    assert_string_equal(tls_print(at_client), "");
}

static void a_stream_outlives_its_context(void **state)
{
    struct tls *t = context(true, "server", NULL, false), *other = tls_ref(t);
    struct end a, b;

    (void)state;
    secured(&a, &b, t, at_client, &news_test);
    tls_unref(&t);
    tls_unref(&other);
    assert_null(other);
    exchange(&a, &b, 100000, 10000);
    both_close(&a, &b);
}

static void fingerprints_are_read_in_all_their_forms(void **state)
{
    char print[TLS_PRINT_MAX], shout[100], colons[100];
    size_t n = 0;

    (void)state;
    for (int i = 0; i <= 64; i++)
        shout[i] = (char)(ca.print[i] >= 'a' ? ca.print[i] - 32 : ca.print[i]);
    for (int i = 0; i < 64; i++) {
        if (i > 0 && i % 2 == 0)
            colons[n++] = ':';
        colons[n++] = shout[i];
    }
    colons[n] = '\0';
    assert_true(tls_print_read(ca.print, print) && strcmp(print, ca.print) == 0);
    assert_true(tls_print_read(shout, print) && strcmp(print, ca.print) == 0);
    assert_true(tls_print_read(colons, print) && strcmp(print, ca.print) == 0);
    assert_false(tls_print_read("", print));
    assert_false(tls_print_read(ca.print + 1, print));
    assert_false(tls_print_read("sha256", print));
    shout[63] = 'G';
    assert_false(tls_print_read(shout, print));
    colons[2] = '-';
    assert_false(tls_print_read(colons, print));
    strcpy(colons, ca.print);
    strcat(colons, "0");
    assert_false(tls_print_read(colons, print));
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_base, close_base)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(both_ends_shake_hands_and_know_each_other), T(a_stream_without_tls_says_so),
        T(what_is_written_before_it_stands_waits_and_arrives), T(the_owner_may_free_it_when_it_stands),
        T(much_goes_both_ways_at_once), T(small_pieces_go_both_ways), T(it_stands_on_a_carrier_that_drips),
        T(deflate_stands_on_it), T(files_go_through_it), T(one_who_does_not_read_is_owed_no_more_than_the_layers_room),
        T(it_begins_again_for_one_line_in_clear), T(what_was_smuggled_behind_starttls_is_never_heard),
        T(a_farewell_is_an_end_and_the_other_way_stays_open), T(an_end_without_farewell_is_noticed),
        T(what_is_not_tls_fails), T(random_octets_fail_or_wait_for_more), T(garbage_behind_the_handshake_fails),
        T(hanging_up_in_the_handshake_fails), T(a_silent_end_is_not_waited_for), T(octets_now_and_then_win_no_time),
        T(a_handshake_in_time_leaves_no_clock_ticking), T(renegotiation_is_refused),
        T(a_client_that_asks_for_endless_answers_is_cut_off), T(old_versions_are_refused), T(a_site_may_ask_for_tls_1_3), T(one_who_came_for_another_protocol_is_refused),
        T(a_client_takes_only_the_server_that_it_wants), T(a_wish_that_cannot_be_is_refused_at_once),
        T(a_server_that_asks_knows_its_clients), T(a_server_without_authorities_knows_fingerprints_alone),
        T(a_certificate_without_names_is_called_by_its_subject), T(what_is_wrong_with_the_files_is_told),
        T(a_key_with_a_passphrase_is_refused_without_asking), T(a_context_knows_its_own_days_and_fingerprint),
        T(a_stream_outlives_its_context), T(fingerprints_are_read_in_all_their_forms),
    };

    return cmocka_run_group_tests(tests, make_all, unmake_all);
}
