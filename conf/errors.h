/* errors.h - the errors of a file: gathered in any order, told by line.
 *
 * Private to conf/.  Threads: none inside.
 */
#ifndef CONF_ERRORS_H
#define CONF_ERRORS_H

#include <stddef.h>

#include "lib/buf.h"
#include "lib/err.h"

struct errors { struct error *v; size_t n; };

void errors_add(struct errors *s, int line, const char *fmt, ...) printf_like(3, 4);

/* Append "file:line: what is wrong\n" for each, the same one once; and forget them. */
void errors_tell(struct errors *s, const char *file, struct buf *out);

#endif
