/* shelf.h - the articles' bytes.
 *
 * Threads:  one.
 * Memory:   512 articles of at most SHELF_SMALL, and the last larger one (beyond SHELF_LARGE
 *           until the next of them).
 *
 * An article may be cancelled: what was read is given out again for SHELF_US alone.
 */
#ifndef FEEDER_SHELF_H
#define FEEDER_SHELF_H

#include <stdint.h>

#include "spool/artlog.h"

#define SHELF_US    100000
#define SHELF_SMALL (16u << 10)      /* octets of a record */
#define SHELF_LARGE (1u << 20)

struct shelf;

enum shelf_got {
    SHELF_FAILED,      /* cannot be read now: 'e' says why                     */
    SHELF_GONE,        /* removed or damaged: there is nothing to send         */
    SHELF_READ
};

struct shelf *shelf_new(struct artlog *l);
void shelf_free(struct shelf **s);

/* The record 'seq' at 'pos', which a reader of the log told.  Its spans are good
 * until the next call; its numbers are left out.  Reads the disk if it must. */
enum shelf_got shelf_get(struct shelf *s, const struct log_pos *pos, uint64_t seq, struct record *r, struct err *e);

#endif
