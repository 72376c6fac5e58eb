/* spool_artlog.c - append, read, send, follow. */
#include <errno.h>
#include <sys/wait.h>

#include "tests/unit/spoolkit.h"

static struct record_number numbers[RECORD_NUMBERS_MAX];

static void what_was_appended_is_read(void **state)
{
    const char *dir = kit_path("read");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 1 << 20, &t);
    struct buf scratch = { 0 }, want = { 0 };
    struct log_pos pos;
    struct record r;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(artlog_next_seq(l), 1);
    assert_int_equal(kit_append(l, 1000, 1, 4000, &pos, &e), 0);
    assert_int_equal(artlog_next_seq(l), 3);         /* the snapshot is record 1 */
    assert_int_equal(artlog_sync(l, &e), 0);
    kit_data(&want, 1000, 4000 + 1000 % 13);
    for (int with_size = 0; with_size < 2; with_size++) {
        pos.size = with_size ? pos.size : 0;
        assert_int_equal(artlog_read(l, &pos, &r, numbers, RECORD_NUMBERS_MAX, &scratch, &e), 0);
        assert_int_equal(r.seq, 2);
        assert_true(span_eq(r.data, buf_span(&want)) && span_eq(r.source, SPAN("kit")));
        assert_true(r.n_numbers == 1 && r.numbers[0].number == 1000);
    }
    pos.offset += 8;
    assert_int_equal(artlog_read(l, &pos, &r, numbers, RECORD_NUMBERS_MAX, &scratch, &e), -1);
    pos.offset = 1 << 19;
    assert_int_equal(artlog_read(l, &pos, &r, numbers, RECORD_NUMBERS_MAX, &scratch, &e), -1);
    pos.segment = 9;
    assert_int_equal(artlog_read(l, &pos, &r, numbers, RECORD_NUMBERS_MAX, &scratch, &e), -1);
    buf_fini(&scratch);
    buf_fini(&want);
    artlog_close(&l);
}

static void a_descriptor_sends_exactly_the_data(void **state)
{
    struct kit_told t;
    struct artlog *l = kit_log_recovered(kit_path("fd"), 1 << 20, &t);
    struct buf want = { 0 };
    struct log_pos pos;
    struct err e = { 0 };
    uint64_t at, len;
    void *hold;
    char got[2000];
    int fd;

    (void)state;
    assert_int_equal(kit_append(l, 5, 3, 900, &pos, &e), 0);
    assert_int_equal(artlog_sync(l, &e), 0);
    kit_data(&want, 5, 905);
    fd = artlog_fd_get(l, &pos, &at, &len, &hold, &e);
    assert_true(fd >= 0);
    assert_int_equal(len, buf_len(&want));
    assert_int_equal(pread(fd, got, sizeof got, (off_t)at) >= (ssize_t)len, 1);
    assert_memory_equal(got, buf_data(&want), len);
    artlog_fd_put(hold);
    pos.offset += 16;
    assert_int_equal(artlog_fd_get(l, &pos, &at, &len, &hold, &e), -1);
    buf_fini(&want);
    artlog_close(&l);
}

/* Read on until nothing comes; each article's tag is the last one's plus one. */
static uint64_t follow(struct log_reader *in, uint64_t last)
{
    struct record r;
    struct log_pos pos;
    struct err e = { 0 };
    int rc;

    while ((rc = log_reader_next(in, &r, &pos, &e)) == 1) {
        if (r.kind == RECORD_SNAPSHOT)
            continue;
        if (kit_tag(r.data) != last + 1)
            fail_msg("after %llu came %llu", (unsigned long long)last, (unsigned long long)kit_tag(r.data));
        last++;
    }
    if (rc != 0)
        fail_msg("%s", e.text);
    return last;
}

static void a_reader_follows_over_segments_and_stops_at_the_published(void **state)
{
    const char *dir = kit_path("follow");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 20000, &t);
    struct log_reader *in;
    struct err e = { 0 };
    uint64_t last = 0;

    (void)state;
    in = log_reader_new(l, 1);
    assert_int_equal(follow(in, 0), 0);
    for (unsigned i = 0; i < 100; i++) {
        kit_put(l, 1 + i * 5, 5, 500);
        last = follow(in, last);
        assert_int_equal(last, 5 + i * 5);
    }
    assert_int_equal(kit_append(l, 501, 1, 500, NULL, &e), 0);
    assert_int_equal(artlog_sync(l, &e), 0);
    assert_int_equal(follow(in, last), 500);         /* durable, but nobody has said so */
    artlog_publish(l, artlog_next_seq(l) - 1);
    assert_int_equal(follow(in, last), 501);
    assert_true(log_reader_seq(in) == artlog_next_seq(l));
    log_reader_free(&in);
    {
        struct log_pos end;

        artlog_end(l, &end);
        assert_true(end.segment > 10);
    }
    artlog_close(&l);
}

