/* stream_socket.c - streams over sockets. */
#include "lib/stream_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static long socket_read(void *carrier, void *p, size_t n)
{
    return read((int)(intptr_t)carrier, p, n);
}

static long socket_write(void *carrier, const struct span *v, int n)
{
    struct iovec io[STREAM_SPANS];

    for (int i = 0; i < n; i++)
        io[i] = (struct iovec){ (void *)(uintptr_t)v[i].p, v[i].n };
    return sendmsg((int)(intptr_t)carrier, &(struct msghdr){ .msg_iov = io, .msg_iovlen = (size_t)n }, MSG_NOSIGNAL);
}

static void socket_free(void *carrier)
{
    close((int)(intptr_t)carrier);
}

static const struct stream_io socket_io = { .read = socket_read, .write = socket_write, .free = socket_free };

static void no_delay(int fd)
{
    int one = 1;

    /* a Unix socket pair has no such option: no harm */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

struct stream *stream_socket(struct event_base *base, int fd, stream_fn *fn, void *arg)
{
    struct stream *s = stream_new(base, fd, &socket_io, (void *)(intptr_t)fd, fn, arg);

    no_delay(fd);
    stream_set_reading(s);
    return s;
}

struct stream *stream_connect(struct event_base *base, const struct sockaddr *to, unsigned to_len,
                              const struct sockaddr *from, unsigned from_len, stream_fn *fn, void *arg,
                              struct err *e)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stream *s;

    if (fd < 0) {
        err_sys(e, "socket");
        return NULL;
    }
    if ((from != NULL && bind(fd, from, from_len) != 0) ||
        (connect(fd, to, to_len) != 0 && errno != EINPROGRESS)) {
        err_sys(e, "connect");
        close(fd);
        return NULL;
    }
    no_delay(fd);
    s = stream_new(base, fd, &socket_io, (void *)(intptr_t)fd, fn, arg);
    s->connected = false;
    stream_set_blocked(s, true);
    return s;
}

int stream_connect_result(int fd)
{
    int error = 0;
    socklen_t n = sizeof error;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 ? errno : error;
}
