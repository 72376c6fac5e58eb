/* log.c - one line a fact.  See log.h.
 *
 * Strangers' bytes reach the log (ids, header values): control bytes and
 * whatever is not well-formed UTF-8 are shown as \xHH, so that nobody can
 * forge a line or speak to the operator's terminal.
 */
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/utf8.h"

static const char *const names[] = { "error", "warning", "notice", "info", "debug" };
static const int priority[] = { 3, 4, 5, 6, 7 };          /* as sd-daemon(3) has them */

static _Atomic int  least = LOG_NOTICE;
static _Atomic int  fd = STDERR_FILENO;
static char         path[512];                            /* set before threads start */
static char         program[32] = "freshet";
static _Atomic bool journal;

int log_open(const char *name, enum log_level level, const char *file, struct err *e)
{
    snprintf(program, sizeof program, "%s", name);
    log_set_level(level);
    journal = file == NULL && getenv("JOURNAL_STREAM") != NULL;
    path[0] = '\0';
    if (file == NULL) {
        fd = STDERR_FILENO;
        return 0;
    }
    snprintf(path, sizeof path, "%s", file);
    int f = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (f < 0)
        return err_sys(e, "log file %s", path);
    fd = f;
    return 0;
}

void log_reopen(void)
{
    if (path[0] == '\0')
        return;
    int f = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (f < 0) {
        log_msg(LOG_WARNING, "log file %s cannot be opened again; going on with the old one", path);
        return;
    }
    /* keep the number: another thread may be between reading it and writing */
    if (dup3(f, fd, O_CLOEXEC) < 0)
        fd = f;
    else
        close(f);
}

void log_set_level(enum log_level level)
{
    least = level;
}

int log_level_read(const char *name, enum log_level *level)
{
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

static size_t put_head(char *out, size_t size, enum log_level level)
{
    int64_t now = clock_now_us();
    time_t t = (time_t)(now / 1000000);
    struct tm tm;
    char when[32];

    if (journal)
        return (size_t)snprintf(out, size, "<%d>", priority[level]);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", gmtime_r(&t, &tm));
    return (size_t)snprintf(out, size, "%s.%03dZ %s[%d] %s: ", when, (int)(now / 1000 % 1000), program,
                            (int)getpid(), names[level]);
}

static size_t escape(char *out, size_t size, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t left = strlen(text), n = 0;

    while (left > 0 && n + 4 < size) {
        size_t len = utf8_harmless((struct span){ (const char *)s, left });

        if (len == 0)
            sprintf(out + n, "\\x%02x", s[0]);
        else
            memcpy(out + n, s, len);
        n += len == 0 ? 4 : len;
        s += len == 0 ? 1 : len;
        left -= len == 0 ? 1 : len;
    }
    return n;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    int was = errno;
    char text[2048], line[4096];
    va_list ap;
    size_t n;

    if ((int)level > least)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    n = put_head(line, sizeof line, level);
    n += escape(line + n, sizeof line - n - 1, text);
    line[n++] = '\n';
    /* a log that cannot be written must never stop the news */
    while (write(fd, line, n) < 0 && errno == EINTR)
        ;
    errno = was;
}
