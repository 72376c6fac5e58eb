/* pull_group.c - one group of a run: what is new in it, and the articles.
 *
 *     GROUP ─▶ the next chunk of numbers ─▶ OVER ─▶ which ids are new to us? ─▶ ARTICLE, a window
 *                  ▲                                                             │ to nntpd
 *                  └───────────── every number of the chunk is settled ◀─────────┘
 *
 * A number is settled when its article is stored, known, refused, or not there any
 * more.  Numbers at the group's end that the overview does not show yet are not:
 * there are servers that announce an article before they can show it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "article/date.h"
#include "feeder/pull_int.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define MODERATED_S (30 * INT64_C(86400))

static const char *group_name(const struct pull_run *r)
{
    return r->group[r->at].name;
}

static void quote(struct span line, char out[200])
{
    snprintf(out, 200, "%.*s", (int)(line.n < 160 ? line.n : 160), line.p);
}

/* This group cannot be had, others may be; a server that wants a login or will not have us is done with. */
static void pass_over(struct pull_run *r, int code, const char *reply)
{
    char text[PULL_NAME_MOST + 250];

    snprintf(text, sizeof text, "%s: %s", group_name(r), reply);
    if (code == 480 || code == 483 || code == 502) {
        run_fail(r, text);
        return;
    }
    pull_trouble(r->p, text);
    run_next_group(r, false);
}

/* ---- where to go on ---- */

static void next_chunk(struct pull_run *r)
{
    pull_save_soon(r->p);                      /* a group may take hours */
    if (r->mark->last >= r->range.high) {
        run_next_group(r, false);
        return;
    }
    r->from = r->mark->last + 1;
    r->to = r->range.high - r->from < r->width ? r->range.high : r->from + r->width - 1;
    r->top = r->from - 1;
    r->n_item = r->answered = r->next = r->rows = 0;
    r->aside = NULL;
    r->n_asked = r->first_asked = r->n_given = 0;
    r->step = STEP_OVER;
    pull_link_ask(r->link, ASK_ROWS, "%s %" PRIu64 "-%" PRIu64, r->xover ? "XOVER" : "OVER", r->from, r->to);
}

/* The newest of a group that was never pulled. */
static uint64_t first_last(const struct pull_run *r)
{
    uint64_t first = (uint64_t)r->p->conf->pull_first, below = r->range.low > 0 ? r->range.low - 1 : 0;

    if (r->range.high <= first || r->range.high - first < below)
        return below;
    return r->range.high - first;
}

static void find_mark(struct pull_run *r)
{
    struct span name = span_of(group_name(r));
    bool empty = r->range.high < r->range.low || r->range.high == 0;
    struct pull_mark *m = pull_state_find(&r->p->state, name);

    if (m == NULL) {
        m = pull_state_get(&r->p->state, name);
        m->last = empty ? r->range.high : first_last(r);
    } else if (!empty && r->range.high < m->last) {
        log_msg(LOG_NOTICE, "%s: %s: its numbers begin anew (%" PRIu64 " to %" PRIu64 ", we were at %" PRIu64 ")",
                r->p->name, group_name(r), r->range.low, r->range.high, m->last);
        m->last = r->range.low - 1;
    } else if (!empty && m->last < r->range.low - 1) {
        m->last = r->range.low - 1;
    }
    r->p->state.dirty |= m->low != r->range.low || m->high != r->range.high;
    m->low = r->range.low;
    m->high = r->range.high;
    r->mark = m;
}

void run_group_begin(struct pull_run *r)
{
    r->step = STEP_GROUP;
    r->width = PULL_CHUNK;
    pull_link_ask(r->link, ASK_LINE, "GROUP %s", group_name(r));
}

