/* conf_show.c - what is shown reads back the same; what a reload cannot change is told. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema.h"
#include "lib/mem.h"
#include "tests/kit.h"

static struct conf *read_text(const char *text)
{
    struct buf errors = { 0 };
    struct conf *c = conf_read_text("/etc/t.conf", text, &errors);

    if (c == NULL)
        fail_msg("%s\n%.*s", text, SPAN_F(buf_span(&errors)));
    return c;
}

static char *show(const struct conf *c)
{
    struct buf out = { 0 };
    size_t n;

    conf_show(c, &out);
    buf_add(&out, "", 1);
    return buf_steal(&out, &n);
}

static void assert_block_equal(enum block b, const void *x, const void *y)
{
    size_t n;
    const struct setting *s = schema(&n);

    for (size_t i = 0; i < n; i++)
        if (s[i].block == b && !setting_equal(&s[i], x, y))
            fail_msg("%s %s differs", block_names[b], s[i].key);
}

static void assert_reads_back(const struct conf *c)
{
    char *text = show(c), *again;
    struct conf *d = read_text(text);

    assert_string_equal(d->site.name, c->site.name);
    assert_block_equal(BLOCK_site, &c->site, &d->site);
    assert_int_equal(d->n_listen, c->n_listen);
    for (size_t i = 0; i < c->n_listen; i++) {
        assert_string_equal(d->listen[i].address, c->listen[i].address);
        assert_block_equal(BLOCK_listen, &c->listen[i], &d->listen[i]);
    }
    assert_int_equal(d->n_peer, c->n_peer);
    for (size_t i = 0; i < c->n_peer; i++) {
        assert_string_equal(d->peer[i].name, c->peer[i].name);
        assert_block_equal(BLOCK_peer, &c->peer[i], &d->peer[i]);
    }
    assert_int_equal(d->n_access, c->n_access);
    for (size_t i = 0; i < c->n_access; i++) {
        assert_string_equal(d->access[i].name, c->access[i].name);
        assert_block_equal(BLOCK_access, &c->access[i], &d->access[i]);
    }
    again = show(d);
    assert_string_equal(again, text);
    conf_free(&d);
    free(again);
    free(text);
}

static void defaults_read_back(void **state)
{
    struct conf *c = read_text("site n { }\nlisten \"*:119\" { }\npeer \"a\" { }\naccess \"b\" { }\n");

    (void)state;
    assert_reads_back(c);
    conf_free(&c);
}

static void odd_letters_read_back(void **state)
{
    struct conf *c = read_text("site n { organization = '\\ \"$HOME\" # // /* ${X} { } = ,' complaints = \"'\\\\\" }\n"
                               "listen \"[::]:0\" { }\naccess '\"a\" $b \\\\' { user = \"\xc3\xa9x\" }\n");

    (void)state;
    assert_string_equal(c->site.organization, "\\ \"$HOME\" # // /* ${X} { } = ,");
    assert_string_equal(c->access[0].name, "\"a\" $b \\");
    assert_reads_back(c);
    conf_free(&c);
}

/* ---- any value of any setting ---------------------------------------------------- */

static const char *pick(const char *const *of, size_t n)
{
    return of[kit_random() % n];
}
#define PICK(...) pick((const char *const[]){ __VA_ARGS__ }, sizeof (const char *const[]){ __VA_ARGS__ } / sizeof (char *))

