/* feeder/offer: who gets what.  Tables: what INN's feeds get, beside the block that says the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "article/groups.h"
#include "article/header.h"
#include "feeder/offer.h"
#include "feeder/traits.h"
#include "lib/mem.h"
#include "tests/kit.h"

#define PEERS_MOST 100

/* --- an article as the log has it --------------------------------------- */

static const char *const known[] = {
    "misc.test", "local.only", "comp.lang.c", "comp.lang.perl", "alt.test", "alt.binaries.pics", "de.test", "rec.a", "rec.b",
    "rec.c", "misc.mod", "comp.sources.unix", "x.gone", "x.junk", "x.al", "junk", "control",
};

static struct record_number numbers[20];

static unsigned count_known(struct span list)
{
    struct span name;
    unsigned n = 0;
    size_t at;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (at = 0; groups_next(list, &at, &name);)
            if (span_eq(name, span_of(known[i]))) {
                n++;
                break;
            }
    return n;
}

static struct record_range range_of(struct span data, struct span part)
{
    return part.n > 0 ? (struct record_range){ (uint32_t)(part.p - data.p), (uint32_t)part.n } : (struct record_range){ 0, 0 };
}

struct spec { const char *path, *groups, *id, *more; size_t body; uint16_t flags; };

/* 'text' holds the article and must stay. */
static struct record make(struct buf *text, const struct spec *s)
{
    struct record r = { .kind = RECORD_ARTICLE, .seq = 1, .flags = s->flags, .numbers = numbers };
    struct headers h;
    struct span where;

    buf_clear(text);
    buf_printf(text, "Path: us.example!%s\r\nFrom: Joe <joe@example.com>\r\nNewsgroups: %s\r\nSubject: t\r\n"
               "Message-ID: %s\r\nDate: Fri, 20 Nov 2026 23:58:29 GMT\r\n%s\r\n", s->path, s->groups, s->id, s->more);
    r.body = (uint32_t)buf_len(text);
    for (size_t i = 0; i < s->body; i += 50)
        buf_puts(text, "................................................\r\n");
    buf_puts(text, "hello\r\n.\r\n");
    r.data = buf_span(text);
    assert_int_equal(headers_read(&h, (struct span){ r.data.p, r.body - 2 }, &where), HDR_OK);
    r.path = range_of(r.data, hdr_body(&h, HDR_PATH));
    r.newsgroups = range_of(r.data, hdr_body(&h, HDR_NEWSGROUPS));
    r.distribution = range_of(r.data, hdr_body(&h, HDR_DISTRIBUTION));
    r.msgid = range_of(r.data, hdr_body(&h, HDR_MESSAGE_ID));
    r.n_numbers = count_known(hdr_body(&h, HDR_NEWSGROUPS));
    if (hdr_has(&h, HDR_CONTROL))
        r.flags |= RECORD_CONTROL;
    return r;
}

#define USUAL { .path = "src.example!not-for-mail", .groups = "misc.test", .id = "<a@b.example>", .more = "" }

/* --- the tables --------------------------------------------------------- */

static struct buf file;

static void add_site(const struct kit_row *row, void *arg)
{
    (void)arg;
    /* two names may differ in case alone: the line is part of the peer's */
    buf_printf(&file, "peer \"l%d.%.*s\" {\n address = { \"127.0.0.1\" } connect = \"127.0.0.1:119\" send = true\n path = { \"%.*s\" }\n%.*s\n}\n",
               row->line, SPAN_F(row->cell[0]), SPAN_F(row->cell[0]), SPAN_F(row->cell[5]));
}

static struct conf *conf_of(const char *peers)
{
    struct buf errors = { 0 }, text = { 0 };
    struct conf *c;

    buf_printf(&text, "site \"us.example\" { directory = \"/tmp\" local-groups = { \"private.*\" } }\nlisten \"127.0.0.1:119\" {}\n%s", peers);
    buf_add(&text, "", 1);
    if ((c = conf_read_text("table", buf_data(&text), &errors)) == NULL)
        fail_msg("%.*s", SPAN_F(buf_span(&errors)));
    buf_fini(&text);
    buf_fini(&errors);
    return c;
}

static unsigned wrong;

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
    char plus[80], minus[80];

    snprintf(plus, sizeof plus, "+%s", name);
    snprintf(minus, sizeof minus, "-%s", name);
    if (listed(row->cell[3], plus) || listed(row->cell[3], minus)) {
        assert_true(row->cell[4].n > 0);
        return listed(row->cell[3], plus);
    }
    return listed(row->cell[2], name);
}

struct table { const struct conf *c; struct offer *o; };

static void decide(const struct kit_row *row, struct table *t, const struct spec *s)
{
    struct buf text = { 0 };
    struct record r = make(&text, s);
    uint8_t why[PEERS_MOST];

    offer_all(t->o, &r, why);
    for (size_t i = 0; i < offer_peers(t->o); i++) {
        const char *name = strchr(t->c->peer[i].name, '.') + 1;

        assert_int_equal(offer_one(t->o, i, &r), why[i]);
        if (name[0] == 'q' || (why[i] == OFFER_YES) == wanted(row, name))
            continue;
        wrong++;
        print_message("line %d, %.*s: %s gets it: %s\n", row->line, SPAN_F(row->cell[0]), name, offer_words[why[i]]);
    }
    buf_fini(&text);
}

