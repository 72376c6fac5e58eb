/* lib_bdb_powercut.c - the database after a power cut or an I/O error at any
 * operation of the disk: the transactions up to some point, and no flushed one missing.
 *
 * That holds where the disk writes 4 kB whole, as file systems' blocks and
 * today's disks are.  Berkeley DB cannot mend a page of which a part was
 * written; with smaller units the promise is that damage is told.
 *
 * Each round is a forked child (Berkeley DB cannot be dropped half way); it
 * works until the disk stops, cuts the power, and tells how far it had come.
 * SEED=n shifts the dice, STEP=n takes only every n-th operation.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bdb.h"
#include "lib/bdb_route.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "tests/kit.h"
#include "tests/simdisk.h"

enum { UNIT = 4096, RUNS = 24, PER_RUN = 12, VALUE = 900, LIVES = 5, EXITED_BADLY = 3, UNREADABLE = -2 };

/* What the child had reached: runs that returned 0, and those before a flush that did. */
struct reached { int done, flushed; bool finished; };

static struct bdb *b;
static struct bdb_tree *tree;

static struct span key_of(int run, int i, char out[16])
{
    snprintf(out, 16, "%05d.%02d", run, i % 100);
    return (struct span){ out, strlen(out) };
}

/* Run number r: puts its own records, removes those of run r - LIVES, sets "last" to r. */
static void one_run(struct txn *t, void *arg)
{
    int r = *(int *)arg;
    char key[16], value[VALUE];

    memset(value, 'a' + r % 26, sizeof value);
    for (int i = 0; i < PER_RUN; i++) {
        txn_put(t, tree, key_of(r, i, key), (struct span){ value, sizeof value });
        if (r >= LIVES)
            txn_del(t, tree, key_of(r - LIVES, i, key));
    }
    txn_put(t, tree, SPAN("last"), (struct span){ (char *)&r, sizeof r });
}

static int open_both(const char *dir, struct err *e)
{
    struct bdb_options o = { .dir = dir, .cache_bytes = 1 << 20, .batch_most = 100 };

    if ((b = bdb_open(&o, e)) == NULL)
        return -1;
    return (tree = bdb_tree(b, "t", e)) != NULL ? 0 : -1;
}

/* Work until all is done or something fails. */
static int work_on(struct reached *r, struct err *e)
{
    for (int i = r->done; i < RUNS; i++) {
        if (bdb_run(b, one_run, &i, e) != 0)
            return -1;
        r->done = i + 1;
        if (i % 3 == 2) {
            if (bdb_flush(b, e) != 0)
                return -1;
            r->flushed = r->done;
        }
        if (i % 7 == 6 && bdb_checkpoint(b, 0, e) != 0)
            return -1;
    }
    r->finished = true;
    return 0;
}

static bool check_one(struct span key, struct span value, void *arg)
{
    int *at = arg;               /* [0] next run, [1] next record of it, [2] runs that are there */
    char want[16];

    if (span_eq(key, SPAN("last")))
        return true;
    if (!span_eq(key, key_of(at[0], at[1], want)) || value.n != VALUE || value.p[0] != 'a' + at[0] % 26 ||
        memcmp(value.p, value.p + 1, VALUE - 1) != 0) {
        at[2] = -1;
        return false;
    }
    if (++at[1] == PER_RUN) {
        at[0]++;
        at[1] = 0;
    }
    return true;
}

/* How many runs are in the trees: exactly the first so many; -1: something else; or UNREADABLE. */
static int runs_there(void)
{
    struct bdb_bulk bulk = { 0 };
    struct err e;
    int last, at[3];
    size_t n;

    switch (bdb_get(tree, SPAN("last"), &last, sizeof last, &n, &e)) {
    case 0: last = -1; break;
    case 1: break;
    default: return UNREADABLE;
    }
    at[0] = last + 1 > LIVES ? last + 1 - LIVES : 0;
    at[1] = at[2] = 0;
    if (bdb_scan(tree, (struct span){ 0 }, (struct span){ 0 }, &bulk, check_one, at, &e) != 0)
        at[2] = UNREADABLE;
    bdb_bulk_fini(&bulk);
    if (at[2] == UNREADABLE)
        return UNREADABLE;
    return at[2] == 0 && at[0] == last + 1 && at[1] == 0 ? last + 1 : -1;
}

static uint64_t seed_of(unsigned long n)
{
    return n + (getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 10) : 0) * 1000003;
}

static unsigned long step(void)
{
    return getenv("STEP") != NULL ? strtoul(getenv("STEP"), NULL, 10) : 1;
}

/* Run 'child' in a process of its own; it returns what it reached. */
static struct reached in_child(const char *dir, unsigned long n, struct reached (*child)(const char *, unsigned long))
{
    struct reached r;
    int told[2], status;
    pid_t pid;

