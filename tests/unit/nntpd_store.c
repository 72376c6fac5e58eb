/* The store: bytes, then pointer, then promise; the invariants I1 to I6 of the design. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "lib/bdb.h"
#include "lib/bdb_route.h"
#include "nntpd/replay.h"
#include "nntpd/store_int.h"
#include "tests/unit/storekit.h"

/* ---- helpers ---- */

static const char *id_of(unsigned n)
{
    static char ring[8][64];
    static unsigned turn;
    char *p = ring[turn++ % 8];

    snprintf(p, 64, "<%u@store.example>", n);
    return p;
}

static struct store *site_with_groups(const char *dir)
{
    struct store *s = site_open(dir);

    lock_get(&s->lock);
    s->retry_us = 20000;
    lock_put(&s->lock);
    site_group(s, "misc.test", 'y', NULL);
    site_group(s, "misc.other", 'y', NULL);
    return s;
}

static void store_some(struct store *s, unsigned from, unsigned n)
{
    for (unsigned i = from; i < from + n; i++)
        assert_int_equal(site_store(s, id_of(i), i % 3 == 0 ? "misc.test,misc.other" : "misc.test", "body\r\n"),
                         COMMIT_STORED);
}

static void cancel(struct store *s, const char *id)
{
    struct submission *sub = submission_cancel(s, span_of(id), "because");

    assert_int_equal(store_commit_wait(s, sub), COMMIT_STORED);
    submission_free(&sub);
}

/* Read an article back and compare its body. */
static void readable(struct store *s, const char *id)
{
    struct record_number numbers[64];
    struct his_entry h;
    struct buf scratch = { 0 };
    struct log_pos pos;
    struct record r;
    struct err e = { 0 };

    assert_int_equal(store_find(s, span_of(id), &h, &e), HIS_SEEN);
    assert_int_equal(h.state, HIS_KEPT);
    pos = (struct log_pos){ .segment = h.segment, .offset = h.offset, .size = h.size };
    if (artlog_read(store_log(s), &pos, &r, numbers, 64, &scratch, &e) != 0)
        fail_msg("%s: %s", id, e.text);
    assert_int_equal(r.flags & RECORD_GONE, 0);
    assert_true(span_eq((struct span){ r.data.p + r.msgid.at, r.msgid.len }, span_of(id)));
    buf_fini(&scratch);
}

/* ---- plain storing ---- */

static void numbers_are_dense_and_agree_with_xref(void **state)
{
    struct store *s = site_with_groups(kit_path("dense"));
    struct log_pos pos;
    struct buf line = { 0 };
    struct err e;

    (void)state;
    store_some(s, 0, 30);
    assert_int_equal(site_high(s, "misc.test"), 30);
    assert_int_equal(site_high(s, "misc.other"), 10);
    /* article 27 went to both: the 28th of one, the 10th of the other */
    assert_int_equal(ov_get(store_overview(s), group_find(store_groups(s), SPAN("misc.other"))->id, 10, &pos, &line, &e), 1);
    buf_add(&line, "", 1);
    assert_non_null(strstr(buf_data(&line), "Xref: news.test.example misc.test:28 misc.other:10"));
    buf_fini(&line);
    site_verify(s);
    store_close(&s);
    s = site_open(kit_path("dense"));
    assert_int_equal(site_high(s, "misc.test"), 30);
    store_some(s, 30, 1);
    assert_int_equal(site_high(s, "misc.test"), 31);
    site_verify(s);
    store_close(&s);
}

static void groups_that_went_away_take_no_article(void **state)
{
    struct store *s = site_with_groups(kit_path("away"));
    struct submission *sub = site_article(s, id_of(1), "misc.other", "x\r\n"), *un;

    (void)state;
    un = submission_ungroup(s, sub->group[0]);
    assert_int_equal(store_commit_wait(s, un), COMMIT_STORED);
    submission_free(&un);
    assert_int_equal(store_commit_wait(s, sub), COMMIT_NO_GROUP);
    submission_free(&sub);
    assert_int_equal(site_state(s, id_of(1)), 0);
    site_verify(s);
    store_close(&s);
}

static void a_group_of_the_same_name_is_changed_not_made_twice(void **state)
{
    struct store *s = site_open(kit_path("twice"));
    uint32_t a = site_group(s, "misc.test", 'y', NULL), b = site_group(s, "misc.test", 'm', NULL);

    (void)state;
    assert_int_equal(a, b);
    assert_int_equal(atomic_load(&group_find(store_groups(s), SPAN("misc.test"))->flag), 'm');
    store_close(&s);
}

