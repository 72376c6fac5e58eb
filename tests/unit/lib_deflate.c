/* lib_deflate.c - DEFLATE on streams: both ways, in pieces, at rest, and when the other end means ill.
 *
 * The layer's own file is part of this one, to look at its state and put it to rest.
 */
#include "tests/unit/streamkit.h"

#include "lib/clock.h"

#include <zlib.h>

static int memory = 1 << 30;          /* how many more states there is memory for */

static int def_init(z_stream *z)
{
    return memory-- > 0 ? deflateInit2(z, 1, Z_DEFLATED, -13, 6, Z_DEFAULT_STRATEGY) : Z_MEM_ERROR;
}

static int inf_init(z_stream *z, int bits)
{
    return memory-- > 0 ? inflateInit2(z, bits) : Z_MEM_ERROR;
}

#undef deflateInit2
#undef inflateInit2
#define deflateInit2(z, level, how, bits, mem, strategy) def_init(z)
#define inflateInit2(z, bits) inf_init(z, bits)
#include "lib/deflate.c"
#undef deflateInit2
#define deflateInit2(z, level, how, bits, mem, strategy) \
    deflateInit2_(z, level, how, bits, mem, strategy, ZLIB_VERSION, (int)sizeof(z_stream))



static struct deflate *layer(const struct end *e)
{
    return stream_layer_of(e->s, &pack_io);
}

static void deflated(struct end *a, struct end *b)
{
    ends_open(a, b);
    deflate_begin(a->s, deflate_new());
    deflate_begin(b->s, deflate_new());
}

/* --- both ways --------------------------------------------------------- */

static void lines_go_both_ways(void **state)
{
    struct end a, b;

    (void)state;
    deflated(&a, &b);
    stream_puts(a.s, "CAPABILITIES\r\n");
    until(got_is(&b, "CAPABILITIES\r\n"));
    stream_puts(b.s, "101 Capability list:\r\n");
    stream_puts(b.s, ".\r\n");
    until(got_is(&a, "101 Capability list:\r\n.\r\n"));
    assert_true(deflate_on(a.s) && stream_out_len(a.s) == 0);
    end_close(&a);
    end_close(&b);
}

static void what_was_written_before_it_leaves_as_it_is(void **state)
{
    struct end a;
    char text[100];
    int fd[2];

    (void)state;
    pair_of(fd);
    a = (struct end){ 0 };
    a.s = stream_socket(base, fd[0], on_end, &a);
    stream_puts(a.s, "206 go\r\n");
    deflate_begin(a.s, deflate_new());
    settle();
    assert_int_equal(read(fd[1], text, sizeof text), 8);
    assert_memory_equal(text, "206 go\r\n", 8);
    end_close(&a);
    close(fd[1]);
}

static void what_was_read_before_it_is_dropped(void **state)
{
    struct end a = { .keep = true };
    int fd[2];

    (void)state;
    pair_of(fd);
    a.s = stream_socket(base, fd[0], on_end, &a);
    assert_int_equal(write(fd[1], "DATE\r\n", 6), 6);
    until(buf_len(stream_in(a.s)) == 6);
    deflate_begin(a.s, deflate_new());
    assert_int_equal(buf_len(stream_in(a.s)), 0);
    end_close(&a);
    close(fd[1]);
}

static uint64_t sent_a, sent_b;

static void more(struct end *e, uint64_t *sent, uint64_t most)
{
    char piece[5000];

    while (*sent < most && stream_out_len(e->s) < 100000) {
        size_t n = 1 + kit_random() % sizeof piece;

        n = *sent + n > most ? (size_t)(most - *sent) : n;
        pattern_fill(piece, *sent, n);
        stream_write(e->s, piece, n);
        *sent += n;
    }
}

static void much_goes_both_ways_at_once(void **state)
{
    const uint64_t most = 6 << 20;
    struct end a, b;
    struct deflate_counts c;

    (void)state;
    deflated(&a, &b);
    a.pattern = b.pattern = true;
    sent_a = sent_b = 0;
    while (a.checked < most || b.checked < most) {
        more(&a, &sent_a, most);
        more(&b, &sent_b, most);
        event_base_loop(base, EVLOOP_ONCE);
        assert_int_equal(a.told[STREAM_FAILED] + b.told[STREAM_FAILED], 0);
    }
    deflate_counts(a.s, &c);
    assert_true(c.in_plain == most && c.out_plain == most);
    assert_true(c.in_packed > 0 && c.out_packed > 0);
    end_close(&a);
    end_close(&b);
}

