/* Whatever comes under COMPRESS DEFLATE (RFC 8054): the session fuzzer with
 * compression between the bytes and the session.
 *
 * The first byte's bit 0x40: the bytes are what a client says, and are packed here
 * as it would; without it they are taken for packed ones as they stand.
 */
#include <zlib.h>

#define LAYER
#define PIECE 0x3f

#include "tests/fuzz/session.c"

static z_stream in, out;              /* the client's: what it says, what it hears     */
static bool raw, begun, broken;

static void look_once(struct stream *st, const char *want)
{
    for (int i = 0; i < 100 && memmem(buf_data(&heard), buf_len(&heard), want, strlen(want)) == NULL; i++)
        look(st);
}

static void layer_begin(struct stream *st, const uint8_t *data, size_t size)
{
    raw = size > 0 && (data[0] & 0x40) == 0;
    stream_feed(st, SPAN("COMPRESS DEFLATE\r\n"));
    look_once(st, "\r\n206 ");
    memset(&in, 0, sizeof in);
    memset(&out, 0, sizeof out);
    need(deflateInit2(&in, size > 1 ? data[1] % 10 : 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    need(inflateInit2(&out, -15) == Z_OK);
    begun = true;
    broken = false;
}

static void layer_feed(struct stream *st, struct span bytes)
{
    static char packed[16384];        /* a piece is 4096 at most */

    if (raw) {
        stream_feed(st, bytes);
        return;
    }
    in.next_in = (Bytef *)(uintptr_t)bytes.p;
    in.avail_in = (uInt)bytes.n;
    in.next_out = (Bytef *)packed;
    in.avail_out = sizeof packed;
    need(deflate(&in, Z_SYNC_FLUSH) == Z_OK && in.avail_out > 0);
    stream_feed(st, (struct span){ packed, sizeof packed - in.avail_out });
}

/* What we say is DEFLATE, always, and flushed: nothing of it stays inside. */
static void layer_heard(struct span bytes)
{
    static char plain[65536];

    if (!begun) {
        buf_add_span(&heard, bytes);
        return;
    }
    out.next_in = (Bytef *)(uintptr_t)bytes.p;
    out.avail_in = (uInt)bytes.n;
    while (out.avail_in > 0 && !broken) {
        int r;

        out.next_out = (Bytef *)plain;
        out.avail_out = sizeof plain;
        r = inflate(&out, Z_SYNC_FLUSH);
        need(r == Z_OK || r == Z_BUF_ERROR);
        buf_add(&heard, plain, sizeof plain - out.avail_out);
        broken = r == Z_BUF_ERROR && out.avail_out == sizeof plain;
    }
}

static void layer_end(void)
{
    deflateEnd(&in);
    inflateEnd(&out);
    begun = false;
}
