/* conf_read.c - good files, and every kind of bad one with its lines. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "tests/kit.h"

#define SITE   "site \"news.example\" { }\n"
#define PRINT  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LISTEN "listen \"*:119\" { }\n"

/* The text must be good. */
static struct conf *good(const char *text)
{
    struct buf errors = { 0 };
    struct conf *c = conf_read_text("/etc/t.conf", text, &errors);

    if (c == NULL)
        fail_msg("%s\n%.*s", text, SPAN_F(buf_span(&errors)));
    assert_int_equal(buf_len(&errors), 0);
    buf_fini(&errors);
    return c;
}

/* The text must be bad, with these errors ("LINE: sentence\n" each) and no others. */
static void bad(const char *text, const char *want)
{
    struct buf errors = { 0 }, wanted = { 0 };
    struct conf *c = conf_read_text("t", text, &errors);

    for (const char *p = want; *p != '\0'; p = strchr(p, '\n') + 1)
        buf_printf(&wanted, "t:%.*s\n", (int)strcspn(p, "\n"), p);
    if (c != NULL || !span_eq(buf_span(&errors), buf_span(&wanted)))
        fail_msg("the text\n%s\ngives\n%.*s\nnot\n%.*s", text, SPAN_F(buf_span(&errors)), SPAN_F(buf_span(&wanted)));
    buf_fini(&errors);
    buf_fini(&wanted);
}

/* ---- good files -------------------------------------------------------------- */

static void the_smallest_file_has_the_defaults(void **state)
{
    struct conf *c = good(SITE LISTEN);
    const struct conf_site *s = &c->site;

    (void)state;
    assert_string_equal(c->file, "/etc/t.conf");
    assert_string_equal(s->name, "news.example");
    assert_null(s->organization);
    assert_string_equal(s->directory, "/etc");
    assert_string_equal(s->run_directory, "/etc/run");
    assert_null(s->log_file);
    assert_string_equal(s->log_level, "info");
    assert_int_equal(s->workers, 0);
    assert_int_equal(s->fsync, CONF_FSYNC_ALWAYS);
    assert_int_equal(s->segment_bytes, 256 << 20);
    assert_int_equal(s->article_max, 1 << 20);
    assert_int_equal(s->age_max_us, INT64_C(864000000000));
    assert_int_equal(s->claim_us, 10000000);
    assert_int_equal(s->connections_max, 20000);
    assert_int_equal(s->unknown_groups, CONF_UNKNOWN_REFUSE);
    assert_int_equal(s->control_groups, CONF_FILE_CONTROL);
    assert_int_equal(s->crosspost_max + s->followup_max + s->post_crosspost_max + s->post_followup_max, 0);
    assert_int_equal(s->exclude.n + s->accept_distributions.n, 0);
    assert_false(s->path_aliases);
    assert_int_equal(s->strangers, CONF_STRANGER_REFUSE);
    assert_true(s->path_diagnostics);
    assert_false(s->posting_host);
    assert_int_equal(c->n_listen, 1);
    assert_string_equal(c->listen[0].address, "*:119");
    assert_int_equal(c->n_peer + c->n_access, 0);
    conf_free(&c);
    assert_null(c);
}

static void every_type_of_value_is_taken(void **state)
{
    struct conf *c = good("site \"n\" {\n"
                          " organization = \"a \\\"b\\\" \\\\ \\$HOME $HOME\"  complaints = 'x\\y \"z\" \\''\n"
                          " workers = 7  segment = 128K  cache = 2G  queue = 3000000  article-max = 1m\n"
                          " age-max = forever  future-max = 90s  idle = 5m  peer-idle = 2h  history-remember = 3w\n"
                          " fsync = interval  fsync-interval = 30s  unknown-groups = junk  strangers = read\n"
                          " path-diagnostics = no  posting-host = yes  aliases = { a, b.c , \"d_e\" }\n"
                          " log-level = debug  control-groups = own  crosspost-max = 9  post-followup-max = 2\n"
                          " exclude = spam.example  accept-distributions = { \"*\", \"!local\" }  path-aliases = yes\n"
                          "}\n" LISTEN);
    const struct conf_site *s = &c->site;

    (void)state;
    assert_string_equal(s->organization, "a \"b\" \\ $HOME $HOME");
    assert_string_equal(s->complaints, "x\\y \"z\" '");
    assert_int_equal(s->workers, 7);
    assert_int_equal(s->segment_bytes, 128 << 10);
    assert_int_equal(s->cache_bytes, INT64_C(2) << 30);
    assert_int_equal(s->queue_bytes, 3000000);
    assert_int_equal(s->article_max, 1 << 20);
    assert_int_equal(s->age_max_us, 0);
    assert_int_equal(s->future_max_us, 90000000);
    assert_int_equal(s->idle_us, 300000000);
    assert_int_equal(s->peer_idle_us, INT64_C(7200000000));
    assert_int_equal(s->history_remember_us, INT64_C(21) * 86400 * 1000000);
    assert_int_equal(s->fsync, CONF_FSYNC_INTERVAL);
    assert_int_equal(s->fsync_interval_us, 30000000);
    assert_int_equal(s->unknown_groups, CONF_UNKNOWN_JUNK);
    assert_int_equal(s->strangers, CONF_STRANGER_READ);
    assert_false(s->path_diagnostics);
    assert_true(s->posting_host);
    assert_int_equal(s->aliases.n, 3);
    assert_string_equal(s->aliases.v[1], "b.c");
    assert_string_equal(s->log_level, "debug");
    assert_int_equal(s->control_groups, CONF_FILE_OWN);
    assert_int_equal(s->crosspost_max, 9);
    assert_int_equal(s->post_followup_max, 2);
    assert_string_equal(s->exclude.v[0], "spam.example");
    assert_string_equal(s->accept_distributions.v[1], "!local");
    assert_true(s->path_aliases);
    conf_free(&c);
}

