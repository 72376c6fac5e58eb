/* check.h - what must hold across settings, and how errors are written.  Private to conf/. */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf/conf.h"
#include "conf/schema.h"

/* "file:line: ...\n", unless it has just been told (libConfuse tells a list's last item twice). */
void conf_error(struct buf *errors, const char *file, int line, const char *fmt, ...) printf_like(4, 5);

/* line[block][i]: where block i ends in the file. */
void conf_check(const struct conf *c, unsigned n_site, int *const line[BLOCKS], const char *file, struct buf *errors);

#endif
