/* history_claims.c - who may send: promises, firm claims, and how they end. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/hiskit.h"

#define NOW INT64_C(1700000000000000)

static struct book k;
static int a, b;                 /* owners */

static int setup(void **state)
{
    static int turn;
    char name[32];

    (void)state;
    snprintf(name, sizeof name, "claims-%d", turn++);
    book_open(&k, name);
    wait_for_filter(&k);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clock_freeze(0);
    book_close(&k);
    return 0;
}

static uint64_t claims(void)
{
    struct his_counts c;

    his_counts(k.h, &c);
    return c.claims;
}

static void a_claimed_id_is_busy_for_all(void **state)
{
    struct claim *c, *d;

    (void)state;
    assert_int_equal(peek(&k, 1), HIS_NEW);
    assert_int_equal(claim(&k, 1, &a, false, &c), HIS_NEW);
    assert_non_null(c);
    assert_int_equal(peek(&k, 1), HIS_BUSY);
    assert_int_equal(claim(&k, 1, &b, false, &d), HIS_BUSY);
    assert_null(d);
    assert_int_equal(claim(&k, 1, &a, false, &d), HIS_BUSY);      /* its owner, too */
    assert_int_equal(peek(&k, 2), HIS_NEW);
    his_release(k.h, &c);
    assert_null(c);
    assert_int_equal(claims(), 0);
}

static void a_released_claim_leaves_no_trace(void **state)
{
    struct claim *c;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(claim(&k, 1, &a, false, &c), HIS_NEW);
        his_release(k.h, &c);
        assert_int_equal(peek(&k, 1), HIS_NEW);
        assert_int_equal(firm(&k, 1, &a, false, &c), HIS_NEW);
        his_release(k.h, &c);
        assert_int_equal(peek(&k, 1), HIS_NEW);
    }
    his_release(k.h, &c);                                         /* NULL: nothing */
}

static void publication_ends_the_claim(void **state)
{
    struct claim *c, *d;

    (void)state;
    assert_int_equal(firm(&k, 1, &a, false, &c), HIS_NEW);
    store(&k, 1, HIS_KEPT, 1);
    assert_int_equal(peek(&k, 1), HIS_SEEN);
    assert_int_equal(claim(&k, 1, &b, false, &d), HIS_SEEN);
    assert_int_equal(firm(&k, 1, &b, false, &d), HIS_SEEN);
    assert_int_equal(claims(), 0);
    his_release(k.h, &c);                                         /* stale, and harmless */
    assert_int_equal(peek(&k, 1), HIS_SEEN);
}

static void a_stale_ticket_ends_no_later_claim(void **state)
{
    struct claim *old, *now, *d;

    (void)state;
    assert_int_equal(claim(&k, 1, &a, false, &old), HIS_NEW);
    his_release_owner(k.h, &a);
    assert_int_equal(claim(&k, 1, &b, false, &now), HIS_NEW);     /* most likely in the same place */
    his_release(k.h, &old);
    assert_int_equal(claim(&k, 1, &a, false, &d), HIS_BUSY);
    his_release(k.h, &now);
}

static void promises_die_with_their_owner(void **state)
{
    struct claim *c, *of_b;

    (void)state;
    for (unsigned n = 0; n < 2000; n++)
        assert_int_equal(claim(&k, n, &a, false, &c), HIS_NEW);
    assert_int_equal(claim(&k, 5000, &b, false, &of_b), HIS_NEW);
    assert_int_equal(claims(), 2001);
    his_release_owner(k.h, &a);
    assert_int_equal(claims(), 1);
    for (unsigned n = 0; n < 2000; n++)
        assert_int_equal(peek(&k, n), HIS_NEW);
    assert_int_equal(peek(&k, 5000), HIS_BUSY);
    his_release(k.h, &of_b);
}

static void a_firm_claim_outlives_its_owner(void **state)
{
    struct claim *c, *d;

    (void)state;
    assert_int_equal(firm(&k, 1, &a, false, &c), HIS_NEW);
    his_release_owner(k.h, &a);
    assert_int_equal(peek(&k, 1), HIS_BUSY);
    assert_int_equal(firm(&k, 1, &b, false, &d), HIS_BUSY);
    his_release(k.h, &c);
}

