/* lib_tls_names.c - who is at the other end: names, authorities, fingerprints, files. */
#include "tests/unit/tlskit.h"

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

/* Read to its NUL, the subject of this one is another's. */
static void a_subject_with_nul_or_longer_than_a_name_is_nobody(void **state)
{
    static const int sizes[] = { 19, 300 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct buf names = { 0 };
        char text[301];
        struct party p;
        struct tls_facts f;
        struct tls *t;
        struct end a, b;
        X509_NAME *subject;

        memset(text, 'x', sizeof text);
        memcpy(text, "news.test\0.evil.test", i == 0 ? 19 : 9);
        make(&p, "veiled", &ca, NULL, -1, 365);
        subject = X509_get_subject_name(p.cert);
        X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, 0));
        ASN1_STRING_TABLE_add(NID_commonName, 1, 400, 0, 0);
        X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC, (unsigned char *)text, sizes[i], -1, 0);
        assert_true(X509_sign(p.cert, ca.key, EVP_sha256()) > 0);
        save("veiled", &p);
        t = context(false, "veiled", "ca", false);
        secured(&a, &b, at_server_asking, t, &anybody);
        tls_facts(a.s, &f);
        assert_true(f.cert_good);
        tls_names(a.s, &names);
        if (buf_len(&names) != 0)
            fail_msg("it is called %.*s", SPAN_F(buf_span(&names)));
        buf_fini(&names);
        tls_unref(&t);
        unmake(&p);
        both_close(&a, &b);
    }
    ASN1_STRING_TABLE_cleanup();
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_client_takes_only_the_server_that_it_wants), T(a_wish_that_cannot_be_is_refused_at_once),
        T(a_server_that_asks_knows_its_clients), T(a_server_without_authorities_knows_fingerprints_alone),
        T(a_certificate_without_names_is_called_by_its_subject), T(a_subject_with_nul_or_longer_than_a_name_is_nobody), T(what_is_wrong_with_the_files_is_told),
        T(a_key_with_a_passphrase_is_refused_without_asking), T(a_context_knows_its_own_days_and_fingerprint),
        T(a_stream_outlives_its_context), T(fingerprints_are_read_in_all_their_forms),
    };

    return cmocka_run_group_tests(tests, make_all, unmake_all);
}
