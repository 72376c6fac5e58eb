/* article/wire and article/header: blocks as they arrive, and what is wrong with them. */
#include <string.h>

#include "article/header.h"
#include "article/wire.h"
#include "tests/kit.h"

/* Feed 'text' in pieces of 'step'; return how much belongs to the block, 0: no end. */
static size_t scanned(const char *text, size_t step)
{
    struct wire_scan w = { 0 };
    size_t n = strlen(text);
    bool done;

    for (size_t i = 0; i < n; i += step) {
        size_t k = wire_scan(&w, text + i, step < n - i ? step : n - i, &done);

        if (done)
            return i + k;
    }
    return 0;
}

static void the_end_is_found_however_it_is_cut(void **state)
{
    static const struct { const char *text; size_t end; } t[] = {
        { ".\r\n", 3 }, { "a\r\n.\r\nQUIT\r\n", 6 }, { "a\r\n..\r\n.\r\nx", 10 }, { "a\r\n.\n.\r\n", 0 }, { "a\n.\r\n", 0 },
        { "a\r.\r\n", 0 }, { "a\r\n.\r\r\n.\r\n", 10 }, { "\r\n.\r\n", 5 }, { "..\r\n", 0 }, { "a\r\n.b\r\n.\r\n", 10 }, { "", 0 },
        { "a\r\r\n.\r\n", 7 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (size_t step = 1; step < 9; step++)
            assert_int_equal(scanned(t[i].text, step), t[i].end);
}

static enum wire_fault checked(const char *text, struct wire_facts *f)
{
    return wire_check(span_of(text), f);
}

static void what_a_block_lacks_has_a_name(void **state)
{
    struct wire_facts f;

    (void)state;
    assert_int_equal(checked(".\r\n", &f), WIRE_EMPTY);
    assert_int_equal(checked("\r\n.\r\n", &f), WIRE_EMPTY_BOTH);
    assert_int_equal(checked("\r\nbody\r\n.\r\n", &f), WIRE_NO_HEADERS);
    assert_int_equal(checked("A: b\r\n.\r\n", &f), WIRE_NO_BODY);
    assert_int_equal(checked("A: b\r\n\r\n.\r\n", &f), WIRE_OK);
    assert_int_equal(f.lines, 0);
    assert_int_equal(wire_check((struct span){ "A: \0\r\n\r\n.\r\n", 11 }, &f), WIRE_NUL_HEAD);
    assert_int_equal(wire_check((struct span){ "A: b\r\n\r\n\0\r\n.\r\n", 14 }, &f), WIRE_NUL_BODY);
}

static void lines_and_lone_ends_are_counted(void **state)
{
    struct wire_facts f;

    (void)state;
    assert_int_equal(checked("A: b\r\n\r\n1\r\n2\r\n\r\n.\r\n", &f), WIRE_OK);
    assert_int_equal(f.body, 8);
    assert_int_equal(f.lines, 3);
    assert_false(f.bare);
    assert_int_equal(checked("A: b\r\n\r\n1\n2\r\n.\r\n", &f), WIRE_OK);
    assert_true(f.bare);
    assert_int_equal(checked("A: b\r\n\r\n1\r2\r\n.\r\n", &f), WIRE_OK);
    assert_true(f.bare);
    assert_int_equal(checked("A: b\rc\r\n\r\n1\r\n.\r\n", &f), WIRE_OK);
    assert_true(f.bare);
}

static void bytes_are_those_without_stuffing_and_end(void **state)
{
    (void)state;
    assert_int_equal(wire_bytes(SPAN("A: b\r\n\r\n..\r\n...x\r\ny\r\n.\r\n")), 21 - 2);
    assert_int_equal(wire_bytes(SPAN("..a\r\n.\r\n")), 4);
    assert_int_equal(wire_bytes(SPAN(".\r\n")), 0);
}

/* --- headers ------------------------------------------------------------ */

static void a_field_is_name_and_content_behind_one_blank(void **state)
{
    struct span head = SPAN("Subject:  two blanks \r\n folded\r\nX:\ttab\r\nY: \r\n"), where;
    struct hdr_field f;
    struct headers h;
    size_t at = 0;

    (void)state;
    assert_int_equal(headers_read(&h, head, &where), HDR_OK);
    assert_true(span_eq(h.field[HDR_SUBJECT].body, SPAN(" two blanks \r\n folded")));
    assert_true(span_eq(hdr_body(&h, HDR_SUBJECT), SPAN("two blanks \r\n folded")));
    assert_true(headers_next(head, &at, &f) && headers_next(head, &at, &f));
    assert_true(span_eq(f.name, SPAN("X")) && span_eq(f.body, SPAN("tab")));
    assert_true(headers_next(head, &at, &f) && f.body.n == 0);
    assert_false(headers_next(head, &at, &f));
}

static void faults_of_header_lines_are_told_apart(void **state)
{
    static const struct { const char *head; enum hdr_fault fault; } t[] = {
        { "Subject: x\r\n", HDR_OK }, { "", HDR_OK }, { " folded: x\r\n", HDR_STARTS_FOLDED }, { "no colon\r\n", HDR_NO_COLON },
        { "Subject:x\r\n", HDR_NO_COLON }, { "Subject : x\r\n", HDR_BLANK_NAME }, { "A: b\r\nnonsense\r\nC: d\r\n", HDR_NO_COLON },
    };
    struct headers h;
    struct span where;

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        assert_int_equal(headers_read(&h, span_of(t[i].head), &where), t[i].fault);
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
    assert_false(hdr_has(&h, HDR_FROM));
    buf_fini(&b);
}

static void unfolding_leaves_one_line_without_controls(void **state)
{
    struct buf out = { 0 };

    (void)state;
    hdr_unfold(&out, (struct span){ "a\r\n b\tc\0d\x01" "e\nf", 13 });
    assert_null(memchr(buf_data(&out), '\r', buf_len(&out)));
    assert_null(memchr(buf_data(&out), '\n', buf_len(&out)));
    assert_null(memchr(buf_data(&out), '\t', buf_len(&out)));
    assert_null(memchr(buf_data(&out), '\0', buf_len(&out)));
    assert_true(span_starts(buf_span(&out), SPAN("a b c")));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_found_however_it_is_cut), cmocka_unit_test(what_a_block_lacks_has_a_name),
        cmocka_unit_test(lines_and_lone_ends_are_counted), cmocka_unit_test(bytes_are_those_without_stuffing_and_end),
        cmocka_unit_test(a_field_is_name_and_content_behind_one_blank), cmocka_unit_test(faults_of_header_lines_are_told_apart),
        cmocka_unit_test(doubles_are_counted_and_the_first_is_kept), cmocka_unit_test(unfolding_leaves_one_line_without_controls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
