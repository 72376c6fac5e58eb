/* main.c - feeder: start, reload, stop.
 *
 * One thread runs everything; a lane asks the name service.
 * nntpd starts this program, wakes it by a socket, and ends with it: without
 * nntpd there is nothing new to send.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "feeder/dial.h"
#include "feeder/door.h"
#include "feeder/follow.h"
#include "feeder/peer.h"
#include "feeder/peer_work.h"
#include "feeder/pull.h"
#include "feeder/shelf.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/own.h"
#include "lib/stdfds.h"
#include "lib/tls.h"

#ifndef FRESHET_CONF
#define FRESHET_CONF "/etc/freshet/nntpd.conf"
#endif

#define NAME_THREADS 8          /* a name whose servers are dead takes one of them for many seconds */

struct program {
    struct feeder f;
    const char *file;
    struct follow *follow;
    struct door   *door;
    struct event  *tick, *signals[3];
    bool level_given;
    int lock;
};

static void usage(FILE *f)
{
    fputs("usage: feeder [-c FILE] [-l LEVEL] [-w DESCRIPTOR]\n", f);
}

/* ---- peers and the configuration ---- */

static struct peer *take_old(struct feeder *f, const char *name)
{
    for (size_t i = 0; i < f->n_peer; i++) {
        struct peer *p = f->peer[i];

        if (p != NULL && strcmp(p->name, name) == 0) {
            f->peer[i] = NULL;
            return p;
        }
    }
    return NULL;
}

/* A new peer gets what arrives from now on; and "now" is when it came to stand in
 * the file, or what arrives while we start or read it would be lost to it. */
