/* server_door.c - who knocks: how many there may be, of all and from one address.
 *
 * On main, but for nntpd_left, which is called on the session's worker.
 */
#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "nntpd/server_int.h"
#include "nntpd/share.h"
#include "nntpd/worker.h"

#define TELL_EVERY_US INT64_C(60000000)

void nntpd_left(const struct sockaddr *from, void *arg)
{
    struct nntpd *n = arg;

    share_gone(n->shares, from);
    n->connections--;
}

/* How many connections may stand: as configured, and never so many that the
 * database and the log are left without descriptors. */
static uint64_t connections_most(const struct nntpd *n, const struct conf *c)
{
    return c->site.connections_max > 0 && c->site.connections_max < n->sockets_most ? c->site.connections_max : n->sockets_most;
}

static uint64_t files_open(void)
{
    DIR *d = opendir("/proc/self/fd");
    uint64_t n = 0;

    for (; d != NULL && readdir(d) != NULL; n++)
        ;
    if (d != NULL)
        closedir(d);
    return n;
}

/* What the limit leaves when files have theirs: an eighth, at least 64. */
uint64_t nntpd_sockets_most(const struct conf *c)
{
    struct rlimit r;
    uint64_t kept, most;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    kept = files_open() + (r.rlim_cur / 8 > 64 ? r.rlim_cur / 8 : 64);
    most = r.rlim_cur > kept + 8 ? r.rlim_cur - kept : 8;
    if (c->site.connections_max > most)
        log_msg(LOG_WARNING, "connections-max is %u, but the system lets us open %llu files: %llu connections at most",
                c->site.connections_max, (unsigned long long)r.rlim_cur, (unsigned long long)most);
    return most;
}

/* Peers have limits of their own. */
static bool is_peer(struct nntpd *n, const struct net_addr *from)
{
    struct identity id = { .from = *from };
    struct rights r = { 0 };
    struct who *who;
    bool peer;

    lock_get(&n->lock);
    who = who_ref(n->who);
    lock_put(&n->lock);
    rights_of(&r, who, &id);
    peer = r.n_peer > 0;
    rights_fini(&r);
    who_unref(&who);
    return peer;
}

static void tell_crowd(struct nntpd *n, const struct net_addr *from, unsigned most)
{
    int64_t now = clock_mono_us();
    char text[NET_TEXT_MAX];

    if (n->crowd_told_us != 0 && now - n->crowd_told_us < TELL_EVERY_US)
        return;
    n->crowd_told_us = now;
    log_msg(LOG_WARNING, "%s: more than %u connections at once: the others are turned away (connections-per-address)",
            net_text((const struct sockaddr *)&from->sa, text), most);
}

/* From the address that it came to: a tunnel or proxy on this machine stands for many. */
static bool is_here(int fd, const struct net_addr *from)
{
    struct net_addr to = { .len = sizeof to.sa };

    return getsockname(fd, (struct sockaddr *)&to.sa, &to.len) == 0 &&
           net_same_host((const struct sockaddr *)&from->sa, (const struct sockaddr *)&to.sa);
}

/* Is there room for one more from there?  Then it is counted. */
static bool enter(struct nntpd *n, const struct conf *c, int fd, const struct net_addr *from)
{
    const struct sockaddr *sa = (const struct sockaddr *)&from->sa;
    unsigned most = c->site.connections_per_address;

    if (share_knock(n->shares, sa, most, clock_mono_us()))
        return true;
    if (is_here(fd, from) || is_peer(n, from))
        return share_knock(n->shares, sa, 0, clock_mono_us());
    tell_crowd(n, from, most);
    return false;
}

static void turn_away(struct nntpd *n, int fd, bool tls, const char *why)
{
    n->turned_away++;
    if (!tls)
        (void)!send(fd, why, strlen(why), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

void nntpd_knock(int fd, const struct net_addr *from, bool tls, void *arg)
{
    struct nntpd *n = arg;
    const struct conf *c = nntpd_conf(n);

    if (n->connections >= connections_most(n, c)) {
        turn_away(n, fd, tls, "400 Too many connections, please come back later\r\n");
        return;
    }
    if (!enter(n, c, fd, from)) {
        turn_away(n, fd, tls, "400 Too many connections from your address\r\n");
        return;
    }
    n->connections++;
    worker_take(n->worker[n->next++ % n->n_worker], fd, from, tls);
}
