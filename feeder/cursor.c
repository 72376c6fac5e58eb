/* cursor.c - where a peer stands, durably.  See cursor.h.
 *
 * The file holds two slots of SLOT_SIZE octets each.  Generation g is written to
 * slot g % 2, so the newest good slot is never the one being written, and no
 * block of the disk holds pieces of both.  A file appears whole (written under
 * another name), so one without a good slot was damaged, not begun.
 *
 *     slot   0  magic "FrgCursr"       8
 *            8  major, minor           2 + 2
 *           12  checksum (CRC-32C of all that follows)   4
 *           16  generation             8
 *           24  next                   8
 *           32  number of exceptions   4, spare 4
 *           40  exceptions             20 each: seq 8, due 8, tries 4
 */
#include "feeder/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/crc32c.h"
#include "lib/disk.h"
#include "lib/mem.h"

enum {
    HEAD_SIZE = 40,
    EXC_SIZE  = 20,
    MAJOR     = 1,

    AT_MAJOR = 8, AT_SUM = 12, AT_GENERATION = 16, AT_NEXT = 24, AT_COUNT = 32,
};
#define SLOT_SIZE ((size_t)(HEAD_SIZE + EXC_SIZE * EXCEPTIONS_MOST + 4095) / 4096 * 4096)

static const char magic[8] = { 'F', 'r', 'g', 'C', 'u', 'r', 's', 'r' };

static size_t pack(const struct cursor *c, char *slot)
{
    size_t n = HEAD_SIZE + EXC_SIZE * c->n_exc;

    memset(slot, 0, HEAD_SIZE);
    memcpy(slot, magic, sizeof magic);
    put16(slot + AT_MAJOR, MAJOR);
    put64(slot + AT_GENERATION, c->generation);
    put64(slot + AT_NEXT, c->next);
    put32(slot + AT_COUNT, (uint32_t)c->n_exc);
    for (size_t i = 0; i < c->n_exc; i++) {
        char *p = slot + HEAD_SIZE + EXC_SIZE * i;

        put64(p, c->exc[i].seq);
        put64(p + 8, (uint64_t)c->exc[i].due_us);
        put32(p + 16, c->exc[i].tries);
    }
    put32(slot + AT_SUM, crc32c(0, slot + AT_GENERATION, n - AT_GENERATION));
    return n;
}

/* Does the slot hold a whole state?  Its generation is told. */
static bool is_whole(const char *slot, size_t n, uint64_t *generation)
{
    uint64_t count;

    if (n < HEAD_SIZE || memcmp(slot, magic, sizeof magic) != 0 || get16(slot + AT_MAJOR) != MAJOR)
        return false;
    count = get32(slot + AT_COUNT);
    if (count > EXCEPTIONS_MOST || HEAD_SIZE + EXC_SIZE * count > n)
        return false;
    *generation = get64(slot + AT_GENERATION);
    return get32(slot + AT_SUM) ==
           crc32c(0, slot + AT_GENERATION, HEAD_SIZE - AT_GENERATION + EXC_SIZE * count);
}

static void unpack(struct cursor *c, const char *slot)
{
    c->generation = get64(slot + AT_GENERATION);
    c->next = get64(slot + AT_NEXT);
    c->n_exc = c->cap_exc = get32(slot + AT_COUNT);
    c->exc = xcalloc(c->n_exc + 1, sizeof *c->exc);
    for (size_t i = 0; i < c->n_exc; i++) {
        const char *p = slot + HEAD_SIZE + EXC_SIZE * i;

        c->exc[i].seq = get64(p);
        c->exc[i].due_us = (int64_t)get64(p + 8);
        c->exc[i].tries = get32(p + 16);
    }
}

/* Take the newer of the two slots. */
static enum cursor_found load(struct cursor *c, struct err *e)
{
    char *bytes = xmalloc(2 * SLOT_SIZE), *take = NULL;
    ssize_t n = disk_read(c->fd, bytes, 2 * SLOT_SIZE, 0);
    uint64_t best = 0, generation;

    if (n < 0) {
        err_sys(e, "%s: read", c->path);
        free(bytes);
        return CURSOR_FAILED;
    }
    for (size_t at = 0; at < (size_t)n; at += SLOT_SIZE) {
        size_t left = (size_t)n - at < SLOT_SIZE ? (size_t)n - at : SLOT_SIZE;

        if (is_whole(bytes + at, left, &generation) && (take == NULL || generation > best)) {
            take = bytes + at;
            best = generation;
        }
    }
    if (take != NULL)
        unpack(c, take);
    else
        err_set(e, "%s: damaged in both its halves", c->path);
    free(bytes);
    return take != NULL ? CURSOR_LOADED : CURSOR_DAMAGED;
}

