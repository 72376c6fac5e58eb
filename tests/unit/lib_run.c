/* Programs run to their end: input, output, codes, time. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/run.h"
#include "tests/kit.h"

#define LONG_US INT64_C(60000000)

static struct run_end end;
static struct err why;

/* Run a script of the shell's with "one" and "two three" as arguments. */
static int shell(const char *script, struct span input, int64_t most_us, int stop)
{
    const char *argv[] = { "/bin/sh", "-c", script, "sh", "one", "two three", NULL };

    run_end_fini(&end);
    why.text[0] = '\0';
    return run_program(&(struct run){ argv, input, most_us, stop }, &end, &why);
}

static void assert_says(const char *want, const char *complains)
{
    if (!span_eq(buf_span(&end.says), span_of(want)))
        fail_msg("it says \"%.*s\", not \"%s\"", SPAN_F(buf_span(&end.says)), want);
    if (!span_eq(buf_span(&end.complains), span_of(complains)))
        fail_msg("it complains \"%.*s\", not \"%s\"", SPAN_F(buf_span(&end.complains)), complains);
}

static void it_gets_its_input_and_arguments_and_is_heard(void **state)
{
    (void)state;
    assert_int_equal(shell("cat; echo \"$#:$1:$2\"; echo oops >&2", SPAN("in\n"), LONG_US, -1), 0);
    assert_int_equal(end.code, 0);
    assert_says("in\n2:one:two three\n", "oops\n");
}

static void arguments_are_no_shell_words(void **state)
{
    const char *argv[] = { "/bin/echo", "$HOME;`id`", "*", NULL };

    (void)state;
    run_end_fini(&end);
    assert_int_equal(run_program(&(struct run){ argv, SPAN(""), LONG_US, -1 }, &end, &why), 0);
    assert_says("$HOME;`id` *\n", "");
}

static void codes_and_signals_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(shell("exit 75", SPAN(""), LONG_US, -1), 0);
    assert_int_equal(end.code, 75);
    assert_int_equal(shell("kill -TERM $$", SPAN(""), LONG_US, -1), 0);
    assert_int_equal(end.code, 128 + SIGTERM);
}

static void one_that_is_not_there_is_told(void **state)
{
    const char *argv[] = { "/no/such/program", NULL };

    (void)state;
    run_end_fini(&end);
    assert_int_equal(run_program(&(struct run){ argv, SPAN(""), LONG_US, -1 }, &end, &why), -1);
    assert_string_equal(why.text, "/no/such/program: No such file or directory");
}

/* Is the process dead, though perhaps nobody has buried it yet? */
static bool dead(int pid)
{
    char *path = xasprintf("/proc/%d/stat", pid), state = 'Z';
    FILE *f = fopen(path, "r");

    if (f != NULL && fscanf(f, "%*d %*s %c", &state) != 1)
        state = '?';
    if (f != NULL)
        fclose(f);
    free(path);
    return state == 'Z' || state == 'X';
}

static void one_that_takes_too_long_is_ended_with_its_children(void **state)
{
    char *script = xasprintf("echo slowly >&2; sleep 600 & echo $! > '%s'; wait", kit_path("pid"));
    int pid = 0, tries = 0;
    FILE *f;

    (void)state;
    assert_int_equal(shell(script, SPAN(""), 300000, -1), -1);
    assert_string_equal(why.text, "/bin/sh took too long and was ended");
    assert_says("", "slowly\n");
    if ((f = fopen(kit_path("pid"), "r")) != NULL) {
        if (fscanf(f, "%d", &pid) != 1)
            pid = 0;
        fclose(f);
    }
    while (pid > 0 && !dead(pid) && tries++ < 5000)
        usleep(1000);
    assert_true(pid == 0 || dead(pid));
    free(script);
}

static void closing_ends_it(void **state)
{
    int stop = eventfd(1, EFD_CLOEXEC);

    (void)state;
    assert_int_equal(shell("sleep 600", SPAN(""), LONG_US, stop), -1);
    assert_string_equal(why.text, "/bin/sh was ended, for we are closing");
    close(stop);
}

static void what_it_leaves_behind_is_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(shell("sleep 5 & echo done", SPAN(""), LONG_US, -1), 0);
    assert_int_equal(end.code, 0);
    assert_says("done\n", "");
}

static void input_that_nobody_reads_and_output_without_end_do_no_harm(void **state)
{
    char *big = xmalloc(1 << 20);

    (void)state;
    memset(big, 'x', 1 << 20);
    assert_int_equal(shell("exit 3", (struct span){ big, 1 << 20 }, LONG_US, -1), 0);
    assert_int_equal(end.code, 3);
    assert_int_equal(shell("tee /dev/stderr", (struct span){ big, 1 << 20 }, LONG_US, -1), 0);
    assert_int_equal(buf_len(&end.says), RUN_SAYS_MOST);
    assert_int_equal(buf_len(&end.complains), RUN_SAYS_MOST);
    free(big);
}

/* Some that talk faster than they are listened to. */
static void talk_without_end_does_not_make_it_last(void **state)
{
    (void)state;
    assert_int_equal(shell("for i in 1 2 3 4; do cat /dev/zero & done; wait", SPAN(""), 300000, -1), -1);
    assert_string_equal(why.text, "/bin/sh took too long and was ended");
    assert_int_equal(buf_len(&end.says), RUN_SAYS_MOST);
}

static void one_that_left_its_group_is_ended_as_well(void **state)
{
    (void)state;
    assert_int_equal(shell("exec python3 -c 'import os, time; os.setpgid(0, os.getpgid(os.getppid())); time.sleep(600)'",
                           SPAN(""), 1000000, -1), -1);
    assert_string_equal(why.text, "/bin/sh took too long and was ended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gets_its_input_and_arguments_and_is_heard), cmocka_unit_test(arguments_are_no_shell_words),
        cmocka_unit_test(codes_and_signals_are_told_apart), cmocka_unit_test(one_that_is_not_there_is_told),
        cmocka_unit_test(one_that_takes_too_long_is_ended_with_its_children), cmocka_unit_test(closing_ends_it),
        cmocka_unit_test(what_it_leaves_behind_is_not_waited_for),
        cmocka_unit_test(input_that_nobody_reads_and_output_without_end_do_no_harm),
        cmocka_unit_test(talk_without_end_does_not_make_it_last),
        cmocka_unit_test(one_that_left_its_group_is_ended_as_well),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);

    run_end_fini(&end);
    return rc;
}
