/* pull_run.c - a run through a server's groups: nntpd is asked first whether it
 * listens, then the server is connected, then which groups there are, then each.
 *
 * Nothing is freed while its own functions run: a run that is over is taken down
 * in the next turn.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "article/wildmat.h"
#include "feeder/dial.h"
#include "feeder/pull_int.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define LISTS_MOST  16                     /* patterns that are asked for one by one          */
#define ROWS_MOST   1000000                /* lines of a list                                 */

static void over(struct pull_run *r, bool well)
{
    if (r->over)
        return;
    r->over = true;
    r->well = well;
    event_del(&r->turn);
    event_active(&r->turn, EV_TIMEOUT, 0);
}

void run_fail(struct pull_run *r, const char *why)
{
    if (r->over)
        return;
    pull_trouble(r->p, why);
    if (r->step >= STEP_GROUP && r->at < r->n_group)           /* so that it keeps no other waiting */
        snprintf(r->p->ended_at, sizeof r->p->ended_at, "%s", r->group[r->at].name);
    over(r, false);
}

/* ---- which groups? ---- */

static bool is_plain(struct span pattern)
{
    for (size_t i = 0; i < pattern.n; i++)
        if (strchr("*?[]\\!", pattern.p[i]) != NULL)
            return false;
    return true;
}

/* The k-th pattern of 'pull' that adds groups; p NULL: there are no more. */
static struct span pattern(const struct pull_run *r, size_t k)
{
    struct span all = span_of(r->p->groups), one;

    while (span_next(&all, ',', &one))
        if (one.p[0] != '!' && k-- == 0)
            return one;
    return (struct span){ NULL, 0 };
}

/* Are single names all that is wanted?  Then no list is. */
static bool names_alone(const struct pull_run *r)
{
    struct span one;

    for (size_t k = 0; (one = pattern(r, k)).p != NULL; k++)
        if (!is_plain(one))
            return false;
    return true;
}

/* Can the server be trusted to know what the patterns mean, one by one? */
static bool can_ask(const struct pull_run *r)
{
    struct span one;
    size_t k;

    for (k = 0; (one = pattern(r, k)).p != NULL; k++)
        if (memchr(one.p, '[', one.n) != NULL || memchr(one.p, '\\', one.n) != NULL || one.n > PULL_NAME_MOST)
            return false;
    return k <= LISTS_MOST;
}

static void add_group(struct pull_run *r, struct span name, const struct pull_range *range)
{
    if (r->n_group >= PULL_GROUPS || !wildmat(name, span_of(r->p->groups)) || map_get(r->seen, name) != NULL)
        return;
    map_put(r->seen, name, r);
    if ((r->n_group & (r->n_group + 1)) == 0)
        r->group = xrealloc(r->group, 2 * (r->n_group + 1) * sizeof *r->group);
    r->group[r->n_group] = (struct run_group){ .name = xstrndup(name.p, name.n), .listed = range != NULL };
    if (range != NULL)
        r->group[r->n_group].range = *range;
    r->n_group++;
}

/* ---- which of them do we have? ---- */

/* Behind the group that ended the last run, if it is there. */
static size_t first_group(const struct pull_run *r)
{
    for (size_t i = 0; r->p->ended_at[0] != '\0' && i < r->n_group; i++)
        if (strcmp(r->group[i].name, r->p->ended_at) == 0)
            return i + 1;
    return 0;
}

static void carries_known(struct pull_run *r)
{
    struct run_group *all = xcalloc(r->n_group + 1, sizeof *all);
    size_t n = 0, start = first_group(r);

    for (size_t i = 0; i < r->n_group; i++) {
        struct run_group *g = &r->group[(start + i) % r->n_group];

        if (g->carried)
            all[n++] = *g;
        else
            free(g->name);
    }
    free(r->group);
    r->p->n_groups = n;
    r->p->not_here = r->n_group - n;
    r->group = all;
    r->n_group = n;
    run_next_group(r, true);
}

static void ask_carries(struct pull_run *r)
{
    struct span name[HOME_WORDS];

    map_free(&r->seen);
    r->step = STEP_CARRY;
    for (size_t at = 0; at < r->n_group; at += HOME_WORDS) {
        size_t n = r->n_group - at < HOME_WORDS ? r->n_group - at : HOME_WORDS;

        for (size_t k = 0; k < n; k++)
            name[k] = span_of(r->group[at + k].name);
        home_ask_carries(r->home, at, name, n);
    }
    if (r->n_group == 0)
        carries_known(r);
}

