/* err.c - a reason that travels up.  See err.h. */
#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, const char *fmt, ...)
{
    va_list ap;

    if (e == NULL)
        return -1;
    e->sys = 0;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    return -1;
}

int err_sys(struct err *e, const char *fmt, ...)
{
    int sys = errno;
    char why[128];
    size_t n;
    va_list ap;

    if (e == NULL)
        return -1;
    e->sys = sys;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    n = strlen(e->text);
    snprintf(e->text + n, sizeof e->text - n, ": %s", strerror_r(sys, why, sizeof why));
    errno = sys;
    return -1;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    char was[sizeof e->text];
    size_t n;
    va_list ap;

    if (e == NULL)
        return -1;
    memcpy(was, e->text, sizeof was);
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    n = strlen(e->text);
    snprintf(e->text + n, sizeof e->text - n, ": %s", was);
    return -1;
}
