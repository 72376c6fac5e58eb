/* feeder/pull_*: what a server says, and how far each group was pulled. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "feeder/pull_line.h"
#include "feeder/pull_state.h"
#include "lib/disk.h"
#include "tests/kit.h"

/* ---- lines ---- */

static void a_group_tells_its_numbers(void **state)
{
    static const struct { const char *line; bool good; uint64_t low, high; } rows[] = {
        { "211 12 100 120 misc.test", true, 100, 120 },
        { "211 12 100 120", true, 100, 120 },
        { "211 0 0 0 misc.test", true, 1, 0 },
        { "211 0 121 120 misc.test", true, 121, 120 },
        { "211 5 0 7 misc.test", true, 1, 7 },
        { "211 1 9223372036854775806 9223372036854775806 x", true, INT64_MAX - 1, INT64_MAX - 1 },
        { "211 1 1 9223372036854775807 x", false, 0, 0 },
        { "211 1 1 99999999999999999999999 x", false, 0, 0 },
        { "211 1 -1 5 x", false, 0, 0 },
        { "211 a b c d", false, 0, 0 },
        { "211 12 100", false, 0, 0 },
        { "211", false, 0, 0 },
        { "", false, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pull_range r;

        assert_int_equal(pull_group_reply(span_of(rows[i].line), &r), rows[i].good);
        if (rows[i].good) {
            assert_int_equal(r.low, rows[i].low);
            assert_int_equal(r.high, rows[i].high);
        }
    }
}

static void a_list_tells_groups_that_hold_articles(void **state)
{
    static const struct { const char *line, *name; } rows[] = {
        { "misc.test 120 100 y", "misc.test" }, { "misc.test 0000000120 0000000100 m", "misc.test" },
        { "a 1 2 n", "a" },
        { "a 1 2 =b", NULL }, { "a 1 2 x", NULL }, { "a 1 2 j", NULL },
        { "a 1 2", NULL }, { "a one 2 y", NULL }, { "a", NULL }, { "", NULL }, { "a\x01z 1 2 y", NULL },
    };
    char long_one[PULL_NAME_MOST + 20];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pull_range r;
        struct span name;

        assert_int_equal(pull_active_line(span_of(rows[i].line), &name, &r), rows[i].name != NULL);
        assert_true(rows[i].name == NULL || span_eq(name, span_of(rows[i].name)));
    }
    memset(long_one, 'a', sizeof long_one);
    strcpy(long_one + PULL_NAME_MOST + 1, " 1 2 y");
    assert_false(pull_active_line(span_of(long_one), &(struct span){ NULL, 0 }, &(struct pull_range){ 0, 0 }));
    assert_true(pull_active_line(span_of(long_one + 1), &(struct span){ NULL, 0 }, &(struct pull_range){ 0, 0 }));
}

