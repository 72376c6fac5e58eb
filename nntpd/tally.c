/* tally.c - counts of one peer.  See tally.h. */
#include "nntpd/tally.h"

#include <stddef.h>

#include "lib/clock.h"

static void add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

void tally_offers(struct tally *t, uint32_t fresh[TALLY_OFFERS])
{
    for (int i = 0; i < TALLY_OFFERS; i++) {
        if (t != NULL && fresh[i] > 0)
            add(&t->offer[i], fresh[i]);
        fresh[i] = 0;
    }
}

void tally_article(struct tally *t, enum verdict v, uint64_t bytes)
{
    if (t == NULL)
        return;
    add(&t->verdict[v], 1);
    add(&t->bytes, bytes);
    if (v == V_STORED)
        atomic_store_explicit(&t->last_us, clock_now_us(), memory_order_relaxed);
}