/* --- a segment's name is seen before its writer has noted it --------------- */

static struct artlog *looked_at;
static unsigned looks;

static int rename_and_look(const char *from, const char *to)
{
    int rc = rename(from, to);

    if (rc == 0 && looked_at != NULL) {
        struct log_reader *in = log_reader_new(looked_at, 1 << 20);
        struct log_pos pos;
        struct record r;
        struct err e;

        (void)artlog_first_seq(looked_at);                       /* scans, and opens what it finds */
        (void)log_reader_next(in, &r, &pos, &e);
        log_reader_free(&in);
        looks++;
    }
    return rc;
}

static void a_reader_that_opens_a_new_segment_first_is_no_harm(void **state)
{
    struct disk_ops ops = *disk_table();
    struct log_reader *in;
    struct kit_told t;
    struct err e = { 0 };
    uint64_t seq;

    (void)state;
    ops.rename = rename_and_look;
    disk_use(&ops);
    looked_at = kit_log_recovered(kit_path("early"), 20000, &t);
    for (unsigned i = 0; i < 100; i++) {
        artlog_publish(looked_at, UINT64_C(1) << 20);            /* so that a seek goes to the newest segment */
        kit_put(looked_at, 1 + i * 5, 5, 500);
        assert_int_equal(artlog_seq_at(looked_at, INT64_MAX, &seq, &e), 0);
    }
    assert_true(looks > 10);
    artlog_publish(looked_at, artlog_next_seq(looked_at) - 1);
    in = log_reader_new(looked_at, 1);
    assert_int_equal(follow(in, 0), 500);
    log_reader_free(&in);
    artlog_close(&looked_at);
    disk_use(NULL);
}

static void a_reader_starts_at_any_record(void **state)
{
    struct kit_told t;
    struct artlog *l = kit_log_recovered(kit_path("any"), 300000, &t);
    struct err e = { 0 };
    uint64_t end;

    (void)state;
    for (unsigned i = 0; i < 50; i++)
        kit_put(l, 1 + i * 100, 100, 10);
    end = artlog_next_seq(l);
    for (uint64_t seq = 1; seq < end; seq += seq < 20 ? 1 : 61) {
        struct log_reader *in = log_reader_new(l, seq);
        struct record r;
        struct log_pos pos;

        assert_int_equal(log_reader_next(in, &r, &pos, &e), 1);
        assert_int_equal(r.seq, seq);
        assert_int_equal(log_reader_seq(in), seq + 1);
        log_reader_free(&in);
    }
    artlog_close(&l);
}

/* The feeder: another process, read-only, told by the published word alone. */
static void a_second_process_follows(void **state)
{
    const char *dir = kit_path("second");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 20000, &t);
    int go[2], status;
    pid_t child;
    char c;

    (void)state;
    assert_int_equal(pipe(go), 0);
    if ((child = fork()) == 0) {
        struct artlog *f = kit_log(dir, 20000, false);
        struct log_reader *in = log_reader_new(f, 1);
        uint64_t last = 0;

        close(go[1]);
        while (read(go[0], &c, 1) == 1)
            last = follow(in, last);
        last = follow(in, last);
        log_reader_free(&in);
        artlog_close(&f);
        _exit(last == 600 ? 0 : 1);
    }
    close(go[0]);
    for (unsigned i = 0; i < 60; i++) {
        kit_put(l, 1 + i * 10, 10, 300);
        assert_int_equal(write(go[1], "x", 1), 1);
    }
    close(go[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    artlog_close(&l);
}

static void missing_segments_are_stepped_over(void **state)
{
    const char *dir = kit_path("missing");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 5000, &t);
    struct log_reader *in;
    struct record r;
    struct log_pos pos;
    struct err e = { 0 };
    uint64_t n = 0, seen[40] = { 0 }, last_seq = 0;

    (void)state;
    for (unsigned i = 0; i < 30; i++)
        kit_put(l, 1 + i * 5, 5, 1000);
    for (unsigned gone = 1; gone < 30; gone++)
        if (gone < 3 || gone == 10 || gone == 11 || gone == 20) {
            char *path = kit_segment(dir, gone);

            assert_int_equal(unlink(path), 0);
            free(path);
        }
    artlog_close(&l);
    l = kit_log(dir, 5000, false);
    in = log_reader_new(l, 1);
    while (log_reader_next(in, &r, &pos, &e) == 1) {
        assert_true(r.seq > last_seq);
        last_seq = r.seq;
        seen[pos.segment]++;
        n++;
    }
    assert_int_equal(n, 25 * 6);
    assert_true(seen[1] == 0 && seen[2] == 0 && seen[3] == 6 && seen[10] == 0 && seen[12] == 6 && seen[30] == 6);
    assert_int_equal(artlog_first_seq(l), 13);
    log_reader_free(&in);
    in = log_reader_new(l, 56);                  /* within segment 10 */
    assert_int_equal(log_reader_next(in, &r, &pos, &e), 1);
    assert_int_equal(pos.segment, 12);
    log_reader_free(&in);
    artlog_close(&l);
}