static void a_promise_dies_in_time(void **state)
{
    struct claim *c, *d;

    (void)state;
    clock_freeze(NOW);
    assert_int_equal(claim(&k, 1, &a, false, &c), HIS_NEW);
    clock_freeze(NOW + k.o.claim_us - 1);
    assert_int_equal(claim(&k, 1, &b, false, &d), HIS_BUSY);
    clock_freeze(NOW + k.o.claim_us);
    assert_int_equal(peek(&k, 1), HIS_NEW);
    assert_int_equal(claim(&k, 1, &b, false, &d), HIS_NEW);
    his_release(k.h, &c);                                         /* too late: it is b's now */
    assert_int_equal(peek(&k, 1), HIS_BUSY);
    his_release(k.h, &d);
}

static void a_firm_claim_knows_no_time(void **state)
{
    struct claim *c, *d;

    (void)state;
    clock_freeze(NOW);
    assert_int_equal(firm(&k, 1, &a, false, &c), HIS_NEW);
    clock_freeze(NOW + 1000 * k.o.claim_us);
    assert_int_equal(firm(&k, 1, &b, false, &d), HIS_BUSY);
    his_release(k.h, &c);
}

static void forgotten_promises_are_swept_away(void **state)
{
    struct claim *c;

    (void)state;
    clock_freeze(NOW);
    for (unsigned n = 0; n < 5000; n++)
        assert_int_equal(claim(&k, n, &a, false, &c), HIS_NEW);
    clock_freeze(NOW + 2 * k.o.claim_us);
    for (unsigned n = 10000; n < 11000; n++) {                    /* comes by all shards */
        assert_int_equal(claim(&k, n, &b, false, &c), HIS_NEW);
        his_release(k.h, &c);
    }
    assert_int_equal(claims(), 0);
}

static void a_complete_copy_overtakes_a_promise(void **state)
{
    struct claim *promised, *c, *d;

    (void)state;
    assert_int_equal(claim(&k, 1, &a, false, &promised), HIS_NEW);
    assert_int_equal(firm(&k, 1, &b, false, &c), HIS_NEW);
    assert_int_equal(firm(&k, 1, &a, false, &d), HIS_BUSY);       /* the first complete copy wins */
    his_release(k.h, &promised);                                  /* not b's */
    his_release_owner(k.h, &a);
    assert_int_equal(peek(&k, 1), HIS_BUSY);
    assert_int_equal(claims(), 1);
    his_release(k.h, &c);
    assert_int_equal(peek(&k, 1), HIS_NEW);
}

static void ones_own_promise_becomes_firm(void **state)
{
    struct claim *promised, *c;

    (void)state;
    assert_int_equal(claim(&k, 1, &a, false, &promised), HIS_NEW);
    assert_int_equal(firm(&k, 1, &a, false, &c), HIS_NEW);
    his_release_owner(k.h, &a);
    assert_int_equal(peek(&k, 1), HIS_BUSY);
    his_release(k.h, &promised);
    assert_int_equal(peek(&k, 1), HIS_BUSY);
    his_release(k.h, &c);
    assert_int_equal(claims(), 0);
}

static void a_cancel_of_an_id_ends_its_claim(void **state)
{
    struct claim *c, *d;

    (void)state;
    assert_int_equal(claim(&k, 1, &a, false, &c), HIS_NEW);
    store(&k, 1, HIS_CANCELLED, 1);
    assert_int_equal(peek(&k, 1), HIS_SEEN);
    assert_int_equal(firm(&k, 1, &a, false, &d), HIS_SEEN);
}

/* ---- random steps against a naive model ------------------------------------ */

#define IDS    40u
#define OWNERS 5

struct model { int owner; bool firm, seen; int64_t until; struct claim *c; };

static bool alive(const struct model *m, int64_t now)
{
    return m->owner >= 0 && (m->firm || now < m->until);
}

