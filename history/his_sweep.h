/* his_sweep.h - takes rows that mean nothing any more out of the database.
 *
 * Threads:  one at a time.  his_sweep_look may wait for the disk; his_sweep_drop
 *           runs within the applier's transaction.
 *
 * A pass is due when the day has changed.  It looks at so many rows at a time,
 * begins anywhere (so that one who is restarted often gets round as well) and
 * is noted nowhere: what it has not reached means nothing all the same.
 */
#ifndef HISTORY_HIS_SWEEP_H
#define HISTORY_HIS_SWEEP_H

#include "history/his_db.h"

struct his_sweep;

struct his_sweep *his_sweep_new(struct his_db *d);
void his_sweep_free(struct his_sweep **s);

/* Look at the next 'rows' rows.  Return how many of them can go, or -1. */
int his_sweep_look(struct his_sweep *s, int rows, struct err *e);

/* Take those away, if they still mean nothing.  Return how many. */
unsigned his_sweep_drop(struct his_sweep *s, struct txn *t);

/* Is there nothing more to do, until the day changes?  On any thread. */
bool his_sweep_done(const struct his_sweep *s);

#endif