static void punched_data_is_told_as_gone(void **state)
{
    struct kit_told t;
    struct artlog *l = kit_log_recovered(kit_path("punch"), 1 << 20, &t);
    struct buf scratch = { 0 };
    struct log_reader *in;
    struct log_pos pos, at;
    struct record r;
    struct err e = { 0 };
    uint64_t from, len;
    void *hold;

    (void)state;
    kit_put(l, 1, 2, 20000);
    assert_int_equal(kit_append(l, 3, 1, 20000, &pos, &e), 0);
    assert_int_equal(artlog_sync(l, &e), 0);
    kit_put(l, 4, 2, 20000);
    assert_int_equal(artlog_punch(l, &pos, &e), 0);
    assert_int_equal(artlog_punch(l, &pos, &e), 0);
    in = log_reader_new(l, 2);
    for (uint64_t tag = 1; tag <= 5; tag++) {
        assert_int_equal(log_reader_next(in, &r, &at, &e), 1);
        assert_int_equal(kit_tag(r.data), tag == 3 ? 0 : tag);
        assert_int_equal((r.flags & RECORD_GONE) != 0, tag == 3);
        assert_int_equal(r.numbers[0].number, tag);
    }
    log_reader_free(&in);
    assert_int_equal(artlog_read(l, &pos, &r, numbers, RECORD_NUMBERS_MAX, &scratch, &e), 0);
    assert_int_equal(r.flags, RECORD_GONE);
    assert_int_equal(artlog_fd_get(l, &pos, &from, &len, &hold, &e), -1);
    buf_fini(&scratch);
    artlog_close(&l);
}

static void damaged_data_does_not_stop_a_reader_a_damaged_header_can_be_skipped(void **state)
{
    const char *dir = kit_path("damage");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 5000, &t);
    struct log_reader *in;
    struct log_pos pos, at;
    struct record r;
    struct err e = { 0 };
    char *path = kit_segment(dir, 1);
    int fd;

    (void)state;
    assert_int_equal(kit_append(l, 1, 6, 1000, &pos, &e), 0);
    assert_int_equal(artlog_sync(l, &e), 0);
    kit_put(l, 7, 2, 1000);
    assert_true((fd = open(path, O_RDWR)) >= 0);
    assert_int_equal(pwrite(fd, "XYZ", 3, (off_t)pos.offset + 600), 3);
    in = log_reader_new(l, 2);
    assert_int_equal(log_reader_next(in, &r, &at, &e), 1);
    assert_int_equal(r.flags, RECORD_GONE | RECORD_DAMAGED);
    assert_int_equal(r.data.n, 0);
    assert_int_equal(log_reader_next(in, &r, &at, &e), 1);
    assert_int_equal(kit_tag(r.data), 2);
    assert_int_equal(pwrite(fd, "XYZ", 3, (off_t)(at.offset + at.size) + 50), 3);
    log_reader_free(&in);                        /* it has read on already */
    in = log_reader_new(l, r.seq + 1);
    assert_int_equal(log_reader_next(in, &r, &at, &e), -1);
    assert_int_equal(log_reader_next(in, &r, &at, &e), -1);
    assert_int_equal(log_reader_skip(in, &e), 1);
    assert_int_equal(log_reader_next(in, &r, &at, &e), 1);
    assert_int_equal(r.kind, RECORD_SNAPSHOT);
    assert_int_equal(log_reader_next(in, &r, &at, &e), 1);
    assert_int_equal(kit_tag(r.data), 7);
    assert_int_equal(log_reader_skip(in, &e), 0);
    log_reader_free(&in);
    close(fd);
    free(path);
    artlog_close(&l);
}

