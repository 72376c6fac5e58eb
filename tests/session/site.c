/* site.c - the site that a script talks to.  See site.h. */
#include "tests/session/site.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "nntpd/counters.h"
#include "nntpd/verdict.h"
#include "nntpd/letters.h"
#include "nntpd/secure.h"
#include "nntpd/who.h"
#include "tests/kit.h"

#define PATIENCE_S 10                  /* times $SLOW                                   */
#define CONF_MOST  16

static const char usual[] =
    "site \"news.test\" { log-level = \"info\" segment = 1M }\n"
    "peer \"A\" { address = { \"192.0.2.1\" } accept = true path = { \"a.example\" } }\n"
    "peer \"B\" { address = { \"192.0.2.2\" } accept = true path = { \"b.example\" } }\n"
    "access \"all\" { from = { \"*\" } read = { \"*\" } post = { \"*\" } }\n";

const char *site_script = "?";
int site_line;

static struct house house;
static struct conf *confs[CONF_MOST];  /* all of them: sessions may still point into old ones */
static size_t n_confs;
static struct event *tick;
static struct timespec began;
static int64_t now_us = SITE_START_US;

void site_fault(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s:%d: ", site_script, site_line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    fflush(NULL);
    exit(1);
}

/* --- time -------------------------------------------------------------- */

