/* number.c - article numbers and ranges.  See number.h. */
#include "article/number.h"

int number_read(struct span text, uint64_t *n)
{
    return text.n > 16 ? -1 : span_u64(text, n);
}

int range_read(struct span text, uint64_t *lo, uint64_t *hi)
{
    struct span left, right = text;

    if (text.n == 0 || !span_next(&right, '-', &left))
        return -1;
    *lo = 1;
    *hi = UINT64_MAX;
    if (left.n > 0 && number_read(left, lo) != 0)
        return -1;
    if (right.p == NULL)                            /* no dash */
        *hi = *lo;
    return right.n > 0 ? number_read(right, hi) : 0;
}
