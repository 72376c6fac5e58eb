/* pull_state.c - how far each group of a server was pulled.  See pull_state.h.
 *
 * The file is written whole, under another name, and then put in the old one's
 * place (disk_replace).
 *
 *      0  magic "FrgPulls"       8
 *      8  major, minor           2 + 2
 *     12  checksum (CRC-32C of all that follows)   4
 *     16  run                    8
 *     24  number of groups       4, spare 4
 *     32  groups                 26 and the name each: last 8, low 8, high 8, octets of the name 2, name
 */
#include "feeder/pull_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "feeder/pull_line.h"
#include "lib/buf.h"
#include "lib/bytes.h"
#include "lib/crc32c.h"
#include "lib/disk.h"
#include "lib/mem.h"

enum {
    HEAD_SIZE = 32,
    MARK_SIZE = 26,
    MAJOR     = 1,

    AT_MAJOR = 8, AT_SUM = 12, AT_RUN = 16, AT_COUNT = 24,
};
#define FILE_MOST ((size_t)1 << 30)

static const char magic[8] = { 'F', 'r', 'g', 'P', 'u', 'l', 'l', 's' };

/* Take the marks out of what stands in the file behind its head; false: it is not whole. */
static bool unpack_marks(struct pull_state *s, struct span bytes, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct pull_mark *m;
        size_t n = bytes.n >= MARK_SIZE ? get16(bytes.p + 24) : 0;

        if (n == 0 || n > PULL_NAME_MOST || bytes.n < MARK_SIZE + n)
            return false;
        m = pull_state_get(s, (struct span){ bytes.p + MARK_SIZE, n });
        *m = (struct pull_mark){ get64(bytes.p), get64(bytes.p + 8), get64(bytes.p + 16) };
        bytes = span_from(bytes, MARK_SIZE + n);
    }
    return bytes.n == 0;
}

static bool unpack(struct pull_state *s, struct span file)
{
    if (file.n < HEAD_SIZE || memcmp(file.p, magic, sizeof magic) != 0 || get16(file.p + AT_MAJOR) != MAJOR ||
        get32(file.p + AT_SUM) != crc32c(0, file.p + AT_RUN, file.n - AT_RUN))
        return false;
    s->run_us = (int64_t)get64(file.p + AT_RUN);
    return unpack_marks(s, span_from(file, HEAD_SIZE), get32(file.p + AT_COUNT));
}

static void forget(struct pull_state *s)
{
    struct span name;
    size_t at = 0;
    void *mark;

    while (map_next(s->marks, &at, &name, &mark))
        free(mark);
    map_free(&s->marks);
}

/* A damaged state is kept for whoever wants to know why. */
static enum pull_found begin_anew(struct pull_state *s, const char *bytes, size_t n, struct err *e)
{
    char *aside = xasprintf("%s.damaged", s->path);
    int rc = disk_replace(aside, bytes, n, 0644);

    free(aside);
    forget(s);
    s->marks = map_new();
    s->run_us = 0;
    if (rc != 0) {
        err_sys(e, "%s: it is damaged, and cannot be kept aside", s->path);
        return PULL_FAILED;
    }
    err_set(e, "%s: damaged", s->path);
    return PULL_DAMAGED;
}

enum pull_found pull_state_open(struct pull_state *s, const char *dir, const char *name, struct err *e)
{
    enum pull_found found = PULL_LOADED;
    char *bytes;
    size_t n;

    *s = (struct pull_state){ .path = xasprintf("%s/%s.pull", dir, name), .marks = map_new() };
    if (disk_mkdirs(dir, 0755) != 0) {
        err_sys(e, "%s", dir);
        return PULL_FAILED;
    }
    if ((bytes = disk_slurp(s->path, FILE_MOST, &n)) == NULL) {
        if (errno == ENOENT)
            return PULL_NONE;
        err_sys(e, "%s: read", s->path);
        return PULL_FAILED;
    }
    if (!unpack(s, (struct span){ bytes, n }))
        found = begin_anew(s, bytes, n, e);
    s->dirty = false;
    free(bytes);
    return found;
}

void pull_state_close(struct pull_state *s)
{
    if (s->marks != NULL)
        forget(s);
    free(s->path);
    *s = (struct pull_state){ 0 };
}

struct pull_mark *pull_state_find(struct pull_state *s, struct span group)
{
    return map_get(s->marks, group);
}

struct pull_mark *pull_state_get(struct pull_state *s, struct span group)
{
    struct pull_mark *m = map_get(s->marks, group);

    if (m == NULL) {
        m = xcalloc(1, sizeof *m);
        map_put(s->marks, group, m);
        s->dirty = true;
    }
    return m;
}

static void pack(const struct pull_state *s, struct buf *out)
{
    char head[HEAD_SIZE] = { 0 };
    struct span name;
    size_t at = 0;
    void *v;

    memcpy(head, magic, sizeof magic);
    put16(head + AT_MAJOR, MAJOR);
    put64(head + AT_RUN, (uint64_t)s->run_us);
    put32(head + AT_COUNT, (uint32_t)map_count(s->marks));
    buf_add(out, head, HEAD_SIZE);
    while (map_next(s->marks, &at, &name, &v)) {
        const struct pull_mark *m = v;
        char mark[MARK_SIZE];

        put64(mark, m->last);
        put64(mark + 8, m->low);
        put64(mark + 16, m->high);
        put16(mark + 24, (uint16_t)name.n);
        buf_add(out, mark, MARK_SIZE);
        buf_add_span(out, name);
    }
    put32(buf_data(out) + AT_SUM, crc32c(0, buf_data(out) + AT_RUN, buf_len(out) - AT_RUN));
}

int pull_state_save(struct pull_state *s, struct err *e)
{
    struct buf out = { 0 };
    int rc;

    pack(s, &out);
    rc = disk_replace(s->path, buf_data(&out), buf_len(&out), 0644);
    buf_fini(&out);
    if (rc != 0)
        return err_sys(e, "%s: write", s->path);
    s->dirty = false;
    return 0;
}
