/* history_history.c - ids applied, published, looked for, and found again. */
#include <pthread.h>
#include <stdatomic.h>

#include "history/his_db.h"
#include "tests/unit/bookkit.h"

static bool same(const struct his_entry *x, const struct his_entry *y)
{
    return x->state == y->state && x->seq == y->seq && x->segment == y->segment && x->offset == y->offset &&
           x->size == y->size && x->day == y->day;
}

static struct his_counts counts(void)
{
    struct his_counts c;

    his_counts(k.h, &c);
    return c;
}

/* ---- what is kept ---------------------------------------------------------- */

static void an_entry_comes_back_as_it_went(void **state)
{
    const struct his_entry all[] = {
        { HIS_KEPT, 1, 1, 0, 1, 0 },
        { HIS_REFUSED, UINT64_MAX, UINT32_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX },
        { HIS_EXPIRED, UINT64_C(0x0102030405060708), 0x090a0b0c, UINT64_C(0x0d0e0f1011121314), 0x15161718, 0x191a1b1c },
        { HIS_CANCELLED, 0, 0, 0, 0, 0 },
    };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct msgid_key key = id(i);
        struct his_entry got;

        apply(&k, &key, &all[i], 1);
        assert_int_equal(look(&k, i, &got), HIS_SEEN);
        assert_true(same(&got, &all[i]));
    }
    assert_int_equal(look(&k, 4, NULL), HIS_NEW);
}

/* doc/formats.md: this row must read the same on any machine, for ever. */
static void a_row_is_little_endian(void **state)
{
    const struct his_entry e = { HIS_EXPIRED, UINT64_C(0x0102030405060708), 0x090a0b0c, UINT64_C(0x0d0e0f1011121314),
                                 0x15161718, 0x191a1b1c };
    static const uint8_t want[32] = { 8, 7, 6, 5, 4, 3, 2, 1, 0x0c, 0x0b, 0x0a, 9, 0x14, 0x13, 0x12, 0x11, 0x10, 0x0f,
                                      0x0e, 0x0d, 0x18, 0x17, 0x16, 0x15, 0x1c, 0x1b, 0x1a, 0x19, 3, 0, 0, 0 };
    struct msgid_key key = id(1);
    struct bdb_tree *tree = bdb_tree(k.b, "history", NULL);
    uint8_t row[64];
    size_t n;

    (void)state;
    apply(&k, &key, &e, 1);
    assert_int_equal(bdb_get(tree, (struct span){ (char *)key.b, 16 }, row, sizeof row, &n, NULL), 1);
    assert_int_equal(n, sizeof want);
    assert_memory_equal(row, want, sizeof want);
}

/* there, comes -> state, and whose seq (0: the old one's, 1: the new one's) */
static const struct { enum his_state there, comes; uint64_t was, is; enum his_state state; int whose; } table[] = {
    { HIS_KEPT, HIS_KEPT, 5, 9, HIS_KEPT, 0 },
    { HIS_KEPT, HIS_REFUSED, 5, 9, HIS_KEPT, 0 },
    { HIS_KEPT, HIS_EXPIRED, 5, 9, HIS_EXPIRED, 1 },
    { HIS_KEPT, HIS_EXPIRED, 5, 5, HIS_EXPIRED, 1 },
    { HIS_KEPT, HIS_EXPIRED, 5, 4, HIS_KEPT, 0 },
    { HIS_KEPT, HIS_CANCELLED, 5, 9, HIS_CANCELLED, 1 },
    { HIS_REFUSED, HIS_KEPT, 5, 9, HIS_KEPT, 1 },
    { HIS_REFUSED, HIS_KEPT, 5, 4, HIS_REFUSED, 0 },
    { HIS_REFUSED, HIS_REFUSED, 5, 9, HIS_REFUSED, 0 },
    { HIS_REFUSED, HIS_EXPIRED, 5, 9, HIS_EXPIRED, 1 },
    { HIS_REFUSED, HIS_CANCELLED, 5, 9, HIS_CANCELLED, 1 },
    { HIS_EXPIRED, HIS_KEPT, 5, 9, HIS_KEPT, 1 },
    { HIS_EXPIRED, HIS_KEPT, 5, 5, HIS_EXPIRED, 0 },
    { HIS_EXPIRED, HIS_REFUSED, 5, 9, HIS_EXPIRED, 0 },
    { HIS_EXPIRED, HIS_EXPIRED, 5, 9, HIS_EXPIRED, 0 },
    { HIS_EXPIRED, HIS_CANCELLED, 5, 9, HIS_CANCELLED, 1 },
    { HIS_CANCELLED, HIS_KEPT, 5, 9, HIS_CANCELLED, 0 },
    { HIS_CANCELLED, HIS_REFUSED, 5, 9, HIS_CANCELLED, 0 },
    { HIS_CANCELLED, HIS_EXPIRED, 5, 9, HIS_CANCELLED, 0 },
    { HIS_CANCELLED, HIS_CANCELLED, 5, 9, HIS_CANCELLED, 0 },
};
#define ROWS (sizeof table / sizeof *table)

