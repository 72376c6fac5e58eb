/* Posts by their poster: locks and keys, the account's hash, approval. */
#include <event2/event.h>

#include "article/canlock.h"
#include "article/header.h"
#include "conf/conf.h"
#include "nntpd/intake.h"
#include "nntpd/letters.h"
#include "tests/unit/storekit.h"

#define SITE(more) "site \"news.test.example\" { " more " }\nlisten \"127.0.0.1:119\" {}\n"

static struct {
    struct conf         *conf;
    struct store        *store;
    struct intake_rules *rules;
    struct event_base   *base;
    struct mailbox      *home;
    struct lane         *lane;
    struct letters      *letters;
} house;

static void use(const char *text)
{
    struct buf errors = { 0 };

    if (house.rules != NULL)
        intake_rules_unref(&house.rules);
    if (house.conf != NULL)
        conf_free(&house.conf);
    if ((house.conf = conf_read_text("/etc/t.conf", text, &errors)) == NULL)
        fail_msg("%.*s", SPAN_F(buf_span(&errors)));
    house.rules = intake_rules_new(house.conf);
}

/* ---- a post ---- */

struct poster { const char *user, *address, *approve; };

static struct {
    bool done;
    char text[600], id[300];
    char head[4000];                   /* as it was stored: to the blank line */
} got;

static void read_head(void)
{
    struct record_number numbers[64];
    struct buf scratch = { 0 };
    struct his_entry h;
    struct record r;
    struct err e;

    got.head[0] = '\0';
    if (strncmp(got.text, "240", 3) != 0 || store_find(house.store, span_of(got.id), &h, &e) != HIS_SEEN || h.state != HIS_KEPT)
        return;
    assert_int_equal(artlog_read(store_log(house.store), &(struct log_pos){ h.segment, h.offset, h.size }, &r, numbers, 64,
                                 &scratch, &e), 0);
    snprintf(got.head, sizeof got.head, "%.*s", (int)(r.body - 2), r.data.p);
    buf_fini(&scratch);
}

static void on_done(struct intake *in, void *user)
{
    (void)user;
    got.done = true;
    snprintf(got.text, sizeof got.text, "%d %s", intake_code(in), intake_text(in));
    snprintf(got.id, sizeof got.id, "%.*s", SPAN_F(intake_msgid(in)));
    intake_free(&in);
}

/* Post with these fields beside From and Subject; the reply. */
static const char *post_body(struct poster p, const char *fields, const char *body)
{
    struct intake_sender from = { .source = "post", .address = p.address != NULL ? p.address : "203.0.113.9", .user = p.user, .letters = house.letters,
                                  .post_groups = SPAN("*"), .approve = span_of(p.approve != NULL ? p.approve : "") };
    struct buf b = { 0 };
    size_t n;
    char *block;

    buf_printf(&b, "From: Joe <joe@example.com>\r\nSubject: s\r\n%s\r\n%s.\r\n", fields, body);
    block = buf_steal(&b, &n);
    got.done = false;
    intake_run(intake_new(house.store, house.rules, house.lane, house.home, WAY_POST, &from, block, n, n,
                          (struct span){ 0 }, NULL, on_done, NULL));
    while (!got.done)
        event_base_loop(house.base, EVLOOP_ONCE);
    read_head();
    return got.text;
}

static const char *post(struct poster p, const char *fields)
{
    return post_body(p, fields, "Text.\r\n");
}

#define assert_reply(reply, start) do { const char *r_ = (reply); if (strncmp(r_, start, strlen(start)) != 0) \
        fail_msg("got \"%s\", wanted \"%s\"", r_, start); } while (0)

/* A field of the stored head, unfolded; "" when absent. */
static const char *field(const char *name)
{
    static char text[4][1000];
    static unsigned turn;
    char *out = text[turn++ % 4];
    struct span head = span_of(got.head);
    struct buf b = { 0 };
    struct hdr_field f;
    size_t at = 0;

    out[0] = '\0';
    while (headers_next(head, &at, &f)) {
        if (!span_ieq(f.name, span_of(name)))
            continue;
        hdr_unfold(&b, f.body);
        snprintf(out, sizeof text[0], "%.*s", SPAN_F(buf_span(&b)));
        buf_fini(&b);
    }
    return out;
}

static bool opens(const char *key, const char *lock)
{
    struct buf keys = { 0 }, locks = { 0 };
    bool yes;

    canlock_keys(&keys, span_of(key));
    canlock_locks(&locks, span_of(lock));
    yes = canlock_opens(buf_span(&keys), buf_span(&locks));
    buf_fini(&keys);
    buf_fini(&locks);
    return yes;
}

