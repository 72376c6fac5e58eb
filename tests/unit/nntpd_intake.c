/* Intake: the tables of what INN does with an article, and what we do. */
#include <event2/event.h>
#include <time.h>

#include "article/path.h"
#include "conf/conf.h"
#include "nntpd/import.h"
#include "nntpd/intake.h"
#include "tests/unit/storekit.h"

static const char conf_text[] =
    "site \"news.test.example\" {\n"
    "  aliases = { \"old.test.example\" }\n"
    "  article-max = 1000000  post-max = 1000000  organization = \"Test forum\"\n"
    "}\n"
    "listen \"127.0.0.1:119\" {}\n"
    "peer \"feed.example\" { address = { \"192.0.2.1\" } path = { \"feed.example\", \"src.example\" }\n"
    "  accept-groups = { \"*\", \"!local.only\", \"@local.poison\" } }\n"
    "peer \"other.example\" { address = { \"192.0.2.2\" } accept-groups = { \"local.*\" } }\n";

static struct {
    struct conf         *conf;
    struct store        *store;
    struct intake_rules *rules;
    struct event_base   *base;
    struct mailbox      *home;
    struct lane         *lane;
} house;

/* ---- an article through intake ---- */

struct result {
    bool done;
    enum verdict verdict;
    int  code;
    char text[600], id[300];
};

static void on_done(struct intake *in, void *user)
{
    struct result *r = user;

    assert_false(r->done);
    r->done = true;
    r->verdict = intake_verdict(in);
    r->code = intake_code(in);
    snprintf(r->text, sizeof r->text, "%d %s", r->code, intake_text(in));
    snprintf(r->id, sizeof r->id, "%.*s", SPAN_F(intake_msgid(in)));
    intake_free(&in);
}

static void start(enum intake_way way, struct span block, size_t true_size, const char *named, struct claim *claim,
                  struct result *r)
{
    static const struct conf_peer *peers[1];
    struct intake_sender from = { .source = "peer feed.example 192.0.2.1", .address = "192.0.2.1", .peer = peers,
                                  .n_peer = 1, .approve = true };
    char *copy = malloc(block.n + 1);

    memcpy(copy, block.p, block.n);
    peers[0] = &house.conf->peer[0];
    if (way == WAY_POST) {
        from.source = "post 203.0.113.9";
        from.address = "203.0.113.9";
        from.n_peer = 0;
        from.post_groups = SPAN("*,!local.*");
    }
    *r = (struct result){ 0 };
    intake_run(intake_new(house.store, house.rules, house.lane, house.home, way, &from, copy, block.n, true_size,
                          span_of(named), claim, on_done, r));
}

static void wait_done(struct result *r)
{
    while (!r->done)
        event_base_loop(house.base, EVLOOP_ONCE);
}

static struct result take(enum intake_way way, struct span block, const char *named)
{
    struct result r;

    start(way, block, block.n, named, NULL, &r);
    wait_done(&r);
    return r;
}

/* ---- articles by the names of their cases ---- */

struct change {
    const char *name;
    const char *field, *value;      /* in place of the usual one; value NULL: left out */
    const char *more;               /* further header lines                            */
    const char *body;               /* NULL: the usual one                             */
};

static void put_date(struct buf *out, double days)
{
    time_t t = time(NULL) + (time_t)(days * 86400);
    char text[64];
    struct tm tm;

    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&t, &tm));
    buf_puts(out, text);
}

/* "{-9.9}" becomes the date that many days from now, "{xN}" N letters. */
static void expand(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        char *end;

        if (*text != '{') {
            buf_add(out, text, 1);
        } else if (text[1] == 'x') {
            for (long n = strtol(text + 2, &end, 10); n > 0; n--)
                buf_puts(out, "x");
            text = end;
        } else {
            put_date(out, strtod(text + 1, &end));
            text = end;
        }
    }
}

static void build(struct buf *out, const struct change *c, const char *const usual[][2], const char *id, const char *body)
{
    for (size_t i = 0; usual[i][0] != NULL; i++) {
        bool changed = c->field != NULL && strcmp(c->field, usual[i][0]) == 0;
        const char *value = changed ? c->value : usual[i][1];

        if (value == NULL)
            continue;
        buf_printf(out, "%s: ", usual[i][0]);
        expand(out, !changed && strcmp(usual[i][0], "Message-ID") == 0 ? id : value);
        buf_puts(out, "\r\n");
    }
    if (c->more != NULL)
        expand(out, c->more);
    buf_puts(out, "\r\n");
    expand(out, c->body != NULL ? c->body : body);
    buf_puts(out, ".\r\n");
}

static const struct change *find_change(const struct change *all, size_t n, struct span name, int line)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(name, span_of(all[i].name)))
            return &all[i];
    fail_msg("line %d: no such case: %.*s", line, SPAN_F(name));
    return NULL;
}

/* Does 'text' say 'want', in which <date>, <id>, <message-id> and " N " stand for anything? */
static bool says(const char *text, struct span want)
{
    const char *p = want.p, *end = want.p + want.n;

    for (; p < end; p++) {
        bool hole = *p == '<' && (strncmp(p, "<date>", 6) == 0 || strncmp(p, "<id>", 4) == 0 ||
                                  strncmp(p, "<message-id>", 12) == 0);
        bool number = *p == 'N' && p + 1 < end && p[1] == ' ' && p > want.p && p[-1] == ' ';

        if (hole || number) {
            if (hole)
                p = memchr(p, '>', (size_t)(end - p));
            while (*text != '\0' && (p + 1 < end ? *text != p[1] : true))
                text++;
        } else if (*text++ != *p) {
            return false;
        }
    }
    return *text == '\0';
}

/* ---- relaying ---- */

static const char *const relayed[][2] = {
    { "Path", "src.example!not-for-mail" }, { "From", "Joe <joe@example.com>" }, { "Newsgroups", "misc.test" },
    { "Subject", "t" }, { "Message-ID", "" }, { "Date", "{-0.01}" }, { NULL, NULL }
};

