/* feeder/offer: who gets what.  Tables: what INN's feeds get, beside the block that says the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "article/groups.h"
#include "article/header.h"
#include "feeder/offer.h"
#include "lib/crc32c.h"
#include "lib/mem.h"
#include "tests/kit.h"

#define PEERS_MOST 100

/* ---- an article as the log has it ---- */

/* The groups of the site that the tables were made with. */
static const struct { const char *name; char flag; } site[] = {
    { "misc.test", 'y' }, { "local.only", 'y' }, { "comp.lang.c", 'y' }, { "comp.lang.perl", 'y' }, { "alt.test", 'y' },
    { "alt.binaries.pics", 'y' }, { "de.test", 'y' }, { "rec.a", 'y' }, { "rec.b", 'y' }, { "rec.c", 'y' },
    { "misc.mod", 'm' }, { "comp.sources.unix", 'm' }, { "x.gone", 'x' }, { "x.junk", 'j' }, { "x.al", '=' },
    { "junk", 'n' }, { "control", 'n' },
};

struct spec {
    const char *path, *groups, *id, *more;
    size_t   body;
    uint16_t flags;
    bool     old;           /* a record of minor 0: it says nothing of its groups */
};

#define USUAL { .path = "src.example!not-for-mail", .groups = "misc.test", .id = "<a@b.example>", .more = "" }

static char flag_of(struct span group)
{
    for (size_t i = 0; i < sizeof site / sizeof *site; i++)
        if (span_eq(group, span_of(site[i].name)))
            return site[i].flag;
    return '\0';
}

/* What intake notes of the groups, and where the article goes: as a field Xref. */
static uint16_t file_it(const struct spec *s, bool control, struct buf *xref)
{
    bool like_newgroup = control && strstr(s->more, "Approved") != NULL && strstr(s->more, "group") != NULL;
    uint16_t flags = RECORD_GROUPS;
    struct span name;
    size_t at = 0;

    buf_puts(xref, "Xref: us.example");
    while (groups_next(span_of(s->groups), &at, &name)) {
        char flag = flag_of(name);

        if (flag != '\0')
            flags |= RECORD_KNOWN;
        else if (!like_newgroup)
            flags |= RECORD_UNKNOWN;
        if (flag == 'm')
            flags |= RECORD_MODERATED;
        if (flag == 'j')
            flags |= RECORD_JUNK;
        if (flag == 'y' || flag == 'm' || flag == 'n')
            buf_printf(xref, " %.*s:1", SPAN_F(name));
    }
    if (flags == (RECORD_GROUPS | RECORD_UNKNOWN))
        flags |= RECORD_JUNK;
    if (flags & RECORD_JUNK)
        buf_puts(xref, " junk:1");
    buf_puts(xref, "\r\n");
    return flags;
}

static struct record_range range_of(struct span data, struct span part)
{
    return part.n > 0 ? (struct record_range){ (uint32_t)(part.p - data.p), (uint32_t)part.n } : (struct record_range){ 0, 0 };
}

static void write_article(struct buf *out, const struct spec *s, const struct buf *xref)
{
    buf_printf(out, "Path: us.example!%s\r\nFrom: Joe <joe@example.com>\r\nNewsgroups: %s\r\nSubject: t\r\n"
               "Message-ID: %s\r\nDate: Fri, 20 Nov 2026 23:58:29 GMT\r\n%s", s->path, s->groups, s->id, s->more);
    buf_add_span(out, buf_span((struct buf *)(uintptr_t)xref));
    buf_puts(out, "\r\n");
    for (size_t i = 0; i < s->body; i += 50)
        buf_puts(out, "................................................\r\n");
    buf_puts(out, "hello\r\n.\r\n");
}

