/* article/wire: where a block ends, what it lacks, and text on its way there and back. */
#include <string.h>

#include "article/wire.h"
#include "tests/kit.h"

/* Feed 'text' in pieces of 'step'; return how much belongs to the block, 0: no end. */
static size_t scanned(struct span text, size_t step)
{
    struct wire_scan w = { 0 };
    bool done;

    for (size_t i = 0; i < text.n; i += step) {
        size_t n = step < text.n - i ? step : text.n - i, k = wire_scan(&w, text.p + i, n, &done);

        if (done)
            return i + k;
        assert_int_equal(k, n);
    }
    return 0;
}

static void the_end_is_found_however_it_is_cut(void **state)
{
    static const struct { const char *text; size_t end; } t[] = {
        { ".\r\n", 3 }, { "a\r\n.\r\nQUIT\r\n", 6 }, { "a\r\n..\r\n.\r\nx", 10 }, { "a\r\n.\n.\r\n", 0 }, { "a\n.\r\n", 0 },
        { "a\r.\r\n", 0 }, { "a\r\n.\r\r\n.\r\n", 10 }, { "\r\n.\r\n", 5 }, { "..\r\n", 0 }, { "a\r\n.b\r\n.\r\n", 10 }, { "", 0 },
        { "a\r\r\n.\r\n", 7 }, { "a\n.\n", 0 }, { "\n.\r\n", 0 }, { ".", 0 }, { ".\r", 0 }, { ".\n", 0 }, { "a\r\n. \r\n", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (size_t step = 1; step < 9; step++)
            assert_int_equal(scanned(span_of(t[i].text), step), t[i].end);
}

static void the_scan_is_ready_for_the_next_block(void **state)
{
    struct wire_scan w = { 0 };
    bool done;

    (void)state;
    assert_int_equal(wire_scan(&w, "a\r\n.\r\n.\r\n", 9, &done), 6);
    assert_true(done);
    assert_int_equal(wire_scan(&w, ".\r\n", 3, &done), 3);
    assert_true(done);
    assert_int_equal(wire_scan(&w, NULL, 0, &done), 0);
    assert_false(done);
}

static void any_octets_end_where_the_first_dot_line_is(void **state)
{
    static const char letters[] = "\r\n.a\0";
    char text[24];

    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t n = kit_random() % sizeof text, want = 0;
        const char *at;

        for (size_t k = 0; k < n; k++)
            text[k] = letters[kit_random() % 5];
        if (n >= 3 && memcmp(text, ".\r\n", 3) == 0)
            want = 3;
        else if ((at = memmem(text, n, "\r\n.\r\n", 5)) != NULL)
            want = (size_t)(at - text) + 5;
        assert_int_equal(scanned((struct span){ text, n }, 1 + kit_random() % 5), want);
    }
}

/* --- what it lacks --------------------------------------------------------------- */

static enum wire_fault checked(struct span block, struct wire_facts *f)
{
    return wire_check(block, f);
}

static void what_a_block_lacks_has_a_name(void **state)
{
    static const struct { struct span block; enum wire_fault fault; } t[] = {
        { { ".\r\n", 3 }, WIRE_EMPTY }, { { "\r\n.\r\n", 5 }, WIRE_EMPTY_BOTH }, { { "\r\nbody\r\n.\r\n", 11 }, WIRE_NO_HEADERS },
        { { "\r\n\r\n.\r\n", 7 }, WIRE_NO_HEADERS }, { { "A: b\r\n.\r\n", 9 }, WIRE_NO_BODY },
        { { "A: b\n\nbody\r\n.\r\n", 15 }, WIRE_NO_BODY }, { { "A: b\r\n\r\n.\r\n", 11 }, WIRE_OK },
        { { "..a: b\r\n\r\n.\r\n", 13 }, WIRE_OK },
        { { "A: \0\r\n\r\n.\r\n", 11 }, WIRE_NUL_HEAD }, { { "\0\r\n.\r\n", 6 }, WIRE_NUL_HEAD },
        { { "A: b\r\n\r\n\0\r\n.\r\n", 14 }, WIRE_NUL_BODY }, { { "A: \0\r\n\r\n\0\r\n.\r\n", 14 }, WIRE_NUL_HEAD },
        { { "A: b\r\n\r\na\n.\r\nc\r\n.\r\n", 19 }, WIRE_HIDDEN_END }, { { "A: b\r\n\r\na\n.\nc\r\n.\r\n", 18 }, WIRE_HIDDEN_END },
        { { "A: b\r\n\r\na\r\n.\nc\r\n.\r\n", 19 }, WIRE_HIDDEN_END }, { { "A: b\n.\r\nc\r\n\r\n.\r\n", 16 }, WIRE_HIDDEN_END },
        { { ".\nA: b\r\n\r\n.\r\n", 13 }, WIRE_HIDDEN_END }, { { "A: b\r\n\r\n\n.\r\n.\r\n", 15 }, WIRE_HIDDEN_END },
        { { "A: b\r\n\r\na\n..\n.c\n.\r\r\n\n\r\n.\r\n", 26 }, WIRE_OK }, { { "A: b\r\n\r\n.\r.\r\n.\r\n", 16 }, WIRE_OK },
    };
    struct wire_facts f;

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        if (checked(t[i].block, &f) != t[i].fault)
            fail_msg("row %zu", i);
}

static void lines_are_crlf_pairs_of_the_body(void **state)
{
    static const struct { const char *block; size_t body, lines; } t[] = {
        { "A: b\r\n\r\n.\r\n", 8, 0 }, { "A: b\r\n\r\n1\r\n2\r\n\r\n.\r\n", 8, 3 }, { "A: b\r\n\r\n\r\n.\r\n", 8, 1 },
        { "A: b\r\n\r\n1\n2\r\n.\r\n", 8, 1 }, { "A: b\r\n\r\n\n1\r\n.\r\n", 8, 1 }, { "A: b\r\n\r\n1\r2\r\n.\r\n", 8, 1 },
        { "A: b\rc\r\nD: e\n\r\n\r\n..\r\n.\r\n", 17, 1 }, { "A: b\r\n\r\n1\r\r\n.\r\n", 8, 1 },
    };
    struct wire_facts f;

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        assert_int_equal(checked(span_of(t[i].block), &f), WIRE_OK);
        if (f.body != t[i].body || f.lines != t[i].lines)
            fail_msg("row %zu: body at %zu, %zu lines", i, f.body, f.lines);
    }
}

