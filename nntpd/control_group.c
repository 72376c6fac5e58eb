/* control_group.c - the operator's commands about groups.
 *
 * Changes are submissions like articles: the log keeps them, the one apply
 * function makes them true.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "article/groups.h"
#include "article/wildmat.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/lock.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/rpc.h"
#include "nntpd/control_int.h"
#include "nntpd/letters.h"

struct listing { struct request *r; struct span pattern; };

static bool list_one(const struct group *g, void *arg)
{
    struct listing *l = arg;
    const struct group_text *t = g->text;
    char flag[GROUP_NAME_MAX + 2], low[24], high[24], count[24];

    if (l->pattern.n > 0 && !wildmat(span_of(g->name), l->pattern))
        return true;
    snprintf(flag, sizeof flag, "%c%s", g->flag, g->flag == '=' ? t->alias : "");
    snprintf(low, sizeof low, "%llu", (unsigned long long)g->low);
    snprintf(high, sizeof high, "%llu", (unsigned long long)g->high);
    snprintf(count, sizeof count, "%llu", (unsigned long long)g->count);
    rpc_fields(&l->r->out, "R", g->name, flag, count, low, high, t->description, NULL);
    if (buf_len(&l->r->out) > 65536)
        control_send(l->r);
    return !l->r->gone;
}

void control_group_list(struct request *r)
{
    struct listing l = { r, r->n_words > 0 ? span_of(r->word[0]) : SPAN("") };

    rpc_fields(&r->out, "C", "group", "flag", "articles", "low", "high", "description", NULL);
    group_each(store_groups(nntpd_store(r->n)), list_one, &l);
    rpc_ok(&r->out, "%s", "");
}

/* The words from 'from' on as one text; the caller frees it. */
static char *join_words(const struct request *r, int from)
{
    struct buf b = { 0 };
    char *text;
    size_t n;

    for (int i = from; i < r->n_words; i++)
        buf_printf(&b, "%s%s", i > from ? " " : "", r->word[i]);
    buf_add(&b, "", 1);
    text = buf_steal(&b, &n);
    return text;
}

static void commit(struct request *r, struct submission *sub, const char *done)
{
    enum commit_result result = store_commit_wait(nntpd_store(r->n), sub);

    if (result == COMMIT_STORED)
        rpc_ok(&r->out, "%s", done);
    else
        rpc_error(&r->out, "not done: %s", result == COMMIT_LATER ? sub->why : "the site is stopping");
    submission_free(&sub);
}

/* "y", "m", "=other.group": split into the flag letter and the alias. */
static void read_flag(const char *word, struct group_facts *f)
{
    f->flag = word[0];
    f->alias = word[0] == '=' ? span_of(word + 1) : SPAN("");
}

/* 'done', and what will keep posts out of such a group. */
static const char *with_note(struct request *r, const struct group_facts *f, const char *done, char text[200])
{
    struct buf address = { 0 };
    const struct group *g;

    snprintf(text, 200, "%s", done);
    if (f->flag == 'm' && !letters_address(&nntpd_conf(r->n)->site, f->name, &address))
        snprintf(text, 200, "%s; no moderators setting fits it, so posts to it are refused", done);
    if (f->flag == '=' && ((g = group_find(store_groups(nntpd_store(r->n)), f->alias)) == NULL || atomic_load(&g->removed)))
        snprintf(text, 200, "%s; there is no group %.*s yet", done, (int)(f->alias.n < 120 ? f->alias.n : 120), f->alias.p);
    buf_fini(&address);
    return text;
}

/* It becomes one line of LIST NEWSGROUPS.  false: the caller has been told. */
static bool good_text(struct request *r, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f) {
            rpc_error(&r->out, "a description is one line, without control characters");
            return false;
        }
    }
    return true;
}

/* "group add NAME q", "group add NAME M text": a flag was meant, and a group for all to post to would be made. */
static bool meant_flag(const struct request *r)
{
    const char *w = r->n_words > 1 ? r->word[1] : "";

    return strlen(w) == 1 && !group_flag_valid(span_of(w)) && (r->n_words == 2 || strchr("YNMXJ", w[0]) != NULL);
}

