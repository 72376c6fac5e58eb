/* nntpd_invariants.c - bytes, then pointer, then promise: the invariants I1 to I6 of doc/formats.md. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "nntpd/replay.h"
#include "tests/unit/fillkit.h"

/* ---- I1 ---- */

static struct { struct lock lock; struct cond cond; bool armed, entered, go; } gate;

static int gated_fdatasync(int fd)
{
    char path[512];
    bool log_file = strstr(path_of(fd, path), "/log/") != NULL;

    lock_get(&gate.lock);
    if (gate.armed && log_file) {
        gate.entered = true;
        cond_broadcast(&gate.cond);
        while (!gate.go)
            cond_wait(&gate.cond, &gate.lock);
    }
    lock_put(&gate.lock);
    return good->fdatasync(fd);
}

static atomic_bool delivered;

static void on_deliver(struct mail *m)
{
    (void)m;
    atomic_store(&delivered, true);
    lock_get(&gate.lock);
    cond_broadcast(&gate.cond);
    lock_put(&gate.lock);
}

static void i1_no_answer_and_nothing_seen_before_the_sync_is_done(void **state)
{
    struct store *s = site_with_groups(kit_path("i1"));
    struct submission *sub = site_article(s, id_of(1), "misc.test", "x\r\n");
    uint64_t published = artlog_published(store_log(s));

    (void)state;
    lock_init(&gate.lock, "gate");
    cond_init(&gate.cond);
    bad_ops.fdatasync = gated_fdatasync;
    gate.armed = true;
    sub->mail.deliver = on_deliver;
    assert_int_equal(site_claim(s, sub), HIS_NEW);
    assert_true(store_submit(s, sub));
    lock_get(&gate.lock);
    while (!gate.entered)
        cond_wait(&gate.cond, &gate.lock);
    /* the bytes are written; the sync stands still */
    assert_false(atomic_load(&delivered));
    assert_int_equal(artlog_published(store_log(s)), published);
    assert_int_equal(site_high(s, "misc.test"), 0);
    assert_int_equal(site_state(s, id_of(1)), 0);
    gate.go = true;
    cond_broadcast(&gate.cond);
    while (!atomic_load(&delivered))
        cond_wait(&gate.cond, &gate.lock);
    gate.armed = false;
    lock_put(&gate.lock);
    bad_ops.fdatasync = bad_fdatasync;
    assert_int_equal(sub->result, COMMIT_STORED);
    assert_true(artlog_published(store_log(s)) > published);
    readable(s, id_of(1));
    submission_free(&sub);
    store_close(&s);
}

/* ---- I2 ---- */

static void copy_log(const char *from, const char *to)
{
    char command[1000];

    snprintf(command, sizeof command, "rm -rf '%s' && cp -a '%s' '%s'", to, from, to);
    assert_int_equal(system(command), 0);
}

static void i2_a_log_that_lost_its_end_gives_no_number_twice(void **state)
{
    const char *dir = kit_path("i2");
    char log[300], old[300];
    struct store *s = site_with_groups(dir);
    uint64_t seq;

    (void)state;
    snprintf(log, sizeof log, "%s/log", dir);
    snprintf(old, sizeof old, "%s/old-log", dir);
    store_some(s, 0, 10);
    store_close(&s);
    copy_log(log, old);
    s = site_open(dir);
    store_some(s, 10, 10);
    seq = artlog_published(store_log(s));
    store_close(&s);
    copy_log(old, log);                       /* a backup is put back: ten articles are lost */
    s = site_open(dir);
    assert_int_equal(site_state(s, id_of(15)), 0);
    readable(s, id_of(5));
    assert_int_equal(site_store(s, id_of(15), "misc.test", "again\r\n"), COMMIT_STORED);
    assert_int_equal(site_high(s, "misc.test"), 21);
    assert_true(artlog_published(store_log(s)) > seq);
    site_verify(s);
    store_close(&s);
    s = site_open(dir);
    readable(s, id_of(15));
    site_verify(s);
    store_close(&s);
}

