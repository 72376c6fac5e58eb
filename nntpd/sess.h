/* sess.h - what the files of a session share: its state, slots, bodies, tasks.
 * Private to session*.c, command.c and cmd_*.c.
 *
 * Threads:  all of it on the session's worker, except task->work, which runs
 *           on the lane and touches its task, the rooms below, and the
 *           session's rights and group (which stay as they are meanwhile).
 *
 *           LINE ──command with a body──▶ BODY ──its end──▶ LINE
 *           LINE ──task_send──▶ AWAY ──back──▶ LINE
 *                                └─more to come, output full─▶ DRAIN ──drained──▶ AWAY
 *           LINE ──STARTTLS──▶ SHAKE ──handshake done──▶ LINE     (at once in SHAKE: TLS from the start)
 *           any ──reply said, close──▶ FINISH ──▶ DEAD
 *
 * A session is dead when its stream is freed; its memory goes when the last
 * reference (a task, an intake, a function further up the stack) is gone.
 */
#ifndef NNTPD_SESS_H
#define NNTPD_SESS_H

#include <sys/queue.h>

#include "article/wire.h"
#include "lib/log.h"
#include "lib/net.h"
#include "nntpd/command.h"
#include "nntpd/counters.h"
#include "nntpd/session.h"
#include "nntpd/who.h"

#define SLOTS_MOST   256                 /* unfinished replies                                   */
#define IN_MOST      (128 << 10)         /* octets of commands that wait to be looked at         */
#define OUT_LOW      (32 << 10)
#define OUT_HIGH     (128 << 10)         /* octets of replies that wait, then we read no more    */
#define CHUNK        (256 << 10)         /* about what one task produces before it is sent       */
#define FLYING_MOST  (16 << 20)          /* octets of this session's articles being stored       */
#define BODY_HEAD    (64 << 10)          /* what is kept of an article that is too large         */
#define LOOKS_MOST   64                  /* CHECKs in one look at the database                   */

enum sess_state { SESS_SHAKE, SESS_LINE, SESS_BODY, SESS_AWAY, SESS_DRAIN, SESS_FINISH, SESS_DEAD };

/* A reply on its way: made in order, filled in any. */
struct slot {
    STAILQ_ENTRY(slot) link;
    struct session *s;
    bool     full, close;                /* close: the connection ends after it                  */
    bool     with_id;                    /* the reply repeats the id                             */
    size_t   bytes;                      /* of its article, counted as flying                    */
    char    *text;                       /* when full                                            */
    unsigned id_n;
    char     id[];
};

/* A block being read. */
struct body {
    struct wire_scan scan;
    enum { ENDS_CRLF, ENDS_ASK, ENDS_LF } ends;   /* of its lines; ASK: as the first one's       */
    bool        cr;                      /* of a line whose LF has not come: CR was the last     */
    struct buf  bytes;
    uint64_t    size;                    /* read so far                                          */
    uint64_t    most;                    /* keep no more than this; 0: keep nothing              */
    bool        big;                     /* it was more; bytes holds the head                    */
    bool        lost;                    /* no memory; bytes holds nothing                       */
    struct slot *slot;                   /* its answer; lined up when the block has come         */
    struct claim *claim;                 /* of 335                                               */
    void (*done)(struct session *s);
};

/* A reader's command at work on the lane; handlers embed it as their first
 * member.  One at a time in a session. */
struct task {
    struct job  job;
    struct session *s;
    struct store *store;
    void (*work)(struct task *);         /* on the lane: fill 'out'; set 'more' to be called again */
    void (*done)(struct task *);         /* on the worker, before 'out' is written; may be NULL  */
    void (*fini)(struct task *);         /* frees what it holds, not itself; may be NULL         */
    struct buf  out;
    bool        more;
    int64_t     until_us;                /* set for each turn: see task_tired                    */
    bool        quick;                   /* worth running on the worker while data is in memory; 'work' may be
                                            begun again when a read of the log failed            */
    bool        slow;                    /* quick, and the database kept it waiting              */
    bool        begun;                   /* the first line of the answer has been made           */
    bool        trouble;                 /* e says what; 403, or the end when begun              */
    struct err  e;
    struct bdb_bulk *bulk;               /* task_bulk                                            */
    struct { int fd; uint64_t at, len; void *hold; } file;   /* hold not NULL: sent after 'out' */
    uint64_t    lines;                   /* written in this turn                                 */
    enum counter count_as;               /* what the lines are                                   */
};