static void an_overview_line_tells_number_date_and_id(void **state)
{
    static const struct { const char *line; uint64_t number; const char *id, *date; } rows[] = {
        { "7\tsubject\tfrom\tdate\t<a@b>\t<r@x>\t100\t5\tXref: x", 7, "<a@b>", "date" },
        { "7\t\t\t\t<a@b>", 7, "<a@b>", "" },
        { "0007\ts\tf\td\t <a@b> \t", 7, "<a@b>", "d" },
        { "0\ts\tf\td\t<a@b>\t", 0, NULL, NULL },
        { "-7\ts\tf\td\t<a@b>\t", 0, NULL, NULL },
        { "x\ts\tf\td\t<a@b>\t", 0, NULL, NULL },
        { "7\ts\tf\td\ta@b\t", 7, NULL, NULL },
        { "7\ts\tf\td\t<a b@c>\t", 7, NULL, NULL },
        { "7\ts\tf\td\t\t", 7, NULL, NULL },
        { "7\ts\tf\t<a@b>", 7, NULL, NULL },
        { "7", 7, NULL, NULL },
        { "", 0, NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pull_over o;

        assert_int_equal(pull_over_line(span_of(rows[i].line), &o), rows[i].id != NULL);
        assert_int_equal(o.number, rows[i].number);
        assert_true(rows[i].id == NULL || span_eq(o.id, span_of(rows[i].id)));
        assert_true(rows[i].date == NULL || span_eq(o.date, span_of(rows[i].date)));
    }
}

/* ---- state ---- */

static const char *dir_of(const char *name)
{
    const char *dir = kit_path("%s", name);

    mkdir(dir, 0755);
    return dir;
}

static void put(struct pull_state *s, const char *group, uint64_t last)
{
    *pull_state_get(s, span_of(group)) = (struct pull_mark){ last, last + 1, last + 2 };
}

static void assert_mark(struct pull_state *s, const char *group, uint64_t last)
{
    const struct pull_mark *m = pull_state_find(s, span_of(group));

    assert_non_null(m);
    assert_int_equal(m->last, last);
    assert_int_equal(m->low, last + 1);
    assert_int_equal(m->high, last + 2);
}

/* A state of some groups, as a file; it is closed. */
static void make(const char *dir)
{
    struct pull_state s;
    struct err e;

    assert_int_equal(pull_state_open(&s, dir, "p.example", &e), PULL_NONE);
    put(&s, "misc.test", 41);
    put(&s, "a", UINT64_C(1) << 40);
    s.run_us = 12345678;
    assert_int_equal(pull_state_save(&s, &e), 0);
    assert_false(s.dirty);
    pull_state_close(&s);
}

static void a_state_reads_back(void **state)
{
    const char *dir = dir_of("back");
    struct pull_state s;
    struct err e;

    (void)state;
    make(dir);
    assert_int_equal(pull_state_open(&s, dir, "p.example", &e), PULL_LOADED);
    assert_mark(&s, "misc.test", 41);
    assert_mark(&s, "a", UINT64_C(1) << 40);
    assert_null(pull_state_find(&s, SPAN("misc.tes")));
    assert_int_equal(s.run_us, 12345678);
    assert_false(s.dirty);
    put(&s, "misc.test", 50);
    assert_int_equal(pull_state_save(&s, &e), 0);
    pull_state_close(&s);
    assert_int_equal(pull_state_open(&s, dir, "p.example", &e), PULL_LOADED);
    assert_mark(&s, "misc.test", 50);
    assert_int_equal(map_count(s.marks), 2);
    pull_state_close(&s);
    assert_int_equal(pull_state_open(&s, dir, "q.example", &e), PULL_NONE);
    pull_state_close(&s);
}

/* One octet changed, anywhere, or the file cut, anywhere: never taken for a state. */
static void a_damaged_state_is_kept_aside(void **state)
{
    char *dir = strdup(dir_of("damage"));
    char *file = strdup(kit_path("damage/p.example.pull"));      /* kit_path's own are few */
    struct pull_state s;
    struct err e;
    size_t n, m;
    char *good;

    (void)state;
    make(dir);
    good = disk_slurp(file, 1 << 20, &n);
    assert_non_null(good);
    for (size_t at = 0; at < 2 * n; at++) {
        char *bad = malloc(n), *kept;
        size_t size = at < n ? n : at - n;

        memcpy(bad, good, n);
        if (at < n)
            bad[at] ^= 0x10;
        if (at >= 10 && at < 12) {         /* the minor version: newer ones are read */
            free(bad);
            continue;
        }
        assert_int_equal(disk_replace(file, bad, size, 0644), 0);
        assert_int_equal(pull_state_open(&s, dir, "p.example", &e), PULL_DAMAGED);
        assert_int_equal(map_count(s.marks), 0);
        assert_int_equal(s.run_us, 0);
        pull_state_close(&s);
        kept = disk_slurp(kit_path("damage/p.example.pull.damaged"), 1 << 20, &m);
        assert_int_equal(m, size);
        assert_memory_equal(kept, bad, size);
        free(kept);
        free(bad);
    }
    free(good);
    free(file);
    free(dir);
}

static void a_state_that_cannot_be_read_is_trouble_and_not_new(void **state)
{
    const char *dir = dir_of("trouble");
    struct pull_state s;
    struct err e;

    (void)state;
    mkdir(kit_path("trouble/p.example.pull"), 0755);
    assert_int_equal(pull_state_open(&s, dir, "p.example", &e), PULL_FAILED);
    pull_state_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_tells_its_numbers), cmocka_unit_test(a_list_tells_groups_that_hold_articles),
        cmocka_unit_test(an_overview_line_tells_number_date_and_id), cmocka_unit_test(a_state_reads_back),
        cmocka_unit_test(a_damaged_state_is_kept_aside),
        cmocka_unit_test(a_state_that_cannot_be_read_is_trouble_and_not_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
