/* The users file: its lines, damaged ones, passwords, editing, putting it in place. */
#include "tests/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/mem.h"
#include "lib/users.h"

static char *wilma, *fred;            /* hashes of "secret" and "flint stone" */

static int make_hashes(void **state)
{
    struct err e;

    (void)state;
    wilma = users_hash("secret", &e);
    fred = users_hash("flint stone", &e);
    return wilma != NULL && fred != NULL ? 0 : -1;
}

static int free_hashes(void **state)
{
    (void)state;
    free(wilma);
    free(fred);
    return 0;
}

struct told { int line[8], n; };

static void note(int line, const char *what, void *arg)
{
    struct told *t = arg;

    assert_true(strlen(what) > 0);
    if (t->n < 8)
        t->line[t->n++] = line;
}

static void the_right_password_and_no_other_lets_in(void **state)
{
    char *text = xasprintf("# people\n\nwilma:%s:\nfred:%s:off\r\nanna:%s:", wilma, fred, fred);
    struct told t = { 0 };
    struct users *u = users_parse(span_of(text), note, &t);

    (void)state;
    assert_int_equal(t.n, 0);
    assert_int_equal(users_count(u), 2);
    assert_true(users_check(u, SPAN("wilma"), "secret"));
    assert_false(users_check(u, SPAN("wilma"), "Secret"));
    assert_false(users_check(u, SPAN("wilma"), "secret "));
    assert_false(users_check(u, SPAN("Wilma"), "secret"));
    assert_false(users_check(u, SPAN("wilm"), "secret"));
    assert_true(users_check(u, SPAN("anna"), "flint stone"));
    /* off: with the right password, too */
    assert_true(users_has(u, SPAN("fred")));
    assert_false(users_check(u, SPAN("fred"), "flint stone"));
    /* whom nobody knows is not let in with the password of the one he is checked against */
    assert_false(users_has(u, SPAN("barney")));
    assert_false(users_check(u, SPAN("barney"), "secret"));
    users_free(&u);
    free(text);
}

static void a_damaged_line_is_told_and_shuts_out_its_user_alone(void **state)
{
    char *text = xasprintf("wilma:%.40s:\n"         /* cut off            */
                            "good:%s:\n"
                            "no-fields\n"
                            "short:%s\n"             /* no flags field     */
                            "empty::\n"
                            "clear:secret:\n"        /* not a hash         */
                            "what:%s:hobby\n"        /* an unknown flag    */
                            "a b:%s:\n", wilma, wilma, wilma, wilma, wilma);
    static const int want[] = { 1, 3, 4, 5, 6, 7, 8 };
    static const char *const shut[] = { "wilma", "no-fields", "short", "empty", "clear", "what", "a b" };
    struct told t = { 0 };
    struct users *u = users_parse(span_of(text), note, &t);

    (void)state;
    assert_int_equal(t.n, 7);
    assert_memory_equal(t.line, want, sizeof want);
    assert_int_equal(users_damaged(u), 7);
    assert_int_equal(users_count(u), 1);
    for (size_t i = 0; i < sizeof shut / sizeof *shut; i++)
        assert_false(users_check(u, span_of(shut[i]), "secret"));
    assert_true(users_check(u, SPAN("good"), "secret"));
    /* it has a line, so nobody else may be asked about it */
    assert_true(users_has(u, SPAN("wilma")));
    assert_true(users_has(u, SPAN("what")));
    users_free(&u);
    free(text);
}

static void of_two_lines_for_a_user_the_first_counts_and_the_other_is_told(void **state)
{
    char *text = xasprintf("wilma:%s:\nwilma:%s:\n", wilma, fred);
    struct told t = { 0 };
    struct users *u = users_parse(span_of(text), note, &t);

    (void)state;
    assert_int_equal(t.n, 1);
    assert_int_equal(t.line[0], 2);
    assert_true(users_check(u, SPAN("wilma"), "secret"));
    assert_false(users_check(u, SPAN("wilma"), "flint stone"));
    users_free(&u);
    free(text);
}

static void an_empty_file_lets_nobody_in(void **state)
{
    struct users *u = users_parse(SPAN(""), NULL, NULL);

    (void)state;
    assert_int_equal(users_count(u), 0);
    assert_false(users_check(u, SPAN("wilma"), "secret"));
    assert_false(users_check(u, SPAN(""), ""));
    users_free(&u);
}

