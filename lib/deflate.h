/* deflate.h - COMPRESS DEFLATE on a stream: raw DEFLATE both ways.
 *
 * Threads:  the stream's.
 * Memory:   ours to choose is the sending side: a window of 8 kB and memory
 *           level 6 (zlib: 70 kB), because what NNTP repeats is near.  The
 *           other end may use a window of 32 kB (RFC 8054 2.2.2: we must take
 *           it): 42 kB.  A stream that has been quiet for a while gives both
 *           back, to the system (lib/blocks), but for what the other end may
 *           still refer to; the next answer begins a new window.
 *           What comes out of one read is bounded as without compression (the
 *           stream's in_most and 64 kB), however small it came in.
 * Errors:   STREAM_FAILED: what came is not DEFLATE, or it broke off.
 * Standard: RFC 1951, RFC 8054.
 *
 * Everything written in one turn of the loop is flushed at its end, so the
 * other end can read all that was said.  The layer may stand on TLS, never
 * below it (RFC 8054 2.2.2).
 */
#ifndef LIB_DEFLATE_H
#define LIB_DEFLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/stream.h"

/* Both states, with their memory.  NULL: there is none. */
struct deflate;
struct deflate *deflate_new(void);
void deflate_free(struct deflate **d);          /* one that did not begin */

/* From here on the stream's bytes are DEFLATE, both ways; the stream owns 'd'.
 * For the end that grants it, as soon as the 206 is written: what was read and
 * not consumed before is dropped, for nothing may follow the command. */
void deflate_begin(struct stream *s, struct deflate *d);

/* The same for the end that asked, when the line that grants it was consumed:
 * what was read behind that line is DEFLATE already.  Memory is taken when there
 * is something to pack, and the stream fails when there is none. */
void deflate_granted(struct stream *s);

/* Has it begun? */
bool deflate_on(const struct stream *s);

/* Octets before and after compression, each way; the stream's own counts are those inside. */
struct deflate_counts { uint64_t in_packed, in_plain, out_plain, out_packed; };
void deflate_counts(const struct stream *s, struct deflate_counts *c);

#endif