static void comments_and_blanks_stand_anywhere(void **state)
{
    struct conf *c = good("# first\n/* site \"x\" { } */ site \"n\" { # end }\n"
                          "\torganization /* = */ = // no\r\n \"a # b /* c */ // d\"\r\n"
                          "  log-file = /var//log/*x#y }\n" LISTEN "// last");

    (void)state;
    assert_string_equal(c->site.organization, "a # b /* c */ // d");
    assert_string_equal(c->site.log_file, "/var//log/*x#y");
    conf_free(&c);
}

static void a_wildmat_needs_no_quotes(void **state)
{
    struct conf *c = good(SITE LISTEN "access \"a\" { user = * read = { comp.*, !*.test } }\n");

    (void)state;
    assert_int_equal(c->access[0].user.n, 1);
    assert_string_equal(c->access[0].user.v[0], "*");
    assert_int_equal(c->access[0].read.n, 2);
    assert_string_equal(c->access[0].read.v[0], "comp.*");
    assert_string_equal(c->access[0].read.v[1], "!*.test");
    conf_free(&c);
}

static void a_list_of_one_needs_no_braces(void **state)
{
    struct conf *c = good(SITE LISTEN "access a { from = 10.0.0.0/8 read = \"*\" }\n");

    (void)state;
    assert_string_equal(c->access[0].name, "a");
    assert_int_equal(c->access[0].from.n, 1);
    assert_string_equal(c->access[0].from.v[0], "10.0.0.0/8");
    assert_int_equal(c->access[0].post.n, 0);
    conf_free(&c);
}

static void a_peer_is_known_by_its_name_unless_told(void **state)
{
    struct conf *c = good(SITE LISTEN "peer \"news.a\" { }\n"
                          "peer \"b\" { address = { 2001:db8::1, 192.0.2.0/24 } path = { x, y } send = true }\n"
                          "peer \"c\" { address = 192.0.2.0/24 }\n"
                          "peer \"d\" { connect = [2001:db8::2]:433 size-max = 1M retry = 10m }\n");
    const struct conf_peer *p = c->peer;

    (void)state;
    assert_int_equal(c->n_peer, 4);
    assert_string_equal(p[0].address.v[0], "news.a");
    assert_string_equal(p[0].path.v[0], "news.a");
    assert_string_equal(p[0].connect, "news.a:119");
    assert_false(p[0].send);
    assert_true(p[0].accept);
    assert_int_equal(p[0].groups.n, 1);
    assert_string_equal(p[0].groups.v[0], "*");
    assert_string_equal(p[1].connect, "[2001:db8::1]:119");
    assert_int_equal(p[1].path.n, 2);
    assert_string_equal(p[1].path.v[1], "y");
    assert_null(p[2].connect);
    assert_string_equal(p[3].connect, "[2001:db8::2]:433");
    assert_int_equal(p[3].size_max, 1 << 20);
    assert_int_equal(p[3].retry_us, 600000000);
    conf_free(&c);
}

static void blocks_keep_their_order(void **state)
{
    struct conf *c = good("access b { }\nlisten \"[::1]:0\" {}\naccess a { }\n" SITE "access c { }\nlisten \"127.0.0.1:0\" {}\n");

    (void)state;
    assert_int_equal(c->n_access, 3);
    assert_string_equal(c->access[0].name, "b");
    assert_string_equal(c->access[1].name, "a");
    assert_string_equal(c->access[2].name, "c");
    assert_string_equal(c->listen[1].address, "127.0.0.1:0");
    conf_free(&c);
}

