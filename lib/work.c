/* work.c - mailboxes and lanes.  See work.h.
 *
 * A mailbox is a list under a lock and an eventfd; the eventfd is written only
 * when the list was empty, so a burst costs one wake-up.  It is written without
 * the lock, or its owner would wake to wait for that; so who posted may still be
 * at it when the owner has all mail and wants the mailbox to be gone ('waking').
 */
#include "lib/work.h"

#include <errno.h>
#include <event2/event.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/lock.h"
#include "lib/mem.h"

#define LOOP_FDS 8              /* a loop takes four (epoll, a pipe, an eventfd), and a mailbox follows */

struct mailbox {
    struct lock   lock;         /* "mailbox": head and tail             */
    struct mail  *head, **tail;
    int           fd;
    atomic_uint   waking;       /* who are about to write to 'fd'       */
    struct event *event;
};

/* Take all that is there, in order of posting. */
static struct mail *take(struct mailbox *m)
{
    struct mail *all;

    lock_get(&m->lock);
    all = m->head;
    m->head = NULL;
    m->tail = &m->head;
    lock_put(&m->lock);
    return all;
}

/* Deliver what is there now; false: nothing was. */
static bool deliver_some(struct mailbox *m)
{
    struct mail *all = take(m), *next;

    for (struct mail *at = all; at != NULL; at = next) {
        next = at->next;
        at->deliver(at);
    }
    return all != NULL;
}

void mailbox_drain(struct mailbox *m)
{
    (void)deliver_some(m);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t n;

    (void)what;
    if (read(fd, &n, sizeof n) == sizeof n)
        mailbox_drain(arg);
}

/* libevent 2.1 exits when it cannot have a pipe for signals, so let us see first.  Another
 * thread may take them meanwhile; this one is the rarer for it by far. */
struct event_base *loop_try(void)
{
    int fd[LOOP_FDS], n = 0, error;

    while (n < LOOP_FDS && (fd[n] = eventfd(0, EFD_CLOEXEC)) >= 0)
        n++;
    error = errno;
    for (int i = 0; i < n; i++)
        close(fd[i]);
    errno = error;
    return n == LOOP_FDS ? event_base_new() : NULL;
}

struct mailbox *mailbox_try(struct event_base *base)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct mailbox *m;

    if (fd < 0)
        return NULL;
    m = xcalloc(1, sizeof *m);
    lock_init(&m->lock, "mailbox");
    m->tail = &m->head;
    m->fd = fd;
    m->event = event_new(base, m->fd, EV_READ | EV_PERSIST, on_wake, m);
    need(m->event != NULL && event_add(m->event, NULL) == 0);
    return m;
}

struct mailbox *mailbox_new(struct event_base *base)
{
    struct mailbox *m = mailbox_try(base);

    if (m == NULL)
        die(1, "a mailbox: %s", strerror(errno));
    return m;
}

void mailbox_free(struct mailbox **m)
{
    if (*m == NULL)
        return;
    while (deliver_some(*m))           /* what is delivered may post again */
        ;
    while (atomic_load(&(*m)->waking) > 0)
        sched_yield();
    event_free((*m)->event);
    close((*m)->fd);
    lock_fini(&(*m)->lock);
    free(*m);
    *m = NULL;
}

void mailbox_post(struct mailbox *to, struct mail *m)
{
    uint64_t one = 1;
    bool was_empty;

    m->next = NULL;
    lock_get(&to->lock);
    was_empty = to->head == NULL;
    *to->tail = m;
    to->tail = &m->next;
    if (was_empty)
        atomic_fetch_add(&to->waking, 1);
    lock_put(&to->lock);
    if (was_empty) {
        need(write(to->fd, &one, sizeof one) == sizeof one);
        atomic_fetch_sub(&to->waking, 1);
    }
}

struct lane {
    struct lock    lock;        /* "lane": the queue and 'ending'       */
    struct cond    more;
    struct mail   *head, **tail;/* jobs are linked by their mail        */
    bool           ending;
    atomic_size_t  load;
    int            n_threads;
    pthread_t     *thread;
};

static void *run_jobs(void *arg)
{
    struct lane *l = arg;

    lock_get(&l->lock);
    for (;;) {
        struct job *j;

        while (l->head == NULL && !l->ending)
            cond_wait(&l->more, &l->lock);
        if ((j = (struct job *)l->head) == NULL)      /* the mail is a job's first member */
            break;
        if ((l->head = j->mail.next) == NULL)
            l->tail = &l->head;
        lock_put(&l->lock);
        j->run(j);
        atomic_fetch_sub(&l->load, 1);
        mailbox_post(j->home, &j->mail);
        lock_get(&l->lock);
    }
    lock_put(&l->lock);
    return NULL;
}

struct lane *lane_new(const char *name, int threads)
{
    struct lane *l = xcalloc(1, sizeof *l);

    lock_init(&l->lock, "lane");
    cond_init(&l->more);
    l->tail = &l->head;
    l->n_threads = threads;
    l->thread = xcalloc((size_t)threads, sizeof *l->thread);
    for (int i = 0; i < threads; i++)
        thread_start(&l->thread[i], name, run_jobs, l);
    return l;
}

void lane_free(struct lane **lane)
{
    struct lane *l = *lane;

    if (l == NULL)
        return;
    lock_get(&l->lock);
    l->ending = true;
    cond_broadcast(&l->more);
    lock_put(&l->lock);
    for (int i = 0; i < l->n_threads; i++)
        pthread_join(l->thread[i], NULL);
    lock_fini(&l->lock);
    cond_fini(&l->more);
    free(l->thread);
    free(l);
    *lane = NULL;
}

void lane_send(struct lane *l, struct job *j)
{
    atomic_fetch_add(&l->load, 1);
    j->mail.next = NULL;
    lock_get(&l->lock);
    *l->tail = &j->mail;
    l->tail = &j->mail.next;
    lock_put(&l->lock);
    cond_signal(&l->more);
}

size_t lane_load(const struct lane *l)
{
    return atomic_load(&l->load);
}
