/* far.h - a client's end of TLS and DEFLATE, when its connection has got them.
 *
 * Threads:  main alone.
 * Memory:   what was said comes out in the buffer that was given, readable.
 * Errors:   a layer that fails is told by site_fault: a script never wants that.
 */
#ifndef TESTS_SESSION_FAR_H
#define TESTS_SESSION_FAR_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/span.h"

struct far;

/* From here on what is said by the other end comes in by far_hear. */
struct far *far_new(struct buf *heard);
void far_free(struct far **f);

void far_begin_tls(struct far *f);               /* any certificate will do                      */
bool far_secure(const struct far *f);            /* the handshake is done                        */
void far_begin_deflate(struct far *f);

/* The wire is cut, without TLS's farewell: what the other end thinks of it is not told. */
void far_cut(struct far *f);

void far_say(struct far *f, struct span text);
void far_hear(struct far *f, struct span wire);
struct buf *far_wire(struct far *f);             /* what is to be sent: drop what you have taken */

#endif
