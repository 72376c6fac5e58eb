/* lib_work.c - mailboxes keep order and lose nothing; lanes run all and send it home. */
#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/lock.h"
#include "lib/mem.h"
#include "lib/work.h"
#include "tests/kit.h"

#define POSTERS 4
#define EACH    20000

struct note {
    struct mail mail;
    unsigned from, number;
};

static struct event_base *base;
static struct mailbox *box;
static pthread_t here;
static unsigned next_of[POSTERS], delivered;

static int open_box(void **state)
{
    (void)state;
    here = pthread_self();
    base = event_base_new();
    box = mailbox_new(base);
    memset(next_of, 0, sizeof next_of);
    delivered = 0;
    return 0;
}

static int close_box(void **state)
{
    (void)state;
    mailbox_free(&box);
    assert_null(box);
    event_base_free(base);
    return 0;
}

static void check_note(struct mail *m)
{
    struct note *n = (struct note *)m;

    assert_true(pthread_equal(pthread_self(), here));
    assert_int_equal(n->number, next_of[n->from]);
    next_of[n->from]++;
    delivered++;
    free(n);
}

static void post(unsigned from, unsigned number)
{
    struct note *n = xmalloc(sizeof *n);

    *n = (struct note){ { .deliver = check_note }, from, number };
    mailbox_post(box, &n->mail);
}

static void *post_all(void *arg)
{
    unsigned from = (unsigned)(uintptr_t)arg;

    for (unsigned i = 0; i < EACH; i++)
        post(from, i);
    return NULL;
}

static void mail_arrives_once_in_order_on_the_owners_thread(void **state)
{
    pthread_t t[POSTERS];

    (void)state;
    for (uintptr_t i = 0; i < POSTERS; i++)
        thread_start(&t[i], "poster", post_all, (void *)i);
    while (delivered < POSTERS * EACH)
        event_base_loop(base, EVLOOP_ONCE);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(t[i], NULL);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(delivered, POSTERS * EACH);
}

static void mail_is_delivered_in_the_loop_and_not_by_the_post(void **state)
{
    (void)state;
    post(0, 0);
    post(0, 1);
    assert_int_equal(delivered, 0);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(delivered, 2);
}

static void draining_by_hand_leaves_nothing_for_the_loop(void **state)
{
    (void)state;
    post(0, 0);
    mailbox_drain(box);
    assert_int_equal(delivered, 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    post(0, 1);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(delivered, 2);
}

struct chain {
    struct mail mail;
    int left;
};

static void post_again(struct mail *m)
{
    struct chain *c = (struct chain *)m;

    delivered++;
    if (c->left-- > 0)
        mailbox_post(box, m);
    else
        free(c);
}

static void mail_may_be_posted_again_by_its_delivery(void **state)
{
    struct chain *c = xmalloc(sizeof *c);

    (void)state;
    *c = (struct chain){ { .deliver = post_again }, 100 };
    mailbox_post(box, &c->mail);
    while (delivered < 101)
        event_base_loop(base, EVLOOP_ONCE);
}

static void freeing_a_mailbox_delivers_what_is_in_it_and_what_that_posts(void **state)
{
    struct chain *c = xmalloc(sizeof *c);

    (void)state;
    *c = (struct chain){ { .deliver = post_again }, 5 };
    mailbox_post(box, &c->mail);
    mailbox_free(&box);
    assert_int_equal(delivered, 6);
    mailbox_free(&box);                          /* none: nothing happens */
}

/* --- lanes ------------------------------------------------------------- */

struct task {
    struct job job;
    pthread_t  ran_on;
    unsigned   value;
};

static atomic_uint ran;

static void run_task(struct job *j)
{
    struct task *t = (struct task *)j;

    t->ran_on = pthread_self();
    t->value *= 2;
    atomic_fetch_add(&ran, 1);
}

static void task_home(struct mail *m)
{
    struct task *t = (struct task *)m;

    assert_true(pthread_equal(pthread_self(), here));
    assert_false(pthread_equal(t->ran_on, here));
    assert_int_equal(t->value % 2, 0);
    delivered++;
    free(t);
}

static void send_task(struct lane *l, void (*run)(struct job *), unsigned value)
{
    struct task *t = xcalloc(1, sizeof *t);

    t->job.run = run;
    t->job.mail.deliver = task_home;
    t->job.home = box;
    t->value = value;
    lane_send(l, &t->job);
}

static void every_job_runs_elsewhere_and_comes_home(void **state)
{
    struct lane *l = lane_new("test", 3);

    (void)state;
    ran = 0;
    for (unsigned i = 0; i < 20000; i++)
        send_task(l, run_task, i);
    while (delivered < 20000)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(ran, 20000);
    assert_int_equal(lane_load(l), 0);
    lane_free(&l);
    assert_null(l);
    lane_free(&l);
}

/* A lane of one thread runs in order: numbers come home as they were sent. */
struct numbered {
    struct job job;
    unsigned   number;
};

static void run_nothing(struct job *j)
{
    (void)j;
}

static void numbered_home(struct mail *m)
{
    assert_int_equal(((struct numbered *)m)->number, delivered);
    delivered++;
    free(m);
}

static void one_thread_keeps_the_order(void **state)
{
    struct lane *l = lane_new("test", 1);

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        struct numbered *n = xcalloc(1, sizeof *n);

        *n = (struct numbered){ { .mail.deliver = numbered_home, .run = run_nothing, .home = box }, i };
        lane_send(l, &n->job);
    }
    while (delivered < 5000)
        event_base_loop(base, EVLOOP_ONCE);
    lane_free(&l);
}

