/* lib/utf8: what is UTF-8, by table and through all code points. */
#include "lib/utf8.h"
#include "tests/kit.h"

static void utf8_row(const struct kit_row *r, void *arg)
{
    (void)arg;
    kit_row_is(r, "utf-8", span_of(utf8_valid(r->cell[0]) ? "valid" : "invalid"), r->cell[2]);
}

static void utf8_is_as_the_table_says(void **state)
{
    (void)state;
    kit_table("utf8.tsv", utf8_row, NULL);
    assert_true(utf8_valid((struct span){ 0 }));
}

/* Write the shortest form of a code point. */
static size_t encode(uint32_t c, char out[4])
{
    if (c < 0x80)
        return (out[0] = (char)c, 1);
    if (c < 0x800)
        return (out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 0x3f)), 2);
    if (c < 0x10000)
        return (out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 0x3f)), out[2] = (char)(0x80 | (c & 0x3f)), 3);
    return (out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 0x3f)), out[2] = (char)(0x80 | (c >> 6 & 0x3f)),
            out[3] = (char)(0x80 | (c & 0x3f)), 4);
}

static void every_code_point_but_surrogates_is_utf8(void **state)
{
    char text[4];

    (void)state;
    for (uint32_t c = 0; c < 0x110100; c++) {
        size_t n = encode(c, text);
        bool wanted = c < 0x110000 && (c < 0xd800 || c > 0xdfff);

        if (utf8_valid((struct span){ text, n }) != wanted)
            fail_msg("U+%04x", c);
        if (n > 1 && utf8_valid((struct span){ text, n - 1 }))
            fail_msg("U+%04x cut short", c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_as_the_table_says), cmocka_unit_test(every_code_point_but_surrogates_is_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
