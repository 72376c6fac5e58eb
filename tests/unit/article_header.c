/* article/header: the index over header lines, their faults, and what a poster may write. */
#include <stdlib.h>
#include <string.h>

#include "article/header.h"
#include "lib/mem.h"
#include "tests/kit.h"

static struct span word(bool valid)
{
    return span_of(valid ? "valid" : "invalid");
}

/* --- what a poster may write ------------------------------------------------ */

/* A field on a line of its own, cut as an article's is; the blank must be one (RFC 5536 2.2). */
static bool field_valid(struct span line)
{
    struct buf head = { 0 };
    struct headers h;
    struct hdr_field f;
    struct span where;
    size_t at = 0;
    bool valid;

    buf_add_span(&head, line);
    buf_puts(&head, "\r\n");
    valid = headers_read(&h, buf_span(&head), &where) == HDR_OK && headers_next(buf_span(&head), &at, &f) &&
            hdr_name_valid(f.name) && f.name.p[f.name.n + 1] == ' ' && hdr_body_valid(f.body);
    buf_fini(&head);
    return valid;
}

static void syntax_row(const struct kit_row *r, void *arg)
{
    struct span in = r->cell[1];
    bool valid = span_eq(r->cell[0], SPAN("name")) ? hdr_name_valid(in) :
                 span_eq(r->cell[0], SPAN("body")) ? hdr_body_valid(in) : field_valid(in);

    (void)arg;
    kit_row_is(r, "it", word(valid), r->cell[3]);
}

static void fields_of_posts_are_as_the_table_says(void **state)
{
    (void)state;
    kit_table("header.tsv", syntax_row, NULL);
}

static void absent_text_is_no_name_and_no_body(void **state)
{
    (void)state;
    assert_false(hdr_name_valid((struct span){ 0 }));
    assert_false(hdr_body_valid((struct span){ 0 }));
}

static void cfws_row(const struct kit_row *r, void *arg)
{
    struct buf out = { 0 };

    (void)arg;
    hdr_skip_cfws(&out, r->cell[0]);
    kit_row_is(r, "words", buf_span(&out), r->cell[2]);
    buf_fini(&out);
}

static void comments_and_folding_go_as_the_table_says(void **state)
{
    (void)state;
    kit_table("cfws.tsv", cfws_row, NULL);
}

static void words_are_added_behind_what_is_there(void **state)
{
    struct buf out = { 0 };

    (void)state;
    buf_puts(&out, "From:");
    hdr_skip_cfws(&out, SPAN(" (c) a (d) b"));
    assert_true(span_eq(buf_span(&out), SPAN("From:a b")));
    buf_fini(&out);
}

/* --- the index ---------------------------------------------------------------- */

static void a_field_is_name_and_content_behind_one_blank(void **state)
{
    struct span head = SPAN("Subject:  two blanks \r\n folded\r\nX:\ttab\r\nY: \r\nZ:\r\n"), where;
    struct hdr_field f;
    struct headers h;
    size_t at = 0;

    (void)state;
    assert_int_equal(headers_read(&h, head, &where), HDR_OK);
    assert_true(span_eq(h.all, head));
    assert_true(span_eq(h.field[HDR_SUBJECT].body, SPAN(" two blanks \r\n folded")));
    assert_true(span_eq(h.field[HDR_SUBJECT].whole, SPAN("Subject:  two blanks \r\n folded\r\n")));
    assert_true(span_eq(hdr_body(&h, HDR_SUBJECT), SPAN("two blanks \r\n folded")));
    assert_true(headers_next(head, &at, &f) && headers_next(head, &at, &f));
    assert_true(span_eq(f.name, SPAN("X")) && span_eq(f.body, SPAN("tab")));
    assert_true(headers_next(head, &at, &f) && f.body.n == 0);
    assert_true(headers_next(head, &at, &f) && span_eq(f.name, SPAN("Z")) && f.body.n == 0);
    assert_false(headers_next(head, &at, &f));
    assert_false(headers_next(head, &at, &f));
}

/* A copy with nothing behind it, so that a sanitizer sees who reads beyond. */
static struct span exact(const char *text)
{
    size_t n = strlen(text);

    return (struct span){ n > 0 ? memcpy(xmalloc(n), text, n) : xmalloc(0), n };
}

