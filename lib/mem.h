/* mem.h - memory that dies rather than fail, and the two ways to die.
 *
 * Threads:  all functions may be called on any thread.
 * Memory:   xmalloc and its family end the process when memory is gone: use
 *           them for what is small and bounded by us.  What a stranger sizes
 *           (articles, output) uses malloc and answers "later" on NULL.
 */
#ifndef LIB_MEM_H
#define LIB_MEM_H

#include <stddef.h>

#include "lib/err.h"

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) printf_like(1, 2);

/* Cannot start or cannot go on: log one line and exit with 'status'. */
_Noreturn void die(int status, const char *fmt, ...) printf_like(2, 3);

/* The program is wrong: log where and abort.  Always compiled in. */
_Noreturn void bug_at(const char *file, int line, const char *what);
#define bug(what)  bug_at(__FILE__, __LINE__, (what))
#define need(expr) ((expr) ? (void)0 : bug_at(__FILE__, __LINE__, #expr))

#endif