static void a_second_program_is_kept_out(void **state)
{
    const char *dir = kit_path("locked");
    struct store_options o = site_options(dir);
    struct store *s = site_open(dir);
    struct err e;

    (void)state;
    assert_null(store_open(&o, NULL, NULL, &e));
    assert_non_null(strstr(e.text, "in use by process"));
    store_close(&s);
}

static void the_key_is_not_made_anew_beside_a_log(void **state)
{
    const char *dir = kit_path("key");
    struct store_options o = site_options(dir);
    struct store *s = site_with_groups(dir);
    struct err e;
    char path[300];

    (void)state;
    store_some(s, 0, 1);
    store_close(&s);
    snprintf(path, sizeof path, "%s/key", dir);
    assert_int_equal(unlink(path), 0);
    assert_null(store_open(&o, NULL, NULL, &e));
    assert_non_null(strstr(e.text, "key is missing"));
}

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
    struct log_reader *in = log_reader_new(s->ix.log, artlog_first_seq(s->ix.log), &e);
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

/* ---- I6 ---- */

struct told { uint64_t calls, last; };

static void count_told(const char *what, uint64_t done, uint64_t total, void *arg)
{
    struct told *t = arg;

    (void)what, (void)total;
    t->calls++;
    t->last = done;
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

/* ---- rebuild, cancel ---- */

static void rebuild_gives_the_same_trees(void **state)
{
    const char *dir = kit_path("rebuild");
    struct store_options o = site_options(dir);
    struct store *s = site_with_groups(dir);
    struct submission *refused = submission_new();
    struct err e = { 0 };
    char *before;

    (void)state;
    store_some(s, 0, 60);
    refused->item.rec = (struct record){ .kind = RECORD_REFUSED, .arrived_us = 5, .data = { NULL, 3 },
                                         .key = msgid_key(store_key(s), SPAN("<refused@example>")) };
    refused->item.part[0] = SPAN("bad");
    assert_int_equal(store_commit_wait(s, refused), COMMIT_STORED);
    submission_free(&refused);
    cancel(s, id_of(0));
    cancel(s, id_of(1));
    cancel(s, id_of(30));
    site_group(s, "misc.empty", 'n', NULL);
    before = dump(s);
    store_close(&s);                           /* the cancelled bytes are punched out by now */
    if (store_rebuild(&o, NULL, NULL, &e) != 0)
        fail_msg("%s", e.text);
    s = site_open(dir);
    same(before, dump(s));
    site_verify(s);
    store_some(s, 60, 1);
    assert_int_equal(site_high(s, "misc.test"), 61);
    store_close(&s);
}

static void a_damaged_database_is_made_again_at_the_start(void **state)
{
    const char *dir = kit_path("lost");
    struct store_options o = site_options(dir);
    struct store *s = site_with_groups(dir);
    struct err e = { 0 };
    char command[400];

    (void)state;
    store_some(s, 0, 20);
    store_close(&s);
    for (int way = 0; way < 2; way++) {
        snprintf(command, sizeof command, "for f in '%s'/db/*; do echo rubbish > $f; done", dir);
        assert_int_equal(system(command), 0);
        /* by itself, or told to */
        if (way == 1 && store_rebuild(&o, NULL, NULL, &e) != 0)
            fail_msg("%s", e.text);
        s = site_open(dir);
        readable(s, id_of(19));
        assert_int_equal(site_high(s, "misc.test"), 20);
        site_verify(s);
        store_close(&s);
    }
}

static void a_cancel_takes_rows_and_bytes_and_moves_marks(void **state)
{
    const char *dir = kit_path("cancel");
    struct store *s = site_with_groups(dir);
    const struct group *g = group_find(store_groups(s), SPAN("misc.test"));
    struct log_pos pos;
    struct his_entry h;
    struct record_number numbers[8];
    struct buf scratch = { 0 };
    struct record r;
    struct err e = { 0 };

    (void)state;
    store_some(s, 0, 5);                       /* 0 and 3 are in misc.other too */
    assert_int_equal(store_find(s, span_of(id_of(0)), &h, &e), HIS_SEEN);
    pos = (struct log_pos){ .segment = h.segment, .offset = h.offset, .size = h.size };
    cancel(s, id_of(0));
    assert_int_equal(site_state(s, id_of(0)), HIS_CANCELLED);
    assert_int_equal(atomic_load(&g->low), 2);
    assert_int_equal(atomic_load(&g->count), 4);
    assert_int_equal(atomic_load(&g->high), 5);
    cancel(s, id_of(2));
    assert_int_equal(atomic_load(&g->low), 2);
    assert_int_equal(atomic_load(&g->count), 3);
    cancel(s, id_of(1));
    assert_int_equal(atomic_load(&g->low), 4);
    cancel(s, id_of(3));
    cancel(s, id_of(4));
    assert_int_equal(atomic_load(&g->low), 6);
    assert_int_equal(atomic_load(&g->count), 0);
    /* again, and of something unknown: no harm; the unknown one is blocked */
    cancel(s, id_of(4));
    cancel(s, "<later@example>");
    assert_int_equal(site_state(s, "<later@example>"), HIS_CANCELLED);
    site_verify(s);
    store_close(&s);
    s = site_open(dir);
    assert_int_equal(artlog_read(store_log(s), &pos, &r, numbers, 8, &scratch, &e), 0);
    assert_int_equal(r.flags & RECORD_GONE, RECORD_GONE);      /* punched */
    store_some(s, 5, 1);
    assert_int_equal(site_high(s, "misc.test"), 6);
    site_verify(s);
    buf_fini(&scratch);
    store_close(&s);
}

static void many_segments_and_many_at_once(void **state)
{
    const char *dir = kit_path("many");
    struct store_options o = site_options(dir);
    struct submission *sub[400];
    struct err e = { 0 };
    struct store *s;
    char *before, *body = xmalloc(4001);

    (void)state;
    memset(body, 'x', 4000);
    memcpy(body + 3998, "\r\n", 3);
    o.segment_bytes = 64 << 10;
    s = store_open(&o, NULL, NULL, &e);
    site_group(s, "misc.test", 'y', NULL);
    for (int i = 0; i < 400; i++) {
        sub[i] = site_article(s, id_of((unsigned)i), "misc.test", body);
        sub[i]->mail.deliver = on_deliver;
        assert_true(store_submit(s, sub[i]));
    }
    store_some(s, 1000, 1);                    /* behind them all */
    assert_int_equal(site_high(s, "misc.test"), 401);
    for (int i = 0; i < 400; i++) {
        assert_int_equal(sub[i]->result, COMMIT_STORED);
        submission_free(&sub[i]);
    }
    site_verify(s);
    before = dump(s);
    store_close(&s);
    assert_int_equal(store_rebuild(&o, NULL, NULL, &e), 0);
    s = store_open(&o, NULL, NULL, &e);
    same(before, dump(s));
    store_close(&s);
    free(body);
}

struct poster { struct store *s; unsigned from; pthread_t thread; };

static void *post_one_by_one(void *arg)
{
    struct poster *p = arg;
    char id[64];

    for (unsigned i = p->from; i < p->from + 400; i++) {
        snprintf(id, sizeof id, "<%u@store.example>", i);
        if (site_store(p->s, id, "misc.test", "body\r\n") != COMMIT_STORED)
            return p;
    }
    return NULL;
}

/* One alone is applied by the committer, more by the applier: never by both at once. */
static void few_at_once_are_applied_by_one_thread_at_a_time(void **state)
{
    struct store *s = site_with_groups(kit_path("few"));
    struct poster p[12];
    void *failed;

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        p[i] = (struct poster){ .s = s, .from = 1000 * (i + 1) };
        assert_int_equal(pthread_create(&p[i].thread, NULL, post_one_by_one, &p[i]), 0);
    }
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(pthread_join(p[i].thread, &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(site_high(s, "misc.test"), 4800);
    site_verify(s);
    store_close(&s);
}

static void a_rebuild_that_was_cut_short_is_begun_again(void **state)
{
    const char *dir = kit_path("short");
    struct store *s = site_with_groups(dir);
    struct applied known;
    struct err e = { 0 };
    char *before;

    (void)state;
    store_some(s, 0, 30);
    cancel(s, id_of(3));
    before = dump(s);
    assert_int_equal(applied_get(&s->ix, &known, &e), 0);
    assert_int_equal(rebuild_begin(&s->ix, &known, &e), 0);
    assert_int_equal(ov_empty(s->ix.ov, &e), 0);
    store_close(&s);
    s = site_open(dir);
    same(before, dump(s));
    site_verify(s);
    store_close(&s);
}

static void drop_row(struct txn *t, void *arg)
{
    struct store *s = arg;

    ov_remove(s->ix.ov, t, group_find(s->ix.groups, SPAN("misc.test"))->id, 2);
}

static void note_line(const char *line, void *arg)
{
    buf_puts(arg, line);
    buf_puts(arg, "\n");
}

static void verify_tells_a_missing_row_and_a_damaged_article(void **state)
{
    const char *dir = kit_path("verify");
    struct store *s = site_with_groups(dir);
    struct buf told = { 0 };
    struct his_entry h;
    struct err e = { 0 };
    char path[300], byte = '~';
    int fd;

    (void)state;
    store_some(s, 0, 5);
    site_verify(s);
    assert_int_equal(bdb_run(s->ix.bdb, drop_row, s, &e), 0);
    assert_int_equal(store_find(s, span_of(id_of(4)), &h, &e), HIS_SEEN);
    snprintf(path, sizeof path, "%s/log/%010u.seg", dir, h.segment);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(h.offset + h.size - 20)), 1);
    close(fd);
    /* the row, the damage, and the group's count that does not match */
    assert_int_equal(store_verify(s, NULL, note_line, &told, &e), 3);
    buf_add(&told, "", 1);
    assert_non_null(strstr(buf_data(&told), "<1@store.example>: no overview row"));
    assert_non_null(strstr(buf_data(&told), "does not match its checksum"));
    assert_non_null(strstr(buf_data(&told), "group misc.test: 4 overview rows, but its count is 5"));
    buf_fini(&told);
    store_close(&s);
}