static void i2_a_batch_that_failed_gives_its_numbers_back_unseen(void **state)
{
    struct store *s = site_with_groups(kit_path("i2b"));

    (void)state;
    store_some(s, 0, 3);
    bad_disk_set((struct bad_disk){ .where = "/log/", .error = EIO, .once = true });
    assert_int_equal(site_store(s, id_of(3), "misc.test", "x\r\n"), COMMIT_LATER);
    site_wait_well(s);
    store_some(s, 3, 3);
    assert_int_equal(site_high(s, "misc.test"), 6);
    site_verify(s);
    store_close(&s);
}

/* ---- I3, crash ---- */

/* A child stores articles for ever and tells each one that was STORED. */
static _Noreturn void child(const char *dir, unsigned from, int out)
{
    struct store *s = site_open(dir);

    for (unsigned i = from;; i++)
        if (site_store(s, id_of(i), i % 2 ? "misc.test,misc.other" : "misc.test", "line\r\nline\r\n") != COMMIT_STORED ||
            write(out, &i, sizeof i) != sizeof i)
            _exit(1);
}

static unsigned run_and_kill(const char *dir, unsigned from, unsigned most)
{
    int p[2];
    unsigned last = from, got;
    pid_t pid;

    assert_int_equal(pipe(p), 0);
    if ((pid = fork()) == 0) {
        close(p[0]);
        child(dir, from, p[1]);
    }
    close(p[1]);
    for (unsigned i = 0; i < most && read(p[0], &got, sizeof got) == sizeof got; i++)
        last = got + 1;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while (read(p[0], &got, sizeof got) == sizeof got)
        last = got + 1;
    close(p[0]);
    return last;
}

static void i3_after_kill_9_all_that_was_promised_is_there_and_history_points_to_bytes(void **state)
{
    const char *dir = kit_path("i3");
    struct store *s = site_with_groups(dir);
    unsigned kept = 0;

    (void)state;
    store_close(&s);
    for (int turn = 0; turn < 8; turn++) {
        unsigned next = run_and_kill(dir, kept + 1000 * (unsigned)turn, 5 + (unsigned)(kit_random() % 60));

        s = site_open(dir);
        for (unsigned i = kept + 1000 * (unsigned)turn; i < next; i++)
            readable(s, id_of(i));
        site_verify(s);                        /* every kept id's bytes are there, with their checksums */
        store_close(&s);
        kept = next - 1000 * (unsigned)turn;
    }
}

/* ---- I4 ---- */

static void apply_all_again(struct store *s)
{
    struct replay *r = replay_new(&s->ix);
    struct err e = { 0 };
    struct log_reader *in = log_reader_new(s->ix.log, artlog_first_seq(s->ix.log));
    struct log_pos pos;
    struct record rec;

    while (log_reader_next(in, &rec, &pos, &e) == 1)
        assert_int_equal(replay_add(r, &rec, &pos, &e), 0);
    assert_int_equal(replay_end(r, &e), 0);
    log_reader_free(&in);
    replay_free(&r);
}

static void forget_applied(struct txn *t, void *arg)
{
    txn_del(t, arg, SPAN("applied"));
}

static void i4_applying_twice_changes_nothing(void **state)
{
    struct store *s = site_with_groups(kit_path("i4"));
    struct err e = { 0 };
    char *before;

    (void)state;
    store_some(s, 0, 40);
    before = dump(s);
    assert_int_equal(bdb_run(s->ix.bdb, forget_applied, s->ix.meta, &e), 0);
    apply_all_again(s);                        /* the rooms know what they have seen */
    same(before, dump(s));
    cancel(s, id_of(0));
    cancel(s, id_of(7));
    cancel(s, "<never.seen@example>");
    before = dump(s);
    apply_all_again(s);                        /* the note "applied" passes all of it over */
    same(before, dump(s));
    site_verify(s);
    store_close(&s);
}

