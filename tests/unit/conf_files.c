/* conf_files.c - the lists of a site that are files of their own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "tests/kit.h"

static void put(const char *name, const char *text)
{
    assert_int_equal(disk_replace(kit_path("%s", name), text, strlen(text), 0644), 0);
}

/* The configuration whose site block has these settings; NULL when it is bad: then 'errors' says why. */
static struct conf *read_with(const char *settings, struct buf *errors)
{
    char *text = xasprintf("site \"n\" {\n%s\n}\nlisten \"*:119\" { }\n", settings);
    struct conf *c = conf_read_text(kit_path("nntpd.conf"), text, errors);

    free(text);
    return c;
}

static void assert_bad(const char *settings, const char *want)
{
    struct buf errors = { 0 };
    struct conf *c = read_with(settings, &errors);

    buf_add(&errors, "", 1);
    if (c != NULL || strstr(buf_data(&errors), want) == NULL)
        fail_msg("%s\ngives\n%s\nnot\n%s", settings, buf_data(&errors), want);
    buf_fini(&errors);
}

static void lines_are_kept_without_comments_and_blanks(void **state)
{
    struct buf errors = { 0 };
    struct conf *c;

    (void)state;
    put("subs", "# first the newest\n\n  local.welcome \r\nnews.announce.newusers\nlocal.test");
    put("dists", "fr\tLocal to France.\nlocal   Local to \xc3\xa9t\xc3\xa9.\n");
    put("pats", "10:local.*:local\n5:*,!local.*:world\n");
    put("motd", "Attention\n\n# no comment\n");
    c = read_with("subscriptions-file = subs distributions-file = dists distrib-pats-file = pats motd-file = motd", &errors);
    assert_non_null(c);
    assert_string_equal(c->site.subscriptions.p, "local.welcome\nnews.announce.newusers\nlocal.test\n");
    assert_string_equal(c->site.distributions.p, "fr\tLocal to France.\nlocal   Local to \xc3\xa9t\xc3\xa9.\n");
    assert_string_equal(c->site.distrib_pats.p, "10:local.*:local\n5:*,!local.*:world\n");
    assert_string_equal(c->site.motd.p, "Attention\n\n# no comment\n");
    assert_int_equal(c->site.motd.n, strlen(c->site.motd.p));
    conf_free(&c);
    buf_fini(&errors);
}

/* RFC 6048 2.1: a list that is there and says nothing is another thing than none. */
static void an_empty_file_is_an_empty_list_and_a_missing_one_is_none(void **state)
{
    struct buf errors = { 0 };
    struct conf *c;

    (void)state;
    put("empty", "# nothing\n\n");
    put("hollow", "");
    c = read_with("subscriptions-file = empty distributions-file = missing motd-file = hollow", &errors);
    assert_non_null(c);
    assert_string_equal(c->site.subscriptions.p, "");
    assert_string_equal(c->site.motd.p, "");
    assert_null(c->site.distributions.p);
    assert_null(c->site.distrib_pats.p);
    conf_free(&c);
    buf_fini(&errors);
}

static void a_bad_line_is_told_with_its_file_and_line(void **state)
{
    (void)state;
    put("subs", "local.test\ntwo words\n");
    assert_bad("\n subscriptions-file = subs", ":3: subscriptions-file: ");
    assert_bad("subscriptions-file = subs", "subs:2: \"two words\" should be the name of one group");
    put("subs", "a.*\n");
    assert_bad("subscriptions-file = subs", "subs:1: \"a.*\" should be");
    put("dists", "\nfr\n");
    assert_bad("distributions-file = dists", "dists:2: \"fr\" should be a distribution, a blank, a description");
    put("dists", "fr d\xe9j\xe0\n");
    assert_bad("distributions-file = dists", "dists:1: not UTF-8 text");
    put("dists", "fr a\x01" "b\n");
    assert_bad("distributions-file = dists", "dists:1: not UTF-8 text");
    put("motd", "d\xe9j\xe0\n");
    assert_bad("motd-file = motd", "not UTF-8 text");
}

static void patterns_have_three_fields(void **state)
{
    static const char *const bad[] = { "10:local.*", "local.*:10:x", "-1:a:b", "1:a b:c", "1::c", "1:a,,b:c", "1:!a,b[c]:d",
                                       "1:a:b c", "1:a:", "99999999999999999999:a:b", "1:a,!:b" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put("pats", bad[i]);
        assert_bad("distrib-pats-file = pats", "pats:1: ");
    }
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    char *large = xmalloc(70000);

    (void)state;
    assert_int_equal(mkdir(kit_path("directory"), 0755), 0);
    assert_bad("motd-file = directory", "motd-file: ");
    memset(large, 'x', 69999);
    large[69999] = '\0';
    put("large", large);
    assert_bad("motd-file = large", "File too large");
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_kept_without_comments_and_blanks),
        cmocka_unit_test(an_empty_file_is_an_empty_list_and_a_missing_one_is_none),
        cmocka_unit_test(a_bad_line_is_told_with_its_file_and_line),
        cmocka_unit_test(patterns_have_three_fields),
        cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
