/* feeder/hello: dialogues, as the other end's codes and what we answer. */
#include <string.h>

#include "feeder/hello.h"
#include "tests/kit.h"

/* Play: 'codes' are the replies in turn (0: the layer stands); 'wanted' what we do: lines in
 * order, each ended by "|", and words in brackets for the rest. */
static void play(struct hello_wants wants, const int *codes, const char *wanted)
{
    static const char *const words[] = { "", "[tls]", "[deflate]", "[streaming]", "[ihave]", "[reads]", "[refused]", "[cleartext]" };
    struct buf did = { 0 };
    struct hello h;

    hello_begin(&h, &wants);
    for (; *codes >= 0; codes++) {
        struct buf out = { 0 };
        enum hello_do what = *codes > 0 ? hello_reply(&h, *codes, &out) : hello_goes_on(&h, &out);

        assert_true((what == HELLO_SAY) == (buf_len(&out) > 0));
        if (what == HELLO_SAY) {
            assert_true(buf_len(&out) > 2 && memcmp(buf_data(&out) + buf_len(&out) - 2, "\r\n", 2) == 0);
            buf_add(&did, buf_data(&out), buf_len(&out) - 2);
            buf_puts(&did, "|");
        }
        buf_puts(&did, words[what]);
        buf_fini(&out);
    }
    buf_add(&did, "", 1);
    assert_string_equal(buf_data(&did), wanted);
    buf_fini(&did);
}

#define CODES(...) (const int[]){ __VA_ARGS__, -1 }
#define WANTS(...) (struct hello_wants){ __VA_ARGS__ }

static void plain_peers_stream_or_take_ihave(void **state)
{
    (void)state;
    play(WANTS(.streaming = true), CODES(200, 203), "MODE STREAM|[streaming]");
    play(WANTS(.streaming = true), CODES(201, 500), "MODE STREAM|[ihave]");
    play(WANTS(.streaming = true), CODES(200, 502), "MODE STREAM|[ihave]");
    play(WANTS(.streaming = false), CODES(200), "[ihave]");
}

static void readers_say_so_before_tls_and_login(void **state)
{
    (void)state;
    play(WANTS(.reader = true, .streaming = true), CODES(200, 200), "MODE READER|[reads]");
    play(WANTS(.reader = true), CODES(201, 500), "MODE READER|[reads]");
    play(WANTS(.reader = true), CODES(200, 480), "MODE READER|[reads]");
    play(WANTS(.reader = true), CODES(200, 502), "MODE READER|[refused]");
    play(WANTS(.reader = true, .starttls = true, .user = "u", .password = "p", .compress = true),
         CODES(200, 201, 382, 0, 281, 206, 0),
         "MODE READER|STARTTLS|[tls]AUTHINFO SASL PLAIN AHUAcA==|COMPRESS DEFLATE|[deflate][reads]");
}

static void a_banner_that_is_no_welcome_ends_it(void **state)
{
    (void)state;
    play(WANTS(.streaming = true), CODES(400), "[refused]");
    play(WANTS(.streaming = true), CODES(502), "[refused]");
    play(WANTS(.streaming = true), CODES(203), "[refused]");
}

static void nothing_goes_on_without_the_tls_that_is_wanted(void **state)
{
    (void)state;
    play(WANTS(.starttls = true, .streaming = true), CODES(200, 382, 0, 203), "STARTTLS|[tls]MODE STREAM|[streaming]");
    play(WANTS(.starttls = true, .streaming = true), CODES(200, 500), "STARTTLS|[refused]");
    play(WANTS(.starttls = true, .streaming = true), CODES(200, 580), "STARTTLS|[refused]");
}

static void a_password_goes_out_under_tls_or_where_it_may(void **state)
{
    (void)state;
    play(WANTS(.user = "us", .password = "pw", .streaming = true), CODES(200), "[cleartext]");
    play(WANTS(.user = "us", .password = "pw", .cleartext = true, .streaming = true), CODES(200, 381, 281, 203),
         "AUTHINFO USER us|AUTHINFO PASS pw|MODE STREAM|[streaming]");
    play(WANTS(.user = "us", .password = "pw", .cleartext = true), CODES(200, 281), "AUTHINFO USER us|[ihave]");
    play(WANTS(.user = "us", .password = "pw", .encrypted = true, .streaming = true), CODES(200, 281, 203),
         "AUTHINFO SASL PLAIN AHVzAHB3|MODE STREAM|[streaming]");
}

static void a_peer_without_sasl_is_asked_the_older_way(void **state)
{
    (void)state;
    play(WANTS(.starttls = true, .user = "us", .password = "pw"), CODES(200, 382, 0, 503, 381, 281),
         "STARTTLS|[tls]AUTHINFO SASL PLAIN AHVzAHB3|AUTHINFO USER us|AUTHINFO PASS pw|[ihave]");
}

static void a_login_that_is_refused_ends_it(void **state)
{
    (void)state;
    play(WANTS(.user = "us", .password = "pw", .encrypted = true), CODES(200, 481), "AUTHINFO SASL PLAIN AHVzAHB3|[refused]");
    play(WANTS(.user = "us", .password = "pw", .cleartext = true), CODES(200, 381, 481),
         "AUTHINFO USER us|AUTHINFO PASS pw|[refused]");
    play(WANTS(.user = "us", .password = "pw", .cleartext = true), CODES(200, 483), "AUTHINFO USER us|[refused]");
}

static void compression_is_taken_if_the_peer_will(void **state)
{
    (void)state;
    play(WANTS(.compress = true, .streaming = true), CODES(200, 206, 0, 203), "COMPRESS DEFLATE|[deflate]MODE STREAM|[streaming]");
    play(WANTS(.compress = true, .streaming = true), CODES(200, 500, 203), "COMPRESS DEFLATE|MODE STREAM|[streaming]");
    play(WANTS(.starttls = true, .user = "us", .password = "pw", .compress = true, .streaming = true),
         CODES(200, 382, 0, 281, 206, 0, 203),
         "STARTTLS|[tls]AUTHINFO SASL PLAIN AHVzAHB3|COMPRESS DEFLATE|[deflate]MODE STREAM|[streaming]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_peers_stream_or_take_ihave), cmocka_unit_test(readers_say_so_before_tls_and_login),
        cmocka_unit_test(a_banner_that_is_no_welcome_ends_it),
        cmocka_unit_test(nothing_goes_on_without_the_tls_that_is_wanted),
        cmocka_unit_test(a_password_goes_out_under_tls_or_where_it_may),
        cmocka_unit_test(a_peer_without_sasl_is_asked_the_older_way), cmocka_unit_test(a_login_that_is_refused_ends_it),
        cmocka_unit_test(compression_is_taken_if_the_peer_will),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