/* A record as it is packed and read again.  'bytes' holds it and must stay. */
static struct record make(struct buf *bytes, const struct spec *s)
{
    struct buf text = { 0 }, xref = { 0 };
    struct record in = { .kind = RECORD_ARTICLE, .seq = 1, .source = SPAN("test") }, r;
    struct headers h;
    struct span where, head;
    size_t size;

    in.flags = (uint16_t)(s->flags | (strstr(s->more, "Control: ") != NULL ? RECORD_CONTROL : 0));
    in.flags |= file_it(s, in.flags & RECORD_CONTROL, &xref);
    if (s->old)
        in.flags &= RECORD_LOCAL | RECORD_CONTROL;
    write_article(&text, s, &xref);
    in.data = buf_span(&text);
    head = (struct span){ in.data.p, (size_t)((const char *)memmem(in.data.p, in.data.n, "\r\n\r\n", 4) - in.data.p) + 2 };
    in.body = (uint32_t)head.n + 2;
    assert_int_equal(headers_read(&h, head, &where), HDR_OK);
    in.path = range_of(in.data, hdr_body(&h, HDR_PATH));
    in.newsgroups = range_of(in.data, hdr_body(&h, HDR_NEWSGROUPS));
    in.distribution = range_of(in.data, hdr_body(&h, HDR_DISTRIBUTION));
    in.msgid = range_of(in.data, hdr_body(&h, HDR_MESSAGE_ID));
    buf_clear(bytes);
    record_pack(bytes, &in, crc32c(0, in.data.p, in.data.n));
    buf_add_span(bytes, in.data);
    buf_add(bytes, "\0\0\0\0\0\0\0", 7);
    assert_int_equal(record_read(&r, buf_span(bytes), 1, true, NULL, 0, &size), RECORD_OK);
    buf_fini(&text);
    buf_fini(&xref);
    return r;
}

static struct conf *conf_of(const char *peers)
{
    struct buf errors = { 0 }, text = { 0 };
    struct conf *c;

    buf_printf(&text, "site \"us.example\" { directory = \"/tmp\" local-groups = { \"private.*\" } private-groups = { \"secret.*\", \"!secret.told\" } }\nlisten \"127.0.0.1:119\" {}\n%s", peers);
    buf_add(&text, "", 1);
    if ((c = conf_read_text("table", buf_data(&text), &errors)) == NULL)
        fail_msg("%.*s", SPAN_F(buf_span(&errors)));
    buf_fini(&text);
    buf_fini(&errors);
    return c;
}

/* ---- the tables ---- */

static struct buf file;

static void add_site(const struct kit_row *row, void *arg)
{
    (void)arg;
    /* two names may differ in case alone: the line is part of the peer's */
    buf_printf(&file, "peer \"l%d.%.*s\" {\n address = { \"127.0.0.1\" } connect = \"127.0.0.1:119\" send = true\n path = { \"%.*s\" }\n%.*s\n}\n",
               row->line, SPAN_F(row->cell[0]), SPAN_F(row->cell[0]), SPAN_F(row->cell[5]));
}

static unsigned wrong, rows;

static bool listed(struct span words, const char *word)
{
    struct span w;

    while ((w = span_word(&words)).n > 0)
        if (span_eq(w, span_of(word)))
            return true;
    return false;
}

/* "+name" or "-name" in the row's fourth cell: Freshet differs, and the fifth says why. */
static bool wanted(const struct kit_row *row, const char *name)
{
    bool inn = listed(row->cell[2], name);
    char plus[80], minus[80];

    snprintf(plus, sizeof plus, "+%s", name);
    snprintf(minus, sizeof minus, "-%s", name);
    if (listed(row->cell[3], plus) || listed(row->cell[3], minus)) {
        assert_true(row->cell[4].n > 0);
        assert_true(inn == listed(row->cell[3], minus));
        return !inn;
    }
    return inn;
}

struct table { const struct conf *c; struct offer *o; };

