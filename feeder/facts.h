/* facts.h - what the peers' rules ask of an article: from the record where it says
 * so, else from the article's head, which is read when it is asked for first.
 *
 * Private to feeder/.  Threads: pure.
 * Memory:   spans point into the record's data, which must stay.
 * Standard: RFC 5536 3.1, 3.2; counts as INN's newsfeeds have them.
 *
 * A record of minor 0 does not say what its groups were here.  Then an article
 * with Approved is moderated, and a group that is not in our Xref is not known.
 */
#ifndef FEEDER_FACTS_H
#define FEEDER_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/span.h"
#include "spool/record.h"

enum facts_moderated {
    FACTS_UNMODERATED,
    FACTS_MODERATED,       /* in a moderated group, whatever others it is in               */
    FACTS_NEITHER          /* a newgroup or its like for groups that are not there         */
};

struct facts {
    const struct record *r;
    struct span groups, distribution;
    size_t n_groups;           /* names in Newsgroups, one that is there twice counts twice */
    size_t hops;               /* names in Path, the tail entry and diagnostics apart       */

    /* when first asked for */
    bool     head_read, md5_made;
    size_t   followups;
    bool     approved;
    struct span verb, xref;
    char     origin[256];
    uint8_t  md5[16];
};

void facts_begin(struct facts *f, const struct record *r);

/* One of the record's ranges; empty when it is absent. */
struct span facts_range(const struct record *r, struct record_range at);

/* Groups that an answer goes to: Followup-To's, 0 for "poster", else Newsgroups'. */
size_t facts_followups(struct facts *f);

/* The verb of a control message, as it stands there; n 0: it is none. */
struct span facts_verb(struct facts *f);

/* Who injected it: the first word of Injection-Info, else of X-Trace; n 0: it does not say. */
struct span facts_origin(struct facts *f);

enum facts_moderated facts_moderated(struct facts *f);
bool facts_unknown_group(struct facts *f);     /* one that this site had not                   */
bool facts_in_junk(struct facts *f);           /* it went to "junk"                            */
bool facts_homeless(const struct facts *f);    /* the same, because no group of it was known   */

/* The place of the Message-ID among 'of' parts, 1 to 'of': four octets of its MD5,
 * the last ones or 'offset' (0 to 12) octets before them, as a big-endian number. */
uint32_t facts_part(struct facts *f, unsigned offset, uint32_t of);

#endif
