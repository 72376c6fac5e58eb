/* witness.c - the order of locks, as seen.  See witness.h. */
#include "lib/witness.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

#define HELD_MOST  16
#define PAIRS_MOST 512

static _Thread_local const char *held[HELD_MOST];
static _Thread_local int n_held;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t pairs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct { const char *outer, *inner; } pair[PAIRS_MOST];
static int n_pairs;
static int fd = -1;

static void begin(void)
{
    const char *path = getenv("FRESHET_WITNESS");

    if (path != NULL && *path != '\0')
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static bool known(const char *outer, const char *inner)
{
    for (int i = 0; i < n_pairs; i++)
        if (strcmp(pair[i].outer, outer) == 0 && strcmp(pair[i].inner, inner) == 0)
            return true;
    return false;
}

static void note(const char *outer, const char *inner)
{
    char line[160];
    int n;

    pthread_mutex_lock(&pairs_lock);
    if (!known(outer, inner) && n_pairs < PAIRS_MOST) {
        if (known(inner, outer)) {
            fprintf(stderr, "locks: %s is taken under %s, and the other way round\n", inner, outer);
            bug("locks in two orders");
        }
        pair[n_pairs].outer = outer;
        pair[n_pairs++].inner = inner;
        n = snprintf(line, sizeof line, "%s %s\n", outer, inner);
        if (write(fd, line, (size_t)n) < 0)
            fd = -1;
    }
    pthread_mutex_unlock(&pairs_lock);
}

void witness_take(const char *name)
{
    pthread_once(&once, begin);
    if (fd < 0)
        return;
    for (int i = 0; i < n_held; i++)
        if (strcmp(held[i], name) != 0)
            note(held[i], name);
    if (n_held < HELD_MOST)
        held[n_held++] = name;
}

void witness_drop(const char *name)
{
    if (fd < 0)
        return;
    for (int i = n_held; i-- > 0;) {
        if (held[i] == name) {
            memmove(held + i, held + i + 1, (size_t)(n_held - i - 1) * sizeof *held);
            n_held--;
            return;
        }
    }
}
