/* rate.h - so much a second and no more: a token bucket as one number.
 *
 * Threads:  any, no lock.
 * Memory:   eight octets; all zero is a bucket from which nothing was taken.
 *
 * Nothing is refused here: the caller takes what has come, and waits before it
 * looks for more until what it took is paid for.  What is not used is saved for
 * a second.
 */
#ifndef LIB_RATE_H
#define LIB_RATE_H

#include <stdatomic.h>
#include <stdint.h>

struct rate { _Atomic int64_t paid_ns; };    /* by then all that was taken is paid for */

/* Take n of what comes 'per_s' a second (not 0).  'now_us' is clock_mono_us. */
void rate_take(struct rate *r, uint64_t per_s, uint64_t n, int64_t now_us);

/* How many microseconds until more may be taken; 0: now. */
int64_t rate_wait_us(const struct rate *r, int64_t now_us);

#endif
