/* bdb.c - all that the house knows of Berkeley DB.  See bdb.h.
 *
 *     applier ----- bdb_run ----\                  /-- log.*   (write-ahead log)
 *     flusher ----- bdb_flush ---+-- door (read) --+-- NAME.db (a tree each)
 *     checkpointer -------------/        |         \-- page cache, locks: heap
 *     disk lane --- bdb_get, bdb_scan --/
 *     bdb_reopen, bdb_empty ------- door (write): waits until nobody is inside
 *
 * The environment is private to the process (DB_PRIVATE) and recovered at
 * every open.  Commits write the log but do not sync it: the article log is
 * our journal, bdb_flush syncs now and then.
 *
 * Readers hold no lock longer than one call: a scan copies a buffer full under
 * the cursor, lets go, and calls its owner; then it goes on behind the last
 * key.  As victim of a deadlock the reader is chosen (DB_LOCK_MINWRITE), who
 * just asks again.
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

#include <db.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bdb_route.h"
#include "lib/disk.h"
#include "lib/lock.h"
#include "lib/mem.h"

enum {
    PAGE_BYTES    = 4 << 10,    /* see "Torn pages" */
    LOG_BUFFER    = 8 << 20,    /* at most: an eighth of the cache */
    LOG_LEAST     = 256 << 10,
    BULK_LEAST    = 64 << 10,
    BULK_UNIT     = PAGE_BYTES, /* a multiple of 1024, and not less than a page */
    TRIES         = 100         /* of a deadlock's victim             */
};

struct bdb_tree {
    struct bdb *b;
    char       *name;           /* of the file                        */
    DB         *db;             /* NULL only while broken             */
    SLIST_ENTRY(bdb_tree) link;
};

struct bdb {
    char         *dir;
    size_t        cache_bytes;
    uint32_t      batch_most;
    DB_ENV       *env;          /* NULL only while broken             */
    struct rwlock door;         /* read: inside Berkeley DB           */
    struct lock   pen;          /* 'why'; one checkpoint at a time    */
    atomic_bool   broken;
    char          why[200];
    atomic_bool   running;      /* a bdb_run is on                    */
    SLIST_HEAD(, bdb_tree) trees;   /* changed with the door held to write */
};

