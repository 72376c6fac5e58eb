/* his_filter.h - a filter over ids: "never met" for certain, or "perhaps".
 *
 * Threads:  his_filter_has is free on any thread; his_filter_add from one at a
 *           time (the owner locks).
 * Memory:   24 bits an id.  False positives: below 1 in 1,000.
 */
#ifndef HISTORY_HIS_FILTER_H
#define HISTORY_HIS_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "article/msgid.h"

struct his_filter;

struct his_filter *his_filter_new(void);
void his_filter_free(struct his_filter **f);
bool his_filter_has(const struct his_filter *f, const struct msgid_key *k);
void his_filter_add(struct his_filter *f, const struct msgid_key *k);
uint64_t his_filter_ids(const struct his_filter *f);
uint64_t his_filter_bits(const struct his_filter *f);

#endif
