/* digest.h - sums of bytes that others must be able to make, too.
 *
 * Threads:  pure.
 */
#ifndef LIB_DIGEST_H
#define LIB_DIGEST_H

#include <stdint.h>

#include "lib/span.h"

/* MD5 (RFC 1321): to spread, never to protect. */
void digest_md5(struct span bytes, uint8_t out[16]);

#endif