static void with_fsync_interval_the_last_article_is_synced_though_nothing_follows(void **state)
{
    const char *dir = kit_path("interval");
    struct store_options o = site_options(dir);
    struct err e;
    struct store *s;
    bool synced = false;

    (void)state;
    o.fsync = FSYNC_INTERVAL;
    o.fsync_interval_us = 50000;
    s = store_open(&o, NULL, NULL, &e);
    assert_non_null(s);
    site_group(s, "misc.test", 'y', NULL);
    site_group(s, "misc.other", 'y', NULL);
    store_some(s, 0, 3);
    bad_disk_set((struct bad_disk){ .where = "/log/", .after = 1L << 40 });   /* counts */
    store_some(s, 3, 1);
    for (int i = 0; i < 3000 && !synced; i++) {
        usleep(10000);
        lock_get(&bad_lock);
        synced = bad_disk.calls >= 2;          /* the write and the sync */
        lock_put(&bad_lock);
    }
    bad_disk_set((struct bad_disk){ 0 });
    assert_true(synced);
    site_verify(s);
    store_close(&s);
}

static int quiet(void **state)
{
    struct err e;

    (void)state;
    bdb_route();
    bad_disk_install();
    return log_open("test", getenv("VERBOSE") ? LOG_DEBUG : LOG_ERROR, getenv("VERBOSE") ? NULL : "/dev/null", &e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_dense_and_agree_with_xref),
        cmocka_unit_test(groups_that_went_away_take_no_article),
        cmocka_unit_test(a_group_of_the_same_name_is_changed_not_made_twice),
        cmocka_unit_test(a_second_program_is_kept_out),
        cmocka_unit_test(the_key_is_not_made_anew_beside_a_log),
        cmocka_unit_test(i1_no_answer_and_nothing_seen_before_the_sync_is_done),
        cmocka_unit_test(i2_a_log_that_lost_its_end_gives_no_number_twice),
        cmocka_unit_test(i2_a_batch_that_failed_gives_its_numbers_back_unseen),
        cmocka_unit_test(i3_after_kill_9_all_that_was_promised_is_there_and_history_points_to_bytes),
        cmocka_unit_test(i4_applying_twice_changes_nothing),
        cmocka_unit_test(i5_whatever_call_fails_the_answer_is_stored_or_later),
        cmocka_unit_test(disk_full_is_later_and_goes_on_when_space_is_back),
        cmocka_unit_test(database_failure_is_later_and_what_was_durable_is_stored_after_all),
        cmocka_unit_test(i6_start_reads_the_tail_only),
        cmocka_unit_test(rebuild_gives_the_same_trees),
        cmocka_unit_test(a_damaged_database_is_made_again_at_the_start),
        cmocka_unit_test(a_cancel_takes_rows_and_bytes_and_moves_marks),
        cmocka_unit_test(many_segments_and_many_at_once),
        cmocka_unit_test(few_at_once_are_applied_by_one_thread_at_a_time),
        cmocka_unit_test(a_rebuild_that_was_cut_short_is_begun_again),
        cmocka_unit_test(verify_tells_a_missing_row_and_a_damaged_article),
        cmocka_unit_test(with_fsync_interval_the_last_article_is_synced_though_nothing_follows),
    };

    return cmocka_run_group_tests(tests, quiet, NULL);
}
