/* lib_bdb.c - the database's door: what is put is found, what fails is undone,
 * what was committed survives the process. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bdb.h"
#include "lib/mem.h"
#include "tests/kit.h"

static struct bdb *b;
static struct bdb_tree *tree;
static struct err e;

static void open_at(const char *dir)
{
    struct bdb_options o = { .dir = dir, .cache_bytes = 4 << 20, .batch_most = 5000 };

    if ((b = bdb_open(&o, &e)) == NULL || (tree = bdb_tree(b, "t", &e)) == NULL)
        fail_msg("%s", e.text);
}

static int set_up(void **state)
{
    static int turn;
    static char dir[512];

    snprintf(dir, sizeof dir, "%s", kit_path("db%d", turn++));
    *state = dir;
    open_at(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bdb_close(&b);
    assert_null(b);
    return 0;
}

static struct span number(uint32_t i, char out[8])
{
    snprintf(out, 8, "%07u", i % 10000000);
    return (struct span){ out, 7 };
}

/* A range of numbered records with values of 'len' bytes, each beginning with its key. */
struct range { uint32_t from, to; size_t len; const char *fail; };

static void put_range(struct txn *t, void *arg)
{
    const struct range *r = arg;
    char key[8], *value = xcalloc(1, r->len + 8);

    for (uint32_t i = r->from; i < r->to; i++) {
        struct span k = number(i, key);

        memcpy(value, k.p, 7);
        txn_put(t, tree, k, (struct span){ value, r->len });
    }
    if (r->fail != NULL)
        txn_fail(t, r->fail);
    free(value);
}

static void put(uint32_t from, uint32_t to, size_t len)
{
    struct range r = { from, to, len, NULL };

    if (bdb_run(b, put_range, &r, &e) != 0)
        fail_msg("%s", e.text);
}

/* What a scan met: must be from, from + 1, ... */
struct met { uint32_t next, stop_at; size_t len; };

static bool meet(struct span key, struct span value, void *arg)
{
    struct met *m = arg;
    char want[8];

    assert_true(span_eq(key, number(m->next, want)));
    assert_int_equal(value.n, m->len);
    assert_memory_equal(value.p, want, value.n < 7 ? value.n : 7);
    return ++m->next != m->stop_at;
}

static uint32_t scan(struct span from, struct span to, uint32_t first, size_t len, uint32_t stop_at)
{
    struct met m = { first, stop_at, len };
    struct bdb_bulk bulk = { 0 };

    if (bdb_scan(tree, from, to, &bulk, meet, &m, &e) != 0)
        fail_msg("%s", e.text);
    bdb_bulk_fini(&bulk);
    return m.next - first;
}

static uint32_t count(size_t len)
{
    return scan((struct span){ 0 }, (struct span){ 0 }, 0, len, UINT32_MAX);
}

static void what_is_put_is_got(void **state)
{
    char out[100], key[8];
    size_t n;

    (void)state;
    put(0, 10, 50);
    assert_int_equal(bdb_get(tree, number(3, key), out, sizeof out, &n, &e), 1);
    assert_int_equal(n, 50);
    assert_memory_equal(out, "0000003", 7);
    memset(out, '#', sizeof out);
    assert_int_equal(bdb_get(tree, number(4, key), out, 5, &n, &e), 1);
    assert_int_equal(n, 50);                          /* the true size */
    assert_memory_equal(out, "00000#", 6);            /* and no byte more than asked for */
    assert_int_equal(bdb_get(tree, number(10, key), out, sizeof out, &n, &e), 0);
}

static void work_in_txn(struct txn *t, void *arg)
{
    char key[8];
    struct span v;

    (void)arg;
    assert_true(txn_get(t, tree, number(1, key), &v));
    assert_int_equal(v.n, 20);
    assert_false(txn_get(t, tree, number(99, key), &v));
    txn_del(t, tree, number(1, key));
    txn_del(t, tree, number(99, key));                /* absent is fine */
    assert_false(txn_get(t, tree, number(1, key), &v));
    txn_put(t, tree, number(1, key), SPAN("0000001 new"));
    txn_put(t, tree, number(2, key), SPAN(""));
    assert_true(txn_get(t, tree, number(2, key), &v));
    assert_int_equal(v.n, 0);
}

