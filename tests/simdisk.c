/* simdisk.c - a disk that loses power.  See simdisk.h.
 *
 *     names     path -> node        as it is now (and, kept beside it, as it
 *               |                   surely is on the disk)
 *     node      durable bytes + list of changes since the last sync (simdisk_node.c)
 *     moves     changes of names since the sync of their directory
 *
 * A file is read into memory when it is first opened for writing, renamed or
 * removed: before that nothing about it is unsure.  A cut computes names and
 * bytes, removes all files it knows and writes them anew.
 */
#include "tests/simdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/disk.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "tests/simdisk_int.h"

enum { FDS = 4096 };

/* A name now means 'to' (NULL: nothing) where it meant something else before. */
struct move {
    char        *path;
    struct node *to;
    unsigned     step;         /* moves of one rename share it */
    STAILQ_ENTRY(move) link;
};

/* What is known about a path. */
struct name { char *path; struct node *now, *durable; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct disk_ops *real;
static struct map *names;
static SLIST_HEAD(, node) nodes = SLIST_HEAD_INITIALIZER(nodes);
static STAILQ_HEAD(, move) moves = STAILQ_HEAD_INITIALIZER(moves);
static struct node *node_of[FDS];
static char *dir_of[FDS];      /* directories opened */
static unsigned long ops, fail_at, stop_at;
static unsigned step;
static int fail_sys;
static bool count_reads, stopped;

static struct node *node_new(mode_t mode)
{
    struct node *d = xcalloc(1, sizeof *d);

    d->mode = mode;
    STAILQ_INIT(&d->changes);
    SLIST_INSERT_HEAD(&nodes, d, link);
    return d;
}

/* ---- names -------------------------------------------------------------- */

/* The path with its directory's one true name. */
static char *true_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL ? xstrdup(".") : xasprintf("%.*s", slash == path ? 1 : (int)(slash - path), path);
    char *true_dir = realpath(dir, NULL);
    char *out = xasprintf("%s/%s", true_dir != NULL ? true_dir : dir, slash == NULL ? path : slash + 1);

    free(dir);
    free(true_dir);
    return out;
}

static bool is_in(const char *path, const char *dir)
{
    size_t n = (size_t)(strrchr(path, '/') - path);

    return n == strlen(dir) && memcmp(path, dir, n) == 0;
}

static struct node *load(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct node *d = NULL;
    struct stat st;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        d = node_new(st.st_mode & 07777);
        node_set_size(d, (uint64_t)st.st_size);
        for (uint64_t at = 0; at < d->n;) {
            ssize_t got = pread(fd, d->p + at, d->n - at, (off_t)at);

            need(got > 0);
            at += (uint64_t)got;
        }
    }
    close(fd);
    return d;
}

/* What we know about a path; learned from the disk the first time. */
static struct name *know(const char *path)
{
    char *p = true_path(path);
    struct name *n = map_get(names, span_of(p));

    if (n != NULL) {
        free(p);
        return n;
    }
    n = xcalloc(1, sizeof *n);
    n->path = p;
    n->now = n->durable = load(p);
    map_put(names, span_of(p), n);
    return n;
}

/* The same, but only if it was learned before. */
static struct name *known(const char *path)
{
    char *p = true_path(path);
    struct name *n = map_get(names, span_of(p));

    free(p);
    return n;
}

static void move(struct name *n, struct node *to)
{
    struct move *m = xcalloc(1, sizeof *m);

    n->now = to;
    *m = (struct move){ .path = xstrdup(n->path), .to = to, .step = step };
    STAILQ_INSERT_TAIL(&moves, m, link);
}

