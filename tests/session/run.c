/* run.c - play one session script.   run SCRIPT.nt
 *
 * Lines of a script (a "#" begins a comment line; blank lines are passed over):
 *
 *   conf ... end                the whole nntpd.conf; first of all; without it: site news.test,
 *                               peers A (192.0.2.1) and B (192.0.2.2), all may read and post
 *   file NAME ... end           a file beside nntpd.conf (may come before conf); file-gone NAME removes it;
 *                               copy NAME: tests/data/NAME (site.pem: a certificate and its key)
 *   group NAME FLAG [@N] [TEXT] make a group (FLAG as in LIST ACTIVE), or change it; its numbers begin above N
 *   ungroup NAME                remove it          cancel <id>      cancel an article
 *   peer A [ADDRESS]            connect, and pass over a greeting 200 or 201
 *   reader R [ADDRESS]          the same           connect X ADDRESS   the greeting is expected by the script
 *   A> TEXT                     send a line        A>| TEXT         the same without its end
 *   A> { ... }                  send the lines between, and the final dot
 *   A< TEXT                     the next line is TEXT; TEXT* begins so; ~REGEX; ... passes over a block
 *   feed A <id> GROUPS [TEXT]   TAKETHIS with a small article (TEXT is its subject), and its 239
 *   tls A                       A's handshake, behind 382; deflate A: behind 206; what A says and hears goes through it
 *   eof A                       A closes its sending side
 *   close A                     A goes away        expect-close A   we close, and say nothing more
 *   clock +15d                  let s, m, h, d pass; the clock stands still otherwise
 *   disk fail ERRNO [open|write|sync|read]   calls on the log fail;      disk ok   they work again
 *   disk cold                   nothing of the log is in memory, and reading it takes until disk ok
 *   disk hold                   syncs of the log take until disk ok;   disk held   wait until there is one
 *   settle                      wait until what is under way inside is over (refusals are remembered
 *                               after they are told)
 *   play KIND FILE ADDRESS      the rows of tests/data/FILE on a session from ADDRESS: see table.h
 *   count NAME N                a counter of counters.def or verdict.def
 *   reload ... end              another nntpd.conf, live
 *   restart                     end all clients, close the store and open it again
 *
 * A script fails at the first line that is not met, and at its end when
 * something was said that it did not expect.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/disk.h"
#include "lib/mem.h"
#include "tests/kit.h"
#include "tests/session/client.h"
#include "tests/session/site.h"
#include "tests/session/table.h"

#define SCRIPT_MOST (1 << 20)
#define ARTICLE_MOST (16 << 20)

struct script {
    struct span rest;
    struct span conf;
};

static bool next(struct script *s, struct span *line)
{
    if (s->rest.p == NULL || s->rest.n == 0 || !span_next(&s->rest, '\n', line))
        return false;
    site_line++;
    return true;
}

/* The lines up to one that is 'end', as they stand. */
static struct span block(struct script *s, struct span end)
{
    const char *from = s->rest.p;
    struct span line;
    int began = site_line;

    while (next(s, &line))
        if (span_eq(line, end))
            return (struct span){ from, (size_t)(line.p - from) };
    site_line = began;
    site_fault("no \"%.*s\" ends it", SPAN_F(end));
}

/* --- what a client does ------------------------------------------------ */

/* An article's lines end in CRLF, whatever they end in here. */
static void add_lines(struct buf *out, struct span text)
{
    struct span line;

    while (text.n > 0 && span_next(&text, '\n', &line)) {
        expand(out, line);
        buf_puts(out, "\r\n");
    }
    buf_puts(out, ".\r\n");
}

/* tests/data/NAME, for the caller to free. */
static char *data_file(struct span name, size_t *n)
{
    const char *root = getenv("FRESHET_ROOT");
    char *path = xasprintf("%s/tests/data/%.*s", root != NULL ? root : ".", SPAN_F(name)), *text;

    if ((text = disk_slurp(path, ARTICLE_MOST, n)) == NULL)
        site_fault("%s: %s", path, strerror(errno));
    free(path);
    return text;
}

static void send_line(struct script *s, struct client *c, struct span text)
{
    struct buf out = { 0 };

    if (span_eq(text, SPAN("{"))) {
        add_lines(&out, block(s, SPAN("}")));
    } else {
        expand(&out, text);
        buf_puts(&out, "\r\n");
    }
    client_send(c, buf_span(&out));
    buf_fini(&out);
}

static void send_piece(struct client *c, struct span text)
{
    struct buf out = { 0 };

    expand(&out, text);
    client_send(c, buf_span(&out));
    buf_fini(&out);
}

