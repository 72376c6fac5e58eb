/* Answers on a terminal and for programs: other people's words do nothing there. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "lib/buf.h"
#include "lib/disk.h"
#include "tests/kit.h"

/* What 'show' writes on standard output. */
static char *written(void (*show)(struct show *), bool json, bool live)
{
    const char *path = kit_path("out");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), own = dup(STDOUT_FILENO);
    struct show *s = show_new(json);
    size_t n;
    char *text;

    if (live)
        show_live(s);
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    show(s);
    show_free(&s);
    fflush(stdout);
    dup2(own, STDOUT_FILENO);
    close(own);
    close(fd);
    text = disk_slurp(path, 1 << 20, &n);
    assert_non_null(text);
    return text;
}

static void assert_written(void (*show)(struct show *), bool json, bool live, const char *want)
{
    char *text = written(show, json, live);

    assert_string_equal(text, want);
    free(text);
}

static void hostile_table(struct show *s)
{
    show_columns(s, (struct span[]){ SPAN("peer"), SPAN("n"), SPAN("error") }, 3);
    show_row(s, (struct span[]){ SPAN("a.test"), SPAN("17"), SPAN("502 \x1b[2Jno\x07\nway \xc2\x9b \xff\xe2\x80\xae gr\xc3\xbc\xc3\x9f") }, 3);
    show_end(s, true, SPAN("\x1b]0;x\x07"));
}

static void hostile_text(struct show *s)
{
    show_text(s, SPAN("<\x1b[2J@x>\tand\nmore \xff"));
    show_end(s, true, SPAN(""));
}

static void plain_number(struct show *s)
{
    show_columns(s, (struct span[]){ SPAN("name"), SPAN("value") }, 2);
    show_row(s, (struct span[]){ SPAN("n"), SPAN("17") }, 2);
    show_end(s, true, SPAN(""));
}

static void a_terminal_gets_no_controls(void **state)
{
    (void)state;
    assert_written(hostile_table, false, false,
                   "peer     n  error\n"
                   "a.test  17  502 ?[2Jno??way ?? ???? gr\xc3\xbc\xc3\x9f\n?]0;x?\n");
    assert_written(hostile_table, false, true, "a.test        17    502 ?[2Jno??way ?? ???? gr\xc3\xbc\xc3\x9f\n?]0;x?\n");
    assert_written(hostile_text, false, false, "<?[2J@x>\tand\nmore ?\n");
}

/* Right to left is a program's to show as it likes; what is no UTF-8 is no JSON either. */
static void a_program_gets_json_whatever_was_said(void **state)
{
    (void)state;
    assert_written(hostile_table, true, false,
                   "{\"ok\":true,\"text\":\"\\u001b]0;x\\u0007\",\"rows\":[{\"peer\":\"a.test\",\"n\":17,"
                   "\"error\":\"502 \\u001b[2Jno\\u0007\\u000away \xc2\x9b \\ufffd\xe2\x80\xae gr\xc3\xbc\xc3\x9f\"}]}\n");
    assert_written(hostile_text, true, false,
                   "{\"ok\":true,\"text\":\"\",\"output\":\"<\\u001b[2J@x>\\u0009and\\u000amore \\ufffd\\u000a\"}\n");
}

static void what_is_harmless_stays(void **state)
{
    (void)state;
    assert_written(plain_number, false, false, "n        17\n");
    assert_written(plain_number, true, false, "{\"ok\":true,\"text\":\"\",\"rows\":[{\"name\":\"n\",\"value\":17}]}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_terminal_gets_no_controls), cmocka_unit_test(a_program_gets_json_whatever_was_said),
        cmocka_unit_test(what_is_harmless_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
