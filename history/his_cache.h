/* his_cache.h - the ids met last, in memory.
 *
 * Threads:  any; a lock for each part of the table, held for a few dozen
 *           nanoseconds.
 * Memory:   fixed: 16 bytes an entry.
 *
 * The cache knows only that an id was met (kept, refused, ...): that is what
 * CHECK asks.  Where the article lies is the database's to say.
 */
#ifndef HISTORY_HIS_CACHE_H
#define HISTORY_HIS_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "article/msgid.h"

struct his_cache;

struct his_cache *his_cache_new(uint32_t entries);
void his_cache_free(struct his_cache **c);
bool his_cache_has(struct his_cache *c, const struct msgid_key *k);
void his_cache_put(struct his_cache *c, const struct msgid_key *k);
void his_cache_clear(struct his_cache *c);

#endif