static void check_row(unsigned i, uint64_t n)
{
    struct his_entry got;

    assert_int_equal(look(&k, n, &got), HIS_SEEN);
    if (got.state != table[i].state || got.seq != (table[i].whose == 0 ? table[i].was : table[i].is))
        fail_msg("row %u: state %d seq %llu", i, got.state, (unsigned long long)got.seq);
}

static void what_an_id_becomes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        store(&k, i, table[i].there, table[i].was);
        store(&k, i, table[i].comes, table[i].is);
        check_row(i, i);
    }
}

static void the_same_within_one_transaction(void **state)
{
    (void)state;
    wait_for_filter(&k);              /* it is what knows an id to be fresh */
    for (unsigned i = 0; i < ROWS; i++) {
        const struct msgid_key key[2] = { id(100 + i), id(100 + i) };
        const struct his_entry e[2] = { entry(table[i].there, table[i].was), entry(table[i].comes, table[i].is) };

        apply(&k, key, e, 2);
        check_row(i, 100 + i);
    }
}

static void the_same_before_anything_is_published(void **state)
{
    (void)state;
    wait_for_filter(&k);
    for (unsigned i = 0; i < ROWS; i++) {
        const struct msgid_key key = id(200 + i);
        const struct his_entry there = entry(table[i].there, table[i].was), comes = entry(table[i].comes, table[i].is);

        apply(&k, &key, &there, 1);
        apply(&k, &key, &comes, 1);
        check_row(i, 200 + i);
    }
}

static void a_failed_transaction_leaves_nothing(void **state)
{
    const struct msgid_key key = id(1);
    const struct his_entry e = entry(HIS_KEPT, 1);
    struct batch b = { k.h, &key, &e, 1, "for the test" };
    struct err err;

    (void)state;
    wait_for_filter(&k);
    assert_int_equal(bdb_run(k.b, work, &b, &err), -1);
    assert_int_not_equal(peek(&k, 1), HIS_SEEN);
    assert_int_equal(look(&k, 1, NULL), HIS_NEW);
    store(&k, 1, HIS_KEPT, 2);
    assert_int_equal(peek(&k, 1), HIS_SEEN);
}

static void all_that_is_remembered_is_seen(void **state)
{
    struct claim *c;

    (void)state;
    wait_for_filter(&k);
    for (unsigned i = HIS_KEPT; i <= HIS_CANCELLED; i++) {
        store(&k, i, (enum his_state)i, i);
        assert_int_equal(peek(&k, i), HIS_SEEN);
        assert_int_equal(claim(&k, i, &k, false, &c), HIS_SEEN);
        assert_null(c);
        assert_int_equal(look(&k, i, NULL), HIS_SEEN);
    }
}

/* ---- a log of random records, any part of it again -------------------------- */

#define LOG 400u
#define IDS 30u

static void dump(struct his_entry out[IDS])
{
    memset(out, 0, IDS * sizeof *out);
    for (unsigned n = 0; n < IDS; n++)
        (void)look(&k, n, &out[n]);
}

static void applying_again_from_any_point_changes_nothing(void **state)
{
    struct { uint64_t n; enum his_state state; } log[LOG];
    struct his_entry first[IDS], again[IDS];

    (void)state;
    for (unsigned i = 0; i < LOG; i++) {
        log[i].n = kit_random() % IDS;
        log[i].state = (enum his_state)(kit_random() % 8 == 0 ? HIS_CANCELLED : 1 + kit_random() % 3);
        store(&k, log[i].n, log[i].state, i + 1);
    }
    dump(first);
    for (unsigned round = 0; round < 8; round++) {
        if (round % 4 == 3)
            book_again(&k);
        for (unsigned i = (unsigned)(kit_random() % LOG); i < LOG; i++)
            store(&k, log[i].n, log[i].state, i + 1);
        dump(again);
        for (unsigned n = 0; n < IDS; n++)
            if (!same(&first[n], &again[n]))
                fail_msg("round %u, id %u: state %d seq %llu became state %d seq %llu", round, n, first[n].state,
                         (unsigned long long)first[n].seq, again[n].state, (unsigned long long)again[n].seq);
    }
}

