/* spool_group.c - groups: their bytes, their numbers, their marks; twice is once. */
#include "tests/unit/groupkit.h"

/* ---- bytes -------------------------------------------------------------- */

static void facts_round_trip(void **state)
{
    struct group_facts in = { .id = UINT32_MAX - 1, .flag = '=', .created_us = -5, .name = SPAN("a.b"), .alias = SPAN("c.d"),
                              .creator = SPAN("newsctl"), .description = SPAN("\xc3\xa4 text"),
                              .low = UINT64_C(1) << 40, .high = UINT64_C(1) << 41, .removed = true }, f;
    struct buf b = { 0 };

    (void)state;
    group_pack(&b, &in);
    assert_int_equal(group_unpack(buf_span(&b), &f), 0);
    assert_true(f.id == in.id && f.flag == '=' && f.created_us == -5 && f.low == in.low && f.high == in.high && f.removed);
    assert_true(span_eq(f.name, in.name) && span_eq(f.alias, in.alias) && span_eq(f.creator, in.creator) &&
                span_eq(f.description, in.description));
    for (size_t n = 0; n < buf_len(&b); n++)
        assert_int_equal(group_unpack((struct span){ buf_data(&b), n }, &f), -1);
    buf_fini(&b);
}

static void flags_are_single_letters_or_an_alias(void **state)
{
    const char *good[] = { "y", "n", "m", "x", "j", "=a.b", "=a" }, *bad[] = { "", "Y", "yy", "=", "= a", "=a b", "z", "=a,b" };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!group_flag_valid(span_of(good[i])))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (group_flag_valid(span_of(bad[i])))
            fail_msg("%s", bad[i]);
}

/* ---- the table ---------------------------------------------------------- */

static bool note_name(const struct group *g, void *arg)
{
    buf_printf(arg, "%s ", g->name);
    return true;
}

static void groups_are_found_listed_changed_and_survive(void **state)
{
    struct site s;
    struct buf names = { 0 };
    const struct group *g;
    struct group_facts f = facts(2, "comp.lang.c");
    struct record r;
    int n = 0;

    (void)state;
    site_open(&s, kit_path("table"));
    make(&s, 1, "misc.test");
    make(&s, 2, "comp.lang.c");
    make(&s, 3, "alt.test");
    assert_null(group_find(s.g, SPAN("misc.tes")));
    assert_non_null(g = group_find(s.g, SPAN("comp.lang.c")));
    assert_true(g->id == 2 && g->flag == 'y' && strcmp(g->text->creator, "kit") == 0);
    assert_true(g->low == 1 && g->high == 0 && g->count == 0);
    f.flag = 'm';
    f.description = SPAN("C");
    r = group_record(&f);
    apply(&s, &r, 1);
    assert_true(g->flag == 'm' && strcmp(g->text->description, "C") == 0 && g->created_us == 1002);
    group_each(s.g, note_name, &names);
    buf_add(&names, "", 1);
    assert_string_equal(buf_data(&names), "alt.test comp.lang.c misc.test ");
    group_each(s.g, stop_at_once, &n);
    assert_int_equal(n, 2);
    site_again(&s);
    assert_int_equal(groups_count_all(s.g), 3);
    assert_non_null(g = group_find(s.g, SPAN("comp.lang.c")));
    assert_true(g->flag == 'm' && strcmp(g->text->description, "C") == 0 && g->id == 2);
    assert_ptr_equal(group_by_id(s.g, 2), g);
    assert_null(group_by_id(s.g, 4));
    assert_int_equal(group_next_id(s.g), 4);
    buf_fini(&names);
    site_close(&s);
}

