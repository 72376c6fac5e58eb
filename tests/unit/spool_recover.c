/* spool_recover.c - the log after torn writes and damage. */
#include "tests/unit/faildisk.h"

/* ---- torn ends ---------------------------------------------------------- */

/* A log with 20 records, the last 4 of them in its second segment behind 'end'; where each lies. */
struct small { const char *dir; struct log_pos end; uint64_t applied; char *seg[3]; };

static void small_log(struct small *s, const char *name)
{
    struct kit_told t;
    struct artlog *l;

    s->dir = kit_path("%s", name);
    l = kit_log_recovered(s->dir, 8000, &t);
    kit_put(l, 1, 8, 1000);
    kit_put(l, 9, 8, 700);
    artlog_end(l, &s->end);
    s->applied = artlog_next_seq(l) - 1;
    kit_put(l, 17, 1, 200);
    kit_put(l, 18, 3, 200);
    artlog_close(&l);
    s->seg[1] = kit_segment(s->dir, 1);
    s->seg[2] = kit_segment(s->dir, 2);
    assert_int_equal(s->end.segment, 2);
    assert_int_equal(s->applied, 18);
}

static void small_fini(struct small *s)
{
    free(s->seg[1]);
    free(s->seg[2]);
}

/* Open, recover, append, read everything: tags are dense but for the cut. */
static void goes_on_after(struct small *s, uint64_t expect_last, const char *what, uint64_t at)
{
    struct artlog *l = kit_log(s->dir, 20000, true);
    struct kit_told t;
    struct err e = { 0 };
    struct log_reader *in;
    struct record r;
    struct log_pos pos;
    uint64_t tag = 0;

    if (kit_recover(l, s->applied, s->end, &t, &e) != (int64_t)(expect_last - 16))
        fail_msg("%s %llu: %llu told, want %llu (%s)", what, (unsigned long long)at, (unsigned long long)t.n,
                 (unsigned long long)expect_last - 16, e.text);
    if (t.behind || t.gone != 0 || (t.n > 0 && t.last_tag != expect_last))
        fail_msg("%s %llu: behind %d gone %llu", what, (unsigned long long)at, t.behind, (unsigned long long)t.gone);
    assert_int_equal(artlog_next_seq(l), expect_last + 3);
    artlog_end(l, &pos);
    assert_int_equal(kit_file_size(s->seg[2]), pos.offset);
    kit_put(l, expect_last + 1, 2, 50);
    in = log_reader_new(l, 1);
    while (log_reader_next(in, &r, &pos, &e) == 1)
        if (r.kind == RECORD_ARTICLE && kit_tag(r.data) != ++tag)
            fail_msg("%s %llu: tag %llu instead of %llu", what, (unsigned long long)at,
                     (unsigned long long)kit_tag(r.data), (unsigned long long)tag);
    assert_int_equal(tag, expect_last + 2);
    log_reader_free(&in);
    artlog_close(&l);
}

static void a_file_cut_at_every_byte_keeps_the_whole_records(void **state)
{
    struct small s;
    char *whole = xstrdup(kit_path("whole"));
    uint64_t size, ends[5], last = 16;
    struct artlog *l;
    struct kit_told t;
    struct log_reader *in;
    struct record r;
    struct log_pos pos;
    struct err e = { 0 };

    (void)state;
    small_log(&s, "cut");
    size = kit_file_size(s.seg[2]);
    l = kit_log_recovered(s.dir, 8000, &t);
    in = log_reader_new(l, s.applied + 1);
    ends[0] = s.end.offset;
    for (int i = 1; i <= 4; i++) {
        assert_int_equal(log_reader_next(in, &r, &pos, &e), 1);
        ends[i] = pos.offset + pos.size;
    }
    assert_int_equal(ends[4], size);
    log_reader_free(&in);
    artlog_close(&l);
    kit_copy(s.seg[2], whole);
    for (uint64_t cut = s.end.offset; cut <= size; cut++) {
        if (last < 20 && cut >= ends[last - 15])
            last++;
        kit_copy(whole, s.seg[2]);
        assert_int_equal(truncate(s.seg[2], (off_t)cut), 0);
        goes_on_after(&s, last, "cut at", cut);
    }
    assert_int_equal(last, 20);
    small_fini(&s);
    free(whole);
}

