/* user.c - newsctl user: the file of those who may log in (lib/users, doc/formats.md).
 *
 * newsctl writes the file itself, whether the site runs or not; nntpd sees that it
 * has changed.  Passwords come from the terminal, unseen and twice, or as the first
 * line of standard input when that is no terminal; never from the command line,
 * which everybody on the machine can read.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ctl/ask.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "lib/users.h"

#define LINE_MOST (USERS_PASSWORD_MOST + 2)

struct work {
    const struct conf *conf;
    const char *path;
    const char *socket;             /* nntpd's                                 */
    const char *directory;          /* the site's                              */
    const char *name;               /* NULL: list                              */
    struct span text;               /* of the file, as it is                   */
    struct show *show;
};

/* --- passwords ------------------------------------------------------------ */

/* A line without its end.  -1: there is none, or it is too long. */
static int read_line(char line[LINE_MOST])
{
    size_t n;

    if (fgets(line, LINE_MOST, stdin) == NULL)
        return -1;
    n = strlen(line);
    if (n == 0 || line[n - 1] != '\n')
        return feof(stdin) && n > 0 ? 0 : -1;
    line[--n] = '\0';
    if (n > 0 && line[n - 1] == '\r')
        line[n - 1] = '\0';
    return 0;
}

static struct termios terminal;     /* as it was */

/* ^C at the prompt must not leave a terminal that shows nothing. */
static void on_interrupt(int sig)
{
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal);
    _exit(128 + sig);
}

static int ask_line(const char *prompt, char line[LINE_MOST])
{
    struct termios quiet;
    int rc;

    if (tcgetattr(STDIN_FILENO, &terminal) != 0)
        return -1;
    quiet = terminal;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    signal(SIGINT, on_interrupt);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);    /* before the prompt: who sees it may type at once */
    fputs(prompt, stderr);
    rc = read_line(line);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal);
    signal(SIGINT, SIG_DFL);
    fputc('\n', stderr);
    return rc;
}

/* The hash of a password that somebody gives; NULL: the trouble has been told. */
static char *new_hash(struct show *show)
{
    char line[LINE_MOST] = "", again[LINE_MOST] = "", *hash = NULL;
    bool person = isatty(STDIN_FILENO);
    struct err e;
    int rc;

    setvbuf(stdin, NULL, _IONBF, 0);             /* no copy of it in a buffer */
    rc = person ? ask_line("Password: ", line) : read_line(line);
    if (rc == 0 && person)
        rc = ask_line("Again: ", again);
    if (rc != 0 || !users_password_good(span_of(line)))
        show_no(show, "a password of 1 to %d octets without control characters is wanted", USERS_PASSWORD_MOST);
    else if (person && strcmp(line, again) != 0)
        show_no(show, "the two are not the same");
    else if ((hash = users_hash(line, &e)) == NULL)
        show_no(show, "%s", e.text);
    explicit_bzero(line, sizeof line);
    explicit_bzero(again, sizeof again);
    return hash;
}

/* --- commands ---------------------------------------------------------------- */

/* What root makes beside a root's configuration is of no use to a site of another user. */
static void hand_over(const struct work *w)
{
    struct stat site, file;

    if (geteuid() == 0 && stat(w->directory, &site) == 0 && site.st_uid != 0 && stat(w->path, &file) == 0 && file.st_uid == 0)
        (void)!chown(w->path, site.st_uid, site.st_gid);
}

/* Put the user's new line (NULL: none) into the file; with 'out', who is logged in by the old one has to go. */
static int save(const struct work *w, const char *line, bool out_too, const char *done)
{
    char *words[] = { (char[]){ "user" }, (char[]){ "out" }, (char *)(uintptr_t)w->name };
    struct buf out = { 0 };
    char text[400];
    struct err e;
    int rc;

    users_edit(&out, w->text, span_of(w->name), line);
    rc = users_save(w->path, buf_span(&out), &e);
    buf_fini(&out);
    if (rc != 0)
        return show_no(w->show, "%s", e.text);
    hand_over(w);
    out_too = out_too && ask_quietly(w->socket, 3, words);
    snprintf(text, sizeof text, "%s %s%s", w->name, done, out_too ? "; connections with the old login are ended" : "");
    show_end(w->show, true, span_of(text));
    return CTL_OK;
}

