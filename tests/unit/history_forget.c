/* history_forget.c - what is forgotten, what never, and that sweeping changes no answer. */
#include "history/his_db.h"
#include "history/his_sweep.h"
#include "tests/unit/bookkit.h"

/* --- as the applier and the keeper do it -------------------------------- */

struct note { struct his *h; uint32_t day; uint64_t seq; };

static void work_forget(struct txn *t, void *arg)
{
    const struct note *n = arg;

    his_forget(n->h, t, n->day, n->seq);
}

static void forget(struct book *b, uint32_t day, uint64_t seq)
{
    struct note n = { b->h, day, seq };
    struct err e = { 0 };

    if (bdb_run(b->b, work_forget, &n, &e) != 0)
        fail_msg("%s", e.text);
    his_forgotten(b->h, day, seq);
}

struct drop { struct his *h; unsigned n; };

static void work_drop(struct txn *t, void *arg)
{
    struct drop *d = arg;

    d->n = his_swept(d->h, t);
}

/* One turn; how many rows went. */
static unsigned sweep_once(struct book *b, int rows)
{
    struct drop d = { b->h, 0 };
    struct err e = { 0 };
    int n = his_sweep(b->h, rows, &e);

    assert_in_range(n, 0, rows);
    if (n > 0 && bdb_run(b->b, work_drop, &d, &e) != 0)
        fail_msg("%s", e.text);
    return d.n;
}

static unsigned sweep_all(struct book *b, int rows)
{
    unsigned n = 0;

    while (!his_sweep_over(b->h))
        n += sweep_once(b, rows);
    return n;
}

static void store_at(struct book *b, uint64_t n, enum his_state state, uint64_t seq, uint32_t day)
{
    struct msgid_key key = id(n);
    struct his_entry e = entry(state, seq);

    e.day = day;
    apply(b, &key, &e, 1);
    his_published(b->h, &key, &e);
}

/* Is there a row in the database, whatever it means? */
static bool has_row(struct book *b, uint64_t n)
{
    struct msgid_key key = id(n);
    char v[64];
    size_t size;

    return bdb_get(bdb_tree(b->b, "history", NULL), (struct span){ (char *)key.b, 16 }, v, sizeof v, &size, NULL) == 1;
}

/* --- what is forgotten -------------------------------------------------- */

static void all_but_kept_of_before_the_day_and_the_record_is_forgotten(void **state)
{
    static const struct { enum his_state state; uint32_t day; uint64_t seq; bool forgotten; } rows[] = {
        { HIS_KEPT, 10, 1, false },       { HIS_REFUSED, 10, 2, true },     { HIS_EXPIRED, 10, 3, true },
        { HIS_CANCELLED, 10, 4, true },   { HIS_REFUSED, 99, 5, true },     { HIS_REFUSED, 100, 6, false },
        { HIS_CANCELLED, 101, 7, false }, { HIS_CANCELLED, 99, 999, true }, { HIS_CANCELLED, 10, 1000, false },
        { HIS_REFUSED, 10, 1001, false },
    };
    const unsigned n = sizeof rows / sizeof *rows;

    (void)state;
    wait_for_filter(&k);
    for (unsigned i = 0; i < n; i++)
        store_at(&k, i, rows[i].state, rows[i].seq, rows[i].day);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(peek(&k, i), HIS_SEEN);
    forget(&k, 100, 1000);
    for (int swept = 0; swept < 2; swept++) {
        for (unsigned i = 0; i < n; i++) {
            if (peek(&k, i) == HIS_SEEN && rows[i].forgotten)
                fail_msg("row %u: memory knows it still", i);
            if ((look(&k, i, NULL) == HIS_NEW) != rows[i].forgotten)
                fail_msg("row %u, %s", i, swept ? "swept" : "not swept");
            if (has_row(&k, i) != (!rows[i].forgotten || !swept))
                fail_msg("row %u: the database", i);
        }
        assert_int_equal(sweep_all(&k, 3), swept ? 0 : 5);
    }
}

static void forgotten_id_may_be_claimed_and_kept_again(void **state)
{
    struct claim *c = NULL;
    struct his_entry got;

    (void)state;
    wait_for_filter(&k);
    store_at(&k, 1, HIS_CANCELLED, 5, 10);
    forget(&k, 11, 50);
    assert_int_equal(look(&k, 1, NULL), HIS_NEW);
    assert_int_equal(firm(&k, 1, &k, true, &c), HIS_NEW);
    store_at(&k, 1, HIS_KEPT, 60, 20);
    assert_int_equal(look(&k, 1, &got), HIS_SEEN);
    assert_int_equal(got.state, HIS_KEPT);
    /* what was promised to the sweep before is looked at again */
    assert_int_equal(sweep_all(&k, 100), 0);
    assert_true(has_row(&k, 1));
}

/* A row that was found, and is another one when its turn comes. */
static void row_that_was_renewed_meanwhile_stays(void **state)
{
    struct drop d = { k.h, 7 };
    struct err e;

    (void)state;
    store_at(&k, 1, HIS_REFUSED, 5, 10);
    forget(&k, 11, 50);
    while (his_sweep(k.h, 10, &e) == 0)
        assert_false(his_sweep_over(k.h));
    store_at(&k, 1, HIS_KEPT, 60, 20);
    assert_int_equal(bdb_run(k.b, work_drop, &d, &e), 0);
    assert_int_equal(d.n, 0);
    assert_true(has_row(&k, 1));
}

static void earlier_day_changes_nothing(void **state)
{
    (void)state;
    store_at(&k, 1, HIS_REFUSED, 5, 10);
    store_at(&k, 2, HIS_REFUSED, 60, 10);
    forget(&k, 11, 50);
    forget(&k, 9, 70);                 /* the clock was set back */
    forget(&k, 11, 80);
    assert_int_equal(look(&k, 1, NULL), HIS_NEW);
    assert_int_equal(look(&k, 2, NULL), HIS_SEEN);
    assert_int_equal(his_forgotten_day(k.h), 11);
}

