/* session_task.c - a reader's command at work on the lane.
 *
 * A task makes at most about CHUNK octets in one go.  When it has more to tell
 * it goes again once the client has read most of what was sent: one task of a
 * session is away at a time, and memory stays bounded however long the answer.
 *
 * Work that writes little and reads much (a wildmat that fits nothing) ends its
 * turn after a while, too: the lane is everybody's.
 *
 * A quick task (one article, some overview lines) is not worth two changes of
 * thread while its data is in memory: it is run on the worker, which never waits
 * for the log there: what is not in memory fails, and the task is begun again on
 * the lane.  The database cannot be asked so; but the first task that it kept
 * waiting sends all the worker's tasks to the lane, until they have come back
 * quickly for a second.  So a cold database costs a worker one wait, and no more
 * than one a second.
 */
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "nntpd/sess.h"

#define GIVE_FROM 8192             /* smaller answers are copied into the stream's buffer */
#define SLOW_US   2000             /* so long takes what is not in memory                 */
#define TURN_US   5000             /* a task's turn on the lane                           */
#define HERE_US   1000             /* ... and on the worker                               */
#define LANE_US   1000000          /* then quick tasks go to the lane as well             */

void *task_new(struct session *s, size_t size, void (*work)(struct task *))
{
    struct task *t = xcalloc(1, size);

    t->s = s;
    t->store = s->h->store;
    t->work = work;
    t->file.fd = -1;
    t->count_as = COUNT_list_lines;
    need(s->task == NULL);
    s->task = t;
    return t;
}

struct bdb_bulk *task_bulk(struct task *t)
{
    struct house *h = t->s->h;

    if (t->bulk == NULL)
        t->bulk = h->n_spare > 0 ? h->spare[--h->n_spare] : xcalloc(1, sizeof *t->bulk);
    return t->bulk;
}

static void bulk_back(struct house *h, struct bdb_bulk **b)
{
    if (*b == NULL)
        return;
    if (h->n_spare < sizeof h->spare / sizeof *h->spare) {
        h->spare[h->n_spare++] = *b;
    } else {
        bdb_bulk_fini(*b);
        free(*b);
    }
    *b = NULL;
}

void task_free(struct task *t)
{
    if (t->s->task == t)
        t->s->task = NULL;
    bulk_back(t->s->h, &t->bulk);
    if (t->file.hold != NULL)
        artlog_fd_put(t->file.hold);
    if (t->fini != NULL)
        t->fini(t);
    buf_fini(&t->out);
    free(t);
}

void task_fail(struct task *t)
{
    t->trouble = true;
    t->more = false;
}

bool task_tired(const struct task *t)
{
    return clock_mono_us() > t->until_us;
}

/* As it was before its work. */
static void start_over(struct task *t)
{
    buf_clear(&t->out);
    t->trouble = t->more = t->begun = false;
    t->lines = 0;
    if (t->file.hold != NULL)
        artlog_fd_put(t->file.hold);
    t->file.hold = NULL;
}

/* Run a quick task on what is in memory of the log.  false: that was not enough, and it
 * is as it was.  Notes whether the database kept it waiting. */
static bool run_warm(struct task *t, int64_t turn_us)
{
    int64_t began = clock_mono_us();
    bool cold;

    t->until_us = began + turn_us;
    disk_hurry();
    t->work(t);
    cold = disk_hurry_end();
    t->slow = clock_mono_us() - began > SLOW_US;
    if (cold)
        start_over(t);
    return !cold;
}

static void run(struct job *j)
{
    struct task *t = (struct task *)j;

    if (t->quick && run_warm(t, TURN_US))
        return;
    t->until_us = clock_mono_us() + TURN_US;
    t->work(t);
}

/* Write what it made.  false: the session is dead. */
static bool tell(struct session *s, struct task *t)
{
    if (t->trouble) {
        COUNT(s, trouble);
        log_msg(LOG_WARNING, "%s: %s", s->source, t->e.text);
        if (t->begun) {
            session_die(s, "trouble in the middle of an answer");
            return false;
        }
        buf_clear(&t->out);
        buf_puts(&t->out, "403 Trouble of our own, please try later\r\n");
    }
    count_add(&s->h->counters->v[t->count_as], t->lines);
    t->lines = 0;
    if (t->done != NULL)
        t->done(t);
    if (buf_len(&t->out) >= GIVE_FROM) {
        size_t n;
        char *p = buf_steal(&t->out, &n);

        stream_give(s->st, p, n);
    } else {
        stream_write(s->st, buf_data(&t->out), buf_len(&t->out));
        buf_clear(&t->out);
    }
    if (t->file.hold != NULL) {
        stream_send_file(s->st, t->file.fd, t->file.at, t->file.len, s->h->lane, s->h->home, artlog_fd_put, t->file.hold);
        t->file.hold = NULL;
    }
    return true;
}

/* It has more, and there is room for it: what goes on long is not quick. */
static void task_again(struct task *t)
{
    t->quick = false;
    task_send(t);
}

static void back(struct mail *m)
{
    struct task *t = (struct task *)m;
    struct session *s = t->s;

    t->job.home = NULL;
    if (t->slow)
        s->h->lane_until_us = clock_mono_us() + LANE_US;
    t->slow = false;
    if (session_dead(s)) {
        task_free(t);
        session_unref(s);
        return;
    }
    s->state = SESS_LINE;           /* 'done' may change it */
    if (tell(s, t)) {
        if (!t->more)
            task_free(t);
        else if (stream_out_len(s->st) > OUT_HIGH)
            s->state = SESS_DRAIN;
        else
            task_again(t);
        session_go(s);
    }
    session_unref(s);
}

/* Run it here; on the lane when the log is cold. */
static void run_here(struct house *h, struct task *t)
{
    if (run_warm(t, HERE_US))
        back(&t->job.mail);
    else
        lane_send(h->lane, &t->job);
}

void task_send(struct task *t)
{
    struct session *s = t->s;
    struct house *h = s->h;

    COUNT(s, jobs);
    s->state = SESS_AWAY;
    session_ref(s);
    t->more = false;
    t->job.home = h->home;
    t->job.run = run;
    t->job.mail.deliver = back;
    if (t->quick && clock_mono_us() >= h->lane_until_us)
        run_here(h, t);
    else
        lane_send(h->lane, &t->job);
}

void task_drained(struct session *s)
{
    if (s->task != NULL && s->state == SESS_DRAIN)
        task_send(s->task);
}