/* What is published is there: a length that leads out of the file is damage, not the segment's end. */
static void a_record_that_is_cut_short_is_no_end_of_its_segment(void **state)
{
    for (int way = 0; way < 2; way++) {
        const char *dir = kit_path("cut%d", way);
        struct kit_told t;
        struct artlog *l = kit_log_recovered(dir, 5000, &t);
        struct log_reader *in;
        struct log_pos pos, at;
        struct record r;
        struct err e = { 0 };
        char *path = kit_segment(dir, 1);
        int fd;

        (void)state;
        assert_int_equal(kit_append(l, 1, 4, 1000, &pos, &e), 0);
        assert_int_equal(artlog_sync(l, &e), 0);
        kit_put(l, 5, 4, 1000);
        assert_true((fd = open(path, O_RDWR)) >= 0);
        in = log_reader_new(l, 2);
        assert_int_equal(log_reader_next(in, &r, &at, &e), 1);
        log_reader_free(&in);
        if (way == 0)
            assert_int_equal(pwrite(fd, "\x7f", 1, (off_t)(at.offset + at.size) + 27), 1);     /* of data's length */
        else
            assert_int_equal(ftruncate(fd, (off_t)(at.offset + at.size) + 200), 0);
        in = log_reader_new(l, 2);
        assert_int_equal(log_reader_next(in, &r, &at, &e), 1);
        assert_int_equal(log_reader_next(in, &r, &at, &e), -1);
        assert_int_equal(log_reader_next(in, &r, &at, &e), -1);
        assert_int_equal(log_reader_seq(in), 3);
        log_reader_free(&in);
        in = log_reader_new(l, 4);           /* walking over it */
        assert_int_equal(log_reader_next(in, &r, &at, &e), -1);
        log_reader_free(&in);
        close(fd);
        free(path);
        artlog_close(&l);
    }
}

static void a_time_finds_the_first_record_that_arrived_then(void **state)
{
    struct kit_told t;
    struct artlog *l = kit_log_recovered(kit_path("time"), 5000, &t);
    struct buf scratch = { 0 };
    struct err e = { 0 };
    uint64_t seq;

    (void)state;
    assert_int_equal(artlog_seq_at(l, 5, &seq, &e), 0);
    assert_int_equal(seq, 1);
    for (unsigned i = 0; i < 20; i++)
        kit_put(l, 1 + i * 5, 5, 1000);          /* record of tag n arrives at n ms */
    for (unsigned tag = 1; tag <= 100; tag += 7) {
        struct log_reader *in;
        struct record r;
        struct log_pos pos;

        assert_int_equal(artlog_seq_at(l, (int64_t)tag * 1000, &seq, &e), 0);
        in = log_reader_new(l, seq);
        assert_int_equal(log_reader_next(in, &r, &pos, &e), 1);
        if (r.kind == RECORD_SNAPSHOT)
            assert_int_equal(log_reader_next(in, &r, &pos, &e), 1);
        assert_int_equal(kit_tag(r.data), tag);
        log_reader_free(&in);
    }
    assert_int_equal(artlog_seq_at(l, 101 * 1000, &seq, &e), 0);
    assert_int_equal(seq, artlog_next_seq(l));
    buf_fini(&scratch);
    artlog_close(&l);
}

static void write_snapshot(struct buf *data, void *arg)
{
    ++*(int *)arg;
    buf_puts(data, "all groups");
}

