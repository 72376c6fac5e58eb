/* So much a second: the bucket under a scripted clock. */
#include "tests/kit.h"

#include "lib/lock.h"
#include "lib/rate.h"

#define SECOND INT64_C(1000000)

static void second_s_worth_may_be_saved_and_no_more(void **state)
{
    struct rate r = { 0 };
    int64_t now = 5000 * SECOND;

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rate_wait_us(&r, now), 0);
        rate_take(&r, 10, 1, now);
    }
    assert_int_equal(rate_wait_us(&r, now), 0);        /* paid for exactly now */
    rate_take(&r, 10, 1, now);
    assert_int_equal(rate_wait_us(&r, now), SECOND / 10);
    now += 3600 * SECOND;                              /* an hour's rest saves no more than a second's */
    rate_take(&r, 10, 11, now);
    assert_int_equal(rate_wait_us(&r, now), SECOND / 10);
}

static void debt_is_paid_as_time_goes_by(void **state)
{
    struct rate r = { 0 };
    int64_t now = 77 * SECOND;

    (void)state;
    rate_take(&r, 1000, 4000, now);                    /* one was saved, three are owed */
    assert_int_equal(rate_wait_us(&r, now), 3 * SECOND);
    assert_int_equal(rate_wait_us(&r, now + 1 * SECOND), 2 * SECOND);
    assert_int_equal(rate_wait_us(&r, now + 3 * SECOND - 1), 1);
    assert_int_equal(rate_wait_us(&r, now + 3 * SECOND), 0);
}

/* Whoever takes when he may, for a long time, gets the rate. */
static void long_run_is_the_rate(void **state)
{
    static const struct { uint64_t per_s, each; } rows[] = {
        { 1, 1 }, { 7, 1 }, { 1000, 3 }, { 1 << 20, 65536 }, { UINT64_C(1) << 40, 1 << 18 }, { 1000000, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rate r = { 0 };
        int64_t now = 1000 * SECOND, began = now, wait;
        uint64_t taken = 0;

        for (int turn = 0; turn < 20000; turn++) {
            while ((wait = rate_wait_us(&r, now)) > 0)
                now += wait;
            rate_take(&r, rows[i].per_s, rows[i].each, now);
            taken += rows[i].each;
        }
        /* at most what came, what was saved, and one more */
        if ((double)taken > (double)rows[i].per_s * ((double)(now - began) / 1e6 + 1) + 2 * (double)rows[i].each)
            fail_msg("row %zu: too much: %llu in %lld us", i, (unsigned long long)taken, (long long)(now - began));
        if (now > began && (double)taken < (double)rows[i].per_s * (double)(now - began) / 1e6 * 0.99)
            fail_msg("row %zu: too little: %llu in %lld us", i, (unsigned long long)taken, (long long)(now - began));
    }
}

static struct rate shared;

static void *take_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100000; i++)
        rate_take(&shared, 1000, 1, SECOND);
    return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
    pthread_t t[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        thread_start(&t[i], "taker", take_many, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(rate_wait_us(&shared, SECOND), 399 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_s_worth_may_be_saved_and_no_more),
        cmocka_unit_test(debt_is_paid_as_time_goes_by),
        cmocka_unit_test(long_run_is_the_rate),
        cmocka_unit_test(nothing_is_lost_between_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
