/* state.c - the files in which the feeder keeps how far it is: whatever stands in them is taken or
 * kept aside, what was taken comes out again as it went in, and with what was damaged a new file begins.
 *
 * The first octet chooses: 'c' a peer's cursor, else the marks of a server that is pulled from;
 * a capital: the sums are made right first.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feeder/cursor.h"
#include "feeder/pull_state.h"
#include "lib/buf.h"
#include "lib/bytes.h"
#include "lib/crc32c.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "tests/kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static void quick_disk(void)
{
    static struct disk_ops quick;

    if (quick.fsync != NULL)
        return;
    quick = *disk_table();
    quick.fdatasync = quick.fsync = no_sync;
    disk_use(&quick);
}

static void write_file(const char *path, const char *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    need(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    close(fd);
}

/* ---- a peer's cursor ---- */

static void mend_cursor(char *p, size_t n)
{
    size_t count;

    if (n < 40)
        return;
    memcpy(p, "FrgCursr\1", 9);
    p[9] = 0;
    count = get32(p + 32) % 5;
    if (40 + 20 * count > n)
        count = 0;
    put32(p + 32, (uint32_t)count);
    put32(p + 12, crc32c(0, p + 16, 24 + 20 * count));
}

static void check_cursor(struct cursor *c, const char *dir)
{
    struct cursor again;
    struct err e;

    need(c->n_exc <= EXCEPTIONS_MOST);
    need(cursor_save(c, &e) == 0);
    need(cursor_open(&again, dir, "peer", &e) == CURSOR_LOADED);
    /* behind the highest generation comes 0: the other half is then the newer one */
    if (c->generation != 0) {
        need(again.generation == c->generation && again.next == c->next && again.n_exc == c->n_exc);
        for (size_t i = 0; i < c->n_exc; i++)
            need(again.exc[i].seq == c->exc[i].seq && again.exc[i].due_us == c->exc[i].due_us);
    }
    cursor_close(&again);
    if (c->n_exc > 0)
        cursor_settle(c, c->exc[c->n_exc / 2].seq);
    cursor_move(c, c->next / 2);
}

static void one_cursor(char *p, size_t n, bool mended)
{
    const char *dir = kit_path("cursor");
    struct cursor c;
    struct err e;

    if (mended)
        mend_cursor(p, n);
    need(disk_mkdirs(dir, 0755) == 0);
    write_file(kit_path("cursor/peer.state"), p, n);
    switch (cursor_open(&c, dir, "peer", &e)) {
    case CURSOR_LOADED:
        check_cursor(&c, dir);
        break;
    case CURSOR_DAMAGED:
        need(cursor_begin(&c, 7, &e) == 0 && c.next == 7 && c.n_exc == 0);
        check_cursor(&c, dir);
        break;
    case CURSOR_NONE:
    case CURSOR_FAILED:
        bug("the file is there");
    }
    cursor_close(&c);
}

/* ---- marks ---- */

static void mend_marks(char *p, size_t n)
{
    if (n < 32)
        return;
    memcpy(p, "FrgPulls\1", 9);
    p[9] = 0;
    put32(p + 12, crc32c(0, p + 16, n - 16));
}

static void one_pull(char *p, size_t n, bool mended)
{
    const char *dir = kit_path("pull");
    struct pull_state s, again;
    enum pull_found found;
    struct span name;
    size_t at = 0;
    struct err e;
    void *mark;

    if (mended)
        mend_marks(p, n);
    need(disk_mkdirs(dir, 0755) == 0);
    write_file(kit_path("pull/peer.pull"), p, n);
    found = pull_state_open(&s, dir, "peer", &e);
    need(found == PULL_LOADED || (found == PULL_DAMAGED && map_count(s.marks) == 0));
    pull_state_get(&s, SPAN("misc.test"))->last = 5;
    need(pull_state_save(&s, &e) == 0);
    need(pull_state_open(&again, dir, "peer", &e) == PULL_LOADED);
    need(map_count(again.marks) == map_count(s.marks) && again.run_us == s.run_us);
    while (map_next(s.marks, &at, &name, &mark)) {
        const struct pull_mark *m = mark, *o = pull_state_find(&again, name);

        need(o != NULL && o->last == m->last && o->low == m->low && o->high == m->high);
    }
    pull_state_close(&s);
    pull_state_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy;

    if (size == 0)
        return 0;
    quick_disk();
    copy = xmalloc(size);
    memcpy(copy, data + 1, size - 1);
    if (data[0] == 'c' || data[0] == 'C')
        one_cursor(copy, size - 1, data[0] == 'C');
    else
        one_pull(copy, size - 1, data[0] >= 'A' && data[0] <= 'Z');
    free(copy);
    return 0;
}
