/* intakekit.h - articles through intake, as peers and posters send them, into a small site. */
#ifndef TESTS_UNIT_INTAKEKIT_H
#define TESTS_UNIT_INTAKEKIT_H

#include <event2/event.h>
#include <time.h>

#include "conf/conf.h"
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

MAYBE_UNUSED static void on_done(struct intake *in, void *user)
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

MAYBE_UNUSED static void start(enum intake_way way, struct span block, size_t true_size, const char *named, struct claim *claim,
                  struct result *r)
{
    static const struct conf_peer *peers[1];
    struct intake_sender from = { .source = "peer feed.example 192.0.2.1", .address = "192.0.2.1", .peer = peers,
                                  .n_peer = 1, .approve = SPAN("*") };
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

MAYBE_UNUSED static void wait_done(struct result *r)
{
    while (!r->done)
        event_base_loop(house.base, EVLOOP_ONCE);
}

MAYBE_UNUSED static struct result take(enum intake_way way, struct span block, const char *named)
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

MAYBE_UNUSED static void put_date(struct buf *out, double days)
{
    time_t t = time(NULL) + (time_t)(days * 86400);
    char text[64];
    struct tm tm;

    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&t, &tm));
    buf_puts(out, text);
}

/* "{-9.9}" becomes the date that many days from now, "{xN}" N letters. */
MAYBE_UNUSED static void expand(struct buf *out, const char *text)
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

MAYBE_UNUSED static void build(struct buf *out, const struct change *c, const char *const usual[][2], const char *id, const char *body)
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

/* ---- relaying ---- */

static const char *const relayed[][2] = {
    { "Path", "src.example!not-for-mail" }, { "From", "Joe <joe@example.com>" }, { "Newsgroups", "misc.test" },
    { "Subject", "t" }, { "Message-ID", "" }, { "Date", "{-0.01}" }, { NULL, NULL }
};

/* A good article but for one field is stored. */
MAYBE_UNUSED static void file(const char *id, const char *field, const char *value, const char *more)
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

/* Is a good article with this id refused as known afterwards? */
MAYBE_UNUSED static bool known(const char *id, enum intake_way way)
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

/* ---- the house ---- */

MAYBE_UNUSED static int build_house(void **state)
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

MAYBE_UNUSED static int leave_house(void **state)
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

#endif
