/* number.c - article numbers and ranges.  See number.h. */
#include "article/number.h"

#include <string.h>

int number_read(struct span text, uint64_t *n)
{
    return text.n > 16 ? -1 : span_u64(text, n);
}

/* A range may also lack its lower end (INN takes "-" and "-5" as from 1). */
int range_read(struct span text, uint64_t *lo, uint64_t *hi)
{
    const char *dash = text.n > 0 ? memchr(text.p, '-', text.n) : NULL;
    struct span left, right;

    if (dash == NULL) {
        if (number_read(text, lo) != 0)
            return -1;
        *hi = *lo;
        return 0;
    }
    left = (struct span){ text.p, (size_t)(dash - text.p) };
    right = span_from(text, left.n + 1);
    *lo = 1;
    *hi = UINT64_MAX;
    if (left.n > 0 && number_read(left, lo) != 0)
        return -1;
    return right.n > 0 ? number_read(right, hi) : 0;
}