static void every_segment_begins_with_a_snapshot_durable_before_its_records(void **state)
{
    const char *dir = kit_path("snap");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 3000, &t);
    struct log_reader *in;
    struct record r;
    struct log_pos pos;
    struct err e = { 0 };
    int made = 0, seen = 0;

    (void)state;
    artlog_on_segment(l, write_snapshot, &made);
    for (unsigned i = 0; i < 10; i++)
        kit_put(l, 1 + i * 3, 3, 1000);
    assert_int_equal(made, 10);
    in = log_reader_new(l, 1);
    while (log_reader_next(in, &r, &pos, &e) == 1) {
        assert_int_equal(r.kind == RECORD_SNAPSHOT, pos.offset == 64);
        if (r.kind == RECORD_SNAPSHOT) {
            seen++;
            assert_true(span_eq(r.data, SPAN("all groups")));
        }
    }
    assert_int_equal(seen, 10);
    log_reader_free(&in);
    artlog_close(&l);
}

/* Offsets beyond 4 GB: the last record of a segment that is made long by a hole. */
static void records_lie_beyond_four_gigabytes(void **state)
{
    const char *dir = kit_path("far");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, UINT64_C(1) << 40, &t);
    struct err e = { 0 };
    struct log_pos pos, end, far = { .segment = 1, .offset = (UINT64_C(5) << 30) + 8 };
    char *path = kit_segment(dir, 1);
    struct buf scratch = { 0 };
    struct record r;
    uint64_t at, len;
    void *hold;

    (void)state;
    kit_put(l, 1, 1, 100);
    artlog_close(&l);
    assert_int_equal(truncate(path, (off_t)far.offset), 0);
    l = kit_log(dir, UINT64_C(1) << 40, true);
    /* the database says: record 5,000,000,000 ended there */
    assert_int_equal(kit_recover(l, UINT64_C(5000000000), far, &t, &e), 0);
    assert_false(t.behind);
    assert_int_equal(kit_append(l, 77, 2, 100, &pos, &e), 0);
    assert_int_equal(artlog_sync(l, &e), 0);
    assert_true(pos.offset == far.offset && artlog_next_seq(l) == UINT64_C(5000000003));
    assert_int_equal(artlog_read(l, &pos, &r, numbers, RECORD_NUMBERS_MAX, &scratch, &e), 0);
    assert_true(r.seq == UINT64_C(5000000001) && kit_tag(r.data) == 77);
    assert_true(artlog_fd_get(l, &pos, &at, &len, &hold, &e) >= 0);
    assert_true(at > far.offset);
    artlog_fd_put(hold);
    artlog_end(l, &end);
    artlog_close(&l);
    l = kit_log(dir, UINT64_C(1) << 40, true);
    assert_int_equal(kit_recover(l, UINT64_C(5000000000), far, &t, &e), 2);
    assert_true(t.first_tag == 77 && t.last_tag == 78);
    artlog_close(&l);
    buf_fini(&scratch);
    unlink(path);
    free(path);
}

static void the_published_word_outlives_its_writer(void **state)
{
    const char *dir = kit_path("word");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 5000, &t), *f;
    struct artlog_options o = { .dir = kit_path("nowhere"), .segment_bytes = 5000 };
    struct err e = { 0 };

    (void)state;
    artlog_publish(l, UINT64_C(1) << 40);
    f = kit_log(dir, 5000, false);
    assert_true(artlog_published(f) == UINT64_C(1) << 40);
    artlog_publish(l, 3);
    assert_int_equal(artlog_published(f), 3);
    artlog_close(&l);
    assert_int_equal(artlog_published(f), 3);
    artlog_close(&f);
    assert_null(artlog_open(&o, &e));                /* a reader makes nothing */
    assert_true(e.text[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_appended_is_read),
        cmocka_unit_test(a_descriptor_sends_exactly_the_data),
        cmocka_unit_test(a_reader_follows_over_segments_and_stops_at_the_published),
        cmocka_unit_test(a_reader_that_opens_a_new_segment_first_is_no_harm),
        cmocka_unit_test(a_reader_starts_at_any_record),
        cmocka_unit_test(a_second_process_follows),
        cmocka_unit_test(missing_segments_are_stepped_over),
        cmocka_unit_test(punched_data_is_told_as_gone),
        cmocka_unit_test(damaged_data_does_not_stop_a_reader_a_damaged_header_can_be_skipped),
        cmocka_unit_test(a_record_that_is_cut_short_is_no_end_of_its_segment),
        cmocka_unit_test(a_time_finds_the_first_record_that_arrived_then),
        cmocka_unit_test(every_segment_begins_with_a_snapshot_durable_before_its_records),
        cmocka_unit_test(records_lie_beyond_four_gigabytes),
        cmocka_unit_test(the_published_word_outlives_its_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
