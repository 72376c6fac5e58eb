/* rules.h - what may keep an article from a peer, beside its groups and its Path.
 *
 * Private to feeder/.  Threads: one.
 * Memory:   a row of bits for each rule; two peers that say the same share one.
 */
#ifndef FEEDER_RULES_H
#define FEEDER_RULES_H

#include "feeder/facts.h"
#include "feeder/offer.h"

struct rule {
    enum offer_why why;             /* what is said of an article that breaks it      */
    int64_t        limit;
    bool           also;            /* origins: those that do not say, too            */
    const struct conf_list *list;   /* the configuration's                            */
    char          *wildmat;         /* of 'list', for origins                         */
    struct conf_hash hash;
    uint64_t      *peers;           /* who has it                                     */
};

struct rules { struct rule *v; size_t n; };

/* The rules of the peers, in the order in which they are asked; 'words' of bits a row. */
void rules_make(struct rules *s, const struct conf_peer *const *peer, size_t n, size_t words);
void rules_free(struct rules *s);

/* Does the article break the rule? */
bool rule_breaks(const struct rule *r, struct facts *f);

/* Say with figures how: ": 2917 octets, at most 1000"; nothing where there are none. */
void rule_say(const struct rule *r, struct facts *f, struct buf *out);

#endif
