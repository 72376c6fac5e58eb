/* disk.c - every touch of a file that must survive goes through one table.  See disk.h. */
#include "lib/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int real_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

static int real_fallocate(int fd, int mode, off_t at, off_t len)
{
    return fallocate(fd, mode, at, len);
}

static int real_rename(const char *from, const char *to)
{
    return rename(from, to);
}

static ssize_t real_pread_now(int fd, void *p, size_t n, off_t at)
{
    struct iovec v = { p, n };

    return preadv2(fd, &v, 1, at, RWF_NOWAIT);
}

static const struct disk_ops real = {
    .open = real_open, .close = close, .pread = pread, .pread_now = real_pread_now, .pwritev = pwritev, .fdatasync = fdatasync,
    .fsync = fsync, .ftruncate = ftruncate, .fallocate = real_fallocate, .rename = real_rename, .unlink = unlink,
};
static const struct disk_ops *ops = &real;

void disk_use(const struct disk_ops *o)
{
    ops = o != NULL ? o : &real;
}

const struct disk_ops *disk_table(void)
{
    return ops;
}

static _Thread_local bool hurried, missed;

void disk_hurry(void)
{
    hurried = true;
    missed = false;
}

bool disk_hurry_end(void)
{
    hurried = false;
    return missed;
}

bool disk_hurried(void)
{
    return hurried;
}

int disk_miss(void)
{
    missed = true;
    errno = EAGAIN;
    return -1;
}

int disk_open(const char *path, int flags, mode_t mode)
{
    int fd;

    if (hurried)
        return disk_miss();
    while ((fd = ops->open(path, flags | O_CLOEXEC, mode)) < 0 && errno == EINTR)
        ;
    return fd;
}

int disk_close(int fd)
{
    return ops->close(fd);
}

/* Not every file system can tell what is in memory: there who hurries waits. */
static ssize_t read_some(int fd, char *p, size_t n, uint64_t at)
{
    ssize_t r;

    if (hurried && ((r = disk_read_now(fd, p, n, at)) >= 0 || errno != EOPNOTSUPP))
        return r;
    return ops->pread(fd, p, n, (off_t)at);
}

ssize_t disk_read(int fd, void *p, size_t n, uint64_t at)
{
    size_t got = 0;

    while (got < n) {
        ssize_t r = read_some(fd, (char *)p + got, n - got, at + got);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return hurried && errno == EAGAIN ? disk_miss() : -1;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

ssize_t disk_read_now(int fd, void *p, size_t n, uint64_t at)
{
    return (ops->pread_now != NULL ? ops->pread_now : ops->pread)(fd, p, n, (off_t)at);
}

int disk_write(int fd, const void *p, size_t n, uint64_t at)
{
    struct iovec v = { (void *)(uintptr_t)p, n };

    return disk_writev(fd, &v, 1, at);
}

int disk_writev(int fd, struct iovec *v, int n, uint64_t at)
{
    while (n > 0) {
        ssize_t w;

        if (v->iov_len == 0) {
            v++, n--;
            continue;
        }
        w = ops->pwritev(fd, v, n < IOV_MAX ? n : IOV_MAX, (off_t)at);
        if (w < 0 && errno == EINTR)
            continue;
        if (w == 0)
            errno = EIO;            /* nothing was taken: trying on would be for ever */
        if (w <= 0)
            return -1;
        at += (uint64_t)w;
        for (size_t left = (size_t)w; left > 0;) {     /* step over what was written */
            size_t k = left < v->iov_len ? left : v->iov_len;

            v->iov_base = (char *)v->iov_base + k;
            v->iov_len -= k;
            left -= k;
            if (v->iov_len == 0)
                v++, n--;
        }
    }
    return 0;
}

int disk_sync(int fd)
{
    int rc;

    while ((rc = ops->fdatasync(fd)) < 0 && errno == EINTR)
        ;
    return rc;
}

int disk_sync_dir(const char *path)
{
    int fd = disk_open(path, O_RDONLY | O_DIRECTORY, 0), rc;

    if (fd < 0)
        return -1;
    /* fdatasync may leave a new entry out when the directory's size stays */
    while ((rc = ops->fsync(fd)) < 0 && errno == EINTR)
        ;
    disk_close(fd);
    return rc;
}

int disk_truncate(int fd, uint64_t size)
{
    return ops->ftruncate(fd, (off_t)size);
}

int disk_punch(int fd, uint64_t at, uint64_t len)
{
    return ops->fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)len);
}

int disk_rename(const char *from, const char *to)
{
    return ops->rename(from, to);
}

int disk_unlink(const char *path)
{
    return ops->unlink(path);
}

int64_t disk_size(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? (int64_t)st.st_size : -1;
}

/* The directory that holds 'path'. */
static void parent_of(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        snprintf(out, size, ".");
    else
        snprintf(out, size, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

int disk_replace(const char *path, const void *p, size_t n, mode_t mode)
{
    char tmp[PATH_MAX], dir[PATH_MAX];
    int fd, sys;

    if ((size_t)snprintf(tmp, sizeof tmp, "%s.new", path) >= sizeof tmp) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if ((fd = disk_open(tmp, O_WRONLY | O_CREAT | O_TRUNC, mode)) < 0)
        return -1;
    if (disk_write(fd, p, n, 0) != 0 || disk_sync(fd) != 0) {
        sys = errno;
        disk_close(fd);
        (void)disk_unlink(tmp);
        errno = sys;
        return -1;
    }
    disk_close(fd);
    parent_of(path, dir, sizeof dir);
    if (disk_rename(tmp, path) == 0)
        return disk_sync_dir(dir);
    sys = errno;
    (void)disk_unlink(tmp);
    errno = sys;
    return -1;
}

char *disk_slurp(const char *path, size_t most, size_t *n)
{
    int fd = disk_open(path, O_RDONLY, 0);
    int64_t size = fd >= 0 ? disk_size(fd) : -1;
    char *p = NULL;
    ssize_t got = -1;

    if (size >= 0 && (uint64_t)size > most)
        errno = EFBIG;
    else if (size >= 0 && (p = malloc((size_t)size + 1)) != NULL)
        got = disk_read(fd, p, (size_t)size, 0);
    if (fd >= 0)
        disk_close(fd);
    if (got < 0) {
        free(p);
        return NULL;
    }
    p[got] = '\0';
    *n = (size_t)got;
    return p;
}

/* A directory that was just made, and its name with it. */
static int make_dir(const char *path, mode_t mode)
{
    char dir[PATH_MAX];

    if (mkdir(path, mode) != 0)
        return errno == EEXIST ? 1 : -1;
    parent_of(path, dir, sizeof dir);
    return disk_sync_dir(dir);
}

int disk_mkdirs(const char *path, mode_t mode)
{
    char part[PATH_MAX];
    struct stat st;
    int rc;

    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t k = strlen(part); k > 1 && part[k - 1] == '/'; k--)
        part[k - 1] = '\0';
    for (char *p = part + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (make_dir(part, mode) < 0)
            return -1;
        *p = '/';
    }
    if ((rc = make_dir(part, mode)) <= 0)
        return rc;
    if (stat(part, &st) != 0)
        return -1;
    if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return -1;
    }
    return 0;
}
