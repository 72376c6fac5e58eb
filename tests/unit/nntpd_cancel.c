/* Cancels in the log: who may, in whatever order they come, and the same again in a replay and a rebuild. */
#include "article/canlock.h"
#include "lib/bdb_route.h"
#include "nntpd/apply.h"
#include "tests/unit/storekit.h"

#define LOCK_A "lock a.........."
#define LOCK_B "lock b.........."

/* What an article of these tests says about cancelling. */
struct says {
    const char *id, *groups, *locks;           /* marks                        */
    const char *target, *keys;
    enum record_cancels how;
};

static struct submission *make(struct store *s, struct says a)
{
    struct submission *sub = site_article(s, a.id, a.groups != NULL ? a.groups : "misc.test", "body\r\n");
    struct record *r = &sub->item.rec;

    r->locks = span_of(a.locks != NULL ? a.locks : "");
    r->keys = span_of(a.keys != NULL ? a.keys : "");
    if (a.target != NULL) {
        r->cancels = a.how != CANCELS_NOTHING ? a.how : CANCELS_BY_KEY;
        r->target = msgid_key(store_key(s), span_of(a.target));
    }
    assert_int_equal(site_claim(s, sub), HIS_NEW);
    return sub;
}

static enum commit_result put(struct store *s, struct says a)
{
    struct submission *sub = make(s, a);
    enum commit_result r = store_commit_wait(s, sub);

    submission_free(&sub);
    return r;
}

static struct store *open_site(const char *dir)
{
    struct store *s = site_open(dir);

    site_group(s, "misc.test", 'y', NULL);
    site_group(s, "misc.other", 'y', NULL);
    site_group(s, "control.cancel", 'n', NULL);
    return s;
}

static struct { uint64_t low, high, count; } marks;

static void read_marks(struct store *s, const char *group)
{
    const struct group *g = group_find(store_groups(s), span_of(group));

    marks.low = atomic_load(&g->low);
    marks.high = atomic_load(&g->high);
    marks.count = atomic_load(&g->count);
}

#define assert_marks(s, group, l, h, c) do { read_marks(s, group); assert_int_equal(marks.low, l); \
        assert_int_equal(marks.high, h); assert_int_equal(marks.count, c); } while (0)

static uint64_t waiting(struct store *s)
{
    struct his_counts c;

    his_counts(store_history(s), &c);
    return c.waiting;
}

/* ---- who may ---- */

static void only_a_key_opens_a_lock(void **state)
{
    static const struct {
        const char *locks, *keys;
        enum record_cancels how;
        bool goes;
    } rows[] = {
        { LOCK_A, LOCK_A, CANCELS_BY_KEY, true },
        { LOCK_A LOCK_B, LOCK_B, CANCELS_BY_KEY, true },
        { LOCK_B, LOCK_A LOCK_B, CANCELS_BY_KEY, true },
        { LOCK_A, LOCK_B, CANCELS_BY_KEY, false },
        { LOCK_A, "", CANCELS_BY_KEY, false },
        { "", LOCK_A, CANCELS_BY_KEY, false },
        { "", "", CANCELS_BY_KEY, false },
        { "", "", CANCELS_ALL, true },
        { "", LOCK_A, CANCELS_ALL, true },
        { LOCK_A, "", CANCELS_ALL, false },           /* RFC 8315 3.5: a lock is a lock */
        { LOCK_A, LOCK_B, CANCELS_ALL, false },
        { LOCK_A, LOCK_A, CANCELS_ALL, true },
        { "", "", CANCELS_NOTHING, false },
        { LOCK_A, LOCK_A, CANCELS_NOTHING, false },
    };
    struct store *s = open_site(kit_path("who"));
    char target[40], cancel[40];

    (void)state;
    for (unsigned before = 0; before < 2; before++) {
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct says article = { target, NULL, rows[i].locks, NULL, NULL, 0 };
            struct says c = { cancel, "control.cancel", NULL, rows[i].how != 0 ? target : NULL, rows[i].keys, rows[i].how };

            snprintf(target, sizeof target, "<t%u.%u@x.example>", before, i);
            snprintf(cancel, sizeof cancel, "<c%u.%u@x.example>", before, i);
            if (before)
                assert_int_equal(put(s, c), COMMIT_STORED);
            assert_int_equal(put(s, article), before && rows[i].goes ? COMMIT_CANCELLED : COMMIT_STORED);
            if (!before)
                assert_int_equal(put(s, c), COMMIT_STORED);
            if (site_state(s, target) != (rows[i].goes ? HIS_CANCELLED : HIS_KEPT))
                fail_msg("row %u, the cancel %s: state %d", i, before ? "before" : "after", site_state(s, target));
            assert_int_equal(site_state(s, cancel), HIS_KEPT);
        }
    }
    assert_int_equal(waiting(s), 0);
    site_verify(s);
    store_close(&s);
}

