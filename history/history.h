/* history.h - which Message-IDs have we met?
 *
 * Threads:  his_peek, his_claim and his_release may be called on any thread and
 *           never wait for the disk.  his_look may wait: call it from the disk
 *           lane.  his_apply, his_forget and what follows them from the applier;
 *           his_sweep by one at a time.
 * Crash:    what was applied is as durable as the database; claims do not
 *           survive: the peer will be asked again.
 * Memory:   24 bits an id for the filter, a fixed cache of the newest answers,
 *           64 bytes a claim in flight, 150 a cancel without its article.
 * Standard: RFC 3977 6.3.2, RFC 4644 2.4 (431 while claimed).
 */
#ifndef HISTORY_HISTORY_H
#define HISTORY_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "article/msgid.h"
#include "lib/bdb.h"
#include "lib/err.h"
#include "lib/span.h"

struct his;
struct claim;        /* somebody is sending this id */

enum his_state { HIS_KEPT = 1, HIS_REFUSED = 2, HIS_EXPIRED = 3, HIS_CANCELLED = 4 };

struct his_entry {               /* what is known of an id                             */
    enum his_state state;
    uint64_t seq;                /* the record that says so                            */
    uint32_t segment;            /* where that lies                                    */
    uint64_t offset;
    uint32_t size;
    uint32_t day;                /* of arrival, days since 1970                        */
};

enum his_answer {
    HIS_NEW,     /* never met, and nobody is sending it                                */
    HIS_BUSY,    /* another session has claimed it: "later"                            */
    HIS_SEEN,    /* kept, or remembered as refused, expired, cancelled                 */
    HIS_ASK,     /* memory alone cannot tell: his_look, then his_claim                 */
    HIS_FAILED   /* could not tell: "later", never "no"                                */
};

struct his_options {
    struct bdb *bdb;
    uint32_t    cache_entries;       /* newest answers kept in memory                  */
    int64_t     claim_us;            /* a claim that is not used dies after this       */
    unsigned    waiting_most;        /* cancels without their article; 0: HIS_WAITING_MOST */
};

/* The filter is filled in the background; until it is, questions cost a look. */
struct his *his_open(const struct his_options *o, struct err *e);
void his_close(struct his **h);
bool his_filter_ready(const struct his *h);

/* From memory.  Claims nothing. */
enum his_answer his_peek(struct his *h, const struct msgid_key *key);

/* From the database (and then in the cache).  HIS_NEW, HIS_SEEN (*entry filled,
 * may be NULL) or HIS_FAILED.  Does not look at claims. */
enum his_answer his_look(struct his *h, const struct msgid_key *key, struct his_entry *entry, struct err *e);

/* Ask, and claim in the same step when it is HIS_NEW (*c is set).  'looked' says
 * that his_look has just answered HIS_NEW; else HIS_ASK may come back.  It may
 * also when memory has forgotten that look: say "later", or look again.
 * HIS_BUSY when another holds a claim that is not past its time.  'owner' may
 * be anything; the same owner asking again is HIS_BUSY too (RFC 4644; as INN). */
enum his_answer his_claim(struct his *h, const struct msgid_key *key, const void *owner, bool looked, struct claim **c);

/* The article has come whole (TAKETHIS, or after a claim): make the claim firm,
 * so that no other copy is taken while it is stored.  HIS_NEW: firm, *c is set
 * (the first complete copy wins, also over another session's claim that has
 * only been promised).  HIS_BUSY: another copy is being stored right now.
 * HIS_SEEN: already met.  HIS_ASK as above. */
enum his_answer his_firm(struct his *h, const struct msgid_key *key, const void *owner, bool looked, struct claim **c);

/* End a claim as if it had never been.  After his_apply has dealt with the id
 * the claim ends by itself through his_published. */
void his_release(struct his *h, struct claim **c);
/* All unfirm claims of an owner (its session died). */
void his_release_owner(struct his *h, const void *owner);

/* Cancels that came before their article.  'facts' are the caller's octets; the
 * newest waiting_most cancels are kept.  The questions are answered from memory,
 * on any thread; his_fits_fn is called under a lock and asks nothing of history. */
#define HIS_WAITING_MOST 65536
struct his_wait { uint64_t seq; struct msgid_key target; struct span facts; };
typedef bool his_fits_fn(struct span facts, void *arg);
bool his_awaited(const struct his *h, const struct msgid_key *target);
bool his_awaited_by(struct his *h, const struct msgid_key *target, his_fits_fn *fits, void *arg);

/* Within the applier's transaction: one waits from now on; none waits any longer for
 * an id.  Each is told again, with 'published', when the transaction is committed.
 * Twice changes nothing. */
void his_wait(struct his *h, struct txn *t, const struct his_wait *one);
void his_wait_published(struct his *h, const struct his_wait *one);
void his_settle(struct his *h, struct txn *t, const struct msgid_key *target);
void his_settle_published(struct his *h, const struct msgid_key *target);

/* Read again from the database what waits and what was forgotten: before anything
 * is applied, at start and after bdb_reopen. */
int  his_recall(struct his *h, struct err *e) need_result;

/* Within the applier's transaction.  Twice changes nothing; a cancelled or
 * kept id is not turned into a refused one. */
void his_apply(struct his *h, struct txn *t, const struct msgid_key *key, const struct his_entry *entry);

/* The transaction was committed: answers now see it, and its claim is over. */
void his_published(struct his *h, const struct msgid_key *key, const struct his_entry *entry);

/* Ids that are refused, expired or cancelled, came before 'day' (since 1970) and
 * were told by a record before 'seq', are as if never met.  his_forget within the
 * applier's transaction, alone in it; his_forgotten when it was committed.  A day that is not
 * later than the last changes nothing. */
void his_forget(struct his *h, struct txn *t, uint32_t day, uint64_t seq);
void his_forgotten(struct his *h, uint32_t day, uint64_t seq);
uint32_t his_forgotten_day(const struct his *h);
bool his_forgets(const struct his *h, const struct his_entry *e);   /* is it such a one? */

/* Take rows of forgotten ids out of the database, some at a time: look at the
 * next 'rows' (may wait for the disk; return how many can go, or -1), then, in a
 * transaction, let them go (return how many went).  Changes no answer. */
int his_sweep(struct his *h, int rows, struct err *e);
unsigned his_swept(struct his *h, struct txn *t);
bool his_sweep_over(const struct his *h);                          /* all is done for now; any thread */

int  his_empty(struct his *h, struct err *e) need_result;           /* rebuild */

struct his_counts { uint64_t ids, filter_bits, cache_hits, filter_news, looks, false_hits, claims, waiting; };
void his_counts(struct his *h, struct his_counts *out);

#endif