#define NO_SUBJECT_T "Subject", NULL, "Subject:t\r\n", NULL
static const struct change relay_cases[] = {
    { .name = "ok" },
    { "missing Path", "Path", NULL, NULL, NULL },
    { "missing Newsgroups", "Newsgroups", NULL, NULL, NULL },
    { "missing Subject", "Subject", NULL, NULL, NULL },
    { "missing Message-ID", "Message-ID", NULL, NULL, NULL },
    { "missing Date", "Date", NULL, NULL, NULL },
    { "no From", "From", NULL, NULL, NULL },
    { .name = "dup From", .more = "From: x@example.com\r\n" },
    { .name = "dup Date", .more = "Date: {0}\r\n" },
    { .name = "dup Message-ID", .more = "Message-ID: <another@example.com>\r\n" },
    { .name = "dup Subject", .more = "Subject: u\r\n" },
    { .name = "dup Path", .more = "Path: x!y\r\n" },
    { .name = "dup X-Foo", .more = "X-Foo: 1\r\nX-Foo: 2\r\n" },
    { "bad date", "Date", "yesterday", NULL, NULL },
    { "empty date", "Date", "", NULL, NULL },
    { "9.9 days old", "Date", "{-9.9}", NULL, NULL },
    { "old date", "Date", "{-10.1}", NULL, NULL },
    { "future date", "Date", "{1.1}", NULL, NULL },
    { .name = "bad Injection-Date", .more = "Injection-Date: soon\r\n" },
    { "old Date + fresh Injection-Date", "Date", "{-30}", "Injection-Date: {0}\r\n", NULL },
    { "fresh Date + old Injection-Date", NULL, NULL, "Injection-Date: {-30}\r\n", NULL },
    { "colon in newsgroups", "Newsgroups", "misc.test:x", NULL, NULL },
    { "empty newsgroups", "Newsgroups", "", NULL, NULL },
    { "unknown+known", "Newsgroups", "no.such,misc.test", NULL, NULL },
    { "unknown group", "Newsgroups", "no.such", NULL, NULL },
    { "x group", "Newsgroups", "misc.gone", NULL, NULL },
    { "j group", "Newsgroups", "misc.junk", NULL, NULL },
    { "n group", "Newsgroups", "misc.nolocal", NULL, NULL },
    { "alias group", "Newsgroups", "misc.alias", NULL, NULL },
    { "moderated no Approved", "Newsgroups", "misc.mod", NULL, NULL },
    { "moderated+known no Approved", "Newsgroups", "misc.test,misc.mod", NULL, NULL },
    { "moderated Approved", "Newsgroups", "misc.mod", "Approved: mod@example.com\r\n", NULL },
    { "blank Approved in moderated", "Newsgroups", "misc.mod", "Approved:  \r\n", NULL },
    { "empty Path", "Path", "", NULL, NULL },
    { "Path with only !", "Path", "!", NULL, NULL },
    { .name = "ME distribution", .more = "Distribution: localdist\r\n" },
    { .name = "distribution with comma", .more = "Distribution: ,x\r\n" },
    { .name = "extra header field with empty body (\"X-Foo: \")", .more = "X-Foo: \r\n" },
    { .name = "hdr no space", NO_SUBJECT_T },
    { .name = "blank before colon", .more = "X-Foo : x\r\n" },
    { .name = "nul in header", .more = "X-Nul: a\001b\r\n" },      /* \001 becomes NUL */
    { .name = "nul in body", .body = "a\001b\r\n" },
    { .name = "bare LF in body", .body = "a\nb\r\n" },
    { .name = "bare CR in body", .body = "a\rb\r\n" },
    { "8bit header", "Subject", "gr\xfc\xdf" "e", NULL, NULL },
    { .name = "empty body", .body = "" },
    { .name = "no blank line", .body = "" },                       /* the blank line is taken out */
    { .name = "empty article" },
    { .name = "empty hdrs" },
    { .name = "no headers, body only" },
    { .name = "long body line 990", .body = "{x990}\r\n" },
    { .name = "long hdr line 1500", .more = "X-Long: {x1500}\r\n" },
    { .name = "too big", .body = "{x1000000}\r\n" },
    { .name = "command Message-ID differs from the Message-ID header field" },
    { .name = "Message-ID already in history (IHAVE refused before the article)" },
    { "cancel of unknown", NULL, NULL, "Control: cancel <unknown@example.com>\r\n", NULL },
    { "newgroup noApproved", "Newsgroups", "foo.bar", "Control: newgroup foo.bar\r\n", NULL },
    { "newgroup Approved", "Newsgroups", "foo.bar", "Control: newgroup foo.bar\r\nApproved: a@example.com\r\n", NULL },
    { .name = "unknown control type", .more = "Control: frobnicate\r\n" },
    { .name = "wrong Lines", .more = "Lines: 99\r\n" },
    { .name = "Xref supplied", .more = "Xref: src.example misc.test:4711\r\n" },
    { "From empty local", "From", "@example.com", NULL, NULL },
    { "Message-ID no @", "Message-ID", "<noat>", NULL, NULL },
    { "Message-ID with a blank in it", "Message-ID", "<a b@x.example>", NULL, NULL },
    { "Message-ID domain literal", "Message-ID", "<literal@[192.0.2.7]>", NULL, NULL },
    { .name = "Control empty", .more = "Control: \r\n" },
    { "Newsgroups trailing comma", "Newsgroups", "misc.test,", NULL, NULL },
    { "Newsgroups leading comma", "Newsgroups", ",misc.test", NULL, NULL },
    { .name = "Distribution empty", .more = "Distribution: \r\n" },
    { "Date without zone", "Date", "no zone", NULL, NULL },        /* filled in below */
    { "Date 2-digit year", "Date", "two digits", NULL, NULL },
    { "Date wrong weekday", "Date", "wrong day", NULL, NULL },
    { "our name in Path", "Path", "src.example!news.test.example!x!not-for-mail", NULL, NULL },
    { "our alias in Path", "Path", "src.example!old.test.example!not-for-mail", NULL, NULL },
    { "our name in another case", "Path", "src.example!NEWS.Test.Example!not-for-mail", NULL, NULL },
    { "our name as a part", "Path", "src.example!x.news.test.example!not-for-mail", NULL, NULL },
    { "poisoned group", "Newsgroups", "misc.test,local.poison", NULL, NULL },
    { "group not of the peer", "Newsgroups", "local.only", NULL, NULL },
    { "group not of the peer and another", "Newsgroups", "local.only,misc.test", NULL, NULL },
    { "bad date of a known article", "Date", "yesterday", NULL, NULL },
    { .name = "bytes header", .more = "Bytes: 1234\r\n" },
};

