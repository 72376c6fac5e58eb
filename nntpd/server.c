/* server.c - a site as a whole: made, run, told new rules, taken down.
 *
 *     main      accepts, signals, the feeder program
 *     workers   sessions (worker.c)
 *     lane      reads that may wait for the disk
 *     logins    passwords (logins.c)
 *     resolve   the peers' names
 *     control   the operator's connections (control.c)
 *     store     committer and applier
 *
 * A reload makes a new struct conf and what is derived from it, and posts them
 * to the workers.  Old struct confs stay until the end: rights and tasks point
 * into them, and there are as many as there were reloads.
 *
 * Going down: accept no more; workers answer what they have begun; control; the
 * feeder; then letters, lane and store (nothing posts to a worker any more), then the
 * workers' mailboxes.
 */
#include "nntpd/server.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "nntpd/child.h"
#include "nntpd/control.h"
#include "nntpd/letters.h"
#include "nntpd/listen.h"
#include "nntpd/logins.h"
#include "nntpd/metrics_http.h"
#include "nntpd/outside.h"
#include "nntpd/resolve.h"
#include "nntpd/secure.h"
#include "nntpd/server_int.h"
#include "nntpd/share.h"
#include "nntpd/worker.h"

#define RESOLVE_WAIT_US (3 * INT64_C(1000000))
#define PROGRESS_US     (2 * INT64_C(1000000))

enum { SIGNALS = 3 };

/* --- the rules in force ------------------------------------------------ */

static void log_lines(enum log_level level, struct span text)
{
    struct span line;

    while (text.n > 0 && span_next(&text, '\n', &line))
        if (line.n > 0)
            log_msg(level, "%.*s", SPAN_F(line));
}

/* With n->lock held, or before threads run: what is derived from the newest conf. */
static void derive(struct nntpd *n)
{
    struct names *names = n->resolve != NULL ? resolve_names(n->resolve) : NULL;

    intake_rules_unref(&n->rules);
    who_unref(&n->who);
    n->rules = intake_rules_new(nntpd_conf(n));
    n->who = who_new(nntpd_conf(n), names);
    names_unref(&names);
}

static void post_rules(struct nntpd *n)
{
    for (unsigned i = 0; i < n->n_worker; i++)
        worker_rules(n->worker[i], nntpd_conf(n), n->rules, n->who, n->tls);
}

/* The name service has other answers; on the resolver's thread. */
static void on_names(struct names *names, void *arg)
{
    struct nntpd *n = arg;

    lock_get(&n->lock);
    who_unref(&n->who);
    n->who = who_new(nntpd_conf(n), names);
    post_rules(n);
    lock_put(&n->lock);
    names_unref(&names);
}

static void add_conf(struct nntpd *n, struct conf *c)
{
    n->all_conf = xrealloc(n->all_conf, (n->n_conf + 1) * sizeof *n->all_conf);
    n->all_conf[n->n_conf++] = c;
    atomic_store(&n->conf, c);
}

/* Is there anything for the feeder to do? */
static bool feeds_any(const struct conf *c)
{
    for (size_t i = 0; i < c->n_peer; i++)
        if (c->peer[i].send || c->peer[i].pull.n > 0)
            return true;
    return false;
}

/* On main: the feeder reads the same file. */
static void on_reloaded(struct mail *m)
{
    struct nntpd *n = ((struct nntpd_mail *)m)->n;
    bool wanted = feeds_any(nntpd_conf(n));

    free(m);
    if (n->child == NULL)
        return;
    if (wanted)
        child_reload(n->child);
    child_want(n->child, wanted);
}

static void tell_main(struct nntpd *n, void (*deliver)(struct mail *))
{
    struct nntpd_mail *m = xmalloc(sizeof *m);

    *m = (struct nntpd_mail){ { .deliver = deliver }, n };
    mailbox_post(n->home, &m->mail);
}

/* With n->lock held. */
static void take_conf(struct nntpd *n, struct conf *c, struct tls *tls)
{
    enum log_level level;

    add_conf(n, c);
    derive(n);
    tls_unref(&n->tls);
    n->tls = tls;
    post_rules(n);
    store_remember(n->store, conf_remember_us(&c->site));
    if (log_level_read(c->site.log_level, &level) == 0)
        log_set_level(level);
    if (n->resolve != NULL)
        resolve_conf(n->resolve, c);
    if (n->home != NULL)
        tell_main(n, on_reloaded);
}

