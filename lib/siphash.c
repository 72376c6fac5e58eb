/* siphash.c - SipHash-2-4 with 64 and 128 bits of result.  See siphash.h.
 *
 * After "SipHash: a fast short-input PRF" (Aumasson, Bernstein); the
 * 128-bit form is the authors' variant (0xee marks).
 */
#include "lib/siphash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "lib/mem.h"

struct state { uint64_t v0, v1, v2, v3; };

static uint64_t load(const uint8_t *p)
{
    uint64_t x = 0;

    for (int i = 7; i >= 0; i--)
        x = x << 8 | p[i];
    return x;
}

static void store(uint8_t *p, uint64_t x)
{
    for (int i = 0; i < 8; i++, x >>= 8)
        p[i] = (uint8_t)x;
}

static uint64_t rotate(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static void rounds(struct state *s, int n)
{
    while (n-- > 0) {
        s->v0 += s->v1, s->v1 = rotate(s->v1, 13) ^ s->v0, s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3, s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3, s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1, s->v1 = rotate(s->v1, 17) ^ s->v2, s->v2 = rotate(s->v2, 32);
    }
}

static struct state absorb(const struct sipkey *k, const uint8_t *p, size_t n, uint64_t mark)
{
    uint64_t k0 = load(k->b), k1 = load(k->b + 8), last = (uint64_t)n << 56, m;
    struct state s = { k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d) ^ mark,
                       k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573) };

    for (; n >= 8; n -= 8, p += 8) {
        m = load(p);
        s.v3 ^= m;
        rounds(&s, 2);
        s.v0 ^= m;
    }
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)p[i] << (8 * i);
    s.v3 ^= last;
    rounds(&s, 2);
    s.v0 ^= last;
    return s;
}

void siphash128(const struct sipkey *k, const void *p, size_t n, uint8_t out[16])
{
    struct state s = absorb(k, p, n, 0xee);

    s.v2 ^= 0xee;
    rounds(&s, 4);
    store(out, s.v0 ^ s.v1 ^ s.v2 ^ s.v3);
    s.v1 ^= 0xdd;
    rounds(&s, 4);
    store(out + 8, s.v0 ^ s.v1 ^ s.v2 ^ s.v3);
}

uint64_t siphash64(const struct sipkey *k, const void *p, size_t n)
{
    struct state s = absorb(k, p, n, 0);

    s.v2 ^= 0xff;
    rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void random_bytes(void *p, size_t n)
{
    char *at = p;

    while (n > 0) {
        ssize_t r = getrandom(at, n, 0);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            die(1, "the kernel has no random bytes: %s", strerror(errno));
        at += r;
        n -= (size_t)r;
    }
}
