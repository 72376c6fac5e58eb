/* tally.h - what one peer has sent us, all its connections together: for metrics.
 *
 * Threads:  written by sessions on any worker, read on any thread; no locks.
 * Memory:   one a peer's name, as long as the struct guests it belongs to.
 *
 * An offer costs next to nothing and may not cost more to be counted: a session
 * counts its own and adds them when its input has been worked off.
 */
#ifndef NNTPD_TALLY_H
#define NNTPD_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#include "nntpd/verdict.h"

enum tally_offer {
    TALLY_OFFERED,                 /* CHECK and IHAVE                                           */
    TALLY_WANTED,                  /* answered 238, 335                                         */
    TALLY_KNOWN,                   /* 438, 435; and of TAKETHIS what was not looked at          */
    TALLY_LATER,                   /* 431, 436                                                  */
    TALLY_OFFERS
};

struct tally {
    _Atomic uint64_t offer[TALLY_OFFERS];
    _Atomic uint64_t verdict[VERDICTS];    /* of articles that came whole                       */
    _Atomic uint64_t bytes;                /* their octets                                      */
    _Atomic uint64_t sessions;
    _Atomic int64_t  last_us;              /* when the last one was taken; 0: none yet          */
};

/* What a session has counted since it last did this; 'fresh' is zeroed.  t may be NULL. */
void tally_offers(struct tally *t, uint32_t fresh[TALLY_OFFERS]);
/* An article has its answer.  t may be NULL. */
void tally_article(struct tally *t, enum verdict v, uint64_t bytes);

#endif