void control_group_add(struct request *r)
{
    struct store *s = nntpd_store(r->n);
    bool flagged = r->n_words > 1 && group_flag_valid(span_of(r->word[1]));
    char *text = join_words(r, flagged ? 2 : 1), note[200];
    struct group_facts f = {
        .flag = 'y', .created_us = clock_now_us(), .name = span_of(r->word[0]), .alias = SPAN(""),
        .creator = SPAN("newsctl"), .description = span_of(text), .low = 1, .high = 0,
    };

    if (flagged)
        read_flag(r->word[1], &f);
    if (!group_name_valid(f.name))
        rpc_error(&r->out, "%s: not a name that a group can have (RFC 5536 3.1.4)", r->word[0]);
    else if (group_find(store_groups(s), f.name) != NULL)
        rpc_error(&r->out, "%s: there is such a group", r->word[0]);
    else if (meant_flag(r))
        rpc_error(&r->out, "%s: a flag is y, n, m, x, j or =group; before a description that begins so, give the flag", r->word[1]);
    else if (good_text(r, text))
        commit(r, submission_group(s, &f), with_note(r, &f, "made", note));
    free(text);
}

void control_group_change(struct request *r)
{
    struct store *s = nntpd_store(r->n);
    const struct group *g = group_find(store_groups(s), span_of(r->word[0]));
    char *text = join_words(r, 2), note[200];

    if (g == NULL) {
        rpc_error(&r->out, "%s: no such group", r->word[0]);
    } else if (!group_flag_valid(span_of(r->word[1]))) {
        rpc_error(&r->out, "%s: a flag is y, n, m, x, j or =group", r->word[1]);
    } else if (good_text(r, text)) {
        const struct group_text *t = g->text;
        struct group_facts f = {
            .id = g->id, .created_us = g->created_us, .name = span_of(g->name), .creator = span_of(t->creator),
            .description = r->n_words > 2 ? span_of(text) : span_of(t->description), .low = 1, .high = 0,
        };

        read_flag(r->word[1], &f);
        commit(r, submission_group(s, &f), with_note(r, &f, "changed", note));
    }
    free(text);
}

void control_group_remove(struct request *r)
{
    struct store *s = nntpd_store(r->n);
    const struct group *g = group_find(store_groups(s), span_of(r->word[0]));

    if (g == NULL)
        rpc_error(&r->out, "%s: no such group", r->word[0]);
    else
        commit(r, submission_ungroup(s, g->id), "removed");
}

/* Many groups at once: up to WINDOW submissions on their way. */
#define WINDOW 512
#define TOLD_MOST 1000         /* octets of what is no line of an active file                */
struct import {
    struct request *r;
    struct lock  lock;          /* "control.import": away, stored, failed, why            */
    struct cond  less;
    unsigned     away;
    uint64_t     stored, failed, had, bad;
    char         why[200];
    struct map  *text;          /* name -> description (malloc'd)                         */
    struct map  *seen;          /* names of this file: a second line of one is passed over */
};

static void imported(struct mail *m)
{
    struct submission *sub = (struct submission *)m;
    struct import *im = sub->user;

    lock_get(&im->lock);
    if (sub->result == COMMIT_STORED) {
        im->stored++;
    } else {
        im->failed++;
        snprintf(im->why, sizeof im->why, "%s", sub->why);
    }
    im->away--;
    cond_signal(&im->less);
    lock_put(&im->lock);
    submission_free(&sub);
}

static void wait_until(struct import *im, unsigned most)
{
    lock_get(&im->lock);
    while (im->away > most)
        cond_wait(&im->less, &im->lock);
    lock_put(&im->lock);
}

static void import_group(struct import *im, const struct group_facts *f)
{
    struct submission *sub = submission_group(nntpd_store(im->r->n), f);

    sub->home = NULL;
    sub->mail.deliver = imported;
    sub->user = im;
    wait_until(im, WINDOW - 1);
    lock_get(&im->lock);
    im->away++;
    lock_put(&im->lock);
    while (!store_submit(nntpd_store(im->r->n), sub)) {
        char why[sizeof sub->why];

        if (store_healthy(nntpd_store(im->r->n), why, sizeof why)) {
            wait_until(im, 1);                  /* only full: let it drain; our own one counts */
            continue;
        }
        snprintf(sub->why, sizeof sub->why, "%s", why);
        sub->result = COMMIT_LATER;
        imported(&sub->mail);
        return;
    }
}

