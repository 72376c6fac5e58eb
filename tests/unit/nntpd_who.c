/* Who is this address: peers, access blocks, names, limits. */
#include "tests/kit.h"

#include <stdio.h>
#include <string.h>

#include "nntpd/who.h"

static const char text[] =
    "site \"news.example\" { directory = \"/nowhere\" }\n"
    "listen \"127.0.0.1:1119\" { }\n"
    "peer \"six\" { address = { \"2001:db8::/32\" } accept = true incoming-connections = 2 }\n"
    "peer \"four\" { address = { \"192.0.2.1\", \"192.0.2.16/28\" } accept = true streaming = false }\n"
    "peer \"again\" { address = { \"192.0.2.1\" } accept = true }\n"
    "peer \"named\" { address = { \"named.example\" } accept = true }\n"
    "peer \"only-sent-to\" { address = { \"192.0.2.9\" } accept = false send = true }\n"
    "access \"all\" { from = { \"10.0.0.0/8\" } read = { \"*\" } newnews = false }\n"
    "access \"ours\" { from = { \"10.1.0.0/16\" } read = { \"*\", \"!secret.*\" } post = { \"misc.*\" } newnews = true }\n"
    "access \"none\" { from = { \"10.1.2.3\" } }\n"
    "access \"members\" { from = { \"*\" } user = \"*\" read = { \"*\" } post = { \"*\" } }\n";

static struct conf *conf;

static int load(void **state)
{
    struct buf errors = { 0 };

    (void)state;
    conf = conf_read_text("test.conf", text, &errors);
    if (conf == NULL)
        fail_msg("%.*s", SPAN_F(buf_span(&errors)));
    buf_fini(&errors);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    conf_free(&conf);
    return 0;
}

static struct rights of(struct who *w, const char *address)
{
    struct identity id = { 0 };
    struct rights r;

    assert_int_equal(net_literal(address, 119, &id.from), 0);
    rights_of(&r, w, &id);
    return r;
}

static void peer_is_known_by_literal_and_range_in_both_families(void **state)
{
    static const struct { const char *address, *peer; bool streaming; unsigned most; } rows[] = {
        { "2001:db8::1", "six", true, 2 },
        { "2001:db9::1", NULL, false, 0 },
        { "192.0.2.17", "four", false, 0 },
        { "192.0.2.32", NULL, false, 0 },
        { "::ffff:192.0.2.17", "four", false, 0 },
    };
    struct who *w = who_new(conf, NULL);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rights r = of(w, rows[i].address);

        if (r.transit != (rows[i].peer != NULL) || r.streaming != rows[i].streaming || r.most != rows[i].most ||
            (rows[i].peer != NULL && (r.n_peer != 1 || strcmp(r.peer[0]->name, rows[i].peer) != 0)))
            fail_msg("row %zu: %s", i, rows[i].address);
        rights_fini(&r);
    }
    who_unref(&w);
}

static void all_peer_blocks_that_match_count_and_the_first_names_it(void **state)
{
    struct who *w = who_new(conf, NULL);
    struct rights r = of(w, "192.0.2.1");

    (void)state;
    assert_int_equal(r.n_peer, 2);
    assert_string_equal(r.peer[0]->name, "four");
    assert_string_equal(r.peer[1]->name, "again");
    assert_true(r.streaming);                   /* one of them may */
    rights_fini(&r);
    who_unref(&w);
}

static void peer_that_we_only_send_to_may_nothing(void **state)
{
    struct who *w = who_new(conf, NULL);
    struct rights r = of(w, "192.0.2.9");

    (void)state;
    assert_false(rights_any(&r));
    rights_fini(&r);
    who_unref(&w);
}