static void a_relative_path_is_relative_to_the_file(void **state)
{
    static const struct { const char *file, *directory, *want, *want_run; } rows[] = {
        { "/a/b/n.conf", "c/d", "/a/b/c/d", "/a/b/c/d/run" },
        { "/a/b/n.conf", "/c", "/c", "/c/run" },
        { "/a/b/n.conf", ".", "/a/b", "/a/b/run" },
        { "/n.conf", "c", "/c", "/c/run" },
    };
    char *cwd = getcwd(NULL, 0);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf errors = { 0 };
        char *text = xasprintf("site n { directory = \"%s\" }\n" LISTEN, rows[i].directory);
        struct conf *c = conf_read_text(rows[i].file, text, &errors);

        assert_non_null(c);
        assert_string_equal(c->site.directory, rows[i].want);
        assert_string_equal(c->site.run_directory, rows[i].want_run);
        conf_free(&c);
        free(text);
    }
    {
        struct buf errors = { 0 };
        struct conf *c = conf_read_text("x/n.conf", "site n { directory = d run-directory = r }\n" LISTEN, &errors);
        char *want = xasprintf("%s/x/d", cwd), *want_run = xasprintf("%s/x/r", cwd);

        assert_non_null(c);
        assert_string_equal(c->site.directory, want);
        assert_string_equal(c->site.run_directory, want_run);
        conf_free(&c);
        free(want);
        free(want_run);
    }
    free(cwd);
}

/* ---- bad files ----------------------------------------------------------------- */