struct looks;
struct auth;
struct share;

struct session {
    struct house  *h;
    struct stream *st;                   /* NULL: dead                                           */
    unsigned       refs;
    enum sess_state state;
    bool  going;                         /* session_go is further up the stack                   */
    bool  eof;                           /* the other end has closed its side                    */
    bool  skipping;                      /* passing over the rest of a line that is too long     */
    bool  asked_capabilities;
    signed char healthy;                 /* store_healthy in this turn; -1: not asked            */
    bool  claimed;                       /* history may hold claims of ours                      */
    bool  counted;                       /* guests_enter was called                              */
    bool  paced;                         /* waits until its peer's rates allow more              */
    bool  greeted;
    bool  compressed;                    /* COMPRESS is active: no STARTTLS, no AUTHINFO any more */
    const char *end_reason;              /* session_end was called                               */

    const struct conf *conf;             /* that the rights are from                             */
    struct rights rights;
    struct identity who;
    struct guest_rates *rates;           /* of its peer; NULL: no limit                          */
    struct tally *tally;                 /* of its peer; NULL: it is none                        */
    uint32_t fresh[TALLY_OFFERS];        /* that the tally does not know of                      */
    struct event *pace_timer;            /* NULL until it had to wait                            */
    struct auth *auth;                   /* NULL: it has not tried to log in                     */
    struct share *share;                 /* what it has used of its limits; NULL: it has none    */
    bool  shared;                        /* share_enter was called                               */
    uint64_t told;                       /* octets sent that its share knows of                  */
    char  address[NET_TEXT_MAX];
    char *source;                        /* "peer NAME ADDRESS", "reader ADDRESS" or "reader USER ADDRESS" */
    char *source_post;                   /* "post ADDRESS" or "post USER ADDRESS"                */

    int64_t part_us;                     /* since when a line, or a body, is here in part; 0: none is */
    void (*afterwards)(struct session *);   /* run when the line at hand is consumed: a layer begins */
    struct deflate *deflate;             /* that is about to begin                               */
    const struct command *last;          /* the row found last: tried first                      */
    const struct group *group;
    uint64_t number;                     /* current article; 0: none                             */

    STAILQ_HEAD(, slot) row;
    unsigned n_slots;
    uint64_t flying;                     /* octets of our articles being stored                  */
    struct looks *looks;                 /* CHECKs that wait to be looked up together            */
    struct body body;
    struct task *task;

    int64_t  began_us;
    uint64_t n_lines, n_offered, n_accepted, n_known, n_rejected, n_deferred, n_posted, n_sent;
    void (*gone)(struct session *, void *);
    void *gone_arg;
};

/* session.c */
void session_ref(struct session *s);
void session_unref(struct session *s);
void session_go(struct session *s);                 /* read on, if it may; no-op when dead        */
void session_die(struct session *s, const char *reason);
void session_finish(struct session *s, const char *reason);   /* send what is written, then die    */
void session_identify(struct session *s);           /* s->who has changed: take its rights        */
bool session_crowded(struct session *s);            /* too many of its kind are here: 400 is said */
void session_welcome(struct session *s);            /* greet who has just been identified, or refuse */
bool session_healthy(struct session *s);            /* can the store take articles now?           */
#define COUNT(s, name) count_add(&(s)->h->counters->v[COUNT_##name], 1)
#define TALLY(s, name) ((s)->fresh[TALLY_##name]++)
#define COUNT_N(s, name, n) count_add(&(s)->h->counters->v[COUNT_##name], (n))

static inline bool session_dead(const struct session *s) { return s->st == NULL; }
static inline bool row_empty(const struct session *s) { return STAILQ_EMPTY(&s->row); }

