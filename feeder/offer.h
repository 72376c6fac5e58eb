/* offer.h - who should get an article: a pure decision.
 *
 * Threads:  one.  Memory: two bits for each peer and group name met.
 * Standard: RFC 5537 3.6 (not to those in Path); what INN's newsfeeds can say.
 *
 * Groups are matched by name as they stand in Newsgroups: "!" takes a group out, "@"
 * keeps the whole article back; the last pattern that matches counts.  Two names
 * are matched beside those, for peers whose own lists begin a pattern with them, so
 * that a plain "*" stands for neither:
 *
 *     control.VERB   of a control message: a cancel in a group that a peer is not
 *                    sent does not go there because of "*"
 *     junk           of what was put there; when no group of it was known, "junk"
 *                    alone decides
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

/* In the order in which it is asked: the first that holds is told. */
enum offer_why {
    OFFER_YES,
    OFFER_NO_GROUP,        /* none of its groups is wanted                        */
    OFFER_LOCAL,           /* in a group that never leaves                        */
    OFFER_PRIVATE,         /* in a private group, and its certificate is not pinned */
    OFFER_POISON,          /* a group with "@"                                    */
    OFFER_IN_PATH,         /* the peer has had it                                 */
    OFFER_EXCLUDED,        /* a name of 'exclude' is in Path                      */
    OFFER_TOO_LARGE,
    OFFER_TOO_SMALL,
    OFFER_HOPS,
    OFFER_CROSSPOST,
    OFFER_FOLLOWUPS,       /* answers go to too many groups                       */
    OFFER_WEIGHT,          /* groups and square of followups                      */
    OFFER_DISTRIBUTION,
    OFFER_NO_DISTRIBUTION, /* it has none                                         */
    OFFER_CONTROL,         /* a control message                                   */
    OFFER_NO_CONTROL,      /* none, and others are not wanted                     */
    OFFER_MODERATED,
    OFFER_UNMODERATED,
    OFFER_UNKNOWN_GROUP,   /* in a group that this site has not                   */
    OFFER_ORIGIN,          /* by who injected it                                  */
    OFFER_NOT_OURS,        /* only what was posted here is wanted                 */
    OFFER_HASH,            /* in another's share                                  */
    OFFER_NOT_ARTICLE,     /* another kind of record, or its data is gone         */
    OFFER_WHYS
};
extern const char *const offer_words[OFFER_WHYS];

/* Decide for all peers at once: why[i] is said of peer i.  Return how many want it. */
size_t offer_all(struct offer *o, const struct record *r, uint8_t *why);

/* Decide for one. */
enum offer_why offer_one(struct offer *o, size_t peer, const struct record *r);

/* The same as a sentence for the operator: "too large (size-max): 2917, at most 1000". */
enum offer_why offer_explain(struct offer *o, size_t peer, const struct record *r, struct buf *out);

#endif
