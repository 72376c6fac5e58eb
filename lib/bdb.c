/* bdb.c - the environment and its trees: open, close, flush, checkpoint, and
 * what is broken.  See bdb.h; transactions: bdb_txn.c; questions: bdb_read.c.
 *
 *     applier ----- bdb_run ---------\                  /-- log.*   (write-ahead log)
 *     keeper ------ bdb_flush,        +-- door (read) --+-- NAME.db (a tree each)
 *                   bdb_checkpoint --/                   \-- page cache, locks: heap
 *     disk lane --- bdb_get, bdb_scan
 *     bdb_reopen, bdb_empty ------------- door (write): waits until nobody is inside
 *
 * The environment is private to the process (DB_PRIVATE) and recovered at
 * every open.  Commits write the log but do not sync it: the article log is
 * our journal, bdb_flush syncs now and then.
 *
 * Torn pages.  Recovery believes the log position in a page's first bytes, so
 * a page of which a power cut kept only a part would come back wrong and
 * nobody would know.  Pages are therefore as large as a disk's and file
 * system's smallest unit (4 kB), and carry a sum: where a unit is smaller all
 * the same, a torn page is an error at opening (rebuild the trees), never
 * wrong data.
 *
 * What Berkeley DB cannot go on from sets 'broken'; everything then answers -1
 * at once until bdb_reopen.
 */
#include "lib/bdb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bdb_int.h"
#include "lib/disk.h"
#include "lib/mem.h"

enum {
    LOG_BUFFER    = 8 << 20,    /* at most: an eighth of the cache */
    LOG_LEAST     = 256 << 10
};

/* Berkeley DB explains itself by a callback on the failing thread.  The first
 * sentence names the cause; those after it only what followed. */
static _Thread_local char said[200];

static void on_message(const DB_ENV *env, const char *prefix, const char *text)
{
    (void)env, (void)prefix;
    if (said[0] == '\0')
        snprintf(said, sizeof said, "%s", text);
}

#ifdef __SANITIZE_THREAD__
/* Berkeley DB orders its page latches by the tree, which the sanitizer cannot
 * know: it is not to look inside.  Our own locks stay watched.  Directories it
 * sees closed and not opened, and a duplicate that fcntl makes it does not see at all:
 * it takes the descriptor for its last user's. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libdb-5.3.so\nrace:closedir\nrace:epoll_ctl\n";
}
#endif

#ifdef __SANITIZE_ADDRESS__
/* After a panic Berkeley DB drops a handle of some 300 bytes. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libdb-5.3.so\n";
}
#endif

/* ---- trouble ---------------------------------------------------------- */

/* Berkeley DB's failure as a sentence; -1. */
static int trouble(struct err *e, const char *what, const char *name, int rc)
{
    err_set(e, "database %s: %s: %s%s%s", name, what, db_strerror(rc), said[0] != '\0' ? ": " : "", said);
    if (e != NULL)
        e->sys = rc > 0 ? rc : 0;
    said[0] = '\0';
    return -1;
}

void bdb_set_broken(struct bdb *b, const char *what, int rc)
{
    lock_get(&b->pen);
    if (!atomic_load(&b->broken))
        snprintf(b->why, sizeof b->why, "%s: %s", what, db_strerror(rc));
    atomic_store(&b->broken, true);
    lock_put(&b->pen);
}

int bdb_failed(struct bdb *b, struct err *e, const char *what, const char *name, int rc)
{
    if (rc == DB_RUNRECOVERY)
        bdb_set_broken(b, what, rc);
    return trouble(e, what, name, rc);
}

bool bdb_broken(const struct bdb *b)
{
    return atomic_load(&b->broken);
}

int bdb_leave(struct bdb *b, int result)
{
    rwlock_put(&b->door);
    return result;
}

int bdb_enter(struct bdb *b, struct err *e)
{
    said[0] = '\0';
    rwlock_read(&b->door);
    if (!atomic_load(&b->broken))
        return 0;
    lock_get(&b->pen);
    err_set(e, "database %s must be recovered (%s)", b->dir, b->why);
    lock_put(&b->pen);
    return bdb_leave(b, -1);
}

/* ---- opening and closing ---------------------------------------------- */

static int trim_file(const char *path)
{
    int fd = disk_open(path, O_RDWR, 0), rc = 0, saved;
    int64_t size = fd < 0 ? -1 : disk_size(fd);

    if (size > 0 && size % BDB_PAGE_BYTES != 0)
        rc = disk_truncate(fd, (uint64_t)(size - size % BDB_PAGE_BYTES));
    saved = errno;
    if (fd >= 0)
        (void)disk_close(fd);
    errno = saved;
    return size < 0 ? -1 : rc;
}

/* A write cut short may leave a file that ends inside a page; recovery refuses
 * such a file.  That page was never synced, so the log still has all of it. */