/* "A> text", "A>| text", "A< text".  false: it is none of them. */
static bool dialogue(struct script *s, struct span line)
{
    struct span rest = line, who = span_word(&rest), mark, name;
    struct client *c;
    size_t at = 0;

    while (at < who.n && who.p[at] != '<' && who.p[at] != '>')
        at++;
    if (at == 0 || at == who.n)
        return false;
    mark = span_from(who, at);
    name = (struct span){ who.p, at };
    rest = span_from(line, (size_t)(who.p + who.n - line.p));
    if (rest.n > 0)
        rest = span_from(rest, 1);
    if ((c = client_find(name)) == NULL)
        site_fault("there is no %.*s", SPAN_F(name));
    if (span_eq(mark, SPAN(">")))
        send_line(s, c, rest);
    else if (span_eq(mark, SPAN(">|")))
        send_piece(c, rest);
    else if (span_eq(mark, SPAN("<")))
        client_expect(c, rest);
    else
        return false;
    return true;
}

/* --- the other lines --------------------------------------------------- */

static struct client *client_named(struct span rest)
{
    struct span name = span_trim(rest);
    struct client *c = client_find(name);

    if (c == NULL)
        site_fault("there is no %.*s", SPAN_F(name));
    return c;
}

static void do_connect(struct span rest, bool greeted)
{
    struct span name = span_word(&rest), address = span_word(&rest);
    const char *usual = span_eq(name, SPAN("A")) ? "192.0.2.1" : span_eq(name, SPAN("B")) ? "192.0.2.2" : "192.0.2.9";
    char *text = address.n > 0 ? xstrndup(address.p, address.n) : xstrdup(usual);

    if (name.n == 0 || client_find(name) != NULL)
        site_fault("\"%.*s\" is no new name", SPAN_F(name));
    client_connect(name, text);
    if (greeted)
        client_expect(client_find(name), SPAN("~^20[01] "));
    free(text);
}

static void do_meet(struct script *s, struct span rest)    { (void)s; do_connect(rest, true); }
static void do_bare(struct script *s, struct span rest)    { (void)s; do_connect(rest, false); }
static void do_eof(struct script *s, struct span rest)     { (void)s; client_eof(client_named(rest)); }
static void do_tls(struct script *s, struct span rest)     { (void)s; client_begin_tls(client_named(rest)); }
static void do_deflate(struct script *s, struct span rest) { (void)s; client_begin_deflate(client_named(rest)); }
static void do_close(struct script *s, struct span rest)   { (void)s; client_close(client_named(rest)); }
static void do_closed(struct script *s, struct span rest)  { (void)s; client_expect_close(client_named(rest)); }
static void do_ungroup(struct script *s, struct span rest) { (void)s; site_ungroup(span_trim(rest)); }
static void do_cancel(struct script *s, struct span rest)  { (void)s; site_cancel(span_trim(rest)); }
static void do_reload(struct script *s, struct span rest)  { (void)rest; site_reload(block(s, SPAN("end"))); }
static void do_settle(struct script *s, struct span rest)  { (void)s, (void)rest; site_settle(); }
static void do_restart(struct script *s, struct span rest) { (void)s, (void)rest; clients_end(); site_restart(); }

static void do_group(struct script *s, struct span rest)
{
    struct buf name = { 0 }, text = { 0 };
    struct span flag;
    uint64_t high = 0;

    (void)s;
    expand(&name, span_word(&rest));
    flag = span_word(&rest);
    rest = span_trim(rest);
    if (rest.n > 0 && rest.p[0] == '@' && span_u64(span_from(span_word(&rest), 1), &high) != 0)
        site_fault("@N: a number is wanted");
    if (buf_len(&name) == 0 || flag.n == 0)
        site_fault("group NAME FLAG [@N] [TEXT]");
    expand(&text, span_trim(rest));
    site_group(buf_span(&name), flag, high, buf_span(&text));
    buf_fini(&name);
    buf_fini(&text);
}

/* The lines as they stand, each ended by LF. */
static void do_file(struct script *s, struct span rest)
{
    struct span name = span_word(&rest), text = block(s, SPAN("end"));
    char *path = xstrndup(name.p, name.n);

    if (name.n == 0 || disk_replace(kit_path("%s", path), text.p, text.n, 0644) != 0)
        site_fault("file %s: %s", path, strerror(errno));
    free(path);
}

static void do_copy(struct script *s, struct span rest)
{
    struct span word = span_word(&rest);
    char *name = xstrndup(word.p, word.n), *text;
    size_t n;

    (void)s;
    text = data_file(word, &n);
    if (disk_replace(kit_path("%s", name), text, n, 0600) != 0)
        site_fault("copy %s: %s", name, strerror(errno));
    free(text);
    free(name);
}

static void do_file_gone(struct script *s, struct span rest)
{
    struct span name = span_word(&rest);
    char *path = xstrndup(name.p, name.n);

    (void)s;
    if (disk_unlink(kit_path("%s", path)) != 0)
        site_fault("file-gone %s: %s", path, strerror(errno));
    free(path);
}

static void do_feed(struct script *s, struct span rest)
{
    struct client *c = client_named(span_word(&rest));
    struct span id = span_word(&rest), groups = span_word(&rest), subject = span_trim(rest);
    struct buf b = { 0 };
    char *want = xasprintf("239 %.*s*", SPAN_F(id));

    (void)s;
    buf_printf(&b, "TAKETHIS %.*s\r\nPath: a.example!not-for-mail\r\nFrom: Demo User <nobody@example.net>\r\n"
               "Newsgroups: %.*s\r\nSubject: %.*s\r\n", SPAN_F(id), SPAN_F(groups), SPAN_F(subject.n > 0 ? subject : SPAN("test")));
    expand(&b, SPAN("Date: $DATE\\r\\n"));
    buf_printf(&b, "Message-ID: %.*s\r\n\r\nThis is just a test article.\r\n.\r\n", SPAN_F(id));
    client_send(c, buf_span(&b));
    client_expect(c, span_of(want));
    buf_fini(&b);
    free(want);
}

