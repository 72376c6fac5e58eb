/* server.h - listeners, workers, reload, stop.
 *
 * Threads:  main calls all of it; each worker runs an event loop with its
 *           sessions; the control threads may call nntpd_reload, nntpd_user_out and read.
 */
#ifndef NNTPD_SERVER_H
#define NNTPD_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "lib/err.h"
#include "nntpd/intake.h"
#include "nntpd/store.h"

struct nntpd;

/* Open the store; with 'serve', also listeners, workers, control socket and feeder. */
struct nntpd *nntpd_open(struct conf *conf /* taken over */, bool serve, struct err *e);
void nntpd_run(struct nntpd *n);                       /* until nntpd_stop */
void nntpd_stop(struct nntpd *n);                      /* any thread, or a signal handler's event */
void nntpd_close(struct nntpd **n);

/* Read the file again; on errors nothing changes and 'errors' holds the lines.
 * 'restart' gets what can only change with a restart. */
int nntpd_reload(struct nntpd *n, struct buf *errors, struct buf *restart);

/* End the connections of a user whose password or right to log in has gone. */
void nntpd_user_out(struct nntpd *n, const char *user);

struct store *nntpd_store(struct nntpd *n);
struct intake_rules *nntpd_rules(struct nntpd *n);     /* a reference: intake_rules_unref it */
const struct conf *nntpd_conf(struct nntpd *n);        /* kept for the life of the program   */

/* Make the indexes of a site that is not running again from its log. */
int nntpd_rebuild(const struct conf *c, progress_fn *tell, void *arg, struct err *e);

/* Totals for `status`: rows of name, value. */
void nntpd_status(struct nntpd *n, void (*row)(const char *name, const char *value, void *), void *arg);

/* All figures, nntpd's and feeder's, as lib/prom.h has them.  Asks feeder, so it
 * may take two seconds when that hangs; then, as when it does not run, its part is missing. */
void nntpd_metrics(struct nntpd *n, struct buf *out);

#endif