static void garbage_behind_the_end_is_cut_off(void **state)
{
    struct small s;
    char *whole = xstrdup(kit_path("whole2")), junk[3000];

    (void)state;
    small_log(&s, "garbage");
    kit_copy(s.seg[2], whole);
    for (int round = 0; round < 200; round++) {
        size_t n = 1 + kit_random() % sizeof junk;
        int fd;

        for (size_t i = 0; i < n; i++)
            junk[i] = round % 5 == 0 ? 0 : (char)kit_random();
        if (round % 3 == 0 && n > 4)
            memcpy(junk, "FRec", 4);
        kit_copy(whole, s.seg[2]);
        assert_true((fd = open(s.seg[2], O_WRONLY | O_APPEND)) >= 0);
        assert_int_equal(write(fd, junk, n), n);
        close(fd);
        goes_on_after(&s, 20, "garbage of", n);
    }
    small_fini(&s);
    free(whole);
}

/* Any single octet wrong in the last record: it is cut off; in one before it: it is gone, or the cut is there. */
static void a_wrong_octet_in_the_tail_never_passes(void **state)
{
    struct small s;
    char *whole = xstrdup(kit_path("whole3"));
    uint64_t size;

    (void)state;
    small_log(&s, "octet");
    kit_copy(s.seg[2], whole);
    size = kit_file_size(whole);
    for (uint64_t at = s.end.offset; at < size; at += 3) {
        struct artlog *l;
        struct kit_told t;
        struct err e = { 0 };
        char c;
        int fd;

        kit_copy(whole, s.seg[2]);
        assert_true((fd = open(s.seg[2], O_RDWR)) >= 0);
        assert_int_equal(pread(fd, &c, 1, (off_t)at), 1);
        c ^= 0x10;
        assert_int_equal(pwrite(fd, &c, 1, (off_t)at), 1);
        close(fd);
        l = kit_log(s.dir, 8000, true);
        assert_true(kit_recover(l, s.applied, s.end, &t, &e) >= 0);
        /* padding is not summed: all is well then */
        if (t.n == 4 && t.gone == 0 && size - at > 7 && t.articles != 4)
            fail_msg("octet %llu", (unsigned long long)at);
        assert_true(t.articles + t.gone == t.n && t.gone <= 1);
        assert_true(t.last_tag == 0 || t.last_tag <= 20);
        assert_int_equal(artlog_next_seq(l), s.applied + 1 + t.n);
        artlog_close(&l);
    }
    small_fini(&s);
    free(whole);
}

/* ---- what is not a torn end --------------------------------------------- */

static void a_bad_header_before_the_last_segment_refuses_and_changes_nothing(void **state)
{
    struct small s;
    struct artlog *l;
    struct kit_told t;
    struct err e = { 0 };
    uint64_t size;

    (void)state;
    small_log(&s, "refuse");
    size = kit_file_size(s.seg[1]);
    poke(s.seg[1], 64 + 40, "XXXX", 4);
    l = kit_log(s.dir, 8000, true);
    assert_int_equal(kit_recover(l, 0, nowhere, &t, &e), -1);
    assert_non_null(strstr(e.text, "damaged"));
    assert_int_equal(kit_file_size(s.seg[1]), size);
    artlog_close(&l);
    l = kit_log(s.dir, 8000, true);              /* I6: from the note on, the damage is not even seen */
    assert_int_equal(kit_recover(l, s.applied, s.end, &t, &e), 4);
    artlog_close(&l);
    small_fini(&s);
}

static void a_last_segment_without_its_first_record_refuses(void **state)
{
    struct small s;
    struct artlog *l;
    struct kit_told t;
    struct err e = { 0 };

    (void)state;
    small_log(&s, "first");
    assert_int_equal(truncate(s.seg[2], 64 + 20), 0);
    l = kit_log(s.dir, 8000, true);
    assert_int_equal(kit_recover(l, 0, nowhere, &t, &e), -1);
    artlog_close(&l);
    assert_int_equal(truncate(s.seg[2], 30), 0);
    l = kit_log(s.dir, 8000, true);
    assert_int_equal(kit_recover(l, 0, nowhere, &t, &e), -1);
    artlog_close(&l);
    small_fini(&s);
}

static void a_segment_of_another_number_is_not_taken(void **state)
{
    struct small s;
    struct artlog *l;
    struct kit_told t;
    struct err e = { 0 };
    char *third;

    (void)state;
    small_log(&s, "number");
    third = kit_segment(s.dir, 3);
    kit_copy(s.seg[1], third);
    l = kit_log(s.dir, 8000, true);
    assert_int_equal(kit_recover(l, 0, nowhere, &t, &e), -1);
    artlog_close(&l);
    free(third);
    small_fini(&s);
}

