/* history_filter.c - the filter: never a wrong "no", seldom a wrong "perhaps". */
#include <pthread.h>
#include <stdatomic.h>

#include "history/his_filter.h"
#include "tests/unit/hiskit.h"

#define MILLION 1000000u

static void an_added_id_is_never_denied(void **state)
{
    struct his_filter *f = his_filter_new();
    unsigned told = 0;

    (void)state;
    for (unsigned n = 0; n < MILLION; n++) {
        struct msgid_key k = id(n);

        his_filter_add(f, &k);
    }
    for (unsigned n = 0; n < MILLION; n++) {
        struct msgid_key k = id(n);

        if (!his_filter_has(f, &k))
            fail_msg("id %u is denied", n);
    }
    for (unsigned n = MILLION; n < 2 * MILLION; n++) {
        struct msgid_key k = id(n);

        told += his_filter_has(f, &k);
    }
    print_message("# false positives at 1 M ids: %u of 1 M; %.1f bits an id\n", told,
                  (double)his_filter_bits(f) / MILLION);
    assert_in_range(told, 0, MILLION / 1000);
    assert_in_range(his_filter_bits(f), 16 * MILLION, 64 * MILLION);
    his_filter_free(&f);
    assert_null(f);
}

static void an_id_counts_once(void **state)
{
    struct his_filter *f = his_filter_new();

    (void)state;
    for (unsigned n = 0; n < 3000; n++) {
        struct msgid_key k = id(n % 1000);

        his_filter_add(f, &k);
    }
    assert_int_equal(his_filter_ids(f), 1000);
    his_filter_free(&f);
}

static void an_empty_filter_denies_all(void **state)
{
    struct his_filter *f = his_filter_new();

    (void)state;
    for (unsigned n = 0; n < 1000; n++) {
        struct msgid_key k = id(n);

        assert_false(his_filter_has(f, &k));
    }
    his_filter_free(&f);
}

static void it_grows_with_its_ids(void **state)
{
    struct his_filter *f = his_filter_new();
    uint64_t small = his_filter_bits(f);

    (void)state;
    for (unsigned n = 0; n < 300000; n++) {
        struct msgid_key k = id(n);

        his_filter_add(f, &k);
    }
    assert_true(his_filter_bits(f) > small);
    assert_true(his_filter_bits(f) >= 16 * his_filter_ids(f));
    his_filter_free(&f);
}

/* ---- asked while it is filled -------------------------------------------- */

struct race { struct his_filter *f; _Atomic unsigned added; atomic_bool wrong; };

static void *ask(void *arg)
{
    struct race *r = arg;
    unsigned upto, n = 0;

    do {
        upto = atomic_load(&r->added);
        for (unsigned i = 0; i < 1000 && n < upto; i++, n++) {
            struct msgid_key k = id(n);

            if (!his_filter_has(r->f, &k))
                r->wrong = true;
        }
        n = n >= upto ? 0 : n;
    } while (upto < 200000);
    return NULL;
}

static void what_was_added_is_seen_by_all_threads(void **state)
{
    struct race r = { .f = his_filter_new() };
    pthread_t t[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, ask, &r);
    for (unsigned n = 0; n < 200000; n++) {
        struct msgid_key k = id(n);

        his_filter_add(r.f, &k);
        atomic_store(&r.added, n + 1);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    assert_false(r.wrong);
    his_filter_free(&r.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_filter_denies_all),
        cmocka_unit_test(an_id_counts_once),
        cmocka_unit_test(an_added_id_is_never_denied),
        cmocka_unit_test(it_grows_with_its_ids),
        cmocka_unit_test(what_was_added_is_seen_by_all_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
