/* health.h - how well a peer is served: delays, and its reasons for "no".
 *
 * Threads:  one.
 * Memory:   of fixed size, a kB and a half a peer, whatever is counted.
 *
 * Delays go into classes, eight to a doubling, so a percentile is right within
 * a tenth; old ones fade: at 65,536 delays all counts are halved.
 */
#ifndef FEEDER_HEALTH_H
#define FEEDER_HEALTH_H

#include <stddef.h>
#include <stdint.h>

#include "lib/span.h"

#define DELAY_CLASSES 320            /* up to 2^40 us, twelve days                          */
#define REASONS_MOST  12
#define REASON_MOST   80             /* octets of a reason that are kept, with its NUL      */

struct reason {
    uint64_t n;
    char     text[REASON_MOST];
};

struct health {
    uint32_t delay[DELAY_CLASSES];
    uint32_t n_delays;
    uint64_t all_delays;                     /* how many there ever were, and their sum     */
    uint64_t delays_us;
    struct reason reason[REASONS_MOST];      /* the first that came; the others are one sum */
    size_t   n_reasons;
    uint64_t other_reasons;
};

/* An article was taken, so long after it came to us. */
void health_delay(struct health *h, int64_t us);

/* The delay that a share of the articles did not exceed, 0 <= share <= 1, in
 * microseconds; -1: nothing has been counted. */
int64_t health_percentile(const struct health *h, double share);

/* The peer refused an article that it had read, with this line ("439 <id> words").
 * What differs from article to article, ids, numbers and what is quoted, is not
 * part of the reason. */
void health_reason(struct health *h, struct span line);

#endif