static int save_hash(const struct work *w, const char *flags, bool out_too, const char *done)
{
    char *hash, *line;
    int rc;

    if (!users_name_good(span_of(w->name)))
        return show_no(w->show, "\"%s\" is no name for a user: up to %d octets, no blanks, no \":\", no # in front", w->name, USERS_NAME_MOST);
    if ((hash = new_hash(w->show)) == NULL)
        return CTL_NO;
    line = xasprintf("%s:%s:%s", w->name, hash, flags);
    rc = save(w, line, out_too, done);
    free(hash);
    free(line);
    return rc;
}

static int user_add(const struct work *w)
{
    struct span hash, flags;

    if (users_find(w->text, span_of(w->name), &hash, &flags))
        return show_no(w->show, "%s is there already (newsctl user passwd %s: another password)", w->name, w->name);
    return save_hash(w, "", false, conf_has_logins(w->conf) ? "may log in" :
                     "may log in, but to no end yet: no access block has user = { ... }, and no peer block login = ...");
}

static int missing(const struct work *w)
{
    return show_no(w->show, "there is no user %s", w->name);
}

static int user_passwd(const struct work *w)
{
    struct span hash, flags;
    bool off;

    if (!users_find(w->text, span_of(w->name), &hash, &flags))
        return missing(w);
    off = span_eq(flags, SPAN("off"));
    return save_hash(w, off ? "off" : "", true, off ? "has another password (but may not log in: off)" : "has another password");
}

static int user_del(const struct work *w)
{
    struct span hash, flags;

    return users_find(w->text, span_of(w->name), &hash, &flags) ? save(w, NULL, true, "is removed") : missing(w);
}

static int set_flag(const struct work *w, const char *flag, const char *done)
{
    struct span hash, flags;
    char *line;
    int rc;

    if (!users_find(w->text, span_of(w->name), &hash, &flags))
        return missing(w);
    line = xasprintf("%s:%.*s:%s", w->name, SPAN_F(hash), flag);
    rc = save(w, line, flag[0] != '\0', done);
    free(line);
    return rc;
}

static int user_off(const struct work *w) { return set_flag(w, "off", "may log in no more"); }
static int user_on(const struct work *w)  { return set_flag(w, "", "may log in again"); }

struct sums { struct show *show; size_t n, damaged; };

static void show_user(int line, struct span name, struct span flags, const char *damage, void *arg)
{
    struct sums *s = arg;
    char *why = damage != NULL ? xasprintf("damaged: line %d: %s", line, damage) : NULL;

    s->n++;
    s->damaged += damage != NULL;
    show_row(s->show, (struct span[]){ name, why != NULL ? span_of(why) : flags.n > 0 ? flags : SPAN("good") }, 2);
    free(why);
}

static int user_list(const struct work *w)
{
    struct sums s = { .show = w->show };
    char text[100];

    show_columns(w->show, (struct span[]){ SPAN("user"), SPAN("state") }, 2);
    users_each(w->text, show_user, &s);
    snprintf(text, sizeof text, "%zu users, %zu damaged lines", s.n - s.damaged, s.damaged);
    show_end(w->show, true, span_of(text));
    return CTL_OK;
}

/* --- the door ------------------------------------------------------------------ */

static int run(struct work *w, int (*todo)(const struct work *))
{
    size_t n = 0;
    char *text = disk_slurp(w->path, USERS_FILE_MOST, &n);
    int rc;

    if (text == NULL && errno != ENOENT)
        return show_no(w->show, "%s: %s", w->path, strerror(errno));
    w->text = (struct span){ text, n };
    rc = todo(w);
    free(text);
    return rc;
}

int user_command(const struct conf *c, const char *verb, const char *name, struct show *show)
{
    static const struct { const char *verb; int (*run)(const struct work *); } verbs[] = {
        { "add", user_add }, { "passwd", user_passwd }, { "del", user_del }, { "off", user_off }, { "on", user_on }, { "list", user_list },
    };
    char socket[PATH_MAX];
    struct work w = { .conf = c, .path = c->site.users_file, .socket = socket, .directory = c->site.directory, .name = name, .show = show };
    struct err e;
    int lock, rc;

    snprintf(socket, sizeof socket, "%s/control.sock", c->site.run_directory);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].verb, verb) != 0)
            continue;
        if (name == NULL)
            return run(&w, verbs[i].run);
        if ((lock = users_lock(w.path, &e)) < 0)
            return show_no(show, "%s", e.text);
        rc = run(&w, verbs[i].run);
        close(lock);
        return rc;
    }
    bug("a verb of newsctl user");
}
