/* stages.h - what intake's stages share: the article on its way, the rules.
 * Private to intake*.c and inject*.c.
 *
 * A stage looks at the article and answers GO_ON, a verdict, or AWAY (a job or
 * the store has it; what comes back calls intake_resume).
 */
#ifndef NNTPD_STAGES_H
#define NNTPD_STAGES_H

#include "article/date.h"
#include "article/msgid.h"
#include "conf/conf.h"
#include "nntpd/intake.h"

struct peer_rules {
    const char *name;
    struct buf  accept;                /* accept_groups as one wildmat                         */
};

struct intake_rules {
    int refs;                          /* atomic */
    const struct conf      *conf;      /* kept for the life of the program                     */
    const struct conf_site *site;
    struct peer_rules      *peer;      /* in conf's order                                      */
};

#define GROUPS_MOST   256              /* an article's groups that are looked at               */
#define DETAIL_MOST   120

/* What a stage may do to the outside. */
enum intake_mode {
    MODE_REAL,
    MODE_EXPLAIN                       /* claims and stores nothing                            */
};

struct intake {
    struct job      job;               /* first: the look at history                           */
    struct store   *store;
    struct intake_rules *rules;
    struct lane    *lane;              /* NULL: this thread may wait                           */
    struct mailbox *home;
    enum intake_way way;
    enum intake_mode mode;
    char           *source, *address, *named;
    const struct conf_peer **peer;
    size_t          n_peer;
    char           *post_groups, *read_groups;
    char           *approve, *account;
    intake_done_fn *done;
    void           *user;

    char           *bytes;             /* as it came                                           */
    struct span     block;
    size_t          true_size;
    int64_t         now_us;            /* of arrival                                           */
    unsigned        at;                /* the next stage                                       */

    /* found out on the way */
    struct span     head;              /* the header lines, without the blank line             */
    struct buf      fixed;             /* POST: the head with its small faults mended          */
    struct buf      made;              /* POST: the head as it will be injected                */
    struct span     bad_line;          /* POST: the first that is no header field, or p NULL   */
    struct letters *letters;           /* POST: NULL: no mail is sent                          */
    struct buf      moderator;         /* POST: the address                                    */
    bool            mailed;            /* POST: it was tried, and                              */
    int             mail_rc;           /* look_err says why not                                */
    struct span     moderated;         /* POST: the first moderated group, not approved for    */
    struct wire_facts facts;
    struct headers  h;
    struct span     msgid;             /* of the article, when it is valid                     */
    struct msgid_key key;
    bool            forgettable;       /* this refusal is not remembered, whatever the table says */
    bool            is_control;
    uint16_t        about_groups;      /* RECORD_GROUPS and its like: what its groups are here */
    uint32_t        group[GROUPS_MOST];
    unsigned        n_groups;

    /* history */
    enum verdict    refusal;           /* already refused: the claim is only for remembering it */
    bool            looked;
    enum his_answer look;
    struct his_entry entry;
    struct err      look_err;
    struct claim   *promised;          /* of 335                                               */
    struct claim   *claim;             /* firm                                                 */
    struct mail     retry;             /* store_await                                          */
    int64_t         busy_since_us;

    /* to the store */
    struct submission *sub;
    struct buf      out;               /* the head as it is stored, without Xref               */
    struct buf      overview;
    struct buf      marks;             /* of its locks and keys                                */

    enum verdict    verdict;
    char            detail[DETAIL_MOST + 1];
    char            text[512];
};

typedef enum verdict stage_fn(struct intake *in);
struct stage {
    const char *name;
    stage_fn   *run;
};

/* Refuse with a detail for the sentence; it is made fit for a reply line. */
enum verdict intake_say(struct intake *in, enum verdict v, struct span detail);

/* Go on where the article left (on the thread of 'home'). */
void intake_resume(struct intake *in);

/* Can it be the Message-ID of an article?  Then note it and its key. */
bool intake_note_id(struct intake *in, struct span id);

/* intake_stages.c: relaying */
stage_fn stage_wire, stage_headers, stage_identity, stage_dates, stage_newsgroups, stage_path, stage_distribution;
stage_fn stage_excluded, stage_limits;             /* when posting, too                             */
/* intake_put.c: our name as it stands in Path, with path-aliases those others behind it. */
void intake_put_names(const struct intake *in, struct buf *out);
/* intake_claim.c */
stage_fn stage_claim;
/* intake_cancel.c */
stage_fn stage_cancelled;
void intake_cancels(struct intake *in, struct record *r);   /* fill in locks, keys and target */
struct span intake_target(const struct intake *in);         /* whom it cancels, or n 0         */
/* intake_groups.c */
stage_fn stage_groups;
/* Give it to control.TYPE or control instead, when it is a control message. */
enum verdict groups_for_control(struct intake *in);
bool groups_add(struct intake *in, const struct group *g);
/* intake_put.c */
stage_fn stage_store;
void intake_remember(struct intake *in, const char *why);   /* a RECORD_REFUSED; takes the claim */
/* inject.c, inject_text.c, inject_head.c: posting, in INN's order */
stage_fn stage_p_lines, stage_p_fields, stage_p_text, stage_p_groups, stage_p_values, stage_p_required, stage_p_body, stage_p_make;
/* inject_text.c: lines of the block that end in LF alone get their CR */
void inject_mend_ends(struct intake *in);
/* inject_mail.c: for a moderator */
stage_fn stage_p_mail;
enum verdict inject_find_moderator(struct intake *in);
void inject_given_for_mail(struct intake *in, const struct hdr_field *f);
/* inject_identity.c: what tells this site who posted; fields with their ends, the client's own in them */
void inject_account(const struct intake *in, struct buf *out);
void inject_lock(const struct intake *in, struct span msgid, struct buf *out);
void inject_key(const struct intake *in, struct buf *out);

#endif
