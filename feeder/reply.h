/* reply.h - what a peer's reply means: the table of codes.
 *
 * Threads:  pure.
 * Standard: RFC 4644 2.4, 2.5 (CHECK, TAKETHIS), RFC 3977 6.3.2 (IHAVE), 3.2.1.
 */
#ifndef FEEDER_REPLY_H
#define FEEDER_REPLY_H

#include <stdbool.h>

#include "lib/span.h"

/* The code (100 to 599) and the Message-ID behind it (p NULL: there is none)
 * of a line without its CRLF.  -1: the line is no reply. */
int reply_read(struct span line, struct span *id);

enum reply {
    REPLY_SEND,        /* send the article                                            */
    REPLY_ACCEPTED,
    REPLY_REFUSED,     /* not wanted: the peer has it                                 */
    REPLY_REJECTED,    /* looked at, and not taken                                    */
    REPLY_LATER,       /* offer it again in a while                                   */
    REPLY_GOODBYE,     /* about the session: it is over                               */
    REPLY_NONSENSE     /* nothing that answers what was said                          */
};

/* What a code says of an article.  'streaming': CHECK and TAKETHIS, else IHAVE;
 * 'sent': the article went out, else only its id. */
enum reply reply_meaning(int code, bool streaming, bool sent);

/* Must such a reply name the article?  (A streaming peer may answer in any order.) */
bool reply_needs_id(enum reply r, bool streaming);

#endif