static const struct { const char *text, *want; } rows[] = {
    /* what must be there */
    { "", "1: a site block is missing: site \"news.example.org\" { }\n"
          "1: a listen block is missing: listen \"*:119\" { }\n" },
    { SITE, "1: a listen block is missing: listen \"*:119\" { }\n" },
    { SITE SITE LISTEN, "2: there is more than one site block\n" },
    /* what is not known */
    { SITE LISTEN "peers \"a\" { }\nx\n", "3: no such block: peers (did you mean peer?)\n"
      "4: \"x\": here a block should begin: NAME \"TITLE\" {\n" },
    { SITE LISTEN "retention \"a\" { keep = forever }\npeer \"a\" { window = 0 }\n",
      "3: no such block: retention\n4: window: 0 is out of bounds (1 to 4096)\n" },
    { "site n {\n article_max = 1M\n artcle-max = 1M\n foo = { bar }\n window = 3\n workers = x\n}\n" LISTEN,
      "2: site: no such setting: article_max (did you mean article-max?)\n"
      "3: site: no such setting: artcle-max (did you mean article-max?)\n"
      "4: site: no such setting: foo\n"
      "5: site: no such setting: window (it belongs in a peer block)\n"
      "6: workers: \"x\" is not a number\n" },
    { SITE LISTEN "organization = \"x\"\nfoo = {}\n",
      "3: organization: settings stand in blocks: site \"...\" { organization = ... }\n"
      "4: foo: settings stand in blocks: site \"...\" { foo = ... }\n" },
    /* values */
    { "site n {\n workers = 257\n workers = 1\n}\n" LISTEN,
      "2: workers: 257 is out of bounds (0 to 256)\n3: workers is there twice (first in line 2)\n" },
    { "site n { workers = -1\n lane-threads = 99999999999999999999\n connections-max = 0 }\n" LISTEN,
      "1: workers: \"-1\" is not a number\n2: lane-threads: \"99999999999999999999\" is not a number\n"
      "3: connections-max: 0 is out of bounds (1 to 10000000)\n" },
    { "site n {\n segment = 64\n cache = 1X\n queue = \"1 M\"\n article-max = 9999999999999999999\n post-max = M\n}\n" LISTEN,
      "2: segment: 64 is out of bounds (65536 to 1099511627776 octets)\n"
      "3: cache: \"1X\" is not a size (as 64K, 1M, 2G)\n4: queue: \"1 M\" is not a size (as 64K, 1M, 2G)\n"
      "5: article-max: \"9999999999999999999\" is not a size (as 64K, 1M, 2G)\n"
      "6: post-max: \"M\" is not a size (as 64K, 1M, 2G)\n" },
    { "site n {\n idle = 0\n peer-idle = forever\n claim = 2h\n age-max = 10 days\n}\n" LISTEN,
      "2: idle: 0 is out of bounds (1 to 31536000 seconds)\n3: peer-idle: forever is out of bounds (1 to 31536000 seconds)\n"
      "4: claim: 2h is out of bounds (1 to 3600 seconds)\n5: \"days\" behind the value of age-max: a value is one word, or a text in quotes, or a list { a, b }\n"
      "5: age-max: \"10\" is not a time (as 30s, 5m, 2h, 10d, forever)\n" },
    { "site n {\n future-max = soon\n fsync = sometimes\n posting-host = maybe\n organization = \"\"\n age-max = 10\n}\n" LISTEN,
      "2: future-max: \"soon\" is not a time (as 30s, 5m, 2h, 10d, forever)\n"
      "3: fsync: \"sometimes\" is none of always, interval, never\n"
      "4: posting-host: \"maybe\" is neither true nor false\n5: organization: is empty\n"
      "6: age-max: \"10\" is not a time (as 30s, 5m, 2h, 10d, forever)\n" },
    { "site n {\n organization = \"a\tb\"\n aliases = { a,\n \"\",\n b }\n}\n" LISTEN,
      "2: organization: control characters in the value\n4: aliases: is empty\n" },
    { "site n { aliases = {} }\n" LISTEN "peer a {\n groups = {}\n window = { 1 }\n}\n",
      "4: groups: the list is empty; without it, the default is \"*\"\n5: window takes one value, not a list\n" },
    /* logins */
    { "site n { login-program = { checker, x } }\n" LISTEN "peer p {\n login = \"a b\"\n certificate = \"*\"\n}\n"
      "access a {\n user = { x, \"y z\" }\n certificate = { *,\n 12:34 }\n}\n",
      "1: login-program: \"checker\": its whole path is wanted\n4: login: \"a b\" is no name that a user can have\n"
      "5: certificate: \"*\" is neither a SHA-256 fingerprint (64 hex digits, colons between them at most) nor a host name\n"
      "8: user: \"y z\" holds a blank; a list is { \"a\", \"b\" }\n"
      "9: certificate: \"12:34\" is no SHA-256 fingerprint (64 hex digits, colons between them at most)\n" },
    { SITE LISTEN "peer p {\n certificate = { \"news.p.example\", \"p\", \"" PRINT "\" }\n}\n",
      "4: certificate: \"news.p.example\": who vouches for that name?  The site's tls-ca is wanted\n"
      "4: certificate: \"p\" is neither a SHA-256 fingerprint (64 hex digits, colons between them at most) nor a host name\n" },
    /* metrics */
    { "site n {\n metrics-listen = localhost:9119\n}\n" LISTEN,
      "2: metrics-listen: \"localhost\" is not a literal address, as 192.0.2.1, [2001:db8::1], or * for all\n" },
    /* private groups */
    { "site n {\n private-groups = { \"p.*,!p.open.*\", \"q.x\" }\n strangers = read\n}\n" LISTEN
      "peer a {\n send = true\n groups = { \"*\", \"!p.*\", \"@q.x\", \"p.open.*\", \"p*\", \"q.x.y\" }\n}\n"
      "peer b {\n send = true\n tls = yes\n groups = { \"*,p.a.*\",\n \"q.x\" }\n}\n"
      "peer c {\n send = true\n tls = yes\n fingerprint = \"" PRINT "\"\n groups = { \"p.*\" }\n}\n"
      "peer d {\n groups = \"p.*\"\n}\n",
      "3: strangers: with private-groups, who may read is said by access blocks\n"
      "13: groups: \"p.a.*\" is private (private-groups): tls and fingerprint are wanted\n"
      "13: groups: \"q.x\" is private (private-groups): tls and fingerprint are wanted\n" },
    /* pulling */
    { SITE LISTEN "peer a {\n pull-every = 1m\n pull-post = true\n}\npeer \"b\" {\n address = { \"10.0.0.0/8\" }\n"
      " pull = { \"@x\", \"y z\" }\n pull-post = true\n send = true\n connect = \"b:119\"\n}\n"
      "peer \"c\" {\n address = { \"10.0.0.0/8\" }\n pull = { \"x.*\" }\n}\n",
      "5: pull-post means nothing without pull\n"
      "9: pull: \"@x\": @ has a meaning for peers' groups alone\n"
      "9: pull: \"y z\" holds a blank; a list is { \"a\", \"b\" }\n"
      "10: pull-post: with send the peer gets everything already, as from a server\n"
      "16: where to pull from? The first address is a network; say connect = \"host:119\"\n" },
    /* grammar */
    { SITE LISTEN "peer \"a\" {\n window\n send = true\n", "3: the peer block that begins here is not closed\n"
      "4: \"window\": KEY = VALUE should stand here\n" },
    { "site n {\n workers = 999\n" LISTEN "peer \"a\" {\n}\n", "1: the site block that begins here is not closed\n"
      "3: listen: a block within the site block of line 1; is a } missing before it?\n"
      "4: peer: a block within the site block of line 1; is a } missing before it?\n" },
    { SITE LISTEN "peer a {\n groups = { x,\n y\n}\n", "3: the peer block that begins here is not closed\n" },
    { SITE LISTEN "peer a {\n groups = { x,\n y\n", "3: the peer block that begins here is not closed\n"
      "4: groups: the list is not closed\n" },
    { SITE LISTEN "peer a {\n groups = { \"x\" \"y\" }\n}\npeer b {\n groups = { , }\n}\n",
      "4: unexpected token 'y' (is a comma missing before it?)\n7: unexpected token ',' (a value is missing before it)\n" },
    { "site n {\n motd-file =\n workers = 1\n claim = }\n" LISTEN "}\n",
      "2: motd-file: a value is missing\n4: claim: a value is missing\n6: }: here a block should begin: NAME \"TITLE\" {\n" },
    { "site { }\n" LISTEN "peer \"a\" \"b\" { }\n",
      "1: site: a name is missing: site \"...\" {\n3: \"peer\": here a block should begin: NAME \"TITLE\" {\n" },
    { SITE LISTEN "= { } \n", "3: =: here a block should begin: NAME \"TITLE\" {\n" },
    { "site n {\n organization = \"a\n workers = 1\n}\n" LISTEN, "2: the string is not closed on its line\n" },
    { "site n { organization = \"a\\x\" }\n" LISTEN,
      "1: a backslash in \"...\" stands before \", \\ or $ alone; use '...'\n" },
    { SITE LISTEN "\n/* peer\n\n", "4: the comment that begins here is not closed\n" },
    { SITE LISTEN "\001\033[2J { }\n", "3: no such block: ??[2J\n" },
    /* what people type who know other files */
    { SITE LISTEN "peer a {\n groups = *, !local.*\n path = \"a\", \"b\"\n}\n", "4: groups: a list stands in braces: { a, b }\n"
      "5: path: a list stands in braces: { a, b }\n" },
    { SITE LISTEN "peer a {\n groups = \"*\" \"!local.*\"\n size-max = 1 MB\n}\n",
      "4: \"!local.*\" behind the value of groups: a value is one word, or a text in quotes, or a list { a, b }\n"
      "5: \"MB\" behind the value of size-max: a value is one word, or a text in quotes, or a list { a, b }\n" },
    { SITE LISTEN "peer a {\n send: true\n size-max = 1MB\n}\n", "4: \"send:\": KEY = VALUE should stand here, with = and not :\n"
      "5: size-max: \"1MB\" is not a size (as 64K, 1M, 2G)\n" },
    { SITE LISTEN "peer a {\n send = true;\n Accept = false\n}\nPeer b { }\n",
      "4: send: \"true;\" is neither true nor false (no ; ends a setting)\n"
      "5: peer: no such setting: Accept (did you mean accept?)\n7: no such block: Peer (did you mean peer?)\n" },
    { SITE LISTEN "peer a { address = \"192.0.2.1:119\" }\naccess b { from = 192.0.2.0/255.255.255.0 }\n",
      "3: address: \"192.0.2.1:119\" is no address, network or host name (a port stands in connect)\n"
      "4: from: \"192.0.2.0/255.255.255.0\" is no address, network (192.0.2.0/24), or *\n" },
    { "pathhost: news.example\n", "1: \"pathhost:\": here a block should begin: NAME \"TITLE\" {\n" },
    /* across settings */
    { "site \"news!x\" { aliases = { good, \"b d\" } }\n" LISTEN,
      "1: site \"news!x\": not a name that can stand in a Path\n1: aliases: \"b d\" cannot stand in a Path\n" },
    { "site \"a..b\" {}\n" LISTEN, "1: site \"a..b\": not a name that our Message-IDs can end in\n" },
    { "site \"a.b.\" {}\n" LISTEN, "1: site \"a.b.\": not a name that our Message-IDs can end in\n" },
    { "site \"2001:db8::1\" {}\n" LISTEN, "1: site \"2001:db8::1\": not a name that our Message-IDs can end in\n" },
    { "site n {\n article-max = 64K\n post-max = 65K\n}\n" LISTEN, "3: post-max is above article-max\n" },
    { "site n {\n article-max = 64K\n post-max = 1K\n}\n" LISTEN "peer p.example {\n article-max = 64K\n}\n"
      "peer q.example {\n\n article-max = 65K\n}\n", "11: article-max is above the site's\n" },
    { "site n {\n article-max = 64M\n\n}\n" LISTEN, "2: queue must hold two of the largest articles (article-max)\n" },
    { "site n {\n tls-key = k\n tls-ca = a\n tls-ciphers = b\n}\n" LISTEN,
      "2: tls-key means nothing without tls-certificate\n3: tls-ca means nothing without tls-certificate\n"
      "4: tls-ciphers means nothing without tls-certificate\n" },
    { "site n {\n tls-minimum = 1.1\n compress = yes\n}\n" LISTEN,
      "2: tls-minimum: \"1.1\" is none of 1.2, 1.3\n3: compress: \"yes\" is none of always, clear, never\n" },
    { "site n {\n article-max = 1x\n post-max = 2M\n}\n" LISTEN, "2: article-max: \"1x\" is not a size (as 64K, 1M, 2G)\n" },
    { SITE LISTEN "listen \"*:119\" { }\nlisten \"119\" { }\nlisten \"news.a:119\" { }\nlisten \"::1:119\" { }\n"
      "listen \"*:99999\" { }\nlisten \"*:563\" {\n tls = true\n}\n",
      "3: listen \"*:119\" is there twice (first in line 2)\n4: listen: \"119\" is not ADDRESS:PORT\n"
      "5: listen: \"news.a\" is not a literal address, as 192.0.2.1, [2001:db8::1], or * for all\n"
      "6: listen: \"::1:119\": an IPv6 address stands in [brackets] before its port\n"
      "7: listen: \"*:99999\" is not ADDRESS:PORT\n9: listen \"*:563\": tls wants a certificate: the site's tls-certificate\n" },
    { "site n {\n moderators = { \"comp.*:%s@m.example\", \"x\", \"x:\", \":a\", \"x:-f@a\", \"x:a b@c\", \"x:%s%s@c\", \"x:a%d\",\n"
      "\"x:a@b@c\", \"x:a%%b\", \"*: local\" }\n}\n" LISTEN,
#define WANTED "\": \"pattern:address\" is wanted, with %s at most once\n"
      "2: moderators: \"x" WANTED "2: moderators: \"x:" WANTED "2: moderators: \":a" WANTED "2: moderators: \"x:-f@a" WANTED
      "2: moderators: \"x:a b@c" WANTED "2: moderators: \"x:%s%s@c" WANTED "2: moderators: \"x:a%d" WANTED
      "2: moderators: \"x:a@b@c" WANTED },
    { SITE LISTEN "peer \"a\" { }\npeer \"b\" { }\npeer \"A\" { }\naccess \"a\" { }\naccess \"a\" { }\n",
      "5: peer \"A\" is there twice (first in line 3)\n7: access \"a\" is there twice (first in line 6)\n" },
    { SITE LISTEN "peer \"a b\" { }\npeer \"10.0.0.0/8\" { }\npeer \"192.0.2.300\" { }\n",
      "3: peer \"a b\": a name of letters, digits, dots and hyphens is wanted\n"
      "4: peer \"10.0.0.0/8\": a name of letters, digits, dots and hyphens is wanted\n"
      "5: peer \"192.0.2.300\": a name of letters, digits, dots and hyphens is wanted\n" },
    { SITE LISTEN "peer a {\n address = { 192.0.2.1, 192.0.2.0/33,\n 2001:db8::/129, \"x y\", ok.example, 1.2.3.256 }\n}\n",
      "4: address: \"192.0.2.0/33\" is no address, network or host name\n"
      "4: address: \"2001:db8::/129\" is no address, network or host name\n"
      "4: address: \"x y\" is no address, network or host name\n"
      "4: address: \"1.2.3.256\" is no address, network or host name\n" },
    { SITE LISTEN "peer a {\n address = 192.0.2.0/24\n send = true\n}\npeer b { connect = b }\npeer c { connect = \"2001:db8::1:119\" }\n"
      "peer d { connect = d:0 source = d }\npeer e { connect = [192.0.2.1]:119 }\n",
      "5: where to send to? The first address is a network; say connect = \"host:119\"\n"
      "7: connect: \"b\" is not host:port\n8: connect: \"2001:db8::1:119\" is not host:port\n"
      "9: connect: \"d:0\" is not host:port\n9: source: \"d\" is not a literal address\n"
      "10: connect: \"[192.0.2.1]:119\" is not host:port\n" },
    { SITE LISTEN "peer a {\n address = 192.0.2.0/24\n connect = \"b\001c:119\"\n}\n", "5: connect: control characters in the value\n" },
    { "site \"news.example\" { aliases = { old.example } }\n" LISTEN "peer \"Old.example\" { }\npeer a {\n path = { a, OLD.example }\n}\n",
      "3: peer \"Old.example\": path: \"Old.example\" is a name of ours (aliases)\n"
      "5: peer \"a\": path: \"OLD.example\" is a name of ours (aliases)\n" },
    { SITE LISTEN "peer a {\n path = { a!b, News.Example }\n exclude = { .POSTED }\n distributions = { world, !local, \"\", !, \"a b\" }\n}\n",
      "4: path: \"a!b\" cannot stand in a Path\n4: peer \"a\": path: that is our own name\n"
      "5: exclude: \".POSTED\" cannot stand in a Path\n6: distributions: is empty\n"
      "6: distributions: \"!\" is no distribution\n6: distributions: \"a b\" is no distribution\n" },
    { SITE LISTEN "peer a {\n hash = 3/2\n origins = { \"@x\", \"a b\" }\n control = none\n}\n",
      "4: hash: \"3/2\": a share is wanted, as 1/3 or 2-3/3 (1/3_4: by other octets)\n"
      "5: origins: \"@x\": @ has a meaning for peers' groups alone\n"
      "5: origins: \"a b\" holds a blank; a list is { \"a\", \"b\" }\n6: control: \"none\" is none of any, no, only\n" },
    { SITE LISTEN "peer a {\n size-max = 1K\n size-min = 1025\n origin-missing = yes\n}\n",
      "5: size-min is above size-max\n6: origin-missing: without origins there is nothing that it could let through\n" },
    { SITE LISTEN "peer a { path = { \"*\", b } }\npeer b { path = \"*\" }\n", "3: path: \"*\" cannot stand in a Path\n" },
    { "site n {\n exclude = { \"a!b\" }\n accept-distributions = { \"a*\", \"!?\", \"a,b\" }\n crosspost-max = 1001\n}\n" LISTEN,
      "2: exclude: \"a!b\" cannot stand in a Path\n3: accept-distributions: \"a,b\" is no distribution\n"
      "4: crosspost-max: 1001 is out of bounds (0 to 1000)\n" },
    { SITE LISTEN "peer a {\n groups = { \"!\", \"a,,b\", \"c d\", @e.* }\n accept-groups = { \"@\" }\n}\n",
      "4: groups: a wildmat is empty\n4: groups: \"c d\" holds a blank; a list is { \"a\", \"b\" }\n"
      "5: accept-groups: a wildmat is empty\n" },
    { SITE LISTEN "access a {\n from = { \"*\", 10.0.0.0/8, example.com }\n read = { @a.* }\n post = \"!\"\n}\naccess \" \" { }\n",
      "4: from: \"example.com\" is no address, network (192.0.2.0/24), or *\n5: read: \"@a.*\": @ has a meaning for peers' groups alone\n"
      "6: post: a wildmat is empty\n8: access: the name is empty\n" },
};