struct txn {
    DB_TXN *t;
    int     rc;                 /* the first failure, or 0            */
    char    why[200];           /* txn_fail's reason; then rc is -1   */
    DBT     got;                /* txn_get's memory                   */
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
 * know: it is not to look inside.  Our own locks stay watched. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libdb-5.3.so\n";
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

static int trouble(struct err *e, const char *what, const char *name, int rc)
{
    err_set(e, "database %s: %s: %s%s%s", name, what, db_strerror(rc), said[0] != '\0' ? ": " : "", said);
    if (e != NULL)
        e->sys = rc > 0 ? rc : 0;
    said[0] = '\0';
    return -1;
}

static void set_broken(struct bdb *b, const char *what, int rc)
{
    lock_get(&b->pen);
    if (!atomic_load(&b->broken))
        snprintf(b->why, sizeof b->why, "%s: %s", what, db_strerror(rc));
    atomic_store(&b->broken, true);
    lock_put(&b->pen);
}

/* A failure that the environment may or may not have survived. */
static int failed(struct bdb *b, struct err *e, const char *what, const char *name, int rc)
{
    if (rc == DB_RUNRECOVERY)
        set_broken(b, what, rc);
    return trouble(e, what, name, rc);
}

bool bdb_broken(const struct bdb *b)
{
    return atomic_load(&b->broken);
}

static int leave(struct bdb *b, int result)
{
    rwlock_put(&b->door);
    return result;
}

/* Go in, unless it is broken.  Return 0, or -1 and not inside. */
static int enter(struct bdb *b, struct err *e)
{
    said[0] = '\0';
    rwlock_read(&b->door);
    if (!atomic_load(&b->broken))
        return 0;
    lock_get(&b->pen);
    err_set(e, "database %s must be recovered (%s)", b->dir, b->why);
    lock_put(&b->pen);
    return leave(b, -1);
}

/* ---- opening and closing ---------------------------------------------- */

static int trim_file(const char *path)
{
    int fd = disk_open(path, O_RDWR, 0), rc = 0, saved;
    int64_t size = fd < 0 ? -1 : disk_size(fd);

    if (size > 0 && size % PAGE_BYTES != 0)
        rc = disk_truncate(fd, (uint64_t)(size - size % PAGE_BYTES));
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
        return failed(t->b, e, "create", t->name, rc);
    if ((rc = db->set_pagesize(db, PAGE_BYTES)) == 0 && (rc = db->set_flags(db, DB_CHKSUM)) == 0)
        rc = db->open(db, NULL, t->name, NULL, DB_BTREE, DB_CREATE | DB_AUTO_COMMIT | DB_THREAD, 0600);
    if (rc != 0) {
        (void)db->close(db, DB_NOSYNC);
        return failed(t->b, e, "open", t->name, rc);
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

/* Berkeley DB's way to open a file.  It never syncs a directory; without that
 * a power cut may take a log file away whose bytes were synced. */
static int hook_open(const char *path, int flags, ...)
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

struct bdb *bdb_open(const struct bdb_options *o, struct err *e)
{
    struct bdb *b = xcalloc(1, sizeof *b);

    db_env_set_func_open(hook_open);
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
    return leave(b, rc);
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
        leave(b, 0);
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
    leave(b, 0);
    return t;
}

/* ---- durability ------------------------------------------------------- */

int bdb_flush(struct bdb *b, struct err *e)
{
    int rc;

    if (enter(b, e) != 0)
        return -1;
    /* after a failed sync nobody knows what is on the disk, and asking again may lie */
    if ((rc = b->env->log_flush(b->env, NULL)) != 0) {
        set_broken(b, "flush", rc);
        return leave(b, trouble(e, "flush", b->dir, rc));
    }
    return leave(b, 0);
}

int bdb_checkpoint(struct bdb *b, size_t bytes, struct err *e)
{
    const uint32_t kbytes = bytes >> 10 > UINT32_MAX ? UINT32_MAX : (uint32_t)(bytes >> 10);
    int rc;

    if (enter(b, e) != 0)
        return -1;
    if ((rc = b->env->txn_checkpoint(b->env, bytes > 0 && kbytes == 0 ? 1 : kbytes, 0, 0)) == 0)
        rc = b->env->log_archive(b->env, NULL, DB_ARCH_REMOVE);
    /* a full disk may have room later; after other failures nobody knows what was kept */
    if (rc != 0 && rc != ENOSPC)
        set_broken(b, "checkpoint", rc);
    return leave(b, rc == 0 ? 0 : failed(b, e, "checkpoint", b->dir, rc));
}

/* ---- transactions ----------------------------------------------------- */

static DBT in(struct span s)
{
    return (DBT){ .data = (void *)(uintptr_t)s.p, .size = (uint32_t)s.n };
}

void txn_put(struct txn *t, struct bdb_tree *tree, struct span key, struct span value)
{
    DBT k = in(key), v = in(value);

    if (t->rc == 0)
        t->rc = tree->db->put(tree->db, t->t, &k, &v, 0);
}

void txn_del(struct txn *t, struct bdb_tree *tree, struct span key)
{
    DBT k = in(key);
    int rc;

    if (t->rc == 0 && (rc = tree->db->del(tree->db, t->t, &k, 0)) != DB_NOTFOUND)
        t->rc = rc;
}

bool txn_get(struct txn *t, struct bdb_tree *tree, struct span key, struct span *value)
{
    DBT k = in(key);
    int rc;

    if (t->rc != 0)
        return false;
    t->got.flags = DB_DBT_REALLOC;
    rc = tree->db->get(tree->db, t->t, &k, &t->got, 0);
    if (rc != 0 && rc != DB_NOTFOUND)
        t->rc = rc;
    if (rc == 0)
        *value = (struct span){ t->got.data, t->got.size };
    return rc == 0;
}

void txn_fail(struct txn *t, const char *why)
{
    if (t->rc != 0)
        return;
    t->rc = -1;
    snprintf(t->why, sizeof t->why, "%s", why);
}

/* One try.  A commit or an undoing that fails leaves the state unknown. */
static int run_once(struct bdb *b, struct txn *x, void (*work)(struct txn *, void *), void *arg)
{
    int rc;

    x->rc = 0;
    if ((x->rc = b->env->txn_begin(b->env, NULL, &x->t, 0)) != 0)
        return x->rc;
    work(x, arg);
    if (x->rc == 0) {
        if ((rc = x->t->commit(x->t, 0)) != 0 && rc != DB_LOCK_DEADLOCK)
            set_broken(b, "commit", rc);
        x->rc = rc;
    } else if ((rc = x->t->abort(x->t)) != 0) {
        set_broken(b, "undoing a transaction", rc);
    }
    return x->rc;
}

int bdb_run(struct bdb *b, void (*work)(struct txn *, void *), void *arg, struct err *e)
{
    struct txn x = { 0 };
    int rc, tries = TRIES;

    if (enter(b, e) != 0)
        return -1;
    need(!atomic_exchange(&b->running, true));
    while ((rc = run_once(b, &x, work, arg)) == DB_LOCK_DEADLOCK && --tries > 0)
        ;
    atomic_store(&b->running, false);
    free(x.got.data);
    if (rc == 0)
        return leave(b, 0);
    if (x.why[0] != '\0')
        return leave(b, err_set(e, "%s", x.why));
    return leave(b, failed(b, e, "transaction", b->dir, rc));
}

/* ---- reading ---------------------------------------------------------- */

/* A get into the caller's memory; when it is too small, its first part. */
static int get_into(DB *db, DBT *k, void *value, size_t cap, size_t *n)
{
    DBT v = { .data = value, .ulen = (uint32_t)cap, .flags = DB_DBT_USERMEM };
    int rc = db->get(db, NULL, k, &v, 0);

    *n = v.size;
    if (rc != DB_BUFFER_SMALL)
        return rc;
    v.flags |= DB_DBT_PARTIAL;
    v.dlen = (uint32_t)cap;
    return db->get(db, NULL, k, &v, 0);
}

int bdb_get(struct bdb_tree *tree, struct span key, void *value, size_t cap, size_t *n, struct err *e)
{
    struct bdb *b = tree->b;
    DBT k = in(key);
    int rc, tries = TRIES;

    if (enter(b, e) != 0)
        return -1;
    while ((rc = get_into(tree->db, &k, value, cap, n)) == DB_LOCK_DEADLOCK && --tries > 0)
        ;
    if (rc == 0 || rc == DB_NOTFOUND)
        return leave(b, rc == 0);
    return leave(b, failed(b, e, "get", tree->name, rc));
}

void bdb_bulk_fini(struct bdb_bulk *bulk)
{
    free(bulk->p);
    *bulk = (struct bdb_bulk){ 0 };
}

static bool bulk_grow(struct bdb_bulk *bulk, size_t want)
{
    size_t cap = bulk->cap != 0 ? bulk->cap : BULK_LEAST;
    void *p;

    while (cap < want)
        cap *= 2;
    if (cap > UINT32_MAX / 2 || (p = aligned_alloc(PAGE_BYTES, cap)) == NULL)
        return false;
    free(bulk->p);
    bulk->p = p;
    bulk->cap = cap;
    return true;
}

/* Fill the buffer with records from 'from' on. */
static int fill_once(struct bdb_tree *tree, struct span from, struct bdb_bulk *bulk, size_t most, DBT *out)
{
    DBT k = in(from);
    DBC *c;
    int rc, rc2;

    if ((rc = tree->db->cursor(tree->db, NULL, &c, 0)) != 0)
        return rc;
    *out = (DBT){ .data = bulk->p, .ulen = (uint32_t)most, .flags = DB_DBT_USERMEM };
    /* the cursor writes the key it stands on: give it memory of its own to make */
    k.flags = DB_DBT_MALLOC;
    rc = c->get(c, &k, out, (from.n > 0 ? DB_SET_RANGE : DB_FIRST) | DB_MULTIPLE_KEY);
    if (k.data != from.p)
        free(k.data);
    rc2 = c->close(c);
    return rc != 0 ? rc : rc2;
}

static int fill(struct bdb_tree *tree, struct span from, struct bdb_bulk *bulk, DBT *out)
{
    size_t most = bulk->want + BULK_UNIT - bulk->want % BULK_UNIT;
    int rc, tries = TRIES;

    if (bulk->p == NULL && !bulk_grow(bulk, BULK_LEAST))
        return ENOMEM;
    if (bulk->want == 0 || most > bulk->cap)
        most = bulk->cap;
    for (;;) {
        rc = fill_once(tree, from, bulk, most, out);
        if (rc == DB_BUFFER_SMALL) {
            size_t want = out->size > most ? out->size : most + 1;

            if (want > bulk->cap && !bulk_grow(bulk, want))
                return ENOMEM;
            most = bulk->cap;
        } else if (rc != DB_LOCK_DEADLOCK || --tries == 0) {
            return rc;
        }
    }
}

static bool beyond(struct span key, struct span to)
{
    size_t n = key.n < to.n ? key.n : to.n;
    int c = n > 0 ? memcmp(key.p, to.p, n) : 0;

    return to.n > 0 && (c > 0 || (c == 0 && key.n > to.n));
}

/* Hand out a buffer full.  Return false when the scan is at its end. */
static bool hand_out(DBT *full, struct span to, bdb_each_fn *each, void *arg, struct span *last)
{
    void *at, *kp, *vp;
    size_t kn, vn;

    DB_MULTIPLE_INIT(at, full);
    for (;;) {
        DB_MULTIPLE_KEY_NEXT(at, full, kp, kn, vp, vn);
        if (at == NULL)
            return true;
        *last = (struct span){ kp, kn };
        if (beyond(*last, to) || !each(*last, (struct span){ vp, vn }, arg) || span_eq(*last, to))
            return false;
    }
}

int bdb_scan(struct bdb_tree *tree, struct span from, struct span to, struct bdb_bulk *bulk, bdb_each_fn *each,
             void *arg, struct err *e)
{
    struct bdb *b = tree->b;
    struct span last = { 0 };
    char *next = NULL;
    int rc;
    DBT full;

    for (;;) {
        if (enter(b, e) != 0) {
            rc = -1;
            break;
        }
        if ((rc = fill(tree, from, bulk, &full)) == DB_NOTFOUND) {
            rc = leave(b, 0);
            break;
        }
        if (rc != 0) {
            rc = leave(b, failed(b, e, "scan", tree->name, rc));
            break;
        }
        leave(b, 0);     /* 'each' may call in here, and nobody waits for it */
        if (!hand_out(&full, to, each, arg, &last))
            break;
        /* the least key behind the last one is that key and a zero byte */
        next = xrealloc(next, last.n + 1);
        memcpy(next, last.p, last.n);
        next[last.n] = '\0';
        from = (struct span){ next, last.n + 1 };
    }
    free(next);
    return rc;
}

/* Stand on the greatest key <= 'key'.  k and v are malloc'd by Berkeley DB. */
static int seek_last(DBC *c, struct span key, DBT *k, DBT *v)
{
    int rc = c->get(c, k, v, DB_SET_RANGE);

    if (rc == 0 && span_eq((struct span){ k->data, k->size }, key))
        return 0;
    if (rc != 0 && rc != DB_NOTFOUND)
        return rc;
    if (k->data != key.p)
        free(k->data);
    free(v->data);
    *k = *v = (DBT){ .flags = DB_DBT_MALLOC };
    return c->get(c, k, v, rc == 0 ? DB_PREV : DB_LAST);
}

static size_t copy_out(void *out, size_t cap, const DBT *d)
{
    size_t n = d->size < cap ? d->size : cap;

    if (n > 0)
        memcpy(out, d->data, n);
    return d->size;
}

int bdb_last(struct bdb_tree *tree, struct span key, void *key_out, size_t key_cap, size_t *key_n, void *value,
             size_t cap, size_t *n, struct err *e)
{
    struct bdb *b = tree->b;
    int rc, tries = TRIES;
    DBC *c;

    if (enter(b, e) != 0)
        return -1;
    do {
        DBT k = in(key), v = { .flags = DB_DBT_MALLOC };

        k.flags = DB_DBT_MALLOC;
        if ((rc = tree->db->cursor(tree->db, NULL, &c, 0)) != 0)
            break;
        if ((rc = seek_last(c, key, &k, &v)) == 0) {
            *key_n = copy_out(key_out, key_cap, &k);
            *n = copy_out(value, cap, &v);
        }
        if (k.data != key.p)
            free(k.data);
        free(v.data);
        (void)c->close(c);
    } while (rc == DB_LOCK_DEADLOCK && --tries > 0);
    if (rc == 0 || rc == DB_NOTFOUND)
        return leave(b, rc == 0);
    return leave(b, failed(b, e, "seek", tree->name, rc));
}

/* Removing the file and making it again takes no time, no locks and next to
 * no log, however large the tree was. */
int bdb_empty(struct bdb_tree *tree, struct err *e)
{
    struct bdb *b = tree->b;
    int rc;

    rwlock_write(&b->door);
    if (atomic_load(&b->broken))
        return leave(b, err_set(e, "database %s must be recovered", b->dir));
    rc = tree->db->close(tree->db, DB_NOSYNC);
    tree->db = NULL;
    if (rc == 0)
        rc = b->env->dbremove(b->env, NULL, tree->name, NULL, DB_AUTO_COMMIT);
    if (rc != 0) {
        set_broken(b, "emptying a tree", rc);
        return leave(b, trouble(e, "empty", tree->name, rc));
    }
    if (open_tree(tree, e) != 0) {
        set_broken(b, "emptying a tree", 0);
        return leave(b, -1);
    }
    return leave(b, sync_names(b, e));
}

/* ---- Berkeley DB on the disk of lib/disk.h ----------------------------- */

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
    /* not read: Berkeley DB takes a short one (the end of the log) for an error when it is replaced */
    db_env_set_func_write(route_write);
    db_env_set_func_rename(route_rename);
    db_env_set_func_unlink(route_unlink);
}