static void what_cannot_be_packed_goes_too(void **state)
{
    enum { N = 3 << 20 };
    struct end a, b;
    char *p = xmalloc(N);

    (void)state;
    for (size_t i = 0; i < N; i++)
        p[i] = (char)kit_random();
    deflated(&a, &b);
    stream_write(a.s, p, N);
    until(buf_len(&b.got) == N);
    assert_memory_equal(buf_data(&b.got), p, N);
    free(p);
    end_close(&a);
    end_close(&b);
}

static void what_repeats_costs_little(void **state)
{
    struct end a, b;
    struct deflate_counts c;

    (void)state;
    deflated(&a, &b);
    for (int i = 0; i < 20000; i++)
        stream_printf(a.s, "%d\tRe: the same subject again\tJoe <joe@example.com>\r\n", i);
    until(stream_out_len(a.s) == 0);
    settle();
    deflate_counts(b.s, &c);
    assert_true(c.in_plain > 1000000);
    assert_true(c.in_packed * 5 < c.in_plain);
    end_close(&a);
    end_close(&b);
}

/* --- an end of our own, with zlib itself -------------------------------- */

struct sender { z_stream z; struct buf out; };

static void sender_open(struct sender *s, int level, int bits)
{
    *s = (struct sender){ 0 };
    assert_int_equal(deflateInit2(&s->z, level, Z_DEFLATED, -bits, 9, Z_DEFAULT_STRATEGY), Z_OK);
}

static void sender_say(struct sender *s, const char *p, size_t n, int flush)
{
    s->z.next_in = (Bytef *)(uintptr_t)p;
    s->z.avail_in = (uInt)n;
    do {
        assert_true(buf_reserve(&s->out, 65536));
        s->z.next_out = (Bytef *)s->out.p + s->out.end;
        s->z.avail_out = 65536;
        assert_true(deflate(&s->z, flush) != Z_STREAM_ERROR);
        s->out.end += 65536 - s->z.avail_out;
    } while (s->z.avail_out == 0);
}

static void sender_close(struct sender *s)
{
    deflateEnd(&s->z);
    buf_fini(&s->out);
}

