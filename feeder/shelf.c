/* shelf.c - the articles' bytes.  See shelf.h.
 *
 * Peers that are all awake want the same articles in the same moment: the last
 * ones stay for SHELF_US, in the place that their sequence number gives them.
 */
#include "feeder/shelf.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define PLACES 512

struct place {
    int64_t       read_us;     /* 0: nothing here    */
    struct record r;           /* its spans: bytes's */
    struct buf    bytes;
};

struct shelf {
    struct artlog *log;
    struct place   small[PLACES], large;
};

struct shelf *shelf_new(struct artlog *l)
{
    struct shelf *s = xcalloc(1, sizeof *s);

    s->log = l;
    return s;
}

void shelf_free(struct shelf **shelf)
{
    struct shelf *s = *shelf;

    if (s == NULL)
        return;
    for (int i = 0; i < PLACES; i++)
        buf_fini(&s->small[i].bytes);
    buf_fini(&s->large.bytes);
    free(s);
    *shelf = NULL;
}

static int fetch(struct shelf *s, struct place *p, const struct log_pos *pos, int64_t now_us, struct err *e)
{
    p->read_us = 0;
    if (p == &s->large && p->bytes.cap > SHELF_LARGE && pos->size <= SHELF_LARGE)
        buf_fini(&p->bytes);
    if (artlog_read(s->log, pos, &p->r, NULL, 0, &p->bytes, e) != 0)
        return -1;
    p->read_us = now_us;
    return 0;
}

enum shelf_got shelf_get(struct shelf *s, const struct log_pos *pos, uint64_t seq, struct record *r, struct err *e)
{
    struct place *p = pos->size <= SHELF_SMALL ? &s->small[seq % PLACES] : &s->large;
    int64_t now_us = clock_mono_us();
    struct err trouble = { 0 };

    if (p->read_us == 0 || p->r.seq != seq || now_us - p->read_us > SHELF_US)
        if (fetch(s, p, pos, now_us, &trouble) != 0) {
            if (trouble.sys == ENOENT || trouble.sys == 0)     /* its segment was removed; it is damaged */
                return SHELF_GONE;
            if (e != NULL)
                *e = trouble;
            return SHELF_FAILED;
        }
    *r = p->r;
    if (r->seq != seq || (r->flags & RECORD_GONE) != 0 || r->data.n == 0)
        return SHELF_GONE;
    return SHELF_READ;
}
