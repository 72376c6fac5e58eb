/* blocks.h - blocks of one size, for state that thousands may have for a while.
 *
 * What malloc gets back stays resident as long as small things lie between;
 * a block that was put back costs no memory from that moment on.
 *
 * Threads:  any.
 * Memory:   a struct blocks is static (BLOCKS_INIT); the address space of its
 *           blocks is kept for the next.
 */
#ifndef LIB_BLOCKS_H
#define LIB_BLOCKS_H

#include <stddef.h>

#include "lib/lock.h"

struct blocks {
    size_t size;                     /* of each; whole pages          */
    struct lock lock;
    void **spare;                    /* put back, or never used       */
    size_t n_spare, n_all;
};
#define BLOCKS_INIT(bytes) { .size = (bytes), .lock = { PTHREAD_MUTEX_INITIALIZER, "blocks" } }

/* All octets 0, on a page's edge.  NULL: no memory. */
void *blocks_get(struct blocks *b);
void blocks_put(struct blocks *b, void *p);          /* NULL is fine  */

#endif
