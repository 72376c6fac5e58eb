/* pull_line.h - what a server says to a newsreader, line by line.
 *
 * Threads:  pure.  Nothing is believed: a line that is not what it should be is false.
 * Standard: RFC 3977 6.1.1 (GROUP), 7.6.3 (LIST ACTIVE), 8.3 (OVER).
 */
#ifndef FEEDER_PULL_LINE_H
#define FEEDER_PULL_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/span.h"

#define PULL_NAME_MOST 400                     /* octets of a group's name                   */

/* A group's numbers, low at least 1; high < low: it is empty. */
struct pull_range { uint64_t low, high; };

/* "211 count low high group". */
bool pull_group_reply(struct span line, struct pull_range *r);

/* "group high low status"; false also for groups that hold nothing of their own (=, x, j). */
bool pull_active_line(struct span line, struct span *name, struct pull_range *r);

/* A line of overview: what is to be known of the article before it is asked for. */
struct pull_over {
    uint64_t    number;                        /* 0: the line does not even tell that        */
    struct span date, id;
};
bool pull_over_line(struct span line, struct pull_over *o);

#endif