static void the_note_is_there_after_opening_again_and_the_filter_smaller(void **state)
{
    struct his_counts before, after;

    (void)state;
    for (unsigned i = 0; i < 500; i++)
        store_at(&k, i, i % 5 == 0 ? HIS_KEPT : HIS_REFUSED, i + 1, 10);
    forget(&k, 11, 1000);
    his_counts(k.h, &before);
    book_again(&k);
    wait_for_filter(&k);
    his_counts(k.h, &after);
    assert_in_range(before.ids, 490, 500);
    assert_in_range(after.ids, 90, 100);
    assert_int_equal(his_forgotten_day(k.h), 11);
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(look(&k, i, NULL), i % 5 == 0 ? HIS_SEEN : HIS_NEW);
    assert_int_equal(sweep_all(&k, 64), 400);
}

static void an_emptied_history_has_forgotten_nothing(void **state)
{
    struct err e;

    (void)state;
    forget(&k, 100, 1000);
    assert_int_equal(his_empty(k.h, &e), 0);
    store_at(&k, 1, HIS_REFUSED, 5, 10);
    assert_int_equal(look(&k, 1, NULL), HIS_SEEN);
    assert_int_equal(his_forgotten_day(k.h), 0);
}

static void database_opened_again_says_what_was_forgotten(void **state)
{
    struct err e;

    (void)state;
    forget(&k, 11, 50);
    his_forgotten(k.h, 99, 90);        /* as if its transaction had been undone */
    assert_int_equal(his_recall(k.h, &e), 0);
    assert_int_equal(his_forgotten_day(k.h), 11);
}

/* --- the sweep ---------------------------------------------------------- */

static void turn_of_the_sweep_is_bounded_and_all_is_reached(void **state)
{
    unsigned turns = 0, gone = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        store_at(&k, i, i % 2 ? HIS_KEPT : HIS_CANCELLED, i + 1, 10);
    assert_true(his_sweep_over(k.h));              /* nothing was ever forgotten */
    forget(&k, 11, 2000);
    for (; !his_sweep_over(k.h); turns++) {
        unsigned n = sweep_once(&k, 50);

        assert_in_range(n, 0, 50);
        gone += n;
    }
    assert_int_equal(gone, 500);
    assert_in_range(turns, 1000 / 50, 1000 / 50 + 3);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(has_row(&k, i), i % 2 == 1);
}

static void day_that_changes_during_a_pass_brings_another(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300; i++)
        store_at(&k, i, HIS_CANCELLED, i + 1, 10 + i % 3);
    forget(&k, 11, 1000);
    for (int i = 0; i < 3; i++)
        sweep_once(&k, 40);
    forget(&k, 13, 1001);
    sweep_all(&k, 40);
    for (unsigned i = 0; i < 300; i++)
        assert_false(has_row(&k, i));
}

/* --- the same log gives the same history, swept or not ------------------- */

enum { IDS = 60, STEPS = 6000 };

struct step { unsigned what; uint64_t n, seq; uint32_t day; };   /* what: enum his_state; 0: forget */

static struct step a_step(uint64_t seq, uint32_t today)
{
    struct step s = { .what = (unsigned)(kit_random() % 40), .n = kit_random() % IDS, .seq = seq, .day = today };

    if (s.what >= 4)
        s.what = s.what % 2 ? HIS_KEPT : s.what % 3 ? HIS_CANCELLED : HIS_REFUSED;
    if (s.what == 0)
        s.day = today - 3;
    return s;
}

static void do_step(struct book *b, const struct step *s)
{
    if (s->what == 0)
        forget(b, s->day, s->seq);
    else
        store_at(b, s->n, (enum his_state)s->what, s->seq, s->day);
}

static void assert_same(struct book *a, struct book *b, uint64_t seq)
{
    for (unsigned i = 0; i < IDS; i++) {
        struct his_entry x, y;
        enum his_answer l = look(a, i, &x), r = look(b, i, &y);

        if (l != r || (l == HIS_SEEN && (x.state != y.state || x.seq != y.seq)))
            fail_msg("after record %llu: id %u differs", (unsigned long long)seq, i);
    }
}

/* Another copy of the history is opened again and swept at any time; the plain one never is. */
static void same_log_gives_the_same_history_however_it_was_swept(void **state)
{
    uint32_t today = 100;
    struct book other;

    (void)state;
    book_open(&other, "forget-other");
    wait_for_filter(&k);
    for (uint64_t seq = 1; seq <= STEPS; seq++) {
        struct step s = a_step(seq, today);

        do_step(&k, &s);
        do_step(&other, &s);
        if (kit_random() % 3 == 0)
            sweep_once(&other, 1 + (int)(kit_random() % 20));
        if (kit_random() % 50 == 0)
            today++;
        if (kit_random() % 500 == 0)
            book_again(&other);
        if (seq % 50 == 0)
            assert_same(&k, &other, seq);
    }
    book_close(&other);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(all_but_kept_of_before_the_day_and_the_record_is_forgotten),
        T(forgotten_id_may_be_claimed_and_kept_again), T(row_that_was_renewed_meanwhile_stays),
        T(earlier_day_changes_nothing), T(the_note_is_there_after_opening_again_and_the_filter_smaller),
        T(an_emptied_history_has_forgotten_nothing), T(database_opened_again_says_what_was_forgotten),
        T(turn_of_the_sweep_is_bounded_and_all_is_reached), T(day_that_changes_during_a_pass_brings_another),
        T(same_log_gives_the_same_history_however_it_was_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
