/* number.h - article numbers and ranges as commands have them.
 *
 * Threads:  pure.  Standard: RFC 3977 6 (numbers), 8.3 (ranges).
 */
#ifndef ARTICLE_NUMBER_H
#define ARTICLE_NUMBER_H

#include <stdint.h>

#include "lib/span.h"

/* RFC 3977 limits what may be seen outside to 31 bits; inside numbers have 64. */
#define NUMBER_OUTSIDE_MAX UINT64_C(2147483647)

int number_read(struct span text, uint64_t *n);                     /* at most 16 digits; 0 or -1 */

/* "n", "n-", "n-m".  An open end becomes UINT64_MAX.  m < n is valid and empty. */
int range_read(struct span text, uint64_t *lo, uint64_t *hi);

#endif
