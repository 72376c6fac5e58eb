/* tls_int.h - the inside of TLS, for the tls*.c files alone: the only ones that see OpenSSL. */
#ifndef LIB_TLS_INT_H
#define LIB_TLS_INT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "lib/tls.h"

struct tls {
    _Atomic unsigned refs;
    SSL_CTX *ctx;
    bool     server, has_ca;
    int64_t  handshake_us, begins, expires;
    char     print[TLS_PRINT_MAX];
    unsigned char alpn[64];            /* a list of one, as it stands in the handshake            */
    unsigned alpn_n;
};

struct link {                          /* the layer                                               */
    struct stream *s;
    struct tls    *tls;
    SSL           *ssl;
    void          *inner;
    const struct stream_io *io;        /* of inner                                                */
    struct buf     out;
    char          *reason;             /* it has failed                                           */
    int            sys;                /* errno of the carrier below                              */
    bool           done, said_end, ended, eof, unverified, pinned;
    int            trouble;            /* what was wrong with the certificate first (X509_V_ERR_) */
    char           pin[TLS_PRINT_MAX];
};

/* tls.c */
void tls_print_of(const X509 *cert, char print[TLS_PRINT_MAX]);
int  tls_verified(int good, X509_STORE_CTX *x);         /* remembers in the link, and goes on */

#endif
