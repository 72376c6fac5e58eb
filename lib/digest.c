/* digest.c - see digest.h; OpenSSL does the work. */
#include "lib/digest.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/mem.h"

void digest_md5(struct span bytes, uint8_t out[16])
{
    unsigned n = 16;

    need(EVP_Digest(bytes.p, bytes.n, out, &n, EVP_md5(), NULL) == 1 && n == 16);
}

static const EVP_MD *method(enum digest d)
{
    switch (d) {
    case DIGEST_SHA1: return EVP_sha1();
    case DIGEST_SHA256: return EVP_sha256();
    case DIGEST_SHA512: return EVP_sha512();
    }
    bug("no such digest");
}

size_t digest_sum(enum digest d, struct span bytes, uint8_t out[DIGEST_MOST])
{
    unsigned n = 0;

    need(EVP_Digest(bytes.p, bytes.n, out, &n, method(d), NULL) == 1 && n <= DIGEST_MOST);
    return n;
}

size_t digest_hmac(enum digest d, struct span key, struct span bytes, uint8_t out[DIGEST_MOST])
{
    unsigned n = 0;

    need(key.n <= INT_MAX);
    need(HMAC(method(d), key.p, (int)key.n, (const unsigned char *)bytes.p, bytes.n, out, &n) != NULL && n <= DIGEST_MOST);
    return n;
}