static void each_error_is_told_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bad(rows[i].text, rows[i].want);
}

static void all_errors_are_told_at_once(void **state)
{
    (void)state;
    bad("site \"news.example\" {\n"
        "    workers = many\n"
        "    artcle-max = 1M\n"
        "    fsync always\n"
        "    idle = 0\n"
        "}\n"
        "lissten \"*:119\" { }\n"
        "listen \"*:119\" { tls = true }\n"
        "peer \"a\" {\n"
        "    groups = { \"a\" \"b\" }\n"
        "}\n"
        "peer \"A\" {\n"
        "    window = 0\n"
        "    connect = \"nowhere\"\n"
        "}\n"
        "access \"x\" { from = \"all\" }\n"
        "peer \"c\" {\n"
        "    window = 5000\n",
        "2: workers: \"many\" is not a number\n"
        "3: site: no such setting: artcle-max (did you mean article-max?)\n"
        "4: \"fsync\": KEY = VALUE should stand here\n"
        "5: idle: 0 is out of bounds (1 to 31536000 seconds)\n"
        "7: no such block: lissten (did you mean listen?)\n"
        "8: listen \"*:119\": tls wants a certificate: the site's tls-certificate\n"
        "10: unexpected token 'b' (is a comma missing before it?)\n"
        "12: peer \"A\" is there twice (first in line 9)\n"
        "13: window: 0 is out of bounds (1 to 4096)\n"
        "14: connect: \"nowhere\" is not host:port\n"
        "16: from: \"all\" is no address, network (192.0.2.0/24), or *\n"
        "17: the peer block that begins here is not closed\n");
}

