/* Failed logins: who waits, how long, who is forgiven, what is forgotten. */
#include "tests/kit.h"

#include <stdio.h>

#include "lib/net.h"
#include "nntpd/brake.h"

#define S INT64_C(1000000)

static const struct sockaddr *at(const char *address)
{
    static struct net_addr a;

    assert_int_equal(net_literal(address, 1000, &a), 0);
    return (const struct sockaddr *)&a.sa;
}

static int64_t ask(struct brake *b, const char *from, const char *user, int64_t now)
{
    return brake_ask(b, at(from), span_of(user), now) / S;
}

static void tell(struct brake *b, const char *from, const char *user, bool good, int64_t now)
{
    brake_tell(b, at(from), span_of(user), good, now);
}

static void each_failure_makes_the_next_login_wait_longer(void **state)
{
    static const int want[] = { 1, 2, 4, 8, 16, 30, 30 };
    struct brake *b = brake_new(10);
    int64_t now = 1000 * S;

    (void)state;
    assert_int_equal(ask(b, "192.0.2.1", "wilma", now), 0);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        tell(b, "192.0.2.1", "wilma", false, now);
        assert_int_equal(ask(b, "192.0.2.1", "anna", now), want[i]);
        assert_int_equal(ask(b, "192.0.2.2", "anna", now), 0);
        now += want[i] * S;
    }
    brake_free(&b);
}

static void logins_of_a_household_take_turns(void **state)
{
    struct brake *b = brake_new(10);
    int64_t now = 1000 * S;

    (void)state;
    for (int i = 0; i < 4; i++)
        tell(b, "2001:db8::1", "wilma", false, now);        /* 8 s each */
    assert_int_equal(ask(b, "2001:db8::2", "a", now), 8);   /* the same 64 bits */
    assert_int_equal(ask(b, "2001:db8::3", "b", now), 16);
    assert_int_equal(ask(b, "2001:db8::4", "c", now), 24);
    /* more than anybody should wait; and no turn is taken, so it does not grow for ever */
    assert_true(brake_ask(b, at("2001:db8::5"), SPAN("d"), now) > BRAKE_WAIT_MOST);
    assert_int_equal(ask(b, "2001:db8::5", "d", now), 32);
    assert_int_equal(ask(b, "2001:db8:0:1::1", "e", now), 0);
    brake_free(&b);
}

static void a_user_who_is_guessed_at_from_everywhere_waits_a_little(void **state)
{
    struct brake *b = brake_new(100);
    int64_t now = 1000 * S;
    char from[32];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(from, sizeof from, "192.0.2.%d", i);
        tell(b, from, "wilma", false, now);
    }
    assert_int_equal(ask(b, "198.51.100.1", "wilma", now), 5);
    assert_int_equal(ask(b, "198.51.100.1", "wilma", now), 5);    /* no turns: nobody can shut her out */
    assert_int_equal(ask(b, "198.51.100.1", "fred", now), 0);
    brake_free(&b);
}

static void time_forgives_a_failure_a_minute(void **state)
{
    struct brake *b = brake_new(10);
    int64_t now = 1000 * S;

    (void)state;
    for (int i = 0; i < 3; i++)
        tell(b, "192.0.2.1", "wilma", false, now);
    now += 61 * S;
    assert_int_equal(ask(b, "192.0.2.1", "x", now), 0);           /* its turn came long ago; it takes the next */
    assert_int_equal(ask(b, "192.0.2.1", "x", now), 2);           /* of two failures */
    now += 120 * S;
    assert_int_equal(ask(b, "192.0.2.1", "x", now), 0);
    assert_int_equal(ask(b, "192.0.2.1", "x", now), 0);
    assert_int_equal(brake_counts(b).households, 0);
    brake_free(&b);
}

static void who_mistyped_is_forgiven_who_tried_other_names_is_not(void **state)
{
    struct brake *b = brake_new(10);
    int64_t now = 1000 * S;

    (void)state;
    tell(b, "192.0.2.1", "wilma", false, now);
    tell(b, "192.0.2.1", "wilma", false, now);
    tell(b, "192.0.2.1", "wilma", true, now);
    assert_int_equal(ask(b, "192.0.2.1", "wilma", now), 0);
    assert_int_equal(brake_counts(b).households + brake_counts(b).users, 0);
    tell(b, "192.0.2.9", "anna", false, now);
    tell(b, "192.0.2.9", "bert", false, now);
    tell(b, "192.0.2.9", "own-account", true, now);
    assert_int_equal(ask(b, "192.0.2.9", "carl", now), 2);
    tell(b, "192.0.2.9", "bert", true, now);
    assert_true(ask(b, "192.0.2.9", "carl", now) >= 2);
    brake_free(&b);
}

static void memory_is_bounded_and_the_quiet_are_forgotten_first(void **state)
{
    struct brake *b = brake_new(3);
    int64_t now = 1000 * S;
    char from[32];

    (void)state;
    for (int i = 1; i <= 3; i++) {
        snprintf(from, sizeof from, "192.0.2.%d", i);
        tell(b, from, from, false, now);
    }
    tell(b, "192.0.2.1", "x", false, now);
    assert_int_equal(brake_counts(b).households, 3);
    assert_int_equal(brake_counts(b).users, 3);
    assert_int_equal(ask(b, "192.0.2.1", "y", now), 2);
    tell(b, "192.0.2.4", "z", false, now);
    assert_int_equal(ask(b, "192.0.2.2", "y", now), 0);           /* gone */
    assert_int_equal(ask(b, "192.0.2.3", "y", now), 1);
    assert_int_equal(brake_counts(b).households, 3);
    brake_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_makes_the_next_login_wait_longer),
        cmocka_unit_test(logins_of_a_household_take_turns),
        cmocka_unit_test(a_user_who_is_guessed_at_from_everywhere_waits_a_little),
        cmocka_unit_test(time_forgives_a_failure_a_minute),
        cmocka_unit_test(who_mistyped_is_forgiven_who_tried_other_names_is_not),
        cmocka_unit_test(memory_is_bounded_and_the_quiet_are_forgotten_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
