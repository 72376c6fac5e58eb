/* spool_group_many.c - as many groups as a large site has, and readers while they change. */
#include <pthread.h>

#include "lib/clock.h"
#include "tests/unit/groupkit.h"

#define MANY 45000

struct many { struct groups *g; uint32_t from, to; };

static void make_many(struct txn *t, void *arg)
{
    struct many *m = arg;

    groups_apply_begin(m->g);
    for (uint32_t id = m->from; id <= m->to; id++) {
        char name[60];
        struct group_facts f;
        struct record r;

        snprintf(name, sizeof name, "hierarchy%u.of.many.groups.number%u", id % 97, id);
        f = facts(id, name);
        r = group_record(&f);
        groups_apply(m->g, t, &r);
    }
    groups_apply_end(m->g, t);
}

static bool in_order(const struct group *g, void *arg)
{
    const char **last = arg;

    assert_true(*last == NULL || strcmp(*last, g->name) < 0);
    *last = g->name;
    return true;
}

static void forty_five_thousand_groups_load(void **state)
{
    struct site s;
    struct err e = { 0 };
    const char *last = NULL;
    int64_t t[4];
    struct buf snap = { 0 };

    (void)state;
    site_open(&s, kit_path("many"));
    t[0] = clock_mono_us();
    for (uint32_t id = 1; id <= MANY; id += 250) {
        struct many m = { s.g, id, id + 249 };

        assert_int_equal(bdb_run(s.b, make_many, &m, &e), 0);
        groups_publish(s.g);
        if (id % 5000 == 1)                          /* a LIST between must not make it quadratic */
            group_each(s.g, stop_at_once, &(int){ 0 });
    }
    t[1] = clock_mono_us();
    site_again(&s);
    t[2] = clock_mono_us();
    assert_int_equal(groups_count_all(s.g), MANY);
    group_each(s.g, in_order, &last);
    t[3] = clock_mono_us();
    groups_snapshot(s.g, &snap);
    print_message("# %d groups: made in %lld ms, closed and loaded in %lld ms, listed first in %lld ms, snapshot %zu kB in %lld ms\n",
                  MANY, (long long)(t[1] - t[0]) / 1000, (long long)(t[2] - t[1]) / 1000,
                  (long long)(t[3] - t[2]) / 1000, buf_len(&snap) / 1024, (long long)(clock_mono_us() - t[3]) / 1000);
    buf_fini(&snap);
    site_close(&s);
}

/* ---- threads ------------------------------------------------------------ */

static void *look_around(void *arg)
{
    struct site *s = arg;
    const char *last;
    uint64_t high = 0;

    for (int i = 0; i < 2000; i++) {
        const struct group *g = group_find(s->g, SPAN("a.a"));
        uint64_t now = g != NULL ? atomic_load(&g->high) : 0;

        if (now < high)
            fail_msg("the high mark went back");
        high = now;
        last = NULL;
        if (i % 20 == 0)
            group_each(s->g, in_order, &last);
        (void)group_by_id(s->g, (uint32_t)i % 300);
    }
    return NULL;
}

static void readers_look_while_groups_change(void **state)
{
    struct site s;
    pthread_t t[3];

    (void)state;
    site_open(&s, kit_path("threads"));
    make(&s, 1, "a.a");
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, look_around, &s), 0);
    for (uint32_t i = 2; i < 200; i++) {
        char name[20];

        snprintf(name, sizeof name, "b.n%u", i);
        make(&s, i, name);
        article(&s, &(struct record_number){ 1, i }, 1);
        if (i % 7 == 0)
            apply(&s, &(struct record){ .kind = RECORD_UNGROUP, .numbers = &(struct record_number){ i, 0 }, .n_numbers = 1 }, 1);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    site_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forty_five_thousand_groups_load),
        cmocka_unit_test(readers_look_while_groups_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