static const struct poster anna = { "anna", NULL, NULL }, bert = { "bert", NULL, NULL }, nobody = { NULL, NULL, NULL },
                           elsewhere = { NULL, "198.51.100.4", NULL };

/* Post an article as 'a'; then cancel it as 'b': what becomes of it? */
static int cancelled_by(struct poster a, const char *fields, struct poster b)
{
    char id[300], control[400];

    assert_reply(post(a, fields), "240 ");
    snprintf(id, sizeof id, "%s", got.id);
    snprintf(control, sizeof control, "Newsgroups: misc.test\r\nControl: cancel %s\r\n", id);
    assert_reply(post(b, control), "240 ");
    return site_state(house.store, id) == HIS_CANCELLED;
}

/* ---- locks and keys ---- */

#define TEST "Newsgroups: misc.test\r\n"

static void posters_cancel_their_own_and_no_others(void **state)
{
    (void)state;
    use(SITE(""));
    assert_true(cancelled_by(anna, TEST, anna));
    assert_false(cancelled_by(anna, TEST, bert));
    assert_false(cancelled_by(anna, TEST, nobody));
    assert_false(cancelled_by(nobody, TEST, nobody));            /* `user`: an address is nobody */
    assert_false(cancelled_by(nobody, TEST, anna));
    use(SITE("cancel-lock = address"));
    assert_true(cancelled_by(anna, TEST, anna));
    assert_false(cancelled_by(anna, TEST, nobody));
    assert_true(cancelled_by(nobody, TEST, nobody));
    assert_false(cancelled_by(nobody, TEST, elsewhere));
    assert_false(cancelled_by(nobody, TEST, (struct poster){ "203.0.113.9", NULL, NULL }));    /* a user of that name */
    use(SITE("cancel-lock = none"));
    assert_false(cancelled_by(anna, TEST, anna));
}

static void superseding_ones_own_takes_the_old_one_away(void **state)
{
    char id[300], fields[400];

    (void)state;
    use(SITE(""));
    assert_reply(post(anna, TEST), "240 ");
    snprintf(id, sizeof id, "%s", got.id);
    snprintf(fields, sizeof fields, TEST "Supersedes: %s\r\n", id);
    assert_reply(post(bert, fields), "240 ");
    assert_int_equal(site_state(house.store, id), HIS_KEPT);
    assert_reply(post(anna, fields), "240 ");
    assert_int_equal(site_state(house.store, id), HIS_CANCELLED);
    assert_string_not_equal(field("Cancel-Key"), "");
    assert_string_not_equal(field("Cancel-Lock"), "");
}

static void each_article_has_its_own_lock_and_one_of_the_site(void **state)
{
    char first[1000];

    (void)state;
    use(SITE(""));
    post(anna, TEST);
    snprintf(first, sizeof first, "%s", field("Cancel-Lock"));
    assert_int_equal(strlen(first), 2 * (7 + 44) + 1);
    assert_string_equal(field("Cancel-Key"), "");
    post(anna, TEST);
    assert_string_not_equal(field("Cancel-Lock"), first);
    post(nobody, TEST);
    assert_int_equal(strlen(field("Cancel-Lock")), 7 + 44);     /* the site's: no stranger can cancel it */
    use(SITE("cancel-lock = none"));
    post(anna, TEST);
    assert_string_equal(field("Cancel-Lock"), "");
}

static void the_clients_own_locks_and_keys_stay(void **state)
{
    (void)state;
    use(SITE(""));
    post(anna, TEST "Message-ID: <mine@example.com>\r\nCancel-Lock: sha256:NSBTz7BfcQFTCen+U4lQ0VS8VIlZao2b8mxD/xJaaeE=\r\n\t(x)\r\n");
    assert_true(opens("sha256:yM0ep490Fzt83CLYYAytm3S2HasHhYG4LAeAlmuSEys=", field("Cancel-Lock")));
    post(anna, TEST "Control: cancel <mine@example.com>\r\nCancel-Key: sha256:yM0ep490Fzt83CLYYAytm3S2HasHhYG4LAeAlmuSEys=\r\n");
    assert_int_equal(strncmp(field("Cancel-Key"), "sha256:yM0ep490Fzt83CLYYAytm3S2HasHhYG4LAeAlmuSEys= sha256:", 58), 0);
    assert_int_equal(site_state(house.store, "<mine@example.com>"), HIS_CANCELLED);
    use(SITE("cancel-lock = none"));
    post(anna, TEST "Cancel-Lock: sha256:YQ==\r\nControl: cancel <a@b.c>\r\nCancel-Key: sha256:Yg==\r\n");
    assert_string_equal(field("Cancel-Lock"), "sha256:YQ==");
    assert_string_equal(field("Cancel-Key"), "sha256:Yg==");
}

