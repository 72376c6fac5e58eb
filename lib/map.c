/* map.c - a hash table with keyed hashing: open addressing, linear probing,
 * at most three quarters full; removal moves the followers up, so there are
 * no tombstones.  See map.h. */
#include "lib/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/siphash.h"

struct slot { char *key; size_t n; uint64_t hash; void *v; };

struct map {
    struct sipkey secret;
    struct slot  *slot;
    size_t        size, used;    /* size: a power of two */
};

struct map *map_new(void)
{
    struct map *m = xcalloc(1, sizeof *m);

    random_bytes(&m->secret, sizeof m->secret);
    m->size = 16;
    m->slot = xcalloc(m->size, sizeof *m->slot);
    return m;
}

void map_free(struct map **m)
{
    if (*m == NULL)
        return;
    for (size_t i = 0; i < (*m)->size; i++)
        free((*m)->slot[i].key);
    free((*m)->slot);
    free(*m);
    *m = NULL;
}

/* The slot of the key, or the empty one where it would go. */
static struct slot *find(const struct map *m, struct span key, uint64_t hash)
{
    size_t i = hash & (m->size - 1);

    while (m->slot[i].key != NULL &&
           !(m->slot[i].hash == hash && span_eq((struct span){ m->slot[i].key, m->slot[i].n }, key)))
        i = (i + 1) & (m->size - 1);
    return &m->slot[i];
}

static void grow(struct map *m)
{
    struct slot *old = m->slot;
    size_t n = m->size;

    m->size *= 2;
    m->slot = xcalloc(m->size, sizeof *m->slot);
    for (size_t i = 0; i < n; i++) {
        size_t k = old[i].hash & (m->size - 1);

        if (old[i].key == NULL)
            continue;
        while (m->slot[k].key != NULL)
            k = (k + 1) & (m->size - 1);
        m->slot[k] = old[i];
    }
    free(old);
}

void *map_get(const struct map *m, struct span key)
{
    struct slot *s = find(m, key, siphash64(&m->secret, key.p, key.n));

    return s->key != NULL ? s->v : NULL;
}

void *map_put(struct map *m, struct span key, void *v)
{
    uint64_t hash = siphash64(&m->secret, key.p, key.n);
    struct slot *s = find(m, key, hash);

    if (s->key != NULL) {
        void *was = s->v;

        s->v = v;
        return was;
    }
    if ((m->used + 1) * 4 > m->size * 3) {
        grow(m);
        s = find(m, key, hash);
    }
    *s = (struct slot){ xstrndup(key.p, key.n), key.n, hash, v };
    m->used++;
    return NULL;
}

void *map_del(struct map *m, struct span key)
{
    struct slot *s = find(m, key, siphash64(&m->secret, key.p, key.n));
    size_t hole = (size_t)(s - m->slot), mask = m->size - 1;
    void *v = s->v;

    if (s->key == NULL)
        return NULL;
    free(s->key);
    m->used--;
    for (size_t i = (hole + 1) & mask; m->slot[i].key != NULL; i = (i + 1) & mask) {
        size_t home = m->slot[i].hash & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {    /* it may stand in the hole */
            m->slot[hole] = m->slot[i];
            hole = i;
        }
    }
    m->slot[hole] = (struct slot){ 0 };
    return v;
}

size_t map_count(const struct map *m)
{
    return m->used;
}

int map_next(const struct map *m, size_t *at, struct span *key, void **v)
{
    for (; *at < m->size; ++*at) {
        if (m->slot[*at].key != NULL) {
            *key = (struct span){ m->slot[*at].key, m->slot[*at].n };
            *v = m->slot[*at].v;
            ++*at;
            return 1;
        }
    }
    return 0;
}