static void names_and_passwords_are_what_can_be_written_and_told(void **state)
{
    static const struct { const char *text; bool name, password; } rows[] = {
        { "wilma", true, true }, { "fred@example.org", true, true }, { "j\xc3\xb6rg", true, true },
        { "a:b", false, true }, { "a b", false, true }, { "#a", false, true }, { "a#", true, true },
        { "", false, false }, { "a\tb", false, false }, { "a\x7f", false, false }, { "a\r", false, false },
        { "a\xff", false, true }, { "a\xc2\x85", false, true }, { "*", true, true },
    };
    char longest[USERS_NAME_MOST + 2];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (users_name_good(span_of(rows[i].text)) != rows[i].name ||
            users_password_good(span_of(rows[i].text)) != rows[i].password)
            fail_msg("row %zu", i);
    memset(longest, 'a', sizeof longest);
    assert_true(users_name_good((struct span){ longest, USERS_NAME_MOST }));
    assert_false(users_name_good((struct span){ longest, USERS_NAME_MOST + 1 }));
    assert_true(users_password_good((struct span){ longest, USERS_PASSWORD_MOST }));
    assert_false(users_password_good((struct span){ longest, USERS_PASSWORD_MOST + 1 }));
}

static void a_hash_is_yescrypt_and_salted(void **state)
{
    struct err e;
    char *again = users_hash("secret", &e);

    (void)state;
    assert_non_null(again);
    assert_memory_equal(again, "$y$", 3);
    assert_string_not_equal(again, wilma);
    free(again);
}

static void assert_edit(const char *text, const char *name, const char *line, bool there, const char *want)
{
    struct buf out = { 0 };

    assert_int_equal(users_edit(&out, span_of(text), span_of(name), line), there);
    if (!span_eq(buf_span(&out), span_of(want)))
        fail_msg("%s: got\n%.*s", name, SPAN_F(buf_span(&out)));
    buf_fini(&out);
}

static void editing_touches_one_user_and_nothing_else(void **state)
{
    static const char text[] = "# keep\r\nwilma:old:\n\nbroken\nfred:x:off";

    (void)state;
    assert_edit(text, "wilma", "wilma:new:", true, "# keep\r\nwilma:new:\n\nbroken\nfred:x:off\n");
    assert_edit(text, "fred", NULL, true, "# keep\r\nwilma:old:\n\nbroken\n");
    assert_edit(text, "anna", "anna:a:", false, "# keep\r\nwilma:old:\n\nbroken\nfred:x:off\nanna:a:\n");
    assert_edit(text, "anna", NULL, false, "# keep\r\nwilma:old:\n\nbroken\nfred:x:off\n");
    assert_edit("wilma:a:\nwilma:b:\n", "wilma", NULL, true, "");
    assert_edit("", "wilma", "wilma:a:", false, "wilma:a:\n");
}

static void saving_replaces_the_file_whole_for_its_owner_alone(void **state)
{
    const char *path = kit_path("users");
    struct stat st;
    struct err e;
    size_t n;
    char *got;
    int lock;

    (void)state;
    assert_true((lock = users_lock(path, &e)) >= 0);
    assert_int_equal(users_save(path, SPAN("first, and longer\n"), &e), 0);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(users_save(path, SPAN("second\n"), &e), 0);
    close(lock);
    assert_non_null(got = disk_slurp(path, 100, &n));
    assert_string_equal(got, "second\n");
    free(got);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(access(kit_path("users.new"), F_OK), -1);
    assert_int_equal(users_save(kit_path("no/such/place"), SPAN("x"), &e), -1);
    assert_true(strlen(e.text) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_password_and_no_other_lets_in),
        cmocka_unit_test(a_damaged_line_is_told_and_shuts_out_its_user_alone),
        cmocka_unit_test(of_two_lines_for_a_user_the_first_counts_and_the_other_is_told),
        cmocka_unit_test(an_empty_file_lets_nobody_in),
        cmocka_unit_test(names_and_passwords_are_what_can_be_written_and_told),
        cmocka_unit_test(a_hash_is_yescrypt_and_salted),
        cmocka_unit_test(editing_touches_one_user_and_nothing_else),
        cmocka_unit_test(saving_replaces_the_file_whole_for_its_owner_alone),
    };

    return cmocka_run_group_tests(tests, make_hashes, free_hashes);
}