static void bytes_are_those_without_stuffing_and_end(void **state)
{
    (void)state;
    assert_int_equal(wire_bytes(SPAN("A: b\r\n\r\n..\r\n...x\r\ny\r\n.\r\n")), 21 - 2);
    assert_int_equal(wire_bytes(SPAN("..a\r\n.\r\n")), 4);
    assert_int_equal(wire_bytes(SPAN(".a\r\n.\r\n")), 3);           /* a reader takes this dot away, too */
    assert_int_equal(wire_bytes(SPAN("a\n..\r.\r\n.\r\n")), 8);     /* no line begins here             */
    assert_int_equal(wire_bytes(SPAN(".\r\n")), 0);
    assert_int_equal(wire_bytes(SPAN("")), 0);
    assert_int_equal(wire_bytes((struct span){ 0 }), 0);
}

/* --- text ------------------------------------------------------------------------- */

static void text_row(const struct kit_row *r, void *arg)
{
    struct buf out = { 0 };

    (void)arg;
    if (span_eq(r->cell[0], SPAN("to_wire")))
        wire_from_text(&out, r->cell[1]);
    else
        wire_to_text(&out, r->cell[1]);
    kit_row_is(r, "text", buf_span(&out), r->cell[3]);
    buf_fini(&out);
}

static void text_goes_to_the_wire_and_back_as_the_table_says(void **state)
{
    struct buf out = { 0 };

    (void)state;
    kit_table("wire.tsv", text_row, NULL);
    wire_to_text(&out, (struct span){ 0 });
    assert_int_equal(buf_len(&out), 0);
    wire_from_text(&out, (struct span){ 0 });
    assert_true(span_eq(buf_span(&out), SPAN(".\r\n")));
    buf_fini(&out);
}

/* Lines of any octets but CR come back as they were, in a block that ends where it should, of the size that is told. */
static void any_lines_survive_the_way_there_and_back(void **state)
{
    static const char letters[] = "\n.a\0\xe9\n.";
    struct buf text = { 0 }, wire = { 0 }, back = { 0 };

    (void)state;
    for (int i = 0; i < 50000; i++) {
        size_t n = kit_random() % 40, lines = 0;

        buf_clear(&text), buf_clear(&wire), buf_clear(&back);
        for (size_t k = 0; k < n; k++)
            buf_add(&text, &letters[kit_random() % (sizeof letters - 1)], 1);
        if (n > 0)
            buf_puts(&text, "\n");
        for (size_t k = 0; k < buf_len(&text); k++)
            lines += buf_data(&text)[k] == '\n';
        wire_from_text(&wire, buf_span(&text));
        assert_int_equal(scanned(buf_span(&wire), 7), buf_len(&wire));
        assert_int_equal(wire_bytes(buf_span(&wire)), buf_len(&text) + lines);
        wire_to_text(&back, buf_span(&wire));
        assert_true(span_eq(buf_span(&back), buf_span(&text)));
    }
    buf_fini(&text), buf_fini(&wire), buf_fini(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_found_however_it_is_cut), cmocka_unit_test(the_scan_is_ready_for_the_next_block),
        cmocka_unit_test(any_octets_end_where_the_first_dot_line_is), cmocka_unit_test(what_a_block_lacks_has_a_name),
        cmocka_unit_test(lines_are_crlf_pairs_of_the_body), cmocka_unit_test(bytes_are_those_without_stuffing_and_end),
        cmocka_unit_test(text_goes_to_the_wire_and_back_as_the_table_says),
        cmocka_unit_test(any_lines_survive_the_way_there_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
