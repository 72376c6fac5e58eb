/* nntpd_powercut.c - a site whose power fails, or whose disk errs once, at any
 * operation of the disk: whatever was answered "stored" is there, whole and
 * under its number, and no number is given twice.  Meanwhile ids of cancelled
 * articles are forgotten, swept away, and some of them come again.
 *
 * Each round is a forked child that works on the same site until the disk
 * stops, then cuts the power; the parent starts the site and looks.  Some rounds cut the
 * power again during that start.  Writes are torn at 4 kB: what a smaller tear
 * does to the database is lib_bdb_powercut's subject.  ROUNDS=n, SEED=n.
 */
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/bdb_route.h"
#include "nntpd/store_int.h"
#include "tests/simdisk.h"
#include "tests/unit/storekit.h"

#define DAY_US INT64_C(86400000000)

enum { PER_ROUND = 40, IN_FLIGHT = 8, ACKS_MOST = 1 << 16, GONE = 2 };

struct ack { char id[60]; uint64_t seq, number; bool cancelled; };

/* Shared by parent and child. */
struct world {
    unsigned      n_acks;
    struct ack    ack[ACKS_MOST];
    unsigned long ops, opening;         /* of a round that nothing stopped; of its start */
    unsigned      wrong;                /* answers that are neither stored nor later */
    unsigned      days;                 /* each round forgets what came a day later  */
    unsigned      again;                /* forgotten ids that were stored again      */
    uint64_t      swept;
};
static struct world *world;
static sem_t room;

static const char *site_dir(void)
{
    return kit_path("power");
}

static unsigned rounds(void)
{
    const char *n = getenv("ROUNDS");

    return n != NULL ? (unsigned)atoi(n) : 8;
}

/* ---- the child ---- */

static struct store *open_quick(void)
{
    struct store_options o = site_options(site_dir());
    struct store *s;
    struct err e;

    o.segment_bytes = 32 << 10;
    o.remember_us = (5000 - (int64_t)world->days++) * DAY_US;
    if ((s = store_open(&o, NULL, NULL, &e)) == NULL)
        return NULL;
    lock_get(&s->lock);
    s->keeper_us = s->retry_us = 3000;
    cond_signal(&s->tick);
    lock_put(&s->lock);
    return s;
}

/* On the applier's thread (or the committer's): one at a time for those stored. */
static void on_answer(struct mail *m)
{
    struct submission *sub = (struct submission *)(void *)m;

    if (sub->result == COMMIT_STORED && sub->item.rec.kind == RECORD_ARTICLE) {
        struct ack *a = &world->ack[world->n_acks];

        snprintf(a->id, sizeof a->id, "%.*s", SPAN_F(((struct span){ buf_data(&sub->bytes) + sub->item.rec.msgid.at,
                                                                     sub->item.rec.msgid.len })));
        a->seq = sub->item.rec.seq;
        a->number = sub->numbers[0].number;
        world->n_acks++;
    } else if (sub->result != COMMIT_STORED && sub->result != COMMIT_LATER && sub->result != COMMIT_STOPPED) {
        world->wrong++;
    }
    submission_free(&sub);
    sem_post(&room);
}

static void store_id(struct store *s, const char *id, unsigned i)
{
    static char body[1500];
    struct submission *sub;

    memset(body, 'a' + (int)(i % 26), sizeof body - 3);
    memcpy(body + sizeof body - 3, "\r\n", 3);
    sub = site_article(s, id, i % 4 == 0 ? "misc.test,misc.other" : "misc.test", body);
    sub->item.rec.arrived_us = 9 * DAY_US;
    sub->mail.deliver = on_answer;
    if (site_claim(s, sub) != HIS_NEW) {
        submission_free(&sub);
        return;
    }
    sem_wait(&room);
    if (store_submit(s, sub))
        return;
    sem_post(&room);
    his_release(store_history(s), &sub->claim);
    submission_free(&sub);
    usleep(2000);                       /* not well: give it time to try again */
}

static void store_one(struct store *s, unsigned round, unsigned i)
{
    char id[60];

    snprintf(id, sizeof id, "<%u.%u@power.example>", round, i);
    store_id(s, id, i);
}

