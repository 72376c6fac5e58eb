/* store_dir.c - the site's directory: who holds it, its key, the rooms in it.
 *
 *     lock     flock'd while a program owns the site; holds its pid
 *     key      16 random octets in hexadecimal: the key of history's hash
 *     log/     the article log
 *     db/      Berkeley DB: history, groups, overview, meta
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "nntpd/store_int.h"

#define HISTORY_CACHE_ENTRIES (1u << 18)
#define KEY_RECORDS 1000              /* looked at for an article that tells which key it was */

static int take_lock(struct store *s, struct err *e)
{
    char path[4096], pid[32] = "";
    ssize_t n;

    snprintf(path, sizeof path, "%s/lock", s->dir);
    if ((s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640)) < 0)
        return err_sys(e, "%s", path);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        int len = snprintf(pid, sizeof pid, "%d\n", (int)getpid());

        if (ftruncate(s->lock_fd, 0) != 0 || pwrite(s->lock_fd, pid, (size_t)len, 0) != len)
            log_msg(LOG_WARNING, "%s: cannot write our pid: %s", path, strerror(errno));
        return 0;
    }
    if (errno != EWOULDBLOCK)
        return err_sys(e, "%s", path);
    n = pread(s->lock_fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
    return err_set(e, "%s: the site is in use by process %s (newsctl stop ends nntpd)", s->dir, pid[0] != '\0' ? pid : "?");
}

static bool has_segments(const struct store *s)
{
    char path[4096];
    struct dirent *d;
    bool found = false;
    DIR *dir;

    snprintf(path, sizeof path, "%s/log", s->dir);
    if ((dir = opendir(path)) == NULL)
        return false;
    while (!found && (d = readdir(dir)) != NULL) {
        size_t n = strlen(d->d_name);

        found = n > 4 && strcmp(d->d_name + n - 4, ".seg") == 0;
    }
    closedir(dir);
    return found;
}

static int key_make(struct store *s, const char *path, struct err *e)
{
    char hex[2 * sizeof s->key.b + 2];

    random_bytes(s->key.b, sizeof s->key.b);
    for (size_t i = 0; i < sizeof s->key.b; i++)
        snprintf(hex + 2 * i, 3, "%02x", s->key.b[i]);
    hex[sizeof hex - 2] = '\n';
    if (disk_replace(path, hex, sizeof hex - 1, 0600) != 0)
        return err_sys(e, "%s", path);
    return 0;
}

static int key_read(struct store *s, struct err *e)
{
    char path[4096], *text;
    size_t n;
    int rc = 0;

    snprintf(path, sizeof path, "%s/key", s->dir);
    if ((text = disk_slurp(path, 256, &n)) == NULL) {
        if (errno != ENOENT)
            return err_sys(e, "%s", path);
        if (has_segments(s))
            return err_set(e, "%s is missing: history cannot be asked without the key it was made with; "
                           "put it back from a backup", path);
        return key_make(s, path, e);
    }
    for (size_t i = 0; i < sizeof s->key.b && rc == 0; i++) {
        unsigned v;

        if (n < 2 * sizeof s->key.b || sscanf(text + 2 * i, "%2x", &v) != 1)
            rc = err_set(e, "%s does not hold %zu hexadecimal digits", path, 2 * sizeof s->key.b);
        else
            s->key.b[i] = (uint8_t)v;
    }
    free(text);
    return rc;
}

/* The newest articles of the log carry what the key made of their Message-IDs.  A record
 * that cannot be read says nothing of the key, and keeps no site from starting. */
int store_key_fits(struct store *s, struct err *e)
{
    uint64_t last = artlog_published(s->ix.log), first = artlog_first_seq(s->ix.log);
    struct log_reader *in = log_reader_new(s->ix.log, last > first + KEY_RECORDS ? last - KEY_RECORDS : first);
    struct log_pos pos;
    struct record r;
    bool seen = false, fits = true;

    while (!seen && log_reader_next(in, &r, &pos, e) == 1)
        if (r.kind == RECORD_ARTICLE && (r.flags & (RECORD_GONE | RECORD_DAMAGED)) == 0 && r.msgid.len > 0) {
            struct msgid_key key = msgid_key(&s->key, (struct span){ r.data.p + r.msgid.at, r.msgid.len });

            seen = true;
            fits = memcmp(key.b, r.key.b, sizeof key.b) == 0;
        }
    log_reader_free(&in);
    return fits ? 0 : err_set(e, "%s/key is not the key that the log was written with: no article would be known; "
                              "put the right one back from a backup", s->dir);
}

/* A damaged database goes aside, and a new one is begun: all of it is in the log. */
static int put_aside(const char *path, struct err *e)
{
    char aside[4200];

    log_msg(LOG_ERROR, "%s; making all indexes again from the log", e->text);
    snprintf(aside, sizeof aside, "%s.unreadable-%lld", path, (long long)clock_now_us());
    if (disk_rename(path, aside) != 0)
        return err_sys(e, "%s to %s", path, aside);
    log_msg(LOG_WARNING, "the damaged database was put aside as %s: remove it when all is well", aside);
    return 0;
}

