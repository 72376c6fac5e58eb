/* lib_bdb_warm.c - after bdb_warm questions find their pages in memory. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/bdb.h"
#include "lib/bdb_route.h"
#include "lib/disk.h"
#include "tests/kit.h"

#define ROWS 20000

static struct bdb *b;
static struct bdb_tree *tree[2];
static struct err e;
static atomic_ulong reads;
static const struct disk_ops *below;

static ssize_t counted_pread(int fd, void *p, size_t n, off_t at)
{
    reads++;
    return below->pread(fd, p, n, at);
}

static void open_with(const char *dir, size_t cache)
{
    struct bdb_options o = { .dir = dir, .cache_bytes = cache, .batch_most = 2 * ROWS };

    if ((b = bdb_open(&o, &e)) == NULL || (tree[0] = bdb_tree(b, "zero", &e)) == NULL ||
        (tree[1] = bdb_tree(b, "one", &e)) == NULL)
        fail_msg("%s", e.text);
}

static struct span row(unsigned i, char out[8])
{
    snprintf(out, 8, "%07u", i % 10000000);
    return (struct span){ out, 7 };
}

static void put_all(struct txn *t, void *arg)
{
    char key[8], value[200] = { 0 };

    (void)arg;
    for (unsigned i = 0; i < 2 * ROWS; i++)
        txn_put(t, tree[i % 2], row(i / 2, key), (struct span){ value, sizeof value });
}

static uint64_t warm_all(void)
{
    struct bdb_warmth w = { 0 };
    int rc;

    while ((rc = bdb_warm(b, &w, &e)) == 1)
        ;
    assert_int_equal(rc, 0);
    assert_int_equal(bdb_warm(b, &w, &e), 0);
    return w.bytes;
}

/* How often a file is read to get all rows from 'from' on. */
static unsigned long reads_of_rows(unsigned from)
{
    unsigned long before = reads;
    char key[8], value[200];
    size_t n;

    for (unsigned i = 2 * from; i < 2 * ROWS; i++)
        assert_int_equal(bdb_get(tree[i % 2], row(i / 2, key), value, sizeof value, &n, &e), 1);
    return reads - before;
}

static void what_fits_is_all_in_memory(void **state)
{
    const char *dir = *state;

    open_with(dir, 64 << 20);
    assert_true(reads_of_rows(0) > 2000);
    bdb_close(&b);
    open_with(dir, 64 << 20);
    assert_true(warm_all() > 2 * ROWS * 207);
    assert_int_equal(reads_of_rows(0), 0);
}

static void what_does_not_fit_leaves_room_and_has_the_newest(void **state)
{
    const char *dir = *state;

    open_with(dir, 4 << 20);
    assert_in_range(warm_all(), 2 << 20, 3 << 20);
    assert_true(reads_of_rows(ROWS - 2000) < 20);      /* the way to them begins in older pages */
}

static void an_environment_without_trees_is_warm(void **state)
{
    struct bdb_options o = { .dir = *state, .cache_bytes = 4 << 20, .batch_most = 100 };
    struct bdb_warmth w = { 0 };

    b = bdb_open(&o, &e);
    assert_non_null(b);
    assert_int_equal(bdb_warm(b, &w, &e), 0);
    assert_int_equal(w.bytes, 0);
}

static int fill_dir(void **state)
{
    static struct disk_ops ops;
    static char dir[512];

    below = disk_table();
    ops = *below;
    ops.pread = counted_pread;
    disk_use(&ops);
    bdb_route();
    snprintf(dir, sizeof dir, "%s", kit_path("db"));
    *state = dir;
    open_with(dir, 64 << 20);
    assert_int_equal(bdb_run(b, put_all, NULL, &e), 0);
    bdb_close(&b);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    bdb_close(&b);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_fits_is_all_in_memory, close_it),
        cmocka_unit_test_teardown(what_does_not_fit_leaves_room_and_has_the_newest, close_it),
        cmocka_unit_test_teardown(an_environment_without_trees_is_warm, close_it),
    };

    return cmocka_run_group_tests(tests, fill_dir, NULL);
}
