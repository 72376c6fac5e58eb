/* article/path: who is in it, and what is put in front. */
#include "article/path.h"
#include "tests/kit.h"

static void elements(const char *path, bool diagnostics, const char *wanted)
{
    struct buf out = { 0 };
    struct span e;
    size_t at = 0;

    while (path_next(span_of(path), &at, diagnostics, &e))
        buf_printf(&out, "[%.*s]", SPAN_F(e));
    buf_add(&out, "", 1);
    assert_string_equal(buf_data(&out), wanted);
    buf_fini(&out);
}

static void identities_are_told_left_to_right_with_the_tail(void **state)
{
    (void)state;
    elements("a!b.example!not-for-mail", false, "[a][b.example][not-for-mail]");
    elements("not-for-mail", false, "[not-for-mail]");
    elements("", false, "");
    elements("!", false, "");
    elements("!n", false, "[n]");
    elements("a!!b!n", false, "[a][b][n]");
}

static void diagnostics_are_no_identities(void **state)
{
    (void)state;
    elements("a!.MISMATCH.x.example!b!.POSTED!n", false, "[a][b][n]");
    elements("a!.MISMATCH.x.example!b!.POSTED!n", true, "[a][.MISMATCH.x.example][b][.POSTED][n]");
    assert_false(path_has(SPAN("a!.SEEN.b!n"), SPAN(".SEEN.b")));
}

static void folds_and_blanks_are_no_part_of_a_name(void **state)
{
    (void)state;
    elements("a!\r\n b !\tc!n", false, "[a][b][c][n]");
    elements("a b!c", false, "[a b][c]");
}

static void odd_paths_have_the_elements_that_lie_between_bangs(void **state)
{
    struct span none = { 0 }, e;
    size_t at = 0;

    (void)state;
    elements("!!!", false, "");
    elements("a!", false, "[a]");
    elements("a! !b", false, "[a][b]");
    elements(" \r\n\t", true, "");
    elements("a!.!b", false, "[a][b]");                      /* a dot begins a diagnostic, an empty one too */
    elements("a!192.0.2.1!b", false, "[a][192.0.2.1][b]");   /* as INN: the deprecated diagnostic is a name */
    elements("a,b!c/d", false, "[a,b][c/d]");                /* RFC 5536 3.1.5: "!" alone parts them        */
    elements("caf\xc3\xa9!b", false, "[caf\xc3\xa9][b]");
    assert_false(path_next(none, &at, true, &e));
    assert_false(path_has(none, SPAN("a")) || path_is_posted(none) || path_hops(none) > 0);
    at = 0;
    assert_true(path_next((struct span){ "a\0b!c", 5 }, &at, false, &e) && e.n == 3);
}

static void a_path_of_any_length_is_gone_through_once(void **state)
{
    struct buf path = { 0 };
    struct span e;
    size_t at = 0, n = 0;

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_printf(&path, "n%d!", i);
    buf_puts(&path, "not-for-mail");
    while (path_next(buf_span(&path), &at, false, &e))
        n++;
    assert_int_equal(n, 100001);
    assert_int_equal(path_hops(buf_span(&path)), 100000);
    assert_true(path_has(buf_span(&path), SPAN("N99999")));
    assert_false(path_has(buf_span(&path), SPAN("n100000")));
    buf_fini(&path);
}

static void a_name_counts_whole_and_in_any_case(void **state)
{
    (void)state;
    assert_true(path_has(SPAN("x!News.Example!n"), SPAN("news.example")));
    assert_true(path_has(SPAN("news.example"), SPAN("news.example")));
    assert_false(path_has(SPAN("x!news.example.org!n"), SPAN("news.example")));
    assert_false(path_has(SPAN("x!mynews.example!n"), SPAN("news.example")));
    assert_false(path_has(SPAN(""), SPAN("news.example")));
}

