/* net.h - addresses as text, CIDR, listening sockets.
 *
 * Threads:  any.  Nothing here asks the name service.
 */
#ifndef LIB_NET_H
#define LIB_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/err.h"

struct net_addr {
    struct sockaddr_storage sa;
    socklen_t len;
};

/* An address range; IPv4 is held as IPv4-mapped IPv6, so both compare alike. */
struct net_cidr {
    uint8_t bits[16];
    int     prefix;      /* 0 to 128 */
};

/* "192.0.2.1:119", "[2001:db8::1]:119", "*:119" (both families; *both set to true). */
int  net_addr_read(const char *text, struct net_addr *a, bool *both, struct err *e);

/* A literal address without a port.  Return 0, or -1 when it is none. */
int  net_literal(const char *text, uint16_t port, struct net_addr *a);

/* "192.0.2.0/24", "2001:db8::/32", or one literal address. */
int  net_cidr_read(const char *text, struct net_cidr *c);
bool net_cidr_has(const struct net_cidr *c, const struct sockaddr *sa);

/* "192.0.2.1" or "2001:db8::1"; without the port.  Mapped IPv4 is shown as IPv4. */
#define NET_TEXT_MAX 64
const char *net_text(const struct sockaddr *sa, char out[NET_TEXT_MAX]);
bool net_is_loopback(const struct sockaddr *sa);      /* of either family; ::ffff:127.0.0.1 too */
bool net_same_host(const struct sockaddr *a, const struct sockaddr *b);   /* whatever the ports */
/* Whom one counts as one: an IPv4 address, the first 64 bits of an IPv6 address (who
 * has one has 2^64 of them).  Octets written to 'key'; 0: it is no such address. */
size_t net_household(const struct sockaddr *sa, uint8_t key[16]);
uint16_t net_port(const struct sockaddr *sa);

/* A listening, non-blocking TCP socket.  Port 0: the system chooses (net_bound tells). */
int  net_listen(const struct net_addr *a, int backlog, struct err *e);
int  net_listen_unix(const char *path, mode_t mode, struct err *e);   /* replaces a dead one */
int  net_connect_unix(const char *path, struct err *e);               /* blocking            */
uint16_t net_bound(int fd);

/* accept(2) has failed with 'error'.  true: the system is short of something, and the caller must rest for
 * NET_REST_MS before it asks again (who knocks is still there, so asking at once would never end).  'what'
 * is logged with the reason, once a minute by *said_us, which begins as 0. */
#define NET_REST_MS 1000
bool net_must_rest(const char *what, int error, int64_t *said_us);

#endif