/* The file and what it names; NULL when any of it is bad. */
static struct conf *read_again(struct nntpd *n, struct tls **tls, struct buf *errors)
{
    struct buf told = { 0 };
    struct conf *c = conf_read(nntpd_conf(n)->file, errors);
    enum secure s;

    if (c == NULL)
        return NULL;
    s = secure_make(c, clock_now_us(), tls, &told);
    if (s == SECURE_SOON)
        log_lines(LOG_WARNING, buf_span(&told));
    if (s == SECURE_BAD || s == SECURE_ENDED) {
        buf_add_span(errors, buf_span(&told));
        tls_unref(tls);
        conf_free(&c);
    }
    buf_fini(&told);
    return c;
}

int nntpd_reload(struct nntpd *n, struct buf *errors, struct buf *restart)
{
    struct tls *tls = NULL;
    struct conf *c;

    lock_get(&n->lock);
    if ((c = read_again(n, &tls, errors)) != NULL) {
        conf_changes(n->all_conf[0], c, restart);     /* what we were started with, and still go by */
        conf_stay(n->all_conf[0], c);
        take_conf(n, c, tls);
    }
    lock_put(&n->lock);
    if (c != NULL && n->logins != NULL)
        logins_look(n->logins, c);
    log_msg(c != NULL ? LOG_NOTICE : LOG_ERROR, c != NULL ? "configuration read again" : "configuration has errors; the old one stays");
    return c != NULL ? 0 : -1;
}

void nntpd_user_out(struct nntpd *n, const char *user)
{
    for (unsigned i = 0; i < n->n_worker; i++)
        worker_user_out(n->worker[i], user);
}

struct intake_rules *nntpd_rules(struct nntpd *n)
{
    struct intake_rules *r;

    lock_get(&n->lock);
    r = intake_rules_ref(n->rules);
    lock_put(&n->lock);
    return r;
}

/* --- making it --------------------------------------------------------- */

static bool progress(const char *what, uint64_t done, uint64_t total, void *arg)
{
    int64_t *told = arg, now = clock_mono_us();

    if (now - *told < PROGRESS_US)
        return true;
    *told = now;
    log_msg(LOG_NOTICE, "%s: %llu of %llu", what, (unsigned long long)done, (unsigned long long)total);
    return true;
}

static enum artlog_fsync fsync_of(enum conf_fsync f)
{
    switch (f) {
    case CONF_FSYNC_ALWAYS:   return FSYNC_ALWAYS;
    case CONF_FSYNC_INTERVAL: return FSYNC_INTERVAL;
    case CONF_FSYNC_NEVER:    return FSYNC_NEVER;
    }
    bug("fsync setting");
}

/* The database's pages are served from its own cache: an operator who sets none gets a good share of memory. */
static uint64_t cache_of(const struct conf *c)
{
    const uint64_t least = UINT64_C(64) << 20, most = UINT64_C(4) << 30;
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t eighth = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 8 : 0;

    if (c->site.cache_bytes > 0)
        return c->site.cache_bytes;
    return eighth < least ? least : eighth > most ? most : eighth;
}

static struct store_options store_options(const struct conf *c)
{
    const struct conf_site *s = &c->site;

    return (struct store_options){
        .directory = s->directory, .site = s->name, .segment_bytes = s->segment_bytes, .cache_bytes = cache_of(c),
        .queue_bytes = s->queue_bytes, .reserve_bytes = s->disk_reserve_bytes, .fsync = fsync_of(s->fsync), .fsync_interval_us = s->fsync_interval_us,
        .claim_us = s->claim_us, .remember_us = conf_remember_us(s),
    };
}

static struct store *open_store(const struct conf *c, struct err *e)
{
    int64_t told = clock_mono_us(), began = told;
    struct store_options o = store_options(c);
    struct store *store = store_open(&o, progress, &told, e);

    if (store != NULL)
        log_msg(LOG_NOTICE, "%s: store open after %lld ms", c->site.name, (long long)((clock_mono_us() - began) / 1000));
    return store;
}

