/* intake.c - an article's way in: the list of stages and the engine that runs it.
 *
 *     relaying:  wire headers identity dates newsgroups path ─ claim cancelled distribution limits groups ─ store
 *     posting:   lines fields text groups values required limits body make (mail) ─ claim cancelled ─ store
 *
 * A refusal that is to be remembered takes the way through "claim" as well: so
 * a bad copy of an article that we have says "Duplicate", and one whose good
 * copy is being stored right now is not remembered as refused.
 *
 * Threads: the one of 'home'.  What leaves it (a look at the database, a
 * submission) owns its data and comes back by mail.
 */
#include "nntpd/intake.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "nntpd/stages.h"

static const struct stage relaying[] = {
    { "wire", stage_wire },
    { "headers", stage_headers },
    { "identity", stage_identity },
    { "dates", stage_dates },
    { "newsgroups", stage_newsgroups },
    { "path", stage_path },
    { "history", stage_claim },
    { "cancelled", stage_cancelled },
    { "distribution", stage_distribution },
    { "limits", stage_limits },
    { "groups", stage_groups },
    { "store", stage_store },
    { NULL, NULL },
};

static const struct stage posting[] = {
    { "lines", stage_p_lines },
    { "fields", stage_p_fields },
    { "text", stage_p_text },
    { "groups", stage_p_groups },
    { "values", stage_p_values },
    { "required", stage_p_required },
    { "limits", stage_limits },
    { "body", stage_p_body },
    { "inject", stage_p_make },
    { "mail", stage_p_mail },
    { "history", stage_claim },
    { "cancelled", stage_cancelled },
    { "store", stage_store },
    { NULL, NULL },
};

static _Atomic uint64_t counts[VERDICTS];

static const struct stage *stages_of(const struct intake *in)
{
    return in->way == WAY_POST ? posting : relaying;
}

/* ---- rules ---- */

struct intake_rules *intake_rules_new(const struct conf *c)
{
    struct intake_rules *r = xcalloc(1, sizeof *r);

    r->refs = 1;
    r->conf = c;
    r->site = &c->site;
    r->peer = xcalloc(c->n_peer + 1, sizeof *r->peer);
    for (size_t i = 0; i < c->n_peer; i++) {
        r->peer[i].name = c->peer[i].name;
        conf_join(&c->peer[i].accept_groups, &r->peer[i].accept);
    }
    return r;
}

struct intake_rules *intake_rules_ref(struct intake_rules *r)
{
    __atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

void intake_rules_unref(struct intake_rules **rp)
{
    struct intake_rules *r = *rp;

    *rp = NULL;
    if (r == NULL || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < r->conf->n_peer; i++)
        buf_fini(&r->peer[i].accept);
    free(r->peer);
    free(r);
}

/* ---- begin and end ---- */

struct intake *intake_new(struct store *s, struct intake_rules *rules, struct lane *lane, struct mailbox *home,
                          enum intake_way way, const struct intake_sender *from, char *block, size_t n,
                          size_t true_size, struct span named, struct claim *claim, intake_done_fn *done, void *user)
{
    struct intake *in = xcalloc(1, sizeof *in);

    in->store = s;
    in->rules = intake_rules_ref(rules);
    in->lane = lane;
    in->home = home;
    in->way = way;
    in->source = xstrdup(from->source);
    in->address = xstrdup(from->address != NULL ? from->address : "");
    in->named = xstrndup(named.p != NULL ? named.p : "", named.n);
    in->n_peer = from->n_peer;
    in->peer = xcalloc(from->n_peer + 1, sizeof *in->peer);
    for (size_t i = 0; i < from->n_peer; i++)
        in->peer[i] = from->peer[i];
    in->post_groups = xstrndup(from->post_groups.p != NULL ? from->post_groups.p : "", from->post_groups.n);
    in->read_groups = xstrndup(from->read_groups.p != NULL ? from->read_groups.p : "", from->read_groups.n);
    in->approve = xstrndup(from->approve.p != NULL ? from->approve.p : "", from->approve.n);
    in->letters = from->letters;
    in->account = from->user != NULL ? xstrdup(from->user) : NULL;
    in->bytes = block;
    in->block = (struct span){ block, n };
    in->true_size = true_size;
    in->promised = claim;
    in->done = done;
    in->user = user;
    in->now_us = clock_now_us();
    return in;
}

void intake_free(struct intake **inp)
{
    struct intake *in = *inp;

    *inp = NULL;
    if (in == NULL)
        return;
    submission_free(&in->sub);
    intake_rules_unref(&in->rules);
    buf_fini(&in->fixed);
    buf_fini(&in->made);
    buf_fini(&in->out);
    buf_fini(&in->overview);
    buf_fini(&in->marks);
    free(in->source);
    free(in->address);
    free(in->named);
    free(in->peer);
    free(in->post_groups);
    free(in->read_groups);
    free(in->approve);
    free(in->account);
    buf_fini(&in->moderator);
    free(in->bytes);
    free(in);
}

/* ---- what was found ---- */

enum verdict intake_say(struct intake *in, enum verdict v, struct span detail)
{
    size_t n = 0;

