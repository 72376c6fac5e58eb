/* lib_crc32c.c - known sums, by instruction and by table; sums of parts.
 *
 * Includes the source: on a processor with the instruction nothing else
 * reaches the table. */
#include "lib/crc32c.c"

#include "tests/kit.h"

static uint32_t tabled(uint32_t crc, const void *p, size_t n)
{
    fill_table();
    return ~by_table(~crc, p, n);
}

/* RFC 3720 B.4, and the usual check value */
static void known_sums(void **state)
{
    uint8_t b[32];

    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(tabled(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
    memset(b, 0, 32);
    assert_int_equal(crc32c(0, b, 32), 0x8a9136aa);
    assert_int_equal(tabled(0, b, 32), 0x8a9136aa);
    memset(b, 0xff, 32);
    assert_int_equal(crc32c(0, b, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        b[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, b, 32), 0x46dd794e);
    for (int i = 0; i < 32; i++)
        b[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(0, b, 32), 0x113fdb5c);
    assert_int_equal(tabled(0, b, 32), 0x113fdb5c);
}

static void the_sum_of_parts_is_the_sum(void **state)
{
    uint8_t b[300];

    (void)state;
    for (int round = 0; round < 3000; round++) {
        size_t at = kit_random() % 9, n = kit_random() % 280, cut = kit_random() % (n + 1);
        uint32_t whole;

        for (size_t i = 0; i < sizeof b; i++)
            b[i] = (uint8_t)kit_random();
        whole = crc32c(0, b + at, n);
        assert_int_equal(crc32c(crc32c(0, b + at, cut), b + at + cut, n - cut), whole);
        assert_int_equal(tabled(tabled(0, b + at, cut), b + at + cut, n - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(known_sums), cmocka_unit_test(the_sum_of_parts_is_the_sum) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
