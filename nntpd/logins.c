/* logins.c - the users file in force, and the lane of logins.  See logins.h. */
#include "nntpd/logins.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "lib/disk.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/users.h"
#include "nntpd/brake.h"

#define FAILURES_MOST 65536          /* households and users with failures */

/* One reading of the file. */
struct reading {
    _Atomic unsigned refs;
    struct users *users;
    char *path;
    struct stat st;                  /* st_ino 0: it was not there */
};

struct logins {
    struct lane *lane;
    struct brake *brake;
    int stop;                        /* eventfd: readable when all shall end */
    _Atomic bool stopping;
    struct lock lock;                /* the next two */
    struct reading *now;
};

void wipe(char **secret)
{
    if (*secret != NULL)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

/* --- the file ---------------------------------------------------------------- */

static void reading_put(struct reading *r)
{
    if (r == NULL || --r->refs > 0)
        return;
    users_free(&r->users);
    free(r->path);
    free(r);
}

static void tell(int line, const char *what, void *path)
{
    log_msg(LOG_ERROR, "%s:%d: %s: who stands there cannot log in", (const char *)path, line, what);
}

static bool unchanged(const struct reading *r, const char *path, const struct stat *st)
{
    return r != NULL && strcmp(r->path, path) == 0 && r->st.st_ino == st->st_ino && r->st.st_dev == st->st_dev &&
           r->st.st_size == st->st_size && memcmp(&r->st.st_mtim, &st->st_mtim, sizeof st->st_mtim) == 0 &&
           memcmp(&r->st.st_ctim, &st->st_ctim, sizeof st->st_ctim) == 0;
}

static struct reading *reading_new(const char *path, const struct stat *st, struct users *users)
{
    struct reading *r = xcalloc(1, sizeof *r);

    r->refs = 1;
    r->path = xstrdup(path);
    r->st = *st;
    r->users = users;
    return r;
}

/* Read it.  NULL: why says what. */
static struct reading *read_file(const char *path, const struct stat *st, char *why, size_t size)
{
    struct users *u;
    size_t n;
    char *text;

    if (st->st_ino == 0) {
        log_msg(LOG_NOTICE, "%s: there is no such file: nobody is in it", path);
        return reading_new(path, st, users_parse((struct span){ 0 }, NULL, NULL));
    }
    if ((text = disk_slurp(path, USERS_FILE_MOST, &n)) == NULL) {
        snprintf(why, size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    u = users_parse((struct span){ text, n }, tell, (void *)(uintptr_t)path);
    free(text);
    log_msg(LOG_NOTICE, "%s: %zu users", path, users_count(u));
    return reading_new(path, st, u);
}

static struct reading *take(struct logins *l)
{
    if (l->now != NULL)
        l->now->refs++;
    return l->now;
}

/* The users as the file has them; NULL: why says what.  Who finds a new one reads it,
 * even while another does: from the old one a user who is new would be refused. */
static struct reading *current(struct logins *l, const char *path, char *why, size_t size)
{
    struct stat st;
    struct reading *r, *old = NULL;

    if (stat(path, &st) != 0) {
        if (errno != ENOENT) {
            snprintf(why, size, "%s: %s", path, strerror(errno));
            return NULL;
        }
        memset(&st, 0, sizeof st);
    }
    lock_get(&l->lock);
    r = unchanged(l->now, path, &st) ? take(l) : NULL;
    lock_put(&l->lock);
    if (r != NULL || (r = read_file(path, &st, why, size)) == NULL)
        return r;
    lock_get(&l->lock);
    old = l->now;
    l->now = r;
    r->refs++;
    lock_put(&l->lock);
    reading_put(old);
    return r;
}

/* --- one login ------------------------------------------------------------------ */

void login_init(struct login *g, const struct conf *c, const struct net_addr *from, char *name, char *password)
{
    *g = (struct login){ .conf = c, .from = *from, .name = name, .password = password, .answer = LOGIN_LATER };
}

void login_fini(struct login *g)
{
    wipe(&g->password);
    free(g->name);
    free(g->user);
    g->name = g->user = NULL;
}

static enum login_answer ask(struct logins *l, struct login *g)
{
    bool sound = users_name_good(span_of(g->name)) && users_password_good(span_of(g->password));
    struct reading *r = current(l, g->conf->site.users_file, g->why, sizeof g->why);
    enum login_answer answer;

    if (r == NULL)
        return LOGIN_LATER;
    if (sound && g->conf->site.login_program.n > 0 && !users_has(r->users, span_of(g->name))) {
        reading_put(r);
        return login_ask_program(g, l->stop);
    }
    answer = users_check(r->users, span_of(g->name), g->password) && sound ? LOGIN_YES : LOGIN_NO;
    if (answer == LOGIN_YES)
        g->user = xstrdup(g->name);
    reading_put(r);
    return answer;
}

static void run(struct job *j)
{
    struct login *g = (struct login *)j;

    if (g->l->stopping)
        snprintf(g->why, sizeof g->why, "the site is closing");
    else
        g->answer = ask(g->l, g);
    wipe(&g->password);
}

bool login_send(struct logins *l, struct login *g, struct mailbox *home, void (*deliver)(struct mail *))
{
    if (lane_load(l->lane) >= LOGINS_MOST)
        return false;
    g->l = l;
    g->job.run = run;
    g->job.mail.deliver = deliver;
    g->job.home = home;
    lane_send(l->lane, &g->job);
    return true;
}

/* --- the whole -------------------------------------------------------------------- */

struct logins *logins_new(const struct conf *c)
{
    struct logins *l = xcalloc(1, sizeof *l);

    lock_init(&l->lock, "nntpd.logins");
    if ((l->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        die(1, "logins: %s", strerror(errno));
    l->brake = brake_new(FAILURES_MOST);
    l->lane = lane_new("login", c->site.login_threads);
    return l;
}

void logins_look(struct logins *l, const struct conf *c)
{
    char why[200];
    struct reading *r;

    if (!conf_has_logins(c))
        return;
    if ((r = current(l, c->site.users_file, why, sizeof why)) == NULL)
        log_msg(LOG_ERROR, "%s: nobody can log in", why);
    reading_put(r);
}

void logins_stop(struct logins *l)
{
    uint64_t one = 1;

    l->stopping = true;
    need(write(l->stop, &one, sizeof one) == sizeof one);
}

void logins_free(struct logins **l)
{
    if (*l == NULL)
        return;
    logins_stop(*l);
    lane_free(&(*l)->lane);
    reading_put((*l)->now);
    brake_free(&(*l)->brake);
    close((*l)->stop);
    lock_fini(&(*l)->lock);
    free(*l);
    *l = NULL;
}

struct brake *logins_brake(struct logins *l)
{
    return l->brake;
}

void logins_counts(struct logins *l, struct logins_counts *c)
{
    *c = (struct logins_counts){ .waiting = lane_load(l->lane) };
    lock_get(&l->lock);
    if (l->now != NULL) {
        c->users = users_count(l->now->users);
        c->damaged = users_damaged(l->now->users);
    }
    lock_put(&l->lock);
}
