/* lib_log.c - a line is a line, whatever strangers send. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "tests/kit.h"

static const char *start(const char *name, enum log_level least)
{
    static char path[512];
    struct err e;

    snprintf(path, sizeof path, "%s", kit_path("%s", name));
    assert_int_equal(log_open("prog", least, path, &e), 0);
    clock_freeze(INT64_C(1772366400) * 1000000 + 7000);     /* 2026-03-01 12:00:00.007 */
    return path;
}

static char *text_of(const char *path)
{
    size_t n;
    char *p = disk_slurp(path, 1 << 20, &n);

    assert_non_null(p);
    assert_int_equal(strlen(p), n);
    return p;
}

static void a_line_says_when_who_and_how_bad(void **state)
{
    const char *path = start("plain.log", LOG_NOTICE);
    char want[200], *got;

    (void)state;
    log_msg(LOG_WARNING, "peer %s: %d", "a.example", 7);
    log_msg(LOG_INFO, "not wanted");
    snprintf(want, sizeof want, "2026-03-01T12:00:00.007Z prog[%d] warning: peer a.example: 7\n", (int)getpid());
    got = text_of(path);
    assert_string_equal(got, want);
    free(got);
}

static void what_could_forge_a_line_or_move_a_cursor_is_escaped(void **state)
{
    static const struct { const char *in, *want; } rows[] = {
        { "a\r\nb\tc", "a\\x0d\\x0ab\\x09c" },
        { "\033[2J\177", "\\x1b[2J\\x7f" },
        { "Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x98\x80", "Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "\x9b" "2J", "\\x9b2J" },                                  /* C1 as one byte     */
        { "\xc2\x9b" "2J", "\\xc2\\x9b2J" },                         /* C1 as UTF-8        */
        { "latin \xe4 cut \xe2\x82", "latin \\xe4 cut \\xe2\\x82" }, /* not UTF-8; torn    */
        { "\xc0\x8a", "\\xc0\\x8a" },                                /* overlong newline   */
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" },                       /* half a surrogate   */
        { "\xe2\x80\xa8|\xe2\x80\xae", "\\xe2\\x80\\xa8|\\xe2\\x80\\xae" },   /* line end, right-to-left */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *path = start("escape.log", LOG_INFO);
        char *got, *text;

        log_msg(LOG_INFO, "%s", rows[i].in);
        got = text_of(path);
        text = strstr(got, "info: ");
        assert_non_null(text);
        text[strcspn(text, "\n")] = '\0';
        if (strcmp(text + 6, rows[i].want) != 0)
            fail_msg("row %zu: got %s", i, text + 6);
        free(got);
        unlink(path);
    }
}

static void a_long_message_is_cut_and_stays_one_line(void **state)
{
    const char *path = start("long.log", LOG_INFO);
    static char text[20000];
    char *got;

    (void)state;
    memset(text, '\n', sizeof text - 1);
    log_msg(LOG_INFO, "%s", text);
    got = text_of(path);
    assert_true(strlen(got) > 1000);
    assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
    free(got);
}

static void after_a_rotation_the_new_file_is_written(void **state)
{
    const char *path = start("turn.log", LOG_INFO);
    char *moved = strdup(kit_path("turn.log.1"));
    char *got;

    (void)state;
    log_msg(LOG_INFO, "one");
    assert_int_equal(rename(path, moved), 0);
    log_reopen();
    log_msg(LOG_INFO, "two");
    got = text_of(path);
    assert_non_null(strstr(got, "two"));
    assert_null(strstr(got, "one"));
    free(got);
    got = text_of(moved);
    assert_null(strstr(got, "two"));
    free(got);
    free(moved);
}

static void a_log_that_cannot_be_written_stops_nothing(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(log_open("prog", LOG_INFO, "/dev/full", &e), 0);
    errno = ENOENT;
    log_msg(LOG_ERROR, "lost");
    assert_int_equal(errno, ENOENT);       /* the caller may still look at it */
    assert_int_equal(log_open("prog", LOG_INFO, kit_path("no/such/dir/log"), &e), -1);
    assert_int_equal(e.sys, ENOENT);
}

static void levels_have_names(void **state)
{
    enum log_level l;

    (void)state;
    assert_int_equal(log_level_read("debug", &l), 0);
    assert_int_equal(l, LOG_DEBUG);
    assert_int_equal(log_level_read("error", &l), 0);
    assert_int_equal(l, LOG_ERROR);
    assert_int_equal(log_level_read("loud", &l), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_when_who_and_how_bad),
        cmocka_unit_test(what_could_forge_a_line_or_move_a_cursor_is_escaped),
        cmocka_unit_test(a_long_message_is_cut_and_stays_one_line),
        cmocka_unit_test(after_a_rotation_the_new_file_is_written),
        cmocka_unit_test(a_log_that_cannot_be_written_stops_nothing),
        cmocka_unit_test(levels_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