static void last_access_block_that_matches_counts(void **state)
{
    struct who *w = who_new(conf, NULL);
    struct rights wide = of(w, "10.9.9.9"), narrow = of(w, "10.1.9.9"), shut = of(w, "10.1.2.3");

    (void)state;
    assert_true(wide.read_all && wide.post.n == 0 && !wide.newnews);
    assert_true(narrow.newnews && !narrow.read_all);
    assert_true(rights_may_read(&narrow, SPAN("misc.test")));
    assert_false(rights_may_read(&narrow, SPAN("secret.plans")));
    assert_true(rights_may_post(&narrow, SPAN("misc.test")));
    assert_false(rights_may_post(&narrow, SPAN("alt.test")));
    assert_false(rights_any(&shut));
    rights_fini(&wide);
    rights_fini(&narrow);
    rights_fini(&shut);
    who_unref(&w);
}

static void access_that_wants_a_login_lets_nobody_in_without_one(void **state)
{
    struct who *w = who_new(conf, NULL);
    struct rights r = of(w, "203.0.113.5");

    (void)state;
    assert_false(rights_any(&r));
    rights_fini(&r);
    who_unref(&w);
}

static void peer_by_name_is_known_when_the_name_service_has_answered(void **state)
{
    struct names *n = names_new();
    struct net_addr a[2];
    struct who *before = who_new(conf, n), *after;
    struct rights r;

    (void)state;
    r = of(before, "198.51.100.7");
    assert_false(rights_any(&r));
    rights_fini(&r);
    assert_int_equal(net_literal("198.51.100.7", 0, &a[0]), 0);
    assert_int_equal(net_literal("2001:db8:5::7", 0, &a[1]), 0);
    names_put(n, SPAN("named.example"), a, 2);
    after = who_new(conf, n);
    r = of(after, "198.51.100.7");
    assert_true(r.transit);
    assert_string_equal(r.peer[0]->name, "named");
    rights_fini(&r);
    who_unref(&before);
    who_unref(&after);
    names_unref(&n);
}

static void rights_outlive_the_table_they_came_from(void **state)
{
    struct who *w = who_new(conf, NULL);
    struct rights r = of(w, "10.1.9.9");

    (void)state;
    who_unref(&w);
    assert_true(rights_may_post(&r, SPAN("misc.test")));
    rights_fini(&r);
}

static void strangers_read_where_the_configuration_says_so(void **state)
{
    struct buf errors = { 0 };
    struct conf *c = conf_read_text("t", "site \"s.example\" { directory = \"/nowhere\" strangers = \"read\" }\n"
                                    "listen \"127.0.0.1:1\" { }\n", &errors);
    struct who *w;
    struct rights r;

    (void)state;
    if (c == NULL)
        fail_msg("%.*s", SPAN_F(buf_span(&errors)));
    w = who_new(c, NULL);
    r = of(w, "203.0.113.5");
    assert_true(r.read_all && r.post.n == 0 && !r.transit && !r.newnews);
    rights_fini(&r);
    who_unref(&w);
    conf_free(&c);
}

static void guests_are_counted_by_peer_and_limited(void **state)
{
    struct guests *g = guests_new(0);

    (void)state;
    assert_true(guests_enter(g, "a", 2));
    assert_true(guests_enter(g, "a", 2));
    assert_false(guests_enter(g, "a", 2));
    assert_true(guests_enter(g, "b", 1));
    assert_int_equal(guests_of(g, "a"), 2);
    guests_leave(g, "a");
    assert_true(guests_enter(g, "a", 2));
    assert_true(guests_enter(g, "a", 0));       /* 0: no limit */
    assert_int_equal(guests_of(g, "a"), 3);
    assert_int_equal(guests_of(g, "c"), 0);
    guests_leave(g, "c");
    assert_int_equal(guests_of(g, "c"), 0);
    guests_free(&g);
}

/* --- logins, TLS, certificates ---------------------------------------------- */

#define PRINT1 "0101010101010101010101010101010101010101010101010101010101010101"
#define PRINT2 "AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB"
#define PRINT2_TOLD "abababababababababababababababababababababababababababababababab"

