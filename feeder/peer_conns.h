/* peer_conns.h - a peer's connections: opened and closed by need, with pauses
 * that grow while the peer is in trouble.  Private to feeder/.
 */
#ifndef FEEDER_PEER_CONNS_H
#define FEEDER_PEER_CONNS_H

#include "feeder/peer.h"

void peer_conns_run(struct peer *p);                        /* give out work, connect if need be */
void peer_conns_tick(struct peer *p);                       /* close what is idle                */
void peer_conns_now(struct peer *p);                        /* forget the pause                  */
void peer_conns_close(struct peer *p, const char *why);     /* all; works go back to the queue   */
void peer_dial_forget(struct peer *p);
void peer_error(struct peer *p, const char *what);          /* note it for the operator          */

/* For connections. */
struct conn;
void peer_up(struct peer *p);                               /* something was settled             */
void peer_conn_gone(struct peer *p, struct conn *c, const char *why, bool trouble);

#endif
