/* err.h - a reason that travels up.
 *
 * Threads:  a struct err belongs to its caller; no state is shared.
 * Memory:   embedded, never freed.  NULL is allowed: the reason is dropped.
 *
 * The lowest function that knows sets the sentence, each caller may put words
 * in front of it, and the top logs it once.
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#define need_result __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

struct err {
    int  sys;         /* errno of the cause, or 0: ENOSPC and friends decide "later" */
    char text[400];   /* one sentence, no newline, no full stop                      */
};

/* Set the sentence; 'sys' becomes 0.  Return -1, so that "return err_set(...)" reads well. */
int err_set(struct err *e, const char *fmt, ...) printf_like(2, 3);

/* The same with ": strerror(errno)" behind it and errno kept in 'sys'. */
int err_sys(struct err *e, const char *fmt, ...) printf_like(2, 3);

/* Put words in front of the sentence ("words: sentence").  Return -1. */
int err_prefix(struct err *e, const char *fmt, ...) printf_like(2, 3);

#endif
