/* metrics.c - nntpd's figures for a monitor, and feeder's behind them.
 *
 * Names stay: people draw curves by them.  freshet_incoming_ is what peers send us,
 * freshet_outgoing_ (feeder/metrics.c) what we send them.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/prom.h"
#include "nntpd/command.h"
#include "nntpd/counters.h"
#include "nntpd/feeder_ask.h"
#include "nntpd/figures.h"
#include "nntpd/logins.h"
#include "nntpd/server_int.h"
#include "nntpd/worker.h"

#define FEEDER_S 2

/* ---- the site, and its disk ---- */

static void site(struct buf *out, struct nntpd *n)
{
    char why[200];

    prom_family(out, "freshet_build_info", PROM_GAUGE, "always 1");
    prom_sample(out, "freshet_build_info", PROM_LABELS("version", FRESHET_VERSION, "site", nntpd_conf(n)->site.name), 1);
    prom_family(out, "freshet_uptime_seconds", PROM_GAUGE, "since nntpd was started");
    prom_seconds(out, "freshet_uptime_seconds", PROM_NONE, clock_mono_us() - n->started_us);
    prom_gauge(out, "freshet_storing", store_healthy(n->store, why, sizeof why), "1: articles can be stored");
    prom_gauge(out, "freshet_workers", n->n_worker, "threads that serve connections");
    prom_gauge(out, "freshet_lane_jobs", lane_load(n->lane), "jobs that wait for a disk or for a thread to do so");
    prom_gauge(out, "freshet_groups", groups_count_all(store_groups(n->store)), "newsgroups");
}

struct space { uint64_t segments, bytes, disk; };

/* Punched holes take no room: what is allotted counts, too. */
static struct space log_space(const char *directory)
{
    char *path = xasprintf("%s/log", directory);
    DIR *d = opendir(path);
    struct space s = { 0 };
    struct dirent *entry;
    struct stat st;

