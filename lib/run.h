/* run.h - run a program to its end, without a shell.
 *
 * Threads:  any, but it waits: not on a worker.
 * Memory:   the end is the caller's (run_end_fini), also after -1: it holds what was said.
 * Errors:   -1: it could not be started, took too long, or was stopped; it is
 *           gone then, with all it started in its process group.
 */
#ifndef LIB_RUN_H
#define LIB_RUN_H

#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

#define RUN_SAYS_MOST 4096

struct run {
    const char *const *argv;    /* argv[0] is the program's path; ended by NULL            */
    struct span input;          /* its standard input; kept in no file, and not kept       */
    int64_t     most_us;        /* as long as it may take                                  */
    int         stop;           /* ended early when this becomes readable; -1: never       */
};

struct run_end {
    int        code;            /* its exit code; 128 + n: killed by signal n              */
    struct buf says;            /* the first RUN_SAYS_MOST octets of its output            */
    struct buf complains;       /* the same of its errors                                  */
};

int run_program(const struct run *o, struct run_end *end, struct err *e) need_result;
void run_end_fini(struct run_end *end);

#endif
