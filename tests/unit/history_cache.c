/* history_cache.c - the ids met last: what is remembered, and what never wrongly. */
#include <pthread.h>
#include <stdatomic.h>

#include "history/his_cache.h"
#include "tests/unit/hiskit.h"

/* The n-th id of one and the same set. */
static struct msgid_key neighbour(uint64_t n)
{
    struct msgid_key k = id(n);

    memset(k.b + 4, 7, 4);
    return k;
}

static enum cache_answer get(struct his_cache *c, struct msgid_key k)
{
    return his_cache_get(c, &k);
}

static void met(struct his_cache *c, struct msgid_key k)
{
    his_cache_met(c, &k, CACHE_MET);
}

static void published(struct his_cache *c, struct msgid_key k)
{
    his_cache_published(c, &k, CACHE_MET);
}

static bool in_vain(struct his_cache *c, struct msgid_key k, uint32_t look)
{
    return his_cache_in_vain(c, &k, look);
}

static uint32_t begin(struct his_cache *c, struct msgid_key k)
{
    return his_cache_look(c, &k);
}

static void the_newest_stay(void **state)
{
    struct his_cache *c = his_cache_new(512);

    (void)state;
    assert_int_equal(get(c, neighbour(0)), CACHE_NONE);
    for (unsigned n = 0; n < 100; n++)
        met(c, neighbour(n));
    for (unsigned n = 0; n < 93; n++)
        assert_int_equal(get(c, neighbour(n)), CACHE_NONE);
    for (unsigned n = 93; n < 100; n++)
        assert_int_equal(get(c, neighbour(n)), CACHE_MET);
    his_cache_free(&c);
    assert_null(c);
}

static void met_again_is_newest_again(void **state)
{
    struct his_cache *c = his_cache_new(512);

    (void)state;
    for (unsigned n = 0; n < 7; n++)
        met(c, neighbour(n));
    met(c, neighbour(0));
    met(c, neighbour(7));
    assert_int_equal(get(c, neighbour(0)), CACHE_MET);
    assert_int_equal(get(c, neighbour(1)), CACHE_NONE);
    his_cache_free(&c);
}

static void a_look_in_vain_is_remembered_until_publication(void **state)
{
    struct his_cache *c = his_cache_new(512);

    (void)state;
    assert_true(in_vain(c, neighbour(1), begin(c, neighbour(1))));
    assert_int_equal(get(c, neighbour(1)), CACHE_NEW);
    published(c, neighbour(1));
    assert_int_equal(get(c, neighbour(1)), CACHE_MET);
    his_cache_free(&c);
}

static void a_look_that_was_overtaken_is_not_believed(void **state)
{
    struct his_cache *c = his_cache_new(512);
    uint32_t look = begin(c, neighbour(1));

    (void)state;
    published(c, neighbour(1));
    for (unsigned n = 2; n < 10; n++)                  /* it falls out of the cache, too */
        met(c, neighbour(n));
    assert_int_equal(get(c, neighbour(1)), CACHE_NONE);
    assert_false(in_vain(c, neighbour(1), look));
    assert_int_equal(get(c, neighbour(1)), CACHE_NONE);
    his_cache_free(&c);
}

static void clearing_forgets_all_and_looks_under_way(void **state)
{
    struct his_cache *c = his_cache_new(100000);
    uint32_t look = begin(c, neighbour(1));

    (void)state;
    for (unsigned n = 0; n < 50000; n++)
        met(c, id(n));
    his_cache_clear(c);
    for (unsigned n = 0; n < 50000; n++)
        assert_int_equal(get(c, id(n)), CACHE_NONE);
    assert_false(in_vain(c, neighbour(1), look));
    his_cache_free(&c);
}

static void as_many_as_asked_for_have_room(void **state)
{
    struct his_cache *c = his_cache_new(100000);
    unsigned there = 0;

    (void)state;
    for (unsigned n = 0; n < 50000; n++)
        met(c, id(n));
    for (unsigned n = 0; n < 50000; n++)
        there += get(c, id(n)) == CACHE_MET;
    assert_in_range(there, 49000, 50000);              /* sets are filled unevenly */
    his_cache_free(&c);
}

/* ---- threads ------------------------------------------------------------- */

/* Ids below 'in_db' are in the database, those below 'out' are published as well. */
struct race { struct his_cache *c; _Atomic unsigned in_db, out; atomic_bool wrong, stop; };

/* A look in vain must never stand in the cache for an id that is published. */
static void *lookers(void *arg)
{
    struct race *r = arg;
    unsigned n = 0;

    while (!r->stop) {
        struct msgid_key k = neighbour(n);
        unsigned known = atomic_load(&r->out);
        enum cache_answer a = his_cache_get(r->c, &k);
        uint32_t look;

        if (n < known && a == CACHE_NEW)
            r->wrong = true;
        do
            look = his_cache_look(r->c, &k);
        while (atomic_load(&r->in_db) <= n && !his_cache_in_vain(r->c, &k, look) && !r->stop);
        n = known > 4 ? known - 4 + (n + 1) % 8 : (n + 1) % 8;
    }
    return NULL;
}

static void no_look_in_vain_outlives_a_publication(void **state)
{
    struct race r = { .c = his_cache_new(512) };
    pthread_t t[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, lookers, &r);
    for (unsigned n = 0; n < 100000; n++) {
        struct msgid_key k = neighbour(n);

        atomic_store(&r.in_db, n + 1);
        his_cache_published(r.c, &k, CACHE_MET);
        atomic_store(&r.out, n + 1);
        if (n % 64 == 0)
            sched_yield();
    }
    r.stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    assert_false(r.wrong);
    his_cache_free(&r.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_stay),
        cmocka_unit_test(met_again_is_newest_again),
        cmocka_unit_test(a_look_in_vain_is_remembered_until_publication),
        cmocka_unit_test(a_look_that_was_overtaken_is_not_believed),
        cmocka_unit_test(clearing_forgets_all_and_looks_under_way),
        cmocka_unit_test(as_many_as_asked_for_have_room),
        cmocka_unit_test(no_look_in_vain_outlives_a_publication),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