static struct lock gate_lock;
static struct cond gate_cond;
static unsigned waiting;
static bool gate_open;

static void wait_at_gate(struct job *j)
{
    lock_get(&gate_lock);
    waiting++;
    cond_broadcast(&gate_cond);
    while (!gate_open)
        cond_wait(&gate_cond, &gate_lock);
    lock_put(&gate_lock);
    run_task(j);
}

static void open_gate(void)
{
    lock_get(&gate_lock);
    gate_open = true;
    cond_broadcast(&gate_cond);
    lock_put(&gate_lock);
}

static void await_waiting(unsigned n)
{
    lock_get(&gate_lock);
    while (waiting < n)
        cond_wait(&gate_cond, &gate_lock);
    lock_put(&gate_lock);
}

static void a_lane_runs_as_many_jobs_at_once_as_it_has_threads(void **state)
{
    struct lane *l = lane_new("test", 3);

    (void)state;
    waiting = 0;
    gate_open = false;
    for (unsigned i = 0; i < 5; i++)
        send_task(l, wait_at_gate, i);
    await_waiting(3);                            /* hangs if they did not run side by side */
    assert_int_equal(lane_load(l), 5);
    lock_get(&gate_lock);
    assert_int_equal(waiting, 3);
    lock_put(&gate_lock);
    open_gate();
    while (delivered < 5)
        event_base_loop(base, EVLOOP_ONCE);
    lane_free(&l);
}

static void freeing_a_lane_runs_what_is_queued_first(void **state)
{
    struct lane *l = lane_new("test", 2);

    (void)state;
    ran = 0;
    waiting = 0;
    gate_open = false;
    for (unsigned i = 0; i < 1000; i++)
        send_task(l, wait_at_gate, i);
    await_waiting(2);
    open_gate();
    lane_free(&l);
    assert_int_equal(ran, 1000);
    mailbox_drain(box);
    assert_int_equal(delivered, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mail_arrives_once_in_order_on_the_owners_thread, open_box, close_box),
        cmocka_unit_test_setup_teardown(mail_is_delivered_in_the_loop_and_not_by_the_post, open_box, close_box),
        cmocka_unit_test_setup_teardown(draining_by_hand_leaves_nothing_for_the_loop, open_box, close_box),
        cmocka_unit_test_setup_teardown(mail_may_be_posted_again_by_its_delivery, open_box, close_box),
        cmocka_unit_test_setup_teardown(freeing_a_mailbox_delivers_what_is_in_it_and_what_that_posts, open_box, close_box),
        cmocka_unit_test_setup_teardown(every_job_runs_elsewhere_and_comes_home, open_box, close_box),
        cmocka_unit_test_setup_teardown(one_thread_keeps_the_order, open_box, close_box),
        cmocka_unit_test_setup_teardown(a_lane_runs_as_many_jobs_at_once_as_it_has_threads, open_box, close_box),
        cmocka_unit_test_setup_teardown(freeing_a_lane_runs_what_is_queued_first, open_box, close_box),
    };
    int rc;

    lock_init(&gate_lock, "gate");
    cond_init(&gate_cond);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    cond_fini(&gate_cond);
    lock_fini(&gate_lock);
    return rc;
}
