/* peer_work.h - a peer's queue of works.  Private to feeder/; what connections
 * call stands in peer.h.
 */
#ifndef FEEDER_PEER_WORK_H
#define FEEDER_PEER_WORK_H

#include "feeder/peer.h"

/* A work for the article, or NULL when its Message-ID is not where it should be. */
struct work *work_new(struct feeder *f, const struct record *r, const struct log_pos *pos);
void work_free(struct feeder *f, struct work *w);
void work_free_spare(struct feeder *f);

bool queue_full(const struct peer *p);
void queue_put(struct peer *p, struct work *w);
void queue_drop(struct peer *p);             /* none may be in flight              */
void queue_advance(struct peer *p);          /* move the cursor over what is settled */

/* Make works of the exceptions that are due. */
void queue_retry(struct peer *p, int64_t now_us);

#endif