/* ---- what goes ---- */

static void the_rows_go_and_the_marks_move(void **state)
{
    struct store *s = open_site(kit_path("rows"));
    struct log_pos pos;
    struct err e;

    (void)state;
    put(s, (struct says){ "<1@x.example>", "misc.test,misc.other", LOCK_A, NULL, NULL, 0 });
    put(s, (struct says){ "<2@x.example>", NULL, NULL, NULL, NULL, 0 });
    put(s, (struct says){ "<c@x.example>", "control.cancel", NULL, "<1@x.example>", LOCK_A, 0 });
    assert_marks(s, "misc.test", 2, 2, 1);
    assert_marks(s, "misc.other", 2, 1, 0);
    assert_marks(s, "control.cancel", 1, 1, 1);
    assert_int_equal(ov_get(store_overview(s), group_find(store_groups(s), SPAN("misc.test"))->id, 1, &pos, NULL, &e), 0);
    put(s, (struct says){ "<3@x.example>", "misc.other", NULL, NULL, NULL, 0 });
    assert_marks(s, "misc.other", 2, 2, 1);
    site_verify(s);
    store_close(&s);
}

static void superseding_puts_one_in_the_place_of_another(void **state)
{
    struct store *s = open_site(kit_path("supersedes"));

    (void)state;
    put(s, (struct says){ "<1@x.example>", "misc.test,misc.other", LOCK_A, NULL, NULL, 0 });
    put(s, (struct says){ "<2@x.example>", "misc.test", LOCK_B, "<1@x.example>", LOCK_A, 0 });
    assert_marks(s, "misc.test", 2, 2, 1);
    assert_marks(s, "misc.other", 2, 1, 0);
    assert_int_equal(site_state(s, "<1@x.example>"), HIS_CANCELLED);
    assert_int_equal(site_state(s, "<2@x.example>"), HIS_KEPT);
    put(s, (struct says){ "<3@x.example>", "misc.test", LOCK_A, "<2@x.example>", LOCK_A, 0 });    /* the wrong key: two articles */
    assert_marks(s, "misc.test", 2, 3, 2);
    put(s, (struct says){ "<4@x.example>", "misc.test", NULL, "<3@x.example>", LOCK_A, 0 });
    assert_marks(s, "misc.test", 2, 4, 2);
    site_verify(s);
    store_close(&s);
}

static void an_article_does_not_cancel_itself(void **state)
{
    struct store *s = open_site(kit_path("itself"));

    (void)state;
    assert_int_equal(put(s, (struct says){ "<1@x.example>", NULL, LOCK_A, "<1@x.example>", LOCK_A, CANCELS_ALL }), COMMIT_STORED);
    assert_int_equal(site_state(s, "<1@x.example>"), HIS_KEPT);
    assert_int_equal(waiting(s), 0);
    store_close(&s);
}