static int trim_files(const char *dir, struct err *e)
{
    DIR *d = opendir(dir);
    struct dirent *f;
    int rc = 0;

    if (d == NULL)
        return err_sys(e, "database directory %s", dir);
    while (rc == 0 && (f = readdir(d)) != NULL) {
        struct span name = span_of(f->d_name);
        char *path;

        if (name.n < 3 || !span_eq(span_from(name, name.n - 3), SPAN(".db")))
            continue;
        path = xasprintf("%s/%s", dir, f->d_name);
        if ((rc = trim_file(path)) != 0)
            err_sys(e, "database file %s", path);
        free(path);
    }
    closedir(d);
    return rc;
}

static int open_env(struct bdb *b, struct err *e)
{
    const uint32_t locks = b->batch_most * 4 + 10000;
    /* recovery fills the last log file with zeros to its end: large ones make starting slow */
    const size_t eighth = b->cache_bytes / 8;
    const uint32_t log_buffer = eighth > LOG_BUFFER ? LOG_BUFFER : eighth < LOG_LEAST ? LOG_LEAST : (uint32_t)eighth;
    const uint32_t flags = DB_CREATE | DB_PRIVATE | DB_THREAD | DB_RECOVER |
                           DB_INIT_LOCK | DB_INIT_LOG | DB_INIT_MPOOL | DB_INIT_TXN;
    DB_ENV *env;
    int rc;

    said[0] = '\0';
    if (trim_files(b->dir, e) != 0)
        return -1;
    if ((rc = db_env_create(&env, 0)) != 0)
        return trouble(e, "create", b->dir, rc);
    env->set_errcall(env, on_message);
    if ((rc = env->set_cachesize(env, (uint32_t)(b->cache_bytes >> 30),
                                 (uint32_t)(b->cache_bytes & ((1u << 30) - 1)), 1)) == 0 &&
        (rc = env->set_lg_bsize(env, log_buffer)) == 0 &&
        (rc = env->set_lg_max(env, 4 * log_buffer)) == 0 &&
        (rc = env->set_lk_max_locks(env, locks)) == 0 &&
        (rc = env->set_lk_max_objects(env, locks)) == 0 &&
        (rc = env->set_lk_max_lockers(env, 1000)) == 0 &&
        (rc = env->set_lk_detect(env, DB_LOCK_MINWRITE)) == 0 &&
        (rc = env->set_flags(env, DB_TXN_WRITE_NOSYNC, 1)) == 0 &&
        (rc = env->log_set_config(env, DB_LOG_AUTO_REMOVE, 1)) == 0)
        rc = env->open(env, b->dir, flags, 0600);
    if (rc != 0) {
        trouble(e, "open", b->dir, rc);
        (void)env->close(env, 0);
        return -1;
    }
    b->env = env;
    return 0;
}

/* A new file's name is durable when this returns 0. */
static int sync_names(struct bdb *b, struct err *e)
{
    return disk_sync_dir(b->dir) == 0 ? 0 : err_sys(e, "sync directory %s", b->dir);
}

static int open_tree(struct bdb_tree *t, struct err *e)
{
    DB *db;
    int rc;

    if ((rc = db_create(&db, t->b->env, 0)) != 0)
        return bdb_failed(t->b, e, "create", t->name, rc);
    if ((rc = db->set_pagesize(db, BDB_PAGE_BYTES)) == 0 && (rc = db->set_flags(db, DB_CHKSUM)) == 0)
        rc = db->open(db, NULL, t->name, NULL, DB_BTREE, DB_CREATE | DB_AUTO_COMMIT | DB_THREAD, 0600);
    if (rc != 0) {
        (void)db->close(db, DB_NOSYNC);
        return bdb_failed(t->b, e, "open", t->name, rc);
    }
    t->db = db;
    return 0;
}

/* Close all; what fails on the way was broken anyway, or recovery sees to it. */
static void close_all(struct bdb *b)
{
    struct bdb_tree *t;

    SLIST_FOREACH(t, &b->trees, link) {
        if (t->db != NULL)
            (void)t->db->close(t->db, DB_NOSYNC);
        t->db = NULL;
    }
    if (b->env != NULL)
        (void)b->env->close(b->env, 0);
    b->env = NULL;
    said[0] = '\0';
}

struct bdb *bdb_open(const struct bdb_options *o, struct err *e)
{
    struct bdb *b = xcalloc(1, sizeof *b);

    db_env_set_func_open(bdb_hook_open);
    b->dir = xstrdup(o->dir);
    b->cache_bytes = o->cache_bytes;
    b->batch_most = o->batch_most;
    SLIST_INIT(&b->trees);
    rwlock_init(&b->door, "bdb.door");
    lock_init(&b->pen, "bdb.pen");
    if (disk_mkdirs(o->dir, 0700) != 0)
        err_sys(e, "database directory %s", o->dir);
    else if (open_env(b, e) == 0)
        return b;
    bdb_close(&b);
    return NULL;
}