static void what_the_poster_wrote_does_not_tell_that_it_was_there(void **state)
{
    (void)state;
    assert_true(path_passed(SPAN("x!News.Example!n"), SPAN("news.example")));
    assert_true(path_passed(SPAN("news.example!.POSTED!n"), SPAN("news.example")));
    assert_true(path_passed(SPAN("x!!news.example!"), SPAN("news.example")));
    assert_false(path_passed(SPAN("x!news.example"), SPAN("news.example")));
    assert_false(path_passed(SPAN("news.example"), SPAN("news.example")));
    assert_false(path_passed(SPAN("x!.POSTED.192.0.2.1!news.example!n"), SPAN("news.example")));
    assert_false(path_passed(SPAN("x!.MISMATCH.news.example!y!n"), SPAN("news.example")));
    assert_false(path_passed(SPAN(""), SPAN("news.example")));
}

static void hops_are_identities_without_the_tail(void **state)
{
    (void)state;
    assert_int_equal(path_hops(SPAN("not-for-mail")), 0);
    assert_int_equal(path_hops(SPAN("a!!b!.SEEN.192.0.2.1!c!n")), 3);
    assert_int_equal(path_hops(SPAN("a!b!")), 2);
}

static void posted_is_seen_with_and_without_detail_but_not_in_other_words(void **state)
{
    (void)state;
    assert_true(path_is_posted(SPAN("a!.POSTED!n")));
    assert_true(path_is_posted(SPAN("a!.POSTED.192.0.2.1!n")));
    assert_true(path_is_posted(SPAN("a!.posted!n")));
    assert_false(path_is_posted(SPAN("a!.POSTEDX!n")));
    assert_false(path_is_posted(SPAN("a!POSTED!n")));
}

static void prepend(enum path_sender how, const char *detail, const char *wanted)
{
    struct buf out = { 0 };

    path_prepend(&out, SPAN("us"), how, span_of(detail), SPAN("p!\r\n q!n"));
    assert_true(span_eq(buf_span(&out), span_of(wanted)));
    buf_fini(&out);
}

static void our_name_goes_in_front_with_the_diagnostic_and_the_rest_stays(void **state)
{
    (void)state;
    prepend(PATH_UNKNOWN, "", "us!p!\r\n q!n");
    prepend(PATH_MATCH, "", "us!!p!\r\n q!n");
    prepend(PATH_MISMATCH, "peer.example", "us!.MISMATCH.peer.example!p!\r\n q!n");
    prepend(PATH_SEEN, "192.0.2.1", "us!.SEEN.192.0.2.1!p!\r\n q!n");
    prepend(PATH_SEEN, "2001:db8::1", "us!.SEEN.2001:db8::1!p!\r\n q!n");
}

static void an_injected_article_says_posted(void **state)
{
    struct buf out = { 0 };

    (void)state;
    path_inject(&out, SPAN("us"), SPAN(""), SPAN(""));
    assert_true(span_eq(buf_span(&out), SPAN("us!.POSTED!not-for-mail")));
    buf_clear(&out);
    path_inject(&out, SPAN("us"), SPAN("192.0.2.1"), SPAN("pc!me"));
    assert_true(span_eq(buf_span(&out), SPAN("us!.POSTED.192.0.2.1!pc!me")));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities_are_told_left_to_right_with_the_tail), cmocka_unit_test(diagnostics_are_no_identities),
        cmocka_unit_test(folds_and_blanks_are_no_part_of_a_name), cmocka_unit_test(a_name_counts_whole_and_in_any_case),
        cmocka_unit_test(what_the_poster_wrote_does_not_tell_that_it_was_there),
        cmocka_unit_test(hops_are_identities_without_the_tail),
        cmocka_unit_test(odd_paths_have_the_elements_that_lie_between_bangs),
        cmocka_unit_test(a_path_of_any_length_is_gone_through_once),
        cmocka_unit_test(posted_is_seen_with_and_without_detail_but_not_in_other_words),
        cmocka_unit_test(our_name_goes_in_front_with_the_diagnostic_and_the_rest_stays),
        cmocka_unit_test(an_injected_article_says_posted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