static const char doors[] =
    "site \"s.example\" { directory = \"/nowhere\" }\n"
    "listen \"127.0.0.1:1119\" { }\n"
    "peer \"dial.example\" { login = \"dial\" certificate = \"" PRINT1 "\" streaming = false }\n"
    "peer \"fixed.example\" { address = \"192.0.2.1\" login = \"fixed\" }\n"
    "access \"world\" { read = { \"pub.*\" } newnews = false }\n"
    "access \"members\" { user = \"*\" read = { \"*\", \"!staff.*\" } post = { \"pub.*\" } }\n"
    "access \"staff\" { user = { \"a*\", \"!anna\" } read = { \"*\" } post = { \"*\" } }\n"
    "access \"safe\" { tls = true user = \"zoe\" read = { \"*\" } post = { \"safe.*\" } }\n"
    "access \"card\" { certificate = { \"" PRINT2 "\" } read = { \"*\" } post = { \"card.*\" } }\n"
    "access \"signed\" { from = \"10.0.0.0/8\" certificate = \"*\" read = { \"*\" } post = { \"signed.*\" } }\n"
    "access \"desk\" { from = \"10.9.0.0/16\" tls = true read = { \"*\" } post = { \"desk.*\" } }\n"
    "access \"cell\" { from = \"192.0.2.66\" read = { \"pub.*\" } }\n";

struct door { const char *from, *user, *cert; bool tls, good; };

static struct rights at_door(struct who *w, struct identity *id, const struct door *d)
{
    struct rights r;

    *id = (struct identity){ .tls = d->tls, .cert_good = d->good, .user = (char *)(uintptr_t)d->user };
    strcpy(id->cert, d->cert != NULL ? d->cert : "");
    assert_int_equal(net_literal(d->from, 119, &id->from), 0);
    rights_of(&r, w, id);
    return r;
}

static struct who *doors_who(struct conf **c)
{
    struct buf errors = { 0 };

    if ((*c = conf_read_text("t", doors, &errors)) == NULL)
        fail_msg("%.*s", SPAN_F(buf_span(&errors)));
    return who_new(*c, NULL);
}

static void the_last_access_block_that_matches_in_all_counts(void **state)
{
    static const struct { struct door d; const char *access; } rows[] = {
        { { "192.0.2.9", NULL, NULL, false, false }, "world" },
        { { "192.0.2.9", "wilma", NULL, false, false }, "members" },
        { { "192.0.2.9", "alice", NULL, false, false }, "staff" },
        { { "192.0.2.9", "anna", NULL, false, false }, "members" },
        { { "192.0.2.9", "zoe", NULL, false, false }, "members" },
        { { "192.0.2.9", "zoe", NULL, true, false }, "safe" },
        { { "192.0.2.9", NULL, PRINT2_TOLD, true, false }, "card" },
        { { "192.0.2.9", NULL, PRINT1, true, true }, "world" },
        { { "192.0.2.9", "zoe", PRINT2_TOLD, true, false }, "card" },
        { { "10.0.0.1", NULL, PRINT1, true, true }, "signed" },
        { { "10.0.0.1", NULL, PRINT1, true, false }, "world" },
        { { "10.9.0.1", NULL, NULL, true, false }, "desk" },
        { { "10.9.0.1", "alice", NULL, false, false }, "staff" },
        { { "192.0.2.66", "alice", NULL, true, false }, "cell" },
    };
    struct conf *c;
    struct who *w = doors_who(&c);
    struct identity id;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rights r = at_door(w, &id, &rows[i].d);

        if (r.access == NULL || strcmp(r.access->name, rows[i].access) != 0)
            fail_msg("row %zu: %s, wanted %s", i, r.access != NULL ? r.access->name : "none", rows[i].access);
        rights_fini(&r);
    }
    who_unref(&w);
    conf_free(&c);
}

