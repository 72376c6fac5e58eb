/* lib_stream.c - streams over socket pairs, loopback TCP and memory: order, bounds, ends, layers. */
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

/* --- bounds ------------------------------------------------------------ */

#define BIG  (UINT64_C(64) << 20)
#define LOW  (64 << 10)
#define HIGH (256 << 10)
#define STEP 5000

static uint64_t produced;
static size_t most_waiting;

/* As an owner should: until above its mark, and on when it is told. */
static void produce(struct end *e)
{
    char p[STEP];

    while (produced < BIG && stream_out_len(e->s) <= HIGH) {
        size_t n = BIG - produced < STEP ? (size_t)(BIG - produced) : STEP;

        pattern_fill(p, produced, n);
        stream_write(e->s, p, n);
        produced += n;
    }
    if (stream_out_len(e->s) > most_waiting)
        most_waiting = stream_out_len(e->s);
}

static void produce_on(struct end *e, enum stream_event what)
{
    if (what == STREAM_DRAINED)
        produce(e);
}

static void a_big_transfer_holds_no_more_than_the_mark(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    produced = most_waiting = 0;
    stream_set_marks(a.s, LOW, HIGH);
    a.then = produce_on;
    b.pattern = true;
    produce(&a);
    until(b.checked == BIG);
    assert_true(most_waiting <= HIGH + STEP);
    assert_true(a.told[STREAM_DRAINED] >= BIG / (HIGH + STEP) - 1);
    assert_int_equal(stream_out_len(a.s), 0);
    assert_true(TAILQ_EMPTY(&a.s->out));           /* an idle stream holds nothing */
    assert_int_equal(stream_in(b.s)->cap, 0);
    end_close(&a);
    end_close(&b);
}

static void the_end_of_output_below_the_mark_is_not_told(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    stream_set_marks(a.s, 10, 100);
    stream_puts(a.s, "below the mark");
    until(buf_len(&b.got) == 14);
    settle();
    assert_int_equal(a.told[STREAM_DRAINED], 0);
    end_close(&a);
    end_close(&b);
}

/* Also when the output was above it only until the turn's end. */
static void drained_is_told_once_for_each_time_above(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    stream_set_marks(a.s, 10, 100);
    for (unsigned i = 1; i <= 5; i++) {
        char text[200] = { 0 };

        stream_write(a.s, text, sizeof text);
        until(a.told[STREAM_DRAINED] == i);
        settle();
        assert_int_equal(a.told[STREAM_DRAINED], i);
    }
    end_close(&a);
    end_close(&b);
}

static void reading_stops_by_itself_when_nobody_consumes(void **state)
{
    struct end a, b;
    char *p = xmalloc(4 << 20);
    size_t held;

    (void)state;
    ends_open(&a, &b);
    pattern_fill(p, 0, 4 << 20);
    b.keep = b.pattern = true;
    stream_set_in_most(b.s, 100000);
    stream_give(a.s, p, 4 << 20);
    until(buf_len(stream_in(b.s)) >= 100000);
    settle();
    held = buf_len(stream_in(b.s));
    assert_in_range(held, 100000, 100000 + (1 << 18));
    assert_true(stream_out_len(a.s) > 0);          /* the rest waits where it comes from */
    check_pattern(&b, buf_span(stream_in(b.s)));
    buf_drop(stream_in(b.s), held);
    b.keep = false;
    stream_pause(b.s, false);                      /* consumed outside of its function */
    until(b.checked == 4 << 20);
    end_close(&a);
    end_close(&b);
}

static void a_paused_stream_is_silent_and_told_again_what_it_left(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    stream_pause(b.s, true);
    stream_puts(a.s, "first");
    settle();
    assert_int_equal(b.told[STREAM_DATA], 0);
    b.keep = true;
    stream_pause(b.s, false);
    assert_int_equal(b.told[STREAM_DATA], 0);      /* not from within the call */
    until(b.told[STREAM_DATA] == 1);
    stream_pause(b.s, true);
    stream_puts(a.s, " second");
    settle();
    assert_int_equal(b.told[STREAM_DATA], 1);
    b.keep = false;
    stream_pause(b.s, false);
    until(got_is(&b, "first second"));
    end_close(&a);
    end_close(&b);
}

