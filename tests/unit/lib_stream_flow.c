/* lib_stream_flow.c - much to send, others who are slower, and how it ends. */
#include "tests/unit/streamkit.h"

#include "lib/stream_int.h"

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

#define T(name) cmocka_unit_test_setup_teardown(name, open_base, close_base)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_big_transfer_holds_no_more_than_the_mark), T(the_end_of_output_below_the_mark_is_not_told),
        T(drained_is_told_once_for_each_time_above), T(reading_stops_by_itself_when_nobody_consumes),
        T(a_paused_stream_is_silent_and_told_again_what_it_left), T(what_came_before_the_end_is_told_first),
        T(a_half_closed_client_gets_the_rest), T(last_words_reach_one_who_is_still_sending),
        T(what_cannot_be_sent_is_a_failure_told_once), T(a_stream_may_be_freed_in_its_own_function),
        T(freeing_none_is_harmless_and_freeing_closes), T(another_owner_hears_what_happens_from_now_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
