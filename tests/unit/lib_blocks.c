/* lib_blocks.c - blocks of one size: whole, empty, and gone when they are put back. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/blocks.h"
#include "lib/mem.h"
#include "tests/kit.h"

#define SIZE (16u << 10)

static bool zero(const char *p)
{
    for (size_t i = 0; i < SIZE; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static bool resident(char *p)
{
    unsigned char page[SIZE / 4096];

    assert_int_equal(mincore(p, SIZE, page), 0);
    for (size_t i = 0; i < sizeof page; i++)
        if (page[i] & 1)
            return true;
    return false;
}

static void each_is_empty_and_nobody_elses(void **state)
{
    static struct blocks b = BLOCKS_INIT(SIZE);
    char *p[200];

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        assert_non_null(p[i] = blocks_get(&b));
        assert_true((uintptr_t)p[i] % 4096 == 0 && zero(p[i]));
        memset(p[i], (int)i + 1, SIZE);
    }
    for (size_t i = 0; i < 200; i++) {
        assert_true(p[i][0] == (char)(i + 1) && memcmp(p[i], p[i] + 1, SIZE - 1) == 0);
        blocks_put(&b, p[i]);
    }
    blocks_put(&b, NULL);
    for (size_t i = 0; i < 200; i++)
        assert_true(zero(p[i] = blocks_get(&b)));
}

static void what_is_put_back_costs_no_memory_at_once(void **state)
{
    static struct blocks b = BLOCKS_INIT(SIZE);
    char *p = blocks_get(&b), *other = blocks_get(&b);

    (void)state;
    memset(p, 1, SIZE);
    memset(other, 1, SIZE);
    assert_true(resident(p));
    blocks_put(&b, p);
    assert_false(resident(p));
    assert_true(resident(other));
    assert_ptr_equal(blocks_get(&b), p);       /* and is used again */
    assert_true(zero(p));
}

static struct blocks shared = BLOCKS_INIT(SIZE);

static void *use(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        char *p = blocks_get(&shared);

        need(p[0] == 0 && p[SIZE - 1] == 0);
        memset(p, (int)(intptr_t)arg, SIZE);
        need(p[0] == p[SIZE - 1]);
        blocks_put(&shared, p);
    }
    return NULL;
}

static void threads_share_them(void **state)
{
    pthread_t t[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        thread_start(&t[i], "user", use, (void *)(intptr_t)(i + 1));
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    assert_true(shared.n_spare == shared.n_all && shared.n_all == 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_empty_and_nobody_elses),
        cmocka_unit_test(what_is_put_back_costs_no_memory_at_once),
        cmocka_unit_test(threads_share_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