/* One whose cancel has been forgotten comes again. */
static void store_again(struct store *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct err e = { 0 };
        char id[60];

        if (!world->ack[i].cancelled || store_find(s, span_of(world->ack[i].id), NULL, &e) != HIS_NEW)
            continue;
        memcpy(id, world->ack[i].id, sizeof id);
        world->again++;
        store_id(s, id, i);
        return;
    }
}

/* Cancel one that was stored in an earlier round; there were 'n' of them. */
static void cancel_one(struct store *s, unsigned round, unsigned n)
{
    struct ack *a = &world->ack[round * 7919u % (n > 0 ? n : 1)];
    struct submission *sub;

    if (n == 0 || a->cancelled)
        return;
    a->cancelled = true;                /* asked for: it may be gone from now on */
    sub = submission_cancel(s, span_of(a->id), "test");
    sub->item.rec.arrived_us = 10 * DAY_US;
    (void)store_commit_wait(s, sub);
    submission_free(&sub);
}

static void work(struct store *s, unsigned round)
{
    unsigned before = world->n_acks;

    sem_init(&room, 0, IN_FLIGHT);
    for (unsigned i = 0; i < PER_ROUND && !simdisk_stopped(); i++) {
        store_one(s, round, i);
        if (i == PER_ROUND / 4)
            cancel_one(s, round + 1, before);
        if (i == PER_ROUND / 2)
            cancel_one(s, round, before);
        if (i % 10 == 9)
            store_again(s, before);
    }
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        if (!simdisk_stopped())
            sem_wait(&room);
}

/* What happens to the disk in a round. */
struct fate {
    unsigned long stop;                 /* from this operation on nothing works          */
    unsigned long fail;                 /* this one fails, once,                         */
    int  sys;                           /* with this                                     */
    bool opening;                       /* counted from the start, else from when it is open */
};

static void meet(const struct fate *f, unsigned long from)
{
    if (f->stop > 0)
        simdisk_stop_at(from + f->stop);
    if (f->fail > 0)
        simdisk_fail_at(from + f->fail, f->sys);
}

static _Noreturn void child(unsigned round, const struct fate *f, uint64_t seed)
{
    bool opened = false;
    struct store *s;

    bdb_route();
    simdisk_use();
    simdisk_tear_at(4096);
    if (f->opening)
        meet(f, 0);
    if ((s = open_quick()) != NULL) {
        unsigned long opening = simdisk_ops();
        struct store_counts counts;

        opened = true;
        if (!f->opening)
            meet(f, opening);
        work(s, round);
        if (f->stop == 0 && f->fail == 0) {
            world->opening = opening;
            world->ops = simdisk_ops() - opening;
        }
        store_counts(s, &counts);
        world->swept += counts.swept;
        store_close(&s);
    }
    if (f->stop > 0)
        simdisk_cut(seed);
    _exit(!opened && !f->opening ? GONE : 0);
}

static void in_child(unsigned round, struct fate f)
{
    uint64_t seed = kit_random();
    pid_t pid = fork();
    int status;

    if (pid == 0)
        child(round, &f, seed);
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("round %u (stop %lu, fail %lu): the child ended with %d", round, f.stop, f.fail, status);
}

/* ---- the parent ---- */

static void check_ack(struct store *s, const struct ack *a, uint64_t *high)
{
    struct record_number numbers[8];
    struct buf scratch = { 0 };
    enum his_answer found;
    struct his_entry h;
    struct log_pos pos;
    struct record r;
    struct err e = { 0 };

    if (a->number > *high)
        *high = a->number;
    found = store_find(s, span_of(a->id), &h, &e);
    /* forgotten; or cancelled; or, after having been forgotten, there again */
    if (a->cancelled && (found == HIS_NEW || (found == HIS_SEEN && (h.state == HIS_CANCELLED || h.seq > a->seq))))
        return;
    if (found != HIS_SEEN)
        fail_msg("%s was stored, and is not known", a->id);
    assert_int_equal(h.state, HIS_KEPT);
    assert_int_equal(h.seq, a->seq);
    pos = (struct log_pos){ .segment = h.segment, .offset = h.offset, .size = h.size };
    if (artlog_read(store_log(s), &pos, &r, numbers, 8, &scratch, &e) != 0 || r.flags & RECORD_GONE)
        fail_msg("%s was stored, and cannot be read: %s", a->id, e.text);
    assert_int_equal(numbers[0].number, a->number);
    buf_fini(&scratch);
}