/* Make the moves durable that 'dir' (NULL: any) holds; with 'most' only those many steps. */
static void settle_names(const char *dir, unsigned most)
{
    STAILQ_HEAD(, move) rest = STAILQ_HEAD_INITIALIZER(rest);
    struct move *m;
    unsigned done = 0, at = 0;

    while ((m = STAILQ_FIRST(&moves)) != NULL) {
        STAILQ_REMOVE_HEAD(&moves, link);
        if (dir != NULL && !is_in(m->path, dir)) {
            STAILQ_INSERT_TAIL(&rest, m, link);
            continue;
        }
        if (m->step != at) {
            at = m->step;
            done++;
        }
        if (done <= most)
            ((struct name *)map_get(names, span_of(m->path)))->durable = m->to;
        free(m->path);
        free(m);
    }
    STAILQ_CONCAT(&moves, &rest);
}

/* ---- the operations ------------------------------------------------------ */

enum outcome { WORKS, FAILS, HALF };

/* Count an operation; say what becomes of it.  'is_read': see simdisk_count_reads. */
static enum outcome begin(bool is_read)
{
    if (!stopped && (!is_read || count_reads))
        ops++;
    if (stop_at != 0 && ops >= stop_at)
        stopped = true;
    if (stopped) {
        errno = EIO;
        return FAILS;
    }
    if (fail_at == 0 || ops != fail_at || (is_read && !count_reads))
        return WORKS;
    errno = fail_sys;
    fail_at = 0;
    return HALF;
}

/* An operation that happens or does not. */
static bool works(bool is_read)
{
    return begin(is_read) == WORKS;
}

static void remember_fd(int fd, struct node *d, char *dir)
{
    need(fd < FDS);
    free(dir_of[fd]);
    node_of[fd] = d;
    dir_of[fd] = dir;
}

static int sim_open_locked(const char *path, int flags, mode_t mode)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
    struct name *n = writes ? know(path) : known(path);
    bool makes = writes && n != NULL && n->now == NULL && (flags & O_CREAT);
    char *whole;
    int fd;

    if (!works(!makes && !(flags & O_TRUNC)))
        return -1;
    if ((fd = real->open(path, flags, mode)) < 0)
        return -1;
    if (flags & O_DIRECTORY) {
        whole = realpath(path, NULL);
        remember_fd(fd, NULL, whole);
        return fd;
    }
    if (makes) {
        step++;
        move(n, node_new(mode));
    } else if (n != NULL && n->now != NULL && (flags & O_TRUNC)) {
        node_note(n->now, CHANGE_SIZE, 0, 0, NULL);
    }
    remember_fd(fd, n != NULL ? n->now : NULL, NULL);
    return fd;
}

static ssize_t write_bytes(int fd, const char *p, size_t n, off_t at)
{
    struct iovec v = { (void *)(uintptr_t)p, n };
    ssize_t done = real->pwritev(fd, &v, 1, at);

    if (done > 0 && node_of[fd] != NULL)
        node_note(node_of[fd], CHANGE_WRITE, (uint64_t)at, (uint64_t)done, p);
    return done;
}

static ssize_t sim_pwritev_locked(int fd, const struct iovec *v, int count, off_t at)
{
    struct buf all = { 0 };
    enum outcome o = begin(false);
    size_t part = 0;
    int sys = errno;
    ssize_t done;

    if (o == FAILS)
        return -1;
    for (int i = 0; i < count; i++)
        buf_add(&all, v[i].iov_base, v[i].iov_len);
    if (o == HALF)
        part = buf_len(&all) > 0 ? (size_t)dice_roll(buf_len(&all)) : 0;
    else
        part = buf_len(&all);
    done = part > 0 ? write_bytes(fd, buf_data(&all), part, at) : 0;
    buf_fini(&all);
    if (o == WORKS)
        return done;
    if (sys == ENOSPC && done > 0) {
        fail_at = ops + 1;          /* the disk is full: a part fits, the rest is told next time */
        return done;
    }
    errno = sys;
    return -1;
}

