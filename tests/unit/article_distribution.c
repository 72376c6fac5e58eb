/* article/groups: which distributions are wanted. */
#include <string.h>

#include "article/groups.h"
#include "tests/kit.h"

/* The rules are "a,b,c" here. */
static bool wanted(const char *rules, const char *values)
{
    struct span rest = span_of(rules), one;
    char text[8][400], *v[8];
    size_t n = 0;

    while (rest.n > 0 && span_next(&rest, ',', &one)) {
        memcpy(text[n], one.p, one.n);
        text[n][one.n] = '\0';
        v[n] = text[n];
        n++;
    }
    return distribution_wanted(v, n, span_of(values));
}

static void no_rules_and_no_values_are_a_yes(void **state)
{
    (void)state;
    assert_true(wanted("", "local"));
    assert_true(wanted("world", ""));
    assert_true(wanted("world", " , "));
    assert_true(wanted("!local", ""));
}

static void a_value_without_a_rule_is_wanted_when_some_rule_says_no(void **state)
{
    (void)state;
    assert_true(wanted("world", "world"));
    assert_false(wanted("world", "local"));
    assert_false(wanted("!local", "local"));
    assert_true(wanted("!local", "world"));
    assert_true(wanted("world,!local", "eu"));
}

static void the_last_rule_that_fits_counts(void **state)
{
    (void)state;
    assert_false(wanted("*,!local", "local"));
    assert_true(wanted("*,!local", "world"));
    assert_true(wanted("*,!loc*,local", "local"));
    assert_false(wanted("*,!loc*,local", "loca"));
    assert_true(wanted("e?", "eu"));
    assert_false(wanted("e?", "eur"));
}

static void one_wanted_value_is_enough(void **state)
{
    (void)state;
    assert_true(wanted("!local", "local,world"));
    assert_true(wanted("!local", "local world"));
    assert_false(wanted("!local,!world", "local,world"));
}

static void case_does_not_matter(void **state)
{
    (void)state;
    assert_false(wanted("!Local", "LOCAL"));
    assert_true(wanted("WORLD", "World"));
}

static void an_endless_value_is_asked_for_by_its_beginning(void **state)
{
    char value[300];

    (void)state;
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    assert_true(wanted("xx*", value));
    assert_false(wanted("world", value));
    assert_false(wanted("!x*", value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rules_and_no_values_are_a_yes),
        cmocka_unit_test(a_value_without_a_rule_is_wanted_when_some_rule_says_no),
        cmocka_unit_test(the_last_rule_that_fits_counts), cmocka_unit_test(one_wanted_value_is_enough),
        cmocka_unit_test(case_does_not_matter), cmocka_unit_test(an_endless_value_is_asked_for_by_its_beginning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