static void decide(const struct kit_row *row, struct table *t, const struct spec *s)
{
    struct buf bytes = { 0 };
    struct record r = make(&bytes, s);
    uint8_t why[PEERS_MOST];
    size_t said_yes = offer_all(t->o, &r, why), many = 0;

    rows++;
    for (size_t i = 0; i < offer_peers(t->o); i++) {
        const char *name = strchr(t->c->peer[i].name, '.') + 1;

        many += why[i] == OFFER_YES;
        assert_int_equal(offer_one(t->o, i, &r), why[i]);
        if (name[0] == 'q' || (why[i] == OFFER_YES) == wanted(row, name))
            continue;
        wrong++;
        print_message("line %d, %.*s: %s: %s\n", row->line, SPAN_F(row->cell[1]), name, offer_words[why[i]]);
    }
    assert_int_equal(said_yes, many);
    buf_fini(&bytes);
}

static void article_row(const struct kit_row *row, void *arg)
{
    char what[400], more[800] = "", *in;
    struct spec s = USUAL;

    s.more = more;
    snprintf(what, sizeof what, "%.*s", SPAN_F(row->cell[1]));
    if (strncmp(what, "Newsgroups: ", 12) == 0) {
        s.groups = what + 12;
    } else if (strncmp(what, "Path: ", 6) == 0) {
        s.path = what + 6;
    } else if (strncmp(what, "size", 4) == 0) {
        s.body = 2700;
    } else if (strcmp(what, "moderated") == 0) {
        s.groups = "comp.sources.unix";
        snprintf(more, sizeof more, "Approved: me\r\n");
    } else if (strncmp(what, "2 groups, ", 10) == 0) {
        s.groups = "rec.a,rec.b";
        snprintf(more, sizeof more, "%s\r\n", what + 10);
    } else if (strcmp(what, "Supersedes") == 0) {
        snprintf(more, sizeof more, "Supersedes: <old@b.example>\r\n");
    } else if (strncmp(what, "Control: ", 9) == 0 && (in = strstr(what, " in ")) != NULL) {
        char *not = strstr(in, " no Approved");
        bool approved = not == NULL && (strstr(what, "group") != NULL);

        if (not != NULL)
            *not = '\0';
        *in = '\0';
        s.groups = in + 4;
        snprintf(more, sizeof more, "%s\r\n%s", what, approved ? "Approved: me\r\n" : "");
    } else {
        snprintf(more, sizeof more, "%s\r\n", what);
    }
    decide(row, arg, &s);
}

static void feeds_of_inn_can_be_said_and_get_the_same(void **state)
{
    struct conf *c;
    struct table t;

    (void)state;
    buf_clear(&file);
    kit_table("feed-sites.tsv", add_site, NULL);
    buf_add(&file, "", 1);
    c = conf_of(buf_data(&file));
    t = (struct table){ c, offer_new(c) };
    assert_int_equal(offer_peers(t.o), 46);
    kit_table("feed-selection.tsv", article_row, &t);
    assert_int_equal(rows, 56);
    assert_int_equal(wrong, 0);
    offer_free(&t.o);
    conf_free(&c);
    buf_fini(&file);
}

/* ---- rules that the tables do not have, or not alone ---- */

static char said[500];      /* the sentence of the last decision */

static enum offer_why of(const char *settings, const struct spec *s)
{
    char *peer = xasprintf("peer \"p.example\" { address = { \"127.0.0.1\" } send = true connect = \"127.0.0.1:119\"\n%s\n}\n", settings);
    struct conf *c = conf_of(peer);
    struct offer *o = offer_new(c);
    struct buf bytes = { 0 }, text = { 0 };
    struct record r = make(&bytes, s);
    enum offer_why why = offer_one(o, 0, &r);

    assert_int_equal(offer_explain(o, 0, &r, &text), why);
    snprintf(said, sizeof said, "%.*s", SPAN_F(buf_span(&text)));
    buf_fini(&bytes);
    buf_fini(&text);
    offer_free(&o);
    conf_free(&c);
    free(peer);
    return why;
}

