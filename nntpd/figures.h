/* figures.h - what the store and history count, for `newsctl status` and for a monitor.
 *
 * One table (figures.c) has both names of each figure: a new one is a row there.
 *
 * Threads:  any; store_counts and his_counts take their locks.
 * Memory:   appends to the caller's buf; nothing to free.
 */
#ifndef NNTPD_FIGURES_H
#define NNTPD_FIGURES_H

#include "lib/buf.h"
#include "nntpd/store.h"

/* The rows of status: times in milliseconds, their names ending in _ms. */
void figures_status(struct store *s, void (*row)(const char *name, uint64_t value, void *), void *arg);

/* The families of lib/prom.h: times in seconds. */
void figures_metrics(struct store *s, struct buf *out);

#endif