/* A list may be told in many turns: groups made meanwhile are not in it, removed ones no more. */
static void a_walk_may_rest_while_groups_come_and_go(void **state)
{
    struct record gone = { .kind = RECORD_UNGROUP, .numbers = &(struct record_number){ 3, 0 }, .n_numbers = 1 };
    struct groups_walk w, none = { 0 };
    struct site s;

    (void)state;
    site_open(&s, kit_path("walk"));
    make(&s, 1, "a.a");
    make(&s, 2, "c.c");
    make(&s, 3, "d.d");
    make(&s, 4, "e.e");
    groups_walk_begin(s.g, &w);
    assert_string_equal(groups_walk_next(&w)->name, "a.a");
    make(&s, 5, "b.b");
    apply(&s, &gone, 1);
    assert_string_equal(groups_walk_next(&w)->name, "c.c");
    assert_string_equal(groups_walk_next(&w)->name, "e.e");
    assert_null(groups_walk_next(&w));
    assert_null(groups_walk_next(&w));
    groups_walk_end(&w);
    groups_walk_begin(s.g, &w);
    assert_string_equal(groups_walk_next(&w)->name, "a.a");
    assert_string_equal(groups_walk_next(&w)->name, "b.b");
    site_close(&s);
    groups_walk_end(&w);              /* a session may outlive the table */
    groups_walk_end(&none);
}

static void nothing_is_seen_before_publish_nor_after_a_failed_run(void **state)
{
    struct site s;
    struct group_facts f = facts(1, "a.a");
    struct record r[2];
    struct record_number n = { 1, 1 };
    struct batch b;
    struct err e = { 0 };

    (void)state;
    site_open(&s, kit_path("unseen"));
    r[0] = group_record(&f);
    r[1] = (struct record){ .kind = RECORD_ARTICLE, .numbers = &n, .n_numbers = 1 };
    b = (struct batch){ .g = s.g, .r = r, .n = 2, .fail = true };
    assert_int_equal(bdb_run(s.b, work, &b, &e), -1);
    assert_null(group_find(s.g, SPAN("a.a")));
    b.fail = false;
    assert_int_equal(bdb_run(s.b, work, &b, &e), 0);
    assert_null(group_find(s.g, SPAN("a.a")));
    assert_int_equal(groups_count_all(s.g), 0);
    groups_publish(s.g);
    marks_are(&s, "a.a", 1, 1, 1);
    n.number = 2;
    b = (struct batch){ .g = s.g, .r = r + 1, .n = 1, .fail = true };
    assert_int_equal(bdb_run(s.b, work, &b, &e), -1);
    marks_are(&s, "a.a", 1, 1, 1);
    apply(&s, r + 1, 1);                             /* the failed run has left nothing behind */
    marks_are(&s, "a.a", 1, 2, 2);
    site_again(&s);
    marks_are(&s, "a.a", 1, 2, 2);
    site_close(&s);
}

static void applying_twice_changes_nothing(void **state)
{
    struct site s;
    struct record_number n[2] = { { 1, 1 }, { 2, 1 } };

    (void)state;
    site_open(&s, kit_path("twice"));
    make(&s, 1, "a.a");
    make(&s, 2, "b.b");
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 1; i <= 5; i++) {
            n[0].number = n[1].number = i;
            article(&s, n, i % 2 + 1);
        }
        make(&s, 1, "a.a");
        if (round == 1)
            site_again(&s);
    }
    marks_are(&s, "a.a", 1, 5, 5);
    marks_are(&s, "b.b", 1, 5, 3);
    site_close(&s);
}

static void one_gone(struct txn *t, struct groups *g)
{
    group_article_gone(g, t, 1, 1, 3);
}

static void two_gone(struct txn *t, struct groups *g)
{
    group_article_gone(g, t, 1, 4, 0);
    group_article_gone(g, t, 1, 3, 5);
}

static void last_gone(struct txn *t, struct groups *g)
{
    group_article_gone(g, t, 1, 5, 6);
}

static void articles_that_leave_move_low_and_count(void **state)
{
    struct site s;

    (void)state;
    site_open(&s, kit_path("leave"));
    make(&s, 1, "a.a");
    for (uint64_t i = 1; i <= 5; i++)
        if (i != 2)
            article(&s, &(struct record_number){ 1, i }, 1);
    marks_are(&s, "a.a", 1, 5, 4);
    apply_more(&s, one_gone);
    marks_are(&s, "a.a", 3, 5, 3);
    apply_more(&s, two_gone);
    marks_are(&s, "a.a", 5, 5, 1);
    apply_more(&s, last_gone);
    marks_are(&s, "a.a", 6, 5, 0);                   /* RFC 3977 6.1.1: low = high + 1 */
    site_again(&s);
    marks_are(&s, "a.a", 6, 5, 0);
    assert_int_equal(group_number(s.g, 1), 6);
    article(&s, &(struct record_number){ 1, 6 }, 1);
    marks_are(&s, "a.a", 6, 6, 1);
    site_close(&s);
}