/* ---- I5 ---- */

static void i5_whatever_call_fails_the_answer_is_stored_or_later(void **state)
{
    const char *dir = kit_path("i5");
    struct store *s = site_with_groups(dir);
    unsigned id = 0, failed = 0, stored = 0;

    (void)state;
    for (long n = 0; n < 12; n++) {
        bad_disk_set((struct bad_disk){ .where = "/log/", .error = n % 2 ? EIO : ENOSPC, .after = n, .once = true });
        for (int i = 0; i < 4; i++) {
            enum commit_result r = site_store(s, id_of(id++), "misc.test", "x\r\n");

            assert_true(r == COMMIT_STORED || r == COMMIT_LATER);
            failed += r == COMMIT_LATER;
            stored += r == COMMIT_STORED;
        }
        bad_disk_set((struct bad_disk){ 0 });
        site_wait_well(s);
    }
    assert_true(failed > 0);
    assert_int_equal(site_high(s, "misc.test"), stored);
    site_verify(s);
    store_close(&s);
    s = site_open(dir);
    assert_int_equal(site_high(s, "misc.test"), stored);
    site_verify(s);
    store_close(&s);
}

static void disk_full_is_later_and_goes_on_when_space_is_back(void **state)
{
    struct store *s = site_with_groups(kit_path("full"));
    char why[200];

    (void)state;
    store_some(s, 0, 2);
    bad_disk_set((struct bad_disk){ .where = "/log/", .error = ENOSPC });
    assert_int_equal(site_store(s, id_of(2), "misc.test", "x\r\n"), COMMIT_LATER);
    assert_false(store_healthy(s, why, sizeof why));
    assert_non_null(strstr(why, "No space left"));
    assert_int_equal(site_store(s, id_of(3), "misc.test", "x\r\n"), COMMIT_LATER);
    assert_int_equal(site_state(s, id_of(2)), 0);
    bad_disk_set((struct bad_disk){ 0 });
    site_wait_well(s);                         /* by itself */
    store_some(s, 2, 2);
    assert_int_equal(site_high(s, "misc.test"), 4);
    site_verify(s);
    store_close(&s);
}

static void database_failure_is_later_and_what_was_durable_is_stored_after_all(void **state)
{
    const char *dir = kit_path("dbfail");
    struct store *s = site_with_groups(dir);
    struct submission *again;
    char why[200];

    (void)state;
    store_some(s, 0, 5);
    bad_disk_set((struct bad_disk){ .where = "/db/", .error = EIO });
    assert_int_equal(site_store(s, id_of(5), "misc.test", "x\r\n"), COMMIT_LATER);
    assert_false(store_healthy(s, why, sizeof why));
    /* its claim stands: who offers it hears "later", not "no" and not "yes" */
    again = site_article(s, id_of(5), "misc.test", "x\r\n");
    assert_int_equal(his_peek(store_history(s), &again->item.rec.key), HIS_BUSY);
    submission_free(&again);
    bad_disk_set((struct bad_disk){ 0 });
    site_wait_well(s);
    readable(s, id_of(5));
    assert_int_equal(site_high(s, "misc.test"), 6);
    store_some(s, 6, 2);
    assert_int_equal(site_high(s, "misc.test"), 8);
    site_verify(s);
    store_close(&s);
    s = site_open(dir);
    site_verify(s);
    assert_int_equal(site_high(s, "misc.test"), 8);
    store_close(&s);
}

/* Nobody stores: only the keeper sees it, and readers need the database, too. */
static void a_broken_database_is_repaired_without_waiting_for_an_article(void **state)
{
    struct store *s = site_with_groups(kit_path("dbkeeper"));
    char why[200];

    (void)state;
    store_some(s, 0, 3);
    bad_disk_set((struct bad_disk){ .where = "/db/", .error = EIO });
    for (int i = 0; store_healthy(s, why, sizeof why); i++) {
        assert_true(i < 3000);
        usleep(10000);
    }
    bad_disk_set((struct bad_disk){ 0 });
    site_wait_well(s);
    readable(s, id_of(1));
    site_verify(s);
    store_close(&s);
}

