/* bdb_route.c - Berkeley DB's files on the disk of lib/disk.h.  See bdb_route.h. */
#include "lib/bdb_route.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/bdb_int.h"
#include "lib/disk.h"

/* Berkeley DB's way to open a file.  It never syncs a directory; without that
 * a power cut may take a log file away whose bytes were synced. */
int bdb_hook_open(const char *path, int flags, ...)
{
    int saved, fd = disk_open(path, flags & ~(O_CREAT | O_EXCL), 0);
    char *slash, dir[1024];

    if (fd >= 0 && (flags & O_CREAT) && (flags & O_EXCL)) {
        (void)disk_close(fd);
        errno = EEXIST;
        return -1;
    }
    if (fd >= 0 || errno != ENOENT || !(flags & O_CREAT))
        return fd;
    if ((fd = disk_open(path, flags, 0600)) < 0)
        return -1;
    snprintf(dir, sizeof dir, "%s", path);
    if ((slash = strrchr(dir, '/')) != NULL && (*slash = '\0', disk_sync_dir(dir)) != 0) {
        saved = errno;
        (void)disk_close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static ssize_t route_pwrite(int fd, const void *p, size_t n, off_t at)
{
    return disk_write(fd, p, n, (uint64_t)at) == 0 ? (ssize_t)n : -1;
}

static ssize_t route_pread(int fd, void *p, size_t n, off_t at)
{
    return disk_table()->pread(fd, p, n, at);
}

/* The log is written at the descriptor's position, which the table does not know. */
static ssize_t route_write(int fd, const void *p, size_t n)
{
    off_t at = lseek(fd, 0, SEEK_CUR);

    if (at < 0 || route_pwrite(fd, p, n, at) < 0)
        return -1;
    return lseek(fd, at + (off_t)n, SEEK_SET) < 0 ? -1 : (ssize_t)n;
}

static int route_close(int fd)                             { return disk_table()->close(fd); }
/* Of a routed sync Berkeley DB takes the result itself for the error number. */
static int route_fsync(int fd)                             { return disk_sync(fd) == 0 ? 0 : errno; }
static int route_ftruncate(int fd, off_t size)             { return disk_table()->ftruncate(fd, size); }
static int route_rename(const char *from, const char *to)  { return disk_table()->rename(from, to); }
static int route_unlink(const char *path)                  { return disk_table()->unlink(path); }

/* Not read: Berkeley DB takes a routed read that meets the end of the file for
 * a failure.  It reads log files so, and only those. */
void bdb_route(void)
{
    db_env_set_func_close(route_close);
    db_env_set_func_fsync(route_fsync);
    db_env_set_func_ftruncate(route_ftruncate);
    db_env_set_func_pread(route_pread);
    db_env_set_func_pwrite(route_pwrite);
    db_env_set_func_write(route_write);
    db_env_set_func_rename(route_rename);
    db_env_set_func_unlink(route_unlink);
}