static void data_that_is_gone_moves_the_high_mark_only(void **state)
{
    struct site s;
    struct record_number n = { 1, 1 };
    struct record r = { .kind = RECORD_ARTICLE, .flags = RECORD_GONE, .numbers = &n, .n_numbers = 1 };

    (void)state;
    site_open(&s, kit_path("gonedata"));
    make(&s, 1, "a.a");
    apply(&s, &r, 1);
    marks_are(&s, "a.a", 2, 1, 0);
    article(&s, &(struct record_number){ 1, 2 }, 1);
    n.number = 3;
    apply(&s, &r, 1);
    marks_are(&s, "a.a", 2, 3, 1);
    site_close(&s);
}

/* ---- numbers ------------------------------------------------------------ */

static void numbers_are_dense_and_taken_back_to_what_was_kept(void **state)
{
    struct site s;

    (void)state;
    site_open(&s, kit_path("numbers"));
    make(&s, 1, "a.a");
    make(&s, 2, "b.b");
    assert_int_equal(group_number(s.g, 1), 1);
    assert_int_equal(group_number(s.g, 1), 2);
    groups_keep_numbers(s.g);
    /* durable but not yet published: a batch that fails behind it must not take 1 and 2 back */
    assert_int_equal(group_number(s.g, 1), 3);
    assert_int_equal(group_number(s.g, 2), 1);
    assert_int_equal(group_next_id(s.g), 3);
    groups_forget_numbers(s.g);
    assert_int_equal(group_number(s.g, 1), 3);
    assert_int_equal(group_number(s.g, 2), 1);
    assert_int_equal(group_next_id(s.g), 3);
    groups_keep_numbers(s.g);
    groups_forget_numbers(s.g);
    assert_int_equal(group_number(s.g, 1), 4);
    assert_int_equal(group_next_id(s.g), 4);
    site_close(&s);
}

static void numbers_above_two_to_the_32_and_imported_marks(void **state)
{
    struct site s;
    struct group_facts f = facts(1, "a.a");
    struct record r;
    uint64_t big = UINT64_C(1) << 40;

    (void)state;
    site_open(&s, kit_path("big"));
    f.low = 7;
    f.high = big;
    r = group_record(&f);
    apply(&s, &r, 1);
    marks_are(&s, "a.a", big + 1, big, 0);           /* the articles themselves are elsewhere */
    assert_true(group_number(s.g, 1) == big + 1);
    article(&s, &(struct record_number){ 1, big + 1 }, 1);
    site_again(&s);
    marks_are(&s, "a.a", big + 1, big + 1, 1);
    assert_true(group_number(s.g, 1) == big + 2);
    site_close(&s);
}

static void a_group_made_again_goes_on_above_its_old_numbers(void **state)
{
    struct site s;
    struct record_number id = { 1, 0 };
    struct record gone = { .kind = RECORD_UNGROUP, .numbers = &id, .n_numbers = 1 };
    const struct group *old;

    (void)state;
    site_open(&s, kit_path("again"));
    make(&s, 1, "a.a");
    for (uint64_t i = 1; i <= 9; i++)
        article(&s, &(struct record_number){ 1, i }, 1);
    old = group_find(s.g, SPAN("a.a"));
    apply(&s, &gone, 1);
    assert_null(group_find(s.g, SPAN("a.a")));
    assert_true(old->removed && group_by_id(s.g, 1) == old && groups_count_all(s.g) == 0);
    site_again(&s);
    assert_null(group_find(s.g, SPAN("a.a")));
    assert_int_equal(group_next_id(s.g), 2);
    make(&s, 2, "a.a");
    assert_int_equal(group_find(s.g, SPAN("a.a"))->id, 2);
    assert_int_equal(group_number(s.g, 2), 10);
    groups_forget_numbers(s.g);
    site_again(&s);
    assert_int_equal(group_number(s.g, 2), 10);
    site_close(&s);
}