void bdb_close(struct bdb **bp)
{
    struct bdb *b = *bp;
    struct bdb_tree *t;

    if (b == NULL)
        return;
    if (b->env != NULL && !atomic_load(&b->broken))
        (void)b->env->txn_checkpoint(b->env, 0, 0, 0);
    close_all(b);
    while ((t = SLIST_FIRST(&b->trees)) != NULL) {
        SLIST_REMOVE_HEAD(&b->trees, link);
        free(t->name);
        free(t);
    }
    rwlock_fini(&b->door);
    lock_fini(&b->pen);
    free(b->dir);
    free(b);
    *bp = NULL;
}

int bdb_reopen(struct bdb *b, struct err *e)
{
    struct bdb_tree *t;
    int rc;

    rwlock_write(&b->door);
    atomic_store(&b->broken, true);
    close_all(b);
    rc = open_env(b, e);
    SLIST_FOREACH(t, &b->trees, link)
        if (rc == 0)
            rc = open_tree(t, e);
    if (rc == 0)
        atomic_store(&b->broken, false);
    else
        snprintf(b->why, sizeof b->why, "it could not be opened again");
    return bdb_leave(b, rc);
}

struct bdb_tree *bdb_tree(struct bdb *b, const char *name, struct err *e)
{
    struct bdb_tree *t;
    char *file = xasprintf("%s.db", name);
    int rc;

    rwlock_write(&b->door);
    SLIST_FOREACH(t, &b->trees, link)
        if (strcmp(t->name, file) == 0)
            break;
    if (t != NULL || atomic_load(&b->broken)) {
        if (t == NULL)
            err_set(e, "database %s must be recovered", b->dir);
        free(file);
        bdb_leave(b, 0);
        return t;
    }
    t = xcalloc(1, sizeof *t);
    t->b = b;
    t->name = file;
    if ((rc = open_tree(t, e)) == 0 && (rc = sync_names(b, e)) != 0)
        (void)t->db->close(t->db, DB_NOSYNC);
    if (rc == 0) {
        SLIST_INSERT_HEAD(&b->trees, t, link);
    } else {
        free(t->name);
        free(t);
        t = NULL;
    }
    bdb_leave(b, 0);
    return t;
}

/* Removing the file and making it again takes no time, no locks and next to
 * no log, however large the tree was. */
int bdb_empty(struct bdb_tree *tree, struct err *e)
{
    struct bdb *b = tree->b;
    int rc;

    rwlock_write(&b->door);
    if (atomic_load(&b->broken))
        return bdb_leave(b, err_set(e, "database %s must be recovered", b->dir));
    rc = tree->db->close(tree->db, DB_NOSYNC);
    tree->db = NULL;
    if (rc == 0)
        rc = b->env->dbremove(b->env, NULL, tree->name, NULL, DB_AUTO_COMMIT);
    if (rc != 0) {
        bdb_set_broken(b, "emptying a tree", rc);
        return bdb_leave(b, trouble(e, "empty", tree->name, rc));
    }
    if (open_tree(tree, e) != 0) {
        bdb_set_broken(b, "emptying a tree", 0);
        return bdb_leave(b, -1);
    }
    return bdb_leave(b, sync_names(b, e));
}

/* ---- durability ------------------------------------------------------- */

int bdb_flush(struct bdb *b, struct err *e)
{
    int rc;

    if (bdb_enter(b, e) != 0)
        return -1;
    /* after a failed sync nobody knows what is on the disk, and asking again may lie */
    if ((rc = b->env->log_flush(b->env, NULL)) != 0) {
        bdb_set_broken(b, "flush", rc);
        return bdb_leave(b, trouble(e, "flush", b->dir, rc));
    }
    return bdb_leave(b, 0);
}

int bdb_checkpoint(struct bdb *b, size_t bytes, struct err *e)
{
    const uint32_t kbytes = bytes >> 10 > UINT32_MAX ? UINT32_MAX : (uint32_t)(bytes >> 10);
    int rc;

    if (bdb_enter(b, e) != 0)
        return -1;
    if ((rc = b->env->txn_checkpoint(b->env, bytes > 0 && kbytes == 0 ? 1 : kbytes, 0, 0)) == 0)
        rc = b->env->log_archive(b->env, NULL, DB_ARCH_REMOVE);
    /* a full disk may have room later; after other failures nobody knows what was kept */
    if (rc != 0 && rc != ENOSPC)
        bdb_set_broken(b, "checkpoint", rc);
    return bdb_leave(b, rc == 0 ? 0 : bdb_failed(b, e, "checkpoint", b->dir, rc));
}
