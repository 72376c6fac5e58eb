/* status.c - the rows of `newsctl status`: all counters, under names that stay. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "lib/clock.h"
#include "nntpd/brake.h"
#include "nntpd/child.h"
#include "nntpd/command.h"
#include "nntpd/counters.h"
#include "nntpd/logins.h"
#include "nntpd/server_int.h"
#include "nntpd/share.h"
#include "nntpd/worker.h"

struct rows {
    void (*row)(const char *name, const char *value, void *);
    void *arg;
};

static void text(struct rows *r, const char *name, const char *value)
{
    r->row(name, value, r->arg);
}

static void number(struct rows *r, const char *name, uint64_t value)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    r->row(name, digits, r->arg);
}

static void site(struct rows *r, struct nntpd *n)
{
    struct statvfs fs;
    char why[200];

    text(r, "site", nntpd_conf(n)->site.name);
    text(r, "version", FRESHET_VERSION);
    number(r, "uptime_s", (uint64_t)(clock_mono_us() - n->started_us) / 1000000);
    text(r, "storing", store_healthy(n->store, why, sizeof why) ? "yes" : why);
    if (statvfs(nntpd_conf(n)->site.directory, &fs) == 0)
        number(r, "disk_free_bytes", (uint64_t)fs.f_bavail * fs.f_frsize);
    number(r, "connections", n->connections);
    number(r, "connections_turned_away", n->turned_away);
    number(r, "workers", n->n_worker);
    number(r, "lane_load", lane_load(n->lane));
    number(r, "feeder_pid", n->child != NULL ? (uint64_t)child_pid(n->child) : 0);
    number(r, "groups", groups_count_all(store_groups(n->store)));
}

static void logins(struct rows *r, struct nntpd *n)
{
    struct logins_counts c;
    struct brake_counts b;

    if (n->logins == NULL)
        return;
    logins_counts(n->logins, &c);
    b = brake_counts(logins_brake(n->logins));
    number(r, "users.good", c.users);
    number(r, "users.damaged_lines", c.damaged);
    number(r, "users.logins_waiting", c.waiting);
    number(r, "users.addresses_with_failures", b.households);
    number(r, "users.names_with_failures", b.users);
    number(r, "users.shares", shares_count(n->shares));
}

static void store(struct rows *r, struct nntpd *n)
{
    struct store_counts c;
    struct his_counts h;

    store_counts(n->store, &c);
    number(r, "store.stored", c.stored);
    number(r, "store.refused", c.refused);
    number(r, "store.later", c.later);
    number(r, "store.batches", c.batches);
    number(r, "store.largest_batch", c.largest_batch);
    number(r, "store.bytes", c.bytes);
    number(r, "store.queued", c.queued);
    number(r, "store.queued_bytes", c.queued_bytes);
    number(r, "store.applied_seq", c.applied_seq);
    number(r, "store.published_seq", c.published_seq);
    number(r, "store.sync_ms", (uint64_t)c.sync_us / 1000);
    number(r, "store.apply_ms", (uint64_t)c.apply_us / 1000);
    his_counts(store_history(n->store), &h);
    number(r, "history.ids", h.ids);
    number(r, "history.filter_bits", h.filter_bits);
    number(r, "history.cache_hits", h.cache_hits);
    number(r, "history.filter_news", h.filter_news);
    number(r, "history.looks", h.looks);
    number(r, "history.false_hits", h.false_hits);
    number(r, "history.claims", h.claims);
    number(r, "history.swept", c.swept);
}

static void sessions(struct rows *r, struct nntpd *n)
{
    struct counters *sum = calloc(1, sizeof *sum);
    char name[80], command[40];

    if (sum == NULL)
        return;
    for (unsigned i = 0; i < n->n_worker; i++)
        counters_sum(sum, worker_counters(n->worker[i]));
    for (int i = 0; i < COUNTERS; i++)
        number(r, counter_name((enum counter)i), sum->v[i]);
    for (unsigned i = 0, all = command_count(); i < all; i++) {
        if (sum->command[i] == 0)
            continue;
        command_name(i, command, sizeof command);
        snprintf(name, sizeof name, "command.%s", command);
        number(r, name, sum->command[i]);
    }
    free(sum);
}

void nntpd_status(struct nntpd *n, void (*row)(const char *name, const char *value, void *), void *arg)
{
    struct rows r = { row, arg };
    char name[80];

    site(&r, n);
    sessions(&r, n);
    logins(&r, n);
    for (int v = AWAY + 1; v < VERDICTS; v++) {
        uint64_t count = intake_count((enum verdict)v);

        snprintf(name, sizeof name, "verdict.%s", verdict_row((enum verdict)v)->name);
        if (count > 0)
            number(&r, name, count);
    }
    store(&r, n);
}