void run_group_reply(struct pull_run *r, int code, struct span line)
{
    char text[200];

    quote(line, text);
    if (code == 211 && pull_group_reply(line, &r->range)) {
        find_mark(r);
        if (r->range.high < r->range.low || r->range.high == 0)
            run_next_group(r, false);
        else
            next_chunk(r);
    } else if (code == 411) {
        log_msg(LOG_INFO, "%s: %s: not there any more", r->p->name, group_name(r));
        run_next_group(r, false);
    } else {
        pass_over(r, code, text);
    }
}

/* ---- the overview ---- */

void run_over_reply(struct pull_run *r, int code, struct span line)
{
    char text[200];

    if (code == 224)
        return;
    quote(line, text);
    if (code / 100 == 2) {
        run_fail(r, "it answers OVER with another list");
    } else if (!r->xover && (code == 500 || code == 501 || code == 503)) {
        r->xover = true;
        next_chunk(r);
    } else if (code == 420 || code == 423) {
        run_over_end(r);
    } else {
        pass_over(r, code, text);
    }
}

/* Will nntpd say so?  What a moderator let lie may be older than its injection, by a month at most. */
static bool is_too_old(const struct pull_run *r, struct span date)
{
    int64_t most = r->p->f->conf->site.age_max_us / 1000000, t;

    return most > 0 && date_read_lax(date, &t) == 0 && t < clock_now_us() / 1000000 - most - MODERATED_S;
}

void run_over_row(struct pull_run *r, struct span row)
{
    struct pull_over o;
    struct item *i;
    bool good;

    if (++r->rows > 4 * r->width) {
        run_fail(r, "an overview without an end");
        return;
    }
    good = row.p != NULL && pull_over_line(row, &o);
    if (!good)
        pull_count(r->p, PULL_DAMAGED_LINES, 1);
    if (row.p == NULL || o.number < r->from || o.number > r->to)
        return;
    if (r->n_item == PULL_CHUNK) {             /* lines come in order: the chunk ends before this one */
        r->to = o.number - 1;
        return;
    }
    r->top = o.number > r->top ? o.number : r->top;
    if (good && is_too_old(r, o.date)) {
        pull_count(r->p, PULL_TOO_OLD, 1);
    } else if (good) {
        i = &r->item[r->n_item++];
        *i = (struct item){ .number = o.number, .id_n = (uint8_t)o.id.n };
        memcpy(i->id, o.id.p, o.id.n);
    }
}

