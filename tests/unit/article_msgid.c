/* article/msgid: what is an id, what is the same id, what ids we make. */
#include <stdlib.h>
#include <string.h>

#include "article/msgid.h"
#include "tests/kit.h"

static const struct sipkey secret = { { 1, 2, 3 } }, other_secret = { { 1, 2, 4 } };

static struct span word(bool valid)
{
    return span_of(valid ? "valid" : "invalid");
}

static void id_row(const struct kit_row *r, void *arg)
{
    struct span id = r->cell[0];

    (void)arg;
    kit_row_is(r, "strict", word(msgid_valid(id)), r->cell[4]);
    kit_row_is(r, "lax", word(msgid_valid_lax(id)), r->cell[5]);
    kit_row_is(r, "stripped", word(msgid_valid(span_trim(id))), r->cell[6]);
}

static void ids_are_as_the_table_says(void **state)
{
    (void)state;
    kit_table("message-id.tsv", id_row, NULL);
}

static void domain_row(const struct kit_row *r, void *arg)
{
    struct buf id = { 0 };

    (void)arg;
    buf_puts(&id, "<a@");
    buf_add_span(&id, r->cell[0]);
    buf_puts(&id, ">");
    kit_row_is(r, "domain", word(msgid_valid(buf_span(&id))), r->cell[2]);
    buf_fini(&id);
}

static void domains_are_as_the_table_says(void **state)
{
    (void)state;
    kit_table("message-id-domain.tsv", domain_row, NULL);
}

/* Each octet, in each part of an id: atext, mdtext (RFC 5536 3.1.3), and A-NOTGT (RFC 3977 9.8). */
static void each_octet_is_allowed_where_the_grammar_has_it(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char left[] = "<x?x@d>", right[] = "<x@d?d>", literal[] = "<x@[?]>";
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool atext = letter || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
        bool mdtext = c >= 33 && c <= 126 && strchr(">[]\\", c) == NULL;

        left[2] = right[4] = literal[4] = (char)c;
        assert_int_equal(msgid_valid((struct span){ left, 7 }), atext);
        assert_int_equal(msgid_valid((struct span){ right, 7 }), atext);
        assert_int_equal(msgid_valid((struct span){ literal, 7 }), mdtext);
        assert_int_equal(msgid_valid_lax((struct span){ left, 7 }), c >= 0x21 && c <= 0x7e && c != '>');
    }
}

static void an_absent_id_is_none(void **state)
{
    (void)state;
    assert_false(msgid_valid((struct span){ 0 }));
    assert_false(msgid_valid_lax((struct span){ 0 }));
}

/* --- the key ------------------------------------------------------------ */

static bool same(const char *a, const char *b)
{
    struct msgid_key ka = msgid_key(&secret, span_of(a)), kb = msgid_key(&secret, span_of(b));

    return memcmp(&ka, &kb, sizeof ka) == 0;
}

static void case_counts_on_the_left_and_not_on_the_right(void **state)
{
    (void)state;
    assert_true(same("<a@example.com>", "<a@Example.COM>"));
    assert_false(same("<a@example.com>", "<A@example.com>"));
    assert_false(same("<a@example.com>", "<a@example.org>"));
    assert_true(same("<a@[x@y]>", "<a@[X@Y]>"));           /* the first "@" parts them */
    assert_true(same("<a@B@c>", "<a@b@C>"));
    assert_false(same("<Abc>", "<abc>"));                   /* no domain at all         */
    assert_false(same("<a@\xc3\x89>", "<a@\xc3\xa9>"));     /* letters of US-ASCII only */
    assert_true(same("<a@ABCDEFGHIJKLMNOPQRSTUVWXYZ>", "<a@abcdefghijklmnopqrstuvwxyz>"));
    assert_false(same("<a@b[>", "<a@b{>"));
    assert_false(same("<a@b@>", "<a@b`>"));
}

static void keys_of_ids_of_any_length_can_be_made(void **state)
{
    char *a = malloc(1000), *b = malloc(1000);
    struct msgid_key ka, kb;

    (void)state;
    memset(a, '@', 1000);
    memcpy(b, a, 1000);
    b[999] = 'X';
    for (size_t n = 0; n <= 1000; n++) {
        ka = msgid_key(&secret, (struct span){ a, n });
        kb = msgid_key(&secret, (struct span){ b, n });
        assert_int_equal(memcmp(&ka, &kb, sizeof ka) == 0, n < 1000);
    }
    free(a);
    free(b);
    ka = msgid_key(&secret, (struct span){ 0 });
    kb = msgid_key(&secret, SPAN(""));
    assert_memory_equal(&ka, &kb, sizeof ka);
}

static void a_key_is_of_its_secret(void **state)
{
    struct msgid_key a = msgid_key(&secret, SPAN("<a@b>")), b = msgid_key(&other_secret, SPAN("<a@b>"));

    (void)state;
    assert_memory_not_equal(&a, &b, sizeof a);
}

static void the_longest_id_is_folded_too(void **state)
{
    char a[MSGID_MAX], b[MSGID_MAX];
    struct msgid_key ka, kb;

    (void)state;
    memset(a, 'x', sizeof a);
    a[1] = '@';
    memcpy(b, a, sizeof a);
    b[sizeof b - 1] = 'X';
    ka = msgid_key(&secret, (struct span){ a, sizeof a });
    kb = msgid_key(&secret, (struct span){ b, sizeof b });
    assert_memory_equal(&ka, &kb, sizeof ka);
}

/* --- ids of ours -------------------------------------------------------- */

static void made_ids_are_valid_and_differ_in_the_same_microsecond(void **state)
{
    struct buf a = { 0 }, b = { 0 };

    (void)state;
    msgid_make(&a, "news.example.org", 1795000000000000, 7);
    msgid_make(&b, "news.example.org", 1795000000000000, 7);
    assert_true(msgid_valid(buf_span(&a)) && msgid_valid(buf_span(&b)));
    assert_false(span_eq(buf_span(&a), buf_span(&b)));
    buf_fini(&a);
    buf_fini(&b);
}

static void a_made_id_is_valid_with_the_longest_domain_at_any_time(void **state)
{
    static const int64_t times[] = { 0, INT64_MAX, -1 };
    char domain[MSGID_DOMAIN_MAX + 1];
    struct buf id = { 0 };

    (void)state;
    memset(domain, 'd', MSGID_DOMAIN_MAX);
    domain[MSGID_DOMAIN_MAX] = '\0';
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        buf_clear(&id);
        msgid_make(&id, domain, times[i], UINT64_MAX);
        assert_true(msgid_valid(buf_span(&id)));
    }
    buf_fini(&id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_as_the_table_says), cmocka_unit_test(domains_are_as_the_table_says),
        cmocka_unit_test(each_octet_is_allowed_where_the_grammar_has_it), cmocka_unit_test(the_longest_id_is_folded_too),
        cmocka_unit_test(an_absent_id_is_none), cmocka_unit_test(case_counts_on_the_left_and_not_on_the_right),
        cmocka_unit_test(keys_of_ids_of_any_length_can_be_made), cmocka_unit_test(a_key_is_of_its_secret),
        cmocka_unit_test(made_ids_are_valid_and_differ_in_the_same_microsecond),
        cmocka_unit_test(a_made_id_is_valid_with_the_longest_domain_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