int nntpd_rebuild(const struct conf *c, progress_fn *tell, void *arg, struct err *e)
{
    struct store_options o = store_options(c);

    return store_rebuild(&o, tell, arg, e);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    struct nntpd *n = arg;
    struct buf errors = { 0 }, restart = { 0 };

    (void)what;
    if (sig != SIGHUP) {
        log_msg(LOG_NOTICE, "%s: stopping on signal %d", nntpd_conf(n)->site.name, (int)sig);
        child_want(n->child, false);   /* a terminal's ^C reached it as well: no news */
        nntpd_stop(n);
        return;
    }
    log_reopen();
    if (nntpd_reload(n, &errors, &restart) != 0) {
        log_lines(LOG_ERROR, buf_span(&errors));
        child_reload(n->child);            /* its log file was moved away, too */
    }
    log_lines(LOG_WARNING, buf_span(&restart));
    buf_fini(&errors);
    buf_fini(&restart);
}

static void watch_signals(struct nntpd *n)
{
    static const int which[SIGNALS] = { SIGTERM, SIGINT, SIGHUP };
    sigset_t hup;

    for (int i = 0; i < SIGNALS; i++) {
        n->signal[i] = evsignal_new(n->base, which[i], on_signal, n);
        event_add(n->signal[i], NULL);
    }
    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    (void)pthread_sigmask(SIG_UNBLOCK, &hup, NULL);      /* main blocked it until here */
}

static void start_workers(struct nntpd *n)
{
    const struct conf *c = nntpd_conf(n);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = c->site.workers > 0 ? (unsigned)c->site.workers : cores > 0 ? (unsigned)cores : 1;
    struct worker_options o = { .store = n->store, .lane = n->lane, .guests = n->guests, .logins = n->logins,
                                .shares = n->shares, .letters = n->letters, .conf = c,
                                .gone = nntpd_left, .arg = n };

    n->worker = xcalloc(count, sizeof *n->worker);
    lock_get(&n->lock);
    o.rules = n->rules;
    o.who = n->who;
    o.tls = n->tls;
    for (o.index = 0; o.index < count; o.index++)
        n->worker[n->n_worker++] = worker_new(&o);
    lock_put(&n->lock);
}

static void on_publish(uint64_t seq, void *arg)
{
    (void)seq;
    child_wake(arg);
}

/* The names of peers, before the first of them knocks (but not for ever). */
static void resolve_first(struct nntpd *n)
{
    n->resolve = resolve_new(on_names, n);
    resolve_conf(n->resolve, nntpd_conf(n));
    resolve_wait(n->resolve, RESOLVE_WAIT_US);
}

static int open_control(struct nntpd *n, struct err *e)
{
    const char *run = nntpd_conf(n)->site.run_directory;
    char *path;

    if (disk_mkdirs(run, 0755) != 0)
        return err_sys(e, "%s", run);
    path = xasprintf("%s/control.sock", run);
    n->control = control_open(n, path, e);
    free(path);
    return n->control != NULL ? 0 : -1;
}

/* What will not work, while somebody still looks. */
static void warn_outside(const struct conf *c, struct store *s)
{
    struct buf told = { 0 };

    outside_look(c, &told);
    outside_clock(store_log(s), clock_now_us(), &told);
    log_lines(LOG_WARNING, buf_span(&told));
    buf_fini(&told);
}

static int open_doors(struct nntpd *n, struct err *e)
{
    const struct conf *c = nntpd_conf(n);

    if ((n->base = event_base_new()) == NULL)
        return err_set(e, "cannot make an event loop");
    warn_outside(c, n->store);
    n->home = mailbox_new(n->base);
    n->letters = letters_new();
    n->guests = guests_new(c->site.queue_bytes / 2);
    n->logins = logins_new(c);
    n->shares = shares_new(SHARES_MOST);
    logins_look(n->logins, c);
    resolve_first(n);
    if ((n->child = child_new(n->base, c->file, e)) == NULL)
        return -1;
    store_on_publish(n->store, on_publish, n->child);
    start_workers(n);
    n->sockets_most = nntpd_sockets_most(c);
    if ((n->door = door_open(n->base, c, nntpd_knock, n, e)) == NULL || open_control(n, e) != 0)
        return -1;
    if (c->site.metrics_listen != NULL && (n->metrics = metrics_http_open(n, c->site.metrics_listen, e)) == NULL)
        return -1;
    watch_signals(n);
    child_want(n->child, feeds_any(c));
    return 0;
}

