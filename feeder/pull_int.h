/* pull_int.h - what the pull*.c share: a server, and a run through its groups.
 * Private to pull.c, pull_run.c, pull_group.c.
 */
#ifndef FEEDER_PULL_INT_H
#define FEEDER_PULL_INT_H

#include <event2/event_struct.h>

#include "article/msgid.h"
#include "feeder/peer.h"
#include "feeder/pull.h"
#include "feeder/pull_home.h"
#include "feeder/pull_line.h"
#include "feeder/pull_link.h"
#include "feeder/pull_state.h"
#include "lib/rate.h"

#define PULL_VERDICTS  64
#define PULL_CHUNK     200                 /* articles of a group looked at in one step     */
#define PULL_WIDEST    (1u << 20)          /* numbers of a group looked at in one step      */
#define PULL_WINDOW    16                  /* articles asked for and not yet here           */
#define PULL_GIVEN     64                  /* with nntpd                                    */
#define PULL_BEHIND    (4u << 20)          /* octets that nntpd has not read yet            */
#define PULL_TRIES     3                   /* an article that ends so many runs is left out, if others come ... */
#define PULL_TRIES_ALL 20                  /* ... and so many, if none does                 */
#define PULL_CAREFUL   (4 * PULL_WINDOW)
#define PULL_GROUPS    200000              /* of one server                                 */

struct pull {
    struct feeder *f;
    const struct conf_peer *conf;
    char    *name;
    char    *groups;                       /* pull as one wildmat                           */
    struct pull_state state;
    bool     open;                         /* the state is there                            */
    bool     paused;
    struct pull_run *run;                  /* NULL: none                                    */
    struct rate rate;
    int64_t  next_us, wait_us;             /* monotonic: when the next run begins           */
    int64_t  saved_us;
    unsigned n_dials;
    char     stuck_group[PULL_NAME_MOST + 1];      /* the last article that ended a run     */
    uint64_t stuck_number;
    unsigned stuck_tries;
    uint64_t received, stuck_received;     /* articles, ever, and when it ended the first   */
    char     last_error[400];
    int64_t  last_error_us;
    uint64_t runs, n_groups, not_here;     /* the last run's: groups, and those we have not */
    char     ended_at[PULL_NAME_MOST + 1]; /* the group that ended the last run: the next begins behind it */
    uint64_t n[PULL_COUNTS];
    struct { char name[40]; uint64_t n; } verdict[PULL_VERDICTS];
    size_t   n_verdicts;
};

enum item_state { ITEM_NEW, ITEM_WANTED, ITEM_ASIDE, ITEM_ASKED, ITEM_GIVEN, ITEM_DONE };
struct item { uint64_t number; enum item_state state; uint8_t id_n; char id[MSGID_MAX]; };

enum run_step { STEP_CONNECT, STEP_LIST, STEP_CARRY, STEP_GROUP, STEP_OVER, STEP_WANTS, STEP_FETCH, STEP_QUIT };

struct run_group { char *name; struct pull_range range; bool listed, carried; };

struct pull_run {
    struct pull *p;
    struct pull_link *link;
    struct pull_home *home;
    struct dial *dial;
    enum run_step step;
    bool     over, well;                   /* to be freed in the next turn                  */
    uint64_t article_most;
    int64_t  began_us;
    uint64_t n[PULL_COUNTS];               /* when it began                                 */
    bool     xover;                        /* OVER is not known there                       */
    unsigned careful;                      /* so many articles of the group that ended the last run are
                                              asked for one by one: which of them is it?    */
    struct event turn;                     /* go on: the rate allows, or nntpd has read     */

    struct map *seen;                      /* groups that a list has told already           */
    size_t   list;                         /* which of the lists comes next                 */
    struct run_group *group;
    size_t   n_group, asked_group, at;     /* at: the one that is being pulled              */

    /* the group at hand */
    struct pull_mark *mark;
    struct pull_range range;
    uint64_t from, to, settled_to;         /* the chunk; up to where it settles when all is done */
    uint64_t top;                          /* the highest number that its overview shows    */
    uint64_t width;                        /* numbers in a chunk: more where there are only holes */
    struct item item[PULL_CHUNK];
    size_t   n_item, answered, next;       /* next: to be asked for                         */
    struct item *aside;                    /* the one that ended runs: asked for after the others; or NULL */
    size_t   asked[LINK_AHEAD];            /* items whose articles are waited for, a ring   */
    unsigned first_asked, n_asked, n_given;
    size_t   rows;
};

/* pull.c */
void pull_count(struct pull *p, enum pull_count what, uint64_t n);
void pull_count_verdict(struct pull *p, const char *name);
void pull_trouble(struct pull *p, const char *why);        /* note it for the operator       */
void pull_save_soon(struct pull *p);                       /* not more often than every few seconds */
void pull_ran(struct pull *p, bool well);                  /* the run is over: when is the next */

/* pull_run.c */
struct pull_run *pull_run_begin(struct pull *p);           /* NULL: it ended at once          */
void pull_run_free(struct pull_run **r);
void pull_run_tick(struct pull_run *r);
void run_fail(struct pull_run *r, const char *why);        /* end it, with trouble, in the next turn */
void run_next_group(struct pull_run *r, bool first);       /* or the end                      */

/* pull_group.c: the group at hand */
void run_group_begin(struct pull_run *r);
void run_group_reply(struct pull_run *r, int code, struct span line);
void run_over_reply(struct pull_run *r, int code, struct span line);
void run_over_row(struct pull_run *r, struct span row);
void run_over_end(struct pull_run *r);
void run_wants(struct pull_run *r, const struct home_answer *a);
void run_article_reply(struct pull_run *r, int code, struct span line);
void run_article(struct pull_run *r, struct span article);
void run_taken(struct pull_run *r, const struct home_answer *a);
void run_fetch(struct pull_run *r);                        /* ask for what the window allows  */
/* The oldest article that is waited for has ended the run, or would.  After PULL_TRIES
 * times, if others come, it is left out, for good: true. */
bool run_blame(struct pull_run *r, const char *why);

#endif
