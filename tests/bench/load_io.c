/* load_io.c - the load generator's connections: lines over TCP, TLS, DEFLATE.
 *
 *     put ─▶ out ─▶ deflate ─▶ TLS ─▶ socket        get_line ◀─ in ◀─ inflate ◀─ packed ◀─ TLS ◀─ socket
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/bench/load.h"

#define IN   (1u << 16)
#define OUT  (1u << 18)
#define PACK (1u << 15)

struct pack {                        /* DEFLATE on a connection              */
    z_stream in, out;
    size_t at, end;                  /* of packed: not taken apart yet       */
    char *packed;                    /* PACK octets, or NULL                 */
};

struct line_io {
    int fd;
    SSL *ssl;
    struct pack *z;
    size_t at, end, n_out;
    char *in, *out;                  /* NULL while it rests                  */
};

atomic_long wire_in, resumed;
atomic_bool resume;

static _Thread_local SSL_SESSION *ticket;
static SSL_CTX *ctx;

/* ---- octets ---- */

static long get_wire(struct line_io *c, char *p, size_t n)
{
    int one = 1;

    if (opt.quick)                   /* the kernel forgets it now and then */
        setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
    if (c->ssl != NULL)
        return SSL_read(c->ssl, p, (int)n);
    n = (size_t)read(c->fd, p, n);
    if ((ssize_t)n > 0)
        atomic_fetch_add_explicit(&wire_in, (long)n, memory_order_relaxed);
    return (long)n;
}

static void put_wire(struct line_io *c, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = c->ssl != NULL ? SSL_write(c->ssl, p, (int)n) : write(c->fd, p, n);

        if (w <= 0)
            fail("write");
        p += w, n -= (size_t)w;
    }
}

static void put_packed(struct line_io *c)
{
    static _Thread_local char scratch[PACK];
    z_stream *z = &c->z->out;

    z->next_in = (Bytef *)c->out;
    z->avail_in = (uInt)c->n_out;
    do {
        z->next_out = (Bytef *)scratch;
        z->avail_out = sizeof scratch;
        if (deflate(z, Z_SYNC_FLUSH) == Z_STREAM_ERROR)
            fail("deflate");
        put_wire(c, scratch, sizeof scratch - z->avail_out);
    } while (z->avail_out == 0);
}

void flush_out(struct line_io *c)
{
    if (c->n_out > 0 && c->z != NULL)
        put_packed(c);
    else
        put_wire(c, c->out, c->n_out);
    c->n_out = 0;
}

static long get_packed(struct line_io *c, char *p, size_t n)
{
    struct pack *z = c->z;

    if (z->packed == NULL && (z->packed = malloc(PACK)) == NULL)
        fail("memory");
    z->in.next_out = (Bytef *)p;
    z->in.avail_out = (uInt)n;
    while (z->in.avail_out == n) {
        int r;

        if (z->at == z->end) {
            long got = get_wire(c, z->packed, PACK);

            if (got <= 0)
                return got;
            z->at = 0, z->end = (size_t)got;
        }
        z->in.next_in = (Bytef *)z->packed + z->at;
        z->in.avail_in = (uInt)(z->end - z->at);
        r = inflate(&z->in, Z_SYNC_FLUSH);
        z->at = z->end - z->in.avail_in;
        if (r != Z_OK && r != Z_BUF_ERROR)
            fail("inflate");
    }
    return (long)(n - z->in.avail_out);
}

/* ---- lines ---- */

void put(struct line_io *c, const char *p, size_t n)
{
    if (c->out == NULL && (c->out = malloc(OUT)) == NULL)
        fail("memory");
    while (n > 0) {
        size_t k = OUT - c->n_out < n ? OUT - c->n_out : n;

        memcpy(c->out + c->n_out, p, k);
        c->n_out += k, p += k, n -= k;
        if (c->n_out == OUT)
            flush_out(c);
    }
}

void put_text(struct line_io *c, const char *text)
{
    put(c, text, strlen(text));
}

