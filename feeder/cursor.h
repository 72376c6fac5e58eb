/* cursor.h - where a peer stands, durably.
 *
 * Threads:  one.
 * Crash:    after cursor_save returned 0 the state is there whatever happens;
 *           a torn save leaves the one before.
 * Format:   doc/formats.md, "DIR/feeder/NAME.state".
 *
 * Everything before 'next' is settled, but for the exceptions.
 */
#ifndef FEEDER_CURSOR_H
#define FEEDER_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "spool/record.h"

#define EXCEPTIONS_MOST 4096
#define ASIDE INT64_MAX

struct exception {
    uint64_t seq;
    int64_t  due_us;           /* when to offer it again; ASIDE: never by itself         */
    uint32_t tries;
    /* not stored */
    bool     away;             /* being offered just now                                 */
    struct log_pos pos;        /* segment 0: not known                                   */
};

struct cursor {
    char    *path;
    int      fd;               /* -1: not begun                                          */
    uint64_t generation;
    uint64_t next;
    struct exception *exc;     /* in the order they came; EXCEPTIONS_MOST at most        */
    size_t   n_exc, cap_exc;
    bool     dirty;
};

enum cursor_found {
    CURSOR_FAILED,     /* trouble: 'e' says which; ask again later                       */
    CURSOR_NONE,       /* no state yet: cursor_begin                                     */
    CURSOR_DAMAGED,    /* neither half is whole: cursor_begin keeps it aside             */
    CURSOR_LOADED
};

/* Look for the state of 'name' and load it.  cursor_close in any case. */
enum cursor_found cursor_open(struct cursor *c, const char *dir, const char *name, struct err *e);
void cursor_close(struct cursor *c);

/* Make the state anew, with 'next', whole or not at all; a damaged one is kept as
 * NAME.state.damaged. */
int  cursor_begin(struct cursor *c, uint64_t next, struct err *e);

/* Write and make durable. */
int  cursor_save(struct cursor *c, struct err *e);

/* Note 'x' (its seq, due time, tries, pos), in place of one with the same seq.
 * false: there are too many already. */
bool cursor_defer(struct cursor *c, const struct exception *x);
void cursor_settle(struct cursor *c, uint64_t seq);      /* no longer an exception, if it was one */
struct exception *cursor_find(struct cursor *c, uint64_t seq);

/* Move the cursor: exceptions from 'next' on are forgotten. */
void cursor_move(struct cursor *c, uint64_t next);

#endif
