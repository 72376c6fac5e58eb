/* lib/base64. */
#include "lib/base64.h"
#include "tests/kit.h"

static const struct { const char *text; struct span bytes; } good[] = {
    { "", { "", 0 } }, { "Zg==", { "f", 1 } }, { "Zm8=", { "fo", 2 } }, { "Zm9v", { "foo", 3 } }, { "Zm9vYmFy", { "foobar", 6 } },
    { "AAECAw==", { "\0\1\2\3", 4 } }, { "AHRlc3QAcGFzcw==", { "\0test\0pass", 10 } }, { "+/+/", { "\xfb\xff\xbf", 3 } },
};

static void rfc_4648_vectors_both_ways(void **state)
{
    struct buf b = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        buf_clear(&b);
        base64_write(&b, good[i].bytes);
        assert_true(span_eq(buf_span(&b), span_of(good[i].text)));
        buf_clear(&b);
        assert_int_equal(base64_read(&b, span_of(good[i].text)), 0);
        assert_true(span_eq(buf_span(&b), good[i].bytes));
    }
    buf_fini(&b);
}

static void what_is_not_base64_appends_nothing(void **state)
{
    static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg===", "====", "Z===", "Zm9v\n", "Zm 9", "Zm9-", "=Zm9", "Zm=v", "Zm9vZg", "*" };
    struct buf b = { 0 };

    (void)state;
    buf_puts(&b, "x");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(base64_read(&b, span_of(bad[i])), -1);
        assert_int_equal(buf_len(&b), 1);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_4648_vectors_both_ways),
        cmocka_unit_test(what_is_not_base64_appends_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
