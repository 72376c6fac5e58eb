/* stream_file.c - ranges of files on their way out.
 *
 * What is in the page cache is read here, without waiting (disk_read_now); what is
 * not is read by the lane and comes back as a message.  At most one piece of a
 * stream is away at a time, and at most READY_MOST bytes are turned into memory
 * ahead of the socket, so a slow reader holds little.
 */
#include "lib/stream_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/disk.h"
#include "lib/mem.h"

#define PIECE      (128u << 10)
#define READY_MOST (256u << 10)
#define LOOK_MOST  64            /* chunks that one write can take */

struct file_job {
    struct job     job;
    struct stream *s;             /* NULL: the stream has gone                    */
    struct chunk  *file;          /* its release is ours when the stream has gone */
    struct chunk  *bytes;
    uint64_t       at;
    size_t         want;
    int            sys;
};

void stream_send_file(struct stream *s, int fd, uint64_t at, uint64_t len, struct lane *lane, struct mailbox *home,
                      void (*release)(void *), void *arg)
{
    struct chunk *c;

    if (s->over || len == 0) {
        if (release != NULL)
            release(arg);
        return;
    }
    stream_grown(s, len);
    c = stream_chunk(0);
    c->file = true;
    c->fd = fd;
    c->file_at = at;
    c->file_len = len;
    c->lane = lane;
    c->home = home;
    c->release = release;
    c->arg = arg;
    TAILQ_INSERT_TAIL(&s->out, c, next);
}

static void free_file(struct chunk *c)
{
    if (c->release != NULL)
        c->release(c->arg);
    free(c);
}

/* 'bytes' (which stand for the beginning of 'file') go after 'before', or to the
 * head.  Return the file chunk, or NULL when it is used up. */
static struct chunk *take_piece(struct stream *s, struct chunk *before, struct chunk *file, struct chunk *bytes)
{
    if (before == NULL)
        TAILQ_INSERT_HEAD(&s->out, bytes, next);
    else
        TAILQ_INSERT_AFTER(&s->out, before, bytes, next);
    file->file_at += bytes->len;
    file->file_len -= bytes->len;
    if (file->file_len > 0)
        return file;
    TAILQ_REMOVE(&s->out, file, next);
    free_file(file);
    return NULL;
}

static void run_read(struct job *j)
{
    struct file_job *f = (struct file_job *)j;
    ssize_t got = disk_read(f->file->fd, f->bytes->p, f->want, f->at);

    if (got < 0)
        f->sys = errno;
    f->bytes->len = got > 0 ? (size_t)got : 0;
}

static void read_done(struct mail *m)
{
    struct file_job *f = (struct file_job *)m;
    struct stream *s = f->s;

    if (s == NULL) {                          /* nobody waits any more */
        free(f->bytes);
        free_file(f->file);
        free(f);
        return;
    }
    s->job = NULL;
    if (f->bytes->len < f->want) {
        free(f->bytes);
        stream_fail(s, f->sys != 0 ? strerror(f->sys) : "a file ended early");
    } else {
        struct chunk *before = NULL;

        for (struct chunk *c = TAILQ_FIRST(&s->out); c != f->file; c = TAILQ_NEXT(c, next))
            before = c;
        (void)take_piece(s, before, f->file, f->bytes);
        stream_want_turn(s);
    }
    free(f);
}

static void send_job(struct stream *s, struct chunk *file, struct chunk *bytes, size_t want)
{
    struct file_job *f = xcalloc(1, sizeof *f);

    f->job.run = run_read;
    f->job.mail.deliver = read_done;
    f->job.home = file->home;
    f->s = s;
    f->file = file;
    f->bytes = bytes;
    f->at = file->file_at;
    f->want = want;
    s->job = f;
    lane_send(file->lane, &f->job);
}

/* Turn the beginning of a file chunk into bytes.  Return them; NULL: it is
 * being read elsewhere, or failed.  *file is NULL afterwards when it is used up. */
static struct chunk *read_piece(struct stream *s, struct chunk *before, struct chunk **file)
{
    size_t want = (*file)->file_len < PIECE ? (size_t)(*file)->file_len : PIECE;
    struct chunk *bytes = stream_chunk(want);
    ssize_t n = disk_read_now((*file)->fd, bytes->p, want, (*file)->file_at);

    if (n > 0) {                              /* perhaps less than asked for: the rest is cold */
        bytes->len = (size_t)n;
        *file = take_piece(s, before, *file, bytes);
        return bytes;
    }
    if (n < 0 && (errno == EAGAIN || errno == EOPNOTSUPP || errno == EINTR)) {
        send_job(s, *file, bytes, want);
        return NULL;
    }
    stream_fail(s, n < 0 ? strerror(errno) : "a file ended early");
    free(bytes);
    return NULL;
}

void stream_fill(struct stream *s)
{
    struct chunk *before = NULL, *c = TAILQ_FIRST(&s->out), *next;
    size_t ready = 0;
    unsigned n = 0;

    if (s->job != NULL)
        return;
    while (c != NULL && ready < READY_MOST && n++ < LOOK_MOST) {
        next = TAILQ_NEXT(c, next);
        if (!c->file) {
            before = c;
            c = next;
        } else {
            before = read_piece(s, before, &c);
            if (before == NULL)
                return;
            if (c == NULL)
                c = next;
        }
        ready += before->len;
    }
}

void stream_forget_job(struct stream *s)
{
    if (s->job == NULL)
        return;
    TAILQ_REMOVE(&s->out, s->job->file, next);
    s->job->s = NULL;
    s->job = NULL;
}
