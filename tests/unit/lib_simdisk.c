/* lib_simdisk.c - the simulated disk keeps what was synced, and only that for sure. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/mem.h"
#include "tests/kit.h"
#include "tests/simdisk.h"

enum { SEEDS = 200, BIG = 4096 };

static int set_up(void **state)
{
    static int turn;
    static char dir[512];

    snprintf(dir, sizeof dir, "%s", kit_path("sim%d", turn++));
    assert_int_equal(disk_mkdirs(dir, 0700), 0);
    *state = dir;
    simdisk_use();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    simdisk_end();
    return 0;
}

static const char *in(void **state, const char *name)
{
    return kit_path("%s/%s", strrchr(*state, '/') + 1, name);
}

static int make(const char *path)
{
    int fd = disk_open(path, O_RDWR | O_CREAT | O_TRUNC, 0640);

    assert_true(fd >= 0);
    return fd;
}

static void write_all(int fd, const char *text, uint64_t at)
{
    assert_int_equal(disk_write(fd, text, strlen(text), at), 0);
}

/* The file's bytes as text; "-" when it is not there. */
static const char *text_of(const char *path)
{
    static char text[2 * BIG];
    size_t n;
    char *p = disk_slurp(path, sizeof text - 1, &n);

    snprintf(text, sizeof text, "%s", p != NULL ? p : "-");
    free(p);
    return text;
}

static void what_was_synced_survives_every_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        int fd = make(in(state, "f"));

        write_all(fd, "synced", 0);
        assert_int_equal(disk_sync(fd), 0);
        assert_int_equal(disk_sync_dir(*state), 0);
        write_all(fd, " and more", 6);
        simdisk_cut(seed);
        assert_memory_equal(text_of(in(state, "f")), "synced", 6);
        disk_close(fd);
    }
}

static void unsynced_writes_may_stay_or_go_or_tear(void **state)
{
    char old[BIG + 1], new[BIG + 1];
    int stayed = 0, gone = 0, torn = 0;

    memset(old, 'o', BIG);
    memset(new, 'n', BIG);
    old[BIG] = new[BIG] = '\0';
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const char *path = in(state, "f"), *text;
        int fd = make(path);

        write_all(fd, old, 0);
        assert_int_equal(disk_sync(fd), 0);
        assert_int_equal(disk_sync_dir(*state), 0);
        write_all(fd, new, 0);
        disk_close(fd);
        simdisk_cut(seed);
        text = text_of(path);
        stayed += strcmp(text, new) == 0;
        gone += strcmp(text, old) == 0;
        torn += strchr(text, 'n') != NULL && strchr(text, 'o') != NULL;
        for (int i = 0; i < BIG; i++)                  /* a sector is whole */
            assert_int_equal(text[i], text[i - i % 512]);
    }
    assert_true(stayed > 10 && gone > 10 && torn > 10);
    assert_int_equal(stayed + gone + torn, SEEDS);
}

static void a_name_is_sure_after_its_directory_was_synced(void **state)
{
    int lost = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        int fd = make(in(state, "sure"));

        disk_close(fd);
        assert_int_equal(disk_sync_dir(*state), 0);
        disk_close(make(in(state, "unsure")));
        simdisk_cut(seed);
        assert_int_equal(access(in(state, "sure"), F_OK), 0);
        lost += access(in(state, "unsure"), F_OK) != 0;
        unlink(in(state, "sure"));
        unlink(in(state, "unsure"));
        simdisk_use();
    }
    assert_true(lost > 10 && lost < SEEDS - 10);
}

static void an_unsynced_rename_leaves_one_of_the_two(void **state)
{
    int old = 0, new = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        int fd;

        assert_int_equal(disk_replace(in(state, "f"), "old", 3, 0600), 0);
        fd = make(in(state, "t"));
        write_all(fd, "new", 0);
        assert_int_equal(disk_sync(fd), 0);
        disk_close(fd);
        assert_int_equal(disk_rename(in(state, "t"), in(state, "f")), 0);
        simdisk_cut(seed);
        old += strcmp(text_of(in(state, "f")), "old") == 0;
        new += strcmp(text_of(in(state, "f")), "new") == 0;
    }
    assert_int_equal(old + new, SEEDS);
    assert_true(old > 10 && new > 10);
}

static void an_unlink_may_be_undone_with_the_old_bytes(void **state)
{
    int back = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        assert_int_equal(disk_replace(in(state, "f"), "old", 3, 0600), 0);
        simdisk_use();                                  /* a file of which nothing is known */
        assert_int_equal(disk_unlink(in(state, "f")), 0);
        simdisk_cut(seed);
        if (access(in(state, "f"), F_OK) == 0) {
            assert_string_equal(text_of(in(state, "f")), "old");
            back++;
        }
    }
    assert_true(back > 10 && back < SEEDS - 10);
}