struct rule_case {
    const char *settings;
    struct spec s;
    enum offer_why why;
};

#define ARTICLE(...) { .path = "src.example!not-for-mail", .id = "<a@b.example>", __VA_ARGS__ }
#define IN(g) .groups = (g), .more = ""
#define WITH(m) .groups = "misc.test", .more = m "\r\n"
#define CANCEL "Control: cancel <x@b.example>"
#define PIN "fingerprint = \"" TEN TEN TEN TEN TEN TEN "0123\" "
#define TEN "0123456789"
#define NEWGROUP "Control: newgroup x.new moderated\r\nApproved: a@b.example"

static const struct rule_case cases[] = {
    /* groups that never leave, not even crossposted, whatever the peer's list says */
    { "", ARTICLE(IN("private.talk")), OFFER_LOCAL },
    { "groups = \"private.*\"", ARTICLE(IN("misc.test,private.talk")), OFFER_LOCAL },
    { "groups = \"misc.*\"", ARTICLE(IN("private.talk")), OFFER_NO_GROUP },
    { "", ARTICLE(.groups = "private.talk", .more = CANCEL "\r\n"), OFFER_LOCAL },

    /* private groups: by TLS to a certificate that is pinned, and not otherwise, crossposted or not */
    { "", ARTICLE(IN("secret.talk")), OFFER_PRIVATE },
    { "", ARTICLE(IN("misc.test,secret.talk")), OFFER_PRIVATE },
    { "", ARTICLE(.groups = "secret.talk", .more = CANCEL "\r\n"), OFFER_PRIVATE },
    { "", ARTICLE(IN("secret.told")), OFFER_YES },
    { "", ARTICLE(IN("secret.talk"), .old = true), OFFER_PRIVATE },
    { "tls = starttls", ARTICLE(IN("secret.talk")), OFFER_PRIVATE },
    { "tls = yes", ARTICLE(IN("secret.talk")), OFFER_PRIVATE },
    { "tls = starttls " PIN, ARTICLE(IN("secret.talk")), OFFER_YES },
    { "tls = yes " PIN "groups = { \"secret.*\" }", ARTICLE(IN("misc.test,secret.talk")), OFFER_YES },
    { "tls = yes " PIN, ARTICLE(IN("private.talk,secret.talk")), OFFER_LOCAL },
    { "groups = \"misc.*\"", ARTICLE(IN("secret.talk")), OFFER_NO_GROUP },
    { "groups = { \"*\", \"@secret.*\" }", ARTICLE(IN("secret.talk")), OFFER_PRIVATE },
    { "tls = yes " PIN "groups = { \"*\", \"@secret.*\" }", ARTICLE(IN("secret.talk")), OFFER_POISON },

    /* a cancel goes where its groups go: "*" does not stand for control.cancel */
    { "groups = { \"*\", \"!misc.*\" }", ARTICLE(WITH(CANCEL)), OFFER_NO_GROUP },
    { "groups = { \"*\", \"!misc.*\", \"control.cancel\" }", ARTICLE(WITH(CANCEL)), OFFER_YES },
    { "groups = { \"*\", \"!misc.*\", \"control.*\" }", ARTICLE(WITH("Control: CANCEL <x@b.example>")), OFFER_YES },
    { "groups = { \"*\", \"!misc.*\", \"control.*\" }", ARTICLE(WITH("Subject2: x")), OFFER_NO_GROUP },
    { "groups = { \"*\", \"@control.cancel\" }", ARTICLE(WITH(CANCEL)), OFFER_POISON },
    { "groups = { \"*\", \"!control.cancel\" }", ARTICLE(WITH(CANCEL)), OFFER_YES },
    { "control = no", ARTICLE(WITH(CANCEL)), OFFER_CONTROL },
    { "control = only", ARTICLE(WITH("X-Y: z")), OFFER_NO_CONTROL },
    { "control = only", ARTICLE(WITH(CANCEL)), OFFER_YES },

    /* junk alone decides for those who name it, when nothing else is known */
    { "groups = { \"*\", \"!junk\" }", ARTICLE(IN("no.such")), OFFER_NO_GROUP },
    { "groups = { \"*\", \"@junk\" }", ARTICLE(IN("no.such")), OFFER_POISON },
    { "groups = { \"junk\" }", ARTICLE(IN("no.such")), OFFER_YES },
    { "groups = { \"no.*\" }", ARTICLE(IN("no.such")), OFFER_YES },
    { "groups = { \"comp.*\", \"junk\" }", ARTICLE(IN("comp.such")), OFFER_YES },
    { "groups = { \"*\", \"!junk\" }", ARTICLE(IN("no.such,misc.test")), OFFER_YES },

    /* moderated: in one moderated group at least; a newgroup's own group is neither */
    { "moderated = only", ARTICLE(.groups = "misc.test,misc.mod", .more = "Approved: a\r\n"), OFFER_YES },
    { "moderated = no", ARTICLE(.groups = "misc.test,misc.mod", .more = "Approved: a\r\n"), OFFER_MODERATED },
    { "moderated = only", ARTICLE(WITH("Approved: a@b.example")), OFFER_UNMODERATED },
    { "moderated = only", ARTICLE(.groups = "x.new", .more = NEWGROUP "\r\n"), OFFER_YES },
    { "moderated = no", ARTICLE(.groups = "x.new", .more = NEWGROUP "\r\n"), OFFER_YES },
    { "known-groups = true", ARTICLE(.groups = "x.new", .more = NEWGROUP "\r\n"), OFFER_YES },
    { "known-groups = true", ARTICLE(WITH(CANCEL)), OFFER_YES },
    { "known-groups = true", ARTICLE(IN("misc.test,no.such")), OFFER_UNKNOWN_GROUP },
    { "known-groups = true", ARTICLE(IN("misc.test,misc.test,x.al,x.gone")), OFFER_YES },

    /* the same of records that do not say it */
    { "moderated = only", ARTICLE(.groups = "misc.mod", .more = "Approved: a\r\n", .old = true), OFFER_YES },
    { "moderated = no", ARTICLE(.groups = "misc.mod", .more = "Approved: a\r\n", .old = true), OFFER_MODERATED },
    { "moderated = only", ARTICLE(IN("misc.test"), .old = true), OFFER_UNMODERATED },
    { "moderated = only", ARTICLE(WITH(NEWGROUP), .old = true), OFFER_UNMODERATED },
    { "known-groups = true", ARTICLE(IN("misc.test,rec.a"), .old = true), OFFER_YES },
    { "known-groups = true", ARTICLE(IN("misc.test,misc.tes"), .old = true), OFFER_UNKNOWN_GROUP },
    { "known-groups = true", ARTICLE(WITH(CANCEL), .old = true), OFFER_YES },
    { "groups = \"junk\"", ARTICLE(IN("no.such"), .old = true), OFFER_YES },

    /* Path: any of its names, whole, case-blind, diagnostics apart */
    { "path = { \"p.example\", \"other.example\" }", { .path = "x!Other.Example!not-for-mail", IN("misc.test"), .id = "<a@b>" }, OFFER_IN_PATH },
    { "", { .path = "x!other.example!not-for-mail", IN("misc.test"), .id = "<a@b>" }, OFFER_YES },
    { "", { .path = "x!.MISMATCH.p.example!y!not-for-mail", IN("misc.test"), .id = "<a@b>" }, OFFER_YES },
    /* RFC 5537 3.6: neither the tail entry nor what is behind .POSTED */
    { "", { .path = "x!p.example", IN("misc.test"), .id = "<a@b>" }, OFFER_YES },
    { "", { .path = "x!.POSTED!p.example!not-for-mail", IN("misc.test"), .id = "<a@b>" }, OFFER_YES },
    { "", { .path = "p.example!.POSTED!not-for-mail", IN("misc.test"), .id = "<a@b>" }, OFFER_IN_PATH },
    { "exclude = \"bad.example\"", { .path = "x!.POSTED!bad.example!not-for-mail", IN("misc.test"), .id = "<a@b>" }, OFFER_EXCLUDED },
    { "path-check = false", { .path = "x!p.example!not-for-mail", IN("misc.test"), .id = "<a@b>" }, OFFER_YES },
    { "path-check = false exclude = \"bad.example\"", { .path = "x!BAD.example!not-for-mail", IN("misc.test"), .id = "<a@b>" }, OFFER_EXCLUDED },
    { "path = \"*\"", { .path = "x!p.example!*!not-for-mail", IN("misc.test"), .id = "<a@b>" }, OFFER_YES },
    { "hops-max = 2", { .path = "x!y!not-for-mail", IN("misc.test"), .id = "<a@b>" }, OFFER_HOPS },
    { "hops-max = 3", { .path = "x!y!not-for-mail", IN("misc.test"), .id = "<a@b>" }, OFFER_YES },

    /* sizes, from and to */
    { "size-max = 2K", ARTICLE(IN("misc.test"), .body = 5000), OFFER_TOO_LARGE },
    { "size-min = 10K", ARTICLE(IN("misc.test"), .body = 5000), OFFER_TOO_SMALL },
    { "size-min = 2K size-max = 10K", ARTICLE(IN("misc.test"), .body = 5000), OFFER_YES },

    /* crossposts and their answers */
    { "crosspost-max = 2", ARTICLE(IN("rec.a,rec.b,rec.c")), OFFER_CROSSPOST },
    { "followup-max = 2", ARTICLE(IN("rec.a,rec.b,rec.c")), OFFER_FOLLOWUPS },
    { "followup-max = 2", ARTICLE(.groups = "rec.a,rec.b,rec.c", .more = "Followup-To: rec.a\r\n"), OFFER_YES },
    { "followup-max = 1", ARTICLE(.groups = "rec.a,rec.b", .more = "Followup-To: poster\r\n"), OFFER_YES },
    { "crosspost-weight-max = 2", ARTICLE(.groups = "rec.a,rec.b", .more = "Followup-To: poster\r\n"), OFFER_YES },
    { "crosspost-weight-max = 5", ARTICLE(IN("rec.a,rec.b")), OFFER_WEIGHT },

    /* distributions */
    { "distributions = { \"!local\" }", ARTICLE(WITH("Distribution: LOCAL")), OFFER_DISTRIBUTION },
    { "distributions = { \"!local\" }", ARTICLE(WITH("Distribution: local, world")), OFFER_YES },
    { "distributions = { \"world\" }", ARTICLE(WITH("X-Y: z")), OFFER_YES },
    { "require-distribution = true", ARTICLE(WITH("X-Y: z")), OFFER_NO_DISTRIBUTION },
    { "require-distribution = true", ARTICLE(WITH("Distribution: world")), OFFER_YES },

    /* who injected it */
    { "origins = \"good.example\"", ARTICLE(WITH("Injection-Info: (of (old)) good.example; x=y")), OFFER_YES },
    { "origins = \"good.example\"", ARTICLE(WITH("Injection-Info: bad.example\r\nX-Trace: good.example")), OFFER_ORIGIN },
    { "origins = \"good.example\"", ARTICLE(WITH("X-Y: z")), OFFER_ORIGIN },
    { "posted-here = true", ARTICLE(IN("misc.test")), OFFER_NOT_OURS },
    { "posted-here = true", ARTICLE(IN("misc.test"), .flags = RECORD_LOCAL), OFFER_YES },

    /* the first reason is told */
    { "size-max = 100 groups = { \"*\", \"@misc.*\" }", ARTICLE(IN("misc.test")), OFFER_POISON },
    { "groups = { \"@misc.*\" }", ARTICLE(IN("misc.test")), OFFER_POISON },
    { "hops-max = 1 control = only", ARTICLE(IN("misc.test")), OFFER_HOPS },
};

