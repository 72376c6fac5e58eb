/* article/overview: the line that OVER shows, and its fields. */
#include <stdio.h>
#include <string.h>

#include "article/overview.h"
#include "article/wire.h"
#include "tests/kit.h"

static void write_line(struct buf *line, struct span block)
{
    struct wire_facts facts;
    struct headers h;
    struct span where;

    assert_int_equal(wire_check(block, &facts), WIRE_OK);
    (void)headers_read(&h, (struct span){ block.p, facts.body - 2 }, &where);
    overview_write(line, &h, wire_bytes(block), facts.lines);
}

/* What a reader has of the block when it has undone the wire form (RFC 3977 3.1.1). */
static size_t octets(struct span block)
{
    struct buf text = { 0 };
    size_t n;

    wire_to_text(&text, block);
    n = buf_len(&text);
    for (size_t i = 0; i + 1 < block.n - 3; i++)        /* each CRLF became a LF */
        n += block.p[i] == '\r' && block.p[i + 1] == '\n';
    buf_fini(&text);
    return n;
}

static void row(const struct kit_row *r, void *arg)
{
    static const struct { int field; size_t cell; const char *name; } f[] = {
        { 0, 3, "Subject" }, { 1, 4, "From" }, { 2, 5, "Date" }, { 3, 6, "Message-ID" }, { 4, 7, "References" }, { 6, 8, ":lines" },
    };
    struct buf line = { 0 };
    struct span got;
    char bytes[24];

    (void)arg;
    write_line(&line, r->cell[1]);
    for (size_t i = 0; i < sizeof f / sizeof *f; i++) {
        assert_true(overview_field(buf_span(&line), f[i].field, &got));
        kit_row_is(r, f[i].name, got, r->cell[f[i].cell]);
    }
    snprintf(bytes, sizeof bytes, "%zu", octets(r->cell[1]));
    assert_true(overview_field(buf_span(&line), 5, &got));
    kit_row_is(r, ":bytes", got, span_of(bytes));
    assert_true(overview_field(buf_span(&line), 7, &got) && got.n == 0);     /* Xref's place */
    assert_false(overview_field(buf_span(&line), 8, &got));
    buf_fini(&line);
}

static void lines_are_as_the_table_says(void **state)
{
    (void)state;
    kit_table("overview.tsv", row, NULL);
}

static void the_longest_fields_are_whole(void **state)
{
    struct buf block = { 0 }, line = { 0 };
    struct span refs;

    (void)state;
    buf_puts(&block, "Subject: s\r\nReferences:");
    for (int i = 0; i < 2000; i++)
        buf_printf(&block, " <%d@example.com>\r\n", i);
    buf_puts(&block, "\r\n.\r\n");
    write_line(&line, buf_span(&block));
    assert_true(overview_field(buf_span(&line), 4, &refs));
    assert_true(span_starts(refs, SPAN("<0@example.com> <1@example.com> <2@")));
    assert_true(refs.n > 2000 * 15 && span_eq(span_from(refs, refs.n - 18), SPAN("<1999@example.com>")));
    buf_fini(&block);
    buf_fini(&line);
}

static void fields_are_found_by_name_in_any_case(void **state)
{
    static const char *const names[] = { "subject", "FROM", "Date", "Message-id", "References", ":bytes", ":Lines", "xref" };

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(overview_index(span_of(names[i])), i);
    assert_int_equal(overview_index(SPAN("Lines")), -1);        /* the header, not the metadata (RFC 3977 8.1) */
    assert_int_equal(overview_index(SPAN("Bytes")), -1);
    assert_int_equal(overview_index(SPAN("Xref:")), -1);
    assert_int_equal(overview_index((struct span){ 0 }), -1);
}

static void a_short_line_has_no_more_fields_than_it_has(void **state)
{
    struct span f;

    (void)state;
    assert_true(overview_field(SPAN("a\t\tb"), 1, &f) && f.n == 0);
    assert_true(overview_field(SPAN("a\t\tb"), 2, &f) && span_eq(f, SPAN("b")));
    assert_false(overview_field(SPAN("a\t\tb"), 3, &f));
    assert_true(overview_field(SPAN(""), 0, &f) && f.n == 0);
    assert_false(overview_field((struct span){ 0 }, 0, &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_as_the_table_says), cmocka_unit_test(the_longest_fields_are_whole),
        cmocka_unit_test(fields_are_found_by_name_in_any_case), cmocka_unit_test(a_short_line_has_no_more_fields_than_it_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
