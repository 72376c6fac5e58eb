/* secure.h - the site's certificate: read, looked at, made into what sessions begin TLS with.
 *
 * Threads:  any; it reads files.
 * Memory:   *out is the caller's reference.
 * Errors:   lines for the operator, "file:line: what is wrong\n".
 */
#ifndef NNTPD_SECURE_H
#define NNTPD_SECURE_H

#include <stdint.h>

#include "conf/conf.h"
#include "lib/buf.h"
#include "lib/tls.h"

enum secure {
    SECURE_GOOD,         /* also: the configuration names no certificate, and *out is NULL   */
    SECURE_SOON,         /* good, but it ends within 14 days: 'told' says so                 */
    SECURE_ENDED,        /* it can be used, and nobody will take it: over, or not begun yet  */
    SECURE_BAD           /* it cannot be used; *out is NULL                                  */
};

/* 'out' NULL: only look. */
enum secure secure_make(const struct conf *c, int64_t now_us, struct tls **out, struct buf *told);

#endif