static void odd_lines_are_cut_where_they_can_be(void **state)
{
    static const struct { const char *line, *name, *body; } t[] = {
        { "A: b\r\n", "A", "b" }, { "A: b", "A", "b" }, { "A:b\r\n", "A", "b" }, { "A:", "A", "" }, { "A:\r\n", "A", "" },
        { "A: ", "A", "" }, { "A", "A", "" }, { "A\r\n", "A", "" }, { ":", "", "" }, { "\r\n", "", "" }, { "\n", "\n", "" },
        { "A: b\r", "A", "b\r" }, { "A: b\n", "A", "b\n" }, { "A: b:c\r\n", "A", "b:c" }, { "A\r\n B: c\r\n", "A\r\n B", "c" },
        { "A:\r\n b\r\n", "A", "\r\n b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct span line = exact(t[i].line);
        struct hdr_field f;
        size_t at = 0;

        assert_true(headers_next(line, &at, &f));
        if (at != line.n || !span_eq(f.name, span_of(t[i].name)) || !span_eq(f.body, span_of(t[i].body)))
            fail_msg("row %zu: name \"%.*s\", body \"%.*s\"", i, SPAN_F(f.name), SPAN_F(f.body));
        free((void *)(uintptr_t)line.p);
    }
}

static void a_body_is_told_without_what_is_blank_around_it(void **state)
{
    static const char *const bodies[] = { "a\r\n", " a\r\n", "  \t a \t\r\n", "\r\n a\r\n", " \r\n\t\r\n a\r\n \r\n \r\n", " a\r\r\n",
                                          " \n a\n\r\n", " \r\ra\n\n\r\n" };

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct headers h = { 0 };
        struct buf head = { 0 };
        size_t at = 0;

        buf_printf(&head, "Subject:%s", bodies[i]);
        assert_true(headers_next(buf_span(&head), &at, &h.field[HDR_SUBJECT]));
        h.count[HDR_SUBJECT] = 1;
        if (!span_eq(hdr_body(&h, HDR_SUBJECT), SPAN("a")))
            fail_msg("row %zu: \"%.*s\"", i, SPAN_F(hdr_body(&h, HDR_SUBJECT)));
        buf_fini(&head);
    }
}

static void faults_of_header_lines_are_told_apart(void **state)
{
    static const struct { const char *head; enum hdr_fault fault; const char *where; } t[] = {
        { "Subject: x\r\n", HDR_OK, "" },
        { "", HDR_OK, "" },
        { "X:\r\n", HDR_OK, "" },                            /* RFC 5536 2.2 lets us; 1980s articles have it */
        { "X:\r\n y\r\n", HDR_OK, "" },
        { "X:\tx\r\n", HDR_OK, "" },
        { "X: \xe9\x01\r\n", HDR_OK, "" },                   /* relayed as it is */
        { "X: no last line end", HDR_OK, "" },
        { "X: a\nb\rc\r\n", HDR_OK, "" },                    /* a lone LF or CR ends no line */
        { " folded: x\r\n", HDR_STARTS_FOLDED, " folded: x" },
        { "\tx\r\nA: b\r\n", HDR_STARTS_FOLDED, "\tx" },
        { "no colon\r\n", HDR_NO_COLON, "no colon" },
        { "no\r\n colon: here\r\n", HDR_NO_COLON, "no" },
        { "Subject:x\r\n", HDR_NO_COLON, "Subject:x" },
        { ": x\r\n", HDR_NO_COLON, ": x" },
        { ":\r\n", HDR_NO_COLON, ":" },
        { "Subject : x\r\n", HDR_BLANK_NAME, "Subject : x" },
        { "Sub ject: x\r\n", HDR_BLANK_NAME, "Sub ject: x" },
        { "A\t: x\r\n", HDR_BLANK_NAME, "A\t: x" },
        { "A: b\r\nnonsense\r\nC: d\r\n", HDR_NO_COLON, "nonsense" },
        { "A: b\r\n\r\nC: d\r\n", HDR_NO_COLON, "" },
        { "123456789012345678901234567890123456789012345678901234567890-\r\n", HDR_NO_COLON,
          "123456789012345678901234567890123456789012345678901234567890" },
    };
    struct headers h;

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct span where = SPAN(""), head = exact(t[i].head);

        if (headers_read(&h, head, &where) != t[i].fault || !span_eq(where, span_of(t[i].where)))
            fail_msg("row %zu, at \"%.*s\"", i, SPAN_F(where));
        free((void *)(uintptr_t)head.p);
    }
    assert_int_equal(headers_read(&h, (struct span){ 0 }, &(struct span){ 0 }), HDR_OK);
}

static void doubles_are_counted_and_the_first_is_kept(void **state)
{
    struct headers h;
    struct span where;
    struct buf b = { 0 };

    (void)state;
    for (int i = 0; i < 300; i++)
        buf_printf(&b, "subject: %d\r\n", i);
    assert_int_equal(headers_read(&h, buf_span(&b), &where), HDR_OK);
    assert_int_equal(h.count[HDR_SUBJECT], 255);
    assert_true(span_eq(hdr_body(&h, HDR_SUBJECT), SPAN("0")));
    buf_fini(&b);
}

