/* nntpd_store.c - the store: numbers, rebuild, cancel, verify. */
#include "lib/disk.h"
#include "nntpd/outside.h"
#include "tests/unit/fillkit.h"

static void numbers_are_dense_and_agree_with_xref(void **state)
{
    struct store *s = site_with_groups(kit_path("dense"));
    struct log_pos pos;
    struct buf line = { 0 };
    struct err e;

    (void)state;
    store_some(s, 0, 30);
    assert_int_equal(site_high(s, "misc.test"), 30);
    assert_int_equal(site_high(s, "misc.other"), 10);
    /* article 27 went to both: the 28th of one, the 10th of the other */
    assert_int_equal(ov_get(store_overview(s), group_find(store_groups(s), SPAN("misc.other"))->id, 10, &pos, &line, &e), 1);
    buf_add(&line, "", 1);
    assert_non_null(strstr(buf_data(&line), "Xref: news.test.example misc.test:28 misc.other:10"));
    buf_fini(&line);
    site_verify(s);
    store_close(&s);
    s = site_open(kit_path("dense"));
    assert_int_equal(site_high(s, "misc.test"), 30);
    store_some(s, 30, 1);
    assert_int_equal(site_high(s, "misc.test"), 31);
    site_verify(s);
    store_close(&s);
}

static void a_clock_behind_the_log_is_told(void **state)
{
    const int64_t hour = INT64_C(3600000000);
    struct store *s = site_open(kit_path("clock"));
    struct buf told = { 0 };
    int64_t now = clock_now_us();

    (void)state;
    outside_clock(store_log(s), 0, &told);           /* a log without a record says nothing */
    assert_int_equal(buf_len(&told), 0);
    site_group(s, "misc.test", 'y', NULL);
    outside_clock(store_log(s), now - hour / 2, &told);
    outside_clock(store_log(s), now + 1000 * hour, &told);
    assert_int_equal(buf_len(&told), 0);
    outside_clock(store_log(s), now - 2 * hour, &told);
    buf_add(&told, "", 1);
    assert_non_null(strstr(buf_data(&told), "articles are refused as dated ahead"));
    buf_fini(&told);
    store_close(&s);
}

static void groups_that_went_away_take_no_article(void **state)
{
    struct store *s = site_with_groups(kit_path("away"));
    struct submission *sub = site_article(s, id_of(1), "misc.other", "x\r\n"), *un;

    (void)state;
    un = submission_ungroup(s, sub->group[0]);
    assert_int_equal(store_commit_wait(s, un), COMMIT_STORED);
    submission_free(&un);
    assert_int_equal(store_commit_wait(s, sub), COMMIT_NO_GROUP);
    submission_free(&sub);
    assert_int_equal(site_state(s, id_of(1)), 0);
    site_verify(s);
    store_close(&s);
}

static void a_group_of_the_same_name_is_changed_not_made_twice(void **state)
{
    struct store *s = site_open(kit_path("twice"));
    uint32_t a = site_group(s, "misc.test", 'y', NULL), b = site_group(s, "misc.test", 'm', NULL);

    (void)state;
    assert_int_equal(a, b);
    assert_int_equal(atomic_load(&group_find(store_groups(s), SPAN("misc.test"))->flag), 'm');
    store_close(&s);
}

static void a_second_program_is_kept_out(void **state)
{
    const char *dir = kit_path("locked");
    struct store_options o = site_options(dir);
    struct store *s = site_open(dir);
    struct err e;

    (void)state;
    assert_null(store_open(&o, NULL, NULL, &e));
    assert_non_null(strstr(e.text, "in use by process"));
    store_close(&s);
}

static void the_key_is_not_made_anew_beside_a_log(void **state)
{
    const char *dir = kit_path("key");
    struct store_options o = site_options(dir);
    struct store *s = site_with_groups(dir);
    struct err e;
    char path[300];

    (void)state;
    store_some(s, 0, 1);
    store_close(&s);
    snprintf(path, sizeof path, "%s/key", dir);
    assert_int_equal(unlink(path), 0);
    assert_null(store_open(&o, NULL, NULL, &e));
    assert_non_null(strstr(e.text, "key is missing"));
}

