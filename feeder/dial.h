/* dial.h - reach a peer as its block says: its address, TLS, what is said first.
 *
 * Threads:  feeder's one; the name service is asked on the lane.
 * Memory:   a question that nobody waits for any more frees itself.
 */
#ifndef FEEDER_DIAL_H
#define FEEDER_DIAL_H

#include "conf/conf.h"
#include "feeder/hello.h"
#include "lib/err.h"
#include "lib/net.h"

struct dial;
struct feeder;
struct stream;

/* The address, and the one of ours to bind first (NULL: any); 'to' NULL: there is none, 'why' says so. */
typedef void dial_fn(const struct net_addr *to, const struct net_addr *from, const char *why, void *arg);

/* Where does conf->connect lead to?  Of several addresses the 'turn'-th, so that a caller
 * who counts its failures tries them all.  Where the name service fails, what it said last counts.  'fn' is called once: at once for a literal
 * address (then NULL is returned), else later. */
struct dial *dial_begin(struct feeder *f, const struct conf_peer *conf, unsigned turn, dial_fn *fn, void *arg);
void dial_forget(struct dial **d);                 /* 'fn' will not be called */
void dial_fini(struct feeder *f);                  /* forget what the name service has said */

/* Begin TLS with the peer on a stream that stands. */
int dial_tls(struct feeder *f, const struct conf_peer *conf, struct stream *s, struct err *e) need_result;

/* What its block wants said; 'reader': as a newsreader. */
struct hello_wants dial_wants(const struct conf_peer *conf, bool reader);

#endif