static const char *random_text(const struct setting *s)
{
    if (strcmp(s->key, "connect") == 0)
        return PICK("news.a:119", "192.0.2.1:433", "[2001:db8::1]:119");
    if (strcmp(s->key, "metrics-listen") == 0)
        return PICK("127.0.0.1:9119", "[::1]:0", "*:80");
    if (strcmp(s->key, "source") == 0)
        return PICK("192.0.2.9", "2001:db8::9");
    if (strcmp(s->key, "address") == 0 || strcmp(s->key, "from") == 0)
        return PICK("192.0.2.1", "10.0.0.0/8", "2001:db8::/32", "::1");
    if (strcmp(s->key, "aliases") == 0)                /* never a peer's names */
        return PICK("our.example", "o_c", "o:e", "o-1");
    if (strcmp(s->key, "path") == 0 || strcmp(s->key, "exclude") == 0)
        return PICK("a.example", "b_c", "d:e", "x-1");
    if (s->type == TYPE_LIST && strstr(s->key, "distributions") != NULL)
        return PICK("world", "!local", "a-b");
    if (strcmp(s->key, "sendmail") == 0)
        return PICK("/usr/sbin/sendmail -oi", "/bin/true");
    if (strcmp(s->key, "moderators") == 0)
        return PICK("comp.*:%s@m.example", "*:local");
    if (strcmp(s->key, "hash") == 0)
        return PICK("1/3", "2-3/3", "1-2/4_12");
    if (strcmp(s->key, "login") == 0)
        return PICK("hub", "a@b.example");
    if (strcmp(s->key, "certificate") == 0)
        return PICK("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF");
    if (s->type == TYPE_CHOICE || strcmp(s->key, "log-level") == 0) {
        const char *const *names = choice_names(s);
        unsigned n = 0;

        while (names[n] != NULL)
            n++;
        return names[kit_random() % n];
    }
    if (s->type == TYPE_LIST)
        return PICK("*", "comp.*", "!local.*", "a,!b");
    if (s->type == TYPE_BOOL)
        return PICK("true", "false", "yes", "off");
    if (s->type == TYPE_PATH && strstr(s->key, "-file") != NULL)     /* no directory that is there */
        return PICK("/a/b", "c", "d e/f");
    if (s->type == TYPE_PATH)
        return PICK("/a/b", "c", "d e/f", ".");
    return PICK("a", "b c", "$d", "\"e\\");
}

static int64_t random_number(const struct setting *s)
{
    uint64_t range = (uint64_t)(s->most - s->least) + 1;

    switch (kit_random() % 4) {
    case 0: return s->least;
    case 1: return s->most;
    case 2: return s->least + (int64_t)(kit_random() % (range < 1000 ? range : 1000));
    default: return s->least + (int64_t)(kit_random() % range);
    }
}

static void put_random(struct buf *out, const struct setting *s)
{
    unsigned n = s->type == TYPE_LIST ? 1 + (unsigned)(kit_random() % 3) : 1;

    buf_printf(out, " %s = ", s->key);
    if (s->type == TYPE_INT || s->type == TYPE_SIZE || s->type == TYPE_TIME) {
        buf_printf(out, "%" PRId64 "%s\n", random_number(s), s->type == TYPE_TIME ? "s" : "");
        return;
    }
    buf_puts(out, s->type == TYPE_LIST ? "{ " : "");
    for (unsigned i = 0; i < n; i++) {
        buf_puts(out, i > 0 ? ", " : "");
        put_quoted(out, random_text(s));
    }
    buf_puts(out, s->type == TYPE_LIST ? " }\n" : "\n");
}

/* What the checks across settings tie together. */
static bool tied(const struct setting *s)
{
    return strcmp(s->key, "tls") == 0 || strcmp(s->key, "private-groups") == 0 || strcmp(s->key, "article-max") == 0 || strcmp(s->key, "post-max") == 0 ||
           strcmp(s->key, "queue") == 0 || strcmp(s->key, "send") == 0 || strcmp(s->key, "fingerprint") == 0 ||
           strcmp(s->key, "size-min") == 0 || strcmp(s->key, "origin-missing") == 0 || strncmp(s->key, "login-", 6) == 0 ||
           strcmp(s->key, "pull") == 0 || strcmp(s->key, "pull-post") == 0 ||
           (strncmp(s->key, "tls-", 4) == 0 && s->type != TYPE_CHOICE);
}

static void put_block(struct buf *out, enum block b, const char *title)
{
    size_t n;
    const struct setting *s = schema(&n);

    buf_printf(out, "%s \"%s\" {\n", block_names[b], title);
    for (size_t i = 0; i < n; i++)
        if (s[i].block == b && !tied(&s[i]) && kit_random() % 3 > 0)
            put_random(out, &s[i]);
    buf_puts(out, "}\n");
}

static void any_values_read_back(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct buf text = { 0 };
        struct conf *c;

        put_block(&text, BLOCK_site, "news.example");
        put_block(&text, BLOCK_listen, "*:119");
        put_block(&text, BLOCK_peer, "p");
        put_block(&text, BLOCK_peer, "q");
        put_block(&text, BLOCK_access, "a");
        buf_add(&text, "", 1);
        c = read_text(buf_data(&text));
        assert_reads_back(c);
        conf_free(&c);
        buf_fini(&text);
    }
}

