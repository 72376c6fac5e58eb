/* status.c - the rows of `newsctl status`: all counters, under names that stay. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "lib/clock.h"
#include "nntpd/brake.h"
#include "nntpd/child.h"
#include "nntpd/command.h"
#include "nntpd/counters.h"
#include "nntpd/figures.h"
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

static void number(const char *name, uint64_t value, void *arg)
{
    const struct rows *r = arg;
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
    number("uptime_s", (uint64_t)(clock_mono_us() - n->started_us) / 1000000, r);
    text(r, "storing", store_healthy(n->store, why, sizeof why) ? "yes" : why);
    if (statvfs(nntpd_conf(n)->site.directory, &fs) == 0)
        number("disk_free_bytes", (uint64_t)fs.f_bavail * fs.f_frsize, r);
    number("connections", n->connections, r);
    number("connections_turned_away", n->turned_away, r);
    number("workers", n->n_worker, r);
    number("lane_load", lane_load(n->lane), r);
    number("feeder_pid", n->child != NULL ? (uint64_t)child_pid(n->child) : 0, r);
    number("groups", groups_count_all(store_groups(n->store)), r);
}

static void logins(struct rows *r, struct nntpd *n)
{
    struct logins_counts c;
    struct brake_counts b;

    if (n->logins == NULL)
        return;
    logins_counts(n->logins, &c);
    b = brake_counts(logins_brake(n->logins));
    number("users.good", c.users, r);
    number("users.damaged_lines", c.damaged, r);
    number("users.logins_waiting", c.waiting, r);
    number("users.addresses_with_failures", b.households, r);
    number("users.names_with_failures", b.users, r);
    number("users.shares", shares_count(n->shares), r);
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
        number(counter_name((enum counter)i), sum->v[i], r);
    for (unsigned i = 0, all = command_count(); i < all; i++) {
        if (sum->command[i] == 0)
            continue;
        command_name(i, command, sizeof command);
        snprintf(name, sizeof name, "command.%s", command);
        number(name, sum->command[i], r);
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
            number(name, count, &r);
    }
    figures_status(n->store, number, &r);
}
