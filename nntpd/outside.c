/* outside.c - programs, files and directories that the site block names.  See outside.h. */
#include "nntpd/outside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "lib/span.h"
#include "spool/artlog.h"
#include "spool/record.h"

#define BACK_US (INT64_C(3600) * 1000000)

static void tell(const struct conf *c, struct buf *told, const char *key, const char *path, const char *so)
{
    buf_printf(told, "%s: %s: %s: %s%s\n", c->file, key, path, strerror(errno), so);
}

static void program(const struct conf *c, struct buf *told, const char *key, struct span path, const char *so)
{
    char text[PATH_MAX];
    struct stat st;

    snprintf(text, sizeof text, "%.*s", SPAN_F(path));
    if (stat(text, &st) == 0 && S_ISDIR(st.st_mode))
        errno = EISDIR;
    else if (access(text, X_OK) == 0)
        return;
    tell(c, told, key, text, so);
}

/* May the file, or directory, be made and written?  What is not there is made below the first that is. */
static void writable(const struct conf *c, struct buf *told, const char *key, const char *path, bool with_parents)
{
    char text[PATH_MAX], *slash;
    int error = 0;

    snprintf(text, sizeof text, "%s", path);
    while (access(text, W_OK) != 0 && error == 0) {
        if (errno != ENOENT || (slash = strrchr(text, '/')) == NULL || slash[1] == '\0')
            error = errno;
        else if (!with_parents && strlen(text) < strlen(path))
            error = ENOENT;
        else
            slash[slash == text] = '\0';         /* "/" stays */
    }
    if ((errno = error) != 0)
        tell(c, told, key, text, "");
}

static void list_file(const struct conf *c, struct buf *told, const char *key, const char *path)
{
    if (path != NULL && access(path, R_OK) != 0)
        tell(c, told, key, path, "; the list is empty");
}

void outside_look(const struct conf *c, struct buf *told)
{
    const struct conf_site *s = &c->site;
    struct span rest = span_of(s->sendmail);

    writable(c, told, "directory", s->directory, true);
    if (s->log_file != NULL)
        writable(c, told, "log-file", s->log_file, false);
    if (conf_has_logins(c) && access(s->users_file, R_OK) != 0 && errno != ENOENT)
        tell(c, told, "users-file", s->users_file, "; nobody can log in");
    if (s->login_program.n > 0)
        program(c, told, "login-program", span_of(s->login_program.v[0]), "; who is not in users-file cannot log in");
    if (s->moderators.n > 0)
        program(c, told, "sendmail", span_word(&rest), "; posts to moderated groups cannot be mailed");
    list_file(c, told, "motd-file", s->motd_file);
    list_file(c, told, "subscriptions-file", s->subscriptions_file);
    list_file(c, told, "distributions-file", s->distributions_file);
    list_file(c, told, "distrib-pats-file", s->distrib_pats_file);
}

static const char *day(int64_t us, char out[40])
{
    time_t t = (time_t)(us / 1000000);
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(out, 40, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        strcpy(out, "?");
    return out;
}

void outside_clock(struct artlog *log, int64_t now_us, struct buf *told)
{
    uint64_t seq = artlog_published(log);
    struct log_reader *last = seq > 0 ? log_reader_new(log, seq) : NULL;
    char now_text[40], last_text[40];
    struct log_pos pos;
    struct record r;

    if (last != NULL && log_reader_next(last, &r, &pos, NULL) == 1 && now_us < r.arrived_us - BACK_US)
        buf_printf(told, "the clock says %s, but the last record of the log was made at %s: while the clock is slow, articles are "
                   "refused as dated ahead\n", day(now_us, now_text), day(r.arrived_us, last_text));
    if (last != NULL)
        log_reader_free(&last);
}
