/* spool_overview.c - rows are put, found, walked, and nothing changes when it is done twice. */
#include "spool/overview.h"
#include "tests/unit/spoolkit.h"

static struct bdb *b;
static struct ov *o;

static int set_up(void **state)
{
    static unsigned turn;
    struct bdb_options opt = { .dir = kit_path("db%u", ++turn), .cache_bytes = 16 << 20, .batch_most = 20000 };
    struct err e = { 0 };

    (void)state;
    if ((b = bdb_open(&opt, &e)) == NULL || (o = ov_open(b, &e)) == NULL)
        fail_msg("%s", e.text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ov_close(&o);
    bdb_close(&b);
    return 0;
}

struct job { const struct record *r; const struct log_pos *pos; struct span line; uint32_t group; uint64_t number; };

static void work_put(struct txn *t, void *arg)
{
    struct job *j = arg;

    ov_apply(o, t, j->r, j->pos, j->line);
}

static void work_remove(struct txn *t, void *arg)
{
    struct job *j = arg;

    ov_remove(o, t, j->group, j->number);
}

static void run(void (*work)(struct txn *, void *), struct job j)
{
    struct err e = { 0 };

    if (bdb_run(b, work, &j, &e) != 0)
        fail_msg("%s", e.text);
}

/* An article of two groups, as the log has it. */
static struct record article(struct buf *wire, const struct record_number *n, unsigned count, const char *xref)
{
    const char *blank;

    kit_article(wire, "one\r\ntwo\r\n", "Message-ID", "<1@kit>", "Subject", "a\r\n b", "References", "<0@kit>",
                "Date", "Mon, 1 Jan 2024 00:00:00 +0000", xref != NULL ? "Xref" : "Lines", xref != NULL ? xref : "2", NULL);
    blank = memmem(buf_data(wire), buf_len(wire), "\r\n\r\n", 4);
    assert_non_null(blank);
    return (struct record){ .kind = RECORD_ARTICLE, .seq = 9, .body = (uint32_t)(blank + 4 - buf_data(wire)), .lines = 2,
                            .numbers = n, .n_numbers = count, .data = buf_span(wire) };
}

static const struct log_pos place = { .segment = 77, .offset = UINT64_C(0x123456789a), .size = 4000000000u };

static void a_row_keeps_line_and_place_and_twice_changes_nothing(void **state)
{
    const struct record_number n[2] = { { 5, 1 }, { 6, UINT64_C(1) << 40 } };
    struct buf wire = { 0 }, line = { 0 };
    struct record r = article(&wire, n, 2, "site.example a.a:1 b.b:2");
    struct log_pos pos;
    struct err e = { 0 };

    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        run(work_put, (struct job){ .r = &r, .pos = &place, .line = SPAN("s\tf\td\t<1@kit>\t\t10\t2\t") });
        for (int i = 0; i < 2; i++) {
            buf_clear(&line);
            assert_int_equal(ov_get(o, n[i].group, n[i].number, &pos, &line, &e), 1);
            assert_true(pos.segment == place.segment && pos.offset == place.offset && pos.size == place.size);
            assert_true(span_eq(buf_span(&line), SPAN("s\tf\td\t<1@kit>\t\t10\t2\tXref: site.example a.a:1 b.b:2")));
        }
    }
    assert_int_equal(ov_get(o, 5, 2, &pos, NULL, &e), 0);
    assert_int_equal(ov_get(o, 5, 1, &pos, NULL, &e), 1);
    run(work_remove, (struct job){ .group = 5, .number = 1 });
    run(work_remove, (struct job){ .group = 5, .number = 1 });
    assert_int_equal(ov_get(o, 5, 1, &pos, NULL, &e), 0);
    assert_int_equal(ov_get(o, 6, n[1].number, &pos, NULL, &e), 1);
    assert_int_equal(ov_empty(o, &e), 0);
    assert_int_equal(ov_get(o, 6, n[1].number, &pos, NULL, &e), 0);
    buf_fini(&wire);
    buf_fini(&line);
}

/* Replay has the record alone: the line is made from its data. */
static void a_replayed_article_gets_the_same_line(void **state)
{
    const struct record_number n = { 5, 1 };
    struct buf wire = { 0 }, line = { 0 };
    struct record r = article(&wire, &n, 1, "site.example a.a:1");
    struct log_pos pos;
    struct err e = { 0 };
    char want[400];

    (void)state;
    run(work_put, (struct job){ .r = &r, .pos = &place });
    assert_int_equal(ov_get(o, 5, 1, &pos, &line, &e), 1);
    buf_add(&line, "", 1);
    snprintf(want, sizeof want, "a b\tJoe <joe@example.com>\tMon, 1 Jan 2024 00:00:00 +0000\t<1@kit>\t<0@kit>\t%zu\t2\t"
             "Xref: site.example a.a:1", buf_len(&wire) - 3);
    assert_string_equal(buf_data(&line), want);
    buf_fini(&wire);
    buf_fini(&line);
}

