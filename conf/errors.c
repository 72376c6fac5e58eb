/* errors.c - the errors of a file.  See errors.h. */
#include "conf/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define ERRORS_MOST 1000

struct error { int line; size_t at; char *text; };

void errors_add(struct errors *s, int line, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    if (s->n == ERRORS_MOST)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *p = text; *p != '\0'; p++)         /* a file is not to play with the terminal */
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    if (s->n % 16 == 0)
        s->v = xrealloc(s->v, (s->n + 16) * sizeof *s->v);
    s->v[s->n] = (struct error){ line, s->n, xstrdup(text) };
    s->n++;
}

static int by_line(const void *a, const void *b)
{
    const struct error *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

void errors_tell(struct errors *s, const char *file, struct buf *out)
{
    if (s->n > 0)
        qsort(s->v, s->n, sizeof *s->v, by_line);
    for (size_t i = 0; i < s->n; i++)
        if (i == 0 || s->v[i].line != s->v[i - 1].line || strcmp(s->v[i].text, s->v[i - 1].text) != 0)
            buf_printf(out, "%s:%d: %s\n", file, s->v[i].line, s->v[i].text);
    if (s->n == ERRORS_MOST)
        buf_printf(out, "%s: and more\n", file);
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i].text);
    free(s->v);
    *s = (struct errors){ 0 };
}