static void cancelled_twice_counts_once(void **state)
{
    struct store *s = open_site(kit_path("twice"));

    (void)state;
    put(s, (struct says){ "<1@x.example>", NULL, LOCK_A, NULL, NULL, 0 });
    put(s, (struct says){ "<2@x.example>", NULL, NULL, NULL, NULL, 0 });
    put(s, (struct says){ "<c1@x.example>", "control.cancel", NULL, "<1@x.example>", LOCK_A, 0 });
    put(s, (struct says){ "<c2@x.example>", "control.cancel", NULL, "<1@x.example>", LOCK_A, 0 });
    assert_marks(s, "misc.test", 2, 2, 1);
    assert_int_equal(waiting(s), 0);
    site_verify(s);
    store_close(&s);
}

/* ---- the cancel came first ---- */

static void an_article_cancelled_before_it_came_is_nowhere(void **state)
{
    const char *dir = kit_path("before");
    struct store *s = open_site(dir);
    struct record_number numbers[8];
    struct buf scratch = { 0 };
    struct his_entry h;
    struct record r;
    struct err e;

    (void)state;
    put(s, (struct says){ "<c@x.example>", "control.cancel", NULL, "<1@x.example>", LOCK_A, 0 });
    assert_int_equal(waiting(s), 1);
    assert_int_equal(site_state(s, "<1@x.example>"), 0);
    store_close(&s);                               /* it waits through a restart */
    s = site_open(dir);
    assert_int_equal(waiting(s), 1);
    assert_int_equal(put(s, (struct says){ "<1@x.example>", NULL, LOCK_A, NULL, NULL, 0 }), COMMIT_CANCELLED);
    assert_int_equal(waiting(s), 0);
    assert_marks(s, "misc.test", 2, 1, 0);          /* its number is nobody's */
    put(s, (struct says){ "<2@x.example>", NULL, NULL, NULL, NULL, 0 });
    assert_marks(s, "misc.test", 2, 2, 1);
    site_verify(s);
    assert_int_equal(store_find(s, SPAN("<1@x.example>"), &h, &e), HIS_SEEN);
    store_close(&s);
    s = site_open(dir);                            /* its bytes are punched out by now */
    assert_int_equal(artlog_read(store_log(s), &(struct log_pos){ h.segment, h.offset, h.size }, &r, numbers, 8, &scratch, &e), 0);
    assert_int_equal(r.flags & RECORD_GONE, RECORD_GONE);
    buf_fini(&scratch);
    store_close(&s);
}

static void one_good_cancel_among_many_that_wait_is_enough(void **state)
{
    struct store *s = open_site(kit_path("many"));

    (void)state;
    put(s, (struct says){ "<c1@x.example>", "control.cancel", NULL, "<1@x.example>", LOCK_B, 0 });
    put(s, (struct says){ "<c2@x.example>", "control.cancel", NULL, "<1@x.example>", LOCK_A, 0 });
    put(s, (struct says){ "<c3@x.example>", "control.cancel", NULL, "<1@x.example>", LOCK_B, 0 });
    put(s, (struct says){ "<c4@x.example>", "control.cancel", NULL, "<2@x.example>", LOCK_B, 0 });
    put(s, (struct says){ "<c5@x.example>", "control.cancel", NULL, "<3@x.example>", NULL, 0 });     /* reaches nothing ever */
    assert_int_equal(waiting(s), 4);
    assert_int_equal(put(s, (struct says){ "<1@x.example>", NULL, LOCK_A, NULL, NULL, 0 }), COMMIT_CANCELLED);
    assert_int_equal(put(s, (struct says){ "<2@x.example>", NULL, LOCK_A, NULL, NULL, 0 }), COMMIT_STORED);
    assert_int_equal(waiting(s), 0);
    store_close(&s);
}