static uint64_t begin_at(struct feeder *f, const char *file)
{
    struct stat st;
    uint64_t seq;
    struct err e;

    if (stat(file, &st) != 0)
        return f->live;
    if (artlog_seq_at(f->log, (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000, &seq, &e) != 0) {
        log_msg(LOG_WARNING, "new peers begin at the log's end: %s", e.text);
        return f->live;
    }
    return seq < f->live ? seq : f->live;
}

static void let_go(struct peer **p)
{
    struct err e;

    log_msg(LOG_NOTICE, "%s: no longer a peer that is sent to", (*p)->name);
    if (peer_save(*p, &e) != 0)
        log_msg(LOG_WARNING, "%s: its state is lost: %s", (*p)->name, e.text);
    peer_free(p);
}

/* What peers with TLS need.  Without it those alone are not sent to.  Our own certificate
 * tells some of them who we are; to the others we are who we were without it. */
static void set_tls(struct feeder *f)
{
    const struct conf_site *s = &f->conf->site;
    struct tls_options bare = { .server = false }, o = { .cert = s->tls_certificate, .key = s->tls_key };
    bool wanted = false;
    struct err e;

    for (size_t i = 0; i < f->conf->n_peer; i++)
        wanted |= f->conf->peer[i].tls != CONF_TLS_NO;       /* those that are only tested, too */
    tls_unref(&f->tls);
    tls_unref(&f->tls_bare);
    if (wanted && (f->tls_bare = tls_new(&bare, NULL, &e)) == NULL)
        log_msg(LOG_ERROR, "peers with TLS are not sent to: %s", e.text);
    if (f->tls_bare != NULL && o.cert != NULL && (f->tls = tls_new(&o, NULL, &e)) == NULL)
        log_msg(LOG_ERROR, "peers cannot know us by our certificate: %s", e.text);
    if (f->tls == NULL)
        f->tls = tls_ref(f->tls_bare);
}

static struct pull *take_old_pull(struct feeder *f, const char *name)
{
    for (size_t i = 0; i < f->n_pull; i++) {
        struct pull *p = f->pull[i];

        if (p != NULL && strcmp(pull_name(p), name) == 0) {
            f->pull[i] = NULL;
            return p;
        }
    }
    return NULL;
}

static void stop_pulling(struct feeder *f)
{
    for (size_t i = 0; i < f->n_pull; i++)
        pull_free(&f->pull[i]);
    free(f->pull);
    f->pull = NULL;
    f->n_pull = 0;
}

/* The same for those that are read from. */
static void set_pulls(struct feeder *f, const struct conf *conf)
{
    struct pull **now = xcalloc(conf->n_peer + 1, sizeof *now);
    size_t n = 0;

    for (size_t i = 0; i < conf->n_peer; i++) {
        const struct conf_peer *c = &conf->peer[i];
        struct pull *p = c->pull.n > 0 ? take_old_pull(f, c->name) : NULL;
        const struct conf_peer *was = p != NULL ? pull_block(p) : NULL;

        if (c->pull.n == 0)
            continue;
        if (p != NULL)
            pull_conf(p, c, !conf_peer_equal(was, c));
        else
            p = pull_new(f, c);
        now[n++] = p;
    }
    stop_pulling(f);
    f->pull = now;
    f->n_pull = n;
}

/* Make the peers of 'conf' out of those that are there; 'conf' is taken over. */
static void set_peers(struct feeder *f, struct conf *conf)
{
    struct peer **now = xcalloc(conf->n_peer + 1, sizeof *now);
    struct conf *was = f->conf;
    bool all = was != NULL && (!conf_list_equal(&was->site.local_groups, &conf->site.local_groups) ||
                               !conf_list_equal(&was->site.private_groups, &conf->site.private_groups));
    size_t n = 0;

    if (was != NULL)
        conf_stay(was, conf);
    f->conf = conf;
    set_tls(f);
    f->begin = begin_at(f, conf->file);
    for (size_t i = 0; i < conf->n_peer; i++) {
        const struct conf_peer *c = &conf->peer[i];
        struct peer *p = conf_peer_sends(c) ? take_old(f, c->name) : NULL;

        if (!conf_peer_sends(c))
            continue;
        if (p != NULL)
            peer_conf(p, c, n, all || !conf_peer_equal(p->conf, c));
        else
            p = peer_new(f, c, n);
        now[n++] = p;
    }
    for (size_t i = 0; i < f->n_peer; i++)
        if (f->peer[i] != NULL)
            let_go(&f->peer[i]);
    free(f->peer);
    f->peer = now;
    f->n_peer = n;
    offer_free(&f->offer);
    f->offer = offer_new(conf);
    set_pulls(f, conf);
    conf_free(&was);
}

static void reload(struct program *g)
{
    struct buf errors = { 0 };
    struct conf *c = conf_read(g->file, &errors);
    enum log_level level;

    log_reopen();
    if (c == NULL) {
        log_msg(LOG_ERROR, "the configuration is not taken: %.*s", SPAN_F(buf_span(&errors)));
    } else {
        if (!g->level_given && log_level_read(c->site.log_level, &level) == 0)
            log_set_level(level);
        set_peers(&g->f, c);
        log_msg(LOG_NOTICE, "configuration read again, %zu peers", g->f.n_peer);
    }
    buf_fini(&errors);
}

/* ---- events ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct program *g = arg;
    int64_t now = clock_now_us();

    (void)fd, (void)what;
    for (size_t i = 0; i < g->f.n_peer; i++)
        peer_tick(g->f.peer[i], now);
    for (size_t i = 0; i < g->f.n_pull; i++)
        pull_tick(g->f.pull[i]);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    struct program *g = arg;

    (void)what;
    if (sig == SIGHUP)
        reload(g);
    else
        event_base_loopbreak(g->f.base);
}

static void on_parent_gone(void *arg)
{
    struct program *g = arg;

    log_msg(LOG_NOTICE, "nntpd has gone");
    event_base_loopbreak(g->f.base);
}

/* ---- start ---- */

/* Only one feeder: one that nntpd's death has not ended yet is waited for. */
static int take_lock(const char *directory)
{
    char *dir = xasprintf("%s/feeder", directory), *path = xasprintf("%s/lock", dir);
    int fd;

    if (disk_mkdirs(dir, 0755) != 0 || (fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644)) < 0)
        die(1, "%s: %s", path, strerror(errno));
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (i == 0)
            log_msg(LOG_NOTICE, "%s: another feeder runs, waiting for its end", path);
        usleep(50000);
    }
    free(dir);
    free(path);
    return fd;
}

/* The log may not be there yet on a new site. */
static struct artlog *open_artlog(const struct conf *c)
{
    char *dir = xasprintf("%s/log", c->site.directory);
    struct artlog_options o = { .dir = dir, .segment_bytes = c->site.segment_bytes };
    struct artlog *l;
    struct err e;

    for (int i = 0; (l = artlog_open(&o, &e)) == NULL; i++) {
        if (i % 600 == 0)
            log_msg(LOG_WARNING, "%s; waiting", e.text);
        usleep(100000);
    }
    free(dir);
    return l;
}

