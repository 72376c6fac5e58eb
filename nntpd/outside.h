/* outside.h - what the configuration names outside of it: is it there, and may we?
 *
 * Threads:  any; asks the file system.
 * Errors:   what is found is told and nothing else: most of it can be put right while the site
 *           runs, and what cannot ends the start with a reason of its own.
 */
#ifndef NNTPD_OUTSIDE_H
#define NNTPD_OUTSIDE_H

#include "lib/buf.h"

struct conf;

/* Add a line for each thing that will not work, "FILE: KEY: what: why". */
void outside_look(const struct conf *c, struct buf *told);

#endif