static int by_number(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static struct span id_of(const struct item *i)
{
    return (struct span){ i->id, i->id_n };
}

void run_over_end(struct pull_run *r)
{
    qsort(r->item, r->n_item, sizeof *r->item, by_number);
    r->width = r->top >= r->from ? PULL_CHUNK : r->width < PULL_WIDEST ? 2 * r->width : r->width;
    r->settled_to = r->to;
    if (r->to == r->range.high)
        r->settled_to = r->top;
    r->step = STEP_WANTS;
    for (size_t at = 0; at < r->n_item; at += HOME_WORDS) {
        size_t n = r->n_item - at < HOME_WORDS ? r->n_item - at : HOME_WORDS;
        struct span id[HOME_WORDS];

        for (size_t k = 0; k < n; k++)
            id[k] = id_of(&r->item[at + k]);
        home_ask_wants(r->home, at, id, n);
    }
    if (r->n_item == 0)
        run_fetch(r);
}

void run_wants(struct pull_run *r, const struct home_answer *a)
{
    if (a->tag != r->answered || a->n == 0 || a->n > r->n_item - r->answered) {
        run_fail(r, "nntpd answers what was not asked");
        return;
    }
    for (size_t k = 0; k < a->n; k++) {
        struct item *i = &r->item[r->answered++];

        i->state = a->bits[k] == '1' ? ITEM_WANTED : ITEM_DONE;
        if (i->state == ITEM_DONE)
            pull_count(r->p, PULL_KNOWN, 1);
    }
    if (r->answered == r->n_item)
        run_fetch(r);
}

/* ---- the articles ---- */

/* All before the first that is not settled is. */
static void advance(struct pull_run *r)
{
    uint64_t to = r->settled_to;

    for (size_t k = 0; k < r->n_item; k++)
        if (r->item[k].state != ITEM_DONE) {
            to = r->item[k].number - 1;
            break;
        }
    if (to <= r->mark->last)
        return;
    r->mark->last = to;
    r->p->state.dirty = true;
}

static bool chunk_done(const struct pull_run *r)
{
    return r->next == r->n_item && r->n_asked == 0 && r->n_given == 0;
}

static bool is_stuck_group(const struct pull_run *r)
{
    return strcmp(r->p->stuck_group, group_name(r)) == 0;
}

/* A server that hangs up may take what it said before with it: the article to blame is
 * known for sure when it was asked for alone. */
static bool room(const struct pull_run *r)
{
    unsigned window = r->careful > 0 && is_stuck_group(r) ? 1 : PULL_WINDOW;

    return r->n_asked < window && r->n_asked + r->n_given < PULL_GIVEN && home_behind(r->home) < PULL_BEHIND;
}

/* false: not before the timer. */
static bool rate_allows(struct pull_run *r)
{
    int64_t now = clock_mono_us(), wait;
    struct timeval tv;

    if (r->p->conf->pull_rate == 0)
        return true;
    if ((wait = rate_wait_us(&r->p->rate, now)) > 0) {
        tv = (struct timeval){ wait / 1000000, wait % 1000000 };
        event_add(&r->turn, &tv);
        return false;
    }
    rate_take(&r->p->rate, (uint64_t)r->p->conf->pull_rate, 1, now);
    return true;
}

static void ask_for(struct pull_run *r, size_t k)
{
    r->item[k].state = ITEM_ASKED;
    r->asked[(r->first_asked + r->n_asked++) % LINK_AHEAD] = k;
    pull_link_ask(r->link, ASK_ARTICLE, "ARTICLE %" PRIu64, r->item[k].number);
}

/* Has it ended so many runs that it may not end another before others were tried? */
static bool is_suspect(const struct pull_run *r, const struct item *i)
{
    return r->p->stuck_tries >= PULL_TRIES - 1 && r->p->stuck_number == i->number && is_stuck_group(r);
}

/* There is nothing else left in the chunk.  false: there is none. */
static bool ask_for_aside(struct pull_run *r)
{
    struct item *i = r->aside;

    if (i == NULL)
        return false;
    if (rate_allows(r)) {
        r->aside = NULL;
        ask_for(r, (size_t)(i - r->item));
    }
    return true;
}

void run_fetch(struct pull_run *r)
{
    r->step = STEP_FETCH;
    for (; r->next < r->n_item; r->next++) {
        if (r->item[r->next].state != ITEM_WANTED)
            continue;
        if (is_suspect(r, &r->item[r->next])) {
            r->aside = &r->item[r->next];
            r->aside->state = ITEM_ASIDE;
            continue;
        }
        if (!room(r) || !rate_allows(r))
            break;
        ask_for(r, r->next);
    }
    advance(r);
    if (!chunk_done(r) || ask_for_aside(r))
        return;
    if (r->mark->last < r->to || r->to == r->range.high)
        run_next_group(r, false);
    else
        next_chunk(r);
}

static size_t oldest_asked(const struct pull_run *r)
{
    need(r->n_asked > 0);
    return r->asked[r->first_asked];
}

static void unasked(struct pull_run *r)
{
    r->first_asked = (r->first_asked + 1) % LINK_AHEAD;
    r->n_asked--;
}

static void settle_asked(struct pull_run *r, enum pull_count what)
{
    r->item[oldest_asked(r)].state = ITEM_DONE;
    unasked(r);
    pull_count(r->p, what, 1);
    run_fetch(r);
}

static void leave_out(struct pull_run *r, struct item *i, const char *why)
{
    log_msg(LOG_WARNING, "%s: %s: article %" PRIu64 " is left out: %s", r->p->name, group_name(r), i->number, why);
    i->state = ITEM_DONE;
    r->p->stuck_tries = 0;
    pull_count(r->p, PULL_LEFT_OUT, 1);
}

/* A server that gives no other either is in trouble: that is not the article's fault. */
bool run_blame(struct pull_run *r, const char *why)
{
    struct pull *p = r->p;
    struct item *i = r->aside;

    if (r->step != STEP_FETCH || r->n_asked == 0)
        return false;
    if (i == NULL)
        i = &r->item[oldest_asked(r)];
    if (p->stuck_number != i->number || !is_stuck_group(r))
        p->stuck_tries = 0;
    p->stuck_number = i->number;
    snprintf(p->stuck_group, sizeof p->stuck_group, "%s", group_name(r));
    if (p->stuck_tries++ == 0)
        p->stuck_received = p->received;
    if (p->stuck_tries < PULL_TRIES || (p->received == p->stuck_received && p->stuck_tries < PULL_TRIES_ALL))
        return false;
    leave_out(r, i, why);
    if (i == r->aside) {                       /* and another one ends this run */
        r->aside = NULL;
        advance(r);
        return false;
    }
    unasked(r);
    advance(r);
    return true;
}

/* "220 number <id>": of the one that was asked for?  Not all say the id. */
static bool is_asked(const struct pull_run *r, struct span line)
{
    struct span id;

    (void)span_word(&line);
    (void)span_word(&line);
    id = span_word(&line);
    return id.n == 0 || id.p[0] != '<' || span_eq(id, id_of(&r->item[oldest_asked(r)]));
}

void run_article_reply(struct pull_run *r, int code, struct span line)
{
    char text[200];

    quote(line, text);
    if (code == 220 && is_asked(r, line))
        return;
    if (code == 220) {                         /* out of step with us: all that follows would be another's */
        (void)run_blame(r, text);
        run_fail(r, text);
    } else if (code / 100 == 2)
        run_fail(r, "it answers ARTICLE with something else");
    else if (code == 420 || code == 423 || code == 430)
        settle_asked(r, PULL_GONE);
    else if (code == 480 || code == 483 || code == 502)
        run_fail(r, text);
    else if (run_blame(r, text))
        run_fetch(r);
    else
        run_fail(r, text);
}

void run_article(struct pull_run *r, struct span article)
{
    size_t k = oldest_asked(r);

    r->p->received++;
    if (article.p == NULL) {
        log_msg(LOG_INFO, "%s: %s: article %" PRIu64 " is larger than article-max", r->p->name, group_name(r),
                r->item[k].number);
        settle_asked(r, PULL_TOO_BIG);
        return;
    }
    unasked(r);
    if (r->careful > 0 && is_stuck_group(r))
        r->careful--;
    r->item[k].state = ITEM_GIVEN;
    r->n_given++;
    home_give(r->home, k, id_of(&r->item[k]), article);
    if (home_behind(r->home) >= PULL_BEHIND)
        pull_link_pause(r->link, true);
    run_fetch(r);
}

void run_taken(struct pull_run *r, const struct home_answer *a)
{
    struct item *i = a->tag < r->n_item ? &r->item[a->tag] : NULL;
    char text[300];

    if (i == NULL || i->state != ITEM_GIVEN) {
        run_fail(r, "nntpd answers what was not asked");
        return;
    }
    switch (a->fate) {
    case FATE_STORED: pull_count(r->p, PULL_STORED, 1); break;
    case FATE_KNOWN:  pull_count(r->p, PULL_KNOWN, 1); break;
    case FATE_REFUSED:
        pull_count(r->p, PULL_REFUSED, 1);
        pull_count_verdict(r->p, a->verdict);
        break;
    case FATE_LATER:
        snprintf(text, sizeof text, "our own nntpd: %s", a->text);
        run_fail(r, text);
        return;
    }
    i->state = ITEM_DONE;
    r->n_given--;
    if (home_behind(r->home) < PULL_BEHIND / 2)
        pull_link_pause(r->link, false);
    run_fetch(r);
}