static void emptied_for_a_rebuild_the_highest_numbers_stay_taken(void **state)
{
    struct site s;
    struct err e = { 0 };

    (void)state;
    site_open(&s, kit_path("rebuild"));
    make(&s, 1, "a.a");
    make(&s, 2, "b.b");
    for (uint64_t i = 1; i <= 9; i++)
        article(&s, &(struct record_number){ 1, i }, 1);
    assert_int_equal(groups_empty(s.g, &e), 0);
    assert_int_equal(groups_count_all(s.g), 0);
    assert_null(group_find(s.g, SPAN("a.a")));
    site_again(&s);
    /* the log has lost article 6 to 9, and group 2 */
    make(&s, 1, "a.a");
    for (uint64_t i = 1; i <= 5; i++)
        article(&s, &(struct record_number){ 1, i }, 1);
    marks_are(&s, "a.a", 1, 5, 5);
    assert_int_equal(groups_count_all(s.g), 1);
    assert_int_equal(group_number(s.g, 1), 10);
    groups_forget_numbers(s.g);
    site_again(&s);
    assert_int_equal(group_number(s.g, 1), 10);
    assert_int_equal(group_next_id(s.g), 3);
    site_close(&s);
}

/* ---- snapshots ---------------------------------------------------------- */

static void a_snapshot_changes_nothing_where_all_was_applied(void **state)
{
    struct site s;
    struct buf snap = { 0 };
    struct record r = { .kind = RECORD_SNAPSHOT };

    (void)state;
    site_open(&s, kit_path("snap1"));
    make(&s, 1, "a.a");
    make(&s, 2, "b.b");
    article(&s, &(struct record_number){ 1, 1 }, 1);
    article(&s, &(struct record_number){ 1, 2 }, 1);
    (void)group_number(s.g, 1);                      /* the batch behind the snapshot is numbered already */
    groups_snapshot(s.g, &snap);
    r.data = buf_span(&snap);
    apply(&s, &r, 1);
    marks_are(&s, "a.a", 1, 2, 2);
    article(&s, &(struct record_number){ 1, 3 }, 1);
    marks_are(&s, "a.a", 1, 3, 3);
    site_close(&s);
    buf_fini(&snap);
}

static void a_batch_that_is_not_kept_is_not_in_the_snapshot(void **state)
{
    struct site s;
    struct buf before = { 0 }, after = { 0 };

    (void)state;
    site_open(&s, kit_path("snap2"));
    make(&s, 1, "a.a");
    groups_snapshot(s.g, &before);
    (void)group_number(s.g, 1);
    (void)group_number(s.g, 1);
    groups_snapshot(s.g, &after);
    assert_true(span_eq(buf_span(&before), buf_span(&after)));
    groups_keep_numbers(s.g);
    buf_clear(&after);
    groups_snapshot(s.g, &after);
    assert_false(span_eq(buf_span(&before), buf_span(&after)));
    site_close(&s);
    buf_fini(&before);
    buf_fini(&after);
}

static void take_snapshot(struct buf *data, void *arg)
{
    groups_snapshot(arg, data);
}

static int replay(const struct record *r, const struct log_pos *pos, void *arg, struct err *e)
{
    (void)pos, (void)e;
    apply(arg, r, 1);
    return 0;
}

/* A random record, filed as the committer would: a group made or changed, one removed, or
 * an article.  *ids: the highest id that was given. */
static void random_record(struct artlog *l, struct site *s, uint32_t *ids, int i)
{
    struct artlog_item item = { .rec = { .arrived_us = i } }, *list = &item;
    struct record_number n[2] = { { 0, 0 } };
    char name[40];
    struct buf data = { 0 };
    struct err e = { 0 };
    uint64_t dice = kit_random() % 10;
    uint32_t id = *ids > 0 ? 1 + (uint32_t)(kit_random() % *ids) : 0;
    const struct group *g = id > 0 ? group_by_id(s->g, id) : NULL;

    item.rec.numbers = n;
    if (*ids == 0 || dice == 0) {
        struct group_facts f;

        snprintf(name, sizeof name, "g.n%llu", (unsigned long long)(kit_random() % 12));
        g = group_find(s->g, span_of(name));
        f = facts(g != NULL ? g->id : group_next_id(s->g), name);
        f.flag = "ynm"[kit_random() % 3];
        *ids = f.id > *ids ? f.id : *ids;
        item.rec.kind = RECORD_GROUP;
        group_pack(&data, &f);
    } else if (dice == 1) {
        item.rec.kind = RECORD_UNGROUP;
        n[0].group = id;
        item.rec.n_numbers = 1;
    } else {
        if (g == NULL || g->removed)
            return;
        item.rec.kind = RECORD_ARTICLE;
        n[0] = (struct record_number){ id, group_number(s->g, id) };
        item.rec.n_numbers = 1;
        kit_data(&data, 1 + (uint64_t)i, 200);
    }
    item.rec.data = item.part[0] = buf_span(&data);
    assert_int_equal(artlog_append(l, &list, 1, &e), 0);
    assert_int_equal(artlog_sync(l, &e), 0);
    groups_keep_numbers(s->g);
    apply(s, &item.rec, 1);
    buf_fini(&data);
}

