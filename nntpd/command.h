/* command.h - THE command table: what there is, who may, what it wants.
 *
 * Threads:  the tables are constant; command_line and the handlers run on the
 *           session's worker.
 * Standard: RFC 3977 3.1, 3.2; the codes for bad arguments of the transit
 *           commands are INN's (501 would be sent again for ever by its feeder).
 *
 * One row feeds: dispatch, the gates (asked before any handler runs), HELP,
 * CAPABILITIES, a counter, and tests/unit/nntpd_command.c, which walks the rows.
 * The variants of LIST and MODE are tables of the same struct.
 */
#ifndef NNTPD_COMMAND_H
#define NNTPD_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/span.h"
#include "nntpd/who.h"

#define LINE_MOST 512              /* octets with CRLF (RFC 3977 3.1)                           */
#define ARGUMENT_MOST 497
#define CALL_ARGS 8                /* arguments that are kept apart; see call_tail               */

struct session;
struct command;
struct conf_site;

/* A command line, cut into words. */
struct call {
    const struct command *row;
    struct span name;
    unsigned    n;                 /* arguments, also those beyond CALL_ARGS                     */
    struct span arg[CALL_ARGS];
    struct span line;              /* trimmed                                                    */
};

typedef void cmd_fn(struct session *s, const struct call *c);

enum {
    /* 502 and 440 are 480 when a login could change it, 483 when TLS could */
    CMD_READ     = 1 << 0,   /* 502 unless the connection may read                               */
    CMD_POST     = 1 << 1,   /* 440 unless it may post                                           */
    CMD_TRANSIT  = 1 << 2,   /* 502 unless it is a peer that may send                            */
    CMD_STREAM   = 1 << 3,   /* 502 unless that peer may stream                                  */
    CMD_NEWNEWS  = 1 << 4,   /* 502 unless its access block says newnews                         */
    CMD_GROUP    = 1 << 5,   /* 412 without a group, unless the argument 'id_at' is a message-id */
    CMD_BODY     = 1 << 6,   /* a block follows whatever we answer: it is read first             */
    CMD_PIPE     = 1 << 7,   /* may begin while earlier replies are unfinished                   */
    CMD_ID       = 1 << 8,   /* every reply repeats the first argument                           */
    CMD_LOGIN    = 1 << 9,   /* 502 for who has logged in; 500 where nobody needs to             */
    CMD_CLEAR    = 1 << 10,  /* 483 unless passwords may be sent as the connection is            */
    CMD_LONG     = 1 << 11   /* its line and arguments may be longer                             */
};

struct command_table {
    const struct command *row;
    unsigned    n;
    const char *what;        /* "LIST keyword", for 501                                          */
    int         without;     /* row meant when no variant is named; -1: 501                      */
};

#define NO_ID UINT8_MAX              /* id_at: no argument may be a message-id                    */

struct command {
    const char *name;        /* upper case                                                       */
    cmd_fn     *run;         /* NULL: one of its variants runs                                   */
    uint8_t     min, max;    /* arguments (of a variant: after its name); max 255: any           */
    uint16_t    flags;
    uint8_t     id_at;       /* with CMD_GROUP: which argument may be a message-id, or NO_ID     */
    uint16_t    wrong;       /* code for bad arguments; 0: 501                                   */
    const char *cap;         /* line of CAPABILITIES, or NULL; "LIST" is built from its variants */
    const char *args;        /* as HELP shows them                                               */
    const char *help;        /* one sentence                                                     */
    const struct command_table *variants;
};

extern const struct command_table commands, list_variants, mode_variants, auth_variants;

/* Cut a line into words.  false: it is blank. */
bool command_split(struct span line, struct call *c);

/* The rest of the line from argument i on; n 0 when there is none. */
struct span call_tail(const struct call *c, unsigned i);

const struct command *command_find(const struct command_table *t, struct span name);  /* case-blind; NULL */

/* Every row has a counter: its place in struct counters. */
unsigned command_index(const struct command *row);
unsigned command_count(void);
/* "LIST ACTIVE": the name of a counter. */
void command_name(unsigned index, char *out, size_t size);

/* Why a row may not run with these rights: 0 it may, else the code. */
int command_denied(const struct command *row, const struct rights *r);

/* One line from the session: find it, ask the gates, run it.  false: not now,
 * earlier replies are unfinished; ask again with the same line. */
bool command_line(struct session *s, struct span line) need_result;

/* The line is longer than LINE_MOST; 'head' is its beginning.  The session
 * passes over the rest of it.  As command_line. */
bool command_too_long(struct session *s, struct span head) need_result;

/* The text of HELP, without its end line: others may have more to say. */
void command_help(struct buf *out);
/* The text of CAPABILITIES, end line included. */
void command_capabilities(struct buf *out, const struct rights *r, const struct conf_site *site);

/* Does this site keep what the variant of LIST tells?  (Most are always there.) */
bool list_kept(const struct command *row, const struct conf_site *site);             /* cmd_list_site.c */

/* Handlers, one file a family. */
cmd_fn cmd_auth_user, cmd_auth_pass, cmd_auth_sasl;                                        /* cmd_auth.c    */
cmd_fn cmd_capabilities, cmd_help, cmd_quit, cmd_date, cmd_mode_reader, cmd_mode_stream;   /* cmd_session.c */
cmd_fn cmd_starttls, cmd_compress;                                                         /* cmd_layer.c   */
cmd_fn cmd_ihave, cmd_check, cmd_takethis;                                                 /* cmd_transit.c */
cmd_fn cmd_post;                                                                           /* cmd_post.c    */
cmd_fn cmd_group, cmd_listgroup, cmd_next, cmd_last;                                       /* cmd_group.c   */
cmd_fn cmd_article, cmd_head, cmd_body, cmd_stat;                                          /* cmd_article.c */
cmd_fn cmd_over, cmd_xover;                                                                /* cmd_over.c    */
cmd_fn cmd_hdr, cmd_xhdr, cmd_xpat;                                                        /* cmd_hdr.c     */
cmd_fn cmd_list_active, cmd_list_times, cmd_list_newsgroups, cmd_list_counts, cmd_list_fmt, cmd_list_headers,
    cmd_xgtitle, cmd_newgroups;                                                            /* cmd_list.c    */
cmd_fn cmd_list_motd, cmd_list_subscriptions, cmd_list_distributions, cmd_list_distrib_pats,
    cmd_list_moderators;                                                                   /* cmd_list_site.c */
cmd_fn cmd_newnews;                                                                        /* cmd_newnews.c */

#endif