static void on_carries(struct pull_run *r, const struct home_answer *a)
{
    if (a->tag != r->asked_group || a->n == 0 || a->n > r->n_group - r->asked_group) {
        run_fail(r, "nntpd answers what was not asked");
        return;
    }
    for (size_t k = 0; k < a->n; k++)
        r->group[r->asked_group++].carried = a->bits[k] == '1';
    if (r->asked_group == r->n_group)
        carries_known(r);
}

/* ---- lists ---- */

#define WHOLE_LIST SIZE_MAX

static void next_list(struct pull_run *r)
{
    struct span one = pattern(r, r->list);

    r->step = STEP_LIST;
    r->rows = 0;
    if (r->list == WHOLE_LIST)
        pull_link_ask(r->link, ASK_ROWS, "LIST ACTIVE");
    else if (one.p != NULL)
        pull_link_ask(r->link, ASK_ROWS, "LIST ACTIVE %.*s", SPAN_F(one));
    else
        ask_carries(r);
}

static void on_list_reply(struct pull_run *r, int code, struct span line)
{
    char text[200];

    if (code == 215)
        return;
    if (code / 100 != 2 && r->list != WHOLE_LIST && code != 480 && code != 483 && code != 502) {
        r->list = WHOLE_LIST;              /* it does not know patterns */
        next_list(r);
        return;
    }
    snprintf(text, sizeof text, "no list of groups: %.*s", (int)(line.n < 160 ? line.n : 160), line.p);
    run_fail(r, text);
}

static void on_list_row(struct pull_run *r, struct span row)
{
    struct pull_range range;
    struct span name;

    if (++r->rows > ROWS_MOST)
        run_fail(r, "a list without an end");
    else if (row.p != NULL && pull_active_line(row, &name, &range))
        add_group(r, name, &range);
}

static void on_list_end(struct pull_run *r)
{
    if (r->list == WHOLE_LIST) {
        ask_carries(r);
        return;
    }
    r->list++;
    next_list(r);
}

static void find_groups(struct pull_run *r)
{
    struct span one;

    r->seen = map_new();
    if (names_alone(r)) {
        for (size_t k = 0; (one = pattern(r, k)).p != NULL; k++)
            if (one.n <= PULL_NAME_MOST)
                add_group(r, one, NULL);
        ask_carries(r);
        return;
    }
    r->list = can_ask(r) ? 0 : WHOLE_LIST;
    next_list(r);
}

/* ---- one group after the other ---- */

/* Does the list say that there is nothing? */
static bool nothing_new(const struct pull_run *r, const struct run_group *g)
{
    const struct pull_mark *m = g->listed ? pull_state_find(&r->p->state, span_of(g->name)) : NULL;

    return m != NULL && m->last == g->range.high;
}

void run_next_group(struct pull_run *r, bool first)
{
    if (r->over)
        return;
    pull_save_soon(r->p);
    for (r->at = first ? 0 : r->at + 1; r->at < r->n_group; r->at++)
        if (!nothing_new(r, &r->group[r->at])) {
            run_group_begin(r);
            return;
        }
    r->p->ended_at[0] = '\0';
    r->step = STEP_QUIT;
    pull_link_quit(r->link);
}

/* ---- what both ends say ---- */

static void on_reply(struct pull_run *r, int code, struct span line)
{
    switch (r->step) {
    case STEP_LIST:  on_list_reply(r, code, line); break;
    case STEP_GROUP: run_group_reply(r, code, line); break;
    case STEP_OVER:  run_over_reply(r, code, line); break;
    case STEP_FETCH: run_article_reply(r, code, line); break;
    default:         run_fail(r, "it answers what was not asked");
    }
}

static void on_gone(struct pull_run *r, struct span why)
{
    char text[300];

    if (r->step == STEP_QUIT) {
        over(r, true);
        return;
    }
    snprintf(text, sizeof text, "%.*s", (int)(why.n < 280 ? why.n : 280), why.p);
    if (r->step == STEP_CONNECT)
        r->p->n_dials++;
    (void)run_blame(r, text);
    run_fail(r, text);
}

