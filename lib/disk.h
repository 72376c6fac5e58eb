/* disk.h - every touch of a file that must survive goes through this table.
 *
 * Threads:  any; the table is set once, before threads start.
 * Crash:    what disk_sync (or disk_sync_dir) has returned 0 for survives a
 *           power cut; nothing else is promised.
 * Tests:    disk_use() puts a simulated disk below the whole program; Berkeley
 *           DB's own calls are routed to it as well (lib/bdb_route).
 *
 * All functions return -1 with errno, as the system calls do; reads and
 * writes are whole (short ones are gone on with; a read returns fewer bytes
 * only at the end of the file).
 */
#ifndef LIB_DISK_H
#define LIB_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct disk_ops {
    int     (*open)(const char *path, int flags, mode_t mode);
    int     (*close)(int fd);
    ssize_t (*pread)(int fd, void *p, size_t n, off_t at);
    ssize_t (*pread_now)(int fd, void *p, size_t n, off_t at);   /* -1 with EAGAIN: not in memory; NULL: pread */
    ssize_t (*pwritev)(int fd, const struct iovec *v, int n, off_t at);  /* may be short */
    int     (*fdatasync)(int fd);
    int     (*fsync)(int fd);                        /* for directories */
    int     (*ftruncate)(int fd, off_t size);
    int     (*fallocate)(int fd, int mode, off_t at, off_t len);
    int     (*rename)(const char *from, const char *to);
    int     (*unlink)(const char *path);
};

void disk_use(const struct disk_ops *ops);       /* NULL: the real disk            */
const struct disk_ops *disk_table(void);         /* what is in use now             */

int     disk_open(const char *path, int flags, mode_t mode);   /* O_CLOEXEC added  */
int     disk_close(int fd);
ssize_t disk_read(int fd, void *p, size_t n, uint64_t at);
/* What of it is in memory, in one call: perhaps fewer bytes; -1 with EAGAIN: nothing,
 * with EOPNOTSUPP: this file system cannot tell. */
ssize_t disk_read_now(int fd, void *p, size_t n, uint64_t at);

/* This thread must not wait for the disk: until disk_hurry_end, disk_open and what
 * disk_read does not find in memory fail with EAGAIN.  Return: did any of them? */
void    disk_hurry(void);
bool    disk_hurry_end(void);
bool    disk_hurried(void);
int     disk_miss(void);                         /* what the caller wants would wait: as if one had failed so */

int     disk_write(int fd, const void *p, size_t n, uint64_t at);

/* Write all of 'v' at 'at', in as few calls as the system allows; 'v' is used up (changed). */
int     disk_writev(int fd, struct iovec *v, int n, uint64_t at);
int     disk_sync(int fd);                                     /* fdatasync        */
int     disk_sync_dir(const char *path);                       /* names in 'path'  */
int     disk_truncate(int fd, uint64_t size);
int     disk_punch(int fd, uint64_t at, uint64_t len);         /* give the blocks back, keep the size */
int     disk_rename(const char *from, const char *to);
int     disk_unlink(const char *path);
int64_t disk_size(int fd);

/* Replace the file at 'path' whole: temporary name, sync, rename, sync of the directory. */
int     disk_replace(const char *path, const void *p, size_t n, mode_t mode);

/* Read a whole small file.  Return malloc'd bytes (a NUL is added behind), or NULL. */
char   *disk_slurp(const char *path, size_t most, size_t *n);

/* Make the directory and those above it.  0 also when it is there. */
int     disk_mkdirs(const char *path, mode_t mode);

#endif