/* ---- data that is gone in the tail -------------------------------------- */

/* Record 17 is a batch of its own, 18 to 20 are one: whoever wrote 18 knew 17 to be durable, not so with 18 itself. */
static void data_that_was_durable_is_told_as_gone_a_torn_batch_is_cut(void **state)
{
    static const struct { int record; bool zero; uint64_t told, gone, damaged; } rows[] = {
        { 1, true, 4, 1, 0 }, { 1, false, 4, 1, 1 },  { 2, true, 1, 0, 0 },  { 2, false, 1, 0, 0 },
        { 3, true, 2, 0, 0 }, { 3, false, 2, 0, 0 },  { 4, true, 3, 0, 0 },  { 4, false, 3, 0, 0 },
    };
    struct small s;
    struct artlog *l;
    struct kit_told t;
    struct err e = { 0 };
    struct log_pos pos = { 0 };
    char zeros[400] = { 0 }, *whole = xstrdup(kit_path("whole4"));
    struct record r;
    struct log_reader *in;
    uint64_t data[5], size[5];

    (void)state;
    small_log(&s, "zeroed");
    kit_copy(s.seg[2], whole);
    l = kit_log_recovered(s.dir, 8000, &t);
    in = log_reader_new(l, s.applied + 1);
    for (int i = 1; i <= 4; i++) {
        assert_int_equal(log_reader_next(in, &r, &pos, &e), 1);
        data[i] = pos.offset + 128 + 12 + 3;
        size[i] = r.data.n;
    }
    log_reader_free(&in);
    artlog_close(&l);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        kit_copy(whole, s.seg[2]);
        poke(s.seg[2], data[rows[i].record], rows[i].zero ? zeros : "??", rows[i].zero ? size[rows[i].record] : 2);
        l = kit_log(s.dir, 8000, true);
        assert_true(kit_recover(l, s.applied, s.end, &t, &e) >= 0);
        if (t.n != rows[i].told || t.gone != rows[i].gone || t.damaged != rows[i].damaged)
            fail_msg("row %zu: told %llu, gone %llu, damaged %llu", i, (unsigned long long)t.n, (unsigned long long)t.gone,
                     (unsigned long long)t.damaged);
        assert_int_equal(artlog_next_seq(l), s.applied + 1 + t.n);
        assert_int_equal(artlog_cut(l) > 0, t.n < 4);
        artlog_close(&l);
    }
    free(whole);
    small_fini(&s);
}

/* ---- a log older than the database -------------------------------------- */

static void a_log_that_ends_early_goes_on_above_what_was_applied(void **state)
{
    struct small s;
    struct artlog *l;
    struct kit_told t;
    struct err e = { 0 };
    struct log_pos end, place;
    struct log_reader *in;
    struct record r;
    uint64_t first_new = 0;

    (void)state;
    for (int how = 0; how < 3; how++) {
        small_log(&s, how == 0 ? "behind0" : how == 1 ? "behind1" : "behind2");
        if (how == 0)
            assert_int_equal(truncate(s.seg[2], 1000), 0);
        if (how > 0)
            assert_int_equal(unlink(s.seg[2]), 0);
        if (how > 1)
            assert_int_equal(unlink(s.seg[1]), 0);
        l = kit_log(s.dir, 8000, true);
        assert_int_equal(kit_recover(l, s.applied, s.end, &t, &e), 0);
        assert_true(t.behind);
        assert_int_equal(artlog_next_seq(l), s.applied + 1);
        artlog_end(l, &end);
        assert_int_equal(end.offset, 0);
        artlog_close(&l);
        /* nothing was appended; the database has noted that end: not behind again */
        l = kit_log(s.dir, 8000, true);
        assert_int_equal(kit_recover(l, s.applied, end, &t, &e), 0);
        assert_false(t.behind);
        kit_put(l, 500, 3, 100);
        artlog_close(&l);
        /* the note was not written: the new segment is found all the same */
        l = kit_log(s.dir, 8000, true);
        assert_int_equal(kit_recover(l, s.applied, end, &t, &e), 4);
        assert_true(!t.behind && t.first_tag == 500 && t.snapshots == 1);
        artlog_publish(l, artlog_next_seq(l) - 1);
        in = log_reader_new(l, s.applied);
        while (log_reader_next(in, &r, &place, &e) == 1)
            first_new = first_new == 0 && kit_tag(r.data) >= 500 ? r.seq : first_new;
        assert_int_equal(first_new, s.applied + 2);
        log_reader_free(&in);
        artlog_close(&l);
        first_new = 0;
        small_fini(&s);
    }
}

