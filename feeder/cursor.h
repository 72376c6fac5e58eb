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

#define EXCEPTIONS_MOST 4096

struct exception {
    uint64_t seq;
    int64_t  due_us;           /* when to offer it again; ASIDE: never by itself         */
    uint32_t tries;
};
#define ASIDE INT64_MAX

struct cursor {
    char    *path;
    int      fd;
    uint64_t generation;
    uint64_t next;
    struct exception *exc;     /* in the order they came; EXCEPTIONS_MOST at most        */
    size_t   n_exc, cap_exc;
    bool     dirty;
};

/* Load the state, or begin at 'start' when there is none.  A file that is damaged
 * in both slots is trouble (-1): beginning anew would lose or repeat a backlog. */
int  cursor_open(struct cursor *c, const char *dir, const char *name, uint64_t start, bool *fresh, struct err *e);
void cursor_close(struct cursor *c);

/* Write and make durable. */
int  cursor_save(struct cursor *c, struct err *e);

/* false: there are too many already. */
bool cursor_defer(struct cursor *c, uint64_t seq, int64_t due_us, uint32_t tries);
void cursor_settle(struct cursor *c, uint64_t seq);      /* no longer an exception, if it was one */
struct exception *cursor_find(struct cursor *c, uint64_t seq);

#endif
