/* base64.c - see base64.h; OpenSSL does the work, and is not asked about bad input. */
#include "lib/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lib/mem.h"

void base64_write(struct buf *out, struct span bytes)
{
    unsigned char *p = xmalloc((bytes.n + 2) / 3 * 4 + 1);

    need(bytes.n < INT_MAX / 2);
    buf_add(out, (char *)p, (size_t)EVP_EncodeBlock(p, (const unsigned char *)bytes.p, (int)bytes.n));
    free(p);
}

static bool digit(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

int base64_read(struct buf *out, struct span text)
{
    size_t pad = 0;
    unsigned char *p;
    int n;

    while (pad < 2 && pad < text.n && text.p[text.n - 1 - pad] == '=')
        pad++;
    if (text.n % 4 != 0 || text.n >= INT_MAX)
        return -1;
    for (size_t i = 0; i < text.n - pad; i++)
        if (!digit(text.p[i]))
            return -1;
    if (text.n == 0)
        return 0;
    p = xmalloc(text.n);
    n = EVP_DecodeBlock(p, (const unsigned char *)text.p, (int)text.n);     /* counts the padding, too */
    if (n > 0)
        buf_add(out, (char *)p, (size_t)n - pad);
    free(p);
    return n > 0 ? 0 : -1;
}