static int sim_fdatasync_locked(int fd)
{
    struct node *d = node_of[fd];
    enum outcome o = begin(false);
    int sys = errno;

    if (o == FAILS)
        return -1;
    if (o == HALF) {
        /* the kernel forgets that these were dirty: kept by chance or lost for good */
        if (d != NULL)
            node_keep_some(d);
        errno = sys;
        return -1;
    }
    if (d != NULL)
        node_keep_all(d);
    return 0;
}

static int sim_fsync_locked(int fd)
{
    if (dir_of[fd] == NULL)
        return sim_fdatasync_locked(fd);
    if (!works(false))
        return -1;
    settle_names(dir_of[fd], UINT_MAX);
    return 0;
}

static int sim_ftruncate_locked(int fd, off_t size)
{
    if (!works(false) || real->ftruncate(fd, size) < 0)
        return -1;
    if (node_of[fd] != NULL)
        node_note(node_of[fd], CHANGE_SIZE, (uint64_t)size, 0, NULL);
    return 0;
}

static int sim_fallocate_locked(int fd, int mode, off_t at, off_t len)
{
    struct node *d = node_of[fd];

    if (!works(false) || real->fallocate(fd, mode, at, len) < 0)
        return -1;
    if (d != NULL && (mode & FALLOC_FL_PUNCH_HOLE))
        node_note(d, CHANGE_PUNCH, (uint64_t)at, (uint64_t)len, NULL);
    else if (d != NULL && !(mode & FALLOC_FL_KEEP_SIZE))
        node_note(d, CHANGE_GROW, (uint64_t)(at + len), 0, NULL);
    return 0;
}

static int sim_rename_locked(const char *from, const char *to)
{
    struct name *a = know(from), *c = know(to);

    if (!works(false) || real->rename(from, to) < 0)
        return -1;
    step++;
    move(c, a->now);
    if (a != c)
        move(a, NULL);
    return 0;
}

static int sim_unlink_locked(const char *path)
{
    struct name *n = know(path);

    if (!works(false) || real->unlink(path) < 0)
        return -1;
    step++;
    move(n, NULL);
    return 0;
}

static ssize_t sim_pread_locked(int fd, void *p, size_t n, off_t at)
{
    return works(true) ? real->pread(fd, p, n, at) : -1;
}

static int sim_close_locked(int fd)
{
    if (fd >= 0 && fd < FDS)
        remember_fd(fd, NULL, NULL);
    return real->close(fd);
}

/* Each operation under the lock, errno kept across its release. */
#define LOCKED(type, name, params, args)             \
    static type name params                          \
    {                                                \
        type rc;                                     \
        int sys;                                     \
                                                     \
        pthread_mutex_lock(&lock);                   \
        rc = name##_locked args;                     \
        sys = errno;                                 \
        pthread_mutex_unlock(&lock);                 \
        errno = sys;                                 \
        return rc;                                   \
    }

LOCKED(int, sim_open, (const char *path, int flags, mode_t mode), (path, flags, mode))
LOCKED(int, sim_close, (int fd), (fd))
LOCKED(ssize_t, sim_pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at))
LOCKED(ssize_t, sim_pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
LOCKED(int, sim_fdatasync, (int fd), (fd))
LOCKED(int, sim_fsync, (int fd), (fd))
LOCKED(int, sim_ftruncate, (int fd, off_t size), (fd, size))
LOCKED(int, sim_fallocate, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len))
LOCKED(int, sim_rename, (const char *from, const char *to), (from, to))
LOCKED(int, sim_unlink, (const char *path), (path))

static const struct disk_ops table = {
    .open = sim_open, .close = sim_close, .pread = sim_pread, .pwritev = sim_pwritev, .fdatasync = sim_fdatasync,
    .fsync = sim_fsync, .ftruncate = sim_ftruncate, .fallocate = sim_fallocate, .rename = sim_rename,
    .unlink = sim_unlink,
};

/* ---- power ---------------------------------------------------------------- */

