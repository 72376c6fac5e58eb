/* buf.h - a growable run of bytes with a read position.
 *
 * Threads:  a buf belongs to one thread at a time.
 * Memory:   grows by doubling; buf_reserve says no when memory is gone (for
 *           bytes that a stranger sizes), the others die.  Zeroed = empty.
 *
 *     bytes      [ consumed | held      | free ]
 *                p          p+at        p+end   p+cap
 */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/span.h"

struct buf {
    char  *p;
    size_t at, end, cap;
};

void   buf_fini(struct buf *b);                 /* frees; b is empty again                */
void   buf_clear(struct buf *b);                /* forgets the bytes, keeps the memory    */
bool   buf_reserve(struct buf *b, size_t n) need_result; /* room for n more, or false     */
void   buf_add(struct buf *b, const void *p, size_t n);
void   buf_add_span(struct buf *b, struct span s);
void   buf_puts(struct buf *b, const char *s);
void   buf_number(struct buf *b, uint64_t n);   /* in decimal                             */
void   buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
void   buf_drop(struct buf *b, size_t n);       /* consume n held bytes                   */
void   buf_shrink(struct buf *b);               /* give the memory back when empty        */
char  *buf_steal(struct buf *b, size_t *n);     /* the caller owns the bytes (free them)  */

static inline size_t buf_len(const struct buf *b)  { return b->end - b->at; }
static inline char  *buf_data(const struct buf *b) { return b->p != NULL ? b->p + b->at : NULL; }
static inline size_t buf_room(const struct buf *b) { return b->cap - b->end; }
static inline struct span buf_span(const struct buf *b) { return (struct span){ buf_data(b), b->end - b->at }; }

#endif
