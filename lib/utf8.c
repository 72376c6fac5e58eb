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

size_t utf8_harmless(struct span s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t len = s.n > 0 ? sequence(p, s.n) : 0;

    if (len == 1)
        return p[0] >= 0x20 && p[0] != 0x7f;
    if (len == 2 && p[0] == 0xc2 && p[1] < 0xa0)
        return 0;                                          /* a control, in two bytes     */
    if (len == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae)))
        return 0;                                          /* ends lines, turns direction */
    if (len == 3 && p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)
        return 0;                                          /* the same                    */
    return len;
}

bool utf8_printable(struct span s)
{
    for (size_t len; s.n > 0; s = span_from(s, len))
        if ((len = utf8_harmless(s)) == 0)
            return false;
    return true;
}