static void an_article_whose_data_is_gone_gets_no_row(void **state)
{
    const struct record_number n = { 5, 1 };
    struct record r = { .kind = RECORD_ARTICLE, .flags = RECORD_GONE, .numbers = &n, .n_numbers = 1, .data = { "", 0 } };
    struct log_pos pos;
    struct err e = { 0 };

    (void)state;
    run(work_put, (struct job){ .r = &r, .pos = &place });
    assert_int_equal(ov_get(o, 5, 1, &pos, NULL, &e), 0);
}

static void a_line_longer_than_usual_comes_whole(void **state)
{
    const struct record_number n = { 5, 1 };
    struct buf wire = { 0 }, line = { 0 }, big = { 0 };
    struct record r = article(&wire, &n, 1, NULL);
    struct log_pos pos;
    struct err e = { 0 };

    (void)state;
    for (int i = 0; i < 50000; i++)
        buf_add(&big, &"abcdefghij"[i % 10], 1);
    run(work_put, (struct job){ .r = &r, .pos = &place, .line = buf_span(&big) });
    assert_int_equal(ov_get(o, 5, 1, &pos, &line, &e), 1);
    assert_true(span_eq(buf_span(&line), buf_span(&big)));
    buf_fini(&wire);
    buf_fini(&line);
    buf_fini(&big);
}

/* Every third number of groups 4, 5, 6. */
static void fill(void)
{
    struct buf wire = { 0 };
    struct record_number n = { 4, 0 };
    struct record r = article(&wire, &n, 1, NULL);
    char line[40];

    for (n.group = 4; n.group <= 6; n.group++)
        for (n.number = 3; n.number <= 900; n.number += 3) {
            struct log_pos pos = { .segment = 1, .offset = n.number };

            snprintf(line, sizeof line, "%u/%llu\t", n.group, (unsigned long long)n.number);
            run(work_put, (struct job){ .r = &r, .pos = &pos, .line = span_of(line) });
        }
    buf_fini(&wire);
}

struct seen { uint64_t first, last, n, most; };

static bool see(uint64_t number, const struct log_pos *pos, struct span line, void *arg)
{
    struct seen *s = arg;
    char want[40];

    snprintf(want, sizeof want, "5/%llu\t", (unsigned long long)number);
    assert_true(span_eq(line, span_of(want)) && pos->offset == number);
    assert_true(s->n == 0 || number == s->last + 3);
    s->first = s->n++ == 0 ? number : s->first;
    s->last = number;
    return s->n < s->most;
}

static void a_scan_tells_the_range_in_order_and_no_neighbour(void **state)
{
    static const struct { uint64_t lo, hi, most, first, last, n; } rows[] = {
        { 0, UINT64_MAX, 1000, 3, 900, 300 }, { 1, 2, 1000, 0, 0, 0 },     { 3, 3, 1000, 3, 3, 1 },
        { 4, 10, 1000, 6, 9, 2 },             { 899, 2000, 1000, 900, 900, 1 }, { 901, UINT64_MAX, 1000, 0, 0, 0 },
        { 10, 4, 1000, 0, 0, 0 },             { 1, 900, 5, 3, 15, 5 },
    };
    struct bdb_bulk bulk = { 0 };
    struct err e = { 0 };

    (void)state;
    fill();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct seen s = { .most = rows[i].most };

        assert_int_equal(ov_scan(o, 5, rows[i].lo, rows[i].hi, &bulk, see, &s, &e), 0);
        if (s.n != rows[i].n || s.first != rows[i].first || s.last != rows[i].last)
            fail_msg("row %zu: %llu told, %llu to %llu", i, (unsigned long long)s.n, (unsigned long long)s.first,
                     (unsigned long long)s.last);
    }
    bdb_bulk_fini(&bulk);
}

static void near_finds_the_neighbour_in_the_group_or_none(void **state)
{
    static const struct { uint64_t from; int step; int rc; uint64_t found; } rows[] = {
        { 3, 1, 1, 3 },   { 4, 1, 1, 6 },   { 0, 1, 1, 3 }, { 900, 1, 1, 900 },        { 901, 1, 0, 0 },
        { 3, -1, 1, 3 },  { 5, -1, 1, 3 },  { 2, -1, 0, 0 }, { UINT64_MAX, -1, 1, 900 }, { UINT64_MAX, 1, 0, 0 },
    };
    struct err e = { 0 };
    uint64_t found;

    (void)state;
    fill();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int rc = ov_near(o, 5, rows[i].from, rows[i].step, &found, &e);

        if (rc != rows[i].rc || (rc == 1 && found != rows[i].found))
            fail_msg("row %zu: %d %llu", i, rc, (unsigned long long)found);
    }
    assert_int_equal(ov_near(o, 3, 1, 1, &found, &e), 0);
    assert_int_equal(ov_near(o, 7, 1, -1, &found, &e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_keeps_line_and_place_and_twice_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_replayed_article_gets_the_same_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_article_whose_data_is_gone_gets_no_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_longer_than_usual_comes_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_scan_tells_the_range_in_order_and_no_neighbour, set_up, tear_down),
        cmocka_unit_test_setup_teardown(near_finds_the_neighbour_in_the_group_or_none, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