static void a_key_that_did_not_make_the_log_is_told(void **state)
{
    const char *dir = kit_path("other-key"), *other = "00112233445566778899aabbccddeeff\n";
    struct store_options o = site_options(dir);
    struct store *s = site_with_groups(dir);
    char path[300], *key;
    struct err e;
    size_t n;

    (void)state;
    snprintf(path, sizeof path, "%s/key", dir);
    assert_non_null(key = disk_slurp(path, 256, &n));
    store_close(&s);
    assert_int_equal(disk_replace(path, other, strlen(other), 0600), 0);
    s = site_open(dir);                              /* a log without an article fits any */
    store_close(&s);
    assert_int_equal(disk_replace(path, key, n, 0600), 0);
    s = site_open(dir);
    store_some(s, 0, 3);
    store_close(&s);
    assert_int_equal(disk_replace(path, other, strlen(other), 0600), 0);
    assert_null(store_open(&o, NULL, NULL, &e));
    assert_non_null(strstr(e.text, "not the key that the log was written with"));
    assert_int_equal(disk_replace(path, key, n, 0600), 0);
    s = site_open(dir);
    site_verify(s);
    store_close(&s);
    free(key);
}

static void rebuild_gives_the_same_trees(void **state)
{
    const char *dir = kit_path("rebuild");
    struct store_options o = site_options(dir);
    struct store *s = site_with_groups(dir);
    struct submission *refused = submission_new();
    struct err e = { 0 };
    char *before;

    (void)state;
    store_some(s, 0, 60);
    refused->item.rec = (struct record){ .kind = RECORD_REFUSED, .arrived_us = 5, .data = { NULL, 3 },
                                         .key = msgid_key(store_key(s), SPAN("<refused@example>")) };
    refused->item.part[0] = SPAN("bad");
    assert_int_equal(store_commit_wait(s, refused), COMMIT_STORED);
    submission_free(&refused);
    cancel(s, id_of(0));
    cancel(s, id_of(1));
    cancel(s, id_of(30));
    site_group(s, "misc.empty", 'n', NULL);
    before = dump(s);
    store_close(&s);                           /* the cancelled bytes are punched out by now */
    if (store_rebuild(&o, NULL, NULL, &e) != 0)
        fail_msg("%s", e.text);
    s = site_open(dir);
    same(before, dump(s));
    site_verify(s);
    store_some(s, 60, 1);
    assert_int_equal(site_high(s, "misc.test"), 61);
    store_close(&s);
}

static void a_damaged_database_is_made_again_at_the_start(void **state)
{
    const char *dir = kit_path("lost");
    struct store_options o = site_options(dir);
    struct store *s = site_with_groups(dir);
    struct err e = { 0 };
    char command[400];

    (void)state;
    store_some(s, 0, 20);
    store_close(&s);
    for (int way = 0; way < 2; way++) {
        snprintf(command, sizeof command, "for f in '%s'/db/*; do echo rubbish > $f; done", dir);
        assert_int_equal(system(command), 0);
        /* by itself, or told to */
        if (way == 1 && store_rebuild(&o, NULL, NULL, &e) != 0)
            fail_msg("%s", e.text);
        s = site_open(dir);
        readable(s, id_of(19));
        assert_int_equal(site_high(s, "misc.test"), 20);
        site_verify(s);
        store_close(&s);
    }
}

static void a_cancel_takes_rows_and_bytes_and_moves_marks(void **state)
{
    const char *dir = kit_path("cancel");
    struct store *s = site_with_groups(dir);
    const struct group *g = group_find(store_groups(s), SPAN("misc.test"));
    struct log_pos pos;
    struct his_entry h;
    struct record_number numbers[8];
    struct buf scratch = { 0 };
    struct record r;
    struct err e = { 0 };

    (void)state;
    store_some(s, 0, 5);                       /* 0 and 3 are in misc.other too */
    assert_int_equal(store_find(s, span_of(id_of(0)), &h, &e), HIS_SEEN);
    pos = (struct log_pos){ .segment = h.segment, .offset = h.offset, .size = h.size };
    cancel(s, id_of(0));
    assert_int_equal(site_state(s, id_of(0)), HIS_CANCELLED);
    assert_int_equal(atomic_load(&g->low), 2);
    assert_int_equal(atomic_load(&g->count), 4);
    assert_int_equal(atomic_load(&g->high), 5);
    cancel(s, id_of(2));
    assert_int_equal(atomic_load(&g->low), 2);
    assert_int_equal(atomic_load(&g->count), 3);
    cancel(s, id_of(1));
    assert_int_equal(atomic_load(&g->low), 4);
    cancel(s, id_of(3));
    cancel(s, id_of(4));
    assert_int_equal(atomic_load(&g->low), 6);
    assert_int_equal(atomic_load(&g->count), 0);
    /* again, and of something unknown: no harm; the unknown one is blocked */
    cancel(s, id_of(4));
    cancel(s, "<later@example>");
    assert_int_equal(site_state(s, "<later@example>"), HIS_CANCELLED);
    site_verify(s);
    store_close(&s);
    s = site_open(dir);
    assert_int_equal(artlog_read(store_log(s), &pos, &r, numbers, 8, &scratch, &e), 0);
    assert_int_equal(r.flags & RECORD_GONE, RECORD_GONE);      /* punched */
    store_some(s, 5, 1);
    assert_int_equal(site_high(s, "misc.test"), 6);
    site_verify(s);
    buf_fini(&scratch);
    store_close(&s);
}

