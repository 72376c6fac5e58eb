/* crc32c.h - CRC-32C (Castagnoli), by instruction where the processor has it.
 *
 * Threads: any.  Start with 0; feed the last result back in to go on:
 * crc32c(crc32c(0, a, n), b, m) is the sum over a then b.
 */
#ifndef LIB_CRC32C_H
#define LIB_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *p, size_t n);

#endif