/* --- the end ----------------------------------------------------------- */

static void what_came_before_the_end_is_told_first(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    stream_puts(a.s, "last words");
    stream_finish(a.s);
    until(b.told[STREAM_CLOSED] == 1);
    assert_true(got_is(&b, "last words"));
    assert_int_equal(b.told[STREAM_FAILED], 0);
    stream_puts(b.s, "answer");                    /* their side alone is closed */
    stream_finish(b.s);
    until(b.told[STREAM_CLOSED] == 2);
    assert_int_equal(a.told[STREAM_DATA], 0);      /* it has said its last: it hears nobody */
    end_close(&b);
    until(a.told[STREAM_CLOSED] == 1);
    assert_int_equal(a.told[STREAM_FAILED] + b.told[STREAM_FAILED], 0);
    end_close(&a);
}

/* A client that half-closes while a long answer is on its way to it gets all of it. */
static void a_half_closed_client_gets_the_rest(void **state)
{
    struct end b = { 0 };
    char *p = xmalloc(BIG / 8), *back = xmalloc(1 << 16);
    uint64_t read_here = 0;
    int fd[2];
    ssize_t n;

    (void)state;
    pair_of(fd);
    b.s = stream_socket(base, fd[1], on_end, &b);
    pattern_fill(p, 0, BIG / 8);
    stream_give(b.s, p, BIG / 8);
    stream_finish(b.s);                            /* nobody reads at fd[0] yet */
    settle();
    assert_true(stream_out_len(b.s) > 0);
    shutdown(fd[0], SHUT_WR);
    settle();
    assert_int_equal(b.told[STREAM_CLOSED], 0);    /* it is finishing: told when it has left */
    while ((n = read(fd[0], back, 1 << 16)) != 0) {
        if (n < 0)
            assert_int_equal(errno, EAGAIN);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(back[i], pattern_at(read_here + (uint64_t)i));
        read_here += n > 0 ? (uint64_t)n : 0;
        if (b.s != NULL && b.told[STREAM_CLOSED] > 0)
            end_close(&b);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(read_here, BIG / 8);
    if (b.s != NULL)
        end_close(&b);
    close(fd[0]);
    free(back);
}

/* Last words reach a client that is still sending: no reset throws them away. */
static void last_words_reach_one_who_is_still_sending(void **state)
{
    struct net_addr at;
    struct end b = { 0 };
    struct err e;
    char text[64] = { 0 };
    int door, client, fd;

    (void)state;
    net_literal("127.0.0.1", 0, &at);
    door = net_listen(&at, 1, &e);
    net_literal("127.0.0.1", net_bound(door), &at);
    client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&at.sa, at.len), 0);
    until((fd = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    b.s = stream_socket(base, fd, on_end, &b);
    stream_puts(b.s, "400 bye\r\n");
    stream_finish(b.s);
    settle();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(send(client, text, sizeof text, MSG_NOSIGNAL), sizeof text);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(b.told[STREAM_DATA], 0);      /* nobody hears it any more */
    assert_int_equal(stream_in(b.s)->cap, 0);      /* nor is it kept */
    assert_int_equal(recv(client, text, sizeof text, MSG_WAITALL), 9);
    assert_memory_equal(text, "400 bye\r\n", 9);
    close(client);
    until(b.told[STREAM_CLOSED] == 1);
    close(door);
    end_close(&b);
}

static void what_cannot_be_sent_is_a_failure_told_once(void **state)
{
    struct end a, b;
    char *p = xcalloc(1, 8 << 20);

    (void)state;
    ends_open(&a, &b);
    stream_pause(b.s, true);
    stream_give(a.s, p, 8 << 20);
    settle();
    assert_true(stream_out_len(a.s) > 0);
    stream_finish(a.s);
    end_close(&b);                                 /* SIGPIPE would kill us here */
    until(a.told[STREAM_FAILED] == 1);
    assert_true(stream_reason(a.s)[0] != '\0');
    stream_puts(a.s, "to nobody");
    stream_give(a.s, xstrdup("to nobody"), 9);
    settle();
    assert_int_equal(a.told[STREAM_FAILED], 1);
    assert_int_equal(a.told[STREAM_CLOSED], 0);
    end_close(&a);
}

static void free_it(struct end *e, enum stream_event what)
{
    (void)what;
    stream_puts(e->s, "never to be sent");
    stream_free(&e->s);
}

/* Each event's function may free the stream; the sanitizer says what goes wrong. */
static void a_stream_may_be_freed_in_its_own_function(void **state)
{
    struct end a, b;

    (void)state;
    for (int how = 0; how < 6; how++) {
        ends_open(&a, &b);
        b.then = free_it;
        if (how == 0) {
            stream_puts(a.s, "data");
        } else if (how == 1) {
            stream_finish(a.s);
        } else if (how == 2) {
            stream_set_timeout(b.s, 1);
        } else if (how == 3) {
            stream_set_marks(b.s, 10, 20);
            stream_puts(b.s, "more than the twenty octets");
        } else if (how == 4) {
            stream_fail(b.s, "made up");
        } else {
            b.keep = true;                         /* told again of what it left */
            b.then = NULL;
            stream_puts(a.s, "data");
            until(b.told[STREAM_DATA] == 1);
            b.then = free_it;
            stream_pause(b.s, false);
        }
        until(b.s == NULL);
        settle();
        buf_fini(&b.got);
        end_close(&a);
    }
}

static void freeing_none_is_harmless_and_freeing_closes(void **state)
{
    struct stream *none = NULL;
    struct end a, b;

    (void)state;
    stream_free(&none);
    ends_open(&a, &b);
    stream_puts(a.s, "not sent: closed at once");
    end_close(&a);
    until(b.told[STREAM_CLOSED] == 1);
    assert_int_equal(buf_len(&b.got), 0);
    end_close(&b);
}

static void another_owner_hears_what_happens_from_now_on(void **state)
{
    struct end a, b, c = { 0 };

    (void)state;
    ends_open(&a, &b);
    stream_puts(a.s, "for b");
    until(got_is(&b, "for b"));
    c.s = b.s;
    stream_own(b.s, on_end, &c);
    stream_puts(a.s, "for c");
    until(got_is(&c, "for c"));
    assert_true(got_is(&b, "for b"));
    buf_fini(&b.got);
    end_close(&c);
    end_close(&a);
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

/* --- layers ------------------------------------------------------------ */

/* Every octet is XORed; what was read from below is let out 'most' octets at a time. */
struct xor {
    void *inner;
    const struct stream_io *io;
    struct buf held;
    size_t most;
    char   key;
};

static long xor_read(void *carrier, void *p, size_t n)
{
    struct xor *x = carrier;
    char raw[4096];

    if (buf_len(&x->held) == 0) {
        long got = x->io->read(x->inner, raw, sizeof raw);

        if (got <= 0)
            return got;
        for (long i = 0; i < got; i++)
            raw[i] ^= x->key;
        buf_add(&x->held, raw, (size_t)got);
    }
    n = n < x->most ? n : x->most;
    n = n < buf_len(&x->held) ? n : buf_len(&x->held);
    memcpy(p, buf_data(&x->held), n);
    buf_drop(&x->held, n);
    return (long)n;
}

static long xor_write(void *carrier, const struct span *v, int n)
{
    struct xor *x = carrier;
    char raw[4096];
    size_t k = v[0].n < sizeof raw ? v[0].n : sizeof raw;

    (void)n;
    for (size_t i = 0; i < k; i++)
        raw[i] = v[0].p[i] ^ x->key;
    return x->io->write(x->inner, &(struct span){ raw, k }, 1);
}

static void xor_free(void *carrier)
{
    struct xor *x = carrier;

    x->io->free(x->inner);
    buf_fini(&x->held);
    free(x);
}

static void *xor_wrap(void *inner, const struct stream_io *inner_io, const struct stream_io **io, void *arg)
{
    static const struct stream_io xor_io = { .read = xor_read, .write = xor_write, .free = xor_free };
    struct xor *x = xcalloc(1, sizeof *x), *like = arg;

    *x = (struct xor){ .inner = inner, .io = inner_io, .most = like->most, .key = like->key };
    *io = &xor_io;
    return x;
}

static struct xor small = { .most = 100, .key = 0x55 };

/* As STARTTLS does it: the word leaves plain, what follows is inside. */
static void begin_layer(struct end *e, enum stream_event what)
{
    if (what != STREAM_DATA || !got_is(e, "STARTTLS\r\n"))
        return;
    e->then = NULL;
    stream_puts(e->s, "382 go on\r\n");
    stream_layer(e->s, xor_wrap, &small);
    stream_puts(e->s, "inside");
}

static void a_layer_begins_behind_what_was_written_before_it(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    b.then = begin_layer;
    stream_puts(a.s, "STARTTLS\r\n");
    until(buf_len(&a.got) >= 11);
    assert_memory_equal(buf_data(&a.got), "382 go on\r\n", 11);
    until(buf_len(&a.got) == 17);
    for (int i = 0; i < 6; i++)
        assert_int_equal(buf_data(&a.got)[11 + i] ^ 0x55, "inside"[i]);
    stream_layer(a.s, xor_wrap, &small);
    buf_clear(&a.got);
    buf_clear(&b.got);
    stream_puts(a.s, "hello");
    stream_puts(b.s, "hello yourself");
    until(got_is(&b, "hello") && got_is(&a, "hello yourself"));
    end_close(&a);
    end_close(&b);
}

static void what_was_read_before_a_layer_is_dropped(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    b.keep = true;
    stream_puts(a.s, "STARTTLS\r\ninjected\r\n");
    until(buf_len(stream_in(b.s)) > 0);
    stream_layer(b.s, xor_wrap, &small);
    assert_int_equal(buf_len(stream_in(b.s)), 0);
    b.keep = false;
    stream_layer(a.s, xor_wrap, &small);
    stream_puts(a.s, "after");
    until(got_is(&b, "after"));
    end_close(&a);
    end_close(&b);
}

/* The socket is silent, the layer is not: all of it is told, pauses or not. */
static void what_a_layer_holds_back_is_read_too(void **state)
{
    struct end a, b;
    char *p = xmalloc(1 << 20);

    (void)state;
    ends_open(&a, &b);
    stream_layer(a.s, xor_wrap, &small);
    stream_layer(b.s, xor_wrap, &small);
    b.pattern = true;
    pattern_fill(p, 0, 1 << 20);
    stream_give(a.s, p, 1 << 20);
    until(b.checked > 1000);
    stream_pause(b.s, true);
    settle();
    stream_pause(b.s, false);
    until(b.checked == 1 << 20);
    stream_finish(a.s);
    until(b.told[STREAM_CLOSED] == 1);
    end_close(&a);
    end_close(&b);
}

static void pause_now(struct end *e, enum stream_event what)
{
    (void)what;
    stream_pause(e->s, true);
}

/* All has left the socket with the first read, and most of it waits in the layer. */
static void a_pause_does_not_strand_what_a_layer_holds(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    stream_layer(a.s, xor_wrap, &small);
    stream_layer(b.s, xor_wrap, &small);
    settle();
    b.then = pause_now;
    for (int i = 0; i < 50; i++)
        stream_puts(a.s, "0123456789");
    for (unsigned i = 1; i <= 5; i++) {
        until(buf_len(&b.got) == 100 * i);
        settle();
        assert_int_equal(b.told[STREAM_DATA], i);
        stream_pause(b.s, false);
    }
    end_close(&a);
    end_close(&b);
}

/* The last of it leaves when the layer begins, and not in a turn of the loop. */
static void drained_is_told_when_a_layer_made_it_so(void **state)
{
    struct end a = { 0 };
    char *p = xcalloc(1, 4 << 20);
    size_t before;
    int fd[2];

    (void)state;
    pair_of(fd);
    a.s = stream_socket(base, fd[0], on_end, &a);
    stream_set_marks(a.s, 100, 1000);
    stream_give(a.s, p, 4 << 20);
    settle();
    p = xmalloc(1 << 20);
    do {                                           /* read until less is left than a socket holds */
        before = stream_out_len(a.s);
        assert_true(recv(fd[1], p, 1 << 20, 0) > 0);
        if (before > 150000)
            settle();
    } while (before > 150000);
    assert_int_equal(a.told[STREAM_DRAINED], 0);
    while (recv(fd[1], p, 1 << 20, 0) > 0)
        ;
    stream_layer(a.s, xor_wrap, &small);
    assert_int_equal(stream_out_len(a.s), 0);
    until(a.told[STREAM_DRAINED] == 1);
    free(p);
    close(fd[1]);
    end_close(&a);
}

static void layers_stack_also_on_memory(void **state)
{
    struct end a = { 0 };
    struct xor second = { .most = 3, .key = 0x0f };
    char text[] = "both keys";

    (void)state;
    a.s = stream_memory(base, on_end, &a);
    stream_layer(a.s, xor_wrap, &small);
    stream_layer(a.s, xor_wrap, &second);
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] ^= 0x55 ^ 0x0f;
    stream_feed(a.s, (struct span){ text, sizeof text - 1 });
    until(got_is(&a, "both keys"));
    stream_puts(a.s, "both keys");
    until(span_eq(buf_span(stream_taken(a.s)), (struct span){ text, sizeof text - 1 }));
    end_close(&a);
}

static void a_layer_on_one_who_does_not_read_fails(void **state)
{
    struct end a, b;
    char *p = xcalloc(1, 8 << 20);

    (void)state;
    ends_open(&a, &b);
    stream_pause(b.s, true);
    stream_give(a.s, p, 8 << 20);
    stream_layer(a.s, xor_wrap, &small);
    until(a.told[STREAM_FAILED] == 1);
    end_close(&a);
    end_close(&b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_base, close_base)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(bytes_go_both_ways_in_order), T(a_long_printf_is_whole), T(a_turns_writes_leave_in_one),
        T(answers_to_one_read_leave_in_one_write), T(given_pieces_leave_at_most_64_at_once), T(tcp_over_ipv4),
        T(tcp_over_ipv6), T(a_refused_connection_fails_with_its_reason), T(bytes_are_counted),
        T(a_big_transfer_holds_no_more_than_the_mark), T(the_end_of_output_below_the_mark_is_not_told),
        T(drained_is_told_once_for_each_time_above), T(reading_stops_by_itself_when_nobody_consumes),
        T(a_paused_stream_is_silent_and_told_again_what_it_left), T(what_came_before_the_end_is_told_first),
        T(a_half_closed_client_gets_the_rest), T(last_words_reach_one_who_is_still_sending),
        T(what_cannot_be_sent_is_a_failure_told_once), T(a_stream_may_be_freed_in_its_own_function),
        T(freeing_none_is_harmless_and_freeing_closes), T(another_owner_hears_what_happens_from_now_on),
        T(silence_is_told_when_the_time_has_passed_and_not_before), T(writing_postpones_the_timeout),
        T(thousands_of_streams_talk_and_hold_no_buffers_when_idle), T(a_memory_stream_is_told_in_the_loop),
        T(a_paused_memory_stream_keeps_what_it_is_fed), T(a_layer_begins_behind_what_was_written_before_it),
        T(what_was_read_before_a_layer_is_dropped), T(what_a_layer_holds_back_is_read_too),
        T(a_pause_does_not_strand_what_a_layer_holds), T(drained_is_told_when_a_layer_made_it_so),
        T(layers_stack_also_on_memory), T(a_layer_on_one_who_does_not_read_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
