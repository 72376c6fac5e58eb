/* deflate.c - raw DEFLATE over zlib.  See deflate.h.
 *
 *     stream ── write ─▶ deflate ─▶ out ────▶ carrier below
 *            ◀─ read ─── inflate ◀─ packed ◀─ carrier below
 *
 * 'out' is handed on when it is worth a write, and at the turn's end after a
 * sync flush.  'packed' holds what was read and not taken apart yet, because the
 * reader had no room for what it becomes: a small bomb waits there.
 *
 * After a sync flush a sender owes the other end nothing, so its whole state may
 * go (rest).  A receiver must remember what was said: 32 kB at most, often much
 * less, and then only that is kept.
 */
#include "lib/deflate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/blocks.h"
#include "lib/buf.h"
#include "lib/mem.h"

#define OUT_BITS   13                  /* 8 kB window                                             */
#define OUT_MEMORY 6
#define OUT_LEVEL  1                   /* see doc/performance.md                                  */
#define IN_BITS    15                  /* whatever the other end chose                            */
#define WINDOW     (1u << IN_BITS)
#define OUT_MOST   (32u << 10)         /* packed ahead of the carrier                             */
#define PACKED     16384               /* one read of the carrier                                 */
#define READS_MOST 4                   /* of one call, when nothing comes out of them             */

struct deflate {                       /* the layer                                               */
    void *inner;
    const struct stream_io *io;        /* of inner                                                */
    z_stream *def, *inf;               /* NULL: at rest                                           */
    struct buf out, packed;
    struct buf said;                   /* with inf at rest: what the other end may refer to       */
    bool  owed;                        /* written, and not flushed yet                            */
    bool  more;                        /* inflate may have more without another octet             */
    bool  ended;
    const char *reason;
    struct deflate_counts counts;
};

/* ---- state that comes and goes ---- */

/* zlib's memory for one direction lies in one block, so that rest gives it back whole. */
struct state {
    z_stream z;
    size_t used;                       /* of the block                                            */
    struct blocks *from;
};

static struct blocks def_blocks = BLOCKS_INIT(80 << 10), inf_blocks = BLOCKS_INIT(44 << 10);

static void *state_alloc(void *opaque, unsigned n, unsigned size)
{
    struct state *s = opaque;
    size_t bytes = ((size_t)n * size + 63) & ~(size_t)63;
    char *p = (char *)s + s->used;

    if (bytes > s->from->size - s->used)
        return malloc(bytes);          /* another zlib than we know                               */
    s->used += bytes;
    return p;
}

static void state_free(void *opaque, void *p)
{
    struct state *s = opaque;

    if ((uintptr_t)p - (uintptr_t)s >= s->from->size)
        free(p);
}

static z_stream *state_new(struct blocks *from)
{
    struct state *s = blocks_get(from);

    if (s == NULL)
        return NULL;
    s->from = from;
    s->used = (sizeof *s + 63) & ~(size_t)63;
    s->z.zalloc = state_alloc;
    s->z.zfree = state_free;
    s->z.opaque = s;
    return &s->z;
}

static void state_put(z_stream *z)
{
    struct state *s = (struct state *)z;

    if (s != NULL)
        blocks_put(s->from, s);
}