static void a_transaction_sees_its_own_changes(void **state)
{
    char out[20], key[8];
    size_t n;

    (void)state;
    put(0, 3, 20);
    assert_int_equal(bdb_run(b, work_in_txn, NULL, &e), 0);
    assert_int_equal(bdb_get(tree, number(1, key), out, sizeof out, &n, &e), 1);
    assert_int_equal(n, 11);
    assert_int_equal(bdb_get(tree, number(2, key), out, sizeof out, &n, &e), 1);
    assert_int_equal(n, 0);
}

static void after_fail(struct txn *t, void *arg)
{
    struct span v;
    char key[8];

    put_range(t, arg);
    assert_false(txn_get(t, tree, number(0, key), &v));     /* does nothing now, though the key is there */
}

static void a_failed_transaction_is_undone_and_says_why(void **state)
{
    struct range r = { 0, 1000, 300, "no more numbers" };

    (void)state;
    put(0, 5, 10);
    assert_int_equal(bdb_run(b, after_fail, &r, &e), -1);
    assert_string_equal(e.text, "no more numbers");
    assert_false(bdb_broken(b));
    assert_int_equal(count(10), 5);
    put(0, 7, 10);
    assert_int_equal(count(10), 7);
}

static void scans_keep_order_and_bounds(void **state)
{
    char a[8], z[8];

    (void)state;
    put(0, 3000, 200);                                /* many buffers full */
    assert_int_equal(count(200), 3000);
    assert_int_equal(scan(number(10, a), number(20, z), 10, 200, UINT32_MAX), 11);
    assert_int_equal(scan(number(2999, a), number(9999, z), 2999, 200, UINT32_MAX), 1);
    assert_int_equal(scan(number(3000, a), (struct span){ 0 }, 3000, 200, UINT32_MAX), 0);
    assert_int_equal(scan(number(20, a), number(10, z), 20, 200, UINT32_MAX), 0);
}

static void a_scan_ends_when_it_has_enough(void **state)
{
    (void)state;
    put(0, 3000, 200);
    assert_int_equal(scan((struct span){ 0 }, (struct span){ 0 }, 0, 200, 1), 1);
    assert_int_equal(scan((struct span){ 0 }, (struct span){ 0 }, 0, 200, 1500), 1500);
}

static void values_larger_than_the_buffer_are_scanned(void **state)
{
    (void)state;
    put(0, 4, 300000);
    assert_int_equal(count(300000), 4);
}

static bool delete_behind(struct span key, struct span value, void *arg)
{
    char out[300];
    size_t n;

    (void)value, (void)arg;
    /* the scan lets go before it calls: this would hang otherwise */
    assert_int_equal(bdb_get(tree, key, out, sizeof out, &n, &e), 1);
    put(5000, 5001, 7);
    return true;
}

static void a_scan_may_be_written_to_meanwhile(void **state)
{
    struct bdb_bulk bulk = { 0 };

    (void)state;
    put(0, 50, 200);
    assert_int_equal(bdb_scan(tree, (struct span){ 0 }, SPAN("0000049"), &bulk, delete_behind, NULL, &e), 0);
    bdb_bulk_fini(&bulk);
}

static void last_is_the_greatest_not_above(void **state)
{
    static const struct { const char *key, *want; } rows[] = {
        { "0000010", "0000010" }, { "00000105", "0000010" }, { "0000020", "0000019" },
        { "zzz", "0000019" }, { "0000009", NULL }, { "", NULL },
    };
    char key[20], value[20];
    size_t kn, n;

    (void)state;
    assert_int_equal(bdb_last(tree, SPAN("x"), key, sizeof key, &kn, value, sizeof value, &n, &e), 0);
    put(10, 20, 9);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int rc = bdb_last(tree, span_of(rows[i].key), key, sizeof key, &kn, value, sizeof value, &n, &e);

        if (rc != (rows[i].want != NULL) || (rc == 1 && (kn != 7 || memcmp(key, rows[i].want, 7) != 0 || n != 9)))
            fail_msg("row %zu: %s: rc %d", i, rows[i].key, rc);
    }
}

static void emptied_is_empty_and_usable_after(void **state)
{
    (void)state;
    put(0, 2000, 200);
    assert_int_equal(bdb_empty(tree, &e), 0);
    assert_int_equal(count(200), 0);
    put(0, 3, 200);
    assert_int_equal(count(200), 3);
    bdb_close(&b);
    open_at(*state);
    assert_int_equal(count(200), 3);
}

