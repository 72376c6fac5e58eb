/* post_form.h - an article of this site as a newsreader would post it elsewhere,
 * and what the other server says to it.
 *
 * Threads:  pure.
 * Standard: RFC 5537 3.4.2 (an article that was injected here becomes a
 *           proto-article again), RFC 3977 6.3.1 (POST).
 */
#ifndef FEEDER_POST_FORM_H
#define FEEDER_POST_FORM_H

#include "feeder/reply.h"
#include "lib/buf.h"
#include "lib/span.h"

/* Append the article (in wire form) without what tells its way: Path, Xref, Injection-Info
 * and the older trace fields.  Message-ID, Date and Injection-Date stay as they are, so that
 * the article is the same one everywhere. */
void post_form(struct buf *out, struct span article);

/* What a reply to POST says ('sent': to its article).  REPLY_REFUSED: they have it. */
enum reply post_meaning(int code, struct span line, bool sent);

#endif
