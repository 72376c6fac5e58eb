/* artlog.c - the article log as a whole: open, close, the published word.
 *
 *     artlog.c          open, close, publish
 *     artlog_seg.c      which segments there are; descriptors
 *     artlog_recover.c  find the end after a stop or a crash
 *     artlog_write.c    append, sync, begin a segment
 *     artlog_read.c     one record by its place; follow
 *
 * The published word is a 64-bit sequence number at the start of the file
 * log/published, mapped shared by the writer and by every reader's process.
 * It is a hint and never synced: recovery sets it anew.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "spool/artlog_int.h"

/* The word's file must be whole before it is mapped: a touch behind its end would kill us. */
static int make_word(int fd)
{
    char page[PUBLISHED_SIZE] = { 0 };

    if (disk_read(fd, page, 16, 0) < 0)
        return -1;
    if (disk_size(fd) == PUBLISHED_SIZE && get64(page + 8) == PUBLISHED_MAGIC)
        return 0;
    memset(page, 0, 16);
    put64(page + 8, PUBLISHED_MAGIC);
    return disk_write(fd, page, sizeof page, 0);
}

static int map_word(struct artlog *l, struct err *e)
{
    bool w = l->o.writable;
    char *path = xasprintf("%s/published", l->o.dir), magic[8];
    int fd = disk_open(path, w ? O_RDWR | O_CREAT : O_RDONLY, 0644), rc = -1;
    void *p;

    if (fd < 0)
        err_sys(e, "%s: open", path);
    else if (w && make_word(fd) != 0)
        err_sys(e, "%s: write", path);
    else if (disk_size(fd) < PUBLISHED_SIZE || disk_read(fd, magic, 8, 8) != 8 || get64(magic) != PUBLISHED_MAGIC)
        err_set(e, "%s: not a file of this log", path);
    else if ((p = mmap(NULL, PUBLISHED_SIZE, w ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
        err_sys(e, "%s: map", path);
    else {
        l->published = p;
        rc = 0;
    }
    if (fd >= 0)
        disk_close(fd);
    free(path);
    return rc;
}

struct artlog *artlog_open(const struct artlog_options *o, struct err *e)
{
    struct artlog *l = xcalloc(1, sizeof *l);

    l->o = *o;
    l->o.dir = xstrdup(o->dir);
    if (l->o.fsync_interval_us <= 0)
        l->o.fsync_interval_us = 1000000;
    l->next_seq = 1;
    lock_init(&l->lock, "artlog.segments");
    if (o->writable && disk_mkdirs(o->dir, 0755) != 0)
        err_sys(e, "log %s: make directory", o->dir);
    else if (map_word(l, e) == 0 && segment_scan(l, e) == 0)
        return l;
    artlog_close(&l);
    return NULL;
}

void artlog_close(struct artlog **lp)
{
    struct artlog *l = *lp;

    if (l == NULL)
        return;
    if (l->cur != NULL) {
        /* what is ahead of the end goes, and what a failed cut has left; what was promised
         * under "interval" or "never" is on its way at least */
        if (l->cut_due || write_ahead(l))
            (void)disk_truncate(l->cur->fd, l->end);
        if (l->cut_due || l->dirty)
            (void)disk_sync(l->cur->fd);
        segment_put(l->cur);
    }
    if (l->published != NULL)
        munmap((void *)l->published, PUBLISHED_SIZE);
    segments_free(l);
    lock_fini(&l->lock);
    buf_fini(&l->heads);
    free(l->iov);
    free((char *)(uintptr_t)l->o.dir);
    free(l);
    *lp = NULL;
}

void artlog_on_segment(struct artlog *l, artlog_snapshot_fn *fn, void *arg)
{
    l->snapshot = fn;
    l->snapshot_arg = arg;
}

uint64_t artlog_next_seq(const struct artlog *l)
{
    return l->next_seq;
}

void artlog_end(struct artlog *l, struct log_pos *pos)
{
    if (l->cur == NULL || l->fresh_segment)
        *pos = (struct log_pos){ .segment = write_next_number(l), .offset = 0 };
    else
        *pos = (struct log_pos){ .segment = l->cur->number, .offset = l->end };
}

uint64_t artlog_cut(const struct artlog *l)
{
    return l->cut_bytes;
}

void artlog_publish(struct artlog *l, uint64_t seq)
{
    atomic_store_explicit(l->published, htole64(seq), memory_order_release);
}

uint64_t artlog_published(const struct artlog *l)
{
    return le64toh(atomic_load_explicit(l->published, memory_order_acquire));
}
