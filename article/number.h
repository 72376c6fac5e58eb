/* number.h - article numbers and ranges as commands have them.
 *
 * Threads:  pure.  Standard: RFC 3977 6 (numbers), 8.3 (ranges), 9.8 (digits).
 */
#ifndef ARTICLE_NUMBER_H
#define ARTICLE_NUMBER_H

#include <stdint.h>

#include "lib/span.h"

/* RFC 3977 6 limits what may be seen outside to 31 bits; inside numbers have 64. */
#define NUMBER_OUTSIDE_MAX UINT64_C(2147483647)

/* 1 to 16 digits; that no article has such a number is another matter.  0 or -1. */
int number_read(struct span text, uint64_t *n);

/* "n", "n-", "n-m"; as INN also "-m" (from 1) and "-".  An open end becomes
 * UINT64_MAX.  m < n is valid and empty.  0 or -1. */
int range_read(struct span text, uint64_t *lo, uint64_t *hi);

#endif
