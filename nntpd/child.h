/* child.h - the feeder program: start it, wake it, start it again when it dies.
 *
 * Threads:  main's event loop; child_wake on any thread.
 * Crash:    the feeder asks to be ended with us (PR_SET_PDEATHSIG); when it dies
 *           it loses nothing and is started again after 1, 2, 4 ... 60 seconds.
 *
 * It is run as "feeder -c CONF -w 3"; descriptor 3 is one end of a pair of
 * sockets.  One byte in it says: something was published.  Both ends stay open
 * here, so that a new feeder gets the same pair and no byte meets a closed end.
 */
#ifndef NNTPD_CHILD_H
#define NNTPD_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

struct event_base;
struct child;

struct child *child_new(struct event_base *base, const char *conf_file, struct err *e);

/* Should it run?  Starts it, or ends it for good. */
void child_want(struct child *c, bool wanted);
void child_reload(struct child *c);               /* SIGHUP                       */
void child_wake(struct child *c);                 /* never waits                  */
pid_t child_pid(const struct child *c);           /* 0: not running               */

/* SIGTERM, wait a while, SIGKILL. */
void child_free(struct child **c);

#endif