/* ---- memory and database ----------------------------------------------------- */

static void an_id_never_met_costs_no_look(void **state)
{
    struct claim *c;

    (void)state;
    wait_for_filter(&k);
    for (unsigned n = 0; n < 1000; n++)
        assert_int_equal(peek(&k, n), HIS_NEW);
    assert_int_equal(firm(&k, 1, &k, false, &c), HIS_NEW);
    assert_int_equal(counts().looks, 0);
    assert_int_equal(counts().filter_news, 1000);
    his_release(k.h, &c);
}

static void what_fell_out_of_the_cache_is_looked_up(void **state)
{
    unsigned asked = 0;

    (void)state;
    wait_for_filter(&k);
    for (unsigned n = 0; n < 9000; n++)                    /* the cache holds less than 2,000 */
        store(&k, n, HIS_KEPT, n + 1);
    for (unsigned n = 0; n < 1000; n++) {
        struct claim *c;

        if (peek(&k, n) == HIS_SEEN)
            continue;
        assert_int_equal(peek(&k, n), HIS_ASK);
        assert_int_equal(claim(&k, n, &k, false, &c), HIS_ASK);
        assert_int_equal(firm(&k, n, &k, false, &c), HIS_ASK);
        assert_int_equal(look(&k, n, NULL), HIS_SEEN);
        assert_int_equal(peek(&k, n), HIS_SEEN);           /* now it is in the cache */
        asked++;
    }
    assert_in_range(asked, 900, 1000);
    assert_int_equal(counts().looks, asked);
}

static void the_newest_ids_cost_no_look(void **state)
{
    unsigned asked = 0;

    (void)state;
    wait_for_filter(&k);
    for (unsigned n = 0; n < 9000; n++)
        store(&k, n, HIS_KEPT, n + 1);
    for (unsigned n = 8700; n < 9000; n++)
        asked += peek(&k, n) != HIS_SEEN;
    assert_in_range(asked, 0, 10);                         /* sets are filled unevenly */
    assert_int_equal(counts().cache_hits, 300 - asked);
}

static void all_is_there_after_opening_again(void **state)
{
    struct his_entry e;

    (void)state;
    for (unsigned n = 0; n < 3000; n++)
        store(&k, n, HIS_KEPT, n + 1);
    book_again(&k);
    for (unsigned n = 0; n < 10; n++) {                    /* also while the filter is filled */
        assert_int_not_equal(peek(&k, n), HIS_NEW);
        assert_int_equal(look(&k, n, &e), HIS_SEEN);
        assert_int_equal(e.seq, n + 1);
    }
    wait_for_filter(&k);
    assert_int_equal(counts().ids, 3000);
    for (unsigned n = 0; n < 3000; n++)
        assert_int_not_equal(peek(&k, n), HIS_NEW);
    assert_int_equal(peek(&k, 3000), HIS_NEW);
}

static void ids_that_come_while_the_filter_is_filled_are_in_it(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 20000; n += 2)
        store(&k, n, HIS_KEPT, n + 1);
    book_again(&k);
    for (unsigned n = 1; n < 20000; n += 2)
        store(&k, n, HIS_KEPT, n + 1);
    wait_for_filter(&k);
    for (unsigned n = 0; n < 20000; n++)
        assert_int_not_equal(peek(&k, n), HIS_NEW);
}

static void closing_does_not_wait_for_the_filter(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 20000; n++)
        store(&k, n, HIS_KEPT, n + 1);
    for (int i = 0; i < 20; i++)
        book_again(&k);
}