static void a_peer_is_known_by_address_or_certificate_or_login(void **state)
{
    static const struct { struct door d; const char *peer; } rows[] = {
        { { "192.0.2.9", NULL, NULL, false, false }, NULL },
        { { "192.0.2.9", "dial", NULL, false, false }, "dial.example" },
        { { "192.0.2.9", "Dial", NULL, false, false }, NULL },
        { { "192.0.2.9", NULL, PRINT1, true, false }, "dial.example" },
        { { "192.0.2.9", NULL, PRINT2_TOLD, true, true }, NULL },
        { { "192.0.2.1", NULL, NULL, false, false }, "fixed.example" },
        { { "192.0.2.9", "fixed", NULL, false, false }, "fixed.example" },
    };
    struct conf *c;
    struct who *w = doors_who(&c);
    struct identity id;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rights r = at_door(w, &id, &rows[i].d);

        if (r.transit != (rows[i].peer != NULL) || (r.transit && (r.n_peer != 1 || strcmp(r.peer[0]->name, rows[i].peer) != 0)))
            fail_msg("row %zu", i);
        rights_fini(&r);
    }
    who_unref(&w);
    conf_free(&c);
}

static void a_peer_is_known_by_a_name_that_our_authority_vouches_for(void **state)
{
    static const char named[] =
        "site \"s.example\" { directory = \"/nowhere\" tls-certificate = \"c\" tls-ca = \"a\" }\n"
        "listen \"127.0.0.1:1119\" { }\n"
        "peer \"one\" { certificate = { \"news.one.example\", \"old.one.example\" } }\n"
        "peer \"two\" { certificate = { \"" PRINT1 "\", \"two.example\" } streaming = false }\n"
        "access \"card\" { certificate = { \"" PRINT2 "\" } read = { \"*\" } }\n";
    static const struct { const char *names, *cert, *peer; bool good; } rows[] = {
        { "news.one.example\n", PRINT2_TOLD, "one", true },
        { "x.example\nOLD.One.example\n", PRINT2_TOLD, "one", true },
        { "two.example", PRINT2_TOLD, "two", true },
        { NULL, PRINT1, "two", false },
        { "news.one.example\n", PRINT2_TOLD, NULL, false },          /* who signed it is not known */
        { NULL, PRINT2_TOLD, NULL, true },
        { "", PRINT2_TOLD, NULL, true },
        { "\n\n", PRINT2_TOLD, NULL, true },
        { "*.one.example\n", PRINT2_TOLD, NULL, true },
        { "one.example\nnews.one.example.evil.example\nxnews.one.example\n", PRINT2_TOLD, NULL, true },
    };
    struct buf errors = { 0 };
    struct conf *c = conf_read_text("t", named, &errors);
    struct who *w = who_new(c, NULL);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct identity id = { .tls = true, .cert_good = rows[i].good, .cert_names = (char *)(uintptr_t)rows[i].names };
        struct rights r;

        strcpy(id.cert, rows[i].cert);
        assert_int_equal(net_literal("192.0.2.9", 119, &id.from), 0);
        rights_of(&r, w, &id);
        if (r.transit != (rows[i].peer != NULL) || (r.transit && (r.n_peer != 1 || strcmp(r.peer[0]->name, rows[i].peer) != 0)))
            fail_msg("row %zu", i);
        rights_fini(&r);
    }
    who_unref(&w);
    conf_free(&c);
}

/* It is not known by its name then: whoever has that name's address is not who has the login. */
static void a_peer_with_a_login_and_no_address_is_known_by_no_address(void **state)
{
    struct conf *c;
    struct who *w = doors_who(&c);

    (void)state;
    assert_string_equal(c->peer[0].name, "dial.example");
    assert_int_equal(c->peer[0].address.n, 0);
    assert_string_equal(c->peer[0].connect, "dial.example:119");
    who_unref(&w);
    conf_free(&c);
}

