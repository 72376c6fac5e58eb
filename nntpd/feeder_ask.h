/* feeder_ask.h - a question to feeder, by its operator's door.
 *
 * Threads:  one that may block: a control thread, the metrics' own.
 * Errors:   -1 when feeder does not run, or says nothing for 'seconds'.
 */
#ifndef NNTPD_FEEDER_ASK_H
#define NNTPD_FEEDER_ASK_H

#include "conf/conf.h"
#include "lib/rpc.h"

/* As rpc_ask. */
int feeder_ask(const struct conf *c, int n, char *const *words, int seconds, rpc_each_fn *each, void *arg, struct buf *last,
               struct err *e);

#endif
