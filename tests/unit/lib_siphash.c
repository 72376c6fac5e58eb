/* lib_siphash.c - the authors' test vectors: key 00..0f, message 00, 01, ... */
#include <string.h>

#include "lib/siphash.h"
#include "tests/kit.h"

static struct sipkey key;
static uint8_t text[64];

static int make_input(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++)
        key.b[i] = (uint8_t)i;
    for (int i = 0; i < 64; i++)
        text[i] = (uint8_t)i;
    return 0;
}

static void sums_of_64_bits(void **state)
{
    static const struct { size_t n; uint64_t want; } rows[] = {
        { 0, UINT64_C(0x726fdb47dd0e0e31) }, { 1, UINT64_C(0x74f839c593dc67fd) }, { 2, UINT64_C(0x0d6c8009d9a94f5a) },
        { 7, UINT64_C(0xab0200f58b01d137) }, { 8, UINT64_C(0x93f5f5799a932462) },
        { 15, UINT64_C(0xa129ca6149be45e5) }, { 63, UINT64_C(0x958a324ceb064572) },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (siphash64(&key, text, rows[i].n) != rows[i].want)
            fail_msg("row %zu: %zu bytes", i, rows[i].n);
}

static void sums_of_128_bits(void **state)
{
    static const struct { size_t n; uint8_t want[16]; } rows[] = {
        { 0, { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93 } },
        { 1, { 0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45 } },
        { 2, { 0x81, 0x77, 0x22, 0x8d, 0xa4, 0xa4, 0x5d, 0xc7, 0xfc, 0xa3, 0x8b, 0xde, 0xf6, 0x0a, 0xff, 0xe4 } },
    };
    uint8_t out[16];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        siphash128(&key, text, rows[i].n, out);
        assert_memory_equal(out, rows[i].want, 16);
    }
}

static void random_bytes_fill_all_and_differ(void **state)
{
    static uint8_t a[5000], b[5000];
    int zeros = 0;

    (void)state;
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, 16);
    for (size_t i = sizeof a - 64; i < sizeof a; i++)
        zeros += a[i] == 0;
    assert_true(zeros < 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_64_bits),
        cmocka_unit_test(sums_of_128_bits),
        cmocka_unit_test(random_bytes_fill_all_and_differ),
    };

    return cmocka_run_group_tests(tests, make_input, NULL);
}
