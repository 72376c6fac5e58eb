/* simdisk_node.c - a file's bytes on the simulated disk, and what a power cut leaves of them.
 * See simdisk_int.h. */
#include "tests/simdisk_int.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

static unsigned sector = 512;
static uint64_t dice = 1;

void dice_seed(uint64_t seed)
{
    dice = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

uint64_t dice_roll(uint64_t below)
{
    dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
    return (dice * UINT64_C(0x2545f4914f6cdd1d) >> 11) % below;
}

static bool coin(void)
{
    return dice_roll(2) == 0;
}

void node_set_size(struct node *d, uint64_t n)
{
    if (n > d->cap) {
        d->cap = n * 2;
        d->p = xrealloc(d->p, d->cap);
    }
    if (n > d->n)
        memset(d->p + d->n, 0, n - d->n);
    d->n = n;
}

static void put_bytes(struct node *d, const char *p, uint64_t at, uint64_t n)
{
    if (at + n > d->n)
        node_set_size(d, at + n);
    memcpy(d->p + at, p, n);
}

static void apply(struct node *d, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_WRITE:
        put_bytes(d, c->bytes, c->at, c->n);
        return;
    case CHANGE_SIZE:
        node_set_size(d, c->at);
        return;
    case CHANGE_GROW:
        if (c->at > d->n)
            node_set_size(d, c->at);
        return;
    case CHANGE_PUNCH:
        if (c->at < d->n)
            memset(d->p + c->at, 0, c->at + c->n > d->n ? d->n - c->at : c->n);
        return;
    }
}

/* Some sectors of a write, not others. */
static void apply_torn(struct node *d, const struct change *c)
{
    for (uint64_t i = 0, n; i < c->n; i += n) {
        n = sector - (c->at + i) % sector;
        n = n < c->n - i ? n : c->n - i;
        if (coin())
            put_bytes(d, c->bytes + i, c->at + i, n);
    }
}

/* Forget the changes, after 'how' saw each with its place from the end (1 is the last). */
static void settle(struct node *d, void (*how)(struct node *, const struct change *, unsigned, void *), void *arg)
{
    struct change *c;
    unsigned left = 0;

    STAILQ_FOREACH(c, &d->changes, link)
        left++;
    while ((c = STAILQ_FIRST(&d->changes)) != NULL) {
        STAILQ_REMOVE_HEAD(&d->changes, link);
        how(d, c, left--, arg);
        free(c->bytes);
        free(c);
    }
}

static void keep(struct node *d, const struct change *c, unsigned left, void *arg)
{
    (void)left, (void)arg;
    apply(d, c);
}

static void keep_some(struct node *d, const struct change *c, unsigned left, void *arg)
{
    (void)left, (void)arg;
    if (coin())
        apply(d, c);
    else if (c->kind == CHANGE_WRITE && coin())
        apply_torn(d, c);
}

/* All but the last ones, the one between torn. */
static void keep_first(struct node *d, const struct change *c, unsigned left, void *arg)
{
    const unsigned *gone = arg;

    if (left > *gone)
        apply(d, c);
    else if (left == *gone && c->kind == CHANGE_WRITE)
        apply_torn(d, c);
}

void node_keep_all(struct node *d)
{
    settle(d, keep, NULL);
}

void node_keep_some(struct node *d)
{
    settle(d, keep_some, NULL);
}

void node_lose_power(struct node *d)
{
    struct change *c;
    unsigned n = 0, gone;

    STAILQ_FOREACH(c, &d->changes, link)
        n++;
    gone = n == 0 ? 0 : dice_roll(4) == 0 ? n + 1 : dice_roll(4) == 0 ? 0 : 1 + (unsigned)dice_roll(n);
    if (coin())
        settle(d, keep_some, NULL);
    else
        settle(d, keep_first, &gone);
}

void node_note(struct node *d, enum change_kind kind, uint64_t at, uint64_t n, const char *bytes)
{
    struct change *c = xcalloc(1, sizeof *c);

    *c = (struct change){ .kind = kind, .at = at, .n = n };
    if (bytes != NULL)
        c->bytes = memcpy(xmalloc(n), bytes, n);
    STAILQ_INSERT_TAIL(&d->changes, c, link);
}

void node_tear_at(unsigned bytes)
{
    sector = bytes;
}
