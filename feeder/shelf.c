/* shelf.c - the articles' bytes.  See shelf.h.
 *
 * A reader told the position, so the record lies below the published word: it
 * never changes place and is never cut off, and the mapping can be read without
 * asking how long the file is.  What can become of it is to be punched out, or
 * its segment removed (the mapping outlives that).  The checksum sees the first.
 */
#include "feeder/shelf.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/mem.h"

struct place {
    uint32_t    segment;       /* 0: nothing here */
    const char *map;
    size_t      size;
    uint64_t    used;
};

struct shelf {
    struct artlog *log;
    uint64_t segment_bytes, turn;
    struct place place[SHELF_SEGMENTS];
    struct buf scratch;        /* for what cannot be mapped */
};

struct shelf *shelf_new(struct artlog *l, uint64_t segment_bytes)
{
    struct shelf *s = xcalloc(1, sizeof *s);

    s->log = l;
    s->segment_bytes = segment_bytes;
    return s;
}

static void empty(struct place *p)
{
    if (p->segment != 0)
        munmap((void *)(uintptr_t)p->map, p->size);
    *p = (struct place){ 0 };
}

void shelf_free(struct shelf **shelf)
{
    struct shelf *s = *shelf;

    if (s == NULL)
        return;
    for (int i = 0; i < SHELF_SEGMENTS; i++)
        empty(&s->place[i]);
    buf_fini(&s->scratch);
    free(s);
    *shelf = NULL;
}

/* Map the segment in the place that was not used for longest.  false: it cannot be. */
static bool put_up(struct shelf *s, struct place *p, const struct log_pos *pos)
{
    size_t size = (size_t)(s->segment_bytes > pos->offset ? s->segment_bytes : pos->offset) + (64u << 20);
    uint64_t at, len;
    void *hold, *map;
    int fd = artlog_fd_get(s->log, pos, &at, &len, &hold, NULL);

    if (fd < 0)
        return false;
    map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    artlog_fd_put(hold);
    if (map == MAP_FAILED)
        return false;
    empty(p);
    *p = (struct place){ .segment = pos->segment, .map = map, .size = size };
    return true;
}

/* The place that holds the record, or NULL. */
static struct place *find(struct shelf *s, const struct log_pos *pos)
{
    struct place *oldest = &s->place[0];

    for (struct place *p = s->place; p < s->place + SHELF_SEGMENTS; p++) {
        if (p->segment == pos->segment && pos->offset + pos->size <= p->size)
            return p;
        if (p->segment == pos->segment || p->used < oldest->used)
            oldest = p;
        if (p->segment == pos->segment)
            break;
    }
    return put_up(s, oldest, pos) ? oldest : NULL;
}

static enum shelf_got sort_out(enum record_fault fault, const struct record *r, uint64_t seq)
{
    if (fault != RECORD_OK || r->seq != seq || (r->flags & RECORD_GONE) != 0 || r->data.n == 0)
        return SHELF_GONE;
    return SHELF_READ;
}

enum shelf_got shelf_get(struct shelf *s, const struct log_pos *pos, uint64_t seq, struct record *r, struct err *e)
{
    struct place *p = find(s, pos);
    struct err trouble = { 0 };
    size_t size;

    if (p != NULL) {
        struct span bytes = { p->map + pos->offset, pos->size };

        p->used = ++s->turn;
        return sort_out(record_read(r, bytes, seq, true, NULL, 0, &size), r, seq);
    }
    if (artlog_read(s->log, pos, r, NULL, 0, &s->scratch, &trouble) == 0)
        return sort_out(RECORD_OK, r, seq);
    if (trouble.sys == ENOENT)
        return SHELF_GONE;
    if (e != NULL)
        *e = trouble;
    return SHELF_FAILED;
}
