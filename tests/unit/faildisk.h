/* faildisk.h - a quick disk, one whose n-th call fails, and batches that are fed to a log on it. */
#ifndef FAILDISK_H
#define FAILDISK_H

#include <errno.h>

#include "tests/unit/spoolkit.h"

MAYBE_UNUSED static const struct log_pos nowhere;
static struct record_number numbers[RECORD_NUMBERS_MAX];

/* The kernel holds what is written for the test's life: thousands of real syncs prove nothing more. */
static struct disk_ops quick;

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

MAYBE_UNUSED static void poke(const char *path, uint64_t at, const void *p, size_t n)
{
    int fd = open(path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, p, n, (off_t)at), n);
    close(fd);
}

static void quick_disk(void)
{
    quick = *disk_table();
    quick.fdatasync = quick.fsync = no_sync;
    disk_use(&quick);
}

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

MAYBE_UNUSED static void disk_begin(long fail_at, long more)
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
MAYBE_UNUSED static void feed(struct artlog *l, struct feed *f)
{
    for (unsigned tries = 0; f->stored < BATCHES * 3 && tries < 200; tries++)
        store(l, f, f->troubles == 0 && f->stored + 3 <= BATCHES * 3 ? 3 : 1);
    f->given_up = !store(l, f, 3);
}

/* All that was stored is there, once, in order, where it was said to be; nothing else. */
MAYBE_UNUSED static void all_stored(const char *dir, const struct feed *f, bool exact, long n)
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
    in = log_reader_new(l, 1);
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

#endif
