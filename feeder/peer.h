/* peer.h - one peer: what it is still to be offered, its connections, its state.
 *
 * Threads:  feeder's one.
 * Memory:   at most QUEUE_MOST articles waiting or in flight (a third of a kB
 *           each, used again), EXCEPTIONS_MOST exceptions.
 *
 *     log ──▶ peer_live, or the peer's own reader (behind)
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
#include "feeder/health.h"
#include "feeder/offer.h"
#include "lib/work.h"
#include "spool/artlog.h"

#define QUEUE_MOST 2048
#define RETRY_MOST 64       /* exceptions tried again at once */
#define ASIDE_MOST 1024     /* articles set aside             */

struct conn;
struct dial;
struct map;
struct peer;
struct pull;
struct shelf;
struct tls;

enum work_state {
    WORK_QUEUED,
    WORK_ASKED,               /* CHECK or IHAVE is out                                       */
    WORK_WANTED,              /* the peer said yes; too much is on its way as it is          */
    WORK_SENT,                /* the article is out                                          */
    WORK_VOID,                /* its bytes were gone: an empty one is out, any answer will do */
    WORK_VOID_LATER,          /* the same, but they could not be read just now               */
    WORK_DONE
};

/* An article on its way to one peer. */
struct work {
    TAILQ_ENTRY(work) link;           /* in flight: the connection's; else: the spare ones   */
    uint64_t     seq;
    struct log_pos pos;
    int64_t      arrived_us;          /* when it came to us                                  */
    enum work_state state;
    int64_t      said_us;             /* when its last command was written                  */
    uint64_t     said_at;             /* the connection's answers until then                */
    uint32_t     tries;               /* answers that made no sense, connections that ended at it */
    bool         retry;               /* an exception that is due: not in the queue         */
    uint8_t      id_n;
    char         id[MSGID_MAX + 1];
};

TAILQ_HEAD(works, work);
TAILQ_HEAD(conns, conn);

/* What all peers share. */
struct feeder {
    struct event_base *base;
    struct conf    *conf;
    struct offer   *offer;
    struct artlog  *log;
    struct shelf   *shelf;            /* the articles' bytes                                */
    struct tls     *tls;              /* for peers that want it; NULL: it cannot be had     */
    struct tls     *tls_bare;         /* the same without a certificate of ours             */
    struct lane    *lane;             /* asks the name service                              */
    struct map     *known;            /* what it said last (dial.c)                         */
    struct lane    *probe_lane;       /* the same for probes, which keep no peer waiting    */
    struct mailbox *home;
    struct peer   **peer;             /* in the order of 'offer'                            */
    size_t          n_peer;
    struct pull   **pull;             /* those that are read from                           */
    size_t          n_pull;
    uint64_t        live;             /* the next record of the live reader                 */
    uint64_t        begin;            /* where a new peer begins                            */
    bool            certain;          /* 'live' is the log's end, not a word lost with the power */
    int64_t         started_us;
    struct works    spare;
};

enum peer_count {
    N_OFFERED, N_ACCEPTED, N_REFUSED, N_REJECTED, N_DEFERRED, N_ASIDE, N_GONE, N_GARBAGE, N_BYTES, N_COUNTS
};

struct peer {
    struct feeder *f;
    size_t   index;                   /* in offers                                          */
    const struct conf_peer *conf;
    char    *name;
    struct cursor cursor;
    bool     open;                    /* the cursor is there; else nothing is sent          */
    bool     damaged;                 /* it was: begin at the log's first record            */
    struct log_reader *reader;        /* behind the live reader; NULL: with it              */
    uint64_t next;                    /* the next record to decide about                    */
    char    *only;                    /* refeed: of the records before only_to, these groups */
    uint64_t only_to;
    uint64_t known_to;                /* up to here a record may be an exception already    */
    int64_t  stuck_us;                /* since when the log cannot be read at 'next'        */

    struct work **ring;               /* QUEUE_MOST pointers, by position                   */
    uint64_t head, todo, tail;        /* positions: first unsettled, first unsent, end      */
    struct work *again[QUEUE_MOST + RETRY_MOST];   /* requeued and due ones, next one last: before the queue */
    size_t   n_again;
    size_t   n_retrying;              /* exceptions that are works just now                 */
    bool     more_due;                /* others are due                                     */
    int64_t  hold_us;                 /* nothing is given out before that                   */

    struct conns conns;
    size_t   n_conns, n_away;         /* n_away: in flight, all connections                 */
    struct event turn;                /* there is more to read or to give out               */
    struct dial *dial;                /* a question to the name service, away               */
    unsigned n_dials;                 /* which of its addresses is next                     */
    int64_t  next_try_us, wait_us;
    int64_t  more_try_us, more_wait_us;   /* the same for one more beside those that stand  */
    int64_t  dead_us;                 /* since when nothing could be said to it; 0: it answers */
    bool     paused;
    unsigned nonsense;                /* articles set aside since something was settled     */
    int64_t  told_us;                 /* when trouble with disk or log was last logged      */
    char     last_error[400];
    int64_t  last_error_us, since_us; /* since: of the state that was last seen             */
    const char *state;
    uint64_t n[N_COUNTS], not_wanted[OFFER_WHYS];
    struct health health;
};

/* Load the cursor and begin; a cursor that cannot be read now is tried again later. */
struct peer *peer_new(struct feeder *f, const struct conf_peer *conf, size_t index);
void peer_stop(struct peer *p);                      /* close its connections */
void peer_free(struct peer **p);

/* Another configuration; 'changed': for this peer.  Then what is queued is decided again. */
void peer_conf(struct peer *p, const struct conf_peer *conf, size_t index, bool changed);

/* The live reader decided about the record. */
void peer_live(struct peer *p, const struct record *r, const struct log_pos *pos, enum offer_why why);

/* Once a turn and once a second: read on if behind, open connections, give out work. */
void peer_run(struct peer *p);
void peer_tick(struct peer *p, int64_t now_us);
int  peer_save(struct peer *p, struct err *e);

/* For connections. */
struct work *peer_next_work(struct peer *p);                       /* NULL: nothing to do      */
bool peer_has_work(const struct peer *p);
void peer_settle(struct peer *p, struct work *w);                  /* done with, one way or another */
void peer_defer(struct peer *p, struct work *w);                   /* "later"                  */
void peer_requeue(struct peer *p, struct work *w);                 /* the connection went away */
void peer_suspect(struct peer *p, struct work *w, const char *why);      /* the same, and it owed this one first */
void peer_nonsense(struct peer *p, struct work *w, const char *reply);   /* an answer without sense */
void peer_set_aside(struct peer *p, struct work *w, const char *reply);  /* at once             */
void peer_soon(struct peer *p);                                    /* peer_run in the next turn */

/* For the operator. */
const char *peer_state(const struct peer *p);
uint64_t peer_settled_to(const struct peer *p);
uint64_t peer_lag(const struct peer *p);             /* records of the log that it still has before it */
size_t   peer_aside(const struct peer *p);           /* articles set aside now                         */
void peer_place(struct peer *p, const struct record *r, char *out, size_t n);   /* where it is with the record */
void peer_flush(struct peer *p);
void peer_pause(struct peer *p, bool paused);
/* Offer from record 'seq' on again; what was settled before only if one of its groups
 * matches 'groups' (NULL: all of it). */
void peer_refeed(struct peer *p, uint64_t seq, const char *groups);

#endif