static const char *odd_date(const char *name)
{
    static char text[64];
    time_t t = time(NULL) - 7200;
    struct tm tm;

    gmtime_r(&t, &tm);
    if (strstr(name, "weekday") != NULL)
        tm.tm_wday = (tm.tm_wday + 3) % 7;
    strftime(text, sizeof text, strstr(name, "zone") != NULL ? "%a, %d %b %Y %H:%M:%S"
                                                             : "%a, %d %b %Y %H:%M:%S +0000", &tm);
    if (strstr(name, "2-digit") != NULL)                            /* "Sat, 21 Nov 2026": the century goes */
        memmove(text + 12, text + 14, strlen(text + 14) + 1);
    return text;
}

/* The cases that no change of a field can say. */
static void special(struct buf *b, const char *name)
{
    if (strcmp(name, "empty article") == 0) {
        buf_clear(b);
        buf_puts(b, ".\r\n");
    } else if (strcmp(name, "empty hdrs") == 0) {
        buf_clear(b);
        buf_puts(b, "\r\n.\r\n");
    } else if (strcmp(name, "no headers, body only") == 0) {
        buf_clear(b);
        buf_puts(b, "\r\nbody\r\n.\r\n");
    } else if (strcmp(name, "no blank line") == 0) {
        b->end -= 5;
        buf_puts(b, ".\r\n");
    } else if (strncmp(name, "nul in", 6) == 0) {
        *(char *)memchr(buf_data(b), 1, buf_len(b)) = '\0';
    }
}

static bool yes(struct span cell)
{
    return span_starts(cell, SPAN("yes"));
}

/* Is a good article with this id refused as known afterwards? */
static bool known(const char *id, enum intake_way way)
{
    static const struct change none = { .name = "ok" };
    struct buf b = { 0 };
    struct result r;

    build(&b, &none, relayed, id, "body\r\n");
    r = take(way, buf_span(&b), id);
    buf_fini(&b);
    if (r.verdict != V_STORED && r.verdict != V_DUPLICATE)
        fail_msg("%s: %s", id, r.text);
    return r.verdict == V_DUPLICATE;
}

static void relay_row(const struct kit_row *row, void *arg)
{
    static unsigned serial;
    const struct change *c = find_change(relay_cases, sizeof relay_cases / sizeof *relay_cases, row->cell[0], row->line);
    enum intake_way way = *(enum intake_way *)arg;
    bool same_id = c->field == NULL || strcmp(c->field, "Message-ID") != 0;
    bool differs = strncmp(c->name, "command Message-ID", 18) == 0;
    struct change dated = *c;
    struct buf b = { 0 };
    struct result r;
    char id[80];

    snprintf(id, sizeof id, "<relay%u@example.com>", ++serial);
    if (!same_id && c->value != NULL && way == WAY_TAKETHIS)
        return;                                     /* its id is met already */
    if (strncmp(c->name, "Date ", 5) == 0)
        dated.value = odd_date(c->name);
    build(&b, &dated, relayed, id, "body\r\n");
    special(&b, c->name);
    if (strstr(c->name, "already in history") != NULL || strstr(c->name, "of a known") != NULL)
        assert_false(known(id, way));
    r = take(way, buf_span(&b), differs ? "<named@example.com>" : same_id || c->value == NULL ? id : c->value);
    buf_fini(&b);
    if (way == WAY_IHAVE ? !says(r.text, row->cell[4]) : span_u64(row->cell[5], &(uint64_t){ 0 }) != 0 || atoi(row->cell[5].p) != r.code)
        fail_msg("line %d, %s: got \"%s\", want \"%.*s\"", row->line, c->name, r.text,
                 SPAN_F(row->cell[way == WAY_IHAVE ? 4 : 5]));
    if (same_id && known(id, way) != yes(row->cell[6]))
        fail_msg("line %d, %s: remembered should be %.*s", row->line, c->name, SPAN_F(row->cell[6]));
}

static void ihave_answers_as_the_table_of_inn_says(void **state)
{
    enum intake_way way = WAY_IHAVE;

    (void)state;
    kit_table("acceptance-innd.tsv", relay_row, &way);
}

static void takethis_answers_as_the_table_of_inn_says(void **state)
{
    enum intake_way way = WAY_TAKETHIS;

    (void)state;
    kit_table("acceptance-innd.tsv", relay_row, &way);
    site_verify(house.store);
}

/* ---- posting ---- */

static const char *const posted[][2] = {
    { "From", "Joe <joe@example.com>" }, { "Subject", "t" }, { "Newsgroups", "misc.test" }, { NULL, NULL }
};