static void what_a_login_or_tls_would_give_is_known(void **state)
{
    static const struct { struct door d; struct may login, tls; } rows[] = {
        /* members and staff may post; the peers have logins, one may stream */
        { { "192.0.2.9", NULL, NULL, false, false }, { true, true, true, true, true }, { 0 } },
        /* who has logged in cannot do it again; zoe would have more with TLS */
        { { "192.0.2.9", "zoe", NULL, false, false }, { 0 }, { true, true, true, false, false } },
        { { "192.0.2.9", "wilma", NULL, false, false }, { 0 }, { 0 } },
        /* behind the last block that matches nothing helps, but a peer's login */
        { { "192.0.2.66", NULL, NULL, false, false }, { false, false, false, true, true }, { 0 } },
        { { "10.9.0.1", NULL, NULL, false, false }, { true, true, true, true, true }, { true, true, true, false, false } },
        { { "10.9.0.1", NULL, NULL, true, false }, { false, false, false, true, true }, { 0 } },
    };
    struct conf *c;
    struct who *w = doors_who(&c);
    struct identity id;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rights r = at_door(w, &id, &rows[i].d);

        if (memcmp(&r.login, &rows[i].login, sizeof r.login) != 0 || memcmp(&r.tls, &rows[i].tls, sizeof r.tls) != 0)
            fail_msg("row %zu: login %d%d%d%d%d tls %d%d%d%d%d", i, r.login.read, r.login.post, r.login.newnews, r.login.transit,
                     r.login.streaming, r.tls.read, r.tls.post, r.tls.newnews, r.tls.transit, r.tls.streaming);
        rights_fini(&r);
    }
    who_unref(&w);
    conf_free(&c);
}

/* Where STARTTLS can show a certificate, those who might have one are let in to say it. */
static void a_certificate_is_hoped_for_where_there_is_starttls(void **state)
{
    static const char blocks[] =
        "listen \"127.0.0.1:1\" { }\n"
        "peer \"p.example\" { certificate = \"" PRINT1 "\" streaming = false }\n"
        "access \"cards\" { from = { \"10.0.0.0/8\" } certificate = \"*\" read = { \"*\" } }\n";
    static const struct { bool starttls; struct door d; struct may tls; bool any; } rows[] = {
        { true, { "192.0.2.9", NULL, NULL, false, false }, { false, false, false, true, false }, false },
        { true, { "10.9.0.1", NULL, NULL, false, false }, { true, false, true, true, false }, false },
        { true, { "192.0.2.9", NULL, NULL, true, false }, { 0 }, false },
        { true, { "192.0.2.9", NULL, PRINT1, true, false }, { 0 }, true },
        { true, { "10.9.0.1", NULL, PRINT2_TOLD, true, true }, { 0 }, true },
        { true, { "10.9.0.1", NULL, PRINT2_TOLD, true, false }, { 0 }, false },
        { false, { "192.0.2.9", NULL, NULL, false, false }, { 0 }, false },
        { false, { "10.9.0.1", NULL, NULL, false, false }, { 0 }, false },
    };
    struct identity id;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char all[1000];
        struct buf errors = { 0 };
        struct conf *c;
        struct who *w;
        struct rights r;

        snprintf(all, sizeof all, "site \"s.example\" { %s }\n%s", rows[i].starttls ? "tls-certificate = c" : "", blocks);
        if ((c = conf_read_text("t", all, &errors)) == NULL)
            fail_msg("%.*s", SPAN_F(buf_span(&errors)));
        w = who_new(c, NULL);
        r = at_door(w, &id, &rows[i].d);
        if (memcmp(&r.tls, &rows[i].tls, sizeof r.tls) != 0 || rights_any(&r) != rows[i].any ||
            rights_hope(&r) != (r.tls.transit || r.tls.read))
            fail_msg("row %zu", i);
        rights_fini(&r);
        who_unref(&w);
        conf_free(&c);
    }
}

