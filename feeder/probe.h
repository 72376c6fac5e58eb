/* probe.h - one look at a peer, told step by step, with no effect on its feeding.
 *
 * Threads:  feeder's one; the name service is asked on feeder's probe lane.
 * Memory:   a probe copies what it needs: the configuration may change meanwhile.
 * Errors:   a step that fails is told and ends the probe; PROBE_US at most.
 *
 *     names ─▶ connect ─▶ hello.h's steps, as feeder takes them ─▶ HELP, if it is
 *     Freshet ─▶ CAPABILITIES ─▶ QUIT
 *
 * No article is offered.  CAPABILITIES comes last, for some hang up at it.
 */
#ifndef FEEDER_PROBE_H
#define FEEDER_PROBE_H

#include "feeder/peer.h"

#define PROBE_US (30 * INT64_C(1000000))

struct probe;

/* Lines of an answer (lib/rpc); 'last': the end is among them, and the probe has gone. */
typedef void probe_fn(struct span lines, bool last, void *arg);

/* 'fn' is called from the next turn on, not before. */
struct probe *probe_new(struct feeder *f, const struct conf_peer *c, probe_fn *fn, void *arg);
void probe_free(struct probe **p);           /* nobody listens any more */

/* What our own configuration says, as rows: what they get, what we take, how they are known. */
void probe_ours(struct feeder *f, const struct conf_peer *c, struct buf *out);

#endif
