/* his_db.h - history's rows in the database.
 *
 * Threads:  his_db_get and his_db_keys may wait for the disk; his_db_merge runs
 *           within the applier's transaction.
 * Format:   tree "history" (file history.db), doc/formats.md: key 16 octets; value 32, little-endian:
 *           seq 8, segment 4, offset 8, size 4, day 4, state 1, spare 3.
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

/* Up to 'most' keys from *from on; *from becomes the place to go on from, if
 * not *at_end.  Return how many, or -1. */
int  his_db_keys(struct his_db *d, struct msgid_key *from, struct msgid_key *keys, int most, bool *at_end,
                 struct bdb_bulk *bulk, struct err *e);
int  his_db_empty(struct his_db *d, struct err *e);

#endif