static void a_bad_text_spoils_none_that_comes_after(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf errors = { 0 };
        struct conf *c = conf_read_text("t", rows[i].text, &errors);

        assert_null(c);
        buf_fini(&errors);
        c = good(SITE LISTEN "peer a { groups = { b } }\n");
        assert_int_equal(c->peer[0].groups.n, 1);
        conf_free(&c);
    }
}

static void errors_without_end_are_cut(void **state)
{
    struct buf text = { 0 }, errors = { 0 };
    size_t lines = 0;

    (void)state;
    for (int i = 0; i < 5000; i++)
        buf_puts(&text, "foo { }\n");
    buf_add(&text, "", 1);
    assert_null(conf_read_text("t", buf_data(&text), &errors));
    for (size_t i = 0; i < buf_len(&errors); i++)
        lines += buf_data(&errors)[i] == '\n';
    assert_in_range(lines, 1000, 1001);
    buf_fini(&text);
    buf_fini(&errors);
}

/* ---- files ----------------------------------------------------------------------- */

static void write_file(const char *path, const char *text, size_t n)
{
    if (disk_replace(path, text, n, 0600) != 0)
        fail_msg("%s", path);
}

static void a_file_is_read_as_its_text(void **state)
{
    const char *path = kit_path("n.conf");
    struct buf errors = { 0 };
    struct conf *c;

    (void)state;
    write_file(path, SITE LISTEN, sizeof SITE LISTEN - 1);
    c = conf_read(path, &errors);
    assert_non_null(c);
    assert_string_equal(c->file, path);
    assert_string_equal(c->site.directory, kit_dir());
    conf_free(&c);
    write_file(path, "\xef\xbb\xbf" SITE LISTEN, sizeof "\xef\xbb\xbf" SITE LISTEN - 1);
    c = conf_read(path, &errors);                  /* a byte order mark */
    assert_non_null(c);
    conf_free(&c);
    write_file(path, SITE "\nx", sizeof SITE "\nx" - 1);
    assert_null(conf_read(path, &errors));
    assert_non_null(strstr((buf_add(&errors, "", 1), buf_data(&errors)), "n.conf:3: \"x\": here a block should begin"));
    buf_fini(&errors);
}