/* A certificate that cannot be used ends the start; one that has ended does not: those
 * who come in clear shall find us. */
static int open_tls(struct nntpd *n, const struct conf *c, struct err *e)
{
    struct buf told = { 0 };
    enum secure s = secure_make(c, clock_now_us(), &n->tls, &told);

    if (s == SECURE_BAD)
        err_set(e, "%.*s", (int)buf_len(&told) - 1, buf_data(&told));
    else if (s != SECURE_GOOD)
        log_lines(s == SECURE_ENDED ? LOG_ERROR : LOG_WARNING, buf_span(&told));
    buf_fini(&told);
    return s == SECURE_BAD ? -1 : 0;
}

struct nntpd *nntpd_open(struct conf *conf, bool serve, struct err *e)
{
    struct nntpd *n = xcalloc(1, sizeof *n);

    lock_init(&n->lock, "nntpd.rules");
    add_conf(n, conf);
    n->started_us = clock_mono_us();
    if ((serve && open_tls(n, conf, e) != 0) || (n->store = open_store(conf, e)) == NULL) {
        nntpd_close(&n);
        return NULL;
    }
    n->lane = lane_new("disk", conf->site.lane_threads);
    derive(n);
    if (serve && open_doors(n, e) != 0) {
        nntpd_close(&n);
        return NULL;
    }
    return n;
}

void nntpd_run(struct nntpd *n)
{
    log_msg(LOG_NOTICE, "%s: Freshet %s serves", nntpd_conf(n)->site.name, FRESHET_VERSION);
    event_base_loop(n->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static void on_stop(struct mail *m)
{
    struct nntpd *n = ((struct nntpd_mail *)m)->n;

    free(m);
    if (n->child != NULL)
        child_want(n->child, false);
    event_base_loopexit(n->base, NULL);
}

void nntpd_stop(struct nntpd *n)
{
    if (n->home != NULL)
        tell_main(n, on_stop);
}

/* --- taking it down ---------------------------------------------------- */

static void stop_workers(struct nntpd *n)
{
    for (unsigned i = 0; i < n->n_worker; i++)
        worker_stop(n->worker[i]);
    for (unsigned i = 0; i < n->n_worker; i++)
        worker_join(n->worker[i]);
}

static void free_main(struct nntpd *n)
{
    for (int i = 0; i < SIGNALS; i++)
        if (n->signal[i] != NULL)
            event_free(n->signal[i]);
    if (n->home != NULL)
        mailbox_free(&n->home);
    if (n->base != NULL)
        event_base_free(n->base);
}

void nntpd_close(struct nntpd **np)
{
    struct nntpd *n = *np;

    if (n == NULL)
        return;
    door_close(&n->door);
    metrics_http_close(&n->metrics);
    if (n->control != NULL)
        control_close(&n->control);
    resolve_free(&n->resolve);         /* posts to workers */
    if (n->logins != NULL)
        logins_stop(n->logins);
    if (n->letters != NULL)
        letters_stop(n->letters);
    stop_workers(n);
    logins_free(&n->logins);           /* all have come home */
    letters_free(&n->letters);
    lane_free(&n->lane);
    store_close(&n->store);
    child_free(&n->child);             /* woken by the store until here */
    for (unsigned i = 0; i < n->n_worker; i++)
        worker_free(&n->worker[i]);
    free(n->worker);
    free_main(n);
    guests_free(&n->guests);
    shares_free(&n->shares);
    intake_rules_unref(&n->rules);
    who_unref(&n->who);
    tls_unref(&n->tls);
    for (size_t i = 0; i < n->n_conf; i++)
        conf_free(&n->all_conf[i]);
    free(n->all_conf);
    lock_fini(&n->lock);
    free(n);
    *np = NULL;
}

/* --- what it is made of ------------------------------------------------ */

struct store *nntpd_store(struct nntpd *n)
{
    return n->store;
}

const struct conf *nntpd_conf(struct nntpd *n)
{
    return atomic_load(&n->conf);
}
