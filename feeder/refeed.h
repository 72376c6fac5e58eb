/* refeed.h - the operator's words about what a peer is to be offered again.
 *
 * Threads:  feeder's one.
 */
#ifndef FEEDER_REFEED_H
#define FEEDER_REFEED_H

#include <stdint.h>

#include "lib/err.h"
#include "spool/artlog.h"

struct refeed {
    uint64_t    seq;           /* from this record on                                  */
    const char *groups;        /* a wildmat, one of the words; NULL: all               */
};

/* "SEQUENCE" or "--since TIME", and "--group WILDMAT": words up to NULL.  A TIME
 * is so long ago ("90m", "3d") or a day in UTC ("2026-11-01", "2026-11-01 18:30"). */
int refeed_read(struct refeed *r, char **words, int64_t now_us, struct artlog *log, struct err *e);

#endif