static void groups_that_a_login_or_tls_opens_are_known_by_name(void **state)
{
    static const struct { struct door d; const char *group; int wants; } rows[] = {
        { { "192.0.2.9", NULL, NULL, false, false }, "members.talk", 480 },
        { { "192.0.2.9", NULL, NULL, false, false }, "staff.talk", 480 },
        { { "192.0.2.9", NULL, NULL, false, false }, "pub.talk", 0 },
        { { "192.0.2.9", "wilma", NULL, false, false }, "staff.talk", 0 },
        { { "192.0.2.9", "zoe", NULL, false, false }, "staff.talk", 483 },
        { { "192.0.2.9", "zoe", NULL, true, false }, "staff.talk", 0 },
        { { "10.9.0.1", NULL, NULL, false, false }, "members.talk", 483 },
        { { "10.9.0.1", NULL, NULL, true, false }, "members.talk", 0 },
        { { "192.0.2.66", NULL, NULL, false, false }, "members.talk", 0 },
    };
    struct conf *c;
    struct who *w = doors_who(&c);
    struct identity id;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rights r = at_door(w, &id, &rows[i].d);

        if (rights_group_wants(&r, &id, span_of(rows[i].group)) != rows[i].wants)
            fail_msg("row %zu", i);
        rights_fini(&r);
    }
    who_unref(&w);
    conf_free(&c);
}

/* RFC 4643 2.3.2 */
static void passwords_go_in_the_clear_only_where_nobody_listens(void **state)
{
    static const struct { struct door d; bool clear; } rows[] = {
        { { "192.0.2.9", NULL, NULL, false, false }, false }, { { "192.0.2.9", NULL, NULL, true, false }, true },
        { { "127.0.0.1", NULL, NULL, false, false }, true },  { { "127.9.9.9", NULL, NULL, false, false }, true },
        { { "::1", NULL, NULL, false, false }, true },        { { "::ffff:127.0.0.1", NULL, NULL, false, false }, true },
        { { "2001:db8::1", NULL, NULL, false, false }, false },
    };
    struct conf *c;
    struct who *w = doors_who(&c);
    struct identity id;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rights r = at_door(w, &id, &rows[i].d);

        if (!r.logins || r.clear != rows[i].clear)
            fail_msg("row %zu", i);
        rights_fini(&r);
    }
    who_unref(&w);
    conf_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_is_known_by_literal_and_range_in_both_families),
        cmocka_unit_test(all_peer_blocks_that_match_count_and_the_first_names_it),
        cmocka_unit_test(peer_that_we_only_send_to_may_nothing),
        cmocka_unit_test(last_access_block_that_matches_counts),
        cmocka_unit_test(access_that_wants_a_login_lets_nobody_in_without_one),
        cmocka_unit_test(peer_by_name_is_known_when_the_name_service_has_answered),
        cmocka_unit_test(rights_outlive_the_table_they_came_from),
        cmocka_unit_test(strangers_read_where_the_configuration_says_so),
        cmocka_unit_test(the_last_access_block_that_matches_in_all_counts),
        cmocka_unit_test(a_peer_is_known_by_address_or_certificate_or_login),
        cmocka_unit_test(a_peer_with_a_login_and_no_address_is_known_by_no_address),
        cmocka_unit_test(a_peer_is_known_by_a_name_that_our_authority_vouches_for),
        cmocka_unit_test(what_a_login_or_tls_would_give_is_known),
        cmocka_unit_test(a_certificate_is_hoped_for_where_there_is_starttls),
        cmocka_unit_test(groups_that_a_login_or_tls_opens_are_known_by_name),
        cmocka_unit_test(passwords_go_in_the_clear_only_where_nobody_listens),
        cmocka_unit_test(guests_are_counted_by_peer_and_limited),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
