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

/* For what must not be forged: SHA (FIPS 180-4), and HMAC over it (RFC 2104). */
enum digest { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };
#define DIGEST_MOST 64
size_t digest_sum(enum digest d, struct span bytes, uint8_t out[DIGEST_MOST]);      /* how many octets */
size_t digest_hmac(enum digest d, struct span key, struct span bytes, uint8_t out[DIGEST_MOST]);

#endif