static void a_key_is_for_its_article_alone(void **state)
{
    char lock[1000];

    (void)state;
    use(SITE(""));
    post(anna, TEST "Message-ID: <one@example.com>\r\n");
    snprintf(lock, sizeof lock, "%s", field("Cancel-Lock"));
    post(anna, TEST "Control: cancel <two@example.com>\r\n");
    assert_false(opens(field("Cancel-Key"), lock));
    post(anna, TEST "Control: cancel <one@example.com>\r\n");
    assert_true(opens(field("Cancel-Key"), lock));
}

/* ---- Injection-Info ---- */

static const char *account(struct poster p)
{
    assert_reply(post(p, TEST), "240 ");
    return field("Injection-Info");
}

static void an_account_has_one_hash_that_tells_nothing(void **state)
{
    char of_anna[1000], of_nobody[1000], of_v6[1000];

    (void)state;
    use(SITE("complaints = \"abuse@example.com\""));
    snprintf(of_anna, sizeof of_anna, "%s", account(anna));
    assert_int_equal(strncmp(of_anna, "news.test.example; posting-account=\"", 36), 0);
    assert_string_equal(of_anna + 36 + 12, "\"; mail-complaints-to=\"abuse@example.com\"");
    assert_null(strstr(of_anna, "anna"));
    assert_string_equal(account((struct poster){ "anna", "198.51.100.4", NULL }), of_anna);
    assert_string_not_equal(account(bert), of_anna);
    snprintf(of_nobody, sizeof of_nobody, "%s", account(nobody));
    assert_string_equal(account(nobody), of_nobody);
    assert_string_not_equal(account(elsewhere), of_nobody);
    assert_null(strstr(got.head, "198.51.100.4"));
    snprintf(of_v6, sizeof of_v6, "%s", account((struct poster){ NULL, "2001:db8:1:2:3:4:5:6", NULL }));
    assert_string_equal(account((struct poster){ NULL, "2001:db8:1:2:ffff::1", NULL }), of_v6);
    assert_string_not_equal(account((struct poster){ NULL, "2001:db8:1:3:3:4:5:6", NULL }), of_v6);
}

/* ---- Approved ---- */

static void approved_is_for_those_who_may(void **state)
{
    const struct poster mod = { "mod", NULL, "misc.mod,control.*" }, other = { "other", NULL, "other.*" };

    (void)state;
    use(SITE(""));
    assert_reply(post(anna, "Newsgroups: misc.mod\r\nApproved: anna@example.com\r\n"), "441 You are not allowed to approve postings");
    assert_reply(post(anna, TEST "Approved: anna@example.com\r\n"), "441 You are not allowed to approve postings");
    assert_reply(post(mod, TEST "Approved: mod@example.com\r\n"), "240 ");
    assert_reply(post(mod, "Newsgroups: misc.test,misc.mod\r\nApproved: mod@example.com\r\n"), "240 ");
    assert_reply(post(other, "Newsgroups: misc.test,misc.mod\r\nApproved: o@example.com\r\n"),
                 "441 You are not allowed to approve postings to misc.mod");
}

static void newgroup_and_its_like_need_approval(void **state)
{
    const struct poster mod = { "mod", NULL, "*" };

    (void)state;
    use(SITE(""));
    assert_reply(post(mod, TEST "Control: newgroup misc.new\r\n"), "441 A newgroup control message needs an Approved header field");
    assert_reply(post(mod, TEST "Control: RMGROUP misc.test\r\n"), "441 A RMGROUP control message needs an Approved header field");
    assert_reply(post(anna, TEST "Control: rmgroup misc.test\r\nApproved: a@b.example\r\n"), "441 You are not allowed to approve");
    assert_reply(post(mod, TEST "Control: rmgroup misc.test\r\nApproved: a@b.example\r\n"), "240 ");
    assert_reply(post(mod, TEST "Control: newgroup misc.new\r\nApproved: a@b.example\r\n"), "240 ");
    assert_reply(post(mod, TEST "Control: checkgroups\r\nApproved: a@b.example\r\n"), "240 ");
    /* stored, and nothing more */
    assert_non_null(group_find(store_groups(house.store), SPAN("misc.test")));
    assert_null(group_find(store_groups(house.store), SPAN("misc.new")));
}

