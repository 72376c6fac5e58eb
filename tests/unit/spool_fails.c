/* spool_fails.c - the log on a disk whose calls fail: one, some, or from some time on all. */
#include "tests/unit/faildisk.h"

/* Fail the n-th call, n = 1, 2, 3 ... until a whole feed has gone through. */
static void fail_each_call(const char *name, long more, bool kill)
{
    long n;
    unsigned troubles = 0;

    for (n = 1;; n++) {
        const char *dir = kit_path("%s-%ld", name, n);
        struct artlog_options o = { .dir = dir, .segment_bytes = 5000, .fsync = FSYNC_ALWAYS, .writable = true };
        struct feed f = { 0 };
        struct kit_told t;
        struct err e = { 0 };
        struct artlog *l;

        disk_begin(n, more);
        do
            l = artlog_open(&o, &e);
        while (l == NULL && disk.calls < n + more + 20);
        assert_non_null(l);
        if (kit_recover(l, 0, nowhere, &t, &e) < 0)
            fail_msg("call %ld: %s", n, e.text);
        feed(l, &f);
        assert_true(f.stored >= BATCHES * 3);
        if (!kill)
            artlog_close(&l);
        disk_use(&quick);
        /* when the disk did not even let us cut off what was given up, it may be there */
        all_stored(dir, &f, !f.given_up || more == 0, n);
        artlog_close(&l);
        troubles += f.troubles;
        if (disk.calls < n)
            break;
    }
    print_message("# %s: %ld calls, %u troubles told\n", name, n, troubles);
    assert_true(n > 20 && troubles > 0);
}

static void a_failing_call_loses_and_doubles_nothing(void **state)
{
    (void)state;
    fail_each_call("one", 0, false);
}

static void a_disk_failing_for_a_while_loses_and_doubles_nothing(void **state)
{
    (void)state;
    fail_each_call("many", 7, false);
}

static void a_failing_call_then_a_kill_loses_and_doubles_nothing(void **state)
{
    (void)state;
    fail_each_call("kill", 0, true);
    fail_each_call("kills", 2, true);
}

/* Chosen calls fail. */
static bool sync_fails, cut_fails, write_fails;

static int chosen_fdatasync(int fd)
{
    return sync_fails ? (errno = EIO, -1) : disk.real->fdatasync(fd);
}

static int chosen_ftruncate(int fd, off_t size)
{
    return cut_fails ? (errno = EIO, -1) : disk.real->ftruncate(fd, size);
}

static ssize_t chosen_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    return write_fails ? (errno = ENOSPC, -1) : disk.real->pwritev(fd, v, n, at);
}

static struct artlog *chosen_log(const char *dir)
{
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 1 << 20, &t);

    kit_put(l, 1, 2, 300);
    disk_begin(0, 0);
    disk.ops.fdatasync = chosen_fdatasync;
    disk.ops.ftruncate = chosen_ftruncate;
    disk.ops.pwritev = chosen_pwritev;
    sync_fails = cut_fails = write_fails = false;
    return l;
}

static void holds(struct artlog **l, const char *dir, uint64_t tags)
{
    struct kit_told t;

    disk_use(&quick);
    artlog_close(l);
    *l = kit_log_recovered(dir, 1 << 20, &t);
    assert_true(t.articles == tags && t.last_tag == tags && artlog_cut(*l) == 0);
    artlog_close(l);
}

static void nothing_is_written_where_a_cut_has_failed(void **state)
{
    const char *dir = kit_path("owed");
    struct artlog *l = chosen_log(dir);
    struct err e = { 0 };

    (void)state;
    assert_int_equal(kit_append(l, 90, 5, 300, NULL, &e), 0);
    sync_fails = cut_fails = true;
    assert_int_equal(artlog_sync(l, &e), -1);
    sync_fails = false;
    assert_int_equal(kit_append(l, 3, 1, 300, NULL, &e), -1);
    cut_fails = false, sync_fails = true;
    assert_int_equal(kit_append(l, 3, 1, 300, NULL, &e), -1);
    sync_fails = false;
    assert_int_equal(kit_append(l, 3, 1, 300, NULL, &e), 0);
    assert_int_equal(artlog_sync(l, &e), 0);
    holds(&l, dir, 3);
}

/* Batch A is written and waits for its sync, B fails to be written, the sync that B's cut
 * needs fails: A is gone too, and its artlog_sync must say so. */
static void a_batch_lost_by_another_ones_cut_is_told_lost(void **state)
{
    const char *dir = kit_path("lost");
    struct artlog *l = chosen_log(dir);
    struct err e = { 0 };

    (void)state;
    assert_int_equal(kit_append(l, 90, 1, 300, NULL, &e), 0);
    write_fails = true;
    assert_int_equal(kit_append(l, 91, 1, 300, NULL, &e), -1);
    write_fails = false, sync_fails = true;
    assert_int_equal(kit_append(l, 92, 1, 300, NULL, &e), -1);
    sync_fails = false;
    assert_int_equal(kit_append(l, 93, 1, 300, NULL, &e), 0);
    assert_int_equal(artlog_sync(l, &e), -1);        /* for 90, and 93 with it */
    assert_int_equal(kit_append(l, 3, 1, 300, NULL, &e), 0);
    assert_int_equal(artlog_sync(l, &e), 0);
    holds(&l, dir, 3);
}

