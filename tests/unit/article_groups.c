/* article/groups: names of groups, and lists of them. */
#include "article/groups.h"
#include "lib/buf.h"
#include "tests/kit.h"

static void name_row(const struct kit_row *r, void *arg)
{
    (void)arg;
    kit_row_is(r, "name", span_of(group_name_valid(r->cell[0]) ? "valid" : "invalid"), r->cell[2]);
}

static void names_are_as_the_table_says(void **state)
{
    (void)state;
    kit_table("newsgroup-name.tsv", name_row, NULL);
    assert_false(group_name_valid((struct span){ 0 }));
}

/* Of all 256 octets only those of RFC 5536 3.1.4 stand in a name. */
static void each_octet_is_allowed_or_not(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char name[] = { 'a', (char)c, 'b' };
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        assert_int_equal(group_name_valid((struct span){ name, 3 }),
                         letter || c == '+' || c == '-' || c == '_' || c == '.');
    }
}

static void list_row(const struct kit_row *r, void *arg)
{
    struct buf names = { 0 };
    struct span name;
    size_t at = 0, n = 0;

    (void)arg;
    for (; groups_next(r->cell[0], &at, &name); n++) {
        if (n > 0)
            buf_puts(&names, " ");
        buf_add_span(&names, name);
    }
    kit_row_is(r, "names", buf_span(&names), r->cell[1]);
    if (groups_count(r->cell[0]) != n)
        kit_row_is(r, "count", SPAN("other"), SPAN("as many as were told"));
    buf_fini(&names);
}

static void lists_are_as_the_table_says(void **state)
{
    struct span name;
    size_t at = 0;

    (void)state;
    kit_table("newsgroup-list.tsv", list_row, NULL);
    assert_false(groups_next((struct span){ 0 }, &at, &name));
    assert_int_equal(groups_count((struct span){ 0 }), 0);
}

static void a_list_that_has_ended_stays_ended(void **state)
{
    struct span name;
    size_t at = 0;

    (void)state;
    assert_true(groups_next(SPAN("a,"), &at, &name));
    assert_false(groups_next(SPAN("a,"), &at, &name));
    assert_false(groups_next(SPAN("a,"), &at, &name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_as_the_table_says), cmocka_unit_test(each_octet_is_allowed_or_not),
        cmocka_unit_test(lists_are_as_the_table_says), cmocka_unit_test(a_list_that_has_ended_stays_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
