/* lib_span.c - cutting, comparing and reading pieces of text. */
#include <string.h>

#include "lib/span.h"
#include "tests/kit.h"

static const struct span absent = { NULL, 0 };

static void comparing(void **state)
{
    (void)state;
    assert_true(span_eq(absent, SPAN("")));
    assert_false(span_eq(SPAN("a"), SPAN("A")));
    assert_true(span_ieq(SPAN("Message-ID"), SPAN("mESSAGE-id")));
    assert_false(span_ieq(SPAN("[bracket"), SPAN("{bracket")));    /* not letters, though bit 5 differs */
    assert_false(span_ieq(SPAN("\xc4"), SPAN("\xe4")));            /* ASCII only                        */
    assert_true(span_starts(SPAN("abc"), SPAN("")));
    assert_true(span_starts(SPAN("abc"), SPAN("abc")));
    assert_false(span_starts(SPAN("ab"), SPAN("abc")));
    assert_true(span_istarts(SPAN("XHDR subject"), SPAN("xhdr")));
    assert_false(span_istarts(absent, SPAN("x")));
}

static void trimming_and_the_rest(void **state)
{
    (void)state;
    assert_true(span_eq(span_trim(SPAN(" \t a b\t ")), SPAN("a b")));
    assert_int_equal(span_trim(SPAN(" \t ")).n, 0);
    assert_int_equal(span_trim(absent).n, 0);
    assert_true(span_eq(span_from(SPAN("abc"), 1), SPAN("bc")));
    assert_int_equal(span_from(SPAN("abc"), 3).n, 0);
    assert_int_equal(span_from(SPAN("abc"), 9).n, 0);
}

static void words_are_cut_at_blanks_and_tabs(void **state)
{
    struct span s = SPAN("  one\ttwo  ");

    (void)state;
    assert_true(span_eq(span_word(&s), SPAN("one")));
    assert_true(span_eq(span_word(&s), SPAN("two")));
    assert_int_equal(span_word(&s).n, 0);
    assert_int_equal(span_word(&s).n, 0);
}

static void items_may_be_empty_and_the_last_counts(void **state)
{
    static const char *const want[] = { "a", "", "b", "" };
    struct span s = SPAN("a,,b,"), item, empty = SPAN("");

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_true(span_next(&s, ',', &item));
        assert_true(span_eq(item, span_of(want[i])));
    }
    assert_false(span_next(&s, ',', &item));
    assert_true(span_next(&empty, ',', &item));
    assert_int_equal(item.n, 0);
    assert_false(span_next(&empty, ',', &item));
}

static void numbers_are_digits_that_fit(void **state)
{
    static const struct { const char *text; int rc; uint64_t v; } rows[] = {
        { "0", 0, 0 }, { "007", 0, 7 }, { "18446744073709551615", 0, UINT64_MAX },
        { "00018446744073709551615", 0, UINT64_MAX }, { "18446744073709551616", -1, 0 },
        { "99999999999999999999", -1, 0 }, { "", -1, 0 }, { "-1", -1, 0 }, { "+1", -1, 0 }, { " 1", -1, 0 },
        { "1 ", -1, 0 }, { "1a", -1, 0 }, { "\xb1", -1, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t v = 0;

        if (span_u64(span_of(rows[i].text), &v) != rows[i].rc || v != rows[i].v)
            fail_msg("row %zu: \"%s\"", i, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing),
        cmocka_unit_test(trimming_and_the_rest),
        cmocka_unit_test(words_are_cut_at_blanks_and_tabs),
        cmocka_unit_test(items_may_be_empty_and_the_last_counts),
        cmocka_unit_test(numbers_are_digits_that_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
