/* stream_int.h - the inside of a stream, for the stream_*.c files alone. */
#ifndef LIB_STREAM_INT_H
#define LIB_STREAM_INT_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>

#include "lib/stream.h"
#include "lib/work.h"

#define STREAM_SPANS 64           /* of one write */

/* A piece of output: bytes, or a range of a file that is not read yet. */
struct chunk {
    TAILQ_ENTRY(chunk) next;
    char  *p;                     /* bytes: room, or given by the owner          */
    size_t at, len, cap;          /* what is left: p[at] ... p[at + len - 1]     */
    bool   file;
    int    fd;
    uint64_t file_at, file_len;
    struct lane *lane;
    struct mailbox *home;
    void (*release)(void *);      /* called when the chunk goes                  */
    void  *arg;
    char   room[];
};

TAILQ_HEAD(chunks, chunk);
struct file_job;

/* A carrier that stands on another one; the list begins with the topmost. */
struct layer {
    struct layer *below;
    const struct stream_io *io;
    void *carrier;
    /* of all of them together, in the topmost: */
    size_t  held;                 /* kept back, for the carrier takes no more     */
    int64_t shake_until_us;       /* while the stream is shaking                  */
};

struct stream {
    struct event_base *base;
    stream_fn *fn;
    void *arg;
    const struct stream_io *io;
    void *carrier;
    void *memory;                 /* the memory carrier below all layers, or NULL */
    struct layer *layers;         /* what was read may be in one, not in 'fd'     */
    int   fd;
    unsigned inside;              /* depth of the owner's function                */
    struct event rd, wake, timer; /* wake: the turn's end, and "writable"          */
    struct buf in;
    size_t in_most;
    struct chunks out;
    size_t out_len, low, high;    /* out_len counts unread file bytes too        */
    uint64_t n_in, n_out;
    int64_t idle_us, active_us;
    struct file_job *job;         /* a piece of the first file chunk, being read */
    bool connected, reading, paused, eof, data_due;
    bool blocked;                 /* the carrier takes no more: 'wake' watches       */
    bool above;                   /* output was above the high mark              */
    bool shaking, secure_due;     /* a layer agrees with the other end; has, and it is to be told */
    bool rests, rested;           /* a layer can give memory back; has           */
    bool finishing, lingering;    /* our end is closing; is closed, theirs not yet */
    bool over, failed, told, dead;
    char *reason;                 /* with failed                                     */
};

/* stream.c */
struct stream *stream_new(struct event_base *base, int fd, const struct stream_io *io, void *carrier,
                          stream_fn *fn, void *arg);
bool stream_tell(struct stream *s, enum stream_event what);   /* false: the owner freed the stream */
void stream_set_reading(struct stream *s);              /* watch, or not, as the state is now */
void stream_set_blocked(struct stream *s, bool blocked);
void stream_flush(struct stream *s);
void stream_moved(struct stream *s);                    /* bytes came or left: it is not idle */
void stream_fail(struct stream *s, const char *why);
void stream_end(struct stream *s);                      /* closed by both: the last event is due */

/* stream_time.c */
void stream_timer(evutil_socket_t fd, short what, void *arg);
void stream_arm_timer(struct stream *s);

/* stream_layer.c */
const char *stream_why(const struct stream *s);         /* of a -1 of the carrier             */
static inline size_t stream_held(const struct stream *s) { return s->layers != NULL ? s->layers->held : 0; }
bool stream_flush_layers(struct stream *s, bool end);   /* false: it failed, with errno       */
void stream_rest_layers(struct stream *s);
void stream_free_layers(struct stream *s);

/* stream_out.c */
struct chunk *stream_chunk(size_t cap);
void stream_drop_chunk(struct chunk *c);
void stream_grown(struct stream *s, size_t n);
int  stream_gather(struct stream *s, struct span *v);   /* what is ready at the head; how many spans */
void stream_consume(struct stream *s, size_t n);

/* stream_socket.c: 0, or the errno of a connection that does not stand. */
int  stream_connect_result(int fd);

/* stream_file.c: turn file chunks near the head into bytes; forget a job that is away. */
void stream_fill(struct stream *s);
void stream_forget_job(struct stream *s);

#endif
