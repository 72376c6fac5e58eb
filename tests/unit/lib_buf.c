/* lib_buf.c - bytes in, bytes out, in order; memory kept, given back, refused. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "tests/kit.h"

static void random_adds_and_drops_keep_the_order(void **state)
{
    struct buf b = { 0 };
    unsigned char in = 0, out = 0;
    char chunk[700];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        size_t n = kit_random() % sizeof chunk, drop;

        for (size_t k = 0; k < n; k++)
            chunk[k] = (char)in++;
        buf_add(&b, chunk, n);
        drop = kit_random() % (buf_len(&b) + 1);
        for (size_t k = 0; k < drop; k++)
            assert_int_equal((unsigned char)buf_data(&b)[k], out++);
        buf_drop(&b, drop);
        assert_int_equal((unsigned char)(in - out), buf_len(&b) & 0xff);
    }
    buf_fini(&b);
}

static void consumed_room_is_used_again(void **state)
{
    struct buf b = { 0 };
    char chunk[100] = { 0 };

    (void)state;
    buf_add(&b, chunk, 50);
    for (int i = 0; i < 100000; i++) {
        buf_add(&b, chunk, sizeof chunk);
        buf_drop(&b, sizeof chunk);
    }
    assert_true(b.cap <= 2048);
    buf_fini(&b);
}

static void an_impossible_size_is_refused_and_changes_nothing(void **state)
{
    struct buf b = { 0 };

    (void)state;
    buf_puts(&b, "abc");
    assert_false(buf_reserve(&b, SIZE_MAX));
    assert_false(buf_reserve(&b, SIZE_MAX - 2));
    assert_true(span_eq(buf_span(&b), SPAN("abc")));
    buf_fini(&b);
}

static void printf_grows_at_every_length(void **state)
{
    (void)state;
    for (int n = 0; n < 1200; n++) {
        struct buf b = { 0 };

        buf_puts(&b, "x");
        buf_printf(&b, "%0*d", n + 1, 7);
        assert_int_equal(buf_len(&b), (size_t)n + 2);
        assert_int_equal(buf_data(&b)[n + 1], '7');
        buf_fini(&b);
    }
}

static void steal_hands_over_what_is_held(void **state)
{
    struct buf b = { 0 };
    size_t n = 99;
    char *p;

    (void)state;
    buf_puts(&b, "gone kept");
    buf_drop(&b, 5);
    p = buf_steal(&b, &n);
    assert_int_equal(n, 4);
    assert_memory_equal(p, "kept", 4);
    free(p);
    assert_null(b.p);
    free(buf_steal(&b, &n));
    assert_int_equal(n, 0);
}

static void shrink_frees_only_when_empty(void **state)
{
    struct buf b = { 0 };

    (void)state;
    buf_puts(&b, "ab");
    buf_shrink(&b);
    assert_int_equal(buf_len(&b), 2);
    buf_drop(&b, 2);
    buf_shrink(&b);
    assert_null(b.p);
    assert_int_equal(b.cap, 0);
}

static void numbers_are_written_in_decimal(void **state)
{
    static const uint64_t some[] = { 0, 9, 10, 99, 100, 2147483647, UINT64_MAX };
    char want[32];
    struct buf b = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        buf_clear(&b);
        buf_number(&b, some[i]);
        snprintf(want, sizeof want, "%" PRIu64, some[i]);
        assert_true(span_eq(buf_span(&b), span_of(want)));
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_adds_and_drops_keep_the_order),
        cmocka_unit_test(consumed_room_is_used_again),
        cmocka_unit_test(an_impossible_size_is_refused_and_changes_nothing),
        cmocka_unit_test(printf_grows_at_every_length),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(steal_hands_over_what_is_held),
        cmocka_unit_test(shrink_frees_only_when_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
