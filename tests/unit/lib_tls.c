/* lib_tls.c - TLS on streams: bytes both ways, beginnings and ends. */
#include "lib/deflate.h"
#include "tests/unit/tlskit.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(both_ends_shake_hands_and_know_each_other), T(a_stream_without_tls_says_so),
        T(what_is_written_before_it_stands_waits_and_arrives), T(the_owner_may_free_it_when_it_stands),
        T(much_goes_both_ways_at_once), T(small_pieces_go_both_ways), T(it_stands_on_a_carrier_that_drips),
        T(deflate_stands_on_it), T(files_go_through_it),
        T(one_who_does_not_read_is_owed_no_more_than_the_layers_room), T(it_begins_again_for_one_line_in_clear),
        T(what_was_smuggled_behind_starttls_is_never_heard),
        T(a_farewell_is_an_end_and_the_other_way_stays_open), T(an_end_without_farewell_is_noticed),
    };

    return cmocka_run_group_tests(tests, make_all, unmake_all);
}
