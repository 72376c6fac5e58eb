/* nntpd_forget.c - a site forgets ids that are not kept, when their time has come: a scripted clock. */
#include "nntpd/store_int.h"
#include "tests/unit/storekit.h"

#define DAY_US   INT64_C(86400000000)
#define START_US (20000 * DAY_US + DAY_US / 2)

static struct store *s;
static int64_t now_us;

static void clock_is(int64_t us)
{
    clock_freeze(now_us = us);
}

static struct store *open_at(const char *name, int64_t remember_us)
{
    struct store_options o = site_options(kit_path("%s", name));
    struct err e = { 0 };

    o.remember_us = remember_us;
    if ((s = store_open(&o, NULL, NULL, &e)) == NULL)
        fail_msg("%s", e.text);
    lock_get(&s->lock);
    s->keeper_us = s->retry_us = 1000;
    cond_signal(&s->tick);
    lock_put(&s->lock);
    return s;
}

static void commit(struct submission *sub)
{
    if (store_commit_wait(s, sub) != COMMIT_STORED)
        fail_msg("%s", sub->why);
    submission_free(&sub);
}

static void cancel(const char *id)
{
    commit(submission_cancel(s, span_of(id), "test"));
}

static void refuse(const char *id)
{
    struct submission *sub = submission_new();

    sub->item.rec = (struct record){ .kind = RECORD_REFUSED, .arrived_us = now_us, .data = { NULL, 3 },
                                     .key = msgid_key(store_key(s), span_of(id)) };
    sub->item.part[0] = SPAN("bad");
    commit(sub);
}

static struct store_counts counts(void)
{
    struct store_counts c;

    store_counts(s, &c);
    return c;
}

/* Until the keeper has done what is due. */
static void wait_for_keeper(bool (*done)(void))
{
    for (int i = 0; !done(); i++) {
        if (i == 30000)
            fail_msg("the keeper does not come to an end");
        usleep(1000);
    }
}

/* Published records of the kind; of FORGET, the day of the last one. */
static unsigned records_of_kind(enum record_kind kind, uint32_t *day)
{
    struct log_reader *in = log_reader_new(s->ix.log, 1);
    struct log_pos pos;
    struct record r;
    struct err e;
    unsigned n = 0;

    *day = 0;
    while (log_reader_next(in, &r, &pos, &e) == 1) {
        n += r.kind == kind;
        if (r.kind == RECORD_FORGET)
            assert_true(record_forget_day(r.data, day));
    }
    log_reader_free(&in);
    return n;
}

static unsigned forgets(void)
{
    uint32_t day;

    return records_of_kind(RECORD_FORGET, &day);
}

static bool day_is_over(void)
{
    uint32_t day;

    records_of_kind(RECORD_FORGET, &day);
    return day == (now_us - 11 * DAY_US) / DAY_US;
}

static bool all_is_swept(void)
{
    return day_is_over() && his_sweep_over(store_history(s));
}

static uint64_t keeper_turns(void)
{
    return store_epoch(s);               /* each turn lets those ask again who wait for a claim */
}

/* Some turns of the keeper that had nothing to do. */
static void let_turns_pass(void)
{
    uint64_t from = keeper_turns();

    while (keeper_turns() < from + 5)
        usleep(1000);
}

static void fill(void)
{
    site_group(s, "misc.test", 'y', NULL);
    assert_int_equal(site_store(s, "<kept@a.example>", "misc.test", "x\r\n"), COMMIT_STORED);
    assert_int_equal(site_store(s, "<cancelled@a.example>", "misc.test", "x\r\n"), COMMIT_STORED);
    cancel("<cancelled@a.example>");
    cancel("<never-came@a.example>");
    refuse("<refused@a.example>");
}

static void check(int kept, int cancelled, int never_came, int refused)
{
    assert_int_equal(site_state(s, "<kept@a.example>"), kept);
    assert_int_equal(site_state(s, "<cancelled@a.example>"), cancelled);
    assert_int_equal(site_state(s, "<never-came@a.example>"), never_came);
    assert_int_equal(site_state(s, "<refused@a.example>"), refused);
}

static void ids_are_remembered_for_their_time_and_then_forgotten(void **state)
{
    (void)state;
    clock_is(START_US);
    open_at("time", 11 * DAY_US);
    fill();
    /* a young log has nothing to forget, and says nothing */
    clock_is(START_US + 11 * DAY_US);
    let_turns_pass();
    check(HIS_KEPT, HIS_CANCELLED, HIS_CANCELLED, HIS_REFUSED);
    assert_int_equal(forgets(), 0);
    /* the day that they came on is over for the eleventh time */
    clock_is(START_US + 12 * DAY_US);
    wait_for_keeper(day_is_over);
    check(HIS_KEPT, 0, 0, 0);
    wait_for_keeper(all_is_swept);
    check(HIS_KEPT, 0, 0, 0);
    assert_int_equal(counts().swept, 3);
    site_verify(s);
    let_turns_pass();
    assert_int_equal(forgets(), 1);
    store_close(&s);
}

