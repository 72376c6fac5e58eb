/* session.h - one connection: its lines, its replies in order, its state.
 *
 * Threads:  a session lives and dies on one worker; what leaves it (a job of
 *           the lane, an intake, a submission) owns its data while away.
 * Memory:   an idle session a few kB; reading stops while more than OUT_HIGH
 *           bytes of replies wait or SLOTS_MOST replies are unfinished (nntpd/sess.h).
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
struct who;
struct tls;
struct guests;
struct letters;
struct counters;
struct logins;
struct shares;

/* What all sessions of a worker share.  'rules', 'conf' and 'who' are swapped
 * whole by a reload; a session takes the new ones with its next command.
 * session_new makes what is still NULL (who, from the literal addresses of
 * 'conf'; guests; counters; logins; shares) and house_fini frees what it made. */
struct house {
    struct store       *store;
    const struct conf  *conf;
    struct intake_rules*rules;
    struct lane        *lane;
    struct letters     *letters;     /* nntpd/letters.h: shared by all workers; may be NULL   */
    struct mailbox     *home;        /* of this worker                                        */
    struct event_base  *base;
    struct counters    *counters;    /* nntpd/counters.h, of this worker                      */
    struct who         *who;         /* nntpd/who.h: a reference                              */
    struct tls         *tls;         /* the site's certificate: a reference; NULL: none       */
    struct guests      *guests;      /* nntpd/who.h: shared by all workers                    */
    struct logins      *logins;      /* nntpd/logins.h, nntpd/share.h: likewise               */
    struct shares      *shares;
    struct bdb_bulk    *spare[8];    /* scratch of scans, lent to the jobs that are away      */
    unsigned            n_spare;
    int64_t             lane_until_us;  /* quick tasks go to the lane until then             */
    unsigned            own;         /* what session_new made                                 */
};
void house_fini(struct house *h);

/* Greet and begin on a stream, which the session takes over (stream_own).
 * 'from' is the client's address.  The session lives until the connection has
 * ended and its last job is back, and calls 'gone' then.  'h' is completed. */
struct session *session_new(struct house *h, struct stream *s, const struct sockaddr *from,
                            void (*gone)(struct session *, void *), void *arg);

/* The same on a connection that begins with a TLS handshake: greeted when that is done. */
struct session *session_new_tls(struct house *h, struct stream *s, const struct sockaddr *from,
                                void (*gone)(struct session *, void *), void *arg);

/* Does its stream still stand?  (When not, only 'gone' is to come.) */
bool session_alive(const struct session *s);

/* Its client's address; 'gone' may still ask. */
const struct sockaddr *session_from(const struct session *s);

/* End it: what is in flight is answered first, then 400 and the reason, then
 * close (shutdown, no longer allowed). */
void session_end(struct session *s, const char *reason);

/* The user who has logged in; NULL: nobody. */
const char *session_user(const struct session *s);

/* End it now, without a word. */
void session_kill(struct session *s, const char *reason);

#endif
