/* spool_recover.c - the log after torn writes, damage and failing disks. */
#include <errno.h>

#include "tests/unit/spoolkit.h"

static struct record_number numbers[RECORD_NUMBERS_MAX];

/* The kernel holds what is written for the test's life: thousands of real syncs prove nothing more. */
static struct disk_ops quick;

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}
static const struct log_pos nowhere;

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
    in = log_reader_new(l, 1, &e);
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
    in = log_reader_new(l, s.applied + 1, &e);
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

static void poke(const char *path, uint64_t at, const void *p, size_t n)
{
    int fd = open(path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, p, n, (off_t)at), n);
    close(fd);
}

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
    in = log_reader_new(l, s.applied + 1, &e);
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
        in = log_reader_new(l, s.applied, &e);
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

/* ---- failing disks ------------------------------------------------------ */

/* A disk whose n-th call fails (and 'more' after it).  A write that fails has written a
 * part; an fdatasync that fails has lost what it should have made durable. */
static struct {
    const struct disk_ops *real;
    struct disk_ops ops;
    long calls, fail_at, more;
    uint64_t unsynced[1024];           /* by descriptor: the lowest octet written since the last good sync */
} disk;

static bool fails(void)
{
    long n = ++disk.calls;

    if (disk.fail_at == 0 || n < disk.fail_at || n > disk.fail_at + disk.more)
        return false;
    errno = n % 2 ? ENOSPC : EIO;
    return true;
}

static int bad_open(const char *path, int flags, mode_t mode)
{
    int fd;

    if ((flags & O_CREAT) && fails())
        return -1;
    fd = disk.real->open(path, flags, mode);
    if (fd >= 0 && fd < 1024)
        disk.unsynced[fd] = UINT64_MAX;
    return fd;
}

static ssize_t bad_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    struct iovec part = v[0];

    if ((uint64_t)at < disk.unsynced[fd])
        disk.unsynced[fd] = (uint64_t)at;
    if (!fails())
        return disk.real->pwritev(fd, v, n, at);
    part.iov_len /= 2;
    (void)disk.real->pwritev(fd, &part, 1, at);
    return -1;
}

static int bad_fdatasync(int fd)
{
    uint64_t from = disk.unsynced[fd], size = (uint64_t)disk_size(fd);
    char *zero;

    disk.unsynced[fd] = UINT64_MAX;
    if (!fails())
        return 0;                        /* the kernel holds it for the test's life */
    if (from < size) {
        zero = xcalloc(1, size);
        assert_true(pwrite(fd, zero, size - from, (off_t)from) > 0);
        free(zero);
    }
    errno = EIO;
    return -1;
}

static int bad_ftruncate(int fd, off_t size)
{
    return fails() ? -1 : disk.real->ftruncate(fd, size);
}

static int bad_fsync(int fd)
{
    (void)fd;
    return fails() ? -1 : 0;
}

static int bad_fallocate(int fd, int mode, off_t at, off_t len)
{
    return fails() ? -1 : disk.real->fallocate(fd, mode, at, len);
}

static int bad_rename(const char *from, const char *to)
{
    return fails() ? -1 : disk.real->rename(from, to);
}

static int bad_unlink(const char *path)
{
    return fails() ? -1 : disk.real->unlink(path);
}

static void disk_begin(long fail_at, long more)
{
    disk.real = disk_table();
    disk.ops = *disk.real;
    disk.ops.open = bad_open;
    disk.ops.pwritev = bad_pwritev;
    disk.ops.fdatasync = bad_fdatasync;
    disk.ops.fsync = bad_fsync;
    disk.ops.ftruncate = bad_ftruncate;
    disk.ops.fallocate = bad_fallocate;
    disk.ops.rename = bad_rename;
    disk.ops.unlink = bad_unlink;
    disk.calls = 0;
    disk.fail_at = fail_at;
    disk.more = more;
    disk_use(&disk.ops);
}

#define BATCHES 12
struct feed { uint64_t stored, applied; struct log_pos end, place[BATCHES * 3 + 4]; unsigned troubles; bool given_up; };

static bool store(struct artlog *l, struct feed *f, unsigned n)
{
    struct log_pos first;
    struct err e = { 0 };

    if (kit_append(l, f->stored + 1, n, 700, &first, &e) != 0 || artlog_sync(l, &e) != 0) {
        assert_true(e.text[0] != '\0');
        f->troubles++;
        return false;
    }
    for (unsigned k = 0; k < n; k++)
        f->place[++f->stored] = k == 0 ? first : nowhere;
    f->applied = artlog_next_seq(l) - 1;
    artlog_publish(l, f->applied);
    artlog_end(l, &f->end);
    return true;
}

/* Store batch after batch; after trouble a peer offers the articles again, one by
 * one; the last batch is not tried again.  What was told "stored" is noted. */
static void feed(struct artlog *l, struct feed *f)
{
    for (unsigned tries = 0; f->stored < BATCHES * 3 && tries < 200; tries++)
        store(l, f, f->troubles == 0 && f->stored + 3 <= BATCHES * 3 ? 3 : 1);
    f->given_up = !store(l, f, 3);
}

