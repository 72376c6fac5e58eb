/* lib_map.c - the hash table does what a plain array would. */
#include <stdbool.h>
#include <string.h>

#include "lib/map.h"
#include "tests/kit.h"

enum { KEYS = 3000, STEPS = 400000 };

/* Key k: its number, behind zero bytes and of several lengths; key 0 is empty. */
static struct span key_of(unsigned k)
{
    static char room[32];
    size_t n = k == 0 ? 0 : 4 + k % 20;

    memset(room, 0, sizeof room);
    if (n > 0)
        memcpy(room + n - 4, &k, 4);
    return (struct span){ k == 0 ? NULL : room, n };
}

static void agree(const struct map *m, void *const *model, size_t count)
{
    size_t at = 0, seen = 0;
    struct span key;
    void *v;

    assert_int_equal(map_count(m), count);
    for (; map_next(m, &at, &key, &v); seen++) {
        unsigned k = 0;

        if (key.n > 0)
            memcpy(&k, key.p + key.n - 4, 4);
        assert_true(k < KEYS && span_eq(key, key_of(k)));
        assert_ptr_equal(v, model[k]);
    }
    assert_int_equal(seen, count);
}

static void random_steps_agree_with_an_array(void **state)
{
    static void *model[KEYS];
    static char values[STEPS];
    struct map *m = map_new();
    size_t count = 0;

    (void)state;
    for (int i = 0; i < STEPS; i++) {
        unsigned k = (unsigned)(kit_random() % KEYS);
        /* waves: now mostly filling, now mostly emptying */
        bool fill = kit_random() % 8 < (i / 40000 % 2 == 0 ? 6u : 2u);

        assert_ptr_equal(map_get(m, key_of(k)), model[k]);
        if (fill) {
            assert_ptr_equal(map_put(m, key_of(k), &values[i]), model[k]);
            count += model[k] == NULL;
            model[k] = &values[i];
        } else {
            assert_ptr_equal(map_del(m, key_of(k)), model[k]);
            count -= model[k] != NULL;
            model[k] = NULL;
        }
        if (i % 5000 == 0)
            agree(m, model, count);
    }
    agree(m, model, count);
    map_free(&m);
    assert_null(m);
    map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(random_steps_agree_with_an_array) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
