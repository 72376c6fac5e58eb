/* pull.c - a server that is read from: its state, and when it is asked.  See pull.h. */
#include "feeder/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feeder/pull_int.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/rpc.h"
#include "lib/siphash.h"

#define SECOND   INT64_C(1000000)
#define SAVE_US  (5 * SECOND)
#define WAIT_US  (60 * SECOND)             /* after trouble: so long, twice as long ... pull-every */

static char *joined(const struct conf_list *l)
{
    struct buf text = { 0 };
    char *out;

    conf_join(l, &text);
    out = xstrndup(buf_data(&text), buf_len(&text));
    buf_fini(&text);
    return out;
}

/* Give or take a tenth, so that many sites do not come at once. */
static int64_t about(int64_t us)
{
    uint8_t r;

    random_bytes(&r, 1);
    return us / 10 * 9 + us / 5 * r / 255;
}

/* ---- counts, trouble ---- */

void pull_count(struct pull *p, enum pull_count what, uint64_t n)
{
    p->n[what] += n;
}

void pull_count_verdict(struct pull *p, const char *name)
{
    size_t i = 0;

    while (i < p->n_verdicts && strcmp(p->verdict[i].name, name) != 0)
        i++;
    if (i == PULL_VERDICTS)
        return;
    if (i == p->n_verdicts)
        snprintf(p->verdict[p->n_verdicts++].name, sizeof p->verdict[i].name, "%s", name);
    p->verdict[i].n++;
}

/* The same trouble again and again is told once. */
void pull_trouble(struct pull *p, const char *why)
{
    bool same = strcmp(p->last_error, why) == 0;

    snprintf(p->last_error, sizeof p->last_error, "%s", why);
    p->last_error_us = clock_now_us();
    log_msg(same ? LOG_DEBUG : LOG_NOTICE, "%s: pulling: %s", p->name, p->last_error);
}

/* ---- state ---- */

static void open_state(struct pull *p)
{
    char *dir = xasprintf("%s/feeder", p->f->conf->site.directory);
    int64_t ago, now = clock_now_us();
    struct err e = { 0 };

    switch (pull_state_open(&p->state, dir, p->name, &e)) {
    case PULL_FAILED:
        pull_trouble(p, e.text);
        pull_state_close(&p->state);
        break;
    case PULL_DAMAGED:
        log_msg(LOG_WARNING, "%s; its groups are as new", e.text);
        /* fall through */
    case PULL_NONE:
    case PULL_LOADED:
        p->open = true;
    }
    free(dir);
    ago = now - p->state.run_us;
    if (p->open && ago >= 0 && ago < p->conf->pull_every_us)          /* a new start is no reason to ask sooner */
        p->next_us = clock_mono_us() + about(p->conf->pull_every_us - ago);
}

static void save(struct pull *p)
{
    struct err e;

    p->saved_us = clock_mono_us();
    if (p->open && p->state.dirty && pull_state_save(&p->state, &e) != 0)
        pull_trouble(p, e.text);
}

void pull_save_soon(struct pull *p)
{
    if (clock_mono_us() - p->saved_us > SAVE_US)
        save(p);
}

/* ---- runs ---- */

void pull_ran(struct pull *p, bool well)
{
    int64_t every = p->conf->pull_every_us;

    p->runs++;
    if (well) {
        p->wait_us = 0;
        p->stuck_tries = 0;
        p->state.run_us = clock_now_us();
        p->state.dirty = true;
    } else {
        p->wait_us = p->wait_us == 0 ? WAIT_US : 2 * p->wait_us;
        if (p->wait_us > every)
            p->wait_us = every;
    }
    save(p);
    p->next_us = clock_mono_us() + about(well ? every : p->wait_us);
}

void pull_tick(struct pull *p)
{
    if (p->run != NULL) {
        pull_run_tick(p->run);
        return;
    }
    if (p->paused || clock_mono_us() < p->next_us)
        return;
    if (!p->open)
        open_state(p);
    if (!p->open)
        p->next_us = clock_mono_us() + WAIT_US;
    else if (clock_mono_us() >= p->next_us)
        p->run = pull_run_begin(p);
}

/* ---- begin, change, end ---- */

struct pull *pull_new(struct feeder *f, const struct conf_peer *conf)
{
    struct pull *p = xcalloc(1, sizeof *p);

    p->f = f;
    p->conf = conf;
    p->name = xstrdup(conf->name);
    p->groups = joined(&conf->pull);
    open_state(p);
    return p;
}

void pull_conf(struct pull *p, const struct conf_peer *conf, bool changed)
{
    p->conf = conf;
    if (!changed)
        return;
    free(p->groups);
    p->groups = joined(&conf->pull);
    p->ended_at[0] = '\0';
    pull_run_free(&p->run);
    pull_flush(p);
}

void pull_free(struct pull **pull)
{
    struct pull *p = *pull;

    *pull = NULL;
    if (p == NULL)
        return;
    pull_run_free(&p->run);
    save(p);
    pull_state_close(&p->state);
    free(p->groups);
    free(p->name);
    free(p);
}

/* ---- for the operator ---- */

const char *pull_name(const struct pull *p)
{
    return p->name;
}

const struct conf_peer *pull_block(const struct pull *p)
{
    return p->conf;
}

const char *pull_error(const struct pull *p)
{
    return p->last_error;
}

const char *pull_state_name(const struct pull *p)
{
    if (!p->open)
        return "stopped";
    if (p->run != NULL)
        return "pulling";
    return p->paused ? "paused" : p->wait_us > 0 ? "waiting" : "idle";
}

void pull_flush(struct pull *p)
{
    p->next_us = 0;
    p->wait_us = 0;
}

void pull_pause(struct pull *p, bool paused)
{
    p->paused = paused;
    if (paused)
        pull_run_free(&p->run);
    else
        pull_flush(p);
}

static void row(struct buf *out, const char *name, uint64_t v)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64, v);
    rpc_fields(out, "R", name, text, NULL);
}

uint64_t pull_counted(const struct pull *p, enum pull_count what)
{
    return p->n[what];
}

int64_t pull_last_us(const struct pull *p)
{
    return p->state.run_us;
}

void pull_show(const struct pull *p, struct buf *out)
{
    static const char *const names[PULL_COUNTS] = {
        "pulled", "pulled: known already", "pulled: refused", "pulled: gone meanwhile", "pulled: larger than article-max",
        "pulled: too old to be asked for", "pulled: overview lines without sense", "pulled: left out after three tries",
    };
    int64_t wait = p->next_us - clock_mono_us();
    char text[100];

    rpc_fields(out, "R", "pulling", pull_state_name(p), NULL);
    row(out, "pull runs", p->runs);
    row(out, "pull groups", p->n_groups);
    row(out, "pull groups that are not here", p->not_here);
    for (int i = 0; i < PULL_COUNTS; i++)
        row(out, names[i], p->n[i]);
    for (size_t i = 0; i < p->n_verdicts; i++) {
        snprintf(text, sizeof text, "pulled: refused: %s", p->verdict[i].name);
        row(out, text, p->verdict[i].n);
    }
    rpc_fields(out, "R", "pull error", p->last_error, NULL);
    row(out, "next pull in s", p->run == NULL && wait > 0 ? (uint64_t)wait / 1000000 + 1 : 0);
}