static void each_rule_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum offer_why why = of(cases[i].settings, &cases[i].s);

        if (why != cases[i].why)
            fail_msg("case %zu, %s, %s %s: \"%s\", not \"%s\"", i, cases[i].settings, cases[i].s.groups, cases[i].s.more,
                     offer_words[why], offer_words[cases[i].why]);
    }
}

static void reasons_are_told_with_figures(void **state)
{
    static const struct { const char *settings, *says; struct spec s; } words[] = {
        { "", "wanted", ARTICLE(IN("misc.test")) },
        { "groups = \"rec.*\"", "in no group that it takes (groups)", ARTICLE(IN("misc.test")) },
        { "hops-max = 1", "too many names in Path (hops-max): 2, at most 1", ARTICLE(IN("misc.test")) },
        { "crosspost-max = 1", "in too many groups (crosspost-max): 2, at most 1", ARTICLE(IN("misc.test,rec.a")) },
        { "size-min = 1000", "too small (size-min): 213, at least 1000", ARTICLE(IN("misc.test")) },
        { "origins = \"x\"", "by who injected it (origins): inj.example", ARTICLE(WITH("Injection-Info: inj.example; a=b")) },
        { "origins = \"x\"", "by who injected it (origins): it does not say", ARTICLE(IN("misc.test")) },
        { "distributions = \"x\"", "not its distribution (distributions): local", ARTICLE(WITH("Distribution: local")) },
        { "hash = \"2/2\"", "in another's share (hash): part 1 of 2", ARTICLE(IN("misc.test")) },
        { "control = no", "a control message (control = no)", ARTICLE(WITH(CANCEL)) },
    };

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        (void)of(words[i].settings, &words[i].s);
        assert_string_equal(said, words[i].says);
    }
    for (int i = 0; i < OFFER_WHYS; i++)
        assert_non_null(offer_words[i]);
}

