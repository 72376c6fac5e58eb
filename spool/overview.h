/* overview.h - (group, number) to overview line and place in the log.
 *
 * Threads:  ov_apply from the applier; ov_get, ov_scan on any thread, but they
 *           may wait for the disk: use the disk lane.
 * Crash:    as the database: behind the log at most, and brought up by applying.
 * Memory:   scratch of the caller only.
 * Standard: RFC 3977 8.3, 8.4.
 */
#ifndef SPOOL_OVERVIEW_H
#define SPOOL_OVERVIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bdb.h"
#include "lib/err.h"
#include "lib/span.h"
#include "spool/record.h"

struct ov;

struct ov *ov_open(struct bdb *b, struct err *e);     /* "overview.db" */
void ov_close(struct ov **o);

/* Add the rows of a RECORD_ARTICLE.  'line': what overview_write gives for it
 * without Xref, or p NULL: made here from the record's data (replay).  The Xref
 * field is taken from the article.  Twice changes nothing. */
void ov_apply(struct ov *o, struct txn *t, const struct record *r, const struct log_pos *pos, struct span line);

/* Remove one row (cancel). */
void ov_remove(struct ov *o, struct txn *t, uint32_t group, uint64_t number);

/* One row.  'line' may be NULL.  1 found, 0 not there, -1 trouble. */
int ov_get(struct ov *o, uint32_t group, uint64_t number, struct log_pos *pos, struct buf *line, struct err *e);

/* Rows lo..hi in order; 'line' holds the fields after the number.  false ends it. */
typedef bool ov_each_fn(uint64_t number, const struct log_pos *pos, struct span line, void *arg);
int ov_scan(struct ov *o, uint32_t group, uint64_t lo, uint64_t hi, struct bdb_bulk *bulk,
            ov_each_fn *each, void *arg, struct err *e);

/* The next row at or above (step 1) or at or below (step -1) 'number'; for NEXT, LAST, low marks. */
int ov_near(struct ov *o, uint32_t group, uint64_t number, int step, uint64_t *found, struct err *e);

int ov_empty(struct ov *o, struct err *e) need_result;

#endif
