/* The tables of tests/data, row by row, against the functions of article/. */
#include <stdio.h>
#include <string.h>

#include "article/date.h"
#include "article/groups.h"
#include "article/header.h"
#include "article/msgid.h"
#include "article/number.h"
#include "article/overview.h"
#include "article/wildmat.h"
#include "article/wire.h"
#include "tests/kit.h"

static unsigned rows, wrong;

static bool is(struct span cell, const char *word)
{
    return span_eq(cell, span_of(word));
}

/* Note a row that came out otherwise, and go on: all of them are told. */
static void expect(const struct kit_row *r, const char *what, struct span got, struct span wanted)
{
    rows++;
    if (span_eq(got, wanted))
        return;
    wrong++;
    print_message("line %d, %s of \"%.*s\" \"%.*s\": got \"%.*s\", wanted \"%.*s\"\n", r->line, what, (int)r->cell[0].n, r->cell[0].p,
                  r->n > 1 ? (int)r->cell[1].n : 0, r->n > 1 ? r->cell[1].p : "", (int)got.n, got.p, (int)wanted.n, wanted.p);
}

static void expect_valid(const struct kit_row *r, const char *what, bool valid, struct span wanted)
{
    expect(r, what, span_of(valid ? "valid" : "invalid"), wanted);
}

static void table(const char *name, kit_row_fn *each)
{
    rows = wrong = 0;
    kit_table(name, each, NULL);
    assert_true(rows > 0);
    assert_int_equal(wrong, 0);
}

/* --- the rows ----------------------------------------------------------- */

static void number_row(const struct kit_row *r, void *arg)
{
    uint64_t lo, hi;

    (void)arg;
    if (is(r->cell[0], "number"))
        expect_valid(r, "number", number_read(r->cell[1], &lo) == 0, r->cell[2]);
    else
        expect_valid(r, "range", range_read(r->cell[1], &lo, &hi) == 0, r->cell[2]);
}

static void numbers_and_ranges(void **state)
{
    (void)state;
    table("article-number.tsv", number_row);
}

static void cfws_row(const struct kit_row *r, void *arg)
{
    struct buf out = { 0 };

    (void)arg;
    hdr_skip_cfws(&out, r->cell[0]);
    expect(r, "words", buf_span(&out), r->cell[1]);
    buf_fini(&out);
}

static void comments_and_folding_go(void **state)
{
    (void)state;
    table("cfws.tsv", cfws_row);
}

static void expect_time(const struct kit_row *r, const char *what, int rc, int64_t t, struct span wanted)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)t);
    expect(r, what, span_of(rc == 0 ? text : "invalid"), wanted);
}

static void date_row(const struct kit_row *r, void *arg)
{
    int64_t t = 0;
    int rc = date_read(r->cell[0], &t);

    (void)arg;
    expect_time(r, "strict", rc, t, r->cell[1]);
    rc = date_read_lax(r->cell[0], &t);
    expect_time(r, "lax", rc, t, r->cell[2]);
}

static void dates_of_articles(void **state)
{
    (void)state;
    table("date.tsv", date_row);
}

static void nntp_date_row(const struct kit_row *r, void *arg)
{
    int64_t t = 0;
    int rc = date_read_nntp(r->cell[0], r->cell[1], 1100000000, &t);

    (void)arg;
    expect_time(r, "time", rc, t, r->cell[3]);
}

static void dates_of_commands(void **state)
{
    (void)state;
    table("nntp-date.tsv", nntp_date_row);
}

/* A whole field: name, colon, blank, body. */
static bool field_valid(struct span s)
{
    const char *colon = memchr(s.p, ':', s.n);
    size_t n = colon != NULL ? (size_t)(colon - s.p) : 0;

    return colon != NULL && s.n > n + 2 && s.p[n + 1] == ' ' && hdr_name_valid((struct span){ s.p, n }) &&
           hdr_body_valid(span_from(s, n + 2));
}

static void header_row(const struct kit_row *r, void *arg)
{
    struct span in = r->cell[1];

    (void)arg;
    expect_valid(r, "it", is(r->cell[0], "name") ? hdr_name_valid(in) :
                          is(r->cell[0], "body") ? hdr_body_valid(in) : field_valid(in), r->cell[2]);
}

static void header_fields_of_posts(void **state)
{
    (void)state;
    table("header.tsv", header_row);
}

static void domain_row(const struct kit_row *r, void *arg)
{
    (void)arg;
    expect_valid(r, "domain", msgid_domain_valid(r->cell[0]), r->cell[1]);
}

