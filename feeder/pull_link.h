/* pull_link.h - a connection to a server, as a newsreader has it: commands out,
 * what comes back by pieces.
 *
 * Threads:  feeder's one.
 * Memory:   one article of 'article_most' octets, one line of LINK_LINE_MOST; what
 *           is longer is passed over, and what has no end at all ends the link.
 * Standard: RFC 3977.
 *
 * Nothing that a server says, or does not say, can do more than end the link.
 */
#ifndef FEEDER_PULL_LINK_H
#define FEEDER_PULL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "lib/err.h"
#include "lib/net.h"
#include "lib/span.h"

#define LINK_AHEAD     64                  /* commands that may be out at once              */
#define LINK_LINE_MOST (64u << 10)
#define PULL_COMMAND_MOST 600

struct feeder;
struct pull_link;

enum link_ask { ASK_LINE, ASK_ROWS, ASK_ARTICLE };       /* what follows a positive reply   */

enum link_event {
    LINK_READY,          /* greeted, logged in: commands may go                             */
    LINK_REPLY,          /* 'code', and the line as 'text', of the oldest command           */
    LINK_ROW,            /* a line that follows it, its dots undone; p NULL: it was too long */
    LINK_END,            /* the last of these lines has come                                */
    LINK_ARTICLE,        /* 'text': the article in wire form; p NULL: it was too large      */
    LINK_GONE            /* 'text' says why; close it                                       */
};

/* Called from the loop, for LINK_GONE once.  It may close the link. */
typedef void link_fn(enum link_event what, int code, struct span text, void *arg);

/* '*conf' is looked at whenever the link needs it. */
struct pull_link *pull_link_open(struct feeder *f, const struct conf_peer *const *conf, const struct net_addr *to,
                                 const struct net_addr *from, uint64_t article_most, link_fn *fn, void *arg,
                                 struct err *e);
void pull_link_close(struct pull_link **l);

/* Send a command; LINK_AHEAD at most may wait for their replies. */
void pull_link_ask(struct pull_link *l, enum link_ask kind, const char *fmt, ...) printf_like(3, 4);

void pull_link_pause(struct pull_link *l, bool paused);     /* read no more for now         */
void pull_link_quit(struct pull_link *l);                   /* say QUIT; nothing is told any more but LINK_GONE */
void pull_link_tick(struct pull_link *l, int64_t now_us);   /* is it silent for too long?   */

#endif
