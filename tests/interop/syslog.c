/* syslog.c - syslog(3) into the file $SYSLOG_FILE, for programs that log nowhere else.
 *
 * Preloaded into INN's programs: what they think of a peer they tell the
 * system's log alone, and a test machine has none.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void openlog(const char *ident, int option, int facility);
void closelog(void);
void syslog(int priority, const char *format, ...);
void vsyslog(int priority, const char *format, va_list ap);
void __syslog_chk(int priority, int flag, const char *format, ...);
void __vsyslog_chk(int priority, int flag, const char *format, va_list ap);

static char name[64] = "?";

void openlog(const char *ident, int option, int facility)
{
    (void)option;
    (void)facility;
    if (ident != NULL)
        snprintf(name, sizeof(name), "%s", ident);
}

void closelog(void)
{
}

void vsyslog(int priority, const char *format, va_list ap)
{
    const char *path = getenv("SYSLOG_FILE");
    char line[4096];
    int fd = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;
    int n = snprintf(line, sizeof(line), "%s[%d] %d: ", name, (int)getpid(), priority & 7);
    int m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, ap);

    if (fd < 0)
        return;
    n = m < (int)sizeof(line) - n - 1 ? n + m : (int)sizeof(line) - 2;
    line[n++] = '\n';
    if (write(fd, line, (size_t)n) < 0)
        _exit(99);
    close(fd);
}

void syslog(int priority, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsyslog(priority, format, ap);
    va_end(ap);
}

void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list ap;

    (void)flag;
    va_start(ap, format);
    vsyslog(priority, format, ap);
    va_end(ap);
}

void __vsyslog_chk(int priority, int flag, const char *format, va_list ap)
{
    (void)flag;
    vsyslog(priority, format, ap);
}
