/* door.h - the operator's door to feeder: a Unix socket, lib/rpc's lines.
 *
 * Threads:  feeder's one; an answer is a few kB, written at once, but for the test of
 *           a peer (probe.h), which is told as it goes.
 */
#ifndef FEEDER_DOOR_H
#define FEEDER_DOOR_H

#include "feeder/peer.h"

struct door;

struct door *door_open(struct feeder *f, const char *path, struct err *e);
void door_close(struct door **d);

#endif
