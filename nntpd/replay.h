/* replay.h - records read from the log, gathered into runs and applied.
 *
 * Threads:  as apply.h.  Memory: a copy of at most REPLAY_BYTES and one record.
 */
#ifndef NNTPD_REPLAY_H
#define NNTPD_REPLAY_H

#include "nntpd/apply.h"

struct replay;

struct replay *replay_new(struct indexes *ix);

/* Take the record (copied); now and then a run is applied and published. */
int replay_add(struct replay *r, const struct record *rec, const struct log_pos *pos, struct err *e) need_result;

/* Apply what is still held. */
int replay_end(struct replay *r, struct err *e) need_result;
void replay_free(struct replay **r);

#endif
