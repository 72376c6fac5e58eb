/* rpc.h - the line protocol of the control sockets (nntpd's and feeder's).
 *
 * A request is one line of words, separated by tabs.  The answer is any number
 * of lines and a last one:
 *     P <what> <done> <total>     progress, while it works
 *     C <name> <name> ...         column names; rows follow
 *     R <value> <value> ...       a row
 *     T <text>                    a line of text
 *     OK <text>   |   ER <text>   the end
 * Fields are separated by tabs; tab, newline, CR and backslash within a field
 * are written \t \n \r \\.
 *
 * Threads:  pure, but rpc_ask, which blocks.
 * Memory:   lines are at most RPC_LINE_MAX octets; the writers append to a buf
 *           that the caller sends.
 */
#ifndef LIB_RPC_H
#define LIB_RPC_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/span.h"

#define RPC_LINE_MAX  65536
#define RPC_WORDS_MAX 64

/* Write one line: its kind, then n fields. */
void rpc_line(struct buf *out, const char *kind, const char *const *field, size_t n);
/* The same with the fields as arguments, ended by NULL. */
void rpc_fields(struct buf *out, const char *kind, ...) __attribute__((sentinel));
void rpc_text(struct buf *out, const char *fmt, ...) printf_like(2, 3);      /* T  */
void rpc_ok(struct buf *out, const char *fmt, ...) printf_like(2, 3);        /* OK */
void rpc_error(struct buf *out, const char *fmt, ...) printf_like(2, 3);     /* ER */
void rpc_progress(struct buf *out, const char *what, uint64_t done, uint64_t total);

/* Cut a line (without its newline) into fields, in place, escapes undone and
 * each field ended by NUL ('line' has room for one more byte).  Return how many. */
size_t rpc_split(char *line, size_t n, char **field, size_t most);

/* Send a request and hear the answer: 'each' is called for every line but the
 * last.  Return 1 (OK) or 0 (ER) with the last line's text in 'last', -1 trouble. */
typedef void rpc_each_fn(const char *kind, char **field, size_t n, void *arg);
int rpc_ask(int fd, int n, char *const *words, rpc_each_fn *each, void *arg, struct buf *last, struct err *e);

/* Hear an answer alone (the request went by other ways). */
int rpc_hear(int fd, rpc_each_fn *each, void *arg, struct buf *last, struct err *e);

#endif
