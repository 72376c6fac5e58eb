/* ctl/token: what is written is read again; what a stranger damages or invents is refused. */
#include "ctl/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/crc32c.h"
#include "lib/mem.h"
#include "tests/kit.h"

#define PRINT "abababababababababababababababababababababababababababababababab"

/* Lines as a token with a right sum. */
static void pack(struct span text, struct buf *out)
{
    struct buf code = { 0 };

    buf_clear(out);
    base64_write(&code, text);
    buf_puts(out, "freshet1:");
    for (size_t i = 0; i < buf_len(&code) && buf_data(&code)[i] != '='; i++) {
        char c = buf_data(&code)[i];

        buf_add(out, c == '+' ? "-" : c == '/' ? "_" : &c, 1);
    }
    buf_printf(out, ".%08" PRIx32, crc32c(0, text.p, text.n));
    buf_fini(&code);
}

static void make(struct token *t)
{
    *t = (struct token){ .site = xstrdup("a.example"), .starttls = true, .fingerprint = xstrdup(PRINT), .offer = xstrdup("*,!x.*"),
                         .want = xstrdup("de.*,@b\303\274ro.*"), .article_max = 123456, .answer = true };
    token_add(&t->alias, SPAN("old.example"));
    token_add(&t->alias, SPAN("older.example"));
    token_add(&t->nntp, SPAN("a.example:119"));
    token_add(&t->nntps, SPAN("[2001:db8::1]:563"));
    token_add(&t->address, SPAN("192.0.2.0/24"));
    token_add(&t->address, SPAN("2001:db8::1"));
}

static bool same(const struct token *a, const struct token *b)
{
    return strcmp(a->site, b->site) == 0 && conf_list_equal(&a->alias, &b->alias) && conf_list_equal(&a->nntp, &b->nntp) &&
           conf_list_equal(&a->nntps, &b->nntps) && conf_list_equal(&a->address, &b->address) && a->starttls == b->starttls &&
           strcmp(a->fingerprint, b->fingerprint) == 0 && strcmp(a->offer, b->offer) == 0 && strcmp(a->want, b->want) == 0 &&
           a->article_max == b->article_max && a->answer == b->answer;
}

static void what_is_written_is_read_again(void **state)
{
    struct token a, b;
    struct buf line = { 0 };
    struct err e;

    (void)state;
    make(&a);
    token_write(&a, &line);
    assert_memory_equal(buf_data(&line), "freshet1:", 9);
    for (size_t i = 9; i < buf_len(&line); i++)                 /* may stand anywhere as one word */
        assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.", buf_data(&line)[i]));
    assert_int_equal(token_read(&b, buf_span(&line), &e), 0);
    assert_true(same(&a, &b));
    token_fini(&a);
    token_fini(&b);
    buf_fini(&line);
}

static void blanks_and_line_breaks_of_mail_do_no_harm(void **state)
{
    struct token a, b;
    struct buf line = { 0 }, mailed = { 0 };
    struct err e;

    (void)state;
    make(&a);
    token_write(&a, &line);
    for (size_t i = 0; i < buf_len(&line); i++) {
        if (i % 60 == 0)
            buf_puts(&mailed, "\r\n \t");
        buf_add(&mailed, buf_data(&line) + i, 1);
    }
    assert_int_equal(token_read(&b, buf_span(&mailed), &e), 0);
    assert_true(same(&a, &b));
    token_fini(&a);
    token_fini(&b);
    buf_fini(&line);
    buf_fini(&mailed);
}

/* Every octet changed, every end cut off: refused, or what it was (bits of Base64 that count for nothing). */
static void a_damaged_token_is_never_taken_for_another(void **state)
{
    static const char others[] = "AQz0_-.: =+/\n\"\0\x80";
    struct token a, b;
    struct buf line = { 0 };
    struct err e;

    (void)state;
    make(&a);
    token_write(&a, &line);
    for (size_t i = 0; i < buf_len(&line); i++) {
        char was = buf_data(&line)[i];

        assert_int_equal(token_read(&b, (struct span){ buf_data(&line), i }, &e), -1);
        for (size_t k = 0; k < sizeof others - 1; k++) {
            buf_data(&line)[i] = others[k];
            if (token_read(&b, buf_span(&line), &e) == 0 && !same(&a, &b))
                fail_msg("octet %zu as 0x%02x makes another token of it", i, (unsigned char)others[k]);
            token_fini(&b);
        }
        buf_data(&line)[i] = was;
    }
    token_fini(&a);
    buf_fini(&line);
}

#define START "site a.example\nnntp a.example:119\naddress a.example\n"
#define GOOD START "offer *\nwant *\n"

