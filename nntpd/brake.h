/* brake.h - who has failed to log in waits before the next password is looked at.
 *
 * Threads:  any.
 * Memory:   bounded: when a table is full the entry that was quiet longest goes.
 *
 * Failures are counted by household (net_household) and by user name.  After the
 * first, second, third ... failure the next login of a household is looked at 1,
 * 2, 4 ... 30 s later, and its logins take turns, however many connections it
 * opens.  A user's failures from wherever cost the next 1, 2, 4, 5 s; there is no
 * taking turns there, or a stranger could shut a user out.  Every minute
 * without a failure forgives one.  A login that succeeds forgives the user, and
 * the household if it had trouble with that user alone: who tries others' names
 * is not forgiven for an account of his own.
 */
#ifndef NNTPD_BRAKE_H
#define NNTPD_BRAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/span.h"

#define BRAKE_WAIT_MOST (30 * INT64_C(1000000))

struct brake;
struct brake *brake_new(size_t most);            /* entries in each of the two tables */
void brake_free(struct brake **b);

/* How long this login has to wait, and its turn is taken; microseconds.  More
 * than BRAKE_WAIT_MOST: no turn was taken, it should not be tried. */
int64_t brake_ask(struct brake *b, const struct sockaddr *from, struct span user, int64_t now_us);
void brake_tell(struct brake *b, const struct sockaddr *from, struct span user, bool good, int64_t now_us);

struct brake_counts { size_t households, users; };
struct brake_counts brake_counts(struct brake *b);

#endif