static void forgotten_id_may_come_again_and_a_rebuild_says_the_same(void **state)
{
    struct store_options o = site_options(kit_path("again"));
    struct err e = { 0 };

    (void)state;
    clock_is(START_US);
    open_at("again", 11 * DAY_US);
    fill();
    clock_is(START_US + 12 * DAY_US);
    wait_for_keeper(day_is_over);
    assert_int_equal(site_store(s, "<cancelled@a.example>", "misc.test", "again\r\n"), COMMIT_STORED);
    assert_int_equal(site_store(s, "<refused@a.example>", "misc.test", "after all\r\n"), COMMIT_STORED);
    check(HIS_KEPT, HIS_KEPT, 0, HIS_KEPT);
    site_verify(s);
    store_close(&s);
    if (store_rebuild(&o, NULL, NULL, &e) != 0)
        fail_msg("%s", e.text);
    open_at("again", 11 * DAY_US);
    check(HIS_KEPT, HIS_KEPT, 0, HIS_KEPT);
    site_verify(s);
    /* and a later cancel counts */
    cancel("<cancelled@a.example>");
    wait_for_keeper(all_is_swept);
    check(HIS_KEPT, HIS_CANCELLED, 0, HIS_KEPT);
    store_close(&s);
}

static void without_a_time_they_are_remembered_for_ever(void **state)
{
    (void)state;
    clock_is(START_US);
    open_at("ever", 0);
    fill();
    clock_is(START_US + 4000 * DAY_US);
    let_turns_pass();
    check(HIS_KEPT, HIS_CANCELLED, HIS_CANCELLED, HIS_REFUSED);
    /* a reload gives one */
    store_remember(s, 11 * DAY_US);
    wait_for_keeper(all_is_swept);
    check(HIS_KEPT, 0, 0, 0);
    store_close(&s);
}

static void clock_that_was_far_ahead_for_a_while_does_not_forget_what_comes_after(void **state)
{
    (void)state;
    clock_is(START_US);
    open_at("ahead", 11 * DAY_US);
    fill();
    clock_is(START_US + 4000 * DAY_US);
    wait_for_keeper(all_is_swept);
    clock_is(START_US + 1 * DAY_US);
    refuse("<refused@a.example>");
    let_turns_pass();
    check(HIS_KEPT, 0, 0, HIS_REFUSED);
    store_close(&s);
    open_at("ahead", 11 * DAY_US);
    check(HIS_KEPT, 0, 0, HIS_REFUSED);
    store_close(&s);
}

static void disk_that_is_full_for_a_while_puts_it_off(void **state)
{
    (void)state;
    clock_is(START_US);
    open_at("full", 11 * DAY_US);
    fill();
    bad_disk_set((struct bad_disk){ .where = "/log/", .error = ENOSPC });
    clock_is(START_US + 12 * DAY_US);
    let_turns_pass();
    check(HIS_KEPT, HIS_CANCELLED, HIS_CANCELLED, HIS_REFUSED);
    bad_disk_set((struct bad_disk){ .where = NULL });
    for (int i = 0; !day_is_over() && i < 30000; i++) {
        clock_is(now_us + 1000);         /* trouble is looked at again as time goes by */
        usleep(1000);
    }
    wait_for_keeper(all_is_swept);
    check(HIS_KEPT, 0, 0, 0);
    store_close(&s);
}

/* The keeper takes the applier's place again and again while articles come from all sides. */
static void *poster(void *arg)
{
    char id[40];

    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "<%d.%d@a.example>", (int)(intptr_t)arg, i);
        if (site_store(s, id, "misc.test", "x\r\n") != COMMIT_STORED)
            return arg;
        if (i % 3 == 0)
            cancel(id);
    }
    return NULL;
}

static void sweeping_and_storing_go_on_together(void **state)
{
    pthread_t t[4];
    void *bad;

    (void)state;
    clock_is(START_US);
    open_at("both", 11 * DAY_US);
    fill();
    for (int i = 0; i < 4; i++)
        thread_start(&t[i], "poster", poster, (void *)(intptr_t)(i + 1));
    for (int day = 0; day < 40; day++) {
        clock_is(now_us + DAY_US);
        let_turns_pass();
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &bad);
        assert_null(bad);
    }
    clock_is(now_us + 20 * DAY_US);
    wait_for_keeper(all_is_swept);
    for (int i = 0; i < 4 * 300; i++) {
        char id[40];

        snprintf(id, sizeof id, "<%d.%d@a.example>", i / 300 + 1, i % 300);
        assert_int_equal(site_state(s, id), i % 300 % 3 == 0 ? 0 : HIS_KEPT);
    }
    site_verify(s);
    store_close(&s);
}

static int quiet(void **state)
{
    struct err e;

    (void)state;
    bad_disk_install();
    return log_open("test", LOG_ERROR, getenv("VERBOSE") ? NULL : "/dev/null", &e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_remembered_for_their_time_and_then_forgotten),
        cmocka_unit_test(forgotten_id_may_come_again_and_a_rebuild_says_the_same),
        cmocka_unit_test(without_a_time_they_are_remembered_for_ever),
        cmocka_unit_test(clock_that_was_far_ahead_for_a_while_does_not_forget_what_comes_after),
        cmocka_unit_test(disk_that_is_full_for_a_while_puts_it_off),
        cmocka_unit_test(sweeping_and_storing_go_on_together),
    };

    return cmocka_run_group_tests(tests, quiet, NULL);
}
