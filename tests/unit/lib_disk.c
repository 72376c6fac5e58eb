/* lib_disk.c - whole reads and writes, whole files, and errors that are told. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/mem.h"
#include "tests/kit.h"

/* A table that works like the real one, but grudgingly: interrupted, short, or failing. */
static struct disk_ops grudging;
static const struct disk_ops *real;
static int calls, interrupts, fail_rename, zero_writes;

static int interrupted(void)
{
    if (interrupts > 0 && ++calls % 2 == 1) {
        errno = EINTR;
        return 1;
    }
    return 0;
}

static ssize_t short_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    struct iovec one = v[0];

    (void)n;
    if (zero_writes)
        return 0;
    if (interrupted())
        return -1;
    one.iov_len = one.iov_len > 7 ? 7 : one.iov_len;
    return real->pwritev(fd, &one, 1, at);
}

static ssize_t short_pread(int fd, void *p, size_t n, off_t at)
{
    return interrupted() ? -1 : real->pread(fd, p, n > 5 ? 5 : n, at);
}

static int slow_sync(int fd)
{
    return interrupted() ? -1 : real->fdatasync(fd);
}

static int no_rename(const char *from, const char *to)
{
    if (!fail_rename)
        return real->rename(from, to);
    errno = EIO;
    return -1;
}

static int set_up(void **state)
{
    (void)state;
    disk_use(NULL);
    real = disk_table();
    grudging = *real;
    grudging.pwritev = short_pwritev;
    grudging.pread = short_pread;
    grudging.fdatasync = slow_sync;
    grudging.rename = no_rename;
    calls = interrupts = fail_rename = zero_writes = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    disk_use(NULL);
    return 0;
}

static int scratch(const char *name)
{
    int fd = disk_open(kit_path("%s", name), O_RDWR | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    return fd;
}

static void write_many(int n, int len)
{
    struct iovec *v = xcalloc((size_t)n, sizeof *v);
    char *all = xmalloc((size_t)(n * len) + 1), *back = xmalloc((size_t)(n * len) + 1);
    size_t size = 0;
    int fd = scratch("many");

    for (int i = 0; i < n; i++) {
        size_t k = (size_t)(i % (len + 1));                 /* empty ones among them */

        memset(all + size, 'a' + i % 26, k);
        v[i] = (struct iovec){ all + size, k };
        size += k;
    }
    assert_int_equal(disk_writev(fd, v, n, 3), 0);
    assert_int_equal(disk_size(fd), size + 3);
    assert_int_equal(disk_read(fd, back, size + 1, 3), size);   /* one less than asked for: the end */
    assert_memory_equal(back, all, size);
    disk_close(fd);
    free(all);
    free(back);
    free(v);
}

static void more_pieces_than_the_system_takes_are_written(void **state)
{
    (void)state;
    write_many(3 * IOV_MAX + 17, 9);
}

static void short_and_interrupted_calls_are_gone_on_with(void **state)
{
    (void)state;
    disk_use(&grudging);
    interrupts = 1;
    write_many(500, 40);
}

static void a_sync_is_made_again_after_an_interrupt(void **state)
{
    int fd = scratch("sync");

    (void)state;
    disk_use(&grudging);
    interrupts = 1;
    assert_int_equal(disk_sync(fd), 0);
    disk_close(fd);
}

static void a_write_that_goes_nowhere_is_an_error(void **state)
{
    int fd = scratch("zero");

    (void)state;
    disk_use(&grudging);
    zero_writes = 1;
    assert_int_equal(disk_write(fd, "abc", 3, 0), -1);
    assert_int_equal(errno, EIO);
    disk_close(fd);
}

static void assert_file(const char *path, const char *want)
{
    size_t n;
    char *p = disk_slurp(path, 100, &n);

    assert_non_null(p);
    assert_string_equal(p, want);
    free(p);
}

static void replace_is_whole_or_not_at_all(void **state)
{
    const char *path = kit_path("file"), *tmp = kit_path("file.new");

    (void)state;
    assert_int_equal(disk_replace(path, "one", 3, 0600), 0);
    assert_int_equal(disk_replace(path, "second", 6, 0600), 0);
    assert_file(path, "second");
    disk_use(&grudging);
    fail_rename = 1;
    assert_int_equal(disk_replace(path, "third", 5, 0600), -1);
    assert_int_equal(errno, EIO);
    disk_use(NULL);
    assert_file(path, "second");
    assert_int_equal(access(tmp, F_OK), -1);            /* nothing is left lying about */
}

static void slurp_refuses_what_is_too_large(void **state)
{
    size_t n;

    (void)state;
    assert_int_equal(disk_replace(kit_path("big"), "0123456789", 10, 0600), 0);
    assert_null(disk_slurp(kit_path("big"), 9, &n));
    assert_int_equal(errno, EFBIG);
    assert_null(disk_slurp(kit_path("none"), 9, &n));
    assert_int_equal(errno, ENOENT);
    assert_file(kit_path("big"), "0123456789");
}

static void punched_bytes_read_as_zeros_and_the_size_stays(void **state)
{
    enum { SIZE = 1 << 20 };
    char *p = xcalloc(1, SIZE), zeros[4096] = { 0 };
    int fd = scratch("punch");
    struct stat before, after;

    (void)state;
    memset(p, 'x', SIZE);
    assert_int_equal(disk_write(fd, p, SIZE, 0), 0);
    assert_int_equal(disk_sync(fd), 0);
    assert_int_equal(fstat(fd, &before), 0);
    if (disk_punch(fd, 4096, SIZE / 2) != 0 && errno == EOPNOTSUPP) {
        disk_close(fd);
        free(p);
        skip();
    }
    assert_int_equal(fstat(fd, &after), 0);
    assert_int_equal(disk_size(fd), SIZE);
    assert_true(after.st_blocks < before.st_blocks);
    assert_int_equal(disk_read(fd, p, 4096, 4096), 4096);
    assert_memory_equal(p, zeros, 4096);
    assert_int_equal(disk_read(fd, p, 1, 4095), 1);
    assert_int_equal(p[0], 'x');
    disk_close(fd);
    free(p);
}

static void directories_are_made_with_those_above(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(disk_mkdirs(kit_path("a/b/c"), 0700), 0);
    assert_int_equal(disk_mkdirs(kit_path("a/b/c/"), 0700), 0);
    assert_int_equal(stat(kit_path("a/b/c"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(disk_replace(kit_path("a/file"), "", 0, 0600), 0);
    assert_int_equal(disk_mkdirs(kit_path("a/file"), 0700), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(disk_mkdirs(kit_path("a/file/x"), 0700), -1);
    assert_int_equal(disk_sync_dir(kit_path("a/b")), 0);
    assert_int_equal(disk_sync_dir(kit_path("a/none")), -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(more_pieces_than_the_system_takes_are_written),
        T(short_and_interrupted_calls_are_gone_on_with),
        T(a_sync_is_made_again_after_an_interrupt),
        T(a_write_that_goes_nowhere_is_an_error),
        T(replace_is_whole_or_not_at_all),
        T(slurp_refuses_what_is_too_large),
        T(punched_bytes_read_as_zeros_and_the_size_stays),
        T(directories_are_made_with_those_above),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
