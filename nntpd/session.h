/* session.h - one connection: its lines, its replies in order, its state.
 *
 * Threads:  a session lives and dies on one worker; what leaves it (a job of
 *           the lane, an intake, a submission) owns its data while away.
 * Memory:   an idle session a few kB; reading stops while more than out_high
 *           bytes of replies wait or 'slots' replies are unfinished.
 * Standard: RFC 3977 3.1, 3.5 (pipelining), RFC 4644.
 *
 * Replies have slots: each command takes one when it is read, fills it when it
 * can, and the head of the row is sent while it is full.
 */
#ifndef NNTPD_SESSION_H
#define NNTPD_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/stream.h"
#include "lib/work.h"
#include "nntpd/intake.h"
#include "nntpd/store.h"

struct session;
struct conf;

/* What all sessions of a worker share.  'rules' and 'conf' are swapped whole by
 * a reload; a session takes the new ones with its next command. */
struct house {
    struct store       *store;
    const struct conf  *conf;
    struct intake_rules*rules;
    struct lane        *lane;
    struct mailbox     *home;        /* of this worker                                        */
    struct event_base  *base;
    void               *counters;    /* nntpd/counters.h, of this worker                      */
};

/* Greet and begin.  'address' is the client's, as text.  The session frees
 * itself when the connection ends, and calls 'gone' then. */
struct session *session_new(struct house *h, struct stream *s, const struct sockaddr *from,
                            void (*gone)(struct session *, void *), void *arg);

/* End it: 400 and the reason, then close (shutdown, too many). */
void session_end(struct session *s, const char *reason);

#endif