    assert_int_equal(pipe(told), 0);
    if ((pid = fork()) == 0) {
        r = child(dir, n);
        _exit(write(told[1], &r, sizeof r) == sizeof r ? 0 : EXITED_BADLY);
    }
    close(told[1]);
    if (read(told[0], &r, sizeof r) != sizeof r)
        fail_msg("operation %lu: the child died", n);
    close(told[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return r;
}

static unsigned unit;

static struct reached work_until_the_stop(const char *dir, unsigned long n)
{
    struct reached r = { 0 };
    struct err e;

    simdisk_use();
    bdb_route();
    simdisk_tear_at(unit);
    simdisk_stop_at(n);
    if (open_both(dir, &e) == 0)
        (void)work_on(&r, &e);
    simdisk_cut(seed_of(n));
    return r;
}

/* One power cut and what is there after it.  Return false when damage was told. */
static bool cut_at(unsigned long n, struct reached *r)
{
    const char *dir = kit_path("cut%u.%lu", unit, n);
    struct err e;
    int there;

    *r = in_child(dir, n, work_until_the_stop);
    there = open_both(dir, &e) == 0 ? runs_there() : UNREADABLE;
    if (there == UNREADABLE) {
        bdb_close(&b);
        return false;
    }
    /* the run that was told "failed" may have got through */
    if (there < r->flushed || there > r->done + 1)
        fail_msg("operation %lu: %d runs there, %d done, %d flushed", n, there, r->done, r->flushed);
    if (work_on(&(struct reached){ .done = there }, &e) != 0)
        fail_msg("operation %lu, going on: %s", n, e.text);
    assert_int_equal(runs_there(), RUNS);
    bdb_close(&b);
    return true;
}

static void a_power_cut_leaves_the_first_transactions_and_all_flushed_ones(void **state)
{
    struct reached r = { 0 };
    unsigned long n;

    (void)state;
    unit = UNIT;
    for (n = 1; !r.finished && n < 20000; n += step())
        if (!cut_at(n, &r))
            fail_msg("operation %lu: cannot be read after the cut", n);
    assert_true(r.finished && n > 50);
}

static void torn_pages_are_told_and_never_taken_for_good(void **state)
{
    struct reached r = { 0 };
    unsigned long n, good = 0, told = 0;

    (void)state;
    unit = 512;
    for (n = 1; !r.finished && n < 20000; n += step())
        *(cut_at(n, &r) ? &good : &told) += 1;
    print_message("# %lu cuts: %lu good, %lu told\n", good + told, good, told);
    assert_true(r.finished && told > 0 && good > 0);
}

static int fail_with;

/* Go on after the failure, in the same process, as the program would. */
static struct reached work_past_a_failure(const char *dir, unsigned long n)
{
    struct reached r = { 0 };
    struct err e = { 0 };
    int there, tries = 0;

    simdisk_use();
    bdb_route();
    simdisk_fail_at(n, fail_with);
    while (open_both(dir, &e) != 0) {
        bdb_close(&b);
        if (++tries == 3)
            die(EXITED_BADLY, "operation %lu, open: %s", n, e.text);
    }
    while (work_on(&r, &e) != 0) {
        if (++tries == 4)
            die(EXITED_BADLY, "operation %lu: %s", n, e.text);
        if (bdb_broken(b) && bdb_reopen(b, &e) != 0 && bdb_reopen(b, &e) != 0)
            die(EXITED_BADLY, "operation %lu, open again: %s", n, e.text);
        there = runs_there();
        if (there < r.flushed || there > r.done + 1)
            die(EXITED_BADLY, "operation %lu: %d runs there, %d done, %d flushed", n, there, r.done, r.flushed);
        r.done = there;
    }
    if (runs_there() != RUNS)
        die(EXITED_BADLY, "operation %lu: not all there at the end", n);
    r.finished = simdisk_ops() < n;        /* nothing failed any more */
    bdb_close(&b);
    return r;
}

static void survive_each_failure(int sys)
{
    struct reached r = { 0 };
    struct err e;

    fail_with = sys;
    for (unsigned long n = 1; !r.finished; n += step()) {
        const char *dir = kit_path("fail%d.%lu", sys, n);

        r = in_child(dir, n, work_past_a_failure);
        if (open_both(dir, &e) != 0)
            fail_msg("operation %lu: %s", n, e.text);
        assert_int_equal(runs_there(), RUNS);
        bdb_close(&b);
        assert_true(n < 20000);
    }
}

static void an_input_output_error_is_told_and_got_over(void **state)
{
    (void)state;
    survive_each_failure(EIO);
}

static void a_full_disk_is_told_and_got_over(void **state)
{
    (void)state;
    survive_each_failure(ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_leaves_the_first_transactions_and_all_flushed_ones),
        cmocka_unit_test(torn_pages_are_told_and_never_taken_for_good),
        cmocka_unit_test(an_input_output_error_is_told_and_got_over),
        cmocka_unit_test(a_full_disk_is_told_and_got_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