static void nobody_waits(struct mail *m)
{
    (void)m;
}

static void many_segments_and_many_at_once(void **state)
{
    const char *dir = kit_path("many");
    struct store_options o = site_options(dir);
    struct submission *sub[400];
    struct err e = { 0 };
    struct store *s;
    char *before, *body = xmalloc(4001);

    (void)state;
    memset(body, 'x', 4000);
    memcpy(body + 3998, "\r\n", 3);
    o.segment_bytes = 64 << 10;
    s = store_open(&o, NULL, NULL, &e);
    site_group(s, "misc.test", 'y', NULL);
    for (int i = 0; i < 400; i++) {
        sub[i] = site_article(s, id_of((unsigned)i), "misc.test", body);
        sub[i]->mail.deliver = nobody_waits;
        assert_true(store_submit(s, sub[i]));
    }
    store_some(s, 1000, 1);                    /* behind them all */
    assert_int_equal(site_high(s, "misc.test"), 401);
    for (int i = 0; i < 400; i++) {
        assert_int_equal(sub[i]->result, COMMIT_STORED);
        submission_free(&sub[i]);
    }
    site_verify(s);
    before = dump(s);
    store_close(&s);
    assert_int_equal(store_rebuild(&o, NULL, NULL, &e), 0);
    s = store_open(&o, NULL, NULL, &e);
    same(before, dump(s));
    store_close(&s);
    free(body);
}

struct poster { struct store *s; unsigned from; pthread_t thread; };

static void *post_one_by_one(void *arg)
{
    struct poster *p = arg;
    char id[64];

    for (unsigned i = p->from; i < p->from + 400; i++) {
        snprintf(id, sizeof id, "<%u@store.example>", i);
        if (site_store(p->s, id, "misc.test", "body\r\n") != COMMIT_STORED)
            return p;
    }
    return NULL;
}

/* One alone is applied by the committer, more by the applier: never by both at once. */
static void few_at_once_are_applied_by_one_thread_at_a_time(void **state)
{
    struct store *s = site_with_groups(kit_path("few"));
    struct poster p[12];
    void *failed;

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        p[i] = (struct poster){ .s = s, .from = 1000 * (i + 1) };
        assert_int_equal(pthread_create(&p[i].thread, NULL, post_one_by_one, &p[i]), 0);
    }
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(pthread_join(p[i].thread, &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(site_high(s, "misc.test"), 4800);
    site_verify(s);
    store_close(&s);
}

static void a_rebuild_that_was_cut_short_is_begun_again(void **state)
{
    const char *dir = kit_path("short");
    struct store *s = site_with_groups(dir);
    struct applied known;
    struct err e = { 0 };
    char *before;

    (void)state;
    store_some(s, 0, 30);
    cancel(s, id_of(3));
    before = dump(s);
    assert_int_equal(applied_get(&s->ix, &known, &e), 0);
    assert_int_equal(rebuild_begin(&s->ix, &known, &e), 0);
    assert_int_equal(ov_empty(s->ix.ov, &e), 0);
    store_close(&s);
    s = site_open(dir);
    same(before, dump(s));
    site_verify(s);
    store_close(&s);
}

static void drop_row(struct txn *t, void *arg)
{
    struct store *s = arg;

    ov_remove(s->ix.ov, t, group_find(s->ix.groups, SPAN("misc.test"))->id, 2);
}

static void note_line(const char *line, void *arg)
{
    buf_puts(arg, line);
    buf_puts(arg, "\n");
}

static void verify_tells_a_missing_row_and_a_damaged_article(void **state)
{
    const char *dir = kit_path("verify");
    struct store *s = site_with_groups(dir);
    struct buf told = { 0 };
    struct his_entry h;
    struct err e = { 0 };
    char path[300], byte = '~';
    int fd;

    (void)state;
    store_some(s, 0, 5);
    site_verify(s);
    assert_int_equal(bdb_run(s->ix.bdb, drop_row, s, &e), 0);
    assert_int_equal(store_find(s, span_of(id_of(4)), &h, &e), HIS_SEEN);
    snprintf(path, sizeof path, "%s/log/%010u.seg", dir, h.segment);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(h.offset + h.size - 20)), 1);
    close(fd);
    /* the row, the damage, and the group's count that does not match */
    assert_int_equal(store_verify(s, NULL, note_line, &told, &e), 3);
    buf_add(&told, "", 1);
    assert_non_null(strstr(buf_data(&told), "<1@store.example>: no overview row"));
    assert_non_null(strstr(buf_data(&told), "does not match its checksum"));
    assert_non_null(strstr(buf_data(&told), "group misc.test: 4 overview rows, but its count is 5"));
    buf_fini(&told);
    store_close(&s);
}