static void on_link(enum link_event what, int code, struct span text, void *arg)
{
    struct pull_run *r = arg;

    if (r->over)
        return;
    switch (what) {
    case LINK_READY:   find_groups(r); break;
    case LINK_REPLY:   on_reply(r, code, text); break;
    case LINK_ROW:
        if (r->step == STEP_LIST)
            on_list_row(r, text);
        else
            run_over_row(r, text);
        break;
    case LINK_END:
        if (r->step == STEP_LIST)
            on_list_end(r);
        else
            run_over_end(r);
        break;
    case LINK_ARTICLE: run_article(r, text); break;
    case LINK_GONE:    on_gone(r, text); break;
    }
}

static void on_dialled(const struct net_addr *to, const struct net_addr *from, const char *why, void *arg)
{
    struct pull_run *r = arg;
    struct err e;

    r->dial = NULL;
    if (to == NULL) {
        run_fail(r, why);
        return;
    }
    r->link = pull_link_open(r->p->f, &r->p->conf, to, from, r->article_most, on_link, r, &e);
    if (r->link == NULL) {
        r->p->n_dials++;
        run_fail(r, e.text);
    }
}

/* nntpd listens: now the server. */
static void on_home_ready(struct pull_run *r, uint64_t article_max)
{
    uint64_t own = r->p->conf->article_max;
    struct dial *d;

    r->article_most = own > 0 && own < article_max ? own : article_max;
    if (r->link != NULL || r->dial != NULL)
        return;
    if ((d = dial_begin(r->p->f, r->p->conf, r->p->n_dials, on_dialled, r)) != NULL)
        r->dial = d;
}

static void on_home(const struct home_answer *a, void *arg)
{
    struct pull_run *r = arg;

    if (r->over)
        return;
    switch (a->what) {
    case HOME_READY:   on_home_ready(r, a->tag); break;
    case HOME_CARRIES: on_carries(r, a); break;
    case HOME_WANTS:   run_wants(r, a); break;
    case HOME_TAKEN:   run_taken(r, a); break;
    case HOME_GONE:
        if (r->step != STEP_QUIT)
            run_fail(r, a->text);
        break;
    }
}

/* ---- begin and end ---- */

static void tell_new(const struct pull_run *r)
{
    const struct pull *p = r->p;
    uint64_t new = p->n[PULL_STORED] - r->n[PULL_STORED], refused = p->n[PULL_REFUSED] - r->n[PULL_REFUSED];

    if (new + refused > 0)
        log_msg(LOG_NOTICE, "%s: pulled %" PRIu64 " articles from %" PRIu64 " groups in %" PRId64 " s (refused %" PRIu64
                ", known %" PRIu64 ", gone %" PRIu64 ")", p->name, new, p->n_groups,
                (clock_mono_us() - r->began_us + 500000) / 1000000, refused, p->n[PULL_KNOWN] - r->n[PULL_KNOWN],
                p->n[PULL_GONE] - r->n[PULL_GONE]);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct pull_run *r = arg;
    struct pull *p = r->p;
    bool well = r->well;

    (void)fd, (void)what;
    if (!r->over) {
        if (r->step == STEP_FETCH)
            run_fetch(r);
        return;
    }
    tell_new(r);
    pull_run_free(&p->run);
    pull_ran(p, well);
}

void pull_run_tick(struct pull_run *r)
{
    if (r->link != NULL && !r->over)
        pull_link_tick(r->link, clock_mono_us());
}

struct pull_run *pull_run_begin(struct pull *p)
{
    struct pull_run *r = xcalloc(1, sizeof *r);
    struct err e;

    r->p = p;
    r->careful = p->stuck_tries > 0 ? PULL_CAREFUL : 0;
    r->began_us = clock_mono_us();
    memcpy(r->n, p->n, sizeof r->n);
    event_assign(&r->turn, p->f->base, -1, 0, on_turn, r);
    if ((r->home = pull_home_open(p->f, p->name, on_home, r, &e)) == NULL)
        run_fail(r, e.text);
    return r;
}

void pull_run_free(struct pull_run **run)
{
    struct pull_run *r = *run;

    *run = NULL;
    if (r == NULL)
        return;
    event_del(&r->turn);
    dial_forget(&r->dial);
    pull_link_close(&r->link);
    pull_home_close(&r->home);
    if (r->seen != NULL)
        map_free(&r->seen);
    for (size_t i = 0; i < r->n_group; i++)
        free(r->group[i].name);
    free(r->group);
    free(r);
}
