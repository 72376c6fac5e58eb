/* outside.h - what the configuration names outside of it: is it there, and may we?
 *
 * Threads:  any; asks the file system, and the log.
 * Errors:   what is found is told and nothing else: most of it can be put right while the site
 *           runs, and what cannot ends the start with a reason of its own.
 */
#ifndef NNTPD_OUTSIDE_H
#define NNTPD_OUTSIDE_H

#include <stdint.h>

#include "lib/buf.h"

struct conf;

/* Add a line for each thing that will not work, "FILE: KEY: what: why". */
void outside_look(const struct conf *c, struct buf *told);

struct artlog;

/* Add a line when the clock stands well before the log's last record: a machine that has
 * lost its clock refuses all articles as dated ahead. */
void outside_clock(struct artlog *log, int64_t now_us, struct buf *told);

#endif