/* A line of INN's active file: name, high, low, flag. */
static void import_active_line(struct import *im, struct span line)
{
    struct span name = span_word(&line), high = span_word(&line), low = span_word(&line), flag = span_word(&line);
    struct groups *groups = store_groups(nntpd_store(im->r->n));
    uint64_t hi = 0, lo = 1;
    const char *text;

    if (name.n == 0 || name.p[0] == '#' || span_eq(name, SPAN(".")))
        return;
    if (flag.n == 0)
        flag = SPAN("y");
    if (!group_name_valid(name) || !group_flag_valid(flag) || span_u64(high, &hi) != 0 || span_u64(low, &lo) != 0 ||
        hi >= INT64_MAX) {
        if (im->bad++ < 20)
            rpc_text(&im->r->out, "passed over: %.*s", name.n < TOLD_MOST ? (int)name.n : TOLD_MOST, name.p);
        return;
    }
    if (group_find(groups, name) != NULL || map_get(im->seen, name) != NULL) {
        im->had++;
        return;
    }
    map_put(im->seen, name, im);
    text = map_get(im->text, name);
    import_group(im, &(struct group_facts){
        .flag = flag.p[0], .alias = flag.p[0] == '=' ? span_from(flag, 1) : SPAN(""), .created_us = clock_now_us(),
        .name = name, .creator = SPAN("import"), .description = span_of(text != NULL ? text : ""),
        .low = hi + 1, .high = hi,              /* its articles did not come along; numbers go on */
    });
}

static struct span next_line(struct span *text)
{
    struct span line = { NULL, 0 };

    if (span_next(text, '\n', &line) && line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

static void read_descriptions(struct import *im, struct span text)
{
    while (text.p != NULL && text.n > 0) {
        struct span line = next_line(&text), name = span_word(&line);

        line = span_trim(line);
        if (name.n > 0 && line.n > 0) {
            char *one = xstrndup(line.p, line.n);

            for (char *p = one; *p != '\0'; p++)
                if ((unsigned char)*p < ' ' || *p == 0x7f)
                    *p = ' ';
            free(map_put(im->text, name, one));
        }
    }
}

static void free_map_texts(struct map **m)
{
    struct span key;
    size_t at = 0;
    void *v;

    while (map_next(*m, &at, &key, &v))
        free(v);
    map_free(m);
}

void control_group_import(struct request *r)
{
    struct import im = { .r = r, .text = map_new(), .seen = map_new() };
    size_t n_active = 0, n_text = 0;
    char *active = disk_slurp(r->word[0], 256u << 20, &n_active);
    char *text = r->n_words > 1 ? disk_slurp(r->word[1], 256u << 20, &n_text) : NULL;

    lock_init(&im.lock, "control.import");
    cond_init(&im.less);
    if (active == NULL || (r->n_words > 1 && text == NULL)) {
        rpc_error(&r->out, "%s: %m", active == NULL ? r->word[0] : r->word[1]);
    } else {
        struct span rest = { active, n_active };

        read_descriptions(&im, (struct span){ text, n_text });
        for (int i = 0; rest.p != NULL && rest.n > 0 && !r->gone; i++) {
            import_active_line(&im, next_line(&rest));
            if (i % 1000 == 999)
                control_progress("groups", n_active - rest.n, n_active, r);
        }
        wait_until(&im, 0);
        if (im.failed > 0)
            rpc_error(&r->out, "%llu groups made, %llu not: %s", (unsigned long long)im.stored,
                      (unsigned long long)im.failed, im.why);
        else if (im.bad > 0)
            rpc_error(&r->out, "%llu groups made, %llu were there, but %llu lines give no name, marks and flag that a group can have",
                      (unsigned long long)im.stored, (unsigned long long)im.had, (unsigned long long)im.bad);
        else
            rpc_ok(&r->out, "%llu groups made, %llu were there", (unsigned long long)im.stored, (unsigned long long)im.had);
    }
    free(active);
    free(text);
    free_map_texts(&im.text);
    map_free(&im.seen);
    lock_fini(&im.lock);
    cond_fini(&im.less);
}
