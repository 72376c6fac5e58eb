/* feeder/health: percentiles and reasons. */
#include <string.h>

#include "feeder/health.h"
#include "tests/kit.h"

static struct health h;

static int fresh(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    return 0;
}

static void nothing_counted_is_no_delay(void **state)
{
    (void)state;
    assert_int_equal(health_percentile(&h, 0.5), -1);
}

static void a_percentile_is_right_within_a_tenth(void **state)
{
    (void)state;
    for (int64_t us = 1; us < INT64_C(1) << 38; us = us * 3 / 2 + 1) {
        int64_t got;

        fresh(NULL);
        health_delay(&h, us);
        got = health_percentile(&h, 0.99);
        assert_in_range(got, us - us / 10, us + us / 10);
    }
}

/* What fades is the classes: number and sum are of all that ever was. */
static void number_and_sum_do_not_fade(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++)
        health_delay(&h, 30);
    health_delay(&h, -5);
    assert_int_equal(h.all_delays, 100001);
    assert_int_equal(h.delays_us, 3000000);
    assert_true(h.n_delays < 100000);
}

static void median_and_tail_are_told_apart(void **state)
{
    (void)state;
    for (int i = 0; i < 980; i++)
        health_delay(&h, 1000);
    for (int i = 0; i < 20; i++)
        health_delay(&h, 5000000);
    assert_in_range(health_percentile(&h, 0.5), 900, 1100);
    assert_in_range(health_percentile(&h, 0.98), 900, 1100);
    assert_in_range(health_percentile(&h, 0.99), 4500000, 5500000);
}

static void a_clock_that_was_set_back_and_centuries_do_no_harm(void **state)
{
    (void)state;
    health_delay(&h, -5);
    assert_int_equal(health_percentile(&h, 1), 0);
    health_delay(&h, INT64_MAX);
    assert_true(health_percentile(&h, 1) > INT64_C(1) << 39);
}

static void old_delays_fade(void **state)
{
    (void)state;
    for (int i = 0; i < 65536; i++)
        health_delay(&h, 1000);
    for (int i = 0; i < 200000; i++)
        health_delay(&h, 100000);
    assert_in_range(health_percentile(&h, 0.2), 90000, 110000);
}

static void what_differs_from_article_to_article_is_no_part_of_the_reason(void **state)
{
    (void)state;
    health_reason(&h, SPAN("439 <a@b> Unwanted newsgroup \"alt.one\""));
    health_reason(&h, SPAN("437 <c@d> Unwanted newsgroup \"alt.two\""));
    health_reason(&h, SPAN("437 Too old -- 123"));
    health_reason(&h, SPAN("437 Too old -- 999"));
    health_reason(&h, SPAN("439 <e@f>"));
    health_reason(&h, SPAN("43"));
    assert_int_equal(h.n_reasons, 3);
    assert_string_equal(h.reason[0].text, "Unwanted newsgroup");
    assert_int_equal(h.reason[0].n, 2);
    assert_string_equal(h.reason[1].text, "Too old --");
    assert_int_equal(h.reason[1].n, 2);
    assert_string_equal(h.reason[2].text, "(none given)");
    assert_int_equal(h.reason[2].n, 2);
}

static void a_peer_of_many_words_costs_no_more_memory(void **state)
{
    char line[600] = "439 ";

    (void)state;
    memset(line + 4, 'x', 500);
    for (unsigned i = 0; i < 40; i++) {
        line[4] = (char)('a' + i % 26);
        line[5] = (char)('a' + i / 26);
        health_reason(&h, span_of(line));
    }
    assert_int_equal(h.n_reasons, REASONS_MOST);
    assert_int_equal(h.other_reasons, 40 - REASONS_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_counted_is_no_delay, fresh),
        cmocka_unit_test_setup(a_percentile_is_right_within_a_tenth, fresh),
        cmocka_unit_test_setup(number_and_sum_do_not_fade, fresh),
        cmocka_unit_test_setup(median_and_tail_are_told_apart, fresh),
        cmocka_unit_test_setup(a_clock_that_was_set_back_and_centuries_do_no_harm, fresh),
        cmocka_unit_test_setup(old_delays_fade, fresh),
        cmocka_unit_test_setup(what_differs_from_article_to_article_is_no_part_of_the_reason, fresh),
        cmocka_unit_test_setup(a_peer_of_many_words_costs_no_more_memory, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
