/* path.h - the Path field: who has had the article, and our name in front.
 *
 * Threads:  pure.  Standard: RFC 5536 3.1.5, RFC 5537 3.2.
 */
#ifndef ARTICLE_PATH_H
#define ARTICLE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/span.h"

/* Step through the identities, left to right: whole elements between "!";
 * empty ones (of "!!") and diagnostics (".POSTED", ".MISMATCH.x") are passed
 * over unless 'diagnostics' is set; the tail entry ("not-for-mail") is told as
 * well.  Start with *at = 0.  Blanks and folds around an element are not part of it.
 * A bare address, the deprecated diagnostic, counts as a name (as in INN). */
bool path_next(struct span path, size_t *at, bool diagnostics, struct span *element);

/* Is 'name' one of the identities?  Case-blind, whole element. */
bool path_has(struct span path, struct span name);

/* The part that tells where the article was: without the tail entry and what stands
 * behind a POSTED diagnostic, which the poster wrote (RFC 5537 3.6). */
struct span path_travelled(struct span path);

/* Was the article there?  path_has of that part. */
bool path_passed(struct span path, struct span name);

/* Identities, the tail entry not counted. */
size_t path_hops(struct span path);

/* Does the Path hold a POSTED diagnostic (the article was injected already)? */
bool path_is_posted(struct span path);

/* What we know of the one who sent it, for the diagnostic that we write. */
enum path_sender {
    PATH_UNKNOWN,       /* no diagnostic: "us!..."                                         */
    PATH_MATCH,         /* leftmost identity is the peer's: "us!!..."                      */
    PATH_MISMATCH,      /* it is not: "us!.MISMATCH.expected!..."                          */
    PATH_SEEN           /* known by address only: "us!.SEEN.address!..."                   */
};

/* Write the new Path body: ours, the diagnostic, then 'path' as it was. */
void path_prepend(struct buf *out, struct span ours, enum path_sender how, struct span detail, struct span path);

/* Injection (RFC 5537 3.5): "us!.POSTED[.detail]!path"; 'path' empty: "not-for-mail". */
void path_inject(struct buf *out, struct span ours, struct span detail, struct span path);

#endif
