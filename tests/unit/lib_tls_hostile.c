/* lib_tls_hostile.c - what is no TLS, old TLS, or TLS that never comes to an end. */
#include "tests/unit/tlskit.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_not_tls_fails), T(random_octets_fail_or_wait_for_more), T(garbage_behind_the_handshake_fails),
        T(hanging_up_in_the_handshake_fails), T(a_silent_end_is_not_waited_for),
        T(octets_now_and_then_win_no_time), T(a_handshake_in_time_leaves_no_clock_ticking),
        T(renegotiation_is_refused), T(a_client_that_asks_for_endless_answers_is_cut_off),
        T(old_versions_are_refused), T(a_site_may_ask_for_tls_1_3),
        T(one_who_came_for_another_protocol_is_refused),
    };

    return cmocka_run_group_tests(tests, make_all, unmake_all);
}