static void domains_of_message_ids(void **state)
{
    (void)state;
    table("message-id-domain.tsv", domain_row);
}

static void msgid_row(const struct kit_row *r, void *arg)
{
    (void)arg;
    expect_valid(r, "strict", msgid_valid(r->cell[0]), r->cell[1]);
    expect_valid(r, "lax", msgid_valid_lax(r->cell[0]), r->cell[2]);
    expect_valid(r, "trimmed", msgid_valid(span_trim(r->cell[0])), r->cell[3]);
}

static void message_ids(void **state)
{
    (void)state;
    table("message-id.tsv", msgid_row);
}

static void group_row(const struct kit_row *r, void *arg)
{
    (void)arg;
    expect(r, "name", span_of(group_name_valid(r->cell[0]) ? "ok" : "bad"), r->cell[3]);
}

static void newsgroup_names(void **state)
{
    (void)state;
    table("newsgroup-name.tsv", group_row);
}

static void utf8_row(const struct kit_row *r, void *arg)
{
    (void)arg;
    expect_valid(r, "utf-8", utf8_valid(r->cell[0]), r->cell[1]);
}

static void utf8_texts(void **state)
{
    (void)state;
    table("utf8.tsv", utf8_row);
}

static void wildmat_row(const struct kit_row *r, void *arg)
{
    (void)arg;
    expect(r, "match", span_of(wildmat(r->cell[0], r->cell[1]) ? "match" : "nomatch"), r->cell[2]);
    expect(r, "grammar", span_of(wildmat_valid(r->cell[1]) ? "yes" : "no"), r->cell[3]);
}

static void wildmats(void **state)
{
    (void)state;
    table("wildmat.tsv", wildmat_row);
}

static void uwildmat_row(const struct kit_row *r, void *arg)
{
    static const char *const words[] = { "nomatch", "match", "poison" };
    const char *got;

    (void)arg;
    if (is(r->cell[0], "list"))
        got = words[wildmat(r->cell[1], r->cell[2])];
    else if (is(r->cell[0], "poison"))
        got = words[wildmat_poison(r->cell[1], r->cell[2])];
    else
        got = words[wildmat_simple(r->cell[1], r->cell[2])];
    expect(r, "match", span_of(got), r->cell[3]);
}

static void wildmats_with_sets_escapes_and_poison(void **state)
{
    (void)state;
    table("uwildmat.tsv", uwildmat_row);
}

static void wire_row(const struct kit_row *r, void *arg)
{
    struct buf out = { 0 };

    (void)arg;
    if (is(r->cell[0], "to_wire"))
        wire_from_text(&out, r->cell[1]);
    else
        wire_to_text(&out, r->cell[1]);
    expect(r, "text", buf_span(&out), r->cell[2]);
    buf_fini(&out);
}

static void text_to_wire_and_back(void **state)
{
    (void)state;
    table("wire.tsv", wire_row);
}

/* The line's fields but :bytes, which depends on Path and Xref as stored. */
static void overview_row(const struct kit_row *r, void *arg)
{
    struct span wire = r->cell[1], where;
    struct wire_facts facts;
    struct headers h;
    struct buf line = { 0 };

    (void)arg;
    assert_int_equal(wire_check(wire, &facts), WIRE_OK);
    assert_int_equal(headers_read(&h, (struct span){ wire.p, facts.body - 2 }, &where), HDR_OK);
    overview_write(&line, &h, wire_bytes(wire), facts.lines);
    for (int i = 0; i < 7; i++) {
        struct span got = { 0 }, wanted = { 0 };

        if (i == 5)
            continue;
        overview_field(buf_span(&line), i, &got);
        overview_field(r->cell[3], i, &wanted);
        expect(r, "field", got, wanted);
    }
    buf_fini(&line);
}

static void overview_lines(void **state)
{
    (void)state;
    table("overview.tsv", overview_row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_ranges), cmocka_unit_test(comments_and_folding_go), cmocka_unit_test(dates_of_articles),
        cmocka_unit_test(dates_of_commands), cmocka_unit_test(header_fields_of_posts), cmocka_unit_test(domains_of_message_ids),
        cmocka_unit_test(message_ids), cmocka_unit_test(newsgroup_names), cmocka_unit_test(utf8_texts), cmocka_unit_test(wildmats),
        cmocka_unit_test(wildmats_with_sets_escapes_and_poison), cmocka_unit_test(text_to_wire_and_back),
        cmocka_unit_test(overview_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
