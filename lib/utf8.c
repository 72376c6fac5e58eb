/* utf8.c - is it UTF-8?  See utf8.h. */
#include "lib/utf8.h"

/* Length of the UTF-8 sequence at p, 0: none is valid there (RFC 3629). */
static size_t sequence(const unsigned char *p, size_t n)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 :
                 p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;

    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||       /* overlong; surrogates */
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))         /* overlong; too large  */
        return 0;
    return len;
}

bool utf8_valid(struct span s)
{
    const unsigned char *p = (const unsigned char *)s.p;

    for (size_t i = 0, k; i < s.n; i += k)
        if ((k = sequence(p + i, s.n - i)) == 0)
            return false;
    return true;
}