char *get_line(struct line_io *c)
{
    if (c->in == NULL && (c->in = malloc(IN)) == NULL)
        fail("memory");
    for (;;) {
        char *nl = memchr(c->in + c->at, '\n', c->end - c->at);
        long n;

        if (nl != NULL) {
            char *line = c->in + c->at;

            c->at = (size_t)(nl - c->in) + 1;
            if (nl > line && nl[-1] == '\r')
                nl--;
            *nl = '\0';
            return line;
        }
        memmove(c->in, c->in + c->at, c->end - c->at);
        c->end -= c->at, c->at = 0;
        n = c->end == IN ? -1 : (c->z != NULL ? get_packed : get_wire)(c, c->in + c->end, IN - c->end);
        if (n <= 0)
            return NULL;
        c->end += (size_t)n;
    }
}

bool has_line(const struct line_io *c)
{
    return memchr(c->in + c->at, '\n', c->end - c->at) != NULL;
}

void rest_conn(struct line_io *c)
{
    free(c->in);
    free(c->out);
    c->in = c->out = NULL;
    c->at = c->end = c->n_out = 0;
    if (c->z != NULL) {
        free(c->z->packed);
        c->z->packed = NULL;
    }
}

/* ---- layers ---- */

/* Keep the newest: OpenSSL shows one only once.  On the thread whose connection it is. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    if (!resume)
        return 0;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

static void make_ctx(void)
{
    if ((ctx = SSL_CTX_new(TLS_client_method())) == NULL)
        fail("TLS");
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
}

static void begin_tls(struct line_io *c)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_ctx);
    if ((c->ssl = SSL_new(ctx)) == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
        fail("TLS");
    if (ticket != NULL)
        SSL_set_session(c->ssl, ticket);
    if (SSL_connect(c->ssl) != 1)
        fail("TLS handshake");
    if (SSL_session_reused(c->ssl))
        atomic_fetch_add(&resumed, 1);
}

/* Small windows: of thousands of idle ones each keeps them. */
static void begin_deflate(struct line_io *c)
{
    char *l;

    put_text(c, "COMPRESS DEFLATE\r\n");
    flush_out(c);
    if ((l = get_line(c)) == NULL || strncmp(l, "206", 3) != 0)
        fail("COMPRESS DEFLATE");
    if ((c->z = calloc(1, sizeof *c->z)) == NULL || inflateInit2(&c->z->in, -15) != Z_OK ||
        deflateInit2(&c->z->out, 1, Z_DEFLATED, -9, 1, Z_DEFAULT_STRATEGY) != Z_OK)
        fail("zlib");
}

/* ---- beginning and end ---- */

/* A client has some 28,000 ports an address: many sessions come from many addresses. */
static void bind_source(int fd)
{
    static atomic_uint next;
    struct sockaddr_in a = { .sin_family = AF_INET };
    int one = 1;

    a.sin_addr.s_addr = htonl(0x7f000101 + atomic_fetch_add(&next, 1) % (unsigned)opt.sources);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0)
        fail("bind");
}

static int dial(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        fail("socket");
    if (opt.sources > 0)
        bind_source(fd);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

struct line_io *take_conn(int fd)
{
    struct line_io *c = calloc(1, sizeof *c);

    if (c == NULL)
        fail("memory");
    c->fd = fd;
    return c;
}

struct line_io *open_conn(int port)
{
    struct line_io *c = take_conn(dial(port));

    if (opt.tls)
        begin_tls(c);
    if (get_line(c) == NULL)
        fail("greeting");
    if (opt.deflate)
        begin_deflate(c);
    return c;
}

void close_conn(struct line_io *c)
{
    if (c->ssl != NULL) {
        SSL_shutdown(c->ssl);
        atomic_fetch_add(&wire_in, (long)BIO_number_read(SSL_get_rbio(c->ssl)));
        SSL_free(c->ssl);
    }
    rest_conn(c);
    if (c->z != NULL) {
        inflateEnd(&c->z->in);
        deflateEnd(&c->z->out);
        free(c->z);
    }
    close(c->fd);
    free(c);
}
