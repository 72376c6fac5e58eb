/* counters.h - what a worker counts.
 *
 * Threads:  one writer (the worker), any number of readers, no locks.
 */
#ifndef NNTPD_COUNTERS_H
#define NNTPD_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum counter {
#define COUNTER(name, sentence) COUNT_##name,
#include "nntpd/counters.def"
#undef COUNTER
    COUNTERS
};

#define COUNTER_COMMANDS 96        /* rows of the command tables, see command_index */

struct counters {
    _Atomic uint64_t v[COUNTERS];
    _Atomic uint64_t command[COUNTER_COMMANDS];
};

/* Not a locked instruction: there is one writer. */
static inline void count_add(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

const char *counter_name(enum counter c);
const char *counter_sentence(enum counter c);

/* Add the counters of one worker to a sum. */
void counters_sum(struct counters *sum, const struct counters *one);

#endif