static void do_clock(struct script *s, struct span rest)
{
    static const struct { char unit; int64_t s; } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    struct span by = span_trim(rest);
    uint64_t n;

    (void)s;
    for (size_t i = 0; i < 4 && by.n > 2; i++) {
        if (by.p[0] == '+' && by.p[by.n - 1] == units[i].unit && span_u64((struct span){ by.p + 1, by.n - 2 }, &n) == 0) {
            site_glance();             /* what was sent came before that */
            site_clock((int64_t)n * units[i].s * 1000000);
            return;
        }
    }
    site_fault("clock +N and s, m, h or d");
}

static void do_disk(struct script *s, struct span rest)
{
    static const struct { const char *name; int error; } errors[] = {
        { "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EROFS", EROFS }, { "EDQUOT", EDQUOT },
    };
    struct span how = span_word(&rest), error = span_word(&rest);

    (void)s;
    if (span_eq(how, SPAN("ok"))) {
        site_disk(0, (struct span){ 0 });
        return;
    }
    if (span_eq(how, SPAN("cold"))) {
        site_cold(true);
        return;
    }
    if (span_eq(how, SPAN("hold"))) {
        site_hold(true);
        return;
    }
    if (span_eq(how, SPAN("held"))) {
        site_wait_held();
        return;
    }
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (span_eq(how, SPAN("fail")) && span_eq(error, span_of(errors[i].name))) {
            site_disk(errors[i].error, span_word(&rest));
            return;
        }
    }
    site_fault("disk fail ENOSPC|EIO|EROFS|EDQUOT [open|write|sync|read], disk cold, disk hold, disk held, or disk ok");
}

static void do_count(struct script *s, struct span rest)
{
    struct span name = span_word(&rest), want = span_word(&rest);
    uint64_t n, got = 0;
    bool known;

    (void)s;
    if (span_u64(want, &n) != 0)
        site_fault("count NAME N");
    got = site_count(name, &known);
    if (!known)
        site_fault("there is no counter %.*s", SPAN_F(name));
    if (got != n)
        site_fault("%.*s: wanted %llu, got %llu", SPAN_F(name), (unsigned long long)n, (unsigned long long)got);
}

static void do_play(struct script *s, struct span rest)
{
    struct span kind = span_word(&rest), file = span_word(&rest);

    (void)s;
    table_play(kind, file, span_trim(rest));
}

static const struct { const char *name; void (*run)(struct script *, struct span rest); } verbs[] = {
    { "group", do_group }, { "ungroup", do_ungroup }, { "cancel", do_cancel }, { "peer", do_meet },
    { "reader", do_meet }, { "connect", do_bare }, { "eof", do_eof }, { "close", do_close },
    { "expect-close", do_closed }, { "clock", do_clock }, { "disk", do_disk }, { "count", do_count },
    { "tls", do_tls }, { "deflate", do_deflate }, { "reload", do_reload }, { "restart", do_restart }, { "settle", do_settle },
    { "feed", do_feed }, { "play", do_play },
};

static void play_line(struct script *s, struct span line)
{
    struct span rest = line, verb = span_word(&rest);

    if (verb.n == 0 || verb.p[0] == '#')
        return;
    if (span_eq(verb, SPAN("conf"))) {
        if (site_is_open())
            site_fault("conf must come first");
        s->conf = block(s, SPAN("end"));
        site_open(s->conf);
        return;
    }
    if (span_eq(verb, SPAN("file"))) {
        do_file(s, rest);
        return;
    }
    if (span_eq(verb, SPAN("file-gone"))) {
        do_file_gone(s, rest);
        return;
    }
    if (span_eq(verb, SPAN("copy"))) {
        do_copy(s, rest);
        return;
    }
    if (!site_is_open())
        site_open((struct span){ 0 });
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (span_eq(verb, span_of(verbs[i].name))) {
            verbs[i].run(s, rest);
            return;
        }
    }
    if (!dialogue(s, line))
        site_fault("what is \"%.*s\"?", SPAN_F(line));
}

int main(int argc, char **argv)
{
    struct script s = { 0 };
    struct span line;
    char *text;
    size_t n;

    if (argc != 2)
        die(2, "usage: run SCRIPT.nt");
    site_script = argv[1];
    if ((text = disk_slurp(argv[1], SCRIPT_MOST, &n)) == NULL)
        die(2, "%s: %s", argv[1], strerror(errno));
    s.rest = (struct span){ text, n };
    while (next(&s, &line))
        play_line(&s, line);
    if (site_is_open()) {
        clients_end();
        site_verify();
        site_close();
    }
    free(text);
    return 0;
}
