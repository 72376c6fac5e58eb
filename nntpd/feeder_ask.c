/* feeder_ask.c - a question to feeder.  See feeder_ask.h. */
#include "nntpd/feeder_ask.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/net.h"

int feeder_ask(const struct conf *c, int n, char *const *words, int seconds, rpc_each_fn *each, void *arg, struct buf *last,
               struct err *e)
{
    char *path = xasprintf("%s/feeder.sock", c->site.run_directory);
    struct timeval patience = { seconds, 0 };
    int fd = net_connect_unix(path, e), rc = -1;

    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        rc = rpc_ask(fd, n, words, each, arg, last, e);
        close(fd);
    }
    free(path);
    return rc;
}