void site_clock(int64_t by_us)
{
    clock_freeze(now_us += by_us);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

void site_pump(void)
{
    event_base_loop(house.base, EVLOOP_ONCE);
}

void site_glance(void)
{
    for (int i = 0; i < 3; i++)
        event_base_loop(house.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

void site_patience(void)
{
    clock_gettime(CLOCK_MONOTONIC, &began);
}

bool site_waiting(void)
{
    const char *slow = getenv("SLOW");
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec - began.tv_sec < PATIENCE_S * (slow != NULL && atoi(slow) > 0 ? atoi(slow) : 1);
}

/* --- a disk that fails ------------------------------------------------- */

static const struct disk_ops *good;
static struct disk_ops bad;
static _Atomic int bad_open, bad_write, bad_sync, bad_read;    /* errno, or 0 */

static bool of_log(int fd)
{
    char link[40], path[512];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return strstr(path, "/log") != NULL;
}

static int fails(_Atomic int *how, bool here)
{
    int error = atomic_load(how);

    if (error == 0 || !here)
        return 0;
    errno = error;
    return -1;
}

static int disk_bad_open(const char *path, int flags, mode_t mode)
{
    bool writing = (flags & O_ACCMODE) != O_RDONLY;

    return fails(&bad_open, writing && strstr(path, "/log/") != NULL) ? -1 : good->open(path, flags, mode);
}

static ssize_t disk_bad_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    return atomic_load(&bad_write) != 0 && fails(&bad_write, of_log(fd)) ? -1 : good->pwritev(fd, v, n, at);
}

/* A cold disk: nothing of the log is in memory, and reading it takes until "disk ok". */
static pthread_mutex_t cold_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t warmer = PTHREAD_COND_INITIALIZER;
static _Atomic bool cold;
static pthread_t loop_thread;

static void wait_while_cold(void)
{
    if (pthread_equal(pthread_self(), loop_thread))
        site_fault("the session's own thread waits for the disk");
    pthread_mutex_lock(&cold_lock);
    while (atomic_load(&cold))
        pthread_cond_wait(&warmer, &cold_lock);
    pthread_mutex_unlock(&cold_lock);
}

void site_cold(bool on)
{
    pthread_mutex_lock(&cold_lock);
    atomic_store(&cold, on);
    pthread_cond_broadcast(&warmer);
    pthread_mutex_unlock(&cold_lock);
}

/* A disk that takes its time: syncs of the log wait for "disk ok". */
static bool held;
static unsigned n_held;

static void wait_while_held(void)
{
    pthread_mutex_lock(&cold_lock);
    n_held++;
    while (held)
        pthread_cond_wait(&warmer, &cold_lock);
    n_held--;
    pthread_mutex_unlock(&cold_lock);
}

void site_hold(bool on)
{
    pthread_mutex_lock(&cold_lock);
    held = on;
    pthread_cond_broadcast(&warmer);
    pthread_mutex_unlock(&cold_lock);
}

void site_wait_held(void)
{
    bool there = false;

    site_patience();
    while (!there) {
        if (!site_waiting())
            site_fault("nothing is synced");
        site_pump();
        pthread_mutex_lock(&cold_lock);
        there = n_held > 0;
        pthread_mutex_unlock(&cold_lock);
    }
}

static ssize_t disk_bad_pread(int fd, void *p, size_t n, off_t at)
{
    if (atomic_load(&cold) && of_log(fd))
        wait_while_cold();
    return atomic_load(&bad_read) != 0 && fails(&bad_read, of_log(fd)) ? -1 : good->pread(fd, p, n, at);
}

static ssize_t disk_bad_pread_now(int fd, void *p, size_t n, off_t at)
{
    if (atomic_load(&cold) && of_log(fd)) {
        errno = EAGAIN;
        return -1;
    }
    return atomic_load(&bad_read) != 0 && fails(&bad_read, of_log(fd)) ? -1 : good->pread_now(fd, p, n, at);
}

static int disk_bad_fdatasync(int fd)
{
    if (of_log(fd))
        wait_while_held();
    return atomic_load(&bad_sync) != 0 && fails(&bad_sync, of_log(fd)) ? -1 : good->fdatasync(fd);
}

static int disk_bad_fsync(int fd)
{
    return atomic_load(&bad_sync) != 0 && fails(&bad_sync, of_log(fd)) ? -1 : good->fsync(fd);
}

static void install_disk(void)
{
    loop_thread = pthread_self();
    good = disk_table();
    bad = *good;
    bad.open = disk_bad_open;
    bad.pwritev = disk_bad_pwritev;
    bad.pread = disk_bad_pread;
    bad.pread_now = disk_bad_pread_now;
    bad.fdatasync = disk_bad_fdatasync;
    bad.fsync = disk_bad_fsync;
    disk_use(&bad);
}

static void wait_well(void)
{
    char why[200];

    site_patience();
    while (!store_healthy(house.store, why, sizeof why)) {
        if (!site_waiting())
            site_fault("the store does not recover: %s", why);
        site_clock(1000000);           /* it tries again once a second */
        site_pump();
    }
}

void site_disk(int error, struct span which)
{
    bool all = which.n == 0;

    if (all || span_eq(which, SPAN("open")))
        atomic_store(&bad_open, error);
    if (all || span_eq(which, SPAN("write")))
        atomic_store(&bad_write, error);
    if (all || span_eq(which, SPAN("sync")))
        atomic_store(&bad_sync, error);
    if (span_eq(which, SPAN("read")) || error == 0)
        atomic_store(&bad_read, error);
    if (error == 0) {
        site_cold(false);
        site_hold(false);
        wait_well();
    }
}

/* --- opening and closing ----------------------------------------------- */

/* Scripts need no listen block, the configuration does. */
static struct conf *read_conf(struct span text)
{
    struct buf errors = { 0 }, whole = { 0 };
    const char *path = kit_path("nntpd.conf");
    struct conf *c;

    if (n_confs == CONF_MOST)
        site_fault("more than %d configurations", CONF_MOST);
    buf_add_span(&whole, text);
    buf_puts(&whole, "listen \"127.0.0.1:1119\" { }\n");
    if (disk_replace(path, buf_data(&whole), buf_len(&whole), 0644) != 0)
        site_fault("%s: %s", path, strerror(errno));
    buf_fini(&whole);
    if ((c = conf_read(path, &errors)) == NULL)
        site_fault("%.*s", SPAN_F(buf_span(&errors)));
    buf_fini(&errors);
    return confs[n_confs++] = c;
}

static void take_certificate(const struct conf *c)
{
    struct buf told = { 0 };

    if (secure_make(c, now_us, &house.tls, &told) != SECURE_GOOD)
        site_fault("%.*s", SPAN_F(buf_span(&told)));
    buf_fini(&told);
}

static void take_conf(const struct conf *c)
{
    intake_rules_unref(&house.rules);
    who_unref(&house.who);
    tls_unref(&house.tls);
    take_certificate(c);
    house.conf = c;
    house.rules = intake_rules_new(c);
    house.who = who_new(c, NULL);
}

static void open_store(void)
{
    const struct conf_site *s = &house.conf->site;
    struct store_options o = { .directory = s->directory, .site = s->name, .segment_bytes = s->segment_bytes,
                               .cache_bytes = 4 << 20, .queue_bytes = s->queue_bytes, .fsync = FSYNC_ALWAYS,
                               .claim_us = s->claim_us };
    struct err e;

    if ((house.store = store_open(&o, NULL, NULL, &e)) == NULL)
        site_fault("%s", e.text);
    /* until it knows its ids history asks the database for each: other codes when pipelined */
    for (site_patience(); !his_filter_ready(store_history(house.store)); usleep(1000))
        if (!site_waiting())
            site_fault("history does not get ready");
}

void site_open(struct span conf)
{
    struct timeval often = { .tv_usec = 20000 };
    struct err e;

    if (log_open("session", LOG_INFO, getenv("VERBOSE") != NULL ? NULL : kit_path("log.txt"), &e) != 0)
        site_fault("%s", e.text);
    site_clock(0);
    install_disk();
    take_conf(read_conf(conf.n > 0 ? conf : span_of(usual)));
    open_store();
    house.lane = lane_new("disk", 2);
    house.letters = letters_new();
    house.base = event_base_new();
    house.home = mailbox_new(house.base);
    tick = event_new(house.base, -1, EV_PERSIST, on_tick, NULL);
    event_add(tick, &often);
}

bool site_is_open(void)
{
    return house.base != NULL;
}

void site_restart(void)
{
    letters_free(&house.letters);
    lane_free(&house.lane);
    mailbox_drain(house.home);
    store_close(&house.store);
    open_store();
    house.lane = lane_new("disk", 2);
    house.letters = letters_new();
}

void site_reload(struct span conf)
{
    take_conf(read_conf(conf.n > 0 ? conf : span_of(usual)));
}

void site_close(void)
{
    letters_free(&house.letters);
    lane_free(&house.lane);
    store_close(&house.store);
    mailbox_free(&house.home);
    event_free(tick);
    event_base_free(house.base);
    intake_rules_unref(&house.rules);
    who_unref(&house.who);
    tls_unref(&house.tls);
    house_fini(&house);
    while (n_confs > 0)
        conf_free(&confs[--n_confs]);
}

struct house *site_house(void)
{
    return &house;
}

/* --- what an operator does --------------------------------------------- */

static void commit(struct submission *sub, const char *what, struct span name)
{
    if (store_commit_wait(house.store, sub) != COMMIT_STORED)
        site_fault("%s %.*s: %s", what, SPAN_F(name), sub->why);
    submission_free(&sub);
}

void site_group(struct span name, struct span flag, uint64_t high, struct span description)
{
    struct group_facts f = { .flag = flag.p[0], .created_us = now_us, .name = name, .low = high + 1, .high = high, .creator = SPAN("operator"),
                             .description = description, .alias = span_from(flag, 1) };

    commit(submission_group(house.store, &f), "group", name);
}

void site_ungroup(struct span name)
{
    const struct group *g = group_find(store_groups(house.store), name);

    if (g == NULL)
        site_fault("there is no group %.*s", SPAN_F(name));
    commit(submission_ungroup(house.store, g->id), "ungroup", name);
}

void site_cancel(struct span id)
{
    commit(submission_cancel(house.store, id, "script"), "cancel", id);
}

static bool settled(void)
{
    struct store_counts n;

    store_counts(house.store, &n);
    return n.queued == 0 && lane_load(house.lane) == 0;
}

void site_settle(void)
{
    site_patience();
    do {
        if (!site_waiting())
            site_fault("it does not settle");
        site_pump();
    } while (!settled());
    mailbox_drain(house.home);
}

static void tell_fault(const char *line, void *arg)
{
    (void)arg;
    fprintf(stderr, "%s: %s\n", site_script, line);
}

void site_verify(void)
{
    struct err e = { 0 };
    int64_t n;

    site_settle();
    if ((n = store_verify(house.store, NULL, tell_fault, NULL, &e)) != 0)
        site_fault("the store has %lld faults %s", (long long)n, n < 0 ? e.text : "");
}

uint64_t site_count(struct span name, bool *known)
{
    *known = true;
    for (int c = 0; c < COUNTERS; c++)
        if (span_eq(name, span_of(counter_name((enum counter)c))))
            return house.counters != NULL ? house.counters->v[c] : 0;
    for (int v = AWAY + 1; v < VERDICTS; v++)
        if (span_eq(name, span_of(verdict_row((enum verdict)v)->name)))
            return intake_count((enum verdict)v);
    *known = false;
    return 0;
}
