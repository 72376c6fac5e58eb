/* his_cache.h - the ids met last, in memory.
 *
 * Threads:  any; a spin lock for each set of seven entries, held for a few
 *           dozen nanoseconds.
 * Memory:   fixed: 18 bytes an entry.
 *
 * The cache knows of an id that it was met (kept, refused, ...: that is what
 * CHECK asks; where the article lies is the database's to say), or that it was
 * looked for in vain:
 *
 *     CACHE_NEW says: not in the database, and not published since.
 *
 * To keep that true, a look is noted only when nothing was published in the
 * id's set while the database was read.
 */
#ifndef HISTORY_HIS_CACHE_H
#define HISTORY_HIS_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "article/msgid.h"

struct his_cache;

enum cache_answer { CACHE_NONE, CACHE_NEW, CACHE_MET /* kept */, CACHE_REMEMBERED /* met, may be forgotten */ };

struct his_cache *his_cache_new(uint32_t entries);
void his_cache_free(struct his_cache **c);
enum cache_answer his_cache_get(struct his_cache *c, const struct msgid_key *k);

/* Found in the database; is there from now on ('what': MET or REMEMBERED). */
void his_cache_met(struct his_cache *c, const struct msgid_key *k, enum cache_answer what);
void his_cache_published(struct his_cache *c, const struct msgid_key *k, enum cache_answer what);

/* Begin a look at the database, and note that it was in vain.  False: read it
 * again, something was published meanwhile. */
uint32_t his_cache_look(struct his_cache *c, const struct msgid_key *k);
bool his_cache_in_vain(struct his_cache *c, const struct msgid_key *k, uint32_t look);

void his_cache_clear(struct his_cache *c);
void his_cache_forget(struct his_cache *c);          /* what may be forgotten: ask the database again */

#endif