static enum his_answer expected(const struct model *m, bool want_firm, int64_t now)
{
    if (alive(m, now) && (m->firm || !want_firm))
        return HIS_BUSY;
    return m->seen ? HIS_SEEN : HIS_NEW;
}

static void model_claim(struct model *m, uint64_t n, int owner, bool want_firm, int64_t now, const int *owners)
{
    enum his_answer want = expected(m, want_firm, now), got;
    struct claim *c;

    got = want_firm ? firm(&k, n, &owners[owner], false, &c) : claim(&k, n, &owners[owner], false, &c);
    if (got != want)
        fail_msg("id %llu: %d for %d", (unsigned long long)n, got, want);
    if (got == HIS_NEW)
        *m = (struct model){ .owner = owner, .firm = want_firm, .until = now + k.o.claim_us, .c = c };
}

static void random_steps_as_in_the_model(void **state)
{
    struct model m[IDS];
    int owners[OWNERS];
    int64_t now = NOW;

    (void)state;
    for (unsigned i = 0; i < IDS; i++)
        m[i] = (struct model){ .owner = -1 };
    for (unsigned step = 0; step < 60000; step++) {
        uint64_t n = kit_random() % IDS;
        int owner = (int)(kit_random() % OWNERS);
        enum his_answer want;

        clock_freeze(now += (int64_t)(kit_random() % 200000));
        switch (kit_random() % 8) {
        case 0: case 1:
            model_claim(&m[n], n, owner, false, now, owners);
            break;
        case 2:
            model_claim(&m[n], n, owner, true, now, owners);
            break;
        case 3: case 4:
            his_release(k.h, &m[n].c);
            m[n].owner = -1;
            break;
        case 5:
            his_release_owner(k.h, &owners[owner]);
            for (unsigned i = 0; i < IDS; i++)
                if (m[i].owner == owner && !m[i].firm)
                    m[i].owner = -1;
            break;
        case 6:
            if (step % 50 == 0) {
                store(&k, n, HIS_KEPT, step + 1);
                m[n].seen = true;
                m[n].owner = -1;
            }
            break;
        }
        want = m[n].seen ? HIS_SEEN : expected(&m[n], false, now);
        if (peek(&k, n) != want)
            fail_msg("step %u, id %llu: peek says %d, not %d", step, (unsigned long long)n, peek(&k, n), want);
    }
}

/* ---- threads ----------------------------------------------------------------- */

static atomic_int holders[8];
static atomic_bool twice;

static void *fight(void *arg)
{
    for (unsigned i = 0; i < 20000; i++) {
        unsigned n = i % 8;
        struct claim *c;

        if (i % 64 == 0)
            his_release_owner(k.h, arg);
        if (firm(&k, n, arg, false, &c) != HIS_NEW) {
            if (claim(&k, n + 8, arg, false, &c) == HIS_NEW && i % 2 == 0)
                his_release(k.h, &c);
            continue;
        }
        if (atomic_fetch_add(&holders[n], 1) != 0)
            twice = true;
        atomic_fetch_sub(&holders[n], 1);
        his_release(k.h, &c);
    }
    return NULL;
}

static void a_firm_claim_is_held_by_one(void **state)
{
    pthread_t t[4];
    char owner[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, fight, &owner[i]);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        his_release_owner(k.h, &owner[i]);
    }
    assert_false(twice);
    assert_int_equal(claims(), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_claimed_id_is_busy_for_all), T(a_released_claim_leaves_no_trace), T(publication_ends_the_claim),
        T(a_stale_ticket_ends_no_later_claim), T(promises_die_with_their_owner), T(a_firm_claim_outlives_its_owner),
        T(a_promise_dies_in_time), T(a_firm_claim_knows_no_time), T(forgotten_promises_are_swept_away),
        T(a_complete_copy_overtakes_a_promise), T(ones_own_promise_becomes_firm), T(a_cancel_of_an_id_ends_its_claim),
        T(random_steps_as_in_the_model), T(a_firm_claim_is_held_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
