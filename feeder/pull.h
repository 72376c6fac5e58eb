/* pull.h - a server that is read from as a newsreader does: when, how far, what came of it.
 *
 * Threads:  feeder's one.
 * Memory:   a mark for each group (pull_state.h), and while a run lasts the names
 *           of its groups, a chunk of overview, and the articles in flight.
 * Crash:    an article's number is settled in the file only when nntpd has said that
 *           the article is durable, or is refused for good: after a crash of either some are
 *           asked about twice, none is left out.
 *
 *     pull-every ─▶ a run: connect ─▶ groups ─▶ each in turn (pull_group.c) ─▶ QUIT
 *         ▲                              │ trouble
 *         └── 1 min, 2 min, 4 min ... ◀──┘
 */
#ifndef FEEDER_PULL_H
#define FEEDER_PULL_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "lib/buf.h"

struct feeder;
struct pull;

/* What became of the articles that were looked at, since feeder began. */
enum pull_count {
    PULL_STORED, PULL_KNOWN, PULL_REFUSED, PULL_GONE, PULL_TOO_BIG, PULL_TOO_OLD, PULL_DAMAGED_LINES, PULL_LEFT_OUT, PULL_COUNTS
};

struct pull *pull_new(struct feeder *f, const struct conf_peer *conf);
void pull_free(struct pull **p);                   /* saves */

/* Another configuration; 'changed': for this peer.  Then a run is ended, and begun again. */
void pull_conf(struct pull *p, const struct conf_peer *conf, bool changed);
void pull_tick(struct pull *p);                    /* once a second */

/* For the operator. */
const char *pull_name(const struct pull *p);
const struct conf_peer *pull_block(const struct pull *p);
const char *pull_state_name(const struct pull *p);
const char *pull_error(const struct pull *p);
void pull_flush(struct pull *p);                   /* begin a run now */
void pull_pause(struct pull *p, bool paused);
void pull_show(const struct pull *p, struct buf *out);     /* rows of name and value */
uint64_t pull_counted(const struct pull *p, enum pull_count what);
int64_t pull_last_us(const struct pull *p);        /* when the last run ended well; 0: never */

#endif
