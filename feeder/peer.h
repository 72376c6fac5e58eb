/* peer.h - one peer: what it is still to be offered, its connections, its state.
 *
 * Threads:  feeder's one.
 * Memory:   at most QUEUE_MOST articles waiting or in flight (an entry of about
 *           100 octets and an id each), EXCEPTIONS_MOST exceptions.
 *
 *     log ──▶ peer_take (live) or the peer's own reader (behind)
 *                 │
 *                 ▼
 *     queue  [settled][in flight][in flight][queued][queued]      in log order
 *             ▲ cursor                                ▲ next
 *
 * The cursor is the first article that is not settled.  A deferred article
 * leaves the queue and becomes an exception, which is durable too.
 */
#ifndef FEEDER_PEER_H
#define FEEDER_PEER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "conf/conf.h"
#include "feeder/cursor.h"
#include "feeder/offer.h"
#include "lib/work.h"
#include "spool/artlog.h"

#define QUEUE_MOST 2048
#define RETRY_MOST 64       /* exceptions tried again at once */

struct conn;
struct dial;
struct peer;

/* What all peers share. */
struct feeder {
    struct event_base *base;
    struct conf    *conf;
    struct offer   *offer;
    struct artlog  *log;
    struct lane    *lane;             /* asks the name service                          */
    struct mailbox *home;
    struct peer   **peer;             /* in the order of 'offer'                        */
    size_t          n_peer;
    uint64_t        live;             /* the next record of the live reader             */
};

enum work_state { WORK_QUEUED, WORK_CHECKED, WORK_SENT, WORK_DONE };

/* An article on its way to one peer. */
struct work {
    TAILQ_ENTRY(work) in_conn;        /* while in flight                                */
    struct conn *conn;
    uint64_t     seq;
    struct log_pos pos;
    enum work_state state;
    uint32_t     tries;               /* answers that made no sense                     */
    bool         retry;               /* an exception that is due: not in the queue     */
    uint8_t      id_n;
    char         id[MSGID_MAX + 1];
};

TAILQ_HEAD(works, work);
TAILQ_HEAD(conns, conn);

struct peer_counts {
    uint64_t offered, accepted, refused, rejected, deferred, aside, bytes, garbage;
    uint64_t not_wanted[OFFER_WHYS];
};

struct peer {
    struct feeder *f;
    size_t   index;                   /* bit in offers                                  */
    const struct conf_peer *conf;
    char    *name;
    struct cursor cursor;
    struct log_reader *reader;        /* behind the live reader; NULL: with it          */
    uint64_t next;                    /* the next record to decide about                */

    struct work **ring;               /* QUEUE_MOST pointers, by position               */
    uint64_t head, todo, tail;        /* positions: first unsettled, first unsent, end  */
    struct work *again[QUEUE_MOST + RETRY_MOST];   /* requeued and due ones, oldest last: before the queue */
    size_t   n_again;
    uint64_t retrying[RETRY_MOST];    /* exceptions that are works just now             */
    size_t   n_retrying;
    int64_t  hold_us;                 /* nothing is given out before that               */

    struct conns conns;
    size_t   n_conns, n_away;         /* n_away: in flight, all connections             */
    struct event turn;                /* there is more to read or to give out           */
    struct dial *dial;                /* a question to the name service, away           */
    unsigned n_dials;                 /* which of its addresses is next                 */
    int64_t  trouble_told_us;
    int64_t  next_try_us, wait_us;
    bool     paused;
    unsigned nonsense;                /* articles set aside in a row                    */
    char     last_error[400];
    int64_t  last_error_us, since_us; /* since: of the state                            */
    struct peer_counts n;
};

/* Load the cursor and begin.  NULL with the reason in 'e'. */
struct peer *peer_new(struct feeder *f, const struct conf_peer *conf, size_t index, struct err *e);
void peer_stop(struct peer *p);                      /* close its connections */
void peer_free(struct peer **p);

/* A changed configuration: same name, other rules. */
void peer_change(struct peer *p, const struct conf_peer *conf, size_t index, bool reconnect);

/* The live reader decided about the record: 'wanted' says for this peer. */
void peer_live(struct peer *p, const struct record *r, const struct log_pos *pos, bool wanted);

/* Once a turn and once a second: read on if behind, open connections, give out work. */
void peer_run(struct peer *p);
void peer_tick(struct peer *p, int64_t now_us);
int  peer_save(struct peer *p, struct err *e);

/* For connections. */
struct work *peer_next_work(struct peer *p);                       /* NULL: nothing to do      */
bool peer_has_work(const struct peer *p);
void peer_settle(struct peer *p, struct work *w);                  /* done with, one way or another */
void peer_defer(struct peer *p, struct work *w);                   /* the peer said "later"    */
void peer_requeue(struct peer *p, struct work *w);                 /* the connection went away */
void peer_nonsense(struct peer *p, struct work *w, const char *reply);   /* an answer without sense */
void peer_up(struct peer *p);                                      /* something was settled    */
void peer_conn_gone(struct peer *p, struct conn *c, const char *why, bool trouble);

/* For the operator. */
const char *peer_state(const struct peer *p);
uint64_t peer_settled_to(const struct peer *p);
void peer_flush(struct peer *p);
void peer_pause(struct peer *p, bool paused);
void peer_refeed(struct peer *p, uint64_t seq);

#endif
