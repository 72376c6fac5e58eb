/* Limits: whose they are, when an hour and a day end, what is forgotten. */
#include "tests/kit.h"

#include <stdio.h>
#include <string.h>

#include "lib/net.h"
#include "nntpd/share.h"

#define S INT64_C(1000000)
#define HOUR (3600 * S)
#define DAY (24 * HOUR)

static struct share *of(struct shares *all, const char *user, const char *from, int64_t now)
{
    struct net_addr a;

    assert_int_equal(net_literal(from, 1000, &a), 0);
    return share_get(all, user, (const struct sockaddr *)&a.sa, now);
}

static void a_user_is_one_wherever_he_comes_from_others_are_their_household(void **state)
{
    static const struct { const char *user_a, *from_a, *user_b, *from_b; bool same; } rows[] = {
        { "wilma", "192.0.2.1", "wilma", "192.0.2.2", true }, { "wilma", "192.0.2.1", "fred", "192.0.2.1", false },
        { "wilma", "192.0.2.1", NULL, "192.0.2.1", false },   { NULL, "192.0.2.1", NULL, "192.0.2.1", true },
        { NULL, "192.0.2.1", NULL, "192.0.2.2", false },      { NULL, "192.0.2.1", NULL, "::ffff:192.0.2.1", true },
        { NULL, "2001:db8::1", NULL, "2001:db8::ffff:1", true }, { NULL, "2001:db8::1", NULL, "2001:db8:0:1::1", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct shares *all = shares_new(10);
        struct share *a = of(all, rows[i].user_a, rows[i].from_a, S), *b = of(all, rows[i].user_b, rows[i].from_b, S);

        if ((a == b) != rows[i].same)
            fail_msg("row %zu", i);
        share_put(all, &a);
        share_put(all, &b);
        shares_free(&all);
    }
}

static void connections_are_counted_and_limited(void **state)
{
    struct shares *all = shares_new(10);
    struct share *s = of(all, "wilma", "::1", S);

    (void)state;
    assert_true(share_enter(all, s, 2));
    assert_true(share_enter(all, s, 2));
    assert_false(share_enter(all, s, 2));
    assert_true(share_enter(all, s, 0));            /* 0: no limit */
    share_leave(all, s);
    share_leave(all, s);
    assert_true(share_enter(all, s, 2));
    share_leave(all, s);
    share_leave(all, s);
    share_put(all, &s);
    assert_int_equal(shares_count(all), 0);         /* nothing is remembered of who used nothing */
    shares_free(&all);
}

static bool knock(struct shares *all, const char *from, unsigned most)
{
    struct net_addr a;

    assert_int_equal(net_literal(from, 1000, &a), 0);
    return share_knock(all, (const struct sockaddr *)&a.sa, most, S);
}

static void gone(struct shares *all, const char *from)
{
    struct net_addr a;

    assert_int_equal(net_literal(from, 1000, &a), 0);
    share_gone(all, (const struct sockaddr *)&a.sa);
}

static void who_knocks_is_counted_by_household_whoever_it_is(void **state)
{
    struct shares *all = shares_new(10);

    (void)state;
    assert_true(knock(all, "2001:db8::1", 2));
    assert_true(knock(all, "2001:db8::2", 2));
    assert_false(knock(all, "2001:db8::3", 2));
    assert_true(knock(all, "2001:db8:0:1::1", 2));
    assert_true(knock(all, "2001:db8::3", 0));      /* 0: no limit */
    gone(all, "2001:db8::1");
    assert_false(knock(all, "2001:db8::1", 2));
    gone(all, "2001:db8::2");
    assert_true(knock(all, "2001:db8::1", 2));
    gone(all, "2001:db8::1");
    gone(all, "2001:db8::3");
    gone(all, "2001:db8:0:1::1");
    assert_int_equal(shares_count(all), 0);
    shares_free(&all);
}

static void posts_are_limited_by_the_hour_and_by_the_day(void **state)
{
    struct shares *all = shares_new(10);
    struct share *s = of(all, "wilma", "::1", S);
    int64_t now = 1000 * S;

    (void)state;
    assert_int_equal(share_post(all, s, 2, 3, now), 0);
    assert_int_equal(share_post(all, s, 2, 3, now + 60 * S), 0);
    assert_int_equal(share_post(all, s, 2, 3, now + 120 * S), HOUR - 120 * S);
    now += HOUR;
    assert_int_equal(share_post(all, s, 2, 3, now), 0);
    assert_int_equal(share_post(all, s, 2, 3, now), DAY - HOUR);   /* the longer of the two */
    assert_int_equal(share_post(all, s, 2, 0, now), 0);            /* another block's limits */
    now += DAY;
    assert_int_equal(share_post(all, s, 1, 0, now), 0);
    share_unpost(all, s);                                           /* it was refused */
    assert_int_equal(share_post(all, s, 1, 0, now), 0);
    assert_int_equal(share_post(all, s, 1, 0, now), HOUR);
    share_put(all, &s);
    shares_free(&all);
}

static void octets_are_limited_by_the_day(void **state)
{
    struct shares *all = shares_new(10);
    struct share *s = of(all, NULL, "192.0.2.1", S);
    int64_t now = 1000 * S;

    (void)state;
    assert_int_equal(share_full(all, s, 1000, now), 0);
    share_sent(all, s, 999, now);
    assert_int_equal(share_full(all, s, 1000, now + HOUR), 0);
    share_sent(all, s, 5000, now + HOUR);
    assert_int_equal(share_full(all, s, 1000, now + HOUR), DAY - HOUR);
    assert_int_equal(share_full(all, s, 0, now + HOUR), 0);
    assert_int_equal(share_full(all, s, 1000, now + DAY), 0);
    share_put(all, &s);
    shares_free(&all);
}

static void what_was_used_outlives_the_connection(void **state)
{
    struct shares *all = shares_new(10);
    struct share *s = of(all, "wilma", "::1", S);

    (void)state;
    assert_int_equal(share_post(all, s, 1, 0, S), 0);
    share_put(all, &s);
    s = of(all, "wilma", "::1", 2 * S);
    assert_true(share_post(all, s, 1, 0, 2 * S) > 0);
    share_put(all, &s);
    shares_free(&all);
}

static void memory_is_bounded_and_who_is_here_is_never_forgotten(void **state)
{
    struct shares *all = shares_new(5);
    struct share *here = of(all, "here", "::1", S), *s;
    char name[16];

    (void)state;
    assert_int_equal(share_post(all, here, 1, 0, S), 0);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "u%d", i);
        s = of(all, name, "::1", S);
        assert_int_equal(share_post(all, s, 1, 0, S), 0);
        share_put(all, &s);
    }
    assert_true(shares_count(all) <= 8);
    assert_true(share_post(all, here, 1, 0, S) > 0);
    /* whose day is over goes by itself */
    for (int i = 0; i < 10; i++) {
        s = of(all, "other", "::1", S + 2 * DAY);
        share_put(all, &s);
    }
    assert_true(shares_count(all) <= 1);
    share_put(all, &here);
    shares_free(&all);
}

static void times_to_wait_are_told_in_words(void **state)
{
    static const struct { int64_t us; const char *want; } rows[] = {
        { 1, "1 s" }, { 89 * S, "89 s" }, { 90 * S, "2 min" }, { 89 * 60 * S, "89 min" }, { 90 * 60 * S, "1 h 30 min" }, { DAY, "24 h 0 min" },
    };
    char text[SHARE_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(share_wait_text(rows[i].us, text), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_is_one_wherever_he_comes_from_others_are_their_household),
        cmocka_unit_test(connections_are_counted_and_limited),
        cmocka_unit_test(who_knocks_is_counted_by_household_whoever_it_is),
        cmocka_unit_test(posts_are_limited_by_the_hour_and_by_the_day),
        cmocka_unit_test(octets_are_limited_by_the_day),
        cmocka_unit_test(what_was_used_outlives_the_connection),
        cmocka_unit_test(memory_is_bounded_and_who_is_here_is_never_forgotten),
        cmocka_unit_test(times_to_wait_are_told_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