static void assert_same_groups(struct groups *one, struct groups *other, uint32_t ids)
{
    assert_int_equal(groups_count_all(other), groups_count_all(one));
    for (uint32_t id = 1; id <= ids; id++) {
        const struct group *a = group_by_id(one, id), *b = group_by_id(other, id);

        assert_true((a == NULL) == (b == NULL));
        if (a == NULL)
            continue;
        assert_string_equal(a->name, b->name);
        assert_true(a->flag == b->flag && a->removed == b->removed && a->created_us == b->created_us);
        assert_string_equal(a->text->description, b->text->description);
        assert_true(group_number(other, id) == group_number(one, id));
    }
    groups_forget_numbers(one);
    assert_int_equal(group_next_id(other), group_next_id(one));
    groups_forget_numbers(one);
}

/* Random groups and articles over many segments; then the first k segments go, and
 * what is rebuilt from the rest has the same groups, flags, texts and next numbers. */
static void a_snapshot_suffices_to_rebuild_from_any_segment(void **state)
{
    char *dir = xstrdup(kit_path("rest"));       /* kit_path's ring is short */
    struct site s;
    struct kit_told t;
    struct artlog *l = kit_log_recovered(dir, 3000, &t);
    struct err e = { 0 };
    struct log_pos end;
    uint32_t ids = 0;

    (void)state;
    site_open(&s, kit_path("restdb"));
    artlog_on_segment(l, take_snapshot, s.g);
    for (int i = 0; i < 400; i++)
        random_record(l, &s, &ids, i);
    artlog_end(l, &end);
    artlog_close(&l);
    assert_true(end.segment > 15);
    for (unsigned k = 1; k < end.segment; k++) {
        struct site x;
        char *path = kit_segment(dir, k);

        assert_int_equal(unlink(path), 0);
        free(path);
        site_open(&x, kit_path("restdb%u", k));
        l = kit_log(dir, 3000, true);
        if (artlog_recover(l, 0, &(struct log_pos){ 0 }, replay, &x, &t.behind, &e) <= 0)
            fail_msg("from segment %u: %s", k + 1, e.text);
        assert_same_groups(s.g, x.g, ids);
        artlog_close(&l);
        site_close(&x);
    }
    free(dir);
    site_close(&s);
}

/* ---- many --------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_round_trip),
        cmocka_unit_test(flags_are_single_letters_or_an_alias),
        cmocka_unit_test(groups_are_found_listed_changed_and_survive),
        cmocka_unit_test(a_walk_may_rest_while_groups_come_and_go),
        cmocka_unit_test(nothing_is_seen_before_publish_nor_after_a_failed_run),
        cmocka_unit_test(applying_twice_changes_nothing),
        cmocka_unit_test(articles_that_leave_move_low_and_count),
        cmocka_unit_test(data_that_is_gone_moves_the_high_mark_only),
        cmocka_unit_test(numbers_are_dense_and_taken_back_to_what_was_kept),
        cmocka_unit_test(numbers_above_two_to_the_32_and_imported_marks),
        cmocka_unit_test(a_group_made_again_goes_on_above_its_old_numbers),
        cmocka_unit_test(emptied_for_a_rebuild_the_highest_numbers_stay_taken),
        cmocka_unit_test(a_snapshot_changes_nothing_where_all_was_applied),
        cmocka_unit_test(a_batch_that_is_not_kept_is_not_in_the_snapshot),
        cmocka_unit_test(a_snapshot_suffices_to_rebuild_from_any_segment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
