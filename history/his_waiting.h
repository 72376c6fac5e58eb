/* his_waiting.h - cancels that came before their article.
 *
 * Threads:  his_waiting_has and _fits on any thread, from memory; the others
 *           from the applier (open, close: main).
 * Memory:   about 150 octets each, at most 'most' of them: the oldest goes.
 * Format:   tree "waiting", doc/formats.md: key: the cancel's sequence number, 8 octets
 *           big-endian; value: the target's key 16, then the facts.
 *
 * What is in memory is what is in the database, but for the moment between a
 * transaction and what follows it (his_waiting_put, his_waiting_published).
 */
#ifndef HISTORY_HIS_WAITING_H
#define HISTORY_HIS_WAITING_H

#include "history/history.h"

struct his_waiting;

struct his_waiting *his_waiting_open(struct bdb *b, unsigned most, struct err *e);
void his_waiting_close(struct his_waiting **w);

/* Make memory what the database is (it was opened, or emptied). */
int  his_waiting_load(struct his_waiting *w, struct err *e) need_result;
int  his_waiting_empty(struct his_waiting *w, struct err *e) need_result;

bool his_waiting_has(const struct his_waiting *w, const struct msgid_key *target);
bool his_waiting_fits(struct his_waiting *w, const struct msgid_key *target, his_fits_fn *fits, void *arg);

void his_waiting_put(struct his_waiting *w, struct txn *t, const struct his_wait *one);
void his_waiting_published(struct his_waiting *w, const struct his_wait *one);
void his_waiting_settle(struct his_waiting *w, struct txn *t, const struct msgid_key *target);
void his_waiting_settled(struct his_waiting *w, const struct msgid_key *target);

uint64_t his_waiting_count(const struct his_waiting *w);

#endif
