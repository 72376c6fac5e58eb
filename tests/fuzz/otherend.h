/* otherend.h - the other end of a connection that our program makes, and a disk that does not wait.
 *
 * What it says is the fuzzer's: up to the first octet 1 at once, then each time
 * the target calls say() up to the next one.  At the end of it all it hangs up.
 */
#ifndef TESTS_FUZZ_OTHEREND_H
#define TESTS_FUZZ_OTHEREND_H

#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/disk.h"
#include "lib/mem.h"
#include "lib/stream.h"

static struct stream *other;
static struct span says;                  /* what it has not said yet */

static void say(void)
{
    const char *end = says.n > 0 ? memchr(says.p, 1, says.n) : NULL;
    size_t n = end != NULL ? (size_t)(end - says.p) : says.n;

    if (says.n == 0) {
        stream_finish(other);
        return;
    }
    stream_write(other, says.p, n);
    says = span_from(says, n + (end != NULL));
}

/* Say all that is left, and end. */
static void hang_up(void)
{
    while (says.n > 0)
        say();
    say();
}

/* Take the connection that waits at the door; false: none does. */
static bool let_in(struct event_base *base, int door, struct stream **who, stream_fn *fn)
{
    static const struct linger reset = { .l_onoff = 1 };      /* no port waits for a minute */
    int fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    need(*who == NULL);
    *who = stream_socket(base, fd, fn, NULL);
    return true;
}

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static void quick_disk(void)
{
    static struct disk_ops quick;

    quick = *disk_table();
    quick.fdatasync = quick.fsync = no_sync;
    disk_use(&quick);
}

#endif
