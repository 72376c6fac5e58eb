/* shelf.h - the articles' bytes: segments of the log, mapped while they are in use.
 *
 * Threads:  one.
 * Memory:   address space of SHELF_SEGMENTS segments; the pages are the system's.
 *
 * Many peers send the same article within a moment: it is read once, and
 * copied once for each, into the connection's output.
 */
#ifndef FEEDER_SHELF_H
#define FEEDER_SHELF_H

#include <stdint.h>

#include "spool/artlog.h"

#define SHELF_SEGMENTS 8

struct shelf;

enum shelf_got {
    SHELF_FAILED,      /* cannot be read now: 'e' says why                     */
    SHELF_GONE,        /* removed or damaged: there is nothing to send         */
    SHELF_READ
};

struct shelf *shelf_new(struct artlog *l, uint64_t segment_bytes);
void shelf_free(struct shelf **s);

/* The record 'seq' at 'pos', which a reader of the log told.  Its spans are good
 * until the next call; its numbers are left out. */
enum shelf_got shelf_get(struct shelf *s, const struct log_pos *pos, uint64_t seq, struct record *r, struct err *e);

#endif
