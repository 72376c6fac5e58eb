/* apply_int.h - what apply.c and apply_cancel.c share.
 *
 * A record that takes something away, or that something waits for, needs to know
 * what is there; that is found out before its transaction, and is its plan.
 */
#ifndef NNTPD_APPLY_INT_H
#define NNTPD_APPLY_INT_H

#include "nntpd/apply.h"

struct plan {
    bool           reaches;        /* the target is cancelled by it                              */
    bool           found;          /* and was an article that could be read:                     */
    struct msgid_key target;
    struct log_pos pos;            /* its place                                                  */
    unsigned       n;              /* its rows that are there                                    */
    struct record_number numbers[RECORD_NUMBERS_MAX];
    uint64_t       low[RECORD_NUMBERS_MAX];      /* of the group, when it is gone; 0: as it was  */

    bool           waits;          /* for a target that has not come                             */
    struct his_wait wait;
    char           facts[1 + CANLOCK_MOST * CANLOCK_MARK];

    bool           settles;        /* cancels have waited for this very record                   */
    bool           refused;        /* and one of them reaches it                                 */
};

int  plan_make(struct indexes *ix, const struct record *r, struct plan *p, struct err *e) need_result;
void plan_apply(struct indexes *ix, struct txn *t, const struct plan *p, const struct record *r, const struct log_pos *pos);
void plan_done(struct indexes *ix, const struct plan *p, const struct record *r, const struct log_pos *pos);

#endif