static void watch(struct program *g)
{
    static const int which[3] = { SIGTERM, SIGINT, SIGHUP };
    struct timeval second = { 1, 0 };
    sigset_t hup;

    for (int i = 0; i < 3; i++) {
        g->signals[i] = evsignal_new(g->f.base, which[i], on_signal, g);
        event_add(g->signals[i], NULL);
    }
    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    (void)pthread_sigmask(SIG_UNBLOCK, &hup, NULL);      /* nntpd starts us with it blocked (nntpd/child.c) */
    g->tick = event_new(g->f.base, -1, EV_PERSIST, on_tick, g);
    event_add(g->tick, &second);
}

static void start(struct program *g, struct conf *c, int wake)
{
    struct err e;
    char path[PATH_MAX];
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
    g->lock = take_lock(c->site.directory);
    g->f.base = event_base_new();
    g->f.home = mailbox_new(g->f.base);
    g->f.known = map_new();
    g->f.lane = lane_new("names", NAME_THREADS);
    g->f.probe_lane = lane_new("probes", 1);
    g->f.log = open_artlog(c);
    g->f.shelf = shelf_new(g->f.log);
    g->f.live = artlog_published(g->f.log) + 1;
    g->f.certain = wake >= 0 || g->f.live > 1;     /* nntpd has looked where the log ends */
    g->f.started_us = clock_now_us();
    TAILQ_INIT(&g->f.spare);
    snprintf(path, sizeof path, "%s/feeder.sock", c->site.run_directory);
    if (disk_mkdirs(c->site.run_directory, 0755) != 0 || (g->door = door_open(&g->f, path, &e)) == NULL)
        die(1, "%s", e.text);
    set_peers(&g->f, c);
    watch(g);
    g->follow = follow_new(&g->f, wake, on_parent_gone, g);
    log_msg(LOG_NOTICE, "%s: %zu peers, the log is published to %llu", c->site.name, g->f.n_peer,
            (unsigned long long)(g->f.live - 1));
}

static void stop(struct program *g)
{
    struct err e;

    follow_free(&g->follow);
    door_close(&g->door);
    stop_pulling(&g->f);
    for (size_t i = 0; i < g->f.n_peer; i++) {
        peer_stop(g->f.peer[i]);
        if (peer_save(g->f.peer[i], &e) != 0)
            log_msg(LOG_ERROR, "%s", e.text);
        peer_free(&g->f.peer[i]);
    }
    if (lane_load(g->f.lane) + lane_load(g->f.probe_lane) > 0) {       /* the name service may take its time; all is saved */
        log_msg(LOG_NOTICE, "stopped");
        _exit(0);
    }
    free(g->f.peer);
    work_free_spare(&g->f);
    offer_free(&g->f.offer);
    shelf_free(&g->f.shelf);
    tls_unref(&g->f.tls);
    tls_unref(&g->f.tls_bare);
    lane_free(&g->f.lane);
    lane_free(&g->f.probe_lane);
    dial_fini(&g->f);
    mailbox_free(&g->f.home);
    artlog_close(&g->f.log);
    event_free(g->tick);
    for (int i = 0; i < 3; i++)
        event_free(g->signals[i]);
    event_base_free(g->f.base);
    conf_free(&g->f.conf);
    close(g->lock);
}

int main(int argc, char **argv)
{
    struct program g = { .file = FRESHET_CONF };
    enum log_level level;
    const char *level_name = NULL;
    struct buf errors = { 0 };
    struct conf *c;
    struct err e;
    int opt, wake = -1;

    stdfds_open();
    while ((opt = getopt(argc, argv, "c:d:l:w:Vh")) != -1) {
        switch (opt) {
        case 'c': g.file = optarg; break;
        case 'd': case 'l': level_name = optarg; break;
        case 'w': wake = atoi(optarg); break;
        case 'V': puts("Freshet feeder " FRESHET_VERSION); return 0;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    if ((c = conf_read(g.file, &errors)) == NULL) {
        fprintf(stderr, "%.*s", SPAN_F(buf_span(&errors)));
        buf_fini(&errors);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (own_become(c->site.directory, false, &e) != 0)
        die(1, "%s", e.text);
    if (log_level_read(level_name != NULL ? level_name : c->site.log_level, &level) != 0)
        die(2, "no such log level: %s", level_name);
    if (log_open("feeder", level, c->site.log_file, &e) != 0)
        die(1, "%s", e.text);
    if (wake >= 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (follow_parent_is_gone(wake))
            die(1, "nntpd has gone");
    }
    g.level_given = level_name != NULL;
    start(&g, c, wake);
    event_base_dispatch(g.f.base);
    stop(&g);
    log_msg(LOG_NOTICE, "stopped");
    return 0;
}
