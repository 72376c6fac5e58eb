/* clock.c - what time it is, and how tests say so.  See clock.h. */
#include "lib/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t frozen;

static int64_t read_clock(clockid_t id)
{
    int64_t f = atomic_load_explicit(&frozen, memory_order_relaxed);
    struct timespec t;

    if (f != 0)
        return f;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void clock_freeze(int64_t now_us)
{
    atomic_store(&frozen, now_us);
}