static const struct { const char *text, *says; } invented[] = {
    { "", "breaks off" },
    { "\n", "characters" },
    { "site a.example", "breaks off" },
    { START "offer *\n", "\"want\"" },
    { "nntp a:119\naddress a\noffer *\nwant *\n", "\"site\"" },
    { "site a\nnntp a:119\noffer *\nwant *\n", "\"address\"" },
    { "site a\naddress a\noffer *\nwant *\n", "where to connect" },
    { GOOD "site b.example\n", "twice" },
    { GOOD "want *\n", "twice" },
    { GOOD "article-max many\n", "no number" },
    { GOOD "article-max 99999999999999999999999\n", "no number" },
    { GOOD "fingerprint abcd\n", "fingerprint" },
    { GOOD "fingerprint " PRINT "ab\n", "fingerprint" },
    { GOOD "alias\n", "characters" },
    { GOOD "alias a b\n", "characters" },
    { GOOD "alias a\"b\n", "characters" },
    { GOOD "alias a\\b\n", "characters" },
    { GOOD "alias ${HOME}\n", "characters" },
    { GOOD "alias a\rb\n", "characters" },
    { GOOD "alias a\033[2Jb\n", "characters" },
    { GOOD "alias a\177b\n", "characters" },
    { GOOD "alias a\302\233b\n", "characters" },           /* a control in two octets */
    { GOOD "alias a\342\200\256b\n", "characters" },       /* turns the writing round */
    { GOOD "alias a\377b\n", "characters" },
    { GOOD "x\033 y\n", "characters" },                    /* in what is passed over, too */
    { GOOD "\n", "characters" },
};

static void what_a_stranger_invents_is_refused_with_a_reason(void **state)
{
    struct buf line = { 0 };
    struct token t;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof invented / sizeof *invented; i++) {
        pack(span_of(invented[i].text), &line);
        e.text[0] = '\0';
        if (token_read(&t, buf_span(&line), &e) != -1 || strstr(e.text, invented[i].says) == NULL)
            fail_msg("row %zu: \"%s\", not \"...%s...\"", i, e.text, invented[i].says);
        assert_null(t.site);                               /* nothing is left of it */
    }
    pack((struct span){ GOOD "alias a\0b\n", sizeof GOOD + 10 }, &line);
    assert_int_equal(token_read(&t, buf_span(&line), &e), -1);
    buf_fini(&line);
}

static const struct { const char *token, *says; } formless[] = {
    { "", "no token" }, { "freshet", "no token" }, { "freshet2:abc.00000000", "another version" }, { "hello", "no token" },
    { "FRESHET1:abc.00000000", "no token" }, { "freshet1:", "breaks off" }, { "freshet1:abcd", "breaks off" },
    { "freshet1:abcd.0000", "breaks off" }, { "freshet1:ab*d.00000000", "no base64url" }, { "freshet1:a.00000000", "no base64url" },
    { "freshet1:ab=d.00000000", "no base64url" }, { "freshet1:abcd.00000000", "sum" }, { "freshet1:.00000000", "breaks off" },
};

static void what_has_not_the_form_of_a_token_is_refused(void **state)
{
    struct buf line = { 0 }, text = { 0 };
    struct token t;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof formless / sizeof *formless; i++)
        if (token_read(&t, span_of(formless[i].token), &e) != -1 || strstr(e.text, formless[i].says) == NULL)
            fail_msg("row %zu: \"%s\", not \"...%s...\"", i, e.text, formless[i].says);
    buf_puts(&text, GOOD);
    while (buf_len(&text) <= TOKEN_TEXT_MOST)
        buf_puts(&text, "later what\n");
    pack(buf_span(&text), &line);
    assert_int_equal(token_read(&t, buf_span(&line), &e), -1);
    assert_non_null(strstr(e.text, "too long"));
    while (buf_len(&line) <= TOKEN_MOST)
        buf_puts(&line, "A");
    assert_int_equal(token_read(&t, buf_span(&line), &e), -1);
    assert_non_null(strstr(e.text, "too long"));
    buf_fini(&line);
    buf_fini(&text);
}

static void a_list_has_an_end(void **state)
{
    struct buf line = { 0 }, text = { 0 };
    struct token t;
    struct err e;

    (void)state;
    buf_puts(&text, GOOD);
    for (int i = 0; i < TOKEN_LIST_MOST; i++)
        buf_puts(&text, "alias b.example\n");
    pack(buf_span(&text), &line);
    assert_int_equal(token_read(&t, buf_span(&line), &e), 0);
    token_fini(&t);
    buf_puts(&text, "alias b.example\n");
    pack(buf_span(&text), &line);
    assert_int_equal(token_read(&t, buf_span(&line), &e), -1);
    assert_non_null(strstr(e.text, "too many"));
    buf_fini(&line);
    buf_fini(&text);
}

static void what_a_newer_site_says_besides_is_passed_over(void **state)
{
    struct buf line = { 0 };
    struct token t;
    struct err e;

    (void)state;
    pack(SPAN(GOOD "colour green\nstarttls no\n"), &line);
    assert_int_equal(token_read(&t, buf_span(&line), &e), 0);
    assert_string_equal(t.site, "a.example");
    assert_false(t.starttls);
    assert_false(t.answer);
    token_fini(&t);
    buf_fini(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(blanks_and_line_breaks_of_mail_do_no_harm),
        cmocka_unit_test(a_damaged_token_is_never_taken_for_another),
        cmocka_unit_test(what_a_stranger_invents_is_refused_with_a_reason),
        cmocka_unit_test(what_has_not_the_form_of_a_token_is_refused),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(what_a_newer_site_says_besides_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