static int open_indexes(struct store *s, const char *path, struct err *e)
{
    struct bdb_options o = { .dir = path, .cache_bytes = s->o.cache_bytes, .batch_most = 2 * APPLY_WEIGHT_MOST };
    struct his_options ho = { .cache_entries = HISTORY_CACHE_ENTRIES, .claim_us = s->o.claim_us };

    if ((ho.bdb = s->ix.bdb = bdb_open(&o, e)) == NULL || (s->ix.meta = bdb_tree(s->ix.bdb, "meta", e)) == NULL ||
        (s->ix.groups = groups_open(s->ix.bdb, e)) == NULL || (s->ix.ov = ov_open(s->ix.bdb, e)) == NULL)
        return -1;
    return (s->ix.his = his_open(&ho, e)) != NULL ? 0 : -1;
}

static void close_indexes(struct store *s)
{
    if (s->ix.his != NULL)
        his_close(&s->ix.his);
    if (s->ix.ov != NULL)
        ov_close(&s->ix.ov);
    if (s->ix.groups != NULL)
        groups_close(&s->ix.groups);
    if (s->ix.bdb != NULL)
        bdb_close(&s->ix.bdb);
}

/* A torn page, or no database at all.  Whatever else keeps it from opening (a
 * full disk, rights, an I/O error) may pass, and then it is as good as before. */
static bool is_damage(const struct err *e)
{
    return e->sys == EINVAL || strstr(e->text, "checksum error") != NULL;
}

static int open_database(struct store *s, bool fresh, struct err *e)
{
    char path[4096];
    int rc;

    snprintf(path, sizeof path, "%s/db", s->dir);
    rc = open_indexes(s, path, e);
    if (rc != 0 && (fresh || is_damage(e))) {
        close_indexes(s);
        rc = put_aside(path, e) != 0 ? -1 : open_indexes(s, path, e);
    }
    if (rc != 0 && strstr(e->text, strerror(ENOSPC)) != NULL)
        return err_prefix(e, "the disk is full; make room, nothing is lost: the indexes in %s cannot be opened", path);
    return rc == 0 ? 0 : err_prefix(e, "the indexes in %s cannot be opened (\"newsctl rebuild\" makes them again "
                                    "from the log)", path);
}

static int open_log(struct store *s, struct err *e)
{
    char path[4096];
    struct artlog_options o = { .dir = path, .segment_bytes = s->o.segment_bytes, .fsync = s->o.fsync,
                                .fsync_interval_us = s->o.fsync_interval_us, .writable = true };

    snprintf(path, sizeof path, "%s/log", s->dir);
    if ((s->ix.log = artlog_open(&o, e)) == NULL)
        return -1;
    artlog_on_segment(s->ix.log, committer_snapshot, s);
    return 0;
}

/* A cancelled article's bytes may go when the database knows for sure. */
static void on_gone(const struct log_pos *pos, void *arg)
{
    struct store *s = arg;

    lock_get(&s->lock);
    if (s->n_gone == s->cap_gone) {
        s->cap_gone = s->cap_gone * 2 + 16;
        s->gone = xrealloc(s->gone, s->cap_gone * sizeof *s->gone);
    }
    s->gone[s->n_gone++] = *pos;
    lock_put(&s->lock);
}

static int open_rooms(struct store *s, bool fresh, struct err *e)
{
    if (disk_mkdirs(s->dir, 0750) != 0)
        return err_sys(e, "%s", s->dir);
    if (take_lock(s, e) != 0 || key_read(s, e) != 0 || open_database(s, fresh, e) != 0)
        return -1;
    return open_log(s, e);
}

struct store *store_open_rooms(const struct store_options *o, bool fresh, struct err *e)
{
    struct store *s = xcalloc(1, sizeof *s);

    s->o = *o;
    s->dir = xstrdup(o->directory);
    s->site = xstrdup(o->site);
    s->lock_fd = -1;
    s->retry_us = RETRY_US;
    s->keeper_us = KEEPER_US;
    s->remember_us = o->remember_us;
    lock_init(&s->lock, "store");
    cond_init(&s->work);
    cond_init(&s->ready);
    cond_init(&s->tick);
    cond_init(&s->turn);
    s->ix.on_gone = on_gone;
    s->ix.on_gone_arg = s;
    chain_init(&s->queue);
    chain_init(&s->durable);
    if (open_rooms(s, fresh, e) != 0)
        store_close_rooms(&s);
    return s;
}

void store_close_rooms(struct store **sp)
{
    struct store *s = *sp;

    if (s->ix.log != NULL)
        artlog_close(&s->ix.log);
    close_indexes(s);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    cond_fini(&s->work);
    cond_fini(&s->ready);
    cond_fini(&s->tick);
    cond_fini(&s->turn);
    lock_fini(&s->lock);
    free(s->gone);
    free(s->owed);
    free(s->dir);
    free(s->site);
    free(s);
    *sp = NULL;
}