/* Forget everything: what is there now is durable. */
static void forget(void)
{
    struct span key;
    struct node *d;
    size_t at = 0;
    void *v;

    settle_names(NULL, UINT_MAX);
    while (map_next(names, &at, &key, &v)) {
        free(((struct name *)v)->path);
        free(v);
    }
    map_free(&names);
    names = map_new();
    while ((d = SLIST_FIRST(&nodes)) != NULL) {
        SLIST_REMOVE_HEAD(&nodes, link);
        node_keep_all(d);
        free(d->p);
        free(d);
    }
    for (int fd = 0; fd < FDS; fd++)
        remember_fd(fd, NULL, NULL);
    ops = fail_at = stop_at = 0;
    stopped = false;
}

void simdisk_use(void)
{
    disk_use(NULL);
    real = disk_table();
    if (names == NULL)
        names = map_new();
    forget();
    disk_use(&table);
}

void simdisk_end(void)
{
    disk_use(NULL);
    forget();
    map_free(&names);
}

static void write_out(const char *path, const struct node *d)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    need(fd >= 0);
    need(fchmod(fd, d->mode) == 0 && ftruncate(fd, (off_t)d->n) == 0);
    for (uint64_t at = 0, n; at < d->n; at += n) {
        static const char zeros[4096];

        n = d->n - at < sizeof zeros ? d->n - at : sizeof zeros;
        if (memcmp(d->p + at, zeros, n) != 0)
            need(pwrite(fd, d->p + at, n, (off_t)at) == (ssize_t)n);
    }
    close(fd);
}

/* Each directory keeps some of its unsynced moves, the earliest first. */
static void lose_names(void)
{
    struct move *m;

    while ((m = STAILQ_FIRST(&moves)) != NULL) {
        char *dir = xasprintf("%.*s", (int)(strrchr(m->path, '/') - m->path), m->path);
        unsigned n = 0, at = 0;

        STAILQ_FOREACH(m, &moves, link)
            if (is_in(m->path, dir) && m->step != at) {
                at = m->step;
                n++;
            }
        settle_names(dir, (unsigned)dice_roll(n + 1));
        free(dir);
    }
}

void simdisk_cut(uint64_t seed)
{
    struct span key;
    struct node *d;
    size_t at = 0;
    void *v;

    pthread_mutex_lock(&lock);
    dice_seed(seed);
    lose_names();
    SLIST_FOREACH(d, &nodes, link)
        node_lose_power(d);
    while (map_next(names, &at, &key, &v))
        need(unlink(((struct name *)v)->path) == 0 || errno == ENOENT);
    for (at = 0; map_next(names, &at, &key, &v);)
        if (((struct name *)v)->durable != NULL)
            write_out(((struct name *)v)->path, ((struct name *)v)->durable);
    forget();
    pthread_mutex_unlock(&lock);
}

unsigned long simdisk_ops(void)
{
    unsigned long n;

    pthread_mutex_lock(&lock);
    n = ops;
    pthread_mutex_unlock(&lock);
    return n;
}

bool simdisk_stopped(void)
{
    bool is;

    pthread_mutex_lock(&lock);
    is = stopped;
    pthread_mutex_unlock(&lock);
    return is;
}

/* Some thread may be at work already. */

void simdisk_count_reads(bool reads)
{
    pthread_mutex_lock(&lock);
    count_reads = reads;
    pthread_mutex_unlock(&lock);
}

void simdisk_fail_at(unsigned long n, int sys)
{
    pthread_mutex_lock(&lock);
    fail_at = n;
    fail_sys = sys;
    pthread_mutex_unlock(&lock);
}

void simdisk_tear_at(unsigned bytes)
{
    pthread_mutex_lock(&lock);
    node_tear_at(bytes);
    pthread_mutex_unlock(&lock);
}

void simdisk_stop_at(unsigned long n)
{
    pthread_mutex_lock(&lock);
    stop_at = n;
    pthread_mutex_unlock(&lock);
}