    while (d != NULL && (entry = readdir(d)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');

        if (dot == NULL || strcmp(dot, ".seg") != 0 || fstatat(dirfd(d), entry->d_name, &st, 0) != 0)
            continue;
        s.segments++;
        s.bytes += (uint64_t)st.st_size;
        s.disk += (uint64_t)st.st_blocks * 512;
    }
    if (d != NULL)
        closedir(d);
    free(path);
    return s;
}

static void disk(struct buf *out, const char *directory)
{
    struct space s = log_space(directory);
    struct statvfs fs;

    prom_gauge(out, "freshet_log_segments", s.segments, "files of the article log");
    prom_gauge(out, "freshet_log_bytes", s.bytes, "their length, what is gone included");
    prom_gauge(out, "freshet_log_disk_bytes", s.disk, "what they take on the disk");
    if (statvfs(directory, &fs) == 0)
        prom_gauge(out, "freshet_disk_free_bytes", (uint64_t)fs.f_bavail * fs.f_frsize, "left where the articles are");
}

/* ---- sessions ---- */

static void put_counter(struct buf *out, enum counter c, uint64_t v)
{
    char name[80];

    /* the unit comes last; the counter's own name is older */
    snprintf(name, sizeof name, "freshet_%s_total", c == COUNT_bytes_sent ? "sent_bytes" : counter_name(c));
    prom_counter(out, name, v, counter_sentence(c));
}

static void sessions(struct buf *out, struct nntpd *n)
{
    struct counters *sum = xcalloc(1, sizeof *sum);
    char command[40];

    for (unsigned i = 0; i < n->n_worker; i++)
        counters_sum(sum, worker_counters(n->worker[i]));
    for (int i = 0; i < COUNTERS; i++)
        put_counter(out, (enum counter)i, sum->v[i]);
    prom_counter(out, "freshet_turned_away_total", n->turned_away, "connections refused with 400: connections-max, connections-per-address");
    prom_family(out, "freshet_commands_total", PROM_COUNTER, "commands by name");
    for (unsigned i = 0, all = command_count(); i < all; i++) {
        if (sum->command[i] == 0)
            continue;
        command_name(i, command, sizeof command);
        prom_sample(out, "freshet_commands_total", PROM_LABELS("command", command), sum->command[i]);
    }
    free(sum);
}

static void logins(struct buf *out, struct nntpd *n)
{
    struct logins_counts c;

    logins_counts(n->logins, &c);
    prom_gauge(out, "freshet_users", c.users, "users of users-file");
    prom_gauge(out, "freshet_logins_waiting", c.waiting, "logins that are being looked at");
}

static void verdicts(struct buf *out)
{
    static const char name[] = "freshet_articles_total";

    prom_family(out, name, PROM_COUNTER, "articles by what became of them, posts included");
    for (int v = AWAY + 1; v < VERDICTS; v++)
        if (intake_count((enum verdict)v) > 0)
            prom_sample(out, name, PROM_LABELS("verdict", verdict_row((enum verdict)v)->name), intake_count((enum verdict)v));
}

/* ---- what peers send ---- */

struct guest_book {                    /* the peers that may send, and their books */
    struct buf *out;
    struct guests *guests;
    const char **name;
    struct tally **tally;
    size_t n;
};

static void each_peer(struct guest_book *b, const char *name, enum prom_kind kind, const char *help,
                      uint64_t (*value)(const struct guest_book *b, size_t i))
{
    prom_family(b->out, name, kind, help);
    for (size_t i = 0; i < b->n; i++)
        prom_sample(b->out, name, PROM_LABELS("peer", b->name[i]), value(b, i));
}

static uint64_t here(const struct guest_book *b, size_t i)     { return guests_of(b->guests, b->name[i]); }
static uint64_t greeted(const struct guest_book *b, size_t i)  { return b->tally[i]->sessions; }
static uint64_t offered(const struct guest_book *b, size_t i)  { return b->tally[i]->offer[TALLY_OFFERED]; }
static uint64_t wanted(const struct guest_book *b, size_t i)   { return b->tally[i]->offer[TALLY_WANTED]; }
static uint64_t known(const struct guest_book *b, size_t i)    { return b->tally[i]->offer[TALLY_KNOWN]; }
static uint64_t put_off(const struct guest_book *b, size_t i)  { return b->tally[i]->offer[TALLY_LATER]; }
static uint64_t octets(const struct guest_book *b, size_t i)   { return b->tally[i]->bytes; }

/* Articles that TAKETHIS answers with this code. */
static uint64_t answered(const struct guest_book *b, size_t i, int code)
{
    uint64_t sum = 0;

    for (int v = AWAY + 1; v < VERDICTS; v++)
        if (verdict_row((enum verdict)v)->takethis == code)
            sum += b->tally[i]->verdict[v];
    return sum;
}

static uint64_t accepted(const struct guest_book *b, size_t i) { return answered(b, i, 239); }
static uint64_t deferred(const struct guest_book *b, size_t i) { return answered(b, i, 400); }

static void rejected(struct guest_book *b)
{
    static const char name[] = "freshet_incoming_rejected_total";

    prom_family(b->out, name, PROM_COUNTER, "articles of a peer answered 437 or 439, by reason");
    for (size_t i = 0; i < b->n; i++) {
        for (int v = AWAY + 1; v < VERDICTS; v++) {
            const struct verdict_row *row = verdict_row((enum verdict)v);

            if (row->takethis == 439 && b->tally[i]->verdict[v] > 0)
                prom_sample(b->out, name, PROM_LABELS("peer", b->name[i], "reason", row->name), b->tally[i]->verdict[v]);
        }
    }
}

static void last_articles(struct guest_book *b)
{
    static const char name[] = "freshet_incoming_last_article_timestamp_seconds";

    prom_family(b->out, name, PROM_GAUGE, "when a peer's last article was taken; none since the start: 0");
    for (size_t i = 0; i < b->n; i++)
        prom_seconds(b->out, name, PROM_LABELS("peer", b->name[i]), b->tally[i]->last_us);
}

static void now_connected(struct guest_book *b, uint64_t all)
{
    static const char name[] = "freshet_connections";
    uint64_t peers = 0;

    for (size_t i = 0; i < b->n; i++)
        peers += here(b, i);
    prom_family(b->out, name, PROM_GAUGE, "connections now: known peers, and the others");
    prom_sample(b->out, name, PROM_LABELS("kind", "peer"), peers);
    prom_sample(b->out, name, PROM_LABELS("kind", "other"), all > peers ? all - peers : 0);
}

static void incoming(struct buf *out, struct nntpd *n)
{
    const struct conf *c = nntpd_conf(n);
    struct guest_book b = { .out = out, .guests = n->guests };

    b.name = xcalloc(c->n_peer + 1, sizeof *b.name);
    b.tally = xcalloc(c->n_peer + 1, sizeof *b.tally);
    for (size_t i = 0; i < c->n_peer; i++) {
        if (!c->peer[i].accept)
            continue;
        b.name[b.n] = c->peer[i].name;
        b.tally[b.n] = guests_tally(n->guests, b.name[b.n]);
        b.n++;
    }
    now_connected(&b, n->connections);
    each_peer(&b, "freshet_incoming_connections", PROM_GAUGE, "a peer's connections to us", here);
    each_peer(&b, "freshet_incoming_sessions_total", PROM_COUNTER, "those that ever were", greeted);
    each_peer(&b, "freshet_incoming_offered_total", PROM_COUNTER, "ids that a peer offered with CHECK and IHAVE", offered);
    each_peer(&b, "freshet_incoming_wanted_total", PROM_COUNTER, "ids answered 238 or 335", wanted);
    each_peer(&b, "freshet_incoming_refused_total", PROM_COUNTER, "ids known already: 438, 435, and 439 at once", known);
    each_peer(&b, "freshet_incoming_later_total", PROM_COUNTER, "ids answered 431 or 436", put_off);
    each_peer(&b, "freshet_incoming_accepted_total", PROM_COUNTER, "articles of a peer answered 235 or 239", accepted);
    rejected(&b);
    each_peer(&b, "freshet_incoming_deferred_total", PROM_COUNTER, "articles of a peer answered 436 or 400", deferred);
    each_peer(&b, "freshet_incoming_bytes_total", PROM_COUNTER, "octets of a peer's articles", octets);
    last_articles(&b);
    free(b.name);
    free(b.tally);
}

/* ---- feeder's ---- */

static void on_line(const char *kind, char **field, size_t n, void *arg)
{
    struct buf *text = arg;

    if (kind[0] != 'T' || n == 0)
        return;
    buf_puts(text, field[0]);
    buf_add(text, "\n", 1);
}

static void feeder(struct buf *out, struct nntpd *n)
{
    char *words[] = { (char[]){ "peer" }, (char[]){ "metrics" } };
    struct buf text = { 0 }, last = { 0 };
    struct err e;
    bool up = n->child != NULL && feeder_ask(nntpd_conf(n), 2, words, FEEDER_S, on_line, &text, &last, &e) == 1;

    prom_gauge(out, "freshet_feeder_up", up, "1: feeder answers; it runs when a peer has send = true");
    if (up)
        buf_add_span(out, buf_span(&text));
    buf_fini(&text);
    buf_fini(&last);
}

void nntpd_metrics(struct nntpd *n, struct buf *out)
{
    site(out, n);
    disk(out, nntpd_conf(n)->site.directory);
    figures_metrics(n->store, out);
    sessions(out, n);
    logins(out, n);
    verdicts(out);
    incoming(out, n);
    feeder(out, n);
}
