/* lib_stream.c - streams over socket pairs, loopback TCP and memory: order, time, many of them. */
#include "tests/unit/streamkit.h"

#include <sys/resource.h>

#include "lib/clock.h"
#include "lib/stream_int.h"

/* --- what is written arrives ------------------------------------------- */

static void bytes_go_both_ways_in_order(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    stream_puts(a.s, "one ");
    stream_printf(a.s, "%d ", 2);
    stream_write(a.s, "three", 5);
    stream_give(a.s, xstrdup(" four"), 5);
    stream_puts(b.s, "back");
    until(got_is(&b, "one 2 three four") && got_is(&a, "back"));
    settle();
    assert_int_equal(a.told[STREAM_DATA], 1);
    end_close(&a);
    end_close(&b);
}

static void a_long_printf_is_whole(void **state)
{
    struct end a, b;
    char *text = xmalloc(5001);

    (void)state;
    memset(text, 'x', 5000);
    text[5000] = '\0';
    ends_open(&a, &b);
    stream_printf(a.s, "%s%s", text, "end");
    until(buf_len(&b.got) == 5003);
    assert_memory_equal(buf_data(&b.got) + 5000, "end", 3);
    free(text);
    end_close(&a);
    end_close(&b);
}

static void a_turns_writes_leave_in_one(void **state)
{
    struct end a, b;
    struct tap tap;

    (void)state;
    ends_open(&a, &b);
    stream_layer(a.s, tap_wrap, &tap);
    for (int i = 0; i < 1000; i++)
        stream_puts(a.s, "239 <id@example>\r\n");
    assert_int_equal(tap.writes, 0);               /* nothing leaves within a write call */
    until(buf_len(&b.got) == 18000);
    assert_int_equal(tap.writes, 1);
    assert_int_equal(tap.most_spans, 2);           /* small ones share a chunk */
    end_close(&a);
    assert_true(tap.freed);
    end_close(&b);
}

/* Answers written while the commands arrive leave at the turn's end as well. */
static void echo(struct end *e, enum stream_event what)
{
    if (what != STREAM_DATA)
        return;
    for (size_t n = buf_len(&e->got); n > 0; n--, buf_drop(&e->got, 1))
        stream_write(e->s, buf_data(&e->got), 1);
}

static void answers_to_one_read_leave_in_one_write(void **state)
{
    struct end a, b;
    struct tap tap;

    (void)state;
    ends_open(&a, &b);
    stream_layer(b.s, tap_wrap, &tap);
    b.then = echo;
    for (int i = 0; i < 2000; i++)
        stream_puts(a.s, "ping ");
    until(buf_len(&a.got) == 10000);
    assert_int_equal(tap.writes, b.told[STREAM_DATA]);
    end_close(&a);
    end_close(&b);
}

static void given_pieces_leave_at_most_64_at_once(void **state)
{
    struct end a, b;
    struct tap tap;

    (void)state;
    ends_open(&a, &b);
    stream_layer(a.s, tap_wrap, &tap);
    b.pattern = true;
    for (unsigned i = 0; i < 1000; i++) {
        char *p = xmalloc(7);

        pattern_fill(p, i * 7, 7);
        stream_give(a.s, p, 7);
    }
    until(b.checked == 7000);
    assert_int_equal(tap.most_spans, 64);
    assert_int_equal(tap.writes, 16);
    end_close(&a);
    end_close(&b);
}

