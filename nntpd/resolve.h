/* resolve.h - asks the name service who the peers are, again and again.
 *
 * Threads:  one of its own, which may wait; 'changed' is called on it.
 *           resolve_conf on any thread.
 * Errors:   a name that cannot be resolved now keeps the addresses it had, and
 *           is asked again after a minute; it is logged once.  One that takes
 *           long keeps the others' answers back for a second at most after its own.
 */
#ifndef NNTPD_RESOLVE_H
#define NNTPD_RESOLVE_H

#include "conf/conf.h"
#include "nntpd/who.h"

struct resolve;

/* 'changed' gets a reference to the new answers. */
typedef void resolve_fn(struct names *names, void *arg);
struct resolve *resolve_new(resolve_fn *changed, void *arg);

/* These peers from now on ('c' stays while this runs).  Asks at once. */
void resolve_conf(struct resolve *r, const struct conf *c);

/* What is known now: a reference. */
struct names *resolve_names(struct resolve *r);

/* Wait until the last resolve_conf has been asked for, at most so long. */
void resolve_wait(struct resolve *r, int64_t most_us);

void resolve_free(struct resolve **r);

#endif