static bool wake_def(struct deflate *d)
{
    z_stream *z;

    if (d->def != NULL)
        return true;
    z = state_new(&def_blocks);
    if (z == NULL || deflateInit2(z, OUT_LEVEL, Z_DEFLATED, -OUT_BITS, OUT_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
        state_put(z);
        d->reason = "out of memory for compression";
        return false;
    }
    d->def = z;
    return true;
}

static bool wake_inf(struct deflate *d)
{
    z_stream *z;

    if (d->inf != NULL)
        return true;
    z = state_new(&inf_blocks);
    if (z == NULL || inflateInit2(z, -IN_BITS) != Z_OK) {
        state_put(z);
        d->reason = "out of memory for compression";
        return false;
    }
    d->inf = z;
    if (buf_len(&d->said) > 0 &&
        inflateSetDictionary(z, (const Bytef *)buf_data(&d->said), (uInt)buf_len(&d->said)) != Z_OK) {
        d->reason = "out of memory for compression";
        return false;
    }
    buf_fini(&d->said);
    return true;
}

static void drop_def(struct deflate *d)
{
    if (d->def != NULL)
        deflateEnd(d->def);
    state_put(d->def);
    d->def = NULL;
}

static void drop_inf(struct deflate *d)
{
    if (d->inf != NULL)
        inflateEnd(d->inf);
    state_put(d->inf);
    d->inf = NULL;
}

/* Between two blocks, and on an octet's edge?  (zlib.h on data_type.) */
static bool at_edge(const z_stream *z)
{
    return z->total_in == 0 || ((z->data_type & 128) && (z->data_type & 7) == 0);
}

static void pack_rest(void *carrier)
{
    struct deflate *d = carrier;
    uInt n = 0;

    if (!d->owed)
        drop_def(d);
    if (d->inf == NULL || d->more || buf_len(&d->packed) > 0 || !at_edge(d->inf))
        return;
    if (!buf_reserve(&d->said, WINDOW) || inflateGetDictionary(d->inf, (Bytef *)d->said.p, &n) != Z_OK) {
        buf_fini(&d->said);
        return;
    }
    d->said.end = n;
    if (n == 0) {
        buf_fini(&d->said);
    } else {
        d->said.p = xrealloc(d->said.p, n);
        d->said.cap = n;
    }
    drop_inf(d);
}

/* ---- out ---- */

static long failed(const struct deflate *d)
{
    if (d->reason != NULL)
        errno = EIO;
    return -1;
}

/* Hand on what is packed, as far as it is taken.  false: that failed, with errno. */
static bool push(struct deflate *d)
{
    while (buf_len(&d->out) > 0) {
        struct span v = buf_span(&d->out);
        long n = d->io->write(d->inner, &v, 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0)
            break;
        d->counts.out_packed += (uint64_t)n;
        buf_drop(&d->out, (size_t)n);
    }
    buf_shrink(&d->out);
    return true;
}

/* Pack what 'def' was given, into 'out'. */
static bool pack(struct deflate *d, int flush)
{
    z_stream *z = d->def;

    do {
        if (!buf_reserve(&d->out, PACKED)) {
            d->reason = "out of memory for compression";
            return false;
        }
        z->next_out = (Bytef *)d->out.p + d->out.end;
        z->avail_out = (uInt)buf_room(&d->out);
        need(deflate(z, flush) != Z_STREAM_ERROR);
        d->out.end = d->out.cap - z->avail_out;
    } while (z->avail_out == 0);
    return true;
}

static long pack_write(void *carrier, const struct span *v, int n)
{
    struct deflate *d = carrier;
    size_t taken = 0;

    if (d->reason != NULL || !push(d) || !wake_def(d))
        return failed(d);
    if (buf_len(&d->out) > 0) {
        errno = EAGAIN;
        return -1;
    }
    for (int i = 0; i < n && buf_len(&d->out) < OUT_MOST; i++) {
        size_t some = v[i].n < 2 * OUT_MOST ? v[i].n : 2 * OUT_MOST;

        d->def->next_in = (Bytef *)(uintptr_t)v[i].p;
        d->def->avail_in = (uInt)some;
        if (!pack(d, Z_NO_FLUSH))
            return failed(d);
        taken += some;
        if (some < v[i].n)
            break;
    }
    d->counts.out_plain += taken;
    d->owed = true;
    if (buf_len(&d->out) >= OUT_MOST && !push(d))
        return failed(d);
    return (long)taken;
}

static long pack_flush(void *carrier, bool end)
{
    struct deflate *d = carrier;

    (void)end;                         /* no last block: not every client likes one; the connection's end says it */
    if (d->reason != NULL)
        return failed(d);
    if (d->owed && !pack(d, Z_SYNC_FLUSH))
        return failed(d);
    d->owed = false;
    return push(d) ? (long)buf_len(&d->out) : failed(d);
}

/* ---- in ---- */

/* Take apart the first 'n' octets of 'from'; return how many were. */
static size_t unpack(struct deflate *d, const char *from, size_t n)
{
    z_stream *z = d->inf;
    int r;

    z->next_in = (Bytef *)(uintptr_t)from;
    z->avail_in = (uInt)n;
    r = inflate(z, Z_SYNC_FLUSH);
    d->more = z->avail_out == 0;
    d->ended = r == Z_STREAM_END;
    if (r == Z_MEM_ERROR)
        d->reason = "out of memory for compression";
    else if (r != Z_OK && r != Z_BUF_ERROR && r != Z_STREAM_END)
        d->reason = "what came is not DEFLATE";
    return n - z->avail_in;
}

/* Read the carrier once and take it apart.  What it said when there was nothing. */
static long read_packed(struct deflate *d)
{
    static _Thread_local char scratch[PACKED];
    long n = d->io->read(d->inner, scratch, sizeof scratch);
    size_t used;

    if (n <= 0)
        return n;
    d->counts.in_packed += (uint64_t)n;
    used = unpack(d, scratch, (size_t)n);
    if (used < (size_t)n && d->reason == NULL && !d->ended)
        buf_add(&d->packed, scratch + used, (size_t)n - used);
    return n;
}

/* What is still to be taken apart from before. */
static void read_kept(struct deflate *d)
{
    buf_drop(&d->packed, unpack(d, buf_data(&d->packed), buf_len(&d->packed)));
    buf_shrink(&d->packed);
}

static long nothing(struct deflate *d, long n)
{
    if (d->reason != NULL) {
        errno = EIO;
        return -1;
    }
    if (d->ended)
        return 0;
    if (n == 0 && !at_edge(d->inf)) {
        d->reason = "the compressed connection broke off";
        errno = EIO;
        return -1;
    }
    if (n > 0) {
        errno = EINTR;                 /* much was read and nothing came of it: others first, then again */
        return -1;
    }
    return n;
}

static long pack_read(void *carrier, void *p, size_t n)
{
    struct deflate *d = carrier;
    long last = 1;

    if (d->reason != NULL || !wake_inf(d))
        return failed(d);
    d->inf->next_out = p;
    d->inf->avail_out = (uInt)n;
    for (int i = 0; i < READS_MOST && last > 0 && d->reason == NULL && !d->ended && d->inf->avail_out > 0; i++) {
        if (buf_len(&d->packed) > 0 || d->more)
            read_kept(d);
        else
            last = read_packed(d);
    }
    n -= d->inf->avail_out;
    d->counts.in_plain += n;
    return n > 0 ? (long)n : nothing(d, last);
}

/* ---- the layer ---- */

static const char *pack_why(void *carrier)
{
    return ((struct deflate *)carrier)->reason;
}

static void pack_free(void *carrier)
{
    struct deflate *d = carrier;

    drop_def(d);
    drop_inf(d);
    d->io->free(d->inner);
    buf_fini(&d->out);
    buf_fini(&d->packed);
    buf_fini(&d->said);
    free(d);
}

static const struct stream_io pack_io = { .read = pack_read, .write = pack_write, .free = pack_free,
                                          .flush = pack_flush, .why = pack_why, .rest = pack_rest };

static void *wrap(void *inner, const struct stream_io *inner_io, const struct stream_io **io, void *arg)
{
    struct deflate *d = arg;

    d->inner = inner;
    d->io = inner_io;
    *io = &pack_io;
    return d;
}

struct deflate *deflate_new(void)
{
    struct deflate *d = xcalloc(1, sizeof *d);

    if (!wake_def(d) || !wake_inf(d))
        deflate_free(&d);
    return d;
}

void deflate_free(struct deflate **d)
{
    if (*d == NULL)
        return;
    drop_def(*d);
    drop_inf(*d);
    free(*d);
    *d = NULL;
}

void deflate_begin(struct stream *s, struct deflate *d)
{
    stream_layer(s, wrap, d);
}

void deflate_granted(struct stream *s)
{
    struct deflate *d = xcalloc(1, sizeof *d);

    buf_add_span(&d->packed, buf_span(stream_in(s)));
    stream_layer(s, wrap, d);
}

bool deflate_on(const struct stream *s)
{
    return stream_layer_of(s, &pack_io) != NULL;
}

void deflate_counts(const struct stream *s, struct deflate_counts *c)
{
    const struct deflate *d = stream_layer_of(s, &pack_io);

    *c = d != NULL ? d->counts : (struct deflate_counts){ 0 };
}
