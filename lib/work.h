/* work.h - hand work to another thread and have the answer come back.
 *
 * Two things.  A mailbox: a queue of messages with an eventfd that an event
 * loop watches.  A lane: threads that run jobs and post each one, done, to the
 * mailbox of the thread that sent it.
 *
 * Threads:  mailbox_post and lane_send on any thread; the mailbox's 'deliver'
 *           runs on the thread of the loop that owns it; job->run on a thread
 *           of the lane.
 * Memory:   a message belongs to the receiver from the moment of the post; a
 *           job and all it points at belong to the lane until 'done' is called.
 */
#ifndef LIB_WORK_H
#define LIB_WORK_H

#include <stddef.h>

#include "lib/err.h"

struct event_base;
struct mailbox;
struct lane;

/* The link that every message begins with. */
struct mail {
    struct mail *next;
    void (*deliver)(struct mail *);    /* called on the receiver's thread */
};

/* One for each event loop. */
struct mailbox *mailbox_new(struct event_base *base);   /* ends the program when no descriptor is left */
struct mailbox *mailbox_try(struct event_base *base);   /* or NULL, with errno */

/* An event loop made while the program serves; NULL, with errno, when descriptors are
 * short (event_base_new alone would end the program). */
struct event_base *loop_try(void);
void mailbox_free(struct mailbox **m);            /* messages still in it are delivered first */
void mailbox_post(struct mailbox *to, struct mail *m);

/* Deliver now what has arrived (the loop does it by itself). */
void mailbox_drain(struct mailbox *m);

struct job {
    struct mail     mail;                  /* mail.deliver: what to do, back home, when done */
    void          (*run)(struct job *);    /* on a thread of the lane; may block             */
    struct mailbox *home;
};

struct lane *lane_new(const char *name, int threads);
void lane_free(struct lane **l);           /* runs what is queued, then ends the threads */
void lane_send(struct lane *l, struct job *j);

/* Jobs waiting and running now. */
size_t lane_load(const struct lane *l);

#endif