/* ---- what needs a restart ---------------------------------------------------------- */

static char *changes(const char *from, const char *to)
{
    struct conf *a = read_text(from), *b = read_text(to);
    struct buf out = { 0 };
    size_t n;

    conf_changes(a, b, &out);
    buf_add(&out, "", 1);
    conf_free(&a);
    conf_free(&b);
    return buf_steal(&out, &n);
}

static void a_change_needs_a_restart_where_the_schema_says_so(void **state)
{
    size_t n;
    const struct setting *s = schema(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        struct buf text = { 0 };
        char *told, *want = s[i].live == START ? xasprintf("site: %s is changed by a restart alone\n", s[i].key) : xstrdup("");

        if (s[i].block != BLOCK_site || tied(&s[i])) {
            free(want);
            continue;
        }
        do {
            buf_clear(&text);
            buf_puts(&text, "site n {\n");
            put_random(&text, &s[i]);
            buf_puts(&text, "}\nlisten \"*:119\" { }\n");
            buf_add(&text, "", 1);
            told = changes("site n { }\nlisten \"*:119\" { }\n", buf_data(&text));
            if (told[0] != '\0' || s[i].live != START)
                break;
            free(told);                            /* the default, by chance */
        } while (true);
        /* where the sockets are follows from where the data is */
        if (strcmp(s[i].key, "directory") == 0)
            assert_string_equal(told, "site: directory is changed by a restart alone\n"
                                      "site: run-directory is changed by a restart alone\n");
        else
            assert_string_equal(told, want);
        free(want);
        free(told);
        buf_fini(&text);
    }
}

static void name_and_listeners_need_a_restart(void **state)
{
    static const struct { const char *from, *to, *want; } rows[] = {
        { "site n { }\nlisten \"*:119\" { }", "site m { }\nlisten \"*:119\" { }",
          "site: the name stays \"n\" until a restart\n" },
        { "site n { }\nlisten \"*:119\" { }", "site n { }\nlisten \"*:120\" { }",
          "listen: addresses are changed by a restart alone\n" },
        { "site n { }\nlisten \"*:119\" { }", "site n { }\nlisten \"*:119\" { } listen \"*:120\" { }",
          "listen: addresses are changed by a restart alone\n" },
        { "site n { }\nlisten \"*:119\" { }", "site n { organization = x }\nlisten \"*:119\" { }\npeer a { } access b { }", "" },
        { "site n { cache = 1M }\nlisten \"*:119\" { }", "site n { cache = 1024K }\nlisten \"*:119\" { tls = no }", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *told = changes(rows[i].from, rows[i].to);

        assert_string_equal(told, rows[i].want);
        free(told);
    }
}

static void a_list_joins_to_one_wildmat(void **state)
{
    struct conf *c = read_text("site n { }\nlisten \"*:119\" { }\npeer a { groups = { a.*, !a.b, @c } }");
    struct buf out = { 0 };

    (void)state;
    conf_join(&c->peer[0].groups, &out);
    assert_true(span_eq(buf_span(&out), SPAN("a.*,!a.b,@c")));
    buf_clear(&out);
    conf_join(&c->peer[0].distributions, &out);
    assert_int_equal(buf_len(&out), 0);
    buf_fini(&out);
    conf_free(&c);
}

/* ---- the schema itself --------------------------------------------------------------- */

static void every_default_is_a_good_value(void **state)
{
    size_t n;
    const struct setting *s = schema(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        struct err e;

        if (s[i].text_default != NULL && setting_check(&s[i], s[i].text_default, &e) != 0)
            fail_msg("%s %s: %s", block_names[s[i].block], s[i].key, e.text);
        if (strlen(s[i].help) < 10 || s[i].least > s[i].most)
            fail_msg("%s %s: help or bounds", block_names[s[i].block], s[i].key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_read_back), cmocka_unit_test(odd_letters_read_back),
        cmocka_unit_test(any_values_read_back), cmocka_unit_test(a_change_needs_a_restart_where_the_schema_says_so),
        cmocka_unit_test(name_and_listeners_need_a_restart), cmocka_unit_test(a_list_joins_to_one_wildmat),
        cmocka_unit_test(every_default_is_a_good_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
