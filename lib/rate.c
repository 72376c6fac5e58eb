/* rate.c - a token bucket as one number.  See rate.h.
 *
 *     now - 1 s            now                 paid
 *         |  may be saved   |   debt: wait      |
 *
 * What is taken moves 'paid' ahead by n / per_s; it is never left further
 * behind than a second.
 */
#include "lib/rate.h"

#define SECOND_NS INT64_C(1000000000)

void rate_take(struct rate *r, uint64_t per_s, uint64_t n, int64_t now_us)
{
    int64_t was = atomic_load(&r->paid_ns), least = now_us * 1000 - SECOND_NS, next;

    do {
        next = (was > least ? was : least) + (int64_t)((double)n * 1e9 / (double)per_s);
    } while (!atomic_compare_exchange_weak(&r->paid_ns, &was, next));
}

int64_t rate_wait_us(const struct rate *r, int64_t now_us)
{
    int64_t debt = atomic_load(&r->paid_ns) - now_us * 1000;

    return debt > 0 ? (debt + 999) / 1000 : 0;
}
