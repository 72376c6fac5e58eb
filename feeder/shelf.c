/* shelf.c - the articles' bytes.  See shelf.h. */
#include "feeder/shelf.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/mem.h"

struct shelf {
    struct artlog *log;
    struct buf     bytes;      /* of the last one */
};

struct shelf *shelf_new(struct artlog *l)
{
    struct shelf *s = xcalloc(1, sizeof *s);

    s->log = l;
    return s;
}

void shelf_free(struct shelf **shelf)
{
    if (*shelf == NULL)
        return;
    buf_fini(&(*shelf)->bytes);
    free(*shelf);
    *shelf = NULL;
}

enum shelf_got shelf_get(struct shelf *s, const struct log_pos *pos, uint64_t seq, struct record *r, struct err *e)
{
    struct err trouble = { 0 };

    if (s->bytes.cap > SHELF_KEEPS && pos->size <= SHELF_KEEPS)
        buf_fini(&s->bytes);
    if (artlog_read(s->log, pos, r, NULL, 0, &s->bytes, &trouble) != 0) {
        if (trouble.sys == ENOENT || trouble.sys == 0)     /* its segment was removed; it is damaged */
            return SHELF_GONE;
        if (e != NULL)
            *e = trouble;
        return SHELF_FAILED;
    }
    if (r->seq != seq || (r->flags & RECORD_GONE) != 0 || r->data.n == 0)
        return SHELF_GONE;
    return SHELF_READ;
}
