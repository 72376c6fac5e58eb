/* rnews batches: what is exported can be imported, and what a batch may look like. */
#include "nntpd/import.h"
#include "tests/unit/intakekit.h"

static void tell_import(struct span id, enum verdict v, const char *text, void *arg)
{
    (void)v;
    print_message("# %.*s: %s\n", SPAN_F(id), text);
    ++*(unsigned *)arg;
}

static void what_is_exported_can_be_imported_elsewhere(void **state)
{
    const char *file_name = kit_path("all.rnews.gz");
    struct store *mine = house.store, *other = site_open(kit_path("other-site"));
    struct import_counts c;
    struct err e = { 0 };
    unsigned told = 0;
    int64_t n, damaged = 1;

    (void)state;
    site_group(other, "misc.test", 'y', NULL);
    site_group(other, "misc.other", 'y', NULL);
    site_group(other, "misc.mod", 'm', NULL);
    site_group(other, "misc.alias", '=', "misc.test");
    for (unsigned i = 0; i < 25; i++) {
        char id[40];

        snprintf(id, sizeof id, "<export%u@x.example>", i);
        file(id, "Newsgroups", i % 3 == 0 ? "misc.test,misc.other" : "misc.test", "X-Lines: a\r\n\tb\r\n");
    }
    n = export_rnews(mine, file_name, SPAN("misc.test"), &damaged, NULL, NULL, &e);
    assert_true(n > 20);
    assert_int_equal(damaged, 0);
    if (import_rnews(other, house.rules, file_name, NULL, tell_import, &told, &c, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(c.articles, n);
    assert_int_equal(c.stored + c.refused, n);
    assert_int_equal(c.refused, told);
    assert_int_equal(c.refused, 0);
    site_verify(other);
    if (import_rnews(other, house.rules, file_name, NULL, NULL, NULL, &c, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(c.duplicate, n);
    store_close(&other);
}

static void blank_lines_between_articles_end_no_batch(void **state)
{
    static const char one[] = "Path: x!y\nFrom: a@b.example\nNewsgroups: misc.test\nSubject: s\n"
                              "Date: Fri, 20 Nov 2020 10:00:00 +0000\nMessage-ID: <blank%d@x.example>\n\nbody\n";
    const char *file_name = kit_path("blank.rnews");
    struct import_counts c;
    struct buf batch = { 0 };
    struct err e = { 0 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        char *text = xasprintf(one, i);

        buf_printf(&batch, "%s#! rnews %zu\n%s\n", i > 0 ? "\r\n" : "", strlen(text), text);
        free(text);
    }
    assert_int_equal(disk_replace(file_name, buf_data(&batch), buf_len(&batch), 0600), 0);
    if (import_rnews(house.store, house.rules, file_name, NULL, NULL, NULL, &c, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(c.stored, 3);
    buf_fini(&batch);
}

static void a_broken_batch_is_told_with_its_place(void **state)
{
    const char *file_name = kit_path("broken.rnews");
    struct import_counts c;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(disk_replace(file_name, "#! rnews 5000\nshort", 19, 0600), 0);
    assert_int_equal(import_rnews(house.store, house.rules, file_name, NULL, NULL, NULL, &c, &e), -1);
    assert_non_null(strstr(e.text, "ends within article 1"));
    assert_int_equal(disk_replace(file_name, "From: me\n", 9, 0600), 0);
    assert_int_equal(import_rnews(house.store, house.rules, file_name, NULL, NULL, NULL, &c, &e), -1);
    assert_non_null(strstr(e.text, "does not begin with"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_exported_can_be_imported_elsewhere),
        cmocka_unit_test(blank_lines_between_articles_end_no_batch),
        cmocka_unit_test(a_broken_batch_is_told_with_its_place),
    };

    return cmocka_run_group_tests(tests, build_house, leave_house);
}
