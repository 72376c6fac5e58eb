/* article/date: dates as they come, and as we write them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "article/date.h"
#include "tests/kit.h"

#define NOW INT64_C(1795132800)         /* 20 November 2026 */

static void is_time(const struct kit_row *r, const char *what, int rc, int64_t t, struct span wanted)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)t);
    kit_row_is(r, what, span_of(rc == 0 ? text : "invalid"), wanted);
}

static void date_row(const struct kit_row *r, void *arg)
{
    int64_t t = 0;
    int rc = date_read(r->cell[0], &t);

    (void)arg;
    is_time(r, "strict", rc, t, r->cell[3]);
    rc = date_read_lax(r->cell[0], &t);
    is_time(r, "lax", rc, t, r->cell[4]);
}

static void dates_of_articles_are_as_the_table_says(void **state)
{
    (void)state;
    kit_table("date.tsv", date_row, NULL);
}

static void nntp_row(const struct kit_row *r, void *arg)
{
    int64_t t = 0;
    int rc = date_read_nntp(r->cell[0], r->cell[1], NOW, &t);

    (void)arg;
    is_time(r, "time", rc, t, r->cell[3]);
}

static void dates_of_commands_are_as_the_table_says(void **state)
{
    (void)state;
    kit_table("nntp-date.tsv", nntp_row, NULL);
}

static void the_local_zone_of_the_machine_does_not_matter(void **state)
{
    static const char *const zones[] = { "America/Los_Angeles", "Asia/Kolkata", "UTC" };

    (void)state;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        setenv("TZ", zones[i], 1);
        tzset();
        kit_table("date.tsv", date_row, NULL);
        kit_table("nntp-date.tsv", nntp_row, NULL);
    }
}

static void absent_text_is_no_date(void **state)
{
    int64_t t;

    (void)state;
    assert_int_equal(date_read((struct span){ 0 }, &t), -1);
    assert_int_equal(date_read_lax((struct span){ 0 }, &t), -1);
    assert_int_equal(date_read_nntp((struct span){ 0 }, (struct span){ 0 }, NOW, &t), -1);
}

/* A two-digit year is never in a year to come, and never over a hundred back (RFC 3977 7.3.2). */
static void two_digit_years_are_of_the_hundred_that_end_now(void **state)
{
    static const struct { int64_t now; int year; } times[] = { { NOW, 2026 }, { 946684799, 1999 }, { 946684800, 2000 },
                                                               { 4102444799, 2099 } };

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        for (int yy = 0; yy < 100; yy++) {
            int year = times[i].year - (times[i].year - yy + 10000) % 100;
            char two[16], four[16];
            int64_t a = 0, b = 0;
            int rc;

            snprintf(two, sizeof two, "%02d0229", yy);
            snprintf(four, sizeof four, "%04d0229", year);
            rc = date_read_nntp(span_of(four), SPAN("120000"), times[i].now, &b);
            assert_int_equal(date_read_nntp(span_of(two), SPAN("120000"), times[i].now, &a), rc);
            assert_true(rc != 0 || a == b);
        }
    }
}

/* --- writing ------------------------------------------------------------ */

static void check_written(int64_t t)
{
    static const char *const day[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" },
                      *const month[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    char out[DATE_TEXT_MAX], want[DATE_TEXT_MAX];
    time_t tt = (time_t)t;
    int64_t again = 0;
    struct tm tm;

    gmtime_r(&tt, &tm);
    date_write(t, out);
    snprintf(want, sizeof want, "%s, %02d %s %04d %02d:%02d:%02d +0000", day[tm.tm_wday], tm.tm_mday, month[tm.tm_mon],
             tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    assert_string_equal(out, want);
    assert_int_equal(date_read(span_of(out), &again), 0);
    assert_true(again == t);
    assert_int_equal(date_read_lax(span_of(out), &again), 0);
    assert_true(again == t);
    date_write_nntp(t, out);
    assert_int_equal(strlen(out), 14);
    if (t >= 0) {
        assert_int_equal(date_read_nntp((struct span){ out, 8 }, span_of(out + 8), NOW, &again), 0);
        assert_true(again == t);
    }
}

static void what_is_written_is_read_back_and_agrees_with_gmtime(void **state)
{
    static const int64_t edges[] = { 0, -1, 1, 86399, 86400, -86400, -86401, 951782400, 951868799, 951868800, 4107542399,
                                     4107542400, -2208988800, 253402300799, 2147483647, 2147483648, 1795132800 };

    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        check_written(edges[i]);
    for (int i = 0; i < 100000; i++)
        check_written((int64_t)(kit_random() % UINT64_C(255611289600)) - 2208988800);
}

static void any_number_of_seconds_can_be_written(void **state)
{
    static const int64_t edges[] = { INT64_MIN, INT64_MAX, -62135596801, 253402300800 };
    char out[DATE_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        date_write(edges[i], out);
        assert_in_range(strlen(out), 20, DATE_TEXT_MAX - 1);
        date_write_nntp(edges[i], out);
        assert_in_range(strlen(out), 14, DATE_TEXT_MAX - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_of_articles_are_as_the_table_says), cmocka_unit_test(dates_of_commands_are_as_the_table_says),
        cmocka_unit_test(the_local_zone_of_the_machine_does_not_matter), cmocka_unit_test(absent_text_is_no_date),
        cmocka_unit_test(two_digit_years_are_of_the_hundred_that_end_now),
        cmocka_unit_test(what_is_written_is_read_back_and_agrees_with_gmtime),
        cmocka_unit_test(any_number_of_seconds_can_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