static void the_first_and_the_last_key_are_loaded(void **state)
{
    struct msgid_key ends[3] = { { { 0 } }, id(1), { { 0 } } };
    const struct his_entry e[3] = { entry(HIS_KEPT, 1), entry(HIS_KEPT, 2), entry(HIS_KEPT, 3) };

    (void)state;
    memset(ends[2].b, 0xff, 16);
    apply(&k, ends, e, 3);
    book_again(&k);
    wait_for_filter(&k);                                   /* and that it ends at all */
    assert_int_equal(counts().ids, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(his_peek(k.h, &ends[i]), HIS_ASK);
}

static void keys_come_in_pieces_without_a_gap(void **state)
{
    struct his_db *db = his_db_open(k.b, NULL);
    struct msgid_key from = { { 0 } }, keys[7], before = { { 0 } };
    struct bdb_bulk bulk = { 0 };
    bool at_end = false;
    int sum = 0, n;

    (void)state;
    for (unsigned i = 0; i < 700; i++)
        store(&k, i, HIS_KEPT, i + 1);
    for (; !at_end; sum += n) {
        n = his_db_keys(db, &from, keys, 7, false, &at_end, &bulk, NULL);
        assert_in_range(n, 0, 7);
        for (int i = 0; i < n; i++) {
            assert_true(memcmp(&before, &keys[i], sizeof before) < 0);
            before = keys[i];
        }
    }
    assert_int_equal(sum, 700);
    bdb_bulk_fini(&bulk);
    his_db_close(&db);
}

static void an_emptied_history_knows_nothing(void **state)
{
    struct err e;

    (void)state;
    wait_for_filter(&k);
    for (unsigned n = 0; n < 100; n++)
        store(&k, n, HIS_KEPT, n + 1);
    assert_int_equal(his_empty(k.h, &e), 0);
    for (unsigned n = 0; n < 100; n++) {
        assert_int_not_equal(peek(&k, n), HIS_SEEN);
        assert_int_equal(look(&k, n, NULL), HIS_NEW);
    }
    store(&k, 1, HIS_KEPT, 7);
    assert_int_equal(peek(&k, 1), HIS_SEEN);
}

static void put_short_row(struct txn *t, void *tree)
{
    struct msgid_key key = id(1);

    txn_put(t, tree, (struct span){ (char *)key.b, sizeof key.b }, SPAN("short"));
}

/* Its directory is away while it is opened again: broken, and well again. */
static void break_database(void)
{
    struct err e;

    assert_int_equal(rename(kit_path("%s", k.dir), kit_path("away")), 0);
    assert_int_equal(bdb_reopen(k.b, &e), -1);
}

static void mend_database(void)
{
    struct err e;

    assert_int_equal(rename(kit_path("away"), kit_path("%s", k.dir)), 0);
    if (bdb_reopen(k.b, &e) != 0)
        fail_msg("%s", e.text);
}

static void trouble_of_the_database_is_no_answer(void **state)
{
    struct msgid_key key = id(1);
    struct claim *c;
    struct err e = { 0 };

    (void)state;
    store(&k, 1, HIS_KEPT, 1);
    break_database();
    assert_int_equal(his_look(k.h, &key, NULL, &e), HIS_FAILED);
    assert_true(strlen(e.text) > 0);
    assert_int_equal(peek(&k, 1), HIS_SEEN);               /* memory still knows */
    key = id(2);
    assert_int_equal(his_look(k.h, &key, NULL, &e), HIS_FAILED);
    mend_database();
    assert_int_equal(look(&k, 2, NULL), HIS_NEW);
    assert_int_equal(claim(&k, 2, &k, true, &c), HIS_NEW);
    his_release(k.h, &c);
}

static void the_filter_is_filled_when_the_database_is_well_again(void **state)
{
    struct err e;

    (void)state;
    store(&k, 1, HIS_KEPT, 1);
    his_close(&k.h);
    break_database();
    assert_non_null(k.h = his_open(&k.o, &e));
    assert_int_equal(peek(&k, 1), HIS_ASK);
    assert_int_equal(peek(&k, 2), HIS_ASK);
    assert_false(his_filter_ready(k.h));
    mend_database();
    wait_for_filter(&k);
    assert_int_equal(peek(&k, 1), HIS_ASK);
    assert_int_equal(peek(&k, 2), HIS_NEW);
}

static void a_row_of_another_size_is_no_answer(void **state)
{
    struct msgid_key key = id(1);
    struct err e = { 0 };

    (void)state;
    assert_int_equal(bdb_run(k.b, put_short_row, bdb_tree(k.b, "history", NULL), &e), 0);
    assert_int_equal(his_look(k.h, &key, NULL, &e), HIS_FAILED);
    assert_string_equal(e.text, "history: a row of 5 octets");
}

/* ---- the gap between a question and its claim --------------------------------- */

static void a_look_that_was_overtaken_gives_no_claim(void **state)
{
    struct claim *c, *d;

    (void)state;
    assert_int_equal(look(&k, 1, NULL), HIS_NEW);
    assert_int_equal(firm(&k, 1, &c, true, &c), HIS_NEW);
    store(&k, 1, HIS_KEPT, 1);
    assert_int_equal(firm(&k, 1, &d, true, &d), HIS_SEEN);
    assert_int_equal(claim(&k, 1, &d, true, &d), HIS_SEEN);
}

static void nor_when_the_cache_has_forgotten_the_publication(void **state)
{
    struct claim *c;

    (void)state;
    assert_int_equal(look(&k, 1, NULL), HIS_NEW);
    for (unsigned n = 1; n < 10000; n++)
        store(&k, n, HIS_KEPT, n);
    assert_int_equal(firm(&k, 1, &c, true, &c), HIS_ASK);
    assert_int_equal(look(&k, 1, NULL), HIS_SEEN);
}

static void a_look_in_vain_is_good_for_a_claim(void **state)
{
    struct claim *c;

    (void)state;
    assert_int_equal(look(&k, 1, NULL), HIS_NEW);
    assert_int_equal(peek(&k, 1), HIS_NEW);
    assert_int_equal(claim(&k, 1, &c, true, &c), HIS_NEW);
    assert_int_equal(peek(&k, 1), HIS_BUSY);
    his_release(k.h, &c);
}

/* Copies of each id come from all sides: exactly one may be stored. */
#define COPIES 3000u

static pthread_mutex_t applier = PTHREAD_MUTEX_INITIALIZER;
static uint64_t next_seq;
static _Atomic unsigned stored[COPIES], failed[COPIES];

static enum his_answer offer(uint64_t n, const void *owner, struct claim **c)
{
    enum his_answer a = firm(&k, n, owner, false, c);

    if (a == HIS_ASK) {
        a = look(&k, n, NULL);
        sched_yield();
        if (a == HIS_NEW)
            a = firm(&k, n, owner, true, c);
    }
    return a;
}

static void *peer(void *arg)
{
    for (unsigned i = 0; i < COPIES; i++) {
        struct claim *c = NULL;
        enum his_answer a;

        (void)peek(&k, i);
        while ((a = offer(i, arg, &c)) == HIS_BUSY || a == HIS_ASK)
            sched_yield();
        if (a != HIS_NEW)
            continue;
        if (i % 5 == 4 && failed[i]++ == 0) {
            his_release(k.h, &c);                          /* could not be stored this time */
            i--;
            continue;
        }
        stored[i]++;
        pthread_mutex_lock(&applier);
        store(&k, i, HIS_KEPT, ++next_seq);
        pthread_mutex_unlock(&applier);
    }
    return NULL;
}

static void each_id_is_stored_once(void **state)
{
    pthread_t t[4];
    char owner[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, peer, &owner[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    for (unsigned n = 0; n < COPIES; n++)
        assert_int_equal(stored[n], 1);
    assert_int_equal(counts().claims, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_entry_comes_back_as_it_went), T(a_row_is_little_endian), T(what_an_id_becomes),
        T(the_same_within_one_transaction), T(the_same_before_anything_is_published),
        T(a_failed_transaction_leaves_nothing), T(all_that_is_remembered_is_seen),
        T(applying_again_from_any_point_changes_nothing), T(an_id_never_met_costs_no_look),
        T(what_fell_out_of_the_cache_is_looked_up), T(the_newest_ids_cost_no_look), T(all_is_there_after_opening_again),
        T(ids_that_come_while_the_filter_is_filled_are_in_it), T(closing_does_not_wait_for_the_filter),
        T(the_first_and_the_last_key_are_loaded), T(keys_come_in_pieces_without_a_gap),
        T(an_emptied_history_knows_nothing), T(trouble_of_the_database_is_no_answer),
        T(the_filter_is_filled_when_the_database_is_well_again),
        T(a_row_of_another_size_is_no_answer),
        T(a_look_that_was_overtaken_gives_no_claim), T(nor_when_the_cache_has_forgotten_the_publication),
        T(a_look_in_vain_is_good_for_a_claim), T(each_id_is_stored_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
