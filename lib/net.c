/* net.c - addresses as text, CIDR, listening sockets.  See net.h. */
#include "lib/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/span.h"

#define SAY_EVERY_US (60 * INT64_C(1000000))

int net_literal(const char *text, uint16_t port, struct net_addr *a)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->sa;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->sa;

    memset(a, 0, sizeof *a);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        a->len = sizeof *v4;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        a->len = sizeof *v6;
        return 0;
    }
    return -1;
}

int net_addr_read(const char *text, struct net_addr *a, bool *both, struct err *e)
{
    const char *colon = strrchr(text, ':');
    char host[64];
    uint64_t port;
    size_t n;

    *both = false;
    if (colon == NULL || span_u64(span_of(colon + 1), &port) != 0 || port > 65535)
        return err_set(e, "\"%s\" is not ADDRESS:PORT", text);
    n = (size_t)(colon - text);
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']' && memchr(text, ':', n) != NULL)
        text++, n -= 2;
    else if (memchr(text, ':', n) != NULL)
        return err_set(e, "\"%s\": an IPv6 address stands in [brackets] before its port", text);
    if (n == 0 || n >= sizeof host)
        return err_set(e, "\"%s\" is not ADDRESS:PORT", text);
    memcpy(host, text, n);
    host[n] = '\0';
    if (strcmp(host, "*") == 0) {
        *both = true;
        return net_literal("0.0.0.0", (uint16_t)port, a);
    }
    if (net_literal(host, (uint16_t)port, a) != 0)
        return err_set(e, "\"%s\" is not a literal address, as 192.0.2.1, [2001:db8::1], or * for all", host);
    return 0;
}

/* An address as 16 octets, IPv4 mapped into IPv6. */
static bool to_bits(const struct sockaddr *sa, uint8_t bits[16])
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    if (sa->sa_family == AF_INET) {
        memcpy(bits, mapped, 12);
        memcpy(bits + 12, &((const struct sockaddr_in *)sa)->sin_addr, 4);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        memcpy(bits, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
        return true;
    }
    return false;
}

int net_cidr_read(const char *text, struct net_cidr *c)
{
    const char *slash = strchr(text, '/');
    char host[64];
    size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
    uint64_t prefix;
    struct net_addr a;
    bool v4;

    if (n >= sizeof host)
        return -1;
    memcpy(host, text, n);
    host[n] = '\0';
    if (net_literal(host, 0, &a) != 0)
        return -1;
    to_bits((struct sockaddr *)&a.sa, c->bits);
    v4 = a.sa.ss_family == AF_INET;
    c->prefix = 128;
    if (slash == NULL)
        return 0;
    if (span_u64(span_of(slash + 1), &prefix) != 0 || prefix > (v4 ? 32 : 128))
        return -1;
    c->prefix = (int)prefix + (v4 ? 96 : 0);
    return 0;
}

bool net_cidr_has(const struct net_cidr *c, const struct sockaddr *sa)
{
    uint8_t bits[16];
    int whole = c->prefix / 8, rest = c->prefix % 8;

    if (!to_bits(sa, bits) || memcmp(bits, c->bits, (size_t)whole) != 0)
        return false;
    return rest == 0 || ((bits[whole] ^ c->bits[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

bool net_is_loopback(const struct sockaddr *sa)
{
    static const char *const ranges[] = { "127.0.0.0/8", "::1" };
    struct net_cidr c;

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (net_cidr_read(ranges[i], &c) == 0 && net_cidr_has(&c, sa))
            return true;
    return false;
}

bool net_same_host(const struct sockaddr *a, const struct sockaddr *b)
{
    uint8_t of_a[16], of_b[16];

    return to_bits(a, of_a) && to_bits(b, of_b) && memcmp(of_a, of_b, sizeof of_a) == 0;
}

/* ::ffff:a.b.c.d; the bits may lie anywhere. */
static bool is_mapped(const uint8_t bits[16])
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    return memcmp(bits, mapped, sizeof mapped) == 0;
}

size_t net_household(const struct sockaddr *sa, uint8_t key[16])
{
    if (!to_bits(sa, key))
        return 0;
    return is_mapped(key) ? 16 : 8;
}

const char *net_text(const struct sockaddr *sa, char out[NET_TEXT_MAX])
{
    uint8_t bits[16];

    if (!to_bits(sa, bits))
        return strcpy(out, "local");
    if (is_mapped(bits))
        inet_ntop(AF_INET, bits + 12, out, NET_TEXT_MAX);
    else
        inet_ntop(AF_INET6, bits, out, NET_TEXT_MAX);
    return out;
}

uint16_t net_port(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)sa)->sin_port);
    return sa->sa_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)sa)->sin6_port) : 0;
}

int net_listen(const struct net_addr *a, int backlog, struct err *e)
{
    char text[NET_TEXT_MAX];
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    net_text((const struct sockaddr *)&a->sa, text);
    if (fd < 0)
        return err_sys(e, "listening on %s", text);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->sa.ss_family == AF_INET6)         /* "*" is a socket of each family */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&a->sa, a->len) != 0 || listen(fd, backlog) != 0) {
        err_sys(e, "listening on %s port %u", text, net_port((const struct sockaddr *)&a->sa));
        close(fd);
        return -1;
    }
    return fd;
}

static int unix_address(const char *path, struct sockaddr_un *u, struct err *e)
{
    memset(u, 0, sizeof *u);
    u->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof u->sun_path)
        return err_set(e, "%s: too long for a socket's name (%zu octets at most)", path, sizeof u->sun_path - 1);
    strcpy(u->sun_path, path);
    return 0;
}

int net_listen_unix(const char *path, mode_t mode, struct err *e)
{
    struct sockaddr_un u;
    struct stat st;
    int fd, other;

    if (unix_address(path, &u, e) != 0)
        return -1;
    if ((other = net_connect_unix(path, NULL)) >= 0) {
        close(other);
        return err_set(e, "%s: somebody listens there already", path);
    }
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode))
            return err_set(e, "%s: something that is no socket is there", path);
        (void)unlink(path);                  /* left by one that was killed */
    }
    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return err_sys(e, "%s", path);
    if (bind(fd, (struct sockaddr *)&u, sizeof u) != 0 || chmod(path, mode) != 0 || listen(fd, 64) != 0) {
        err_sys(e, "%s", path);
        close(fd);
        return -1;
    }
    return fd;
}

int net_connect_unix(const char *path, struct err *e)
{
    struct sockaddr_un u;
    int fd;

    if (unix_address(path, &u, e) != 0)
        return -1;
    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
        return err_sys(e, "%s", path);
    if (connect(fd, (struct sockaddr *)&u, sizeof u) != 0) {
        err_sys(e, "%s", path);
        close(fd);
        return -1;
    }
    return fd;
}

bool net_must_rest(const char *what, int error, int64_t *said_us)
{
    int64_t now = clock_mono_us();

    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
        return false;                        /* nobody there, or that one has gone already */
    if (*said_us == 0 || now - *said_us > SAY_EVERY_US) {
        log_msg(LOG_ERROR, "%s: cannot accept connections: %s; resting a second at a time", what, strerror(error));
        *said_us = now;
    }
    return true;
}

uint16_t net_bound(int fd)
{
    struct net_addr a;
    socklen_t n = sizeof a.sa;

    return getsockname(fd, (struct sockaddr *)&a.sa, &n) == 0 ? net_port((struct sockaddr *)&a.sa) : 0;
}
