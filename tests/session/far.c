/* far.c - a client's end of TLS and DEFLATE.  See far.h.
 *
 * It is a stream of its own, in memory: the layers of lib/tls and lib/deflate
 * stand on it as they do on the session's, with the wire between both.
 */
#include "tests/session/far.h"

#include <stdlib.h>

#include "lib/deflate.h"
#include "lib/mem.h"
#include "lib/stream.h"
#include "lib/tls.h"
#include "tests/session/site.h"

struct far {
    struct stream *st;
    struct buf *heard;
    bool secure, cut;
};

static void on_far(struct stream *st, enum stream_event what, void *arg)
{
    struct far *f = arg;

    switch (what) {
    case STREAM_SECURE:
        f->secure = true;
        break;
    case STREAM_DATA:
        buf_add_span(f->heard, buf_span(stream_in(st)));
        buf_drop(stream_in(st), buf_len(stream_in(st)));
        break;
    case STREAM_FAILED:
        if (!f->cut)
            site_fault("the client's end: %s", stream_reason(st));
        break;
    default:
        break;
    }
}

struct far *far_new(struct buf *heard)
{
    struct far *f = xcalloc(1, sizeof *f);

    f->heard = heard;
    f->st = stream_memory(site_house()->base, on_far, f);
    return f;
}

void far_free(struct far **f)
{
    if (*f == NULL)
        return;
    stream_free(&(*f)->st);
    free(*f);
    *f = NULL;
}

void far_begin_tls(struct far *f)
{
    struct tls_options o = { .alpn = "nntp" };
    struct tls_want anybody = { .verify = TLS_VERIFY_NONE };
    struct tls *t;
    struct err e;

    if ((t = tls_new(&o, NULL, &e)) == NULL || tls_begin_client(f->st, t, &anybody, &e) != 0)
        site_fault("the client's end: %s", e.text);
    tls_unref(&t);
}

bool far_secure(const struct far *f)
{
    return f->secure;
}

void far_begin_deflate(struct far *f)
{
    deflate_granted(f->st);
}

void far_cut(struct far *f)
{
    f->cut = true;
}

void far_say(struct far *f, struct span text)
{
    stream_write(f->st, text.p, text.n);
}

void far_hear(struct far *f, struct span wire)
{
    stream_feed(f->st, wire);
}

struct buf *far_wire(struct far *f)
{
    return stream_taken(f->st);
}
