/* listen.h - the listening sockets: accept, and hand on.
 *
 * Threads:  main's event loop.
 * Errors:   out of descriptors: accepting rests for a second (the backlog
 *           holds), never a busy loop.
 */
#ifndef NNTPD_LISTEN_H
#define NNTPD_LISTEN_H

#include <stdbool.h>

#include "conf/conf.h"
#include "lib/err.h"
#include "lib/net.h"

struct event_base;
struct door;

/* The descriptor is the callee's.  'tls': the client speaks TLS from its first octet on. */
typedef void door_fn(int fd, const struct net_addr *from, bool tls, void *arg);

struct door *door_open(struct event_base *base, const struct conf *c, door_fn *fn, void *arg, struct err *e);
void door_close(struct door **d);

#endif
