/* site.h - a fresh site for a session script: store, rules, one event loop,
 * a clock and a disk that do as they are told.
 *
 * Threads:  all calls from main, which is the one worker; the store has its own.
 * Errors:   what cannot be is told by site_fault, which ends the run.
 */
#ifndef TESTS_SESSION_SITE_H
#define TESTS_SESSION_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/span.h"
#include "nntpd/session.h"

#define SITE_START_US INT64_C(1768478400000000)      /* Thu, 15 Jan 2026 12:00:00 +0000 */

/* Print "script:line: ..." and exit with 1; set by the one who reads the script. */
extern const char *site_script;
extern int site_line;
_Noreturn void site_fault(const char *fmt, ...) printf_like(1, 2);

void site_open(struct span conf);                    /* n 0: the usual configuration           */
bool site_is_open(void);
void site_close(void);
void site_restart(void);                             /* close the store and open it again      */
void site_reload(struct span conf);

struct house *site_house(void);
void site_group(struct span name, struct span flag, uint64_t high, struct span description);
void site_ungroup(struct span name);
void site_cancel(struct span id);

/* The clock stands still but for this. */
void site_clock(int64_t by_us);

/* Calls on the log fail from now on with 'error' ("open", "write", "sync"; n 0: all
 * of these; or "read"); 0: they work again, and the store has noticed. */
void site_disk(int error, struct span which);
/* Nothing of the log is in memory, and reads wait until site_disk(0). */
void site_cold(bool on);
void site_hold(bool on);                             /* syncs of the log wait until disk ok      */
void site_wait_held(void);                           /* until one does                           */

/* Wait until all that is under way inside has come to its end (a refusal is
 * answered first and remembered then). */
void site_settle(void);

/* The script is over: does all that the log says agree with the indexes? */
void site_verify(void);

uint64_t site_count(struct span name, bool *known);  /* of counters.def or verdict.def         */

/* Let the loop do what there is, for a moment at most.  site_patience begins the
 * (real) time that one expectation may take; site_waiting is false when it is over. */
void site_pump(void);
void site_glance(void);              /* what is due now, without waiting */
void site_patience(void);
bool site_waiting(void);

#endif