/* ---- shares ---- */

static bool takes(const char *hash, const char *id)
{
    struct spec s = USUAL;
    char *setting = xasprintf("hash = \"%s\"", hash);
    bool yes;

    s.id = id;
    yes = of(setting, &s) == OFFER_YES;
    free(setting);
    return yes;
}

/* MD5 by md5sum of "<hash1@test.example>", in four numbers of 32 bits:
 * 722d2a88 83956cb6 aefc72e0 b27e32d9 */
static void shares_are_those_of_inn_and_diablo(void **state)
{
    static const struct { uint32_t sum; const char *end; } parts[] = {
        { UINT32_C(0xb27e32d9), "" }, { UINT32_C(0xb27e32d9), "_0" }, { UINT32_C(0xaefc72e0), "_4" },
        { UINT32_C(0x83956cb6), "_8" }, { UINT32_C(0x722d2a88), "_12" }, { UINT32_C(0xe0b27e32), "_1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *mine = xasprintf("%u/1000%s", parts[i].sum % 1000 + 1, parts[i].end);
        char *next = xasprintf("%u/1000%s", (parts[i].sum + 1) % 1000 + 1, parts[i].end);

        assert_true(takes(mine, "<hash1@test.example>"));
        assert_false(takes(next, "<hash1@test.example>"));
        free(mine);
        free(next);
    }
}

static void shares_are_whole_and_do_not_overlap(void **state)
{
    unsigned first = 0;
    char id[80];

    (void)state;
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "<%d@hash.example>", i);
        assert_int_equal(takes("1/3", id) + takes("2-3/3", id), 1);
        first += takes("1/3", id);
    }
    assert_in_range(first, 70, 130);
}

