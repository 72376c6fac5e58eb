/* his_filter.c - a blocked Bloom filter that grows.  See his_filter.h.
 *
 * An id touches one block of 64 bytes, a cache line, in which it sets eight
 * bits.  When a generation holds an id for each 24 of its bits, a new one of
 * twice the size is begun; a question asks all generations, newest first, and
 * there are never more than a few.  Keys are hashes already (keyed SipHash),
 * so their bits are used as they are.
 */
#include "history/his_filter.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "lib/mem.h"

#define FIRST_BLOCKS  4096u                 /* 256 kB: 87 thousand ids      */
#define BITS_AN_ID    24u
#define GENERATIONS   24
#define BLOCK_WORDS   8                     /* of 64 bits                   */

struct generation {
    uint64_t blocks;                        /* a power of two               */
    uint64_t room;
    _Atomic uint64_t ids;
    _Atomic uint64_t *word;                 /* at the beginning of a cache line */
    void    *memory;
};

struct his_filter {
    struct generation *_Atomic gen[GENERATIONS];
    atomic_int n;
};

static uint64_t load64(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

/* Zeroed by the kernel as it is touched: a large generation must not make the applier wait. */
static struct generation *new_generation(uint64_t blocks)
{
    struct generation *g = xcalloc(1, sizeof *g);

    g->memory = xcalloc(blocks + 1, BLOCK_WORDS * sizeof *g->word);
    g->word = (void *)(((uintptr_t)g->memory + 63) & ~(uintptr_t)63);
    g->blocks = blocks;
    g->room = blocks * BLOCK_WORDS * 64 / BITS_AN_ID;
    return g;
}

struct his_filter *his_filter_new(void)
{
    struct his_filter *f = xcalloc(1, sizeof *f);

    atomic_store(&f->gen[0], new_generation(FIRST_BLOCKS));
    atomic_store(&f->n, 1);
    return f;
}

void his_filter_free(struct his_filter **f)
{
    if (*f == NULL)
        return;
    for (int i = atomic_load(&(*f)->n); i-- > 0;) {
        struct generation *g = atomic_load(&(*f)->gen[i]);

        free(g->memory);
        free(g);
    }
    free(*f);
    *f = NULL;
}

/* The block comes from the key's first half, the bits from its second: one of
 * 64 in each of the eight words. */
static bool has(const struct generation *g, uint64_t place, uint64_t bits)
{
    const _Atomic uint64_t *w = &g->word[(place & (g->blocks - 1)) * BLOCK_WORDS];

    for (int i = 0; i < BLOCK_WORDS; i++, bits >>= 6)
        if ((atomic_load_explicit(&w[i], memory_order_relaxed) >> (bits & 63) & 1) == 0)
            return false;
    return true;
}

bool his_filter_has(const struct his_filter *f, const struct msgid_key *k)
{
    uint64_t place = load64(k->b), bits = load64(k->b + 8);

    for (int i = atomic_load_explicit(&f->n, memory_order_acquire); i-- > 0;)
        if (has(atomic_load_explicit(&f->gen[i], memory_order_relaxed), place, bits))
            return true;
    return false;
}

void his_filter_add(struct his_filter *f, const struct msgid_key *k)
{
    int n = atomic_load(&f->n);
    struct generation *g = atomic_load(&f->gen[n - 1]);
    uint64_t place = load64(k->b), bits = load64(k->b + 8);

    if (his_filter_has(f, k))
        return;
    if (g->ids >= g->room && n < GENERATIONS) {
        g = new_generation(g->blocks * 2);
        atomic_store(&f->gen[n], g);
        atomic_store_explicit(&f->n, n + 1, memory_order_release);
    }
    g->ids++;
    for (int i = 0; i < BLOCK_WORDS; i++, bits >>= 6)
        atomic_fetch_or_explicit(&g->word[(place & (g->blocks - 1)) * BLOCK_WORDS + (uint64_t)i],
                                 UINT64_C(1) << (bits & 63), memory_order_release);
}

uint64_t his_filter_ids(const struct his_filter *f)
{
    uint64_t sum = 0;

    for (int i = atomic_load(&f->n); i-- > 0;)
        sum += atomic_load(&f->gen[i])->ids;
    return sum;
}

uint64_t his_filter_bits(const struct his_filter *f)
{
    uint64_t sum = 0;

    for (int i = atomic_load(&f->n); i-- > 0;)
        sum += atomic_load(&f->gen[i])->blocks * 512;
    return sum;
}
