/* counters.c - names and sums of what is counted.  See counters.h. */
#include "nntpd/counters.h"

#include "lib/mem.h"

static const struct { const char *name, *sentence; } table[COUNTERS] = {
#define COUNTER(name, sentence) { #name, sentence },
#include "nntpd/counters.def"
#undef COUNTER
};

const char *counter_name(enum counter c)
{
    need(c < COUNTERS);
    return table[c].name;
}

const char *counter_sentence(enum counter c)
{
    need(c < COUNTERS);
    return table[c].sentence;
}

void counters_sum(struct counters *sum, const struct counters *one)
{
    for (int i = 0; i < COUNTERS; i++)
        count_add(&sum->v[i], atomic_load_explicit(&one->v[i], memory_order_relaxed));
    for (int i = 0; i < COUNTER_COMMANDS; i++)
        count_add(&sum->command[i], atomic_load_explicit(&one->command[i], memory_order_relaxed));
}