static void cancelled_before_is_known_from_memory(void **state)
{
    struct store *s = open_site(kit_path("memory"));
    struct his *h = store_history(s);
    struct msgid_key key = msgid_key(store_key(s), SPAN("<1@x.example>")), other = msgid_key(store_key(s), SPAN("<2@x.example>"));

    (void)state;
    put(s, (struct says){ "<c@x.example>", "control.cancel", NULL, "<1@x.example>", LOCK_A, 0 });
    assert_true(cancelled_before(h, &key, SPAN(LOCK_A)));
    assert_false(cancelled_before(h, &key, SPAN(LOCK_B)));
    assert_false(cancelled_before(h, &key, SPAN("")));
    assert_false(cancelled_before(h, &other, SPAN(LOCK_A)));
    store_close(&s);
}

static void a_refusal_ends_the_waiting(void **state)
{
    struct store *s = open_site(kit_path("refusal"));
    struct submission *sub = submission_new();

    (void)state;
    put(s, (struct says){ "<c@x.example>", "control.cancel", NULL, "<1@x.example>", LOCK_A, 0 });
    sub->item.rec = (struct record){ .kind = RECORD_REFUSED, .arrived_us = 5, .data = { NULL, 3 },
                                     .key = msgid_key(store_key(s), SPAN("<1@x.example>")) };
    sub->item.part[0] = SPAN("bad");
    assert_int_equal(store_commit_wait(s, sub), COMMIT_STORED);
    submission_free(&sub);
    assert_int_equal(waiting(s), 0);
    put(s, (struct says){ "<c2@x.example>", "control.cancel", NULL, "<1@x.example>", LOCK_A, 0 });
    assert_int_equal(waiting(s), 0);
    assert_int_equal(site_state(s, "<1@x.example>"), HIS_REFUSED);
    site_verify(s);
    store_close(&s);
}

/* ---- all at once, again, and anew ---- */

static void on_deliver(struct mail *m)
{
    (void)m;
}

/* Cancels before, among and behind their articles, and ordinary articles, in one go. */
static void submit_many(struct store *s, unsigned n, struct submission **sub)
{
    for (unsigned i = 0; i < n; i++) {
        char id[40], target[40];
        struct says a = { id, i % 5 == 0 ? "misc.test,misc.other" : "misc.test", i % 3 == 0 ? LOCK_A : NULL, NULL, NULL, 0 };

        snprintf(id, sizeof id, "<%u@many.example>", i);
        snprintf(target, sizeof target, "<%u@many.example>", i % 2 ? i + 7 : i - 6);
        if (i >= 6 && i % 4 < 2) {
            a.target = target;
            a.keys = i % 7 < 5 ? LOCK_A : LOCK_B;
            a.how = i % 11 == 0 ? CANCELS_ALL : CANCELS_BY_KEY;
            a.groups = i % 8 < 4 ? "control.cancel" : a.groups;
        }
        sub[i] = make(s, a);
        sub[i]->mail.deliver = on_deliver;
        assert_true(store_submit(s, sub[i]));
    }
    put(s, (struct says){ "<last@many.example>", NULL, NULL, NULL, NULL, 0 });      /* behind them all */
}

#define MANY 300

static unsigned cancelled_of(struct submission **sub, unsigned n)
{
    unsigned cancelled = 0;

    for (unsigned i = 0; i < n; i++) {
        assert_true(sub[i]->result == COMMIT_STORED || sub[i]->result == COMMIT_CANCELLED);
        cancelled += sub[i]->result == COMMIT_CANCELLED;
        submission_free(&sub[i]);
    }
    return cancelled;
}

static void a_rebuild_decides_as_it_was_decided(void **state)
{
    const char *dir = kit_path("rebuild");
    struct store_options o = site_options(dir);
    struct submission *sub[MANY];
    struct store *s = open_site(dir);
    struct err e = { 0 };
    char *before;

    (void)state;
    submit_many(s, MANY, sub);
    assert_int_not_equal(cancelled_of(sub, MANY), 0);
    assert_int_not_equal(waiting(s), 0);
    site_verify(s);
    before = dump(s);
    for (int i = 0; i < 2; i++) {
        store_close(&s);                           /* what was cancelled is punched out by now */
        if (store_rebuild(&o, NULL, NULL, &e) != 0)
            fail_msg("%s", e.text);
        s = site_open(dir);
        same(before, dump(s));
        before = dump(s);
    }
    site_verify(s);
    free(before);
    store_close(&s);
}

