/* siphash.h - SipHash-2-4 with 128 and 64 bits of result.
 *
 * Threads: any.  The key is drawn at random where the result must not be aimed at.
 */
#ifndef LIB_SIPHASH_H
#define LIB_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct sipkey { uint8_t b[16]; };

void     siphash128(const struct sipkey *k, const void *p, size_t n, uint8_t out[16]);
uint64_t siphash64(const struct sipkey *k, const void *p, size_t n);

/* Fill from the kernel's random source; dies when there is none. */
void random_bytes(void *p, size_t n);

#endif
