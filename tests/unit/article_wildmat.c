/* article/wildmat: what matches, by table, against a naive reading, and in what time. */
#include <string.h>

#include "article/wildmat.h"
#include "lib/buf.h"
#include "tests/kit.h"

static struct span word(enum wildmat m)
{
    return span_of(m == WILDMAT_YES ? "match" : m == WILDMAT_POISON ? "poison" : "nomatch");
}

static void list_row(const struct kit_row *r, void *arg)
{
    bool poison = memchr(r->cell[1].p, '@', r->cell[1].n) != NULL;

    (void)arg;
    kit_row_is(r, "list", word(wildmat(r->cell[0], r->cell[1]) ? WILDMAT_YES : WILDMAT_NO), r->cell[3]);
    if (!poison)                /* then the two readings are one */
        kit_row_is(r, "poison", word(wildmat_poison(r->cell[0], r->cell[1])), r->cell[3]);
}

static void lists_are_as_the_table_says(void **state)
{
    (void)state;
    kit_table("wildmat.tsv", list_row, NULL);
}

static void mode_row(const struct kit_row *r, void *arg)
{
    struct span mode = r->cell[0], text = r->cell[1], pattern = r->cell[2];
    enum wildmat got;

    (void)arg;
    if (span_eq(mode, SPAN("poison")))
        got = wildmat_poison(text, pattern);
    else if (span_eq(mode, SPAN("list")))
        got = wildmat(text, pattern) ? WILDMAT_YES : WILDMAT_NO;
    else
        got = wildmat_simple(text, pattern) ? WILDMAT_YES : WILDMAT_NO;
    kit_row_is(r, "match", word(got), r->cell[4]);
}

static void sets_escapes_utf8_and_poison_are_as_the_table_says(void **state)
{
    (void)state;
    kit_table("uwildmat.tsv", mode_row, NULL);
}

static void absent_text_and_pattern_are_empty_ones(void **state)
{
    struct span none = { 0 };

    (void)state;
    assert_true(wildmat(none, none) && wildmat_simple(none, none) && wildmat(none, SPAN("*")));
    assert_false(wildmat(SPAN("a"), none) || wildmat_simple(SPAN("a"), none) || wildmat(none, SPAN("a")));
}

/* --- a naive reading of RFC 3977 4 ------------------------------------------- */

static bool naive_one(const char *t, const char *p, const char *end)
{
    if (p == end)
        return *t == '\0';
    if (*p == '*')
        return naive_one(t, p + 1, end) || (*t != '\0' && naive_one(t + 1, p, end));
    return *t != '\0' && (*p == '?' || *p == *t) && naive_one(t + 1, p + 1, end);
}

static bool naive(const char *text, const char *list)
{
    bool yes = false;

    for (;;) {
        const char *comma = strchr(list, ','), *end = comma != NULL ? comma : list + strlen(list);
        bool not = *list == '!';

        if (naive_one(text, list + not, end))
            yes = !not;
        if (comma == NULL)
            return yes;
        list = comma + 1;
    }
}

static void random_word(char *out, size_t most, const char *letters)
{
    size_t n = kit_random() % (most + 1), k = strlen(letters);

    for (size_t i = 0; i < n; i++)
        out[i] = letters[kit_random() % k];
    out[n] = '\0';
}

static void any_wildmat_of_the_rfc_matches_as_read_naively(void **state)
{
    char text[12], list[16];
    unsigned yes = 0;

    (void)state;
    for (int i = 0; i < 300000; i++) {
        bool got;

        random_word(text, 10, "ab.");
        random_word(list, 14, "ab.*?*,!");
        got = wildmat(span_of(text), span_of(list));
        if (got != naive(text, list))
            fail_msg("\"%s\" against \"%s\" is %d", text, list, got);
        yes += got;
    }
    assert_true(yes > 10000);               /* it was tried both ways */
}

/* --- time --------------------------------------------------------------------- */

static struct span repeated(struct buf *b, const char *piece, size_t n, const char *last)
{
    buf_clear(b);
    for (size_t i = 0; i < n; i++)
        buf_puts(b, piece);
    buf_puts(b, last);
    return buf_span(b);
}

/* Each would take longer than the universe with a matcher that tries all
 * ways; here a hang is the failure (of run-unit's time limit). */
static void no_pattern_takes_more_than_pattern_times_text(void **state)
{
    static const char *const pieces[] = { "*a", "*", "*?", "*[a-z]", "*\\a", "a*", "?*", "*aa", "*[", "[", "*[^b]", "[a" };
    struct buf text = { 0 }, pattern = { 0 };

    (void)state;
    repeated(&text, "a", 4000, "");
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        repeated(&pattern, pieces[i], 1000, "b");
        assert_false(wildmat_simple(buf_span(&text), buf_span(&pattern)));
        assert_false(wildmat(buf_span(&text), buf_span(&pattern)));
    }
    repeated(&pattern, "*a", 1000, "*");
    assert_true(wildmat(buf_span(&text), buf_span(&pattern)));
    repeated(&pattern, "*,!*,", 500, "*");
    assert_true(wildmat(buf_span(&text), buf_span(&pattern)));
    buf_fini(&text);
    buf_fini(&pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_as_the_table_says), cmocka_unit_test(sets_escapes_utf8_and_poison_are_as_the_table_says),
        cmocka_unit_test(absent_text_and_pattern_are_empty_ones),
        cmocka_unit_test(any_wildmat_of_the_rfc_matches_as_read_naively),
        cmocka_unit_test(no_pattern_takes_more_than_pattern_times_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
