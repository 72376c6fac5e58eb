/* metrics.h - feeder's figures for a monitor.
 *
 * Threads:  feeder's one.  Takes a fraction of a millisecond a peer.
 */
#ifndef FEEDER_METRICS_H
#define FEEDER_METRICS_H

#include "feeder/peer.h"

/* Append them, as lib/prom.h has them; nntpd puts its own in front. */
void metrics_write(const struct feeder *f, struct buf *out);

#endif
