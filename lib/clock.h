/* clock.h - what time it is, and how tests say so.
 *
 * Threads:  any.  Units: microseconds.
 */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>

/* Microseconds since 1970 (UTC): for what is stored or shown. */
int64_t clock_now_us(void);

/* Microseconds since some start, never going back: for time limits. */
int64_t clock_mono_us(void);

/* Tests: stop both clocks at 'now_us'; later calls move them.  0 lets them run again. */
void clock_freeze(int64_t now_us);

#endif
