/* article/number: numbers and ranges of commands, and what is none. */
#include <stdio.h>

#include "article/number.h"
#include "tests/kit.h"

static struct span word(int rc)
{
    return span_of(rc == 0 ? "valid" : "invalid");
}

/* The value as the table has it: empty when nothing was read. */
static struct span value(char text[24], int rc, uint64_t n)
{
    if (rc != 0)
        return SPAN("");
    if (n == UINT64_MAX)
        return SPAN("max");
    snprintf(text, 24, "%llu", (unsigned long long)n);
    return span_of(text);
}

static void row(const struct kit_row *r, void *arg)
{
    uint64_t lo = 0, hi = 0;
    char text[24];
    int rc;

    (void)arg;
    if (span_eq(r->cell[0], SPAN("number"))) {
        rc = number_read(r->cell[1], &lo);
        kit_row_is(r, "number", word(rc), r->cell[3]);
        kit_row_is(r, "value", value(text, rc, lo), r->cell[4]);
        return;
    }
    rc = range_read(r->cell[1], &lo, &hi);
    kit_row_is(r, "range", word(rc), r->cell[3]);
    kit_row_is(r, "lo", value(text, rc, lo), r->cell[4]);
    kit_row_is(r, "hi", value(text, rc, hi), r->cell[5]);
}

static void numbers_and_ranges_are_as_the_table_says(void **state)
{
    (void)state;
    kit_table("article-number.tsv", row, NULL);
}

static void absent_text_is_no_number(void **state)
{
    uint64_t lo, hi;

    (void)state;
    assert_int_equal(number_read((struct span){ 0 }, &lo), -1);
    assert_int_equal(range_read((struct span){ 0 }, &lo, &hi), -1);
}

static void every_number_of_16_digits_is_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t want = kit_random() % UINT64_C(10000000000000000) >> (i % 53), n, hi;
        char text[24];

        snprintf(text, sizeof text, "%llu", (unsigned long long)want);
        assert_int_equal(number_read(span_of(text), &n), 0);
        assert_int_equal(n, want);
        assert_int_equal(range_read(span_of(text), &n, &hi), 0);
        assert_true(n == want && hi == want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_ranges_are_as_the_table_says), cmocka_unit_test(absent_text_is_no_number),
        cmocka_unit_test(every_number_of_16_digits_is_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
