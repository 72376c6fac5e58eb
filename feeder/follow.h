/* follow.h - the live end of the log: one pass decides for all peers.
 *
 * Threads:  feeder's one.
 */
#ifndef FEEDER_FOLLOW_H
#define FEEDER_FOLLOW_H

#include "feeder/peer.h"

struct follow;

/* 'wake': a socket on which something comes when records were published; -1: look ten times a second. */
struct follow *follow_new(struct feeder *f, int wake, void (*parent_gone)(void *), void *arg);
void follow_free(struct follow **f);

/* Did the process at the other end of 'wake' die before it could end us with it? */
bool follow_parent_is_gone(int wake);

#endif
