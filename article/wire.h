/* wire.h - articles and text on the wire: CRLF lines, dots doubled, ".".
 *
 * Threads:  pure.  Memory: no allocation but in the given buf.
 * Standard: RFC 3977 3.1.1.
 *
 * "Wire form" is what stands between the command and the next one: lines that
 * end in CRLF, a leading dot doubled, and the final ".\r\n" included.
 */
#ifndef ARTICLE_WIRE_H
#define ARTICLE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/span.h"

/* Looks for the end of a block as bytes arrive, each byte looked at once. */
struct wire_scan { int state; };       /* zeroed: at the start of a line */

/* Look at n more bytes.  Return how many of them belong to the block: its end
 * is the return value when *done is set (the final LF is included), else n. */
size_t wire_scan(struct wire_scan *w, const char *p, size_t n, bool *done);

/* What a whole block in wire form is made of. */
enum wire_fault {
    WIRE_OK,
    WIRE_EMPTY,          /* ".\r\n" alone                           437 "Empty article"          */
    WIRE_EMPTY_BOTH,     /* a blank line and nothing else           437 "Empty headers and body" */
    WIRE_NO_HEADERS,     /* begins with a blank line                437 "No headers"             */
    WIRE_NO_BODY,        /* no blank line                           437 "No body"                */
    WIRE_NUL_HEAD,       /* a NUL in the headers                                                 */
    WIRE_NUL_BODY,
    WIRE_HIDDEN_END      /* a dot alone in a line that only LF ends or begins: who takes LF for
                            the end of a line (most readers do) would see the article's end there */
};
struct wire_facts {
    size_t body;         /* offset of the first byte after the blank line                        */
    size_t lines;        /* CRLFs in the body (RFC 3977 8.1.2); a lone CR or LF ends no line     */
};

/* Look at a whole block (as wire_scan found it).  The facts are filled when WIRE_OK. */
enum wire_fault wire_check(struct span block, struct wire_facts *facts);

/* Octets as RFC 3977 8.1.1 counts :bytes for a block in wire form: without the
 * dots that the reader takes away and the terminator. */
size_t wire_bytes(struct span block);

/* Native text (LF or CRLF ends lines) to wire form, and back (LF; to the end
 * of the block or of what there is of it). */
void wire_from_text(struct buf *out, struct span text);
void wire_to_text(struct buf *out, struct span block);

#endif