/* An article is durable and not yet applied when the keeper finds the database in trouble. */
static void trouble_met_by_the_keeper_is_answered_to_nobody_twice(void **state)
{
    struct store *s = site_with_groups(kit_path("dbother"));
    struct err e = { .text = "met by the keeper" };
    struct store_counts counts;
    struct submission *sub;

    (void)state;
    store_some(s, 0, 3);
    sub = site_article(s, id_of(3), "misc.test", "x\r\n");
    sub->mail.deliver = on_deliver;
    atomic_store(&delivered, false);
    assert_int_equal(site_claim(s, sub), HIS_NEW);
    lock_get(&s->lock);
    s->keeper_waits = true;                      /* nobody applies */
    lock_put(&s->lock);
    assert_true(store_submit(s, sub));
    for (unsigned n = 0; n == 0; usleep(1000)) {
        lock_get(&s->lock);
        n = s->durable.n;
        lock_put(&s->lock);
    }
    store_broken(s, &e);
    lock_get(&s->lock);
    s->keeper_waits = false;
    cond_signal(&s->ready);
    lock_put(&s->lock);
    while (!atomic_load(&delivered))
        usleep(1000);
    assert_int_equal(sub->result, COMMIT_LATER);
    submission_free(&sub);
    site_wait_well(s);
    store_counts(s, &counts);
    assert_int_equal(counts.later, 1);
    readable(s, id_of(3));
    site_verify(s);
    store_close(&s);
}

/* ---- I6 ---- */

struct told { uint64_t calls, last; };

static bool count_told(const char *what, uint64_t done, uint64_t total, void *arg)
{
    struct told *t = arg;

    (void)what, (void)total;
    t->calls++;
    t->last = done;
    return true;
}

static void i6_start_reads_the_tail_only(void **state)
{
    const char *dir = kit_path("i6");
    struct store_options o = site_options(dir);
    struct store *s = site_with_groups(dir);
    struct told t = { 0 };
    struct err e;
    unsigned next;

    (void)state;
    store_some(s, 0, 200);
    store_close(&s);
    s = store_open(&o, count_told, &t, &e);
    assert_non_null(s);
    assert_int_equal(t.calls, 0);              /* all was applied: nothing is read again */
    store_close(&s);
    next = run_and_kill(dir, 1000, 50);
    t = (struct told){ 0 };
    s = store_open(&o, count_told, &t, &e);
    assert_non_null(s);
    assert_true(t.last <= 2);                  /* what was between the log and the database */
    readable(s, id_of(next - 1));
    store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(i1_no_answer_and_nothing_seen_before_the_sync_is_done),
        cmocka_unit_test(i2_a_log_that_lost_its_end_gives_no_number_twice),
        cmocka_unit_test(i2_a_batch_that_failed_gives_its_numbers_back_unseen),
        cmocka_unit_test(i3_after_kill_9_all_that_was_promised_is_there_and_history_points_to_bytes),
        cmocka_unit_test(i4_applying_twice_changes_nothing),
        cmocka_unit_test(i5_whatever_call_fails_the_answer_is_stored_or_later),
        cmocka_unit_test(disk_full_is_later_and_goes_on_when_space_is_back),
        cmocka_unit_test(database_failure_is_later_and_what_was_durable_is_stored_after_all),
        cmocka_unit_test(trouble_met_by_the_keeper_is_answered_to_nobody_twice),
        cmocka_unit_test(a_broken_database_is_repaired_without_waiting_for_an_article),
        cmocka_unit_test(i6_start_reads_the_tail_only),
    };

    return cmocka_run_group_tests(tests, quiet, NULL);
}
