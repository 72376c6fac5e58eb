/* history_waiting.c - cancels that wait for their article. */
#include "tests/unit/bookkit.h"

static void recall(void)
{
    struct err e = { 0 };

    if (his_recall(k.h, &e) != 0)
        fail_msg("%s", e.text);
}

/* One change in a transaction: 'facts' NULL: settle. */
struct change { uint64_t seq; struct msgid_key target; const char *facts; bool fail; };

static struct his_wait wait_of(const struct change *c)
{
    return (struct his_wait){ .seq = c->seq, .target = c->target, .facts = span_of(c->facts) };
}

static void work_change(struct txn *t, void *arg)
{
    const struct change *c = arg;
    struct his_wait one;

    if (c->facts == NULL) {
        his_settle(k.h, t, &c->target);
    } else {
        one = wait_of(c);
        his_wait(k.h, t, &one);
    }
    if (c->fail)
        txn_fail(t, "told to");
}

static void change(struct change c)
{
    struct err e = { 0 };
    struct his_wait one;
    int rc = bdb_run(k.b, work_change, &c, &e);

    assert_int_equal(rc, c.fail ? -1 : 0);
    if (rc != 0)
        return;
    if (c.facts == NULL) {
        his_settle_published(k.h, &c.target);
    } else {
        one = wait_of(&c);
        his_wait_published(k.h, &one);
    }
}

static void waits(uint64_t seq, uint64_t target, const char *facts)
{
    change((struct change){ .seq = seq, .target = id(target), .facts = facts });
}

static void settled(uint64_t target)
{
    change((struct change){ .target = id(target) });
}

static bool awaited(uint64_t n)
{
    struct msgid_key key = id(n);

    return his_awaited(k.h, &key);
}

static bool is_fact(struct span facts, void *arg)
{
    return span_eq(facts, span_of(arg));
}

static bool awaited_by(uint64_t n, const char *facts)
{
    struct msgid_key key = id(n);

    return his_awaited_by(k.h, &key, is_fact, (void *)(uintptr_t)facts);
}

static uint64_t count(void)
{
    struct his_counts c;

    his_counts(k.h, &c);
    return c.waiting;
}

static void one_waits_until_it_is_settled(void **state)
{
    (void)state;
    assert_false(awaited(1));
    waits(10, 1, "a");
    assert_true(awaited(1) && !awaited(2));
    assert_true(awaited_by(1, "a") && !awaited_by(1, "b") && !awaited_by(2, "a"));
    settled(2);
    assert_true(awaited(1));
    settled(1);
    assert_true(!awaited(1) && !awaited_by(1, "a"));
    assert_int_equal(count(), 0);
}

static void several_wait_for_one(void **state)
{
    (void)state;
    waits(10, 1, "a");
    waits(11, 2, "b");
    waits(12, 1, "c");
    waits(13, 1, "");
    assert_int_equal(count(), 4);
    assert_true(awaited_by(1, "a") && awaited_by(1, "c") && awaited_by(1, "") && !awaited_by(1, "b"));
    settled(1);
    assert_true(!awaited(1) && awaited_by(2, "b"));
    assert_int_equal(count(), 1);
}

static void what_waits_outlives_a_restart(void **state)
{
    (void)state;
    waits(10, 1, "a");
    waits(11, 1, "b");
    waits(12, 2, "c");
    settled(2);
    book_again(&k);
    recall();
    assert_int_equal(count(), 2);
    assert_true(awaited_by(1, "a") && awaited_by(1, "b") && !awaited(2));
    settled(1);
    book_again(&k);
    recall();
    assert_int_equal(count(), 0);
}

static void told_twice_it_waits_once(void **state)
{
    (void)state;
    waits(10, 1, "a");
    waits(10, 1, "a");
    assert_int_equal(count(), 1);
    settled(1);
    settled(1);
    assert_int_equal(count(), 0);
}

static void the_oldest_goes_when_there_are_too_many(void **state)
{
    (void)state;
    his_close(&k.h);
    k.o.waiting_most = 3;
    assert_non_null(k.h = his_open(&k.o, &(struct err){ 0 }));
    for (uint64_t i = 0; i < 10; i++)
        waits(100 + i, i % 5, i == 5 ? "again" : "x");
    assert_int_equal(count(), 3);
    assert_true(awaited(2) && awaited(3) && awaited(4) && !awaited(0) && !awaited(1));
    his_close(&k.h);
    assert_non_null(k.h = his_open(&k.o, &(struct err){ 0 }));
    recall();
    assert_int_equal(count(), 3);
    assert_true(awaited(2) && awaited(3) && awaited(4) && !awaited(0) && !awaited(1));
}

static void a_transaction_that_fails_leaves_nothing(void **state)
{
    struct err e = { 0 };

    (void)state;
    waits(10, 1, "a");
    change((struct change){ .seq = 11, .target = id(2), .facts = "b", .fail = true });
    change((struct change){ .target = id(1), .fail = true });
    assert_true(awaited(1) && !awaited(2));
    assert_int_equal(his_recall(k.h, &e), 0);
    assert_true(awaited_by(1, "a") && !awaited(2));
    assert_int_equal(count(), 1);
}

static void a_rebuild_begins_with_none(void **state)
{
    struct err e = { 0 };

    (void)state;
    waits(10, 1, "a");
    assert_int_equal(his_empty(k.h, &e), 0);
    assert_false(awaited(1));
    waits(10, 1, "a");
    assert_true(awaited(1));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_waits_until_it_is_settled), T(several_wait_for_one), T(what_waits_outlives_a_restart), T(told_twice_it_waits_once),
        T(the_oldest_goes_when_there_are_too_many), T(a_transaction_that_fails_leaves_nothing), T(a_rebuild_begins_with_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
