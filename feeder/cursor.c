/* cursor.c - where a peer stands, durably.  See cursor.h.
 *
 * The file holds two slots of SLOT_SIZE octets each.  Generation g is written to
 * slot g % 2, so the newest good slot is never the one being written.
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

#include "lib/crc32c.h"
#include "lib/disk.h"
#include "lib/mem.h"

#define HEAD_SIZE 40
#define EXC_SIZE  20
#define SLOT_SIZE (HEAD_SIZE + EXC_SIZE * EXCEPTIONS_MOST)
#define MAJOR     1

static const char magic[8] = { 'F', 'r', 'g', 'C', 'u', 'r', 's', 'r' };

static void put_le(uint8_t *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++, v >>= 8)
        p[i] = (uint8_t)v;
}

static uint64_t get_le(const uint8_t *p, int n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

static size_t pack(const struct cursor *c, uint8_t *slot)
{
    size_t n = HEAD_SIZE + EXC_SIZE * c->n_exc;

    memset(slot, 0, HEAD_SIZE);
    memcpy(slot, magic, sizeof magic);
    put_le(slot + 8, MAJOR, 2);
    put_le(slot + 16, c->generation, 8);
    put_le(slot + 24, c->next, 8);
    put_le(slot + 32, c->n_exc, 4);
    for (size_t i = 0; i < c->n_exc; i++) {
        uint8_t *p = slot + HEAD_SIZE + EXC_SIZE * i;

        put_le(p, c->exc[i].seq, 8);
        put_le(p + 8, (uint64_t)c->exc[i].due_us, 8);
        put_le(p + 16, c->exc[i].tries, 4);
    }
    put_le(slot + 12, crc32c(0, slot + 16, n - 16), 4);
    return n;
}

/* Read a slot; false when it holds no whole state. */
static bool unpack(struct cursor *c, const uint8_t *slot, size_t n)
{
    uint64_t count;

    if (n < HEAD_SIZE || memcmp(slot, magic, sizeof magic) != 0 || get_le(slot + 8, 2) != MAJOR)
        return false;
    count = get_le(slot + 32, 4);
    if (count > EXCEPTIONS_MOST || HEAD_SIZE + EXC_SIZE * count > n)
        return false;
    if (get_le(slot + 12, 4) != crc32c(0, slot + 16, HEAD_SIZE - 16 + EXC_SIZE * count))
        return false;
    c->generation = get_le(slot + 16, 8);
    c->next = get_le(slot + 24, 8);
    c->n_exc = c->cap_exc = count;
    c->exc = xcalloc(count, sizeof *c->exc);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *p = slot + HEAD_SIZE + EXC_SIZE * i;

        c->exc[i] = (struct exception){ get_le(p, 8), (int64_t)get_le(p + 8, 8), (uint32_t)get_le(p + 16, 4) };
    }
    return true;
}

/* Take the newer of the two slots.  1 found, 0 the file is empty, -1 damaged. */
static int load(struct cursor *c, struct err *e)
{
    uint8_t *bytes = xmalloc(2 * SLOT_SIZE);
    ssize_t n = disk_read(c->fd, bytes, 2 * SLOT_SIZE, 0);
    struct cursor slot[2] = { { 0 } };
    bool good[2];
    int rc = 1, take;

    if (n < 0) {
        free(bytes);
        return err_sys(e, "%s", c->path);
    }
    for (int i = 0; i < 2; i++) {
        size_t left = (size_t)n > (size_t)i * SLOT_SIZE ? (size_t)n - (size_t)i * SLOT_SIZE : 0;

        good[i] = unpack(&slot[i], bytes + (size_t)i * SLOT_SIZE, left < SLOT_SIZE ? left : SLOT_SIZE);
    }
    take = good[1] && (!good[0] || slot[1].generation > slot[0].generation);
    if (!good[take]) {
        /* a first save that was torn: nothing was ever promised by this file */
        rc = n <= SLOT_SIZE + HEAD_SIZE ? 0 : err_set(e, "%s: damaged in both its halves", c->path);
    } else {
        c->generation = slot[take].generation;
        c->next = slot[take].next;
        c->exc = slot[take].exc;
        c->n_exc = c->cap_exc = slot[take].n_exc;
        slot[take].exc = NULL;
    }
    free(slot[0].exc);
    free(slot[1].exc);
    free(bytes);
    return rc;
}

int cursor_open(struct cursor *c, const char *dir, const char *name, uint64_t start, bool *fresh, struct err *e)
{
    int rc;

    *c = (struct cursor){ .next = start, .fd = -1, .path = xasprintf("%s/%s.state", dir, name) };
    *fresh = true;
    if (disk_mkdirs(dir, 0755) != 0 || (c->fd = disk_open(c->path, O_RDWR | O_CREAT, 0644)) < 0) {
        err_sys(e, "%s", c->path);
        cursor_close(c);
        return -1;
    }
    if ((rc = load(c, e)) < 0) {
        cursor_close(c);
        return -1;
    }
    *fresh = rc == 0;
    if (*fresh) {
        c->dirty = true;
        if (disk_sync_dir(dir) != 0 || cursor_save(c, e) != 0) {
            err_sys(e, "%s", c->path);
            cursor_close(c);
            return -1;
        }
    }
    return 0;
}

void cursor_close(struct cursor *c)
{
    if (c->fd >= 0)
        disk_close(c->fd);
    free(c->path);
    free(c->exc);
    *c = (struct cursor){ .fd = -1 };
}

int cursor_save(struct cursor *c, struct err *e)
{
    static uint8_t slot[SLOT_SIZE];
    size_t n;

    c->generation++;
    n = pack(c, slot);
    if (disk_write(c->fd, slot, n, c->generation % 2 * SLOT_SIZE) != 0 || disk_sync(c->fd) != 0) {
        c->generation--;                   /* the next try goes to the same slot: the good one stays */
        return err_sys(e, "%s", c->path);
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

bool cursor_defer(struct cursor *c, uint64_t seq, int64_t due_us, uint32_t tries)
{
    struct exception *x = cursor_find(c, seq);

    if (x == NULL) {
        if (c->n_exc == EXCEPTIONS_MOST)
            return false;
        if (c->n_exc == c->cap_exc) {
            c->cap_exc = c->cap_exc * 2 + 16;
            c->exc = xrealloc(c->exc, c->cap_exc * sizeof *c->exc);
        }
        x = &c->exc[c->n_exc++];
    }
    *x = (struct exception){ seq, due_us, tries };
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
