/* his_claims.h - who is sending which id just now.
 *
 * Threads:  any; a lock for each of 64 shards ("history.claims").
 * Memory:   64 bytes a claim, a million promises at most (beyond that nothing is noted, the
 *           ticket is NULL); what is past its time is swept away as others come.
 *
 * A claim is *promised* (we said 238 or 335: it dies in time, with its owner,
 * or when a complete copy overtakes it) or *firm* (the article is here and is
 * being stored: it ends only by release or publication).
 *
 * The struct claim pointers are tickets, never followed: a ticket whose claim
 * has ended is known as stale, so it may be kept for as long as one likes.
 */
#ifndef HISTORY_HIS_CLAIMS_H
#define HISTORY_HIS_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "article/msgid.h"

struct claim;
struct his_claims;

enum claim_answer {
    CLAIM_FREE,        /* nobody has it                            */
    CLAIM_PROMISED,    /* somebody was told to send it             */
    CLAIM_FIRM         /* a copy is being stored                   */
};

struct his_claims *his_claims_new(int64_t promise_us);
void his_claims_free(struct his_claims **c);

enum claim_answer his_claims_ask(struct his_claims *c, const struct msgid_key *k);

/* Take it if it is free (firm: or promised).  'still_new' is asked under the
 * lock before the claim is made; when it answers false, nothing is taken and
 * *refused is set.  Return what was there before: the claim is taken when that
 * is CLAIM_FREE, or CLAIM_PROMISED and 'firm'. */
typedef bool still_new_fn(void *arg);
enum claim_answer his_claims_take(struct his_claims *c, const struct msgid_key *k, const void *owner, bool firm,
                                  still_new_fn *still_new, void *arg, bool *refused, struct claim **ticket);

void his_claims_release(struct his_claims *c, struct claim **ticket);
void his_claims_release_owner(struct his_claims *c, const void *owner);   /* promised ones */
void his_claims_end(struct his_claims *c, const struct msgid_key *k);     /* published     */
uint64_t his_claims_count(struct his_claims *c);

#endif