static void a_share_is_two_numbers_and_perhaps_more(void **state)
{
    static const char *const bad[] = { "", "1", "0/2", "3/2", "2-1/2", "1/0", "1/2/3", "1-2-3/4", "a/2", "1/2_", "1/2_13", "1/1000001",
                                       "-1/2", "1-/2", "/2", "1/", "1/2_4_4", " 1/2" };
    struct conf_hash h;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (conf_read_hash(bad[i], &h) == 0)
            fail_msg("\"%s\" is a share", bad[i]);
    assert_int_equal(conf_read_hash("2-3/10_4", &h), 0);
    assert_true(h.from == 2 && h.to == 3 && h.of == 10 && h.offset == 4);
    assert_int_equal(conf_read_hash("7/7", &h), 0);
    assert_true(h.from == 7 && h.to == 7 && h.of == 7 && h.offset == 0);
}

/* ---- many peers, other records ---- */

/* More peers than a word has bits; each list and limit twice, in turn. */
static void peers_beyond_a_word_are_decided_one_by_one(void **state)
{
    enum { MANY = 200 };
    struct buf peers = { 0 }, bytes = { 0 };
    struct spec s = USUAL;
    uint8_t why[MANY];
    struct conf *c;
    struct offer *o;
    struct record r;

    (void)state;
    for (int i = 0; i < MANY; i++)
        buf_printf(&peers, "peer \"p%d.example\" { address = { \"127.0.0.1\" } send = %s groups = \"%s\" %s }\n", i,
                   i % 5 == 0 ? "false" : "true", i % 3 == 0 ? "rec.*" : "misc.*", i % 7 == 0 ? "hops-max = 1" : "");
    buf_add(&peers, "", 1);
    c = conf_of(buf_data(&peers));
    o = offer_new(c);
    assert_int_equal(offer_peers(o), MANY - MANY / 5);
    r = make(&bytes, &s);
    (void)offer_all(o, &r, why);
    for (int i = 0, k = 0; i < MANY; i++) {
        if (i % 5 == 0)
            continue;
        assert_int_equal(why[k], i % 3 == 0 ? OFFER_NO_GROUP : i % 7 == 0 ? OFFER_HOPS : OFFER_YES);
        assert_int_equal(offer_one(o, (size_t)k, &r), why[k]);
        k++;
    }
    offer_free(&o);
    conf_free(&c);
    buf_fini(&peers);
    buf_fini(&bytes);
}