static void look(unsigned round)
{
    struct store *s = site_open(site_dir());
    uint64_t high = 0, seq = world->n_acks > 0 ? world->ack[world->n_acks - 1].seq : 0;
    struct log_pos pos;
    struct err e = { 0 };
    uint64_t number;
    char id[60];

    assert_int_equal(world->wrong, 0);
    for (unsigned i = 0; i < world->n_acks; i++)
        check_ack(s, &world->ack[i], &high);
    site_verify(s);
    /* the next one is above all that was ever told */
    snprintf(id, sizeof id, "<look.%u@power.example>", round);
    assert_int_equal(site_store(s, id, "misc.test", "x\r\n"), COMMIT_STORED);
    number = site_high(s, "misc.test");
    assert_true(number > high);
    assert_true(artlog_published(store_log(s)) > seq);
    assert_int_equal(ov_get(store_overview(s), group_find(store_groups(s), SPAN("misc.test"))->id, number, &pos, NULL, &e), 1);
    store_close(&s);
}

/* What history says of the n-th; 0: nothing, else the record that says it. */
static uint64_t told_by(struct store *s, unsigned n)
{
    struct his_entry h;
    struct err e = { 0 };

    switch (store_find(s, span_of(world->ack[n].id), &h, &e)) {
    case HIS_SEEN:
        return h.seq * 8 + (unsigned)h.state;
    case HIS_NEW:
        return 0;
    default:
        fail_msg("%s", e.text);
        return 0;
    }
}

/* The log alone says what is known and what was forgotten. */
static void rebuild_and_compare(void)
{
    struct store_options o = site_options(site_dir());
    uint64_t *before = xcalloc(world->n_acks, sizeof *before);
    struct store *s = site_open(site_dir());
    struct err e = { 0 };

    for (unsigned i = 0; i < world->n_acks; i++)
        before[i] = told_by(s, i);
    store_close(&s);
    if (store_rebuild(&o, NULL, NULL, &e) != 0)
        fail_msg("%s", e.text);
    s = site_open(site_dir());
    for (unsigned i = 0; i < world->n_acks; i++)
        if (told_by(s, i) != before[i])
            fail_msg("%s: %llu before the rebuild, %llu after it", world->ack[i].id, (unsigned long long)before[i],
                     (unsigned long long)told_by(s, i));
    store_close(&s);
    free(before);
}

static void power_cut_at_any_operation(void **state)
{
    (void)state;
    in_child(1, (struct fate){ 0 });
    look(1);
    assert_true(world->ops > 20);
    for (unsigned r = 2; r < 2 + rounds(); r++) {
        in_child(r, (struct fate){ .stop = 1 + kit_random() % world->ops });
        if (r % 2 == 0)                        /* and again, while it starts: mostly near the end of that */
            in_child(r + 100000, (struct fate){ .stop = world->opening - kit_random() % (r % 8 == 0 ? world->opening : 60),
                                                .opening = true });
        look(r);
    }
    rebuild_and_compare();
    print_message("# %u articles were stored; %lu operations of the disk to start, %lu to work; "
                  "%u ids came again, %llu rows were swept\n", world->n_acks, world->opening, world->ops, world->again,
                  (unsigned long long)world->swept);
}

static void one_operation_fails(void **state)
{
    static const int causes[] = { EIO, ENOSPC };

    (void)state;
    for (unsigned r = 0; r < rounds(); r++) {
        in_child(200000 + r, (struct fate){ .fail = 1 + kit_random() % world->ops, .sys = causes[r % 2] });
        look(200000 + r);
    }
}

static int make_site(void **state)
{
    struct err e;
    struct store *s;

    (void)state;
    if (log_open("test", LOG_ERROR, getenv("VERBOSE") ? NULL : "/dev/null", &e) != 0)
        return -1;
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    clock_freeze(5 * DAY_US);                  /* a log that begins early enough */
    s = site_open(site_dir());
    site_group(s, "misc.test", 'y', NULL);
    site_group(s, "misc.other", 'y', NULL);
    store_close(&s);
    clock_freeze(0);
    return world == MAP_FAILED ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cut_at_any_operation),
        cmocka_unit_test(one_operation_fails),
    };

    return cmocka_run_group_tests(tests, make_site, NULL);
}