enum cursor_found cursor_open(struct cursor *c, const char *dir, const char *name, struct err *e)
{
    enum cursor_found found;

    *c = (struct cursor){ .fd = -1, .path = xasprintf("%s/%s.state", dir, name) };
    if (disk_mkdirs(dir, 0755) != 0) {
        err_sys(e, "%s", dir);
        return CURSOR_FAILED;
    }
    if ((c->fd = disk_open(c->path, O_RDWR, 0)) < 0) {
        if (errno == ENOENT)
            return CURSOR_NONE;
        err_sys(e, "%s: open", c->path);
        return CURSOR_FAILED;
    }
    found = load(c, e);
    if (found != CURSOR_LOADED) {
        disk_close(c->fd);
        c->fd = -1;
    }
    return found;
}

void cursor_close(struct cursor *c)
{
    if (c->fd >= 0)
        disk_close(c->fd);
    free(c->path);
    free(c->exc);
    *c = (struct cursor){ .fd = -1 };
}

/* A damaged state is kept for whoever wants to know why. */
static int keep_aside(const char *path)
{
    size_t n = 0;
    char *bytes = disk_slurp(path, 2 * SLOT_SIZE, &n), *aside;
    int rc;

    if (bytes == NULL)
        return errno == ENOENT ? 0 : -1;
    aside = xasprintf("%s.damaged", path);
    rc = disk_replace(aside, bytes, n, 0644);
    free(aside);
    free(bytes);
    return rc;
}

int cursor_begin(struct cursor *c, uint64_t next, struct err *e)
{
    char *file = xcalloc(1, SLOT_SIZE + HEAD_SIZE);
    int rc = 0;

    need(c->fd < 0);
    c->generation = 1;
    c->next = next;
    c->n_exc = 0;
    c->dirty = false;
    pack(c, file + SLOT_SIZE);
    if (keep_aside(c->path) != 0 || disk_replace(c->path, file, SLOT_SIZE + HEAD_SIZE, 0644) != 0)
        rc = err_sys(e, "%s: write", c->path);
    else if ((c->fd = disk_open(c->path, O_RDWR, 0)) < 0)
        rc = err_sys(e, "%s: open", c->path);
    free(file);
    return rc;
}

int cursor_save(struct cursor *c, struct err *e)
{
    static char slot[SLOT_SIZE];
    size_t n;

    c->generation++;
    n = pack(c, slot);
    if (disk_write(c->fd, slot, n, c->generation % 2 * SLOT_SIZE) != 0 || disk_sync(c->fd) != 0) {
        c->generation--;                   /* the next try goes to the same slot: the good one stays */
        return err_sys(e, "%s: write", c->path);
    }
    c->dirty = false;
    return 0;
}

struct exception *cursor_find(struct cursor *c, uint64_t seq)
{
    for (size_t i = 0; i < c->n_exc; i++)
        if (c->exc[i].seq == seq)
            return &c->exc[i];
    return NULL;
}

bool cursor_defer(struct cursor *c, const struct exception *x)
{
    struct exception *to = cursor_find(c, x->seq);

    if (to == NULL) {
        if (c->n_exc == EXCEPTIONS_MOST)
            return false;
        if (c->n_exc >= c->cap_exc) {
            c->cap_exc = c->cap_exc * 2 + 16;
            c->exc = xrealloc(c->exc, c->cap_exc * sizeof *c->exc);
        }
        to = &c->exc[c->n_exc++];
    }
    *to = *x;
    c->dirty = true;
    return true;
}

void cursor_settle(struct cursor *c, uint64_t seq)
{
    struct exception *x = cursor_find(c, seq);

    if (x == NULL)
        return;
    memmove(x, x + 1, (size_t)(c->exc + c->n_exc - x - 1) * sizeof *x);
    c->n_exc--;
    c->dirty = true;
}

void cursor_move(struct cursor *c, uint64_t next)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->n_exc; i++)
        if (c->exc[i].seq < next)
            c->exc[kept++] = c->exc[i];
    c->n_exc = kept;
    c->next = next;
    c->dirty = true;
}