    for (size_t i = 0; i < detail.n && n < DETAIL_MOST; i++) {
        unsigned char c = (unsigned char)detail.p[i];

        in->detail[n++] = c < ' ' || c == 0x7f ? ' ' : c >= 0x80 ? '?' : (char)c;
    }
    in->detail[n] = '\0';
    return v;
}

bool intake_note_id(struct intake *in, struct span id)
{
    if (!msgid_valid(id))
        return false;
    in->msgid = id;
    in->key = msgid_key(store_key(in->store), id);
    return true;
}

/* The sentence, with the detail in place of its %s. */
static void make_text(struct intake *in)
{
    const char *text = verdict_row(in->verdict)->text, *hole = strstr(text, "%s");
    struct span id = intake_msgid(in);

    if (in->way == WAY_POST && in->verdict == V_STORED)
        snprintf(in->text, sizeof in->text, "Article received %.*s", SPAN_F(id));
    else if (in->way == WAY_POST && in->verdict == V_DUPLICATE)
        snprintf(in->text, sizeof in->text, "435 Duplicate: its Message-ID is known here already");    /* agents look for "435" */
    else if (hole != NULL)
        snprintf(in->text, sizeof in->text, "%.*s%s%s", (int)(hole - text), text, in->detail, hole + 2);
    else
        snprintf(in->text, sizeof in->text, "%s", text);
}

static void drop_claim(struct intake *in, struct claim **c)
{
    if (*c == NULL)
        return;
    his_release(store_history(in->store), c);
    store_claim_ended(in->store);
}

static void note(const struct intake *in, const char *stage)
{
    struct span id = intake_msgid(in);
    /* a busy site hears of duplicates all day long; an import tries again and again, on a disk that is full perhaps */
    bool often = in->verdict == V_DUPLICATE || (in->way == WAY_IMPORT && (in->verdict == V_LATER || in->verdict == V_BUSY));

    if (in->verdict == V_STORED)
        return;
    log_msg(often ? LOG_DEBUG : LOG_INFO, "%s: %.*s: %d %s (%s)", in->source, SPAN_F(id), intake_code(in), in->text, stage);
}

static void finish(struct intake *in, const char *stage, enum verdict v)
{
    const struct verdict_row *row = verdict_row(v);

    in->verdict = v;
    make_text(in);
    if (row->remember && in->claim != NULL && !in->forgettable)
        intake_remember(in, in->text);
    drop_claim(in, &in->claim);
    drop_claim(in, &in->promised);
    atomic_fetch_add_explicit(&counts[v], 1, memory_order_relaxed);
    note(in, stage);
    /* what the disk or the database said, with our paths, is for our log */
    if (v == V_LATER && in->mode == MODE_REAL && in->way != WAY_IMPORT)
        snprintf(in->text, sizeof in->text, "Try again later");
    in->done(in, in->user);
}

/* Refused, and to be remembered: history is asked first. */
static bool remembers(const struct intake *in, enum verdict v)
{
    return verdict_row(v)->remember && !in->forgettable && in->claim == NULL && in->refusal == GO_ON &&
           in->msgid.n > 0 && in->mode == MODE_REAL &&
           (in->named[0] == '\0' || span_eq(in->msgid, span_of(in->named)));
}

static unsigned claim_stage(const struct intake *in)
{
    unsigned i = 0;

    while (stages_of(in)[i].run != stage_claim)
        i++;
    return i;
}

void intake_run(struct intake *in)
{
    const struct stage *s = stages_of(in);

    for (;;) {
        const struct stage *now = &s[in->at++];
        enum verdict v = now->run(in);

        if (v == AWAY)
            return;
        if (v == GO_ON)
            continue;
        if (!remembers(in, v)) {
            finish(in, now->name, v);
            return;
        }
        in->refusal = v;
        in->at = claim_stage(in);
    }
}

void intake_resume(struct intake *in)
{
    in->at--;                        /* the stage that sent it away looks again */
    intake_run(in);
}

/* ---- the result ---- */

enum verdict intake_verdict(const struct intake *in)
{
    return in->verdict;
}

int intake_code(const struct intake *in)
{
    const struct verdict_row *row = verdict_row(in->verdict);

    switch (in->way) {
    case WAY_IHAVE:
        return row->ihave;
    case WAY_TAKETHIS:
    case WAY_IMPORT:
        return row->takethis;
    case WAY_POST:
        return row->post;
    }
    bug("no such way");
}

const char *intake_text(const struct intake *in)
{
    return in->text;
}

struct span intake_msgid(const struct intake *in)
{
    return in->msgid.n > 0 ? in->msgid : span_of(in->named);
}

uint64_t intake_count(enum verdict v)
{
    need(v < VERDICTS);
    return atomic_load_explicit(&counts[v], memory_order_relaxed);
}

/* ---- why ---- */

static void on_explained(struct intake *in, void *user)
{
    (void)in, (void)user;
}

void intake_explain(struct store *s, struct intake_rules *rules, const struct intake_sender *from, struct span block,
                    struct buf *out)
{
    char *copy = xmalloc(block.n + 1);
    struct intake *in;

    if (block.n > 0)
        memcpy(copy, block.p, block.n);
    in = intake_new(s, rules, NULL, NULL, from->n_peer > 0 ? WAY_TAKETHIS : WAY_IMPORT, from, copy, block.n, block.n,
                    (struct span){ 0 }, NULL, on_explained, NULL);
    in->mode = MODE_EXPLAIN;
    for (const struct stage *st = relaying; st->run != NULL; st++) {
        enum verdict v = st->run(in);

        in->verdict = v;
        if (v != GO_ON)
            make_text(in);
        buf_printf(out, "%s: %s\n", st->name, v == GO_ON ? "ok" : in->text);
        /* without these there is nothing to look at */
        if (v != GO_ON && (st->run == stage_wire || st->run == stage_headers))
            break;
    }
    intake_free(&in);
}