static void article_row(const struct kit_row *row, void *arg)
{
    char what[400], more[800] = "", *in;
    struct spec s = USUAL;

    s.more = more;
    snprintf(what, sizeof what, "%.*s", SPAN_F(row->cell[0]));
    if (strncmp(what, "Newsgroups: ", 12) == 0)
        s.groups = what + 12;
    else if (strncmp(what, "Path: ", 6) == 0)
        s.path = what + 6;
    else if (strncmp(what, "size", 4) == 0)
        s.body = 2700;
    else if (strcmp(what, "moderated") == 0)
        s.groups = "misc.mod,comp.sources.unix", snprintf(more, sizeof more, "Approved: me\r\n"), s.groups = "comp.sources.unix";
    else if (strncmp(what, "2 groups, ", 10) == 0)
        s.groups = "rec.a,rec.b", snprintf(more, sizeof more, "%s\r\n", what + 10);
    else if (strcmp(what, "Supersedes") == 0)
        snprintf(more, sizeof more, "Supersedes: <old@b.example>\r\n");
    else if (strncmp(what, "Control: ", 9) == 0 && (in = strstr(what, " in ")) != NULL)
        *in = '\0', s.groups = in + 4, snprintf(more, sizeof more, "%s\r\nApproved: me\r\n", what);
    else
        snprintf(more, sizeof more, "%s\r\n", what);
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
    assert_int_equal(wrong, 0);
    offer_free(&t.o);
    conf_free(&c);
    buf_fini(&file);
}

/* --- rules that the tables do not have ----------------------------------- */

static enum offer_why of(const char *settings, const struct spec *s)
{
    char *peer = xasprintf("peer \"p.example\" { address = { \"127.0.0.1\" } send = true connect = \"127.0.0.1:119\"\n%s\n}\n", settings);
    struct conf *c = conf_of(peer);
    struct offer *o = offer_new(c);
    struct buf text = { 0 };
    struct record r = make(&text, s);
    enum offer_why why = offer_one(o, 0, &r);

    buf_fini(&text);
    offer_free(&o);
    conf_free(&c);
    free(peer);
    return why;
}

static void local_groups_never_leave_not_even_crossposted(void **state)
{
    struct spec s = USUAL;

    (void)state;
    s.groups = "private.talk";
    assert_int_equal(of("", &s), OFFER_LOCAL);
    s.groups = "misc.test,private.talk";
    assert_int_equal(of("", &s), OFFER_LOCAL);
    s.groups = "misc.test";
    assert_int_equal(of("", &s), OFFER_YES);
}

static void only_what_was_posted_here(void **state)
{
    struct spec s = USUAL;

    (void)state;
    assert_int_equal(of("posted-here = true", &s), OFFER_NOT_OURS);
    s.flags = RECORD_LOCAL;
    assert_int_equal(of("posted-here = true", &s), OFFER_YES);
}

static void a_peer_in_path_by_any_of_its_names_has_had_it(void **state)
{
    struct spec s = USUAL;

    (void)state;
    s.path = "x!Other.Example!not-for-mail";
    assert_int_equal(of("path = { \"p.example\", \"other.example\" }", &s), OFFER_IN_PATH);
    assert_int_equal(of("", &s), OFFER_YES);
    assert_int_equal(of("path-check = false path = { \"other.example\" }", &s), OFFER_YES);
}

static void shares_by_hash_are_whole_and_do_not_overlap(void **state)
{
    unsigned n[4] = { 0 };
    char id[80];

    (void)state;
    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof id, "<%d@hash.example>", i);
        n[traits_hash(span_of(id), 3)]++;
    }
    assert_int_equal(n[0], 0);
    assert_int_equal(n[1] + n[2] + n[3], 3000);
    for (int i = 1; i <= 3; i++)
        assert_in_range(n[i], 850, 1150);
    /* MD5("<hash1@test.example>") by md5sum: 32 bits at its end */
    assert_int_equal(traits_hash(SPAN("<hash1@test.example>"), 1000000), UINT32_C(0xb27e32d9) % 1000000 + 1);
}

static void shares_add_up(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        struct spec s = USUAL;
        char id[80];
        int yes = 0;

        snprintf(id, sizeof id, "<%d@hash.example>", i);
        s.id = id;
        yes += of("hash = \"1/3\"", &s) == OFFER_YES;
        yes += of("hash = \"2-3/3\"", &s) == OFFER_YES;
        assert_int_equal(yes, 1);
    }
}

static void sizes_count_from_and_to(void **state)
{
    struct spec s = USUAL;

    (void)state;
    s.body = 5000;
    assert_int_equal(of("size-max = 2K", &s), OFFER_SIZE);
    assert_int_equal(of("size-min = 10K", &s), OFFER_SIZE);
    assert_int_equal(of("size-min = 2K size-max = 10K", &s), OFFER_YES);
}

static void other_records_are_for_nobody(void **state)
{
    struct conf *c = conf_of("peer \"p.example\" { address = { \"127.0.0.1\" } send = true }\n");
    struct offer *o = offer_new(c);
    struct record r = { .kind = RECORD_CANCEL };
    uint8_t why[1];

    (void)state;
    assert_int_equal(offer_all(o, &r, why), 0);
    assert_int_equal(why[0], OFFER_NOT_ARTICLE);
    offer_free(&o);
    conf_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feeds_of_inn_can_be_said_and_get_the_same), cmocka_unit_test(local_groups_never_leave_not_even_crossposted),
        cmocka_unit_test(only_what_was_posted_here), cmocka_unit_test(a_peer_in_path_by_any_of_its_names_has_had_it),
        cmocka_unit_test(shares_by_hash_are_whole_and_do_not_overlap), cmocka_unit_test(shares_add_up),
        cmocka_unit_test(sizes_count_from_and_to), cmocka_unit_test(other_records_are_for_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