/* Change one octet of the record that made misc.other. */
static void damage_group(const char *dir)
{
    char path[300], *text, *at;
    size_t n;
    int fd;

    snprintf(path, sizeof path, "%s/log/0000000001.seg", dir);
    text = disk_slurp(path, 1 << 24, &n);
    assert_non_null(text);
    at = memmem(text, n, "misc.other", 10);
    assert_non_null(at);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "~", 1, at - text), 1);
    close(fd);
    free(text);
}

static void a_damaged_group_record_is_told_and_keeps_no_rebuild_from_the_rest(void **state)
{
    const char *dir = kit_path("lost_group");
    struct store *s = site_with_groups(dir);
    uint32_t id = group_find(store_groups(s), SPAN("misc.other"))->id;
    struct buf told = { 0 };
    struct err e = { 0 };
    char command[400];

    (void)state;
    store_some(s, 0, 5);
    damage_group(dir);
    assert_int_equal(store_verify(s, NULL, note_line, &told, &e), 1);
    buf_add(&told, "", 1);
    assert_non_null(strstr(buf_data(&told), "made or changed a group, does not match its checksum"));
    buf_fini(&told);
    store_close(&s);
    snprintf(command, sizeof command, "for f in '%s'/db/*; do echo rubbish > $f; done", dir);
    assert_int_equal(system(command), 0);
    s = site_open(dir);
    assert_int_equal(site_high(s, "misc.test"), 5);
    readable(s, id_of(3));
    assert_null(group_find(store_groups(s), SPAN("misc.other")));
    /* articles have numbers in what was its id */
    assert_true(site_group(s, "misc.other", 'y', NULL) > id);
    store_some(s, 5, 3);
    assert_int_equal(site_high(s, "misc.other"), 1);
    store_close(&s);
}

static void with_fsync_interval_the_last_article_is_synced_though_nothing_follows(void **state)
{
    const char *dir = kit_path("interval");
    struct store_options o = site_options(dir);
    struct err e;
    struct store *s;
    bool synced = false;

    (void)state;
    o.fsync = FSYNC_INTERVAL;
    o.fsync_interval_us = 50000;
    s = store_open(&o, NULL, NULL, &e);
    assert_non_null(s);
    site_group(s, "misc.test", 'y', NULL);
    site_group(s, "misc.other", 'y', NULL);
    store_some(s, 0, 3);
    bad_disk_set((struct bad_disk){ .where = "/log/", .after = 1L << 40 });   /* counts */
    store_some(s, 3, 1);
    for (int i = 0; i < 3000 && !synced; i++) {
        usleep(10000);
        lock_get(&bad_lock);
        synced = bad_disk.calls >= 2;          /* the write and the sync */
        lock_put(&bad_lock);
    }
    bad_disk_set((struct bad_disk){ 0 });
    assert_true(synced);
    site_verify(s);
    store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_behind_the_log_is_told),
        cmocka_unit_test(numbers_are_dense_and_agree_with_xref),
        cmocka_unit_test(groups_that_went_away_take_no_article),
        cmocka_unit_test(a_group_of_the_same_name_is_changed_not_made_twice),
        cmocka_unit_test(a_second_program_is_kept_out),
        cmocka_unit_test(the_key_is_not_made_anew_beside_a_log),
        cmocka_unit_test(a_key_that_did_not_make_the_log_is_told),
        cmocka_unit_test(rebuild_gives_the_same_trees),
        cmocka_unit_test(a_damaged_database_is_made_again_at_the_start),
        cmocka_unit_test(a_cancel_takes_rows_and_bytes_and_moves_marks),
        cmocka_unit_test(many_segments_and_many_at_once),
        cmocka_unit_test(few_at_once_are_applied_by_one_thread_at_a_time),
        cmocka_unit_test(a_rebuild_that_was_cut_short_is_begun_again),
        cmocka_unit_test(verify_tells_a_missing_row_and_a_damaged_article),
        cmocka_unit_test(a_damaged_group_record_is_told_and_keeps_no_rebuild_from_the_rest),
        cmocka_unit_test(with_fsync_interval_the_last_article_is_synced_though_nothing_follows),
    };

    return cmocka_run_group_tests(tests, quiet, NULL);
}
