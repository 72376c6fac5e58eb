/* spool_cold.c - who must not wait for the disk does not, neither for bytes nor for one who does wait. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/disk.h"
#include "lib/lock.h"
#include "tests/unit/spoolkit.h"

static const struct disk_ops *good;
static struct disk_ops slow;
static _Atomic bool cold;
static bool blind;                               /* a file system that cannot tell what is in memory */
static sem_t opening, go_on;

static ssize_t cold_pread_now(int fd, void *p, size_t n, off_t at)
{
    if (!atomic_load(&cold) && !blind)
        return good->pread_now(fd, p, n, at);
    errno = blind ? EOPNOTSUPP : EAGAIN;
    return -1;
}

static int slow_open(const char *path, int flags, mode_t mode)
{
    if (atomic_load(&cold) && strstr(path, ".seg") != NULL) {
        sem_post(&opening);
        sem_wait(&go_on);
    }
    return good->open(path, flags, mode);
}

static int set_up(void **state)
{
    (void)state;
    good = disk_table();
    slow = *good;
    slow.open = slow_open;
    slow.pread_now = cold_pread_now;
    disk_use(&slow);
    sem_init(&opening, 0, 0);
    sem_init(&go_on, 0, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    disk_use(NULL);
    return 0;
}

static int read_one(struct artlog *l, const struct log_pos *pos)
{
    struct record_number numbers[RECORD_NUMBERS_MAX];
    struct buf scratch = { 0 };
    struct record r;
    struct err e;
    int rc = artlog_read(l, pos, &r, numbers, RECORD_NUMBERS_MAX, &scratch, &e);

    buf_fini(&scratch);
    return rc;
}

/* Read in a hurry: 1 it is there, 0 it would have to wait. */
static int hurried(struct artlog *l, const struct log_pos *pos)
{
    int rc;

    disk_hurry();
    assert_true(disk_hurried());
    rc = read_one(l, pos);
    assert_true(disk_hurry_end() == (rc != 0));
    assert_false(disk_hurried());
    return rc == 0;
}

static void what_is_not_in_memory_fails_at_once_and_is_told(void **state)
{
    struct kit_told t;
    struct artlog *l = kit_log_recovered(kit_path("bytes"), 1 << 20, &t);
    struct log_pos pos;
    struct err e;
    int fd;

    (void)state;
    assert_int_equal(kit_append(l, 1, 1, 4000, &pos, &e), 0);
    assert_int_equal(artlog_sync(l, &e), 0);
    assert_true(hurried(l, &pos));
    atomic_store(&cold, true);
    assert_false(hurried(l, &pos));
    assert_int_equal(read_one(l, &pos), 0);          /* one who may wait */
    atomic_store(&cold, false);
    assert_true(hurried(l, &pos));
    blind = true;
    assert_true(hurried(l, &pos));                   /* it is read as if there were no hurry */
    blind = false;
    disk_hurry();
    assert_true((fd = disk_open(kit_path("bytes/log"), 0, 0)) == -1 && errno == EAGAIN);
    assert_true(disk_hurry_end());
    disk_hurry();
    assert_false(disk_hurry_end());                  /* each time anew */
    artlog_close(&l);
}

struct other { struct artlog *l; struct log_pos pos; int rc; };

static void *wait_for_it(void *arg)
{
    struct other *o = arg;

    o->rc = read_one(o->l, &o->pos);
    return NULL;
}

static void a_segment_that_another_opens_is_not_waited_for(void **state)
{
    const char *dir = kit_path("open");
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 1 << 20, &t);
    struct other o = { .rc = 1 };
    struct err e;
    pthread_t thread;

    (void)state;
    assert_int_equal(kit_append(l, 1, 1, 4000, &o.pos, &e), 0);
    assert_int_equal(artlog_sync(l, &e), 0);
    artlog_close(&l);
    o.l = l = kit_log(dir, 1 << 20, false);
    atomic_store(&cold, true);
    thread_start(&thread, "other", wait_for_it, &o);
    sem_wait(&opening);                              /* it holds the table, and waits for the disk */
    assert_false(hurried(l, &o.pos));
    atomic_store(&cold, false);
    assert_false(hurried(l, &o.pos));
    sem_post(&go_on);
    pthread_join(thread, NULL);
    assert_int_equal(o.rc, 0);
    assert_true(hurried(l, &o.pos));
    artlog_close(&l);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_is_not_in_memory_fails_at_once_and_is_told),
        T(a_segment_that_another_opens_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