static const struct change post_cases[] = {
    { "no From", "From", NULL, NULL, NULL },
    { "no Subject", "Subject", NULL, NULL, NULL },
    { "no Newsgroups", "Newsgroups", NULL, NULL, NULL },
    { "empty Subject", "Subject", "", NULL, NULL },
    { .name = "dup Subject", .more = "Subject: u\r\n" },
    { .name = "obsolete NNTP-Posting-Host", .more = "NNTP-Posting-Host: h\r\n" },
    { .name = "obsolete X-Trace", .more = "X-Trace: h\r\n" },
    { .name = "obsolete NNTP-Posting-Date", .more = "NNTP-Posting-Date: h\r\n" },
    { .name = "obsolete Date-Received", .more = "Date-Received: h\r\n" },
    { .name = "obsolete Also-Control", .more = "Also-Control: h\r\n" },
    { .name = "obsolete Relay-Version", .more = "Relay-Version: h\r\n" },
    { .name = "Xref set", .more = "Xref: a b:1\r\n" },
    { .name = "Injection-Info set", .more = "Injection-Info: a.example\r\n" },
    { .name = "Lines set", .more = "Lines: 1\r\n" },
    { .name = "old Date", .more = "Date: {-20}\r\n" },
    { .name = "future Date", .more = "Date: {3}\r\n" },
    { .name = "bad Injection-Date", .more = "Injection-Date: soon\r\n" },
    { .name = "future Injection-Date", .more = "Injection-Date: {3}\r\n" },
    { .name = "bad Expires", .more = "Expires: never\r\n" },
    { .name = "bad Message-ID", .more = "Message-ID: <a b>\r\n" },
    { .name = "dup mid", .more = "Message-ID: <posted.twice@example.com>\r\n" },
    { .name = "Path ok", .more = "Path: not-for-mail\r\n" },
    { .name = "posted already", .more = "Path: a.example!.POSTED!not-for-mail\r\n" },
    { .name = "bad distribution a.b", .more = "Distribution: a.b\r\n" },
    { .name = "control foo", .more = "Control: foo\r\n" },
    { .name = "control cancel", .more = "Control: cancel <a@example.com>\r\n" },
    { .name = "cancel without id", .more = "Control: cancel\r\n" },
    { "From no @", "From", "joe", NULL, NULL },
    { "From no dot", "From", "joe@localhost", NULL, NULL },
    { "From invalid", "From", "Joe <joe@example.invalid>", NULL, NULL },
    { "unknown+known", "Newsgroups", "no.such,misc.test", NULL, NULL },
    { "only unknown groups", "Newsgroups", "no.such,no.more", NULL, NULL },
    { "n group", "Newsgroups", "misc.nolocal", NULL, NULL },
    { "x group", "Newsgroups", "misc.gone", NULL, NULL },
    { "j", "Newsgroups", "misc.junk", NULL, NULL },
    { "alias", "Newsgroups", "misc.alias", NULL, NULL },
    { "group not allowed", "Newsgroups", "misc.test,local.only", NULL, NULL },
    { "moderated", "Newsgroups", "misc.test,misc.mod", NULL, NULL },
    { .name = "Followup-To unknown", .more = "Followup-To: no.such\r\n" },
    { .name = "Followup-To poster", .more = "Followup-To: poster\r\n" },
    { "8bit utf8 hdr", "Subject", "gr\xc3\xbc\xc3\x9f" "e", NULL, NULL },
    { .name = "hdr no space", NO_SUBJECT_T },
    { .name = "X hdr no space", .more = "X-A:b\r\n" },
    { .name = "hdr no colon", .more = "X-A b\r\n" },
    { .name = "header only folded ws", .more = "X-A: a\r\n \r\n b\r\n" },
    { .name = "empty body", .body = "" },
    { .name = "long body line 1200", .body = "{x1200}\r\n" },
    { .name = "body line 998", .body = "{x998}\r\n" },
    { .name = "body line 999", .body = "{x999}\r\n" },
    { .name = "too big", .body = "{x1000001}\r\n" },
    { .name = "Sender", .more = "Sender: s@example.com\r\n" },
    { .name = "Bcc", .more = "Bcc: s@example.com\r\n" },
    { "Newsgroups with spaces", "Newsgroups", "misc.test, misc.other", NULL, NULL },
    { .name = "Supersedes", .more = "Supersedes: <a@example.com>\r\n" },
    { .name = "Approved to unmoderated", .more = "Approved: a@example.com\r\n" },
    { .name = "Approved not allowed", .more = "Approved: a@example.com\r\n" },
    { .name = "Message-ID without @", .more = "Message-ID: <noat>\r\n" },
    { .name = "Expires ok", .more = "Expires: {5}\r\n" },
    { .name = "header line of 998 octets incl. name", .more = "X-Long: {x990}\r\n" },
    { .name = "header line of 1100 octets", .more = "X-Long: {x1092}\r\n" },
    { .name = "no body separator", .body = "" },
    { .name = "no Message-ID, no Date" },
};

static void post_row(const struct kit_row *row, void *arg)
{
    const struct change *c = find_change(post_cases, sizeof post_cases / sizeof *post_cases, row->cell[0], row->line);
    struct buf b = { 0 };
    struct result r;
    struct span want = row->cell[2];

    (void)arg;
    if (strcmp(c->name, "Approved not allowed") == 0)
        return;                                     /* see a_poster_without_the_right_may_not_approve */
    build(&b, c, posted, "", "body\r\n");
    if (strcmp(c->name, "no body separator") == 0)
        special(&b, "no blank line");
    if (strcmp(c->name, "dup mid") == 0)
        assert_int_equal(take(WAY_POST, buf_span(&b), "").code, 240);
    r = take(WAY_POST, buf_span(&b), "");
    buf_fini(&b);
    if (!says(r.text, want))
        fail_msg("line %d, %s: got \"%s\", want \"%.*s\"", row->line, c->name, r.text, SPAN_F(want));
    if (r.code == 240 && site_state(house.store, r.id) != HIS_KEPT)
        fail_msg("line %d, %s: %s is not kept", row->line, c->name, r.id);
}

static void post_answers_as_the_table_of_inn_says(void **state)
{
    (void)state;
    kit_table("post-nnrpd.tsv", post_row, NULL);
    site_verify(house.store);
}

