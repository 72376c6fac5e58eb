/* his_db.h - history's rows in the database.
 *
 * Threads:  his_db_get and his_db_keys may wait for the disk; his_db_merge runs
 *           within the applier's transaction.
 * Format:   tree "history" (file history.db), doc/formats.md: key 16 octets; value 32, little-endian:
 *           seq 8, segment 4, offset 8, size 4, day 4, state 1, spare 3.
 *           And one row "forgotten": day 4, seq 8.
 *
 * A row that is not kept, of before that day and that record, means nothing: all
 * here act as if it were not there, whether it still is or not.
 */
#ifndef HISTORY_HIS_DB_H
#define HISTORY_HIS_DB_H

#include "history/history.h"

struct his_db;

struct his_db *his_db_open(struct bdb *b, struct err *e);
void his_db_close(struct his_db **d);

int  his_db_get(struct his_db *d, const struct msgid_key *k, struct his_entry *entry, struct err *e);  /* 1, 0, -1 */

/* Put the entry, or keep the one that is there: see the table in his_db.c.
 * 'fresh': the id is known not to be there. */
void his_db_merge(struct his_db *d, struct txn *t, const struct msgid_key *k, const struct his_entry *entry, bool fresh);

/* The keys among the next 'most' rows from *from on: of those that mean something,
 * or of those that mean nothing any more.  *from becomes the place to go on from,
 * if not *at_end.  Return how many, or -1. */
int  his_db_keys(struct his_db *d, struct msgid_key *from, struct msgid_key *keys, int most, bool forgotten, bool *at_end,
                 struct bdb_bulk *bulk, struct err *e);
int  his_db_empty(struct his_db *d, struct err *e);

/* Within a transaction: note the day; take away a row if it means nothing any more (true: it did). */
void his_db_forget(struct his_db *d, struct txn *t, uint32_t day, uint64_t seq);
bool his_db_drop(struct his_db *d, struct txn *t, const struct msgid_key *k);

/* What was noted is in force from now on; as the database has it. */
void his_db_forgotten(struct his_db *d, uint32_t day, uint64_t seq);
int  his_db_load_forgotten(struct his_db *d, struct err *e);
uint32_t his_db_forgotten_day(const struct his_db *d);
bool his_db_forgets(const struct his_db *d, const struct his_entry *e);

#endif
