/* users.c - names, hashes, passwords.  See users.h.
 *
 * The only file that knows crypt(3).  What a password costs is written in its
 * hash, so a name that is not there is checked against somebody else's: the
 * time tells nothing.
 */
#include "lib/users.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#define YESCRYPT "$y$"
#define YESCRYPT_HASH 43             /* letters behind the salt */
#define HASH_LETTERS "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

struct user {
    bool good;                       /* may log in with the right password */
    char hash[];
};

struct users {
    struct map *by_name;
    const struct user *first;        /* a good one: names that are not there are checked against it */
    size_t n_good, n_damaged;
};

/* --- words --------------------------------------------------------------- */

bool users_name_good(struct span name)
{
    return name.n > 0 && name.n <= USERS_NAME_MOST && name.p[0] != '#' && utf8_printable(name) &&
           memchr(name.p, ':', name.n) == NULL && memchr(name.p, ' ', name.n) == NULL;
}

bool users_password_good(struct span password)
{
    if (password.n == 0 || password.n > USERS_PASSWORD_MOST)
        return false;
    for (size_t i = 0; i < password.n; i++)
        if ((unsigned char)password.p[i] < ' ' || password.p[i] == 0x7f)
            return false;
    return true;
}

/* What is wrong with a hash?  NULL: nothing that can be seen. */
static const char *hash_damage(struct span hash)
{
    char text[CRYPT_OUTPUT_SIZE];
    const char *last;

    if (hash.n == 0)
        return "there is no password";
    if (hash.n >= sizeof text)
        return "the hash is too long";
    memcpy(text, hash.p, hash.n);
    text[hash.n] = '\0';
    /* what has no "$" in front is DES, or a password that somebody has typed in */
    if (strlen(text) != hash.n || text[0] != '$' || crypt_checksalt(text) == CRYPT_SALT_INVALID)
        return "the hash is none that crypt(3) knows";
    last = strrchr(text, '$');
    if (strncmp(text, YESCRYPT, strlen(YESCRYPT)) == 0 &&
        (strspn(last + 1, HASH_LETTERS) != YESCRYPT_HASH || strlen(last + 1) != YESCRYPT_HASH))
        return "the hash is cut off or changed";
    return NULL;
}

/* --- lines ----------------------------------------------------------------- */

struct line {
    struct span whole;               /* with its end       */
    struct span name, hash, flags;
    const char *damage;              /* NULL: a good line  */
    bool off;
};

static bool blank(struct span s)
{
    s = span_trim(s);
    return s.n == 0 || s.p[0] == '#';
}

static void read_flags(struct line *l)
{
    struct span all = l->flags, one;

    while (all.n > 0 && l->damage == NULL && span_next(&all, ',', &one)) {
        if (span_eq(one, SPAN("off")))
            l->off = true;
        else
            l->damage = "a flag that is not known";
    }
}

/* name:hash:flags */
static void read_line(struct line *l, struct span text)
{
    struct span rest;

    *l = (struct line){ .whole = l->whole };
    rest = text;
    if (!span_next(&rest, ':', &l->name) || !users_name_good(l->name))
        l->damage = "this is no name";
    if (l->damage != NULL || !span_next(&rest, ':', &l->hash) || rest.p == NULL) {
        l->damage = l->damage != NULL ? l->damage : "name:hash:flags is wanted";
        return;
    }
    l->flags = rest;
    l->damage = hash_damage(l->hash);
    read_flags(l);
}

/* The next line of a text; false at the end.  *l is that of a user unless *skip. */
static bool next_line(struct span *text, struct line *l, bool *skip)
{
    const char *lf;
    struct span s;

    if (text->n == 0)
        return false;
    lf = memchr(text->p, '\n', text->n);
    s = (struct span){ text->p, lf != NULL ? (size_t)(lf - text->p) : text->n };
    *l = (struct line){ .whole = { text->p, s.n + (lf != NULL) } };
    *text = span_from(*text, l->whole.n);
    if (s.n > 0 && s.p[s.n - 1] == '\r')
        s.n--;
    *skip = blank(s);
    if (!*skip)
        read_line(l, s);
    return true;
}

static void tell_damage(struct users *u, users_tell_fn *tell, void *arg, int number, const char *what)
{
    u->n_damaged++;
    if (tell != NULL)
        tell(number, what, arg);
}

static void add_user(struct users *u, const struct line *l)
{
    struct user *user = xcalloc(1, sizeof *user + l->hash.n + 1);

    if (l->hash.n > 0)
        memcpy(user->hash, l->hash.p, l->hash.n);
    user->good = l->damage == NULL && !l->off;
    u->n_good += user->good;
    if (u->first == NULL && l->damage == NULL)
        u->first = user;
    need(map_put(u->by_name, l->name, user) == NULL);
}

struct users *users_parse(struct span text, users_tell_fn *tell, void *arg)
{
    struct users *u = xcalloc(1, sizeof *u);
    struct line l;
    bool skip;

    u->by_name = map_new();
    for (int number = 1; next_line(&text, &l, &skip); number++) {
        if (skip)
            continue;
        if (l.damage != NULL)
            tell_damage(u, tell, arg, number, l.damage);
        if (!users_name_good(l.name))
            continue;
        if (!users_has(u, l.name))
            add_user(u, &l);
        else if (l.damage == NULL)
            tell_damage(u, tell, arg, number, "this user is there already; the first line counts");
    }
    return u;
}