static void a_poster_without_the_right_may_not_approve(void **state)
{
    struct intake_sender from = { .source = "post x", .address = "", .post_groups = SPAN("*") };
    const char text[] = "From: a@b.example\r\nSubject: s\r\nNewsgroups: misc.test\r\nApproved: me\r\n\r\nx\r\n.\r\n";
    struct result r = { 0 };

    (void)state;
    intake_run(intake_new(house.store, house.rules, house.lane, house.home, WAY_POST, &from, strdup(text),
                          sizeof text - 1, sizeof text - 1, (struct span){ 0 }, NULL, on_done, &r));
    wait_done(&r);
    assert_string_equal(r.text, "441 You are not allowed to approve postings");
}

/* ---- what is stored ---- */

/* The article as it lies in the log. */
static void stored(const char *id, struct buf *out, struct record *r, struct record_number *numbers)
{
    struct his_entry h;
    struct log_pos pos;
    struct err e = { 0 };

    assert_int_equal(store_find(house.store, span_of(id), &h, &e), HIS_SEEN);
    assert_int_equal(h.state, HIS_KEPT);
    pos = (struct log_pos){ .segment = h.segment, .offset = h.offset, .size = h.size };
    if (artlog_read(store_log(house.store), &pos, r, numbers, 64, out, &e) != 0)
        fail_msg("%s: %s", id, e.text);
}

static void everything_but_path_and_xref_is_stored_byte_for_byte(void **state)
{
    const char head1[] = "X-First: \xff\xfe 8 bit,\ttabs \r\n\tand folds\r\nPath: src.example!x\r\n y!not-for-mail\r\n"
                         "From: Joe <joe@example.com>\r\nNewsgroups: misc.test,no.such\r\nSubject: t\r\n  folded\r\n";
    const char head2[] = "Message-ID:   <bytes@example.com>\r\n";
    const char xref[] = "XREF: other.example misc.test:1\r\n folded:2\r\n";
    const char head3[] = "Distribution: world\r\nBytes: 12\r\nLines: 99\r\n";
    const char body[] = "\r\n..dots\r\nbare \r and \n, 8 bit \xe9\r\n\r\nend\r\n.\r\n";
    struct record_number numbers[64];
    struct buf b = { 0 }, got = { 0 }, want = { 0 };
    struct result r;
    struct record rec;

    (void)state;
    buf_printf(&b, "%s%s%s%sDate: ", head1, head2, xref, head3);
    put_date(&b, 0);
    buf_printf(&b, "\r\nXref: again\r\n%s", body);
    r = take(WAY_IHAVE, buf_span(&b), "<bytes@example.com>");
    assert_string_equal(r.text, "235 Article transferred OK");
    stored("<bytes@example.com>", &got, &rec, numbers);
    /* the head with our Path, without the two Xrefs, and ours last */
    buf_puts(&want, "X-First: \xff\xfe 8 bit,\ttabs \r\n\tand folds\r\n"
                    "Path: news.test.example!!src.example!x\r\n y!not-for-mail\r\n"
                    "From: Joe <joe@example.com>\r\nNewsgroups: misc.test,no.such\r\nSubject: t\r\n  folded\r\n");
    buf_printf(&want, "%s%sDate: ", head2, head3);
    put_date(&want, 0);
    buf_printf(&want, "\r\nXref: news.test.example misc.test:%llu\r\n%s", (unsigned long long)numbers[0].number, body);
    assert_int_equal(rec.data.n, buf_len(&want));
    assert_memory_equal(rec.data.p, buf_data(&want), rec.data.n);
    assert_true(span_eq((struct span){ rec.data.p + rec.msgid.at, rec.msgid.len }, SPAN("<bytes@example.com>")));
    assert_true(span_eq((struct span){ rec.data.p + rec.newsgroups.at, rec.newsgroups.len }, SPAN("misc.test,no.such")));
    assert_true(span_eq((struct span){ rec.data.p + rec.distribution.at, rec.distribution.len }, SPAN("world")));
    assert_true(span_starts((struct span){ rec.data.p + rec.path.at, rec.path.len }, SPAN("news.test.example!!")));
    assert_memory_equal(rec.data.p + rec.body - 2, "\r\n..dots", 8);
    assert_int_equal(rec.lines, 4);                 /* CRLF pairs (RFC 3977 8.1.2): a bare LF ends no line */
    assert_true(span_eq(rec.source, SPAN("peer feed.example 192.0.2.1")));
    buf_fini(&b);
    buf_fini(&got);
    buf_fini(&want);
    site_verify(house.store);
}

/* A cell with the site's name in the place of US. */
static char *with_name(struct span cell)
{
    const char *us = memmem(cell.p, cell.n, "US", 2);
    struct buf b = { 0 };
    size_t n;

    while (us != NULL) {
        buf_add(&b, cell.p, (size_t)(us - cell.p));
        buf_puts(&b, "news.test.example");
        cell = span_from(cell, (size_t)(us - cell.p) + 2);
        us = memmem(cell.p, cell.n, "US", 2);
    }
    buf_add_span(&b, cell);
    buf_add(&b, "", 1);
    return buf_steal(&b, &n);
}

static void path_row(const struct kit_row *row, void *arg)
{
    static unsigned serial;
    char id[80], *path = with_name(row->cell[0]), *want = with_name(row->cell[2]);
    struct change c = { "x", "Path", path, NULL, NULL };
    struct record_number numbers[64];
    struct buf b = { 0 }, got = { 0 };
    struct record rec;
    struct result r;

    (void)arg;
    snprintf(id, sizeof id, "<path%u@example.com>", ++serial);
    build(&b, &c, relayed, id, "x\r\n");
    r = take(WAY_TAKETHIS, buf_span(&b), id);
    if ((r.code == 439) != (strcmp(want, "refused") == 0))
        fail_msg("line %d, %s: %s", row->line, path, r.text);
    if (r.code == 239) {
        stored(id, &got, &rec, numbers);
        if (!span_eq((struct span){ rec.data.p + rec.path.at, rec.path.len }, span_of(want)))
            fail_msg("line %d: stored \"%.*s\", want \"%s\"", row->line, (int)rec.path.len, rec.data.p + rec.path.at, want);
    }
    buf_fini(&b);
    buf_fini(&got);
    free(path);
    free(want);
}