static void streams_over_tcp(const char *host)
{
    struct net_addr listening, to;
    struct end a = { 0 }, b = { 0 };
    struct err e = { 0 };
    int door, fd, one = 0;
    socklen_t n = sizeof one;

    assert_int_equal(net_literal(host, 0, &listening), 0);
    if ((door = net_listen(&listening, 4, &e)) < 0)
        skip();
    assert_int_equal(net_literal(host, net_bound(door), &to), 0);
    a.s = stream_connect(base, (struct sockaddr *)&to.sa, to.len, (struct sockaddr *)&listening.sa, listening.len,
                         on_end, &a, &e);
    assert_non_null(a.s);
    stream_puts(a.s, "said before the connection stands");
    until((fd = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    b.s = stream_socket(base, fd, on_end, &b);
    until(got_is(&b, "said before the connection stands"));
    assert_int_equal(a.told[STREAM_CONNECTED], 1);
    assert_int_equal(b.told[STREAM_CONNECTED], 0);
    assert_int_equal(getsockopt(stream_fd(a.s), IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, &n), 0);
    assert_int_equal(one, 1);
    assert_int_equal(getsockopt(stream_fd(b.s), IPPROTO_TCP, 1, &one, &n), 0);
    assert_int_equal(one, 1);
    stream_puts(b.s, "answer");
    until(got_is(&a, "answer"));
    close(door);
    end_close(&a);
    end_close(&b);
}

static void tcp_over_ipv4(void **state)
{
    (void)state;
    streams_over_tcp("127.0.0.1");
}

static void tcp_over_ipv6(void **state)
{
    (void)state;
    streams_over_tcp("::1");
}

static void a_refused_connection_fails_with_its_reason(void **state)
{
    struct net_addr to;
    struct end a = { 0 };
    struct err e = { 0 };
    int door;

    (void)state;
    net_literal("127.0.0.1", 0, &to);
    door = net_listen(&to, 1, &e);
    net_literal("127.0.0.1", net_bound(door), &to);
    close(door);
    a.s = stream_connect(base, (struct sockaddr *)&to.sa, to.len, NULL, 0, on_end, &a, &e);
    if (a.s == NULL) {                             /* told at once: as good */
        assert_int_equal(e.sys, ECONNREFUSED);
        return;
    }
    until(a.told[STREAM_FAILED] == 1);
    assert_string_equal(stream_reason(a.s), "Connection refused");
    assert_int_equal(a.told[STREAM_CONNECTED], 0);
    settle();
    assert_int_equal(a.told[STREAM_FAILED], 1);
    end_close(&a);
}

static void bytes_are_counted(void **state)
{
    struct end a, b;
    uint64_t in, out;

    (void)state;
    ends_open(&a, &b);
    stream_puts(a.s, "12345");
    stream_puts(b.s, "123");
    until(got_is(&b, "12345") && got_is(&a, "123"));
    stream_counts(a.s, &in, &out);
    assert_int_equal(in, 3);
    assert_int_equal(out, 5);
    end_close(&a);
    end_close(&b);
}

/* --- time -------------------------------------------------------------- */

static void silence_is_told_when_the_time_has_passed_and_not_before(void **state)
{
    struct end a, b;
    int64_t now = INT64_C(1700000000000000);

    (void)state;
    clock_freeze(now);
    ends_open(&a, &b);
    stream_set_timeout(b.s, 2000);
    for (int i = 0; i < 20; i++)                   /* however long this takes, the clock stands */
        settle();
    assert_int_equal(b.told[STREAM_TIMEOUT], 0);
    clock_freeze(now += 1999);
    stream_puts(a.s, "not silent");
    until(got_is(&b, "not silent"));
    clock_freeze(now += 1999);                     /* less than the time since the last octet */
    for (int i = 0; i < 20; i++)
        settle();
    assert_int_equal(b.told[STREAM_TIMEOUT], 0);
    clock_freeze(now += 2);
    until(b.told[STREAM_TIMEOUT] == 1);
    clock_freeze(now += 2000);                     /* and again, if it goes on */
    until(b.told[STREAM_TIMEOUT] == 2);
    stream_set_timeout(b.s, 0);
    clock_freeze(now += 1000000);
    for (int i = 0; i < 20; i++)
        settle();
    assert_int_equal(b.told[STREAM_TIMEOUT], 2);
    clock_freeze(0);
    end_close(&a);
    end_close(&b);
}

static void writing_postpones_the_timeout(void **state)
{
    struct end a, b;
    int64_t now = INT64_C(1700000000000000);

    (void)state;
    clock_freeze(now);
    ends_open(&a, &b);
    stream_set_timeout(b.s, 2000);
    clock_freeze(now += 1500);
    stream_puts(b.s, "said");
    until(got_is(&a, "said"));
    clock_freeze(now += 1500);
    for (int i = 0; i < 20; i++)
        settle();
    assert_int_equal(b.told[STREAM_TIMEOUT], 0);
    clock_freeze(0);
    end_close(&a);
    end_close(&b);
}

/* --- many -------------------------------------------------------------- */

static unsigned room_for_pairs(unsigned wanted)
{
    struct rlimit r;

    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    return r.rlim_cur == RLIM_INFINITY || r.rlim_cur / 2 > wanted + 50 ? wanted : (unsigned)(r.rlim_cur / 2) - 50;
}

static void thousands_of_streams_talk_and_hold_no_buffers_when_idle(void **state)
{
    unsigned n = room_for_pairs(3000);
    struct end *a = xcalloc(n, sizeof *a), *b = xcalloc(n, sizeof *b);

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        ends_open(&a[i], &b[i]);
        b[i].then = echo;
    }
    for (unsigned round = 1; round <= 3; round++) {
        for (unsigned i = 0; i < n; i++)
            stream_printf(a[i].s, "%u;", i);
        for (unsigned i = 0; i < n; i++) {
            char want[40];
            size_t k = (size_t)snprintf(want, sizeof want, "%u;", i);

            until(buf_len(&a[i].got) == k * round);
            assert_memory_equal(buf_data(&a[i].got) + k * (round - 1), want, k);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(stream_in(a[i].s)->cap + stream_in(b[i].s)->cap, 0);
        assert_true(TAILQ_EMPTY(&a[i].s->out) && TAILQ_EMPTY(&b[i].s->out));
        end_close(&a[i]);
        end_close(&b[i]);
    }
    assert_true(sizeof(struct stream) <= 600);
    free(a);
    free(b);
}

/* --- memory ------------------------------------------------------------ */

static void a_memory_stream_is_told_in_the_loop(void **state)
{
    struct end a = { 0 };

    (void)state;
    a.s = stream_memory(base, on_end, &a);
    assert_int_equal(stream_fd(a.s), -1);
    stream_feed(a.s, SPAN("GROUP "));
    stream_feed(a.s, SPAN("misc.test\r\n"));
    assert_int_equal(a.told[STREAM_DATA], 0);
    until(got_is(&a, "GROUP misc.test\r\n"));
    stream_puts(a.s, "211 ");
    stream_puts(a.s, "0\r\n");
    assert_int_equal(buf_len(stream_taken(a.s)), 0);
    until(span_eq(buf_span(stream_taken(a.s)), SPAN("211 0\r\n")));
    stream_feed(a.s, SPAN("QUIT\r\n"));
    stream_feed(a.s, (struct span){ NULL, 0 });
    until(a.told[STREAM_CLOSED] == 1);
    assert_true(got_is(&a, "GROUP misc.test\r\nQUIT\r\n"));
    stream_puts(a.s, "205\r\n");
    stream_finish(a.s);
    until(a.told[STREAM_CLOSED] == 2);
    assert_true(span_eq(buf_span(stream_taken(a.s)), SPAN("211 0\r\n205\r\n")));
    end_close(&a);
}

static void a_paused_memory_stream_keeps_what_it_is_fed(void **state)
{
    struct end a = { 0 };
    char *p = xmalloc(1 << 20);

    (void)state;
    a.s = stream_memory(base, on_end, &a);
    a.pattern = true;
    stream_pause(a.s, true);
    pattern_fill(p, 0, 1 << 20);
    stream_feed(a.s, (struct span){ p, 1 << 20 });
    settle();
    assert_int_equal(a.told[STREAM_DATA], 0);
    stream_pause(a.s, false);
    until(a.checked == 1 << 20);
    free(p);
    end_close(&a);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_base, close_base)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(bytes_go_both_ways_in_order), T(a_long_printf_is_whole), T(a_turns_writes_leave_in_one),
        T(answers_to_one_read_leave_in_one_write), T(given_pieces_leave_at_most_64_at_once), T(tcp_over_ipv4),
        T(tcp_over_ipv6), T(a_refused_connection_fails_with_its_reason), T(bytes_are_counted),
        T(silence_is_told_when_the_time_has_passed_and_not_before), T(writing_postpones_the_timeout),
        T(thousands_of_streams_talk_and_hold_no_buffers_when_idle), T(a_memory_stream_is_told_in_the_loop),
        T(a_paused_memory_stream_keeps_what_it_is_fed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
