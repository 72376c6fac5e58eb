/* traits.h - what the rules of selection ask of an article, beyond its groups and Path.
 *
 * Threads:  pure.  Memory: spans point into the record's data.
 * Standard: RFC 5536 3.2 (fields), RFC 5536 3.2.8 (Injection-Info).
 */
#ifndef FEEDER_TRAITS_H
#define FEEDER_TRAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/span.h"
#include "spool/record.h"

struct traits {
    size_t followups;          /* groups that an answer goes to: Followup-To's, else Newsgroups'    */
    bool   moderated;          /* Approved, and no control message                                  */
    struct span origin;        /* who injected it: Injection-Info's or X-Trace's first word; n 0: it does not say */
    struct span control;       /* the verb of a control message, n 0: it is none                    */
};

/* 'n_groups': names in Newsgroups.  An article that cannot be understood has no traits. */
void traits_read(struct traits *t, const struct record *r, size_t n_groups);

/* The place of a Message-ID among 'of' parts, 1 to 'of': as INN's and Diablo's
 * hash feeds have it (MD5, its last 32 bits big-endian). */
uint32_t traits_hash(struct span msgid, uint32_t of);

#endif