void users_free(struct users **u)
{
    size_t at = 0;
    struct span key;
    void *v;

    if (*u == NULL)
        return;
    while (map_next((*u)->by_name, &at, &key, &v))
        free(v);
    map_free(&(*u)->by_name);
    free(*u);
    *u = NULL;
}

size_t users_count(const struct users *u)
{
    return u->n_good;
}

size_t users_damaged(const struct users *u)
{
    return u->n_damaged;
}

bool users_has(const struct users *u, struct span name)
{
    return map_get(u->by_name, name) != NULL;
}

/* --- passwords --------------------------------------------------------------- */

/* No sooner at its end because an early letter differs. */
static bool same(const char *a, const char *b)
{
    size_t n = strlen(a);
    unsigned char d = 0;

    if (strlen(b) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        d |= (unsigned char)(a[i] ^ b[i]);
    return d == 0;
}

static bool verify(const char *hash, const char *password)
{
    struct crypt_data *d = xcalloc(1, sizeof *d);
    const char *got = crypt_rn(password, hash, d, (int)sizeof *d);
    bool yes = got != NULL && got[0] != '*' && same(got, hash);

    explicit_bzero(d, sizeof *d);
    free(d);
    return yes;
}

bool users_check(const struct users *u, struct span name, const char *password)
{
    const struct user *user = map_get(u->by_name, name);
    bool there = user != NULL && user->good;

    if (!there)
        user = u->first;
    return user != NULL && verify(user->hash, password) && there;
}

char *users_hash(const char *password, struct err *e)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *d;
    char *hash = NULL;
    const char *got;

    if (crypt_gensalt_rn(YESCRYPT, 0, NULL, 0, setting, (int)sizeof setting) == NULL) {
        err_sys(e, "crypt_gensalt");
        return NULL;
    }
    d = xcalloc(1, sizeof *d);
    got = crypt_rn(password, setting, d, (int)sizeof *d);
    if (got != NULL && got[0] != '*')
        hash = xstrdup(got);
    else
        err_sys(e, "crypt");
    explicit_bzero(d, sizeof *d);
    free(d);
    return hash;
}

/* --- keeping the file ---------------------------------------------------------- */

void users_each(struct span text, users_each_fn *each, void *arg)
{
    struct line l;
    bool skip;

    for (int number = 1; next_line(&text, &l, &skip); number++)
        if (!skip)
            each(number, l.name, l.flags, l.damage, arg);
}

bool users_find(struct span text, struct span name, struct span *hash, struct span *flags)
{
    struct line l;
    bool skip;

    while (next_line(&text, &l, &skip)) {
        if (skip || !span_eq(l.name, name))
            continue;
        *hash = l.hash;
        *flags = l.flags;
        return true;
    }
    return false;
}

bool users_edit(struct buf *out, struct span text, struct span name, const char *line)
{
    struct line l;
    bool skip, there = false;

    while (next_line(&text, &l, &skip)) {
        if (skip || !span_eq(l.name, name)) {
            buf_add_span(out, l.whole);
            if (l.whole.p[l.whole.n - 1] != '\n')
                buf_puts(out, "\n");
        } else if (!there) {
            there = true;
            if (line != NULL)
                buf_printf(out, "%s\n", line);
        }
    }
    if (!there && line != NULL)
        buf_printf(out, "%s\n", line);
    return there;
}

static void directory_of(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        snprintf(out, size, ".");
    else
        snprintf(out, size, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

int users_lock(const char *path, struct err *e)
{
    char dir[PATH_MAX];
    int fd;

    directory_of(path, dir, sizeof dir);
    if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return err_sys(e, "%s", dir);
    while (flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR)
            continue;
        close(fd);
        return err_sys(e, "%s: flock", dir);
    }
    return fd;
}

/* Whom the new file shall belong to; no harm when we may not give it away. */
static void give(int fd, const char *path, const char *dir)
{
    struct stat st;

    if (stat(path, &st) == 0 || stat(dir, &st) == 0)
        (void)!fchown(fd, st.st_uid, st.st_gid);
}

int users_save(const char *path, struct span text, struct err *e)
{
    char *tmp = xasprintf("%s.new", path), dir[PATH_MAX];
    int fd, rc = -1;

    directory_of(path, dir, sizeof dir);
    (void)disk_unlink(tmp);          /* of one that was killed, perhaps with another owner or mode */
    if ((fd = disk_open(tmp, O_WRONLY | O_CREAT | O_EXCL, 0600)) < 0) {
        err_sys(e, "%s", tmp);
        free(tmp);
        return -1;
    }
    give(fd, path, dir);
    if (disk_write(fd, text.p, text.n, 0) != 0 || disk_sync(fd) != 0)
        err_sys(e, "%s", tmp);
    else if (disk_rename(tmp, path) != 0)
        err_sys(e, "%s", path);
    else if (disk_sync_dir(dir) != 0)
        err_sys(e, "%s", dir);
    else
        rc = 0;
    disk_close(fd);
    if (rc != 0)
        (void)disk_unlink(tmp);
    free(tmp);
    return rc;
}
