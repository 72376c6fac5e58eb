/* intake.h - an article's way in: one list of stages for IHAVE, TAKETHIS, POST
 * and import, each of which says "go on" or gives a verdict.
 *
 * Threads:  intake_run and everything it calls on the thread that owns 'home';
 *           'done' is called there, exactly once.  Stages touch nothing but
 *           their arguments, the group table and history's memory; what may
 *           wait goes to the lane.
 * Memory:   the article's bytes are given away with intake_new.
 * Standard: RFC 5537 3.5 (injecting), 3.6 (relaying); where they leave
 *           the order of the checks open, it is INN's.
 */
#ifndef NNTPD_INTAKE_H
#define NNTPD_INTAKE_H

#include "article/header.h"
#include "article/wire.h"
#include "nntpd/store.h"
#include "nntpd/verdict.h"

/* The rules in force; immutable, shared by reference count, swapped by reload. */
struct intake_rules;
struct letters;
struct conf;
struct intake_rules *intake_rules_new(const struct conf *c);
struct intake_rules *intake_rules_ref(struct intake_rules *r);
void intake_rules_unref(struct intake_rules **r);

enum intake_way { WAY_IHAVE, WAY_TAKETHIS, WAY_POST, WAY_IMPORT };

struct intake_sender {
    const char *source;            /* for the log: "peer NAME ADDRESS", "post ADDRESS", "import"         */
    const char *address;           /* text, or ""                                                        */
    const struct conf_peer *const *peer;   /* the peer blocks that match the connection; n_peer may be 0 */
    size_t      n_peer;
    struct span post_groups;       /* WAY_POST: wildmat of groups the client may post to                 */
    struct span read_groups;       /* WAY_POST: and of those that exist for it                           */
    struct span approve;           /* WAY_POST: the same: of groups for which it may give Approved       */
    struct letters *letters;       /* WAY_POST: for moderators; NULL: they get none                      */
    const char *user;              /* WAY_POST: who has logged in; NULL: nobody                          */
};

struct intake;
typedef void intake_done_fn(struct intake *in, void *user);

/* 'block' (malloc'd, wire form with terminator) is taken over.  'named': the id
 * given with the command ("" for POST).  'too_big': the session read more than
 * the limit and kept only the head of it. */
struct intake *intake_new(struct store *s, struct intake_rules *rules, struct lane *lane, struct mailbox *home,
                          enum intake_way way, const struct intake_sender *from,
                          char *block, size_t n, size_t true_size, struct span named,
                          struct claim *claim /* of 335, or NULL */, intake_done_fn *done, void *user);
void intake_run(struct intake *in);
void intake_free(struct intake **in);           /* after done */

/* The result, in 'done'. */
enum verdict intake_verdict(const struct intake *in);
int  intake_code(const struct intake *in);                /* for its way                              */
const char *intake_text(const struct intake *in);         /* the sentence, detail filled in           */
struct span intake_msgid(const struct intake *in);        /* of the article; else as named; else ""   */

/* The stages without storing, for `why` and `-t`: one line a stage to 'out'. */
void intake_explain(struct store *s, struct intake_rules *rules, const struct intake_sender *from,
                    struct span block, struct buf *out);

/* Counters by verdict, since start. */
uint64_t intake_count(enum verdict v);

#endif