static void a_field_of_blanks_is_there_but_does_not_count(void **state)
{
    struct headers h;
    struct span where;

    (void)state;
    assert_int_equal(headers_read(&h, SPAN("Subject: \t\r\n \r\n\t\r\nFrom:  f \r\n"), &where), HDR_OK);
    assert_int_equal(h.count[HDR_SUBJECT], 1);
    assert_false(hdr_has(&h, HDR_SUBJECT));
    assert_true(hdr_body(&h, HDR_SUBJECT).p != NULL && hdr_body(&h, HDR_SUBJECT).n == 0);
    assert_true(hdr_has(&h, HDR_FROM) && span_eq(hdr_body(&h, HDR_FROM), SPAN("f")));
    assert_false(hdr_has(&h, HDR_DATE));
    assert_null(hdr_body(&h, HDR_DATE).p);
    assert_null(h.field[HDR_DATE].whole.p);
}

static void names_are_known_in_any_case_and_whole(void **state)
{
    (void)state;
    for (int i = 0; i < HDR_KNOWN; i++) {
        struct span name = span_of(hdr_name((enum hdr)i));
        char other[40];

        assert_in_range(name.n, 1, sizeof other - 1);
        assert_int_equal(hdr_of(name), i);
        for (size_t k = 0; k < name.n; k++)
            other[k] = (char)(name.p[k] >= 'a' && name.p[k] <= 'z' ? name.p[k] - 32 : name.p[k] >= 'A' && name.p[k] <= 'Z' ?
                              name.p[k] + 32 : name.p[k]);
        assert_int_equal(hdr_of((struct span){ other, name.n }), i);
        assert_int_equal(hdr_of((struct span){ name.p, name.n - 1 }), HDR_OTHER);
        other[name.n] = 's';
        assert_int_equal(hdr_of((struct span){ other, name.n + 1 }), HDR_OTHER);
    }
    assert_int_equal(hdr_of((struct span){ 0 }), HDR_OTHER);
    assert_int_equal(hdr_of(SPAN("\xff")), HDR_OTHER);
}

static void mandatory_fields_are_those_of_rfc_5536_in_inns_order(void **state)
{
    static const char *const names[] = { "Date", "From", "Message-ID", "Newsgroups", "Path", "Subject" };

    (void)state;
    assert_int_equal(HDR_MANDATORY, sizeof names / sizeof *names);
    for (int i = 0; i < HDR_MANDATORY; i++)
        assert_string_equal(hdr_name((enum hdr)i), names[i]);
}

static void unfolding(struct span body, struct span wanted)
{
    struct buf out = { 0 };

    buf_puts(&out, "kept\r\n");                     /* what is there already is left alone */
    hdr_unfold(&out, body);
    buf_drop(&out, 6);
    if (!span_eq(buf_span(&out), wanted))
        fail_msg("got \"%.*s\", wanted \"%.*s\"", SPAN_F(buf_span(&out)), SPAN_F(wanted));
    buf_fini(&out);
}

static void unfolding_leaves_one_line_without_tabs_and_nuls(void **state)
{
    (void)state;
    unfolding(SPAN("a\r\n b"), SPAN("a b"));
    unfolding(SPAN("a\r\n\tb"), SPAN("a b"));
    unfolding(SPAN("a\tb\0c\rd\ne\x01" "f"), SPAN("a b c d e\x01" "f"));
    unfolding(SPAN("a\r\r\n b"), SPAN("a  b"));
    unfolding(SPAN("a\r\n\r\n b"), SPAN("a b"));
    unfolding(SPAN("a\n\r b"), SPAN("a   b"));
    unfolding(SPAN("a\r"), SPAN("a "));
    unfolding(SPAN("\r\n"), SPAN(""));
    unfolding(SPAN("\xe9"), SPAN("\xe9"));
    unfolding(SPAN(""), SPAN(""));
    unfolding((struct span){ 0 }, SPAN(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_posts_are_as_the_table_says), cmocka_unit_test(absent_text_is_no_name_and_no_body),
        cmocka_unit_test(comments_and_folding_go_as_the_table_says), cmocka_unit_test(words_are_added_behind_what_is_there),
        cmocka_unit_test(a_field_is_name_and_content_behind_one_blank), cmocka_unit_test(faults_of_header_lines_are_told_apart),
        cmocka_unit_test(odd_lines_are_cut_where_they_can_be), cmocka_unit_test(a_body_is_told_without_what_is_blank_around_it),
        cmocka_unit_test(doubles_are_counted_and_the_first_is_kept),
        cmocka_unit_test(a_field_of_blanks_is_there_but_does_not_count),
        cmocka_unit_test(names_are_known_in_any_case_and_whole),
        cmocka_unit_test(mandatory_fields_are_those_of_rfc_5536_in_inns_order),
        cmocka_unit_test(unfolding_leaves_one_line_without_tabs_and_nuls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
