/* Intake: what is stored, where it is filed, copies that race, disks that fail.
 * What is refused and in which words: tests/session/table-relay.nt and table-post.nt. */
#include "article/path.h"
#include "tests/unit/intakekit.h"

/* ---- posting ---- */

static const char *const posted[][2] = {
    { "From", "Joe <joe@example.com>" }, { "Subject", "t" }, { "Newsgroups", "misc.test" }, { NULL, NULL }
};

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
    struct buf b = { 0 }, got = { 0 }, want = { 0 }, date = { 0 };
    struct result r;
    struct record rec;

    (void)state;
    put_date(&date, 0);
    buf_printf(&b, "%s%s%s%sDate: %.*s\r\nXref: again\r\n%s", head1, head2, xref, head3, SPAN_F(buf_span(&date)), body);
    r = take(WAY_IHAVE, buf_span(&b), "<bytes@example.com>");
    assert_string_equal(r.text, "235 Article transferred OK");
    stored("<bytes@example.com>", &got, &rec, numbers);
    /* the head with our Path, without the two Xrefs, and ours last */
    buf_puts(&want, "X-First: \xff\xfe 8 bit,\ttabs \r\n\tand folds\r\n"
                    "Path: news.test.example!!src.example!x\r\n y!not-for-mail\r\n"
                    "From: Joe <joe@example.com>\r\nNewsgroups: misc.test,no.such\r\nSubject: t\r\n  folded\r\n");
    buf_printf(&want, "%s%sDate: %.*s\r\nXref: news.test.example misc.test:%llu\r\n%s", head2, head3, SPAN_F(buf_span(&date)),
               (unsigned long long)numbers[0].number, body);
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
    buf_fini(&date);
    buf_fini(&want);
    site_verify(house.store);
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
    assert_true(has_line(head, "Injection-Info: news.test.example; posting-account=\"", "\"\r"));
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

/* ---- too big, why ---- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_poster_without_the_right_may_not_approve),
        cmocka_unit_test(everything_but_path_and_xref_is_stored_byte_for_byte),
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
    };

    return cmocka_run_group_tests(tests, build_house, leave_house);
}