/* All that was stored is there, once, in order, where it was said to be; nothing else. */
static void all_stored(const char *dir, const struct feed *f, bool exact, long n)
{
    struct artlog *l = kit_log(dir, 5000, true);
    struct buf scratch = { 0 };
    struct kit_told t;
    struct err e = { 0 };
    struct record r;
    struct log_reader *in;
    struct log_pos pos;
    uint64_t tag = 0;

    if (kit_recover(l, f->applied, f->end, &t, &e) < 0 || t.behind)
        fail_msg("call %ld: %s", n, e.text);
    if (exact && artlog_cut(l) != 0)
        fail_msg("call %ld: %llu octets too many were left", n, (unsigned long long)artlog_cut(l));
    assert_true(artlog_next_seq(l) > f->applied);
    for (uint64_t i = 1; i <= f->stored; i++)
        if (f->place[i].segment != 0) {
            assert_int_equal(artlog_read(l, &f->place[i], &r, numbers, RECORD_NUMBERS_MAX, &scratch, &e), 0);
            assert_int_equal(kit_tag(r.data), i);
        }
    artlog_publish(l, artlog_next_seq(l) - 1);
    in = log_reader_new(l, 1, &e);
    while (log_reader_next(in, &r, &pos, &e) == 1) {
        if (r.kind == RECORD_SNAPSHOT)
            continue;
        tag++;
        if (r.flags & RECORD_GONE)
            fail_msg("call %ld: record %llu has no data", n, (unsigned long long)r.seq);
        if (kit_tag(r.data) != tag)
            fail_msg("call %ld: tag %llu instead of %llu", n, (unsigned long long)kit_tag(r.data), (unsigned long long)tag);
    }
    if (exact ? tag != f->stored : tag < f->stored)
        fail_msg("call %ld: %llu stored, %llu there", n, (unsigned long long)f->stored, (unsigned long long)tag);
    log_reader_free(&in);
    buf_fini(&scratch);
    artlog_close(&l);
}

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

/* ---- power cuts --------------------------------------------------------- */

/* Of each file only what was synced is sure; of what was written since, any part may be there,
 * with holes; a new name is sure when its directory was synced. */
static struct {
    struct disk_file {
        char path[400], was[400];
        uint64_t durable;                        /* the size at the last sync  */
        bool name_durable;
        struct { uint64_t at, n; } unsynced[40]; /* what was written since     */
        int n_unsynced;
    } file[64];
    int n;
    bool off;
} power;

static struct disk_file *file_of(int fd)
{
    char link[40], path[400];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    assert_true(n > 0);
    path[n] = '\0';
    for (int i = 0; i < power.n; i++)
        if (strcmp(power.file[i].path, path) == 0)
            return &power.file[i];
    assert_true(power.n < 64);
    power.file[power.n] = (struct disk_file){ .durable = 0 };
    snprintf(power.file[power.n].path, sizeof power.file[0].path, "%s", path);
    return &power.file[power.n++];
}

/* Is this the call at which the power goes?  Then nothing happens any more. */
static bool cut_now(void)
{
    power.off |= ++disk.calls == disk.fail_at;
    errno = EIO;
    return power.off;
}

static int cut_open(const char *path, int flags, mode_t mode)
{
    return (flags & O_CREAT) && cut_now() ? -1 : disk.real->open(path, flags, mode);
}

static ssize_t cut_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    struct iovec part = v[0];
    struct disk_file *f;
    ssize_t wrote;

    if (cut_now() && disk.calls != disk.fail_at)
        return -1;
    part.iov_len = kit_random() % (part.iov_len + 1);
    wrote = power.off ? disk.real->pwritev(fd, &part, 1, at) : disk.real->pwritev(fd, v, n, at);
    f = file_of(fd);
    assert_true(f->n_unsynced < 40);
    f->unsynced[f->n_unsynced].at = (uint64_t)at;
    f->unsynced[f->n_unsynced++].n = (uint64_t)wrote;
    return power.off ? -1 : wrote;
}

static int cut_fdatasync(int fd)
{
    if (cut_now())
        return -1;
    file_of(fd)->durable = (uint64_t)disk_size(fd);
    file_of(fd)->n_unsynced = 0;
    return 0;
}

static int cut_fsync(int fd)
{
    (void)fd;
    if (cut_now())
        return -1;
    for (int i = 0; i < power.n; i++)
        power.file[i].name_durable = true;
    return 0;
}

static int cut_rename(const char *from, const char *to)
{
    if (cut_now())
        return -1;
    for (int i = 0; i < power.n; i++)
        if (strcmp(power.file[i].path, from) == 0) {
            snprintf(power.file[i].was, sizeof power.file[i].was, "%s", from);
            snprintf(power.file[i].path, sizeof power.file[i].path, "%s", to);
        }
    return disk.real->rename(from, to);
}

static int cut_ftruncate(int fd, off_t size)
{
    return cut_now() ? -1 : disk.real->ftruncate(fd, size);
}