static void control_and_supersedes_do_not_go_together(void **state)
{
    (void)state;
    use(SITE(""));
    assert_reply(post(anna, TEST "Control: cancel <a@b.example>\r\nSupersedes: <a@b.example>\r\n"), "441 Control and Supersedes");
    assert_reply(post(anna, TEST "Supersedes: a@b.example\r\n"), "441 Can't parse Supersedes header field body");
}

/* ---- mail to moderators ---- */

/* A sendmail that keeps its arguments and its letter; and the letter, when there is one. */
static void use_mail(const char *more, const char *script_end)
{
    char *script = xstrdup(kit_path("sendmail")), *text = xasprintf(SITE("%s sendmail = \"%s -oi -oem\""), more, script);
    FILE *f = fopen(script, "w");

    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n{ echo \"$@\"; cat; } >'%s'\n%s\n", kit_path("letter"), script_end);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(script, 0755), 0);
    unlink(kit_path("letter"));
    use(text);
    free(script);
    free(text);
}

static char *letter(void)
{
    static char text[8000];
    FILE *f = fopen(kit_path("letter"), "r");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;

    text[n] = '\0';
    if (f != NULL)
        fclose(f);
    return text;
}

static bool letter_has(const char *text)
{
    return strstr(letter(), text) != NULL;
}

static uint64_t record_count(void)
{
    return artlog_next_seq(store_log(house.store));
}

static void a_post_for_a_moderator_is_mailed_and_not_stored(void **state)
{
    uint64_t before;

    (void)state;
    use_mail("moderators = { \"misc.mod:%s@mod.example\" }", "");
    before = record_count();
    assert_reply(post_body(anna, "Newsgroups: misc.test, misc.mod\r\nX-Folded: a\r\n b\r\nPath: a.example!not-for-mail\r\n"
                           "Cc: c@example.com\r\nBcc: secret@example.com\r\n", "..dot\r\n\r\nend\r\n"),
                 "240 Article mailed to the moderator of misc.mod");
    assert_int_equal(record_count(), before);
    assert_int_equal(site_state(house.store, got.id), 0);
    assert_int_equal(strncmp(letter(), "-oi -oem misc-mod@mod.example\nTo: misc-mod@mod.example\nFrom: Joe", 64), 0);
    assert_true(letter_has("\nNewsgroups: misc.test, misc.mod\nX-Folded: a\n b\n"));
    assert_true(letter_has("\nX-Original-Cc: c@example.com\nX-Original-Bcc: secret@example.com\n"));
    assert_true(letter_has("\nMessage-ID: <") && letter_has("\nDate: ") && letter_has("\nCancel-Lock: sha256:"));
    assert_true(letter_has("\n\n.dot\n\nend\n"));
    assert_false(letter_has("Path:") || letter_has("Injection-") || letter_has("\r") || letter_has("Xref:"));
}

