/* lib_stream_layers.c - layers between a stream and its carrier. */
#include "tests/unit/streamkit.h"

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
        T(a_layer_begins_behind_what_was_written_before_it), T(what_was_read_before_a_layer_is_dropped),
        T(what_a_layer_holds_back_is_read_too), T(a_pause_does_not_strand_what_a_layer_holds),
        T(drained_is_told_when_a_layer_made_it_so), T(layers_stack_also_on_memory),
        T(a_layer_on_one_who_does_not_read_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