static void the_path_says_whether_the_peer_s_name_was_seen(void **state)
{
    (void)state;
    kit_table("path-stored.tsv", path_row, NULL);
}

static bool has_line(struct span head, const char *start, const char *also)
{
    struct span line;

    while (span_next(&head, '\n', &line))
        if (span_starts(line, span_of(start)) && (also == NULL || memmem(line.p, line.n, also, strlen(also)) != NULL))
            return true;
    return false;
}

static void an_injected_article_has_what_rfc_5537_wants(void **state)
{
    struct change plain = { .name = "ok" };
    struct record_number numbers[64];
    struct buf b = { 0 }, got = { 0 };
    struct record rec;
    struct result r;
    struct span head;

    (void)state;
    build(&b, &plain, posted, "", "body\r\n");
    r = take(WAY_POST, buf_span(&b), "");
    assert_int_equal(r.code, 240);
    stored(r.id, &got, &rec, numbers);
    head = (struct span){ rec.data.p, rec.body };
    assert_true(has_line(head, "Path: news.test.example!.POSTED!not-for-mail\r", NULL));
    assert_true(has_line(head, "Message-ID: <", "@news.test.example>"));
    assert_true(has_line(head, "Date: ", "+0000"));
    assert_true(has_line(head, "Injection-Date: ", "+0000"));
    assert_true(has_line(head, "Injection-Info: news.test.example\r", NULL));
    assert_true(has_line(head, "Organization: Test forum\r", NULL));
    assert_false(has_line(head, "", "203.0.113.9"));       /* the poster's address is nobody's business */
    assert_int_equal(rec.flags & RECORD_LOCAL, RECORD_LOCAL);
    buf_fini(&b);
    buf_fini(&got);
}

static void message_id_and_date_given_keep_injection_date_away(void **state)
{
    struct change given = { "x", NULL, NULL, "Message-ID: <given@example.com>\r\nDate: {0}\r\nOrganization: mine\r\n"
                            "Path: inner.example!not-for-mail\r\nSummary:\r\n", NULL };
    struct record_number numbers[64];
    struct buf b = { 0 }, got = { 0 };
    struct record rec;
    struct span head;

    (void)state;
    build(&b, &given, posted, "", "body\r\n");
    assert_int_equal(take(WAY_POST, buf_span(&b), "").code, 240);
    stored("<given@example.com>", &got, &rec, numbers);
    head = (struct span){ rec.data.p, rec.body };
    assert_true(has_line(head, "Path: news.test.example!.POSTED!inner.example!not-for-mail\r", NULL));
    assert_true(has_line(head, "Organization: mine\r", NULL));
    assert_false(has_line(head, "Injection-Date:", NULL));
    assert_false(has_line(head, "Summary:", NULL));        /* empty: left out */
    buf_fini(&b);
    buf_fini(&got);
}

static const char *only_group(const char *id)
{
    struct record_number numbers[64];
    struct buf got = { 0 };
    struct record rec;

    stored(id, &got, &rec, numbers);
    assert_int_equal(rec.n_numbers, 1);
    buf_fini(&got);
    return group_by_id(store_groups(house.store), numbers[0].group)->name;
}

static void file(const char *id, const char *field, const char *value, const char *more)
{
    struct change c = { "x", field, value, more, NULL };
    struct buf b = { 0 };
    struct result r;

    build(&b, &c, relayed, id, "x\r\n");
    r = take(WAY_TAKETHIS, buf_span(&b), id);
    if (r.code != 239)
        fail_msg("%s: %s", id, r.text);
    buf_fini(&b);
}

static void articles_are_filed_where_inn_files_them(void **state)
{
    (void)state;
    file("<f1@x.example>", NULL, NULL, "Control: cancel <a@b.example>\r\n");
    assert_string_equal(only_group("<f1@x.example>"), "control.cancel");
    file("<f2@x.example>", NULL, NULL, "Control: sendsys\r\n");
    assert_string_equal(only_group("<f2@x.example>"), "control");
    file("<f3@x.example>", "Newsgroups", "new.group", "Control: newgroup new.group\r\nApproved: a@b.example\r\n");
    assert_string_equal(only_group("<f3@x.example>"), "control.newgroup");
    file("<f4@x.example>", "Newsgroups", "misc.alias,misc.test", NULL);
    assert_string_equal(only_group("<f4@x.example>"), "misc.test");
    file("<f5@x.example>", "Newsgroups", "misc.junk", NULL);
    assert_string_equal(only_group("<f5@x.example>"), "junk");
    file("<f6@x.example>", "Newsgroups", "misc.gone,misc.other", NULL);
    assert_string_equal(only_group("<f6@x.example>"), "misc.other");
}

static uint16_t flags_of(const char *id, const char *groups, const char *more)
{
    struct record_number numbers[64];
    struct buf got = { 0 };
    struct record rec;

    file(id, "Newsgroups", groups, more);
    stored(id, &got, &rec, numbers);
    buf_fini(&got);
    return rec.flags;
}

