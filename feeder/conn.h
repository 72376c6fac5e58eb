/* conn.h - one outgoing session.
 *
 * Threads:  feeder's one.
 * Memory:   the window's works, and at most OUT_MOST octets and an article on their way out.
 * Standard: RFC 4644 (streaming), RFC 3977 6.3.2 (IHAVE).
 *
 *     CONNECTING ─▶ BANNER ─▶ MODE ─203─▶ STREAM      CHECK, TAKETHIS, a window
 *                     │         └─else──▶ IHAVE       one article at a time
 *                     └── 400, 502, others: closed, the peer waits and tries again
 */
#ifndef FEEDER_CONN_H
#define FEEDER_CONN_H

#include "feeder/peer.h"
#include "lib/net.h"
#include "lib/stream.h"

enum conn_state { CONN_CONNECTING, CONN_BANNER, CONN_MODE, CONN_STREAM, CONN_IHAVE, CONN_CLOSING };

struct conn {
    TAILQ_ENTRY(conn) link;
    struct peer   *peer;
    struct stream *stream;
    enum conn_state state;
    struct works away;              /* in the order of their last commands          */
    size_t   n_away, n_wanted;      /* wanted: 238 was said, the article not yet sent */
    double   taken;                 /* share of the last articles that were wanted  */
    bool     no_check;              /* TAKETHIS without CHECK                       */
    bool     was_ready;
    unsigned strangers;             /* answers to nothing that we sent              */
    uint64_t answers;
    int64_t  opened_us, heard_us;   /* heard: when the last whole line came         */
    int64_t  busy_us;               /* when something was last in flight            */
    uint64_t n[N_COUNTS];
    char     address[NET_TEXT_MAX];
};

struct conn *conn_open(struct peer *p, const struct net_addr *to, const struct net_addr *from, struct err *e);
/* Its works go back to the peer; peer_conn_gone is called. */
void conn_close(struct conn *c, const char *why, bool trouble);
void conn_work(struct conn *c);                      /* send what the window allows; closes nothing */
void conn_tick(struct conn *c, int64_t now_us);      /* is it silent for too long?         */
bool conn_ready(const struct conn *c);
void conn_quit(struct conn *c, const char *why);     /* idle: say QUIT                     */

#endif