static void replace_survives_every_stop_whole(void **state)
{
    for (unsigned long n = 1;; n++) {
        const char *text;
        bool done;

        assert_int_equal(disk_replace(in(state, "f"), "old", 3, 0600), 0);
        simdisk_use();
        simdisk_stop_at(n);
        done = disk_replace(in(state, "f"), "newer", 5, 0600) == 0;
        assert_int_equal(done, !simdisk_stopped());
        simdisk_cut(n * 7);
        text = text_of(in(state, "f"));
        if (strcmp(text, "newer") != 0 && (done || strcmp(text, "old") != 0))
            fail_msg("stopped at %lu: %s", n, text);
        if (done)
            break;
        assert_true(n < 20);
    }
}

static void a_truncation_may_be_undone(void **state)
{
    int back = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        int fd;

        assert_int_equal(disk_replace(in(state, "f"), "0123456789", 10, 0600), 0);
        fd = disk_open(in(state, "f"), O_RDWR, 0);
        assert_int_equal(disk_truncate(fd, 4), 0);
        disk_close(fd);
        simdisk_cut(seed);
        if (strcmp(text_of(in(state, "f")), "0123") != 0) {
            assert_string_equal(text_of(in(state, "f")), "0123456789");
            back++;
        }
    }
    assert_true(back > 10 && back < SEEDS - 10);
}

static void the_nth_operation_fails_once(void **state)
{
    int fd = make(in(state, "f"));
    char out[16] = "";

    simdisk_use();
    disk_close(fd);
    fd = disk_open(in(state, "f"), O_RDWR, 0);
    assert_int_equal(simdisk_ops(), 0);                 /* opening changes nothing */
    simdisk_fail_at(2, EIO);
    write_all(fd, "one", 0);
    assert_int_equal(disk_write(fd, "two", 3, 3), -1);
    assert_int_equal(errno, EIO);
    write_all(fd, "two", 3);
    assert_int_equal(simdisk_ops(), 3);
    simdisk_fail_at(4, ENOSPC);
    assert_int_equal(disk_write(fd, "three", 5, 6), -1);    /* a part, then no more */
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(disk_read(fd, out, 6, 0), 6);
    assert_string_equal(out, "onetwo");
    simdisk_count_reads(true);
    simdisk_fail_at(simdisk_ops() + 1, EIO);
    assert_int_equal(disk_read(fd, out, 6, 0), -1);
    simdisk_count_reads(false);
    disk_close(fd);
}

static void a_failed_sync_may_lose_for_good(void **state)
{
    int lost = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        int fd = make(in(state, "f"));

        assert_int_equal(disk_sync_dir(*state), 0);
        write_all(fd, "bytes", 0);
        simdisk_fail_at(simdisk_ops() + 1, EIO);
        assert_int_equal(disk_sync(fd), -1);
        assert_int_equal(disk_sync(fd), 0);             /* and lies, as kernels do */
        disk_close(fd);
        simdisk_cut(seed);
        lost += strcmp(text_of(in(state, "f")), "bytes") != 0;
    }
    assert_true(lost > 10 && lost < SEEDS - 10);
}

static void after_the_stop_nothing_works_until_the_cut(void **state)
{
    int fd = make(in(state, "f"));
    char c;

    simdisk_stop_at(simdisk_ops() + 1);
    assert_int_equal(disk_write(fd, "x", 1, 0), -1);
    assert_true(simdisk_stopped());
    assert_int_equal(disk_read(fd, &c, 1, 0), -1);
    assert_int_equal(disk_open(in(state, "f"), O_RDONLY, 0), -1);
    assert_int_equal(disk_unlink(in(state, "f")), -1);
    disk_close(fd);
    simdisk_cut(1);
    assert_false(simdisk_stopped());
    disk_close(make(in(state, "g")));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_was_synced_survives_every_cut),
        T(unsynced_writes_may_stay_or_go_or_tear),
        T(a_name_is_sure_after_its_directory_was_synced),
        T(an_unsynced_rename_leaves_one_of_the_two),
        T(an_unlink_may_be_undone_with_the_old_bytes),
        T(replace_survives_every_stop_whole),
        T(a_truncation_may_be_undone),
        T(the_nth_operation_fails_once),
        T(a_failed_sync_may_lose_for_good),
        T(after_the_stop_nothing_works_until_the_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