static void other_records_are_for_nobody(void **state)
{
    struct conf *c = conf_of("peer \"p.example\" { address = { \"127.0.0.1\" } send = true }\n");
    struct offer *o = offer_new(c);
    struct record r = { .kind = RECORD_CANCEL };
    struct spec s = USUAL;
    struct buf bytes = { 0 };
    uint8_t why[1];

    (void)state;
    assert_int_equal(offer_all(o, &r, why), 0);
    assert_int_equal(why[0], OFFER_NOT_ARTICLE);
    r = make(&bytes, &s);
    assert_int_equal(offer_one(o, 0, &r), OFFER_YES);
    record_set_gone(&r, RECORD_GONE);
    assert_int_equal(offer_one(o, 0, &r), OFFER_NOT_ARTICLE);
    buf_fini(&bytes);
    offer_free(&o);
    conf_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feeds_of_inn_can_be_said_and_get_the_same), cmocka_unit_test(each_rule_alone),
        cmocka_unit_test(reasons_are_told_with_figures), cmocka_unit_test(shares_are_those_of_inn_and_diablo),
        cmocka_unit_test(shares_are_whole_and_do_not_overlap), cmocka_unit_test(a_share_is_two_numbers_and_perhaps_more),
        cmocka_unit_test(peers_beyond_a_word_are_decided_one_by_one), cmocka_unit_test(other_records_are_for_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
