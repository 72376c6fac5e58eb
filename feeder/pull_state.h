/* pull_state.h - how far each group of a server was pulled, durably.
 *
 * Threads:  one.
 * Crash:    after pull_state_save returned 0 the state is there whatever happens; a
 *           torn save leaves the one before.
 * Format:   doc/formats.md, "DIR/feeder/NAME.pull".
 */
#ifndef FEEDER_PULL_STATE_H
#define FEEDER_PULL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/map.h"
#include "lib/span.h"

struct pull_mark {
    uint64_t last;              /* everything up to it is here, or will never be     */
    uint64_t low, high;         /* the group's own, when it was looked at last       */
};

struct pull_state {
    char       *path;
    struct map *marks;          /* group to struct pull_mark, owned                  */
    int64_t     run_us;         /* when the server was last gone through; 0: never   */
    bool        dirty;
};

enum pull_found {
    PULL_FAILED,                /* trouble: 'e' says which; ask again later          */
    PULL_NONE,                  /* no state yet                                      */
    PULL_DAMAGED,               /* kept aside as NAME.pull.damaged: begin anew       */
    PULL_LOADED
};

/* Load the state of 'name'.  pull_state_close in any case. */
enum pull_found pull_state_open(struct pull_state *s, const char *dir, const char *name, struct err *e);
void pull_state_close(struct pull_state *s);

/* The group's mark; NULL: it was never pulled. */
struct pull_mark *pull_state_find(struct pull_state *s, struct span group);
/* The same, made (all zero) when it is not there. */
struct pull_mark *pull_state_get(struct pull_state *s, struct span group);

/* Write and make durable. */
int pull_state_save(struct pull_state *s, struct err *e);

#endif
