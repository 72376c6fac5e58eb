/* lib/prom: lines that a monitor reads. */
#include "tests/kit.h"

#include "lib/prom.h"

static struct buf out;

static void assert_text(const char *text)
{
    buf_add(&out, "", 1);
    assert_string_equal(buf_data(&out), text);
    buf_fini(&out);
}

static void a_family_is_help_type_and_samples(void **state)
{
    (void)state;
    prom_counter(&out, "a_total", 7, "things");
    prom_gauge(&out, "b_bytes", UINT64_MAX, "octets");
    prom_family(&out, "c_seconds", PROM_SUMMARY, "how long");
    prom_seconds(&out, "c_seconds", PROM_LABELS("peer", "p.example", "quantile", "0.5"), 1234567);
    prom_seconds(&out, "c_seconds_sum", PROM_LABELS("peer", "p.example"), 90 * INT64_C(1000000));
    assert_text("# HELP a_total things\n# TYPE a_total counter\na_total 7\n"
                "# HELP b_bytes octets\n# TYPE b_bytes gauge\nb_bytes 18446744073709551615\n"
                "# HELP c_seconds how long\n# TYPE c_seconds summary\n"
                "c_seconds{peer=\"p.example\",quantile=\"0.5\"} 1.234567\nc_seconds_sum{peer=\"p.example\"} 90.000000\n");
}

static void what_would_break_the_line_is_escaped(void **state)
{
    (void)state;
    prom_family(&out, "x", PROM_GAUGE, "a \\ and \"quotes\"\nand a line");
    prom_sample(&out, "x", PROM_LABELS("why", "\"C:\\dir\"\nnext", "empty", ""), 0);
    prom_sample(&out, "x", PROM_LABELS("why", "gr\xc3\xbc\xc3\x9f"), 1);
    prom_sample(&out, "x", PROM_LABELS("why", "gr\xfc\xdf"), 2);
    assert_text("# HELP x a \\\\ and \"quotes\"\\nand a line\n# TYPE x gauge\n"
                "x{why=\"\\\"C:\\\\dir\\\"\\nnext\",empty=\"\"} 0\nx{why=\"gr\xc3\xbc\xc3\x9f\"} 1\nx{why=\"gr??\"} 2\n");
}

static void seconds_have_six_digits_on_either_side_of_nothing(void **state)
{
    (void)state;
    prom_seconds(&out, "s", PROM_NONE, 0);
    prom_seconds(&out, "s", PROM_NONE, 1);
    prom_seconds(&out, "s", PROM_NONE, -1500000);
    prom_seconds(&out, "s", PROM_NONE, INT64_MIN);
    assert_text("s 0.000000\ns 0.000001\ns -1.500000\ns -9223372036854.775808\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_is_help_type_and_samples),
        cmocka_unit_test(what_would_break_the_line_is_escaped),
        cmocka_unit_test(seconds_have_six_digits_on_either_side_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
