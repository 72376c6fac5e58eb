/* conn.h - one outgoing session.
 *
 * Threads:  feeder's one.
 * Memory:   the window's works, and at most OUT_MOST octets and an article on their way out.
 * Standard: RFC 4644 (streaming), RFC 3977 6.3.2 (IHAVE), 6.3.1 (POST).
 *
 *     CONNECTING ─▶ HELLO (hello.h) ──▶ STREAM      CHECK, TAKETHIS, a window
 *                     │          ├──────▶ IHAVE       one article at a time
 *                     │          └──────▶ POST        the same, as a newsreader (pull-post)
 *                     └── 400, 502, others: closed, the peer waits and tries again
 *
 * The window begins with WINDOW_FIRST.  While it is full and answers come it
 * doubles, up to the setting; "later" halves it, once in a window's time.
 */
#ifndef FEEDER_CONN_H
#define FEEDER_CONN_H

#include "feeder/hello.h"
#include "feeder/peer.h"
#include "lib/net.h"
#include "lib/stream.h"

enum conn_state { CONN_CONNECTING, CONN_HELLO, CONN_STREAM, CONN_IHAVE, CONN_POST, CONN_CLOSING };

struct conn {
    TAILQ_ENTRY(conn) link;
    struct peer   *peer;
    struct stream *stream;
    enum conn_state state;
    struct works away;              /* in the order of their last commands          */
    size_t   n_away, n_wanted;      /* wanted: 238 was said, the article not yet sent */
    struct hello hello;
    size_t   window;                /* articles that may be in flight               */
    bool     was_full;              /* it was, since it changed last               */
    uint64_t window_at;             /* the answers when it changed last             */
    double   taken;                 /* share of the last articles that were wanted  */
    bool     no_check;              /* TAKETHIS without CHECK                       */
    bool     was_ready;
    bool     unknown;               /* the last answer was 500                     */
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

/* conn_hello.c, for conn.c.  false: the connection was closed. */
bool conn_connected(struct conn *c);
bool conn_secured(struct conn *c);
bool conn_greeting(struct conn *c, int code, const char *line);

void conn_quit(struct conn *c, const char *why);     /* idle: say QUIT                     */

#endif
