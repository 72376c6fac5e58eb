/* hello.h - what is said to a peer before the first article.
 *
 * Threads:  pure: lines in, lines out.
 * Standard: RFC 3977 5.1, RFC 4642 (STARTTLS), RFC 4643 (AUTHINFO), RFC 8054
 *           (COMPRESS), RFC 4644 2.3 (MODE STREAM).
 *
 *     banner ─▶ STARTTLS ─▶ login ─▶ COMPRESS ─▶ MODE STREAM ─▶ articles
 *     banner ─▶ MODE READER ─▶ STARTTLS ─▶ login ─▶ COMPRESS ─▶ reading, posting
 *
 * MODE READER stands where it must: never behind TLS or a login (RFC 4642 5,
 * RFC 4643 2.2).  A server that refuses it is read from all the same.
 * Steps that the configuration does not want are left out.  CAPABILITIES is
 * never asked: there are peers that hang up at it.  A password leaves only
 * under TLS, or where the configuration says that it may.
 */
#ifndef FEEDER_HELLO_H
#define FEEDER_HELLO_H

#include <stdbool.h>

#include "lib/buf.h"

struct hello_wants {
    bool starttls;             /* without it nothing goes on                           */
    bool encrypted;            /* TLS from the first octet                             */
    const char *user, *password;    /* user NULL: no login                             */
    bool cleartext;            /* the password may go out without TLS                  */
    bool compress, streaming;  /* if the peer will                                     */
    bool reader;               /* we come as a newsreader; then never streaming        */
};

enum hello_step {
    HELLO_BANNER, HELLO_READER, HELLO_STARTTLS, HELLO_SASL, HELLO_USER, HELLO_PASS, HELLO_COMPRESS, HELLO_STREAM, HELLO_END
};

struct hello {
    struct hello_wants wants;
    enum hello_step    step;   /* the reply to this one comes next                     */
    bool               secure;
};

enum hello_do {
    HELLO_SAY,                 /* send 'out'                                           */
    HELLO_TLS,                 /* begin TLS, then hello_goes_on                        */
    HELLO_DEFLATE,             /* begin DEFLATE, then hello_goes_on                    */
    HELLO_STREAMING, HELLO_IHAVE,   /* articles may go                                 */
    HELLO_READS,               /* a newsreader may begin                               */
    HELLO_REFUSED,             /* the reply says why not                               */
    HELLO_CLEARTEXT            /* the password may not go out like this                */
};

void hello_begin(struct hello *h, const struct hello_wants *wants);

/* A reply has come.  HELLO_SAY appends a line to 'out'. */
enum hello_do hello_reply(struct hello *h, int code, struct buf *out);

/* The layer stands. */
enum hello_do hello_goes_on(struct hello *h, struct buf *out);

#endif