static int cut_fallocate(int fd, int mode, off_t at, off_t len)
{
    return cut_now() ? -1 : disk.real->fallocate(fd, mode, at, len);
}

/* Of an unsynced write all is there, or nothing, or some of its sectors. */
static void lose_sectors(const struct disk_file *f, uint64_t at, uint64_t n)
{
    char zeros[512] = { 0 };
    uint64_t how = kit_random() % 4, size = kit_file_size(f->path);

    for (uint64_t p = at; how > 0 && p < at + n && p < size; p = (p / 512 + 1) * 512) {
        uint64_t end = (p / 512 + 1) * 512;

        end = end < at + n ? end : at + n;
        if (how == 1 || kit_random() % 2)
            poke(f->path, p, zeros, (end < size ? end : size) - p);
    }
}

/* What the disk has when the power is back. */
static void power_back(void)
{
    disk_use(&quick);
    for (int i = 0; i < power.n; i++) {
        struct disk_file *f = &power.file[i];
        uint64_t size = access(f->path, F_OK) == 0 ? kit_file_size(f->path) : 0;

        if (size > f->durable)
            assert_int_equal(truncate(f->path, (off_t)(f->durable + kit_random() % (size - f->durable + 1))), 0);
        for (int k = 0; k < f->n_unsynced && size > 0; k++)
            lose_sectors(f, f->unsynced[k].at, f->unsynced[k].n);
        if (!f->name_durable && f->was[0] != '\0' && size > 0 && kit_random() % 2)
            assert_int_equal(rename(f->path, f->was), 0);
    }
}

/* With "never" nothing was promised, but the log must open, and hold a beginning of what was written. */
static void a_beginning_is_there(const char *dir, long n)
{
    struct artlog *l = kit_log(dir, 5000, true);
    struct kit_told t;
    struct err e = { 0 };

    if (kit_recover(l, 0, nowhere, &t, &e) < 0)
        fail_msg("call %ld: %s", n, e.text);
    assert_true(t.articles == 0 || t.last_tag == t.articles + t.gone);
    artlog_close(&l);
}

static void power_cuts(enum artlog_fsync how)
{
    for (int round = 0; round < 3; round++)
        for (long n = 1;; n++) {
            char *dir = xstrdup(kit_path("power%d%d-%ld", how, round, n));
            struct artlog_options o = { .dir = dir, .segment_bytes = 5000, .fsync = how, .writable = true };
            struct feed f = { 0 };
            struct kit_told t;
            struct err e = { 0 };
            struct artlog *l;

            disk_begin(n, 0);
            power.n = 0;
            power.off = false;
            disk.ops = (struct disk_ops){ .open = cut_open, .close = disk.real->close, .pread = disk.real->pread,
                .pwritev = cut_pwritev, .fdatasync = cut_fdatasync, .fsync = cut_fsync, .ftruncate = cut_ftruncate,
                .fallocate = cut_fallocate, .rename = cut_rename, .unlink = disk.real->unlink };
            if ((l = artlog_open(&o, &e)) != NULL && kit_recover(l, 0, nowhere, &t, &e) >= 0)
                feed(l, &f);
            power_back();
            if (how == FSYNC_ALWAYS)
                all_stored(dir, &f, false, n);
            else
                a_beginning_is_there(dir, n);
            if (l != NULL) {
                disk_use(&disk.ops);             /* its closing must not touch what is there now */
                power.off = true;
                artlog_close(&l);
                disk_use(&quick);
            }
            free(dir);
            if (disk.calls < n)
                break;
        }
}

static void a_power_cut_at_any_call_keeps_what_was_promised(void **state)
{
    (void)state;
    power_cuts(FSYNC_ALWAYS);
}

static void a_power_cut_tears_the_last_segment_alone_even_without_syncs(void **state)
{
    (void)state;
    power_cuts(FSYNC_NEVER);
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
    in = log_reader_new(l, 1, &e);
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
        cmocka_unit_test(a_failing_call_loses_and_doubles_nothing),
        cmocka_unit_test(a_disk_failing_for_a_while_loses_and_doubles_nothing),
        cmocka_unit_test(a_failing_call_then_a_kill_loses_and_doubles_nothing),
        cmocka_unit_test(nothing_is_written_where_a_cut_has_failed),
        cmocka_unit_test(a_batch_lost_by_another_ones_cut_is_told_lost),
        cmocka_unit_test(a_disk_failing_for_good_keeps_what_was_promised),
        cmocka_unit_test(a_power_cut_at_any_call_keeps_what_was_promised),
        cmocka_unit_test(a_power_cut_tears_the_last_segment_alone_even_without_syncs),
        cmocka_unit_test(interval_and_never_keep_what_was_told),
        cmocka_unit_test(no_room_ahead_is_no_trouble),
        cmocka_unit_test(zeros_ahead_are_no_part_of_the_log),
    };

    quick = *disk_table();
    quick.fdatasync = quick.fsync = no_sync;
    disk_use(&quick);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