static void what_the_moderator_approves_can_be_cancelled_by_its_author(void **state)
{
    const struct poster mod = { "mod", NULL, "misc.mod" };
    char lock[1000], fields[1400], *at;

    (void)state;
    use_mail("moderators = { \"*:m@mod.example\" }", "");
    assert_reply(post(anna, "Newsgroups: misc.mod\r\nMessage-ID: <to-approve@example.com>\r\n"), "240 ");
    at = strstr(letter(), "\nCancel-Lock: ");
    snprintf(lock, sizeof lock, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
    snprintf(fields, sizeof fields, "Newsgroups: misc.mod\r\nMessage-ID: <to-approve@example.com>\r\nApproved: mod@example.com\r\n%s\r\n", lock);
    assert_reply(post(mod, fields), "240 Article received");
    /* a cancel in a moderated group goes to the moderator, too (RFC 5537 5.3) */
    assert_reply(post(anna, "Newsgroups: misc.mod\r\nControl: cancel <to-approve@example.com>\r\n"), "240 Article mailed");
    assert_true(letter_has("\nCancel-Key: sha256:"));
    assert_reply(post(anna, "Newsgroups: misc.test\r\nControl: cancel <to-approve@example.com>\r\n"), "240 Article received");
    assert_int_equal(site_state(house.store, "<to-approve@example.com>"), HIS_CANCELLED);
}

static void the_first_pattern_that_fits_names_the_moderator(void **state)
{
    static const struct { const char *group, *want; } rows[] = {
        { "misc.mod", "misc-mod@first.example" }, { "comp.mod.x", "comp@second.example" },
        { "a.b.c", "a-b-c%40@rest.example" }, { "news.x", NULL },
    };
    struct buf address = { 0 };

    (void)state;
    use(SITE("moderators = { \"misc.*:%s@first.example\", \"misc.mod:no@no.example\", \"comp.*,!comp.os.*: comp@second.example\","
             " \"a.*:%s%%40@rest.example\" }"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool found = letters_address(&house.conf->site, span_of(rows[i].group), &address);

        assert_int_equal(found, rows[i].want != NULL);
        if (found && !span_eq(buf_span(&address), span_of(rows[i].want)))
            fail_msg("%s: got %.*s", rows[i].group, SPAN_F(buf_span(&address)));
    }
    /* an address that a program might take for something else is none */
    use(SITE("moderators = { \"*:%s@x.example\" }"));
    assert_false(letters_address(&house.conf->site, SPAN("-oi.x"), &address));
    assert_false(letters_address(&house.conf->site, SPAN("a b"), &address));
    buf_fini(&address);
}

static void without_a_moderators_address_it_is_refused(void **state)
{
    (void)state;
    use_mail("moderators = { \"comp.*:m@mod.example\" }", "");
    assert_reply(post(anna, "Newsgroups: misc.mod\r\n"), "441 \"misc.mod\" is moderated");
    assert_string_equal(letter(), "");
}

static void a_mail_that_fails_is_told_and_nothing_is_lost_silently(void **state)
{
    (void)state;
    use_mail("moderators = { \"*:m@mod.example\" }", "echo 'no room' >&2; exit 75");
    assert_reply(post(anna, "Newsgroups: misc.mod\r\n"), "441 Not mailed to the moderator, please try again later: ");
    assert_non_null(strstr(got.text, "sendmail ended with 75: no room"));
    use_mail("sendmail-time = 1s moderators = { \"*:m@mod.example\" }", "exec sleep 600");
    assert_reply(post(anna, "Newsgroups: misc.mod\r\n"), "441 Not mailed to the moderator, please try again later: ");
    assert_non_null(strstr(got.text, "took too long and was ended"));
    use(SITE("moderators = { \"*:m@mod.example\" } sendmail = \"/no/such/sendmail\""));
    assert_reply(post(anna, "Newsgroups: misc.mod\r\n"), "441 Not mailed to the moderator, please try again later: /no/such/sendmail: No such");
    assert_int_equal(site_state(house.store, got.id), 0);
}

/* ---- begin, end ---- */

static int setup(void **state)
{
    (void)state;
    house.store = site_open(kit_path("inject"));
    site_group(house.store, "misc.test", 'y', NULL);
    site_group(house.store, "misc.mod", 'm', NULL);
    site_group(house.store, "control", 'n', NULL);
    house.base = event_base_new();
    house.home = mailbox_new(house.base);
    house.lane = lane_new("disk", 1);
    house.letters = letters_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    letters_free(&house.letters);
    lane_free(&house.lane);
    store_close(&house.store);
    intake_rules_unref(&house.rules);
    conf_free(&house.conf);
    mailbox_free(&house.home);
    event_base_free(house.base);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posters_cancel_their_own_and_no_others), cmocka_unit_test(superseding_ones_own_takes_the_old_one_away),
        cmocka_unit_test(each_article_has_its_own_lock_and_one_of_the_site), cmocka_unit_test(the_clients_own_locks_and_keys_stay),
        cmocka_unit_test(a_key_is_for_its_article_alone), cmocka_unit_test(an_account_has_one_hash_that_tells_nothing),
        cmocka_unit_test(approved_is_for_those_who_may), cmocka_unit_test(newgroup_and_its_like_need_approval),
        cmocka_unit_test(control_and_supersedes_do_not_go_together),
        cmocka_unit_test(a_post_for_a_moderator_is_mailed_and_not_stored),
        cmocka_unit_test(what_the_moderator_approves_can_be_cancelled_by_its_author),
        cmocka_unit_test(the_first_pattern_that_fits_names_the_moderator), cmocka_unit_test(without_a_moderators_address_it_is_refused),
        cmocka_unit_test(a_mail_that_fails_is_told_and_nothing_is_lost_silently),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
