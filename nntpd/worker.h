/* worker.h - a thread with an event loop and its sessions, for their lives.
 *
 * Threads:  worker_new, worker_join and worker_free from main; worker_take,
 *           worker_rules and worker_stop on any thread: they only post.
 */
#ifndef NNTPD_WORKER_H
#define NNTPD_WORKER_H

#include "lib/net.h"
#include "nntpd/counters.h"
#include "nntpd/session.h"
#include "nntpd/who.h"

struct worker;

struct worker_options {
    unsigned index;
    struct store *store;
    struct lane  *lane;
    struct guests *guests;
    struct logins *logins;
    struct shares *shares;
    struct letters *letters;
    const struct conf *conf;
    struct intake_rules *rules;        /* references are taken                  */
    struct who *who;
    struct tls *tls;                   /* or NULL                               */
    void (*gone)(const struct sockaddr *from, void *arg);   /* a session has ended; on the worker */
    void *arg;
};
struct worker *worker_new(const struct worker_options *o);

/* A connection: the worker owns it from now on.  'tls': it begins with a handshake. */
void worker_take(struct worker *w, int fd, const struct net_addr *from, bool tls);

/* Other rules: sessions take them with their next command. */
void worker_rules(struct worker *w, const struct conf *conf, struct intake_rules *rules, struct who *who,
                  struct tls *tls);

/* Say 400 to the sessions of a user who may not log in any more. */
void worker_user_out(struct worker *w, const char *user);

/* Say 400 to all sessions, wait for what is under way, and end. */
void worker_stop(struct worker *w);
void worker_join(struct worker *w);

const struct counters *worker_counters(const struct worker *w);

/* After worker_join, and after all that posts to it (lane, store) has ended. */
void worker_free(struct worker **w);

#endif
