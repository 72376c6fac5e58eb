/* pull_home.h - what was pulled, handed to our own nntpd: the other end of
 * nntpd/control_pull.c, which says what goes over the line.
 *
 * Threads:  feeder's one.
 * Memory:   what was given and not yet read by nntpd: the owner looks at home_behind.
 */
#ifndef FEEDER_PULL_HOME_H
#define FEEDER_PULL_HOME_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/rpc.h"
#include "lib/span.h"

#define HOME_WORDS (RPC_WORDS_MAX - 4)     /* groups or ids in one question */

struct feeder;
struct pull_home;

enum home_fate { FATE_STORED, FATE_KNOWN, FATE_REFUSED, FATE_LATER };

struct home_answer {
    enum { HOME_READY, HOME_CARRIES, HOME_WANTS, HOME_TAKEN, HOME_GONE } what;
    uint64_t    tag;                       /* of the question; READY: the largest article   */
    const char *bits;                      /* CARRIES, WANTS: '1' or '0' for each           */
    size_t      n;                         /* how many of them                              */
    enum home_fate fate;                   /* TAKEN                                         */
    const char *verdict, *text;            /* TAKEN; GONE: text says why, and close it      */
};

typedef void home_fn(const struct home_answer *a, void *arg);

/* Begin a dialogue in the name of the peer 'name'; HOME_READY follows. */
struct pull_home *pull_home_open(struct feeder *f, const char *name, home_fn *fn, void *arg, struct err *e);
void pull_home_close(struct pull_home **h);

/* Questions; n is HOME_WORDS at most.  Answers come in the order asked, but for articles'. */
void home_ask_carries(struct pull_home *h, uint64_t tag, const struct span *group, size_t n);
void home_ask_wants(struct pull_home *h, uint64_t tag, const struct span *id, size_t n);
void home_give(struct pull_home *h, uint64_t tag, struct span id, struct span article);
size_t home_behind(const struct pull_home *h);     /* octets that nntpd has not read yet    */

#endif
