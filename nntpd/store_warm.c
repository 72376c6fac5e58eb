/* store_warm.c - after a start the database's cache is cold, and each reader's first
 * question would wait for pages.  The keeper reads them before, as many as fit.
 *
 * Half of the time at most, for others want the disk and the processors, too.
 *
 * Threads: the keeper's.
 */
#include "lib/clock.h"
#include "lib/log.h"
#include "nntpd/store_int.h"

#define WARM_US INT64_C(250000)      /* read for so long, then pause for so long */

static bool may_go_on(struct store *s)
{
    bool go_on;

    lock_get(&s->lock);
    go_on = !s->keeper_stop;
    lock_put(&s->lock);
    return go_on;
}

int64_t store_warm(struct store *s)
{
    int64_t now = clock_mono_us(), until = now + WARM_US;
    struct err e;
    int rc = 1;

    if (s->warmed)
        return s->keeper_us;
    if (s->warming_since_us == 0)
        s->warming_since_us = now;
    while (rc == 1 && now < until && may_go_on(s)) {
        rc = bdb_warm(s->ix.bdb, &s->warmth, &e);
        now = clock_mono_us();
    }
    s->warmed = rc != 1;
    if (rc < 0 && bdb_broken(s->ix.bdb))
        store_broken(s, &e);
    else if (rc < 0)
        log_msg(LOG_WARNING, "the indexes are not read ahead: %s", e.text);
    if (rc == 0)
        log_msg(LOG_NOTICE, "database: %llu MiB of its pages are in memory, %.1f s after the start",
                (unsigned long long)(s->warmth.bytes >> 20), (double)(now - s->warming_since_us) / 1e6);
    return s->warmed || s->keeper_us < WARM_US ? s->keeper_us : WARM_US;
}
