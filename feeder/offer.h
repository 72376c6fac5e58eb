/* offer.h - who should get an article: a pure decision.
 *
 * Threads:  one.  Memory: a bit for each peer and group name met.
 * Standard: RFC 5537 3.6 (not to those in Path); words of INN's newsfeeds.
 *
 * Groups are matched by name as they stand in Newsgroups, a control message also as
 * "control.VERB": "!" takes a group out, "@" keeps the whole article back; the last
 * pattern that matches counts.
 */
#ifndef FEEDER_OFFER_H
#define FEEDER_OFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "spool/record.h"

struct offer;              /* the compiled rules of all outgoing peers */

/* The peers with send = true, in the order of the configuration, which must stay
 * as long as the offer. */
struct offer *offer_new(const struct conf *c);
void   offer_free(struct offer **o);
size_t offer_peers(const struct offer *o);

enum offer_why {
    OFFER_YES,
    OFFER_NO_GROUP,        /* none of its groups is wanted                        */
    OFFER_POISON,          /* a group with "@"                                    */
    OFFER_IN_PATH,         /* the peer has had it                                 */
    OFFER_EXCLUDED,        /* a name of 'exclude' is in Path                      */
    OFFER_SIZE,
    OFFER_HOPS,
    OFFER_CROSSPOST,
    OFFER_DISTRIBUTION,
    OFFER_FOLLOWUPS,       /* answers go to too many groups                       */
    OFFER_CONTROL,         /* a control message, or none                          */
    OFFER_MODERATED,       /* Approved, or not                                    */
    OFFER_UNKNOWN_GROUP,
    OFFER_ORIGIN,          /* by who injected it                                  */
    OFFER_NOT_OURS,        /* only what was posted here                           */
    OFFER_HASH,            /* in another's share                                  */
    OFFER_LOCAL,           /* in a group that never leaves                        */
    OFFER_NOT_ARTICLE,     /* another kind of record, or its data is gone         */
    OFFER_WHYS
};
extern const char *const offer_words[OFFER_WHYS];

/* Decide for all peers at once: why[i] is said of peer i.  Return how many want it. */
size_t offer_all(struct offer *o, const struct record *r, uint8_t *why);

/* Decide for one. */
enum offer_why offer_one(struct offer *o, size_t peer, const struct record *r);

#endif
