/* base64.h - Base64 as SASL has it.
 *
 * Threads:  pure.  Standard: RFC 4648 4 (no line ends, padding wanted).
 */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include "lib/buf.h"
#include "lib/span.h"

void base64_write(struct buf *out, struct span bytes);

/* Append what the text stands for.  -1, and nothing appended: it is not Base64. */
int base64_read(struct buf *out, struct span text);

#endif
