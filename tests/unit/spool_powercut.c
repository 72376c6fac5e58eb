/* spool_powercut.c - the log when the power goes: only what was synced is sure. */
#include "tests/unit/faildisk.h"

/* Of each file only what was synced is sure; of what was written since, any part may be there,
 * with holes; a new name is sure when its directory was synced. */
static struct {
    struct disk_file {
        char path[400], was[400];
        uint64_t durable;                        /* the size at the last sync  */
        bool name_durable;
        struct { uint64_t at, n; } unsynced[40]; /* what was written since     */
        int n_unsynced;
    } file[64];
    int n;
    bool off;
} power;

static struct disk_file *file_of(int fd)
{
    char link[40], path[400];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    assert_true(n > 0);
    path[n] = '\0';
    for (int i = 0; i < power.n; i++)
        if (strcmp(power.file[i].path, path) == 0)
            return &power.file[i];
    assert_true(power.n < 64);
    power.file[power.n] = (struct disk_file){ .durable = 0 };
    snprintf(power.file[power.n].path, sizeof power.file[0].path, "%s", path);
    return &power.file[power.n++];
}

/* Is this the call at which the power goes?  Then nothing happens any more. */
static bool cut_now(void)
{
    power.off |= ++disk.calls == disk.fail_at;
    errno = EIO;
    return power.off;
}

static int cut_open(const char *path, int flags, mode_t mode)
{
    return (flags & O_CREAT) && cut_now() ? -1 : disk.real->open(path, flags, mode);
}

static ssize_t cut_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    struct iovec part = v[0];
    struct disk_file *f;
    ssize_t wrote;

    if (cut_now() && disk.calls != disk.fail_at)
        return -1;
    part.iov_len = kit_random() % (part.iov_len + 1);
    wrote = power.off ? disk.real->pwritev(fd, &part, 1, at) : disk.real->pwritev(fd, v, n, at);
    f = file_of(fd);
    assert_true(f->n_unsynced < 40);
    f->unsynced[f->n_unsynced].at = (uint64_t)at;
    f->unsynced[f->n_unsynced++].n = (uint64_t)wrote;
    return power.off ? -1 : wrote;
}

static int cut_fdatasync(int fd)
{
    if (cut_now())
        return -1;
    file_of(fd)->durable = (uint64_t)disk_size(fd);
    file_of(fd)->n_unsynced = 0;
    return 0;
}

static int cut_fsync(int fd)
{
    (void)fd;
    if (cut_now())
        return -1;
    for (int i = 0; i < power.n; i++)
        power.file[i].name_durable = true;
    return 0;
}

static int cut_rename(const char *from, const char *to)
{
    if (cut_now())
        return -1;
    for (int i = 0; i < power.n; i++)
        if (strcmp(power.file[i].path, from) == 0) {
            snprintf(power.file[i].was, sizeof power.file[i].was, "%s", from);
            snprintf(power.file[i].path, sizeof power.file[i].path, "%s", to);
        }
    return disk.real->rename(from, to);
}

static int cut_ftruncate(int fd, off_t size)
{
    return cut_now() ? -1 : disk.real->ftruncate(fd, size);
}

static int cut_fallocate(int fd, int mode, off_t at, off_t len)
{
    return cut_now() ? -1 : disk.real->fallocate(fd, mode, at, len);
}

/* Of an unsynced write all is there, or nothing, or some of its sectors. */
static void lose_sectors(const struct disk_file *f, uint64_t at, uint64_t n)
{
    char zeros[512] = { 0 };
    uint64_t how = kit_random() % 4, size = kit_file_size(f->path);

    for (uint64_t p = at; how > 0 && p < at + n && p < size; p = (p / 512 + 1) * 512) {
        uint64_t end = (p / 512 + 1) * 512;

        end = end < at + n ? end : at + n;
        if (how == 1 || kit_random() % 2)
            poke(f->path, p, zeros, (end < size ? end : size) - p);
    }
}

/* What the disk has when the power is back. */
static void power_back(void)
{
    disk_use(&quick);
    for (int i = 0; i < power.n; i++) {
        struct disk_file *f = &power.file[i];
        uint64_t size = access(f->path, F_OK) == 0 ? kit_file_size(f->path) : 0;

        if (size > f->durable)
            assert_int_equal(truncate(f->path, (off_t)(f->durable + kit_random() % (size - f->durable + 1))), 0);
        for (int k = 0; k < f->n_unsynced && size > 0; k++)
            lose_sectors(f, f->unsynced[k].at, f->unsynced[k].n);
        if (!f->name_durable && f->was[0] != '\0' && size > 0 && kit_random() % 2)
            assert_int_equal(rename(f->path, f->was), 0);
    }
}

/* With "never" nothing was promised, but the log must open, and hold a beginning of what was written. */
static void a_beginning_is_there(const char *dir, long n)
{
    struct artlog *l = kit_log(dir, 5000, true);
    struct kit_told t;
    struct err e = { 0 };

    if (kit_recover(l, 0, nowhere, &t, &e) < 0)
        fail_msg("call %ld: %s", n, e.text);
    assert_true(t.articles == 0 || t.last_tag == t.articles + t.gone);
    artlog_close(&l);
}

static void power_cuts(enum artlog_fsync how)
{
    for (int round = 0; round < 3; round++)
        for (long n = 1;; n++) {
            char *dir = xstrdup(kit_path("power%d%d-%ld", how, round, n));
            struct artlog_options o = { .dir = dir, .segment_bytes = 5000, .fsync = how, .writable = true };
            struct feed f = { 0 };
            struct kit_told t;
            struct err e = { 0 };
            struct artlog *l;

            disk_begin(n, 0);
            power.n = 0;
            power.off = false;
            disk.ops = (struct disk_ops){ .open = cut_open, .close = disk.real->close, .pread = disk.real->pread,
                .pwritev = cut_pwritev, .fdatasync = cut_fdatasync, .fsync = cut_fsync, .ftruncate = cut_ftruncate,
                .fallocate = cut_fallocate, .rename = cut_rename, .unlink = disk.real->unlink };
            if ((l = artlog_open(&o, &e)) != NULL && kit_recover(l, 0, nowhere, &t, &e) >= 0)
                feed(l, &f);
            power_back();
            if (how == FSYNC_ALWAYS)
                all_stored(dir, &f, false, n);
            else
                a_beginning_is_there(dir, n);
            if (l != NULL) {
                disk_use(&disk.ops);             /* its closing must not touch what is there now */
                power.off = true;
                artlog_close(&l);
                disk_use(&quick);
            }
            free(dir);
            if (disk.calls < n)
                break;
        }
}

static void a_power_cut_at_any_call_keeps_what_was_promised(void **state)
{
    (void)state;
    power_cuts(FSYNC_ALWAYS);
}

static void a_power_cut_tears_the_last_segment_alone_even_without_syncs(void **state)
{
    (void)state;
    power_cuts(FSYNC_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_at_any_call_keeps_what_was_promised),
        cmocka_unit_test(a_power_cut_tears_the_last_segment_alone_even_without_syncs),
    };

    quick_disk();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