static void reopening_keeps_trees_and_what_was_committed(void **state)
{
    struct bdb_tree *same = tree;

    (void)state;
    put(0, 700, 100);
    assert_int_equal(bdb_flush(b, &e), 0);
    put(700, 800, 100);
    assert_int_equal(bdb_reopen(b, &e), 0);
    assert_ptr_equal(bdb_tree(b, "t", &e), same);
    assert_int_equal(count(100), 800);
    put(800, 900, 100);
    bdb_close(&b);
    open_at(*state);
    assert_int_equal(count(100), 900);
}

static void a_full_batch_fits_the_lock_table(void **state)
{
    (void)state;
    put(0, 5000, 8000);           /* batch_most records, about a page for two of them */
    assert_int_equal(count(8000), 5000);
}

static void checkpoints_drop_old_logs(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        put(0, 4000, 8000);
        assert_int_equal(bdb_checkpoint(b, 1, &e), 0);
    }
    assert_int_equal(bdb_checkpoint(b, 0, &e), 0);
    assert_int_not_equal(access(kit_path("%s/log.0000000001", strrchr(*state, '/') + 1), F_OK), 0);
    assert_int_equal(count(8000), 4000);
}

/* The child commits and tells; then it is killed as it stands. */
static void what_a_killed_process_committed_is_there(void **state)
{
    int told[2], done = -1, i;
    pid_t pid;

    bdb_close(&b);
    assert_int_equal(pipe(told), 0);
    if ((pid = fork()) == 0) {
        struct range r = { 0, 0, 100, NULL };

        open_at(*state);
        for (i = 0;; i++) {
            r.to = r.from + 10;
            if (bdb_run(b, put_range, &r, &e) != 0 || write(told[1], &i, sizeof i) != sizeof i)
                _exit(1);
            r.from = r.to;
            if (i % 20 == 19 && bdb_checkpoint(b, 0, &e) != 0)
                _exit(1);
        }
    }
    close(told[1]);
    while (done < 150 && read(told[0], &i, sizeof i) == sizeof i)
        done = i;
    kill(pid, SIGKILL);
    while (read(told[0], &i, sizeof i) == sizeof i)
        done = i;
    close(told[0]);
    assert_int_equal(waitpid(pid, &i, 0), pid);
    assert_true(WIFSIGNALED(i) && done >= 150);
    open_at(*state);
    /* all that was told, perhaps one more, and whole batches only */
    i = (int)count(100);
    assert_int_equal(i % 10, 0);
    assert_true(i / 10 == done + 1 || i / 10 == done + 2);
}

static atomic_bool stop;

static void *read_on(void *arg)
{
    struct bdb_bulk bulk = { 0 };
    struct err mine;
    char out[300], key[8];
    size_t n;

    (void)arg;
    while (!atomic_load(&stop)) {
        struct met m = { 0, 500, 200 };

        need(bdb_scan(tree, (struct span){ 0 }, (struct span){ 0 }, &bulk, meet, &m, &mine) == 0);
        need(m.next >= 400);
        need(bdb_get(tree, number(399, key), out, sizeof out, &n, &mine) == 1);
        need(bdb_last(tree, SPAN("0000100"), key, sizeof key, &n, out, sizeof out, &n, &mine) == 1);
    }
    bdb_bulk_fini(&bulk);
    return NULL;
}

static void readers_go_on_beside_writer_and_reopening(void **state)
{
    pthread_t t[3];

    (void)state;
    put(0, 400, 200);
    atomic_store(&stop, false);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, read_on, NULL), 0);
    for (int i = 0; i < 60; i++) {
        put(400, 1000, 200);
        put(0, 400, 200);
        if (i % 15 == 14)
            assert_int_equal(bdb_reopen(b, &e), 0);
        if (i % 10 == 9)
            assert_int_equal(bdb_checkpoint(b, 0, &e), 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(count(200), 1000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_is_put_is_got),
        T(a_transaction_sees_its_own_changes),
        T(a_failed_transaction_is_undone_and_says_why),
        T(scans_keep_order_and_bounds),
        T(a_scan_ends_when_it_has_enough),
        T(values_larger_than_the_buffer_are_scanned),
        T(a_scan_may_be_written_to_meanwhile),
        T(last_is_the_greatest_not_above),
        T(emptied_is_empty_and_usable_after),
        T(reopening_keeps_trees_and_what_was_committed),
        T(a_full_batch_fits_the_lock_table),
        T(checkpoints_drop_old_logs),
        T(what_a_killed_process_committed_is_there),
        T(readers_go_on_beside_writer_and_reopening),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
