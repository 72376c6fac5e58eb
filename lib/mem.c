/* mem.c - memory that dies rather than fail, and the two ways to die.  See mem.h. */
#include "lib/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

static void *must(void *p, size_t n)
{
    if (p == NULL)
        die(1, "out of memory (%zu bytes wanted)", n);
    return p;
}

void *xmalloc(size_t n)
{
    return must(malloc(n > 0 ? n : 1), n);
}

void *xcalloc(size_t n, size_t size)
{
    return must(calloc(n > 0 ? n : 1, size > 0 ? size : 1), n * size);
}

void *xrealloc(void *p, size_t n)
{
    return must(realloc(p, n > 0 ? n : 1), n);
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
    char *p = xmalloc(n + 1);

    if (n > 0)
        memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *xasprintf(const char *fmt, ...)
{
    char *p = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&p, fmt, ap);
    va_end(ap);
    if (n < 0)
        die(1, "out of memory");
    return p;
}

void die(int status, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_msg(LOG_ERROR, "%s", text);
    exit(status);
}

void bug_at(const char *file, int line, const char *what)
{
    log_msg(LOG_ERROR, "the program is wrong: %s:%d: %s", file, line, what);
    abort();
}