/* The disk fails for good at call n and the program is killed: what was told stored is there. */
static void a_disk_failing_for_good_keeps_what_was_promised(void **state)
{
    long n;

    (void)state;
    for (n = 1;; n++) {
        const char *dir = kit_path("dead-%ld", n);
        struct artlog_options o = { .dir = dir, .segment_bytes = 5000, .fsync = FSYNC_ALWAYS, .writable = true };
        struct feed f = { 0 };
        struct kit_told t;
        struct err e = { 0 };
        struct artlog *l;

        disk_begin(n, 1 << 30);
        if ((l = artlog_open(&o, &e)) != NULL && kit_recover(l, 0, nowhere, &t, &e) >= 0)
            feed(l, &f);
        disk_use(&quick);
        all_stored(dir, &f, false, n);
        artlog_close(&l);
        if (disk.calls < n)
            break;
        assert_true(f.stored <= BATCHES * 3);
    }
    assert_true(n > 20);
}

/* I2: what was published is not cut off, whatever fails; its numbers are not given again. */
static void interval_and_never_keep_what_was_told(void **state)
{
    (void)state;
    for (int how = FSYNC_INTERVAL; how <= FSYNC_NEVER; how++)
        for (long n = 1; n < 200; n++) {
            const char *dir = kit_path("lazy%d-%ld", how, n);
            struct artlog_options o = { .dir = dir, .segment_bytes = 5000, .fsync = (enum artlog_fsync)how,
                                        .fsync_interval_us = 1, .writable = true };
            struct feed f = { 0 };
            struct kit_told t;
            struct err e = { 0 };
            struct artlog *l;

            disk_begin(n, 0);
            /* here a failed sync loses nothing but itself: what it should have done is not promised */
            disk.ops.fdatasync = bad_fsync;
            while ((l = artlog_open(&o, &e)) == NULL)
                ;
            if (kit_recover(l, 0, nowhere, &t, &e) < 0)
                fail_msg("%s", e.text);
            feed(l, &f);
            assert_true(f.stored >= BATCHES * 3);
            artlog_close(&l);
            disk_use(&quick);
            all_stored(dir, &f, true, n);
            if (disk.calls < n)
                break;
            assert_true(n < 199);
        }
}

/* Blocks and zeros ahead of the end are for speed alone. */
static void no_room_ahead_is_no_trouble(void **state)
{
    const char *dir = kit_path("ahead");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 1 << 20, &t);

    (void)state;
    kit_put(l, 1, 3, 100);
    for (long n = 1; n <= 4; n++) {              /* asking for blocks, zeros, their sync; nothing */
        artlog_close(&l);
        l = kit_log_recovered(dir, 1 << 20, &t);
        assert_int_equal(t.last_tag, 3 * n);
        disk_begin(n < 4 ? n : 0, 0);
        kit_put(l, 3 * (uint64_t)n + 1, 3, 100);
        assert_true(disk.calls >= 5);
        disk_use(&quick);
    }
    artlog_close(&l);
}

static long reads, bad_read;

static ssize_t some_pread(int fd, void *p, size_t n, off_t at)
{
    return ++reads == bad_read ? (errno = EIO, -1) : disk.real->pread(fd, p, n, at);
}

/* A sector that cannot be read is an error with a sentence, and when it can be again all goes on. */
static void a_failing_read_is_told_and_the_reader_goes_on(void **state)
{
    const char *dir = kit_path("reads");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 5000, &t);
    struct record r;
    struct log_pos pos;

    (void)state;
    kit_put(l, 1, 20, 1000);
    disk_begin(0, 0);
    disk.ops = quick;
    disk.ops.pread = some_pread;
    for (bad_read = 1; bad_read == 1 || reads >= bad_read; bad_read++) {
        struct err e = { 0 };
        struct log_reader *in = log_reader_new(l, 1);
        uint64_t told = 0;
        unsigned troubles = 0;
        int rc;

        reads = 0;
        disk_use(&disk.ops);
        while ((rc = log_reader_next(in, &r, &pos, &e)) != 0)
            if (rc < 0)
                troubles++;
            else if (r.kind == RECORD_ARTICLE)
                assert_int_equal(kit_tag(r.data), ++told);
        disk_use(&quick);
        log_reader_free(&in);
        assert_int_equal(told, 20);
        assert_int_equal(troubles, reads >= bad_read);
        assert_true(troubles == 0 || e.sys == EIO);
    }
    assert_true(bad_read > 3);
    artlog_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failing_call_loses_and_doubles_nothing),
        cmocka_unit_test(a_disk_failing_for_a_while_loses_and_doubles_nothing),
        cmocka_unit_test(a_failing_call_then_a_kill_loses_and_doubles_nothing),
        cmocka_unit_test(nothing_is_written_where_a_cut_has_failed),
        cmocka_unit_test(a_batch_lost_by_another_ones_cut_is_told_lost),
        cmocka_unit_test(a_disk_failing_for_good_keeps_what_was_promised),
        cmocka_unit_test(interval_and_never_keep_what_was_told),
        cmocka_unit_test(no_room_ahead_is_no_trouble),
        cmocka_unit_test(a_failing_read_is_told_and_the_reader_goes_on),
    };

    quick_disk();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
