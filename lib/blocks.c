/* blocks.c - blocks of one size.  See blocks.h.
 *
 * They are cut from large mappings, for the system has a limit on the number
 * of these; the last one put back is the first to be used again.
 */
#include "lib/blocks.h"

#include <sys/mman.h>

#include "lib/mem.h"

#define AT_ONCE 64                   /* blocks of a mapping */

/* With the lock held. */
static void map_more(struct blocks *b)
{
    char *p = mmap(NULL, AT_ONCE * b->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return;
    (void)madvise(p, AT_ONCE * b->size, MADV_NOHUGEPAGE);      /* a huge page would stay while any block is used */
    b->n_all += AT_ONCE;
    b->spare = xrealloc(b->spare, b->n_all * sizeof *b->spare);
    for (size_t i = AT_ONCE; i-- > 0;)
        b->spare[b->n_spare++] = p + i * b->size;
}

void *blocks_get(struct blocks *b)
{
    void *p;

    lock_get(&b->lock);
    if (b->n_spare == 0)
        map_more(b);
    p = b->n_spare > 0 ? b->spare[--b->n_spare] : NULL;
    lock_put(&b->lock);
    return p;
}

void blocks_put(struct blocks *b, void *p)
{
    if (p == NULL)
        return;
    need(madvise(p, b->size, MADV_DONTNEED) == 0);
    lock_get(&b->lock);
    need(b->n_spare < b->n_all);
    b->spare[b->n_spare++] = p;
    lock_put(&b->lock);
}