/* The database as it was once, the log as it is now: a crash before the journal was flushed. */
static void a_replay_from_anywhere_ends_the_same(void **state)
{
    const char *dir = kit_path("replay");
    struct store *s = open_site(dir);
    char command[1200], id[40], target[40], *after;

    (void)state;
    for (unsigned i = 0; i < 24; i++) {
        struct says a = { id, NULL, i % 2 ? LOCK_A : NULL, i % 3 == 1 ? target : NULL, LOCK_A, CANCELS_ALL };

        snprintf(id, sizeof id, "<%u@replay.example>", i);
        snprintf(target, sizeof target, "<%u@replay.example>", i % 4 < 2 ? i + 3 : i - 2);
        put(s, a);
        store_close(&s);
        snprintf(command, sizeof command, "cp -r '%s/db' '%s/db.%u'", dir, dir, i);
        assert_int_equal(system(command), 0);
        s = site_open(dir);
    }
    after = dump(s);
    site_verify(s);
    store_close(&s);
    for (unsigned i = 0; i < 24; i++) {
        snprintf(command, sizeof command, "rm -r '%s/db' && cp -r '%s/db.%u' '%s/db'", dir, dir, i, dir);
        assert_int_equal(system(command), 0);
        s = site_open(dir);
        same(xstrdup(after), dump(s));
        site_verify(s);
        store_close(&s);
    }
    free(after);
}

static void a_database_that_fails_meanwhile_changes_nothing_of_it(void **state)
{
    const char *dir = kit_path("fails"), *calm = kit_path("calm");
    struct store *s = open_site(dir), *c = open_site(calm);
    unsigned later = 0;

    (void)state;
    lock_get(&s->lock);
    s->retry_us = 20000;
    lock_put(&s->lock);
    for (unsigned i = 0; i < 40; i++) {
        char id[40], target[40];
        struct says a = { id, NULL, i % 2 ? LOCK_A : NULL, i % 3 == 1 ? target : NULL, LOCK_A, CANCELS_ALL };

        snprintf(id, sizeof id, "<%u@fails.example>", i);
        snprintf(target, sizeof target, "<%u@fails.example>", i % 4 < 2 ? i + 3 : i - 2);
        put(c, a);
        bad_disk_set((struct bad_disk){ .where = "fails/db/", .error = EIO, .after = i % 3, .once = i % 2 });
        later += put(s, a) == COMMIT_LATER;
        bad_disk_set((struct bad_disk){ .where = NULL });
        site_wait_well(s);
        /* it is durable, though it was answered "later": applied as soon as the database was well */
        assert_int_equal(site_state(s, id), site_state(c, id));
        assert_int_equal(site_state(s, target) == HIS_CANCELLED, site_state(c, target) == HIS_CANCELLED);
        assert_int_equal(waiting(s), waiting(c));
    }
    assert_in_range(later, 10, 40);
    site_verify(s);
    store_close(&s);
    store_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_key_opens_a_lock), cmocka_unit_test(the_rows_go_and_the_marks_move),
        cmocka_unit_test(superseding_puts_one_in_the_place_of_another), cmocka_unit_test(an_article_does_not_cancel_itself),
        cmocka_unit_test(cancelled_twice_counts_once), cmocka_unit_test(an_article_cancelled_before_it_came_is_nowhere),
        cmocka_unit_test(one_good_cancel_among_many_that_wait_is_enough), cmocka_unit_test(cancelled_before_is_known_from_memory),
        cmocka_unit_test(a_refusal_ends_the_waiting), cmocka_unit_test(a_rebuild_decides_as_it_was_decided),
        cmocka_unit_test(a_replay_from_anywhere_ends_the_same), cmocka_unit_test(a_database_that_fails_meanwhile_changes_nothing_of_it),
    };

    bad_disk_install();
    bdb_route();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