static void a_record_says_what_its_groups_were_here(void **state)
{
    const char *newgroup = "Control: newgroup b.new\r\nApproved: a@b.example\r\n";
    const uint16_t known = RECORD_GROUPS | RECORD_KNOWN;

    (void)state;
    assert_int_equal(flags_of("<g1@x.example>", "misc.test", NULL), known);
    assert_int_equal(flags_of("<g2@x.example>", "no.such,misc.test", NULL), known | RECORD_UNKNOWN);
    assert_int_equal(flags_of("<g3@x.example>", "misc.test,misc.mod", "Approved: a@b.example\r\n"), known | RECORD_MODERATED);
    assert_int_equal(flags_of("<g4@x.example>", "misc.test", "Approved: a@b.example\r\n"), known);
    assert_int_equal(flags_of("<g5@x.example>", "misc.junk", NULL), known | RECORD_JUNK);
    assert_int_equal(flags_of("<g6@x.example>", "misc.alias,misc.gone", NULL), known);
    assert_int_equal(flags_of("<g7@x.example>", "b.new", newgroup), RECORD_GROUPS | RECORD_CONTROL);
    assert_int_equal(flags_of("<g8@x.example>", "b.new,misc.test", newgroup), known | RECORD_CONTROL);
    assert_int_equal(flags_of("<g9@x.example>", "local.only,misc.test", NULL), known);
}

/* ---- copies that race ---- */

static void the_second_copy_waits_and_hears_duplicate(void **state)
{
    struct change plain = { .name = "ok" };
    struct result a, b;
    struct buf art = { 0 };

    (void)state;
    build(&art, &plain, relayed, "<race@example.com>", "x\r\n");
    start(WAY_TAKETHIS, buf_span(&art), buf_len(&art), "<race@example.com>", NULL, &a);
    start(WAY_IHAVE, buf_span(&art), buf_len(&art), "<race@example.com>", NULL, &b);
    wait_done(&a);
    wait_done(&b);
    assert_string_equal(a.text, "239 Article transferred OK");
    assert_string_equal(b.text, "437 Duplicate");
    buf_fini(&art);
}

static void the_second_copy_is_taken_when_the_first_cannot_be_stored(void **state)
{
    struct change plain = { .name = "ok" };
    struct result a, b;
    struct buf art = { 0 };

    (void)state;
    build(&art, &plain, relayed, "<race2@example.com>", "x\r\n");
    bad_disk_set((struct bad_disk){ .where = "/log/", .error = EIO, .once = true });
    start(WAY_TAKETHIS, buf_span(&art), buf_len(&art), "<race2@example.com>", NULL, &a);
    start(WAY_IHAVE, buf_span(&art), buf_len(&art), "<race2@example.com>", NULL, &b);
    wait_done(&a);
    wait_done(&b);
    assert_int_equal(a.code, 400);                  /* our own trouble: never 439 */
    assert_true(b.code == 436 || b.code == 235);    /* whether it came before the disk was well again */
    bad_disk_set((struct bad_disk){ 0 });
    site_wait_well(house.store);
    if (b.code == 436)
        assert_int_equal(take(WAY_IHAVE, buf_span(&art), "<race2@example.com>").code, 235);
    buf_fini(&art);
}

static void a_full_disk_is_said_as_later_by_every_command(void **state)
{
    static const enum intake_way ways[] = { WAY_IHAVE, WAY_TAKETHIS };
    static const int want[] = { 436, 400 };
    struct change plain = { .name = "ok" };
    struct buf art = { 0 };
    struct result r;

    (void)state;
    bad_disk_set((struct bad_disk){ .where = "/log/", .error = ENOSPC });
    for (int i = 0; i < 2; i++) {
        buf_clear(&art);
        build(&art, &plain, relayed, "<full@example.com>", "x\r\n");
        r = take(ways[i], buf_span(&art), "<full@example.com>");
        assert_int_equal(r.code, want[i]);
    }
    buf_clear(&art);
    build(&art, &plain, posted, "", "x\r\n");
    r = take(WAY_POST, buf_span(&art), "");
    assert_int_equal(r.code, 441);
    assert_non_null(strstr(r.text, "ry again later"));
    bad_disk_set((struct bad_disk){ 0 });
    site_wait_well(house.store);
    buf_clear(&art);
    build(&art, &plain, relayed, "<full@example.com>", "x\r\n");
    assert_int_equal(take(WAY_IHAVE, buf_span(&art), "<full@example.com>").code, 235);
    buf_fini(&art);
}

static void the_claim_of_335_is_used_up(void **state)
{
    struct change plain = { "x", "Date", "yesterday", NULL, NULL };
    struct msgid_key key = msgid_key(store_key(house.store), SPAN("<claimed@example.com>"));
    struct his *h = store_history(house.store);
    struct claim *c = NULL;
    struct result r;
    struct buf art = { 0 };
    struct err e;

    (void)state;
    assert_int_equal(his_look(h, &key, NULL, &e), HIS_NEW);
    assert_int_equal(his_claim(h, &key, &r, true, &c), HIS_NEW);
    /* it names another id: nothing is remembered, and the claim is over */
    build(&art, &plain, relayed, "<not.claimed@example.com>", "x\r\n");
    start(WAY_IHAVE, buf_span(&art), buf_len(&art), "<claimed@example.com>", c, &r);
    wait_done(&r);
    assert_int_equal(r.code, 437);
    assert_int_equal(his_claim(h, &key, &r, true, &c), HIS_NEW);
    his_release(h, &c);
    buf_fini(&art);
}

/* ---- too big, why, import ---- */

static void an_article_over_the_limit_is_refused_by_its_head(void **state)
{
    struct change plain = { .name = "ok" };
    struct result r;
    struct buf art = { 0 };

    (void)state;
    build(&art, &plain, relayed, "<big@example.com>", "{x3000}\r\n");
    /* the session kept the first 2000 octets of two million */
    start(WAY_TAKETHIS, (struct span){ buf_data(&art), 2000 }, 2000000, "<big@example.com>", NULL, &r);
    wait_done(&r);
    assert_string_equal(r.text, "439 Article of 2000000 bytes exceeds local limit of 1000000 bytes");
    assert_true(known("<big@example.com>", WAY_IHAVE));
    buf_fini(&art);
}