/* session_patience.c */
int64_t session_patience(const struct session *s);  /* how long it may be silent                  */
void session_idle(struct session *s);               /* it has been                                */
void session_part(struct session *s);               /* a line's or a body's beginning is here     */
bool session_drips(struct session *s);              /* ... and has been for too long: it is ended */

/* session_pace.c */
void pace_set(struct session *s);                   /* its rights have changed                    */
void pace_fini(struct session *s);
/* With s->rates: must it wait before it looks at more input?  Then session_go comes by itself. */
bool pace_wait(struct session *s);
void pace_take(struct session *s, uint64_t lines, uint64_t octets);

/* session_layer.c */
void session_may_layer(struct session *s);          /* which may begin now? into the rights       */
void session_begin_tls(struct session *s);          /* the handshake; session_secured when it is done */
void session_secured(struct session *s);
void session_begin_deflate(struct session *s);      /* s->deflate                                 */
void session_layers_say(const struct session *s, struct buf *out);   /* for the log               */

/* session_reply.c */
void reply(struct session *s, const char *fmt, ...) printf_like(2, 3);     /* a line; CRLF is added */
void reply_id(struct session *s, int code, struct span id, const char *text); /* "438 <id> text"    */
struct slot *slot_new(struct session *s, struct span id, bool with_id);    /* the caller's still  */
void slot_free(struct slot *sl);                                           /* not lined up yet    */
void slot_line_up(struct slot *sl);                                        /* its place in the row */
void slot_say(struct slot *sl, int code, const char *text);                /* 400: the connection ends after it */
void slot_ready(struct slot *sl);                                          /* goes out in its turn; gone afterwards */
void slot_fill(struct slot *sl, int code, const char *text);               /* say, ready          */
void row_free(struct session *s);

/* session_share.c: limits of its access block, kept by user or address */
void share_identify(struct session *s);             /* after rights and user have been taken      */
void share_leave_all(struct session *s);
bool share_crowded(const struct session *s);
bool share_stops_reading(struct session *s);        /* 502 is said                                */
bool share_stops_post(struct session *s, char *why, size_t size);    /* else one post is taken    */
void share_back(struct session *s);                 /* it was not posted after all                */

/* cmd_auth.c */
#define AUTH_LINE_MOST 2048              /* of AUTHINFO SASL and of responses; PLAIN needs 1 kB   */
bool auth_expects(const struct session *s);         /* the next line is a SASL response           */
void auth_response(struct session *s, struct span line);
void auth_too_long(struct session *s);
size_t auth_line_most(const struct session *s, struct span head);
void auth_free(struct session *s);
void auth_capabilities(struct buf *out, const struct rights *r);

/* session_body.c */
void body_begin(struct session *s, uint64_t most, struct slot *sl, void (*done)(struct session *));
/* The answer is known already: pass over the block, then say it. */
void body_refuse(struct session *s, struct slot *sl, int code, const char *text);
bool body_step(struct session *s);                  /* false: more must come                      */
void body_fini(struct body *b);
/* The whole body has come: answer it here, without intake. */
void body_answer(struct session *s, enum intake_way way, int code, const char *text);
/* The whole body has come: give it to intake; the answer goes to its slot. */
void body_to_intake(struct session *s, enum intake_way way);

/* session_task.c */
void *task_new(struct session *s, size_t size, void (*work)(struct task *));
void task_send(struct task *t);
void task_drained(struct session *s);
void task_free(struct task *t);
struct bdb_bulk *task_bulk(struct task *t);         /* before task_send                           */
void task_fail(struct task *t);                     /* on the lane: t->e says what                */
/* Has this turn lasted long enough?  Work that a client may make long asks now and
 * then, and sets 'more': others come between its turns. */
bool task_tired(const struct task *t);

/* A group that this session may read, by name; NULL. */
const struct group *session_group(struct session *s, struct span name);
/* Published marks, never beyond what RFC 3977 lets out. */
struct marks { uint64_t low, high, count; };
struct marks group_marks(const struct group *g);
/* "*" when the argument i is absent; an owned copy. */
char *call_string(const struct call *c, unsigned i, const char *otherwise);

#endif