static void a_missing_segment_before_others_refuses_when_the_database_ends_in_it(void **state)
{
    struct small s;
    struct artlog *l;
    struct kit_told t;
    struct err e = { 0 };

    (void)state;
    small_log(&s, "hole");
    assert_int_equal(unlink(s.seg[1]), 0);
    l = kit_log(s.dir, 8000, true);
    assert_int_equal(kit_recover(l, 3, (struct log_pos){ .segment = 1, .offset = 500 }, &t, &e), -1);
    artlog_close(&l);
    l = kit_log(s.dir, 8000, true);              /* a rebuild takes what is there */
    assert_int_equal(kit_recover(l, 0, nowhere, &t, &e), 13);
    artlog_close(&l);
    small_fini(&s);
}

static void an_unborn_segment_is_swept_away(void **state)
{
    struct small s;
    char *unborn;

    (void)state;
    small_log(&s, "unborn");
    unborn = xasprintf("%s/0000000003.new", s.dir);
    kit_copy(s.seg[1], unborn);
    assert_int_equal(truncate(unborn, 100), 0);
    goes_on_after(&s, 20, "unborn", 0);
    assert_int_equal(access(unborn, F_OK), -1);
    free(unborn);
    small_fini(&s);
}

/* The zeros go when the segment ends or the log is closed, and after a kill; nobody reads them. */
static void zeros_ahead_are_no_part_of_the_log(void **state)
{
    const char *dir = kit_path("zeros");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 1 << 20, &t), *again;
    struct log_reader *in;
    struct record r;
    struct log_pos pos, end;
    struct err e = { 0 };
    char *seg[3] = { NULL, kit_segment(dir, 1), kit_segment(dir, 2) };
    uint64_t n = 0;

    (void)state;
    kit_put(l, 1, 3, 100);
    artlog_end(l, &end);
    assert_true(kit_file_size(seg[1]) > end.offset);
    in = log_reader_new(l, 1);
    artlog_publish(l, 100);                      /* more than there is, as after a power cut with fsync never */
    while (log_reader_next(in, &r, &pos, &e) == 1)
        n++;
    assert_int_equal(n, 4);
    artlog_publish(l, 4);
    again = kit_log(dir, 1 << 20, true);         /* the first one was killed */
    assert_int_equal(kit_recover(again, 4, end, &t, &e), 0);
    assert_true(!t.behind && artlog_cut(again) == 0);
    assert_int_equal(kit_file_size(seg[1]), end.offset);
    for (unsigned tag = 4; access(seg[2], F_OK) != 0; tag++) {
        kit_put(again, tag, 1, 100000);
        assert_int_equal(log_reader_next(in, &r, &pos, &e), 1);
        if (r.kind == RECORD_ARTICLE)
            artlog_end(again, pos.segment == 1 ? &end : &pos);
    }
    assert_int_equal(kit_file_size(seg[1]), end.offset);
    artlog_end(again, &end);
    artlog_close(&again);
    assert_int_equal(kit_file_size(seg[2]), end.offset);
    log_reader_free(&in);
    artlog_close(&l);
    free(seg[1]);
    free(seg[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_cut_at_every_byte_keeps_the_whole_records),
        cmocka_unit_test(garbage_behind_the_end_is_cut_off),
        cmocka_unit_test(a_wrong_octet_in_the_tail_never_passes),
        cmocka_unit_test(a_bad_header_before_the_last_segment_refuses_and_changes_nothing),
        cmocka_unit_test(a_last_segment_without_its_first_record_refuses),
        cmocka_unit_test(a_segment_of_another_number_is_not_taken),
        cmocka_unit_test(data_that_was_durable_is_told_as_gone_a_torn_batch_is_cut),
        cmocka_unit_test(a_log_that_ends_early_goes_on_above_what_was_applied),
        cmocka_unit_test(a_missing_segment_before_others_refuses_when_the_database_ends_in_it),
        cmocka_unit_test(an_unborn_segment_is_swept_away),
        cmocka_unit_test(zeros_ahead_are_no_part_of_the_log),
    };

    quick_disk();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
