/* tls.h - TLS on a stream: both ends, over OpenSSL, which only lib/tls*.c see.
 *
 * Threads:  a struct tls is immutable and shared by reference count: any thread
 *           may begin streams with it.  The rest runs on the stream's thread.
 * Memory:   a context reads its files once, in tls_new; a stream that began
 *           keeps its own reference.  An idle stream's buffers are given back;
 *           what it may hold of its output is one write (under 100 kB).
 * Errors:   tls_new and the functions that begin say why; what happens later is
 *           STREAM_FAILED with a sentence: no TLS at the other end, a handshake
 *           that fails or takes too long, a certificate that is not the one
 *           wanted, an end without TLS's farewell (somebody may have cut it).
 * Standard: TLS 1.2 and 1.3 (RFC 8446, RFC 9325: no compression, no
 *           renegotiation, no early data), RFC 6125 for names.
 *
 * The handshake runs by itself and never blocks.  Until it is done the owner may
 * write (it waits in the stream); then STREAM_SECURE is told, once, before the
 * first STREAM_DATA, and tls_facts knows the other end.  The stream must not be
 * paused meanwhile.  What was read and not consumed before the beginning is
 * dropped (RFC 4642 2.2.2): begin as soon as the line that asks for it is said.
 */
#ifndef LIB_TLS_H
#define LIB_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/stream.h"

#define TLS_PRINT_MAX 65             /* SHA-256 in hex, and the end of the string */

enum tls_version { TLS_1_2, TLS_1_3 };

struct tls_options {
    bool        server;              /* else client                                              */
    const char *cert, *key;          /* PEM files; the certificate's chain behind it.  A server
                                        must have both, a client has them when it shows itself   */
    const char *ca;                  /* PEM file: who may sign the other end's certificate.
                                        NULL: nobody (server), the system's authorities (client) */
    bool        ask_cert;            /* server: ask for a certificate, and go on without         */
    const char *ciphers;             /* OpenSSL's names, for TLS 1.2; NULL: its default          */
    enum tls_version minimum;
    const char *alpn;                /* the protocol's registered name: offered by a client; a server
                                        refuses clients that came for another one.  NULL: none   */
    int64_t     handshake_us;        /* as long as a handshake may take; 0: 20 s                 */
};

struct tls;
/* NULL: e says why; *at, when asked for, which option is wrong: "cert", "key", "ca" or "ciphers" ("": none of them). */
struct tls *tls_new(const struct tls_options *o, const char **at, struct err *e);
struct tls *tls_ref(struct tls *t);
void tls_unref(struct tls **t);

/* When our own certificate ends (seconds since 1970), and when it begins; 0: there is none. */
int64_t tls_expires(const struct tls *t);
int64_t tls_begins(const struct tls *t);
/* Its SHA-256 in hex, as a peer would pin it; "": there is none. */
const char *tls_print(const struct tls *t);

/* What a client wants the server to be. */
enum tls_verify {
    TLS_VERIFY_NAME,                 /* a certificate for 'name', signed by an authority of ours */
    TLS_VERIFY_PRINT,                /* the certificate whose SHA-256 is 'print', whoever signed */
    TLS_VERIFY_NONE,                 /* anybody (who listens may be in the middle)               */
    TLS_VERIFY_LOOK                  /* anybody; tls_facts tells what VERIFY_NAME would have said */
};
struct tls_want {
    enum tls_verify verify;
    const char *name;                /* host name (also told to the server: SNI) or literal address; NULL only without VERIFY_NAME */
    const char *print;               /* 64 hex digits, either case, colons allowed               */
};

/* From here on the stream's bytes are TLS, both ways.  'want' is copied.  The
 * stream stands (a client waits for STREAM_CONNECTED); other layers may be put on
 * top when the handshake is done. */
void tls_begin_server(struct stream *s, struct tls *t);
int  tls_begin_client(struct stream *s, struct tls *t, const struct tls_want *want, struct err *e) need_result;

/* The SHA-256 of the first certificate in a PEM file: what a peer would pin.  -1: e says why. */
int tls_file_print(const char *file, char print[TLS_PRINT_MAX], struct err *e);

/* Is this a fingerprint?  Then in the form that tls_facts tells: lower case, no colons. */
bool tls_print_read(const char *text, char print[TLS_PRINT_MAX]);

/* Who is there.  All empty before STREAM_SECURE, and on a stream without TLS. */
struct tls_facts {
    bool        on;
    const char *protocol;            /* "TLSv1.3"                                                */
    const char *cipher;              /* "TLS_AES_256_GCM_SHA384"                                 */
    char        cert[TLS_PRINT_MAX]; /* SHA-256 of the certificate that the other end showed, or "" */
    bool        cert_good;           /* valid today and signed by an authority of ours           */
    const char *cert_trouble;        /* why not, in words; "": good, or nobody looked            */
};
void tls_facts(const struct stream *s, struct tls_facts *f);

/* The names in the other end's certificate, a line each: DNS names, addresses, else the subject's common name. */
void tls_names(const struct stream *s, struct buf *out);

#endif