static void what_is_no_text_file_is_told_so(void **state)
{
    char *path = xstrdup(kit_path("binary.conf")), *want;
    struct buf errors = { 0 };

    (void)state;
    write_file(path, "site\0x", 6);
    assert_null(conf_read(path, &errors));
    want = xasprintf("%s: not a text file\n", path);
    assert_true(span_eq(buf_span(&errors), span_of(want)));
    buf_clear(&errors);
    free(want);
    assert_null(conf_read("/nowhere/n.conf", &errors));
    assert_true(span_eq(buf_span(&errors), SPAN("/nowhere/n.conf: No such file or directory\n")));
    buf_fini(&errors);
    free(path);
}

static void the_sample_is_good(void **state)
{
    const char *root = getenv("FRESHET_ROOT");
    char *path = xasprintf("%s/conf/nntpd.conf", root != NULL ? root : ".");
    struct buf errors = { 0 };
    struct conf *c = conf_read(path, &errors);

    (void)state;
    if (c == NULL)
        fail_msg("%.*s", SPAN_F(buf_span(&errors)));
    assert_true(c->n_peer >= 1 && c->n_access >= 1);
    conf_free(&c);
    free(path);
}

static void ids_are_remembered_a_day_longer_than_articles_are_taken(void **state)
{
    static const struct { const char *settings; int64_t days; } times[] = {
        { "", 11 },
        { "history-remember = 30d", 30 },
        { "history-remember = 1d", 11 },                          /* age-max is 10d */
        { "age-max = 3d history-remember = 1d", 4 },
        { "age-max = 3d history-remember = 1d future-max = 60s", 4 },
        { "age-max = 3d history-remember = 1d future-max = 5d", 8 },
        { "age-max = 0 history-remember = 20d", 0 },
        { "history-remember = 0", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char *text = xasprintf("site n { %s }\n" LISTEN, times[i].settings);
        struct buf errors = { 0 };
        struct conf *c = conf_read_text("t", text, &errors);

        assert_non_null(c);
        assert_int_equal(conf_remember_us(&c->site), times[i].days * 86400 * INT64_C(1000000));
        conf_free(&c);
        buf_fini(&errors);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_remembered_a_day_longer_than_articles_are_taken),
        cmocka_unit_test(the_smallest_file_has_the_defaults), cmocka_unit_test(every_type_of_value_is_taken),
        cmocka_unit_test(comments_and_blanks_stand_anywhere), cmocka_unit_test(a_wildmat_needs_no_quotes),
        cmocka_unit_test(a_list_of_one_needs_no_braces), cmocka_unit_test(a_peer_is_known_by_its_name_unless_told),
        cmocka_unit_test(blocks_keep_their_order), cmocka_unit_test(a_relative_path_is_relative_to_the_file),
        cmocka_unit_test(each_error_is_told_with_its_line), cmocka_unit_test(all_errors_are_told_at_once),
        cmocka_unit_test(a_bad_text_spoils_none_that_comes_after), cmocka_unit_test(errors_without_end_are_cut),
        cmocka_unit_test(a_file_is_read_as_its_text), cmocka_unit_test(what_is_no_text_file_is_told_so),
        cmocka_unit_test(the_sample_is_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