/* All of it into the socket, while the loop turns. */
static void pour(int fd, struct span what, size_t piece)
{
    while (what.n > 0) {
        ssize_t n = write(fd, what.p, what.n < piece ? what.n : piece);

        if (n > 0)
            what = span_from(what, (size_t)n);
        else
            assert_int_equal(errno, EAGAIN);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

static void open_raw(struct end *a, int *peer)
{
    int fd[2];

    pair_of(fd);
    *a = (struct end){ 0 };
    a->s = stream_socket(base, fd[0], on_end, a);
    deflate_begin(a->s, deflate_new());
    *peer = fd[1];
}

static void what_was_read_behind_the_line_that_grants_it_is_inside(void **state)
{
    struct end a = { .keep = true };
    struct sender s;
    int fd[2];

    (void)state;
    pair_of(fd);
    a.s = stream_socket(base, fd[0], on_end, &a);
    sender_open(&s, 6, 15);
    sender_say(&s, "203 go on\r\n", 11, Z_SYNC_FLUSH);
    assert_int_equal(write(fd[1], "206 go on\r\n", 11), 11);
    assert_int_equal(write(fd[1], buf_data(&s.out), buf_len(&s.out) - 3), buf_len(&s.out) - 3);
    until(buf_len(stream_in(a.s)) == 11 + buf_len(&s.out) - 3);
    buf_drop(stream_in(a.s), 11);
    a.keep = false;
    deflate_granted(a.s);
    assert_int_equal(write(fd[1], buf_data(&s.out) + buf_len(&s.out) - 3, 3), 3);
    until(got_is(&a, "203 go on\r\n"));
    sender_close(&s);
    end_close(&a);
    close(fd[1]);
}

static void a_sender_with_the_largest_window_is_read_octet_by_octet(void **state)
{
    enum { N = 120000 };
    struct sender s;
    struct end a;
    char *p = xmalloc(N);
    int fd;

    (void)state;
    for (size_t i = 0; i < N; i++)             /* repeats after 30,000: near the window's end */
        p[i] = i < 30000 ? (char)kit_random() : p[i - 30000];
    sender_open(&s, 9, 15);
    sender_say(&s, p, N, Z_SYNC_FLUSH);
    assert_true(buf_len(&s.out) < 40000);
    open_raw(&a, &fd);
    pour(fd, buf_span(&s.out), 1);
    until(buf_len(&a.got) == N);
    assert_memory_equal(buf_data(&a.got), p, N);
    sender_close(&s);
    free(p);
    end_close(&a);
    close(fd);
}

static void a_bomb_takes_no_more_room_than_the_streams_limit(void **state)
{
    enum { N = 100 << 20, MOST = 100000 };
    struct sender s;
    struct end a;
    char *zeros = xcalloc(1, 1 << 20);
    uint64_t seen = 0;
    int fd;

    (void)state;
    sender_open(&s, 9, 15);
    for (int i = 0; i < N >> 20; i++)
        sender_say(&s, zeros, 1 << 20, i + 1 < N >> 20 ? Z_NO_FLUSH : Z_SYNC_FLUSH);
    assert_true(buf_len(&s.out) < 200000);
    open_raw(&a, &fd);
    a.keep = true;
    stream_set_in_most(a.s, MOST);
    pour(fd, buf_span(&s.out), 65536);
    for (int i = 0; i < 200; i++) {            /* nobody takes anything: it stops by itself */
        event_base_loop(base, EVLOOP_NONBLOCK);
        assert_true(stream_in(a.s)->cap <= 4 * MOST);
        assert_true(layer(&a)->packed.cap <= 2 * PACKED);
    }
    assert_true(buf_len(stream_in(a.s)) >= MOST);
    while (seen < N) {                         /* and it all comes when it is taken */
        struct buf *in = stream_in(a.s);

        for (const char *p = buf_data(in); p != NULL && p < buf_data(in) + buf_len(in); p++)
            if (*p != 0)
                fail();
        seen += buf_len(in);
        buf_drop(in, buf_len(in));
        stream_pause(a.s, false);
        event_base_loop(base, EVLOOP_ONCE);
        assert_int_equal(a.told[STREAM_FAILED], 0);
    }
    assert_int_equal(seen, N);
    sender_close(&s);
    free(zeros);
    end_close(&a);
    close(fd);
}

static void octets_that_become_nothing_starve_nobody(void **state)
{
    enum { N = 200000 };
    static const char empty[] = { 0, 0, 0, (char)0xff, (char)0xff };   /* a stored block of nothing */
    struct sender s;
    struct buf all = { 0 };
    struct end a, b, c;
    int fd;

    (void)state;
    sender_open(&s, 6, 15);
    sender_say(&s, "DATE\r\n", 6, Z_SYNC_FLUSH);
    for (int i = 0; i < N; i++)
        buf_add(&all, empty, sizeof empty);
    buf_add_span(&all, buf_span(&s.out));
    open_raw(&a, &fd);
    deflated(&b, &c);
    stream_puts(b.s, "hello");
    pour(fd, buf_span(&all), 65536);
    until(got_is(&a, "DATE\r\n") && got_is(&c, "hello"));
    buf_fini(&all);
    sender_close(&s);
    end_close(&a);
    end_close(&b);
    end_close(&c);
    close(fd);
}

/* --- ends --------------------------------------------------------------- */

static void garbage_fails_the_stream(void **state)
{
    struct end a;
    int fd;

    (void)state;
    open_raw(&a, &fd);
    assert_int_equal(write(fd, "GROUP misc.test\r\n", 17), 17);
    until(a.told[STREAM_FAILED] == 1);
    assert_string_equal(stream_reason(a.s), "what came is not DEFLATE");
    end_close(&a);
    close(fd);
}

static void what_breaks_off_in_a_block_fails_the_stream(void **state)
{
    struct sender s;
    struct end a;
    int fd;

    (void)state;
    sender_open(&s, 9, 15);
    for (int i = 0; i < 500; i++)
        sender_say(&s, "Some text that is long enough to be cut.\r\n", 42, Z_NO_FLUSH);
    sender_say(&s, "", 0, Z_SYNC_FLUSH);
    open_raw(&a, &fd);
    pour(fd, (struct span){ buf_data(&s.out), buf_len(&s.out) / 2 }, 1000);
    close(fd);
    until(a.told[STREAM_FAILED] == 1);
    assert_string_equal(stream_reason(a.s), "the compressed connection broke off");
    assert_true(buf_len(&a.got) > 0);
    sender_close(&s);
    end_close(&a);
}

static void an_end_between_blocks_is_an_end(void **state)
{
    struct end a, b;

    (void)state;
    deflated(&a, &b);
    stream_puts(a.s, "QUIT\r\n");
    stream_finish(a.s);
    until(b.told[STREAM_CLOSED] == 1);
    assert_true(got_is(&b, "QUIT\r\n"));
    stream_puts(b.s, "205 Bye\r\n");            /* the other way is still open */
    stream_finish(b.s);
    until(a.told[STREAM_CLOSED] == 1 && b.told[STREAM_CLOSED] == 2);
    assert_int_equal(a.told[STREAM_FAILED] + b.told[STREAM_FAILED], 0);
    end_close(&a);
    end_close(&b);
}

static void a_last_block_is_an_end_as_well(void **state)
{
    struct sender s;
    struct end a;
    int fd;

    (void)state;
    sender_open(&s, 9, 15);
    sender_say(&s, "QUIT\r\n", 6, Z_FINISH);
    open_raw(&a, &fd);
    pour(fd, buf_span(&s.out), 1000);
    until(a.told[STREAM_CLOSED] == 1);
    assert_true(got_is(&a, "QUIT\r\n"));
    sender_close(&s);
    end_close(&a);
    close(fd);
}

static void one_who_does_not_read_is_owed_no_more_than_the_layers_room(void **state)
{
    struct end a;
    char piece[1000];
    int fd;

    (void)state;
    open_raw(&a, &fd);
    for (int i = 0; i < 3000; i++) {
        for (size_t k = 0; k < sizeof piece; k++)
            piece[k] = (char)kit_random();
        stream_write(a.s, piece, sizeof piece);
        event_base_loop(base, EVLOOP_NONBLOCK);
        assert_true(layer(&a)->out.cap <= 256 << 10);
    }
    assert_true(stream_out_len(a.s) > 1 << 20);
    end_close(&a);
    close(fd);
}

static void without_memory_it_does_not_begin(void **state)
{
    struct end a, b;

    (void)state;
    for (memory = 0; memory < 2;) {
        int had = memory;

        assert_null(deflate_new());
        memory = had + 1;
    }
    memory = 2;
    ends_open(&a, &b);
    deflate_begin(a.s, deflate_new());
    pack_rest(layer(&a));
    memory = 0;                                /* and one that cannot be woken fails */
    stream_puts(a.s, "DATE\r\n");
    until(a.told[STREAM_FAILED] == 1);
    assert_string_equal(stream_reason(a.s), "out of memory for compression");
    memory = 1 << 30;
    end_close(&a);
    end_close(&b);
}

/* --- rest --------------------------------------------------------------- */

/* Octets that a says, as b counts them. */
static uint64_t packed_for(struct end *a, struct end *b, const char *text)
{
    struct deflate_counts before, after;
    size_t had = buf_len(&b->got), n = strlen(text);

    deflate_counts(b->s, &before);
    stream_puts(a->s, text);
    until(buf_len(&b->got) == had + n);
    assert_memory_equal(buf_data(&b->got) + had, text, n);
    deflate_counts(b->s, &after);
    return after.in_packed - before.in_packed;
}

static void a_quiet_stream_gives_its_memory_back_and_goes_on(void **state)
{
    static const char text[] = "GROUP de.comp.os.unix.linux.misc and some more words to remember\r\n";
    struct end a, b;
    uint64_t first, again;

    (void)state;
    deflated(&a, &b);
    first = packed_for(&a, &b, text);
    again = packed_for(&a, &b, text);
    assert_true(again < first / 3);
    pack_rest(layer(&a));
    pack_rest(layer(&b));
    assert_true(layer(&a)->def == NULL && layer(&a)->inf == NULL && layer(&a)->said.cap == 0);
    assert_true(layer(&b)->def == NULL && layer(&b)->inf == NULL);
    assert_int_equal(layer(&b)->said.cap, 2 * (sizeof text - 1));
    pack_rest(layer(&b));                      /* nothing left to give: no harm */
    (void)packed_for(&a, &b, text);
    (void)packed_for(&b, &a, text);
    assert_true(packed_for(&a, &b, text) < first / 3);
    end_close(&a);
    end_close(&b);
}

static void a_sender_that_remembers_is_understood_after_a_rest(void **state)
{
    enum { N = 33000 };
    struct sender s;
    struct end a;
    char *p = xmalloc(N);
    int fd;

    (void)state;
    for (size_t i = 0; i < N; i++)
        p[i] = (char)kit_random();
    sender_open(&s, 9, 15);
    open_raw(&a, &fd);
    for (int round = 0; round < 4; round++) {
        buf_clear(&s.out);
        sender_say(&s, p + 1000, N - 1000 - 300, Z_SYNC_FLUSH);
        assert_true(round == 0 || buf_len(&s.out) < N / 20);         /* it refers to the round before */
        pour(fd, buf_span(&s.out), 3000);
        until(buf_len(&a.got) == (size_t)(round + 1) * (N - 1300));
        assert_memory_equal(buf_data(&a.got) + (size_t)round * (N - 1300), p + 1000, N - 1300);
        pack_rest(layer(&a));
        assert_null(layer(&a)->inf);
        assert_true(layer(&a)->said.cap <= WINDOW);
    }
    sender_close(&s);
    free(p);
    end_close(&a);
    close(fd);
}

static void nothing_rests_in_the_middle_of_a_block(void **state)
{
    struct sender s;
    struct end a;
    int fd;

    (void)state;
    sender_open(&s, 9, 15);
    sender_say(&s, "XOVER 1-100\r\n", 13, Z_SYNC_FLUSH);
    open_raw(&a, &fd);
    pour(fd, (struct span){ buf_data(&s.out), 6 }, 6);
    settle();
    pack_rest(layer(&a));
    assert_non_null(layer(&a)->inf);
    pour(fd, span_from(buf_span(&s.out), 6), 100);
    until(got_is(&a, "XOVER 1-100\r\n"));
    sender_close(&s);
    end_close(&a);
    close(fd);
}

static void rest_comes_when_nothing_has_moved_for_a_while(void **state)
{
    struct end a, b;
    int64_t now = clock_now_us();

    (void)state;
    clock_freeze(now);
    deflated(&a, &b);
    (void)packed_for(&a, &b, "DATE\r\n");
    clock_freeze(now + 9000000);
    stream_set_timeout(a.s, 1);                /* look at the time now: told at once ... */
    until(a.told[STREAM_TIMEOUT] > 0);
    stream_set_timeout(a.s, 0);
    assert_non_null(layer(&a)->def);           /* ... but it is too early to rest */
    (void)packed_for(&a, &b, "DATE\r\n");
    clock_freeze(now + 30000000);
    stream_set_timeout(a.s, 0);
    until(layer(&a)->def == NULL);
    clock_freeze(0);
    (void)packed_for(&a, &b, "DATE\r\n");
    end_close(&a);
    end_close(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_base, close_base)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(lines_go_both_ways), T(what_was_written_before_it_leaves_as_it_is), T(what_was_read_before_it_is_dropped),
        T(what_was_read_behind_the_line_that_grants_it_is_inside),
        T(much_goes_both_ways_at_once), T(what_cannot_be_packed_goes_too), T(what_repeats_costs_little),
        T(a_sender_with_the_largest_window_is_read_octet_by_octet),
        T(a_bomb_takes_no_more_room_than_the_streams_limit), T(octets_that_become_nothing_starve_nobody),
        T(garbage_fails_the_stream), T(what_breaks_off_in_a_block_fails_the_stream),
        T(an_end_between_blocks_is_an_end), T(a_last_block_is_an_end_as_well),
        T(one_who_does_not_read_is_owed_no_more_than_the_layers_room), T(without_memory_it_does_not_begin),
        T(a_quiet_stream_gives_its_memory_back_and_goes_on), T(a_sender_that_remembers_is_understood_after_a_rest),
        T(nothing_rests_in_the_middle_of_a_block), T(rest_comes_when_nothing_has_moved_for_a_while),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