static void why_tells_each_stage(void **state)
{
    struct change old = { "x", "Date", "{-40}", NULL, NULL };
    const struct conf_peer *peer = &house.conf->peer[1];
    struct intake_sender from = { .source = "why", .address = "", .peer = &peer, .n_peer = 1 };
    struct buf art = { 0 }, out = { 0 };

    (void)state;
    build(&art, &old, relayed, "<why@example.com>", "x\r\n");
    intake_explain(house.store, house.rules, &from, buf_span(&art), &out);
    buf_add(&out, "", 1);
    assert_non_null(strstr(buf_data(&out), "headers: ok\nidentity: ok\ndates: Too old -- "));
    assert_non_null(strstr(buf_data(&out), "\ngroups: Can't post to \"misc.test\"\n"));
    assert_int_equal(site_state(house.store, "<why@example.com>"), 0);
    buf_fini(&art);
    buf_fini(&out);
}

static void tell_import(struct span id, enum verdict v, const char *text, void *arg)
{
    (void)v;
    print_message("# %.*s: %s\n", SPAN_F(id), text);
    ++*(unsigned *)arg;
}

static void what_is_exported_can_be_imported_elsewhere(void **state)
{
    const char *file_name = kit_path("all.rnews.gz");
    struct store *mine = house.store, *other = site_open(kit_path("other-site"));
    struct import_counts c;
    struct err e = { 0 };
    unsigned told = 0;
    int64_t n;

    (void)state;
    site_group(other, "misc.test", 'y', NULL);
    site_group(other, "misc.other", 'y', NULL);
    site_group(other, "misc.mod", 'm', NULL);
    site_group(other, "misc.alias", '=', "misc.test");
    n = export_rnews(mine, file_name, SPAN("misc.test"), NULL, NULL, &e);
    assert_true(n > 20);
    if (import_rnews(other, house.rules, file_name, NULL, tell_import, &told, &c, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(c.articles, n);
    assert_int_equal(c.stored + c.refused, n);
    assert_int_equal(c.refused, told);
    assert_int_equal(c.refused, 0);
    site_verify(other);
    if (import_rnews(other, house.rules, file_name, NULL, NULL, NULL, &c, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(c.duplicate, n);
    store_close(&other);
}

static void a_broken_batch_is_told_with_its_place(void **state)
{
    const char *file_name = kit_path("broken.rnews");
    struct import_counts c;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(disk_replace(file_name, "#! rnews 5000\nshort", 19, 0600), 0);
    assert_int_equal(import_rnews(house.store, house.rules, file_name, NULL, NULL, NULL, &c, &e), -1);
    assert_non_null(strstr(e.text, "ends within article 1"));
    assert_int_equal(disk_replace(file_name, "From: me\n", 9, 0600), 0);
    assert_int_equal(import_rnews(house.store, house.rules, file_name, NULL, NULL, NULL, &c, &e), -1);
    assert_non_null(strstr(e.text, "does not begin with"));
}

/* ---- the house ---- */

static int build_house(void **state)
{
    static const struct { const char *name; char flag; const char *alias; } groups[] = {
        { "control", 'n', NULL }, { "control.cancel", 'n', NULL }, { "control.newgroup", 'n', NULL },
        { "control.rmgroup", 'n', NULL }, { "control.checkgroups", 'n', NULL }, { "junk", 'n', NULL },
        { "misc.test", 'y', NULL }, { "misc.other", 'y', NULL }, { "misc.mod", 'm', NULL },
        { "misc.nolocal", 'n', NULL }, { "misc.gone", 'x', NULL }, { "misc.junk", 'j', NULL },
        { "misc.alias", '=', "misc.test" }, { "local.only", 'y', NULL }, { "local.poison", 'y', NULL },
    };
    struct buf errors = { 0 };
    struct err e;

    (void)state;
    bad_disk_install();
    if (log_open("test", LOG_ERROR, getenv("VERBOSE") ? NULL : "/dev/null", &e) != 0)
        return -1;
    house.conf = conf_read_text("test", conf_text, &errors);
    if (house.conf == NULL) {
        print_message("%.*s", SPAN_F(buf_span(&errors)));
        return -1;
    }
    house.store = site_open(kit_path("site"));
    house.rules = intake_rules_new(house.conf);
    house.base = event_base_new();
    house.home = mailbox_new(house.base);
    house.lane = lane_new("disk", 2);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        site_group(house.store, groups[i].name, groups[i].flag, groups[i].alias);
    return 0;
}

static int leave_house(void **state)
{
    (void)state;
    store_close(&house.store);
    lane_free(&house.lane);
    mailbox_free(&house.home);
    event_base_free(house.base);
    intake_rules_unref(&house.rules);
    conf_free(&house.conf);
    libevent_global_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ihave_answers_as_the_table_of_inn_says),
        cmocka_unit_test(takethis_answers_as_the_table_of_inn_says),
        cmocka_unit_test(post_answers_as_the_table_of_inn_says),
        cmocka_unit_test(a_poster_without_the_right_may_not_approve),
        cmocka_unit_test(everything_but_path_and_xref_is_stored_byte_for_byte),
        cmocka_unit_test(the_path_says_whether_the_peer_s_name_was_seen),
        cmocka_unit_test(an_injected_article_has_what_rfc_5537_wants),
        cmocka_unit_test(message_id_and_date_given_keep_injection_date_away),
        cmocka_unit_test(articles_are_filed_where_inn_files_them),
        cmocka_unit_test(a_record_says_what_its_groups_were_here),
        cmocka_unit_test(the_second_copy_waits_and_hears_duplicate),
        cmocka_unit_test(the_second_copy_is_taken_when_the_first_cannot_be_stored),
        cmocka_unit_test(a_full_disk_is_said_as_later_by_every_command),
        cmocka_unit_test(the_claim_of_335_is_used_up),
        cmocka_unit_test(an_article_over_the_limit_is_refused_by_its_head),
        cmocka_unit_test(why_tells_each_stage),
        cmocka_unit_test(what_is_exported_can_be_imported_elsewhere),
        cmocka_unit_test(a_broken_batch_is_told_with_its_place),
    };

    return cmocka_run_group_tests(tests, build_house, leave_house);
}
