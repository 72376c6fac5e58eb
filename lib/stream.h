/* stream.h - one connection as bytes in and bytes out; what carries them is
 * its own business (a socket; memory, in tests; TLS and DEFLATE stack here).
 *
 * Threads:  a stream belongs to the thread of its event loop.
 * Memory:   the input buffer holds at most 'in_most' bytes beyond what the
 *           owner leaves in it; output grows with what the owner writes: the
 *           owner stops producing while stream_out_len() is above its mark and
 *           goes on at STREAM_DRAINED.  Both give their memory back when empty.
 * Errors:   trouble is an event with a sentence, told once; after it the
 *           owner frees the stream.
 *
 * Everything written during one turn of the loop leaves in one write at its
 * end, with TCP_NODELAY set.
 */
#ifndef LIB_STREAM_H
#define LIB_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/span.h"

struct event_base;
struct lane;
struct mailbox;
struct stream;

enum stream_event {
    STREAM_CONNECTED,   /* an outgoing connection stands                                */
    STREAM_SECURE,      /* TLS stands (lib/tls.h); before the first STREAM_DATA under it */
    STREAM_DATA,        /* there are new bytes in stream_in()                           */
    STREAM_DRAINED,     /* the output fell to the low mark after it was above it        */
    STREAM_TIMEOUT,     /* nothing came or left for the time set                        */
    STREAM_CLOSED,      /* the other end closed its side (bytes before it were told): the
                           owner may still write, then stream_finish; told again after that */
    STREAM_FAILED       /* stream_reason() says why                                     */
};

/* The owner's function; it may call stream_free on the stream. */
typedef void stream_fn(struct stream *s, enum stream_event what, void *arg);

/* What carries the bytes.  'read' and 'write' return a count, 0 for "closed"
 * (read only), or -1 with errno (EAGAIN: not now).  The rest is for layers, which
 * may keep bytes for a while; NULL: it has nothing to do. */
struct stream_io {
    long (*read)(void *carrier, void *p, size_t n);
    long (*write)(void *carrier, const struct span *v, int n);
    void (*free)(void *carrier);
    /* The turn's end: hand what is kept to the carrier below; 'end': and say that no
     * more follows.  Returns how much is still kept, for what is below takes no more; -1. */
    long (*flush)(void *carrier, bool end);
    const char *(*why)(void *carrier);     /* a sentence for the last -1; NULL: errno says it */
    void (*rest)(void *carrier);           /* nothing has moved for some seconds: give memory back */
};

/* A stream over a connected, non-blocking socket, which it now owns. */
struct stream *stream_socket(struct event_base *base, int fd, stream_fn *fn, void *arg);

/* A stream to an address ('from' NULL or an address to bind first).  STREAM_CONNECTED follows. */
struct sockaddr;
struct stream *stream_connect(struct event_base *base, const struct sockaddr *to, unsigned to_len,
                              const struct sockaddr *from, unsigned from_len,
                              stream_fn *fn, void *arg, struct err *e);

/* A stream in memory (tests): stream_feed is the other end writing, stream_taken its reading. */
struct stream *stream_memory(struct event_base *base, stream_fn *fn, void *arg);
void stream_feed(struct stream *s, struct span bytes);   /* p NULL: the other end closes */
struct buf *stream_taken(struct stream *s);

/* Give it to another owner: what happens from now on is told to 'fn'. */
void stream_own(struct stream *s, stream_fn *fn, void *arg);

/* Put a layer around the present carrier (TLS, DEFLATE).  'wrap' gets the old
 * carrier and its functions and returns the new one; what was read and not
 * consumed is dropped (RFC 4642 2.2.2, RFC 8054 2.2.2).  What was written
 * before leaves without the layer; the stream fails when the other end does
 * not take it. */
typedef void *stream_wrap_fn(void *inner, const struct stream_io *inner_io, const struct stream_io **io, void *arg);
void stream_layer(struct stream *s, stream_wrap_fn *wrap, void *arg);

/* For layers that have to agree with the other end first: what the owner writes
 * waits from stream_shake on, until stream_secured tells STREAM_SECURE; the stream
 * fails when that takes longer than 'most_us'. */
void  stream_shake(struct stream *s, int64_t most_us);
void  stream_secured(struct stream *s);
/* A layer has bytes of its own to send: have it flushed at the turn's end. */
void  stream_want_turn(struct stream *s);
/* The layer with these functions, or NULL. */
void *stream_layer_of(const struct stream *s, const struct stream_io *io);

/* Input: bytes that arrived and were not consumed; consume with buf_drop. */
struct buf *stream_in(struct stream *s);

/* Stop or go on reading (backpressure).  Going on with bytes still in the
 * input buffer tells STREAM_DATA again in the next turn. */
void stream_pause(struct stream *s, bool paused);

/* How much may lie unread in the input buffer before reading stops by itself.  It
 * goes on when STREAM_DATA's owner has consumed; one that consumes at another time
 * calls this again, or stream_pause(s, false). */
void stream_set_in_most(struct stream *s, size_t bytes);

/* Output. */
void stream_write(struct stream *s, const void *p, size_t n);      /* copies                    */
void stream_puts(struct stream *s, const char *text);
void stream_printf(struct stream *s, const char *fmt, ...) printf_like(2, 3);
void stream_give(struct stream *s, char *p, size_t n);             /* malloc'd; the stream frees it */

/* Send 'len' bytes of a file from 'at'.  What is not in memory is read on
 * 'lane', never here.  'release(arg)' is called when the stream needs 'fd' no more. */
void stream_send_file(struct stream *s, int fd, uint64_t at, uint64_t len, struct lane *lane,
                      struct mailbox *home, void (*release)(void *), void *arg);

size_t stream_out_len(const struct stream *s);                     /* bytes not yet with the kernel, layers' too */
void   stream_set_marks(struct stream *s, size_t low, size_t high);
void   stream_set_timeout(struct stream *s, int64_t idle_us);      /* 0: none                   */

/* Send what is written, then close; STREAM_CLOSED follows (STREAM_FAILED when it cannot be sent). */
void stream_finish(struct stream *s);

const char *stream_reason(const struct stream *s);                 /* after STREAM_FAILED       */
int  stream_fd(const struct stream *s);                            /* -1: no socket             */
void stream_counts(const struct stream *s, uint64_t *in, uint64_t *out);

/* Close at once and free.  Safe inside the owner's function. */
void stream_free(struct stream **s);

#endif
