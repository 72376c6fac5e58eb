/* log.h - one line a fact, to standard error or a file.
 *
 * Threads:  log_msg may be called on any thread; a line is one write(2).
 * Crash:    a line written is with the kernel.
 *
 * On a terminal or a file a line begins with an RFC 3339 time; under systemd
 * (JOURNAL_STREAM set) with the "<n>" priority that the journal understands.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include "lib/err.h"

enum log_level {
    LOG_ERROR,    /* something is lost or stopped until an operator acts    */
    LOG_WARNING,  /* goes on, but somebody should look                      */
    LOG_NOTICE,   /* start, stop, reload, a peer up or down                 */
    LOG_INFO,     /* every session, every refusal                           */
    LOG_DEBUG     /* for developers                                         */
};

/* Name the program and choose the least important level that is written.
 * 'path' NULL: standard error.  Return 0, or -1 when the file cannot be opened. */
int log_open(const char *program, enum log_level least, const char *path, struct err *e);

/* Open the file again under its name (after a rotation).  No-op on stderr. */
void log_reopen(void);

void log_set_level(enum log_level least);
void log_msg(enum log_level level, const char *fmt, ...) printf_like(2, 3);

/* Read a level by its name ("error" ... "debug").  Return 0, or -1. */
int log_level_read(const char *name, enum log_level *level);

#endif
