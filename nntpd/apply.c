/* apply.c - THE function that makes a record of the log show in the indexes.
 *
 *     kind        history      groups               overview
 *     ARTICLE     kept         high, count          a row a group
 *     REFUSED     refused
 *     CANCEL      cancelled
 *     FORGET      forgotten: refused, expired, cancelled ids of before a day
 *     GROUP ...   -            the group            -
 *
 * What a cancel takes away, and what waits for whom: apply_cancel.c.
 */
#include "nntpd/apply.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/mem.h"
#include "nntpd/apply_int.h"

#define DAY_US (INT64_C(86400) * 1000000)

struct run {
    struct indexes          *ix;
    const struct apply_item *items;
    unsigned                 n;
    const struct plan       *plan;       /* of a record that stands alone; else NULL */
};

#define APPLIED_SIZE 20

static void applied_pack(const struct applied *a, char out[APPLIED_SIZE])
{
    put64(out, a->seq);
    put32(out + 8, a->end.segment);
    put64(out + 12, a->end.offset);
}

static void applied_unpack(struct applied *a, const char in[APPLIED_SIZE])
{
    *a = (struct applied){ .seq = get64(in), .end = { .segment = get32(in + 8), .offset = get64(in + 12) } };
}

static const struct span APPLIED = { "applied", 7 }, REBUILDING = { "rebuilding", 10 };

static void note_put(struct indexes *ix, struct txn *t, struct span name, const struct applied *a)
{
    char v[APPLIED_SIZE];

    applied_pack(a, v);
    txn_put(t, ix->meta, name, (struct span){ v, sizeof v });
}

static int note_get(struct indexes *ix, struct span name, struct applied *a, struct err *e)
{
    char v[APPLIED_SIZE];
    size_t n;
    int rc = bdb_get(ix->meta, name, v, sizeof v, &n, e);

    *a = (struct applied){ 0 };
    if (rc != 1)
        return rc;
    if (n != sizeof v)
        return err_set(e, "database: the note \"%.*s\" has %zu octets", SPAN_F(name), n);
    applied_unpack(a, v);
    return 1;
}

int applied_get(struct indexes *ix, struct applied *a, struct err *e)
{
    return note_get(ix, APPLIED, a, e) < 0 ? -1 : 0;
}

/* ---- rebuild ---- */

struct notes {
    struct indexes *ix;
    struct applied  applied, known;
    bool            rebuilding;
};

static void work_notes(struct txn *t, void *arg)
{
    struct notes *n = arg;

    note_put(n->ix, t, APPLIED, &n->applied);
    if (n->rebuilding)
        note_put(n->ix, t, REBUILDING, &n->known);
    else
        txn_del(t, n->ix->meta, REBUILDING);
}

int rebuild_begin(struct indexes *ix, const struct applied *known, struct err *e)
{
    struct notes n = { .ix = ix, .known = *known, .rebuilding = true };

    return bdb_run(ix->bdb, work_notes, &n, e);
}

int rebuild_done(struct indexes *ix, const struct applied *end, struct err *e)
{
    struct notes n = { .ix = ix, .applied = *end };

    return bdb_run(ix->bdb, work_notes, &n, e);
}

int rebuild_begun(struct indexes *ix, struct applied *known, struct err *e)
{
    return note_get(ix, REBUILDING, known, e);
}

/* ---- one run ---- */

struct his_entry apply_entry(const struct record *r, const struct log_pos *pos, enum his_state state)
{
    return (struct his_entry){ .state = state, .seq = r->seq, .segment = pos->segment, .offset = pos->offset,
                               .size = pos->size, .day = (uint32_t)(r->arrived_us / DAY_US) };
}

unsigned apply_weight(const struct record *r)
{
    return 2 + 2 * r->n_numbers;
}

/* An article whose data is gone (a rebuild meets those) is known, but cannot be read. */
static enum his_state state_of(const struct record *r)
{
    if (r->kind == RECORD_ARTICLE)
        return (r->flags & RECORD_GONE) == 0 ? HIS_KEPT : HIS_EXPIRED;
    return r->kind == RECORD_REFUSED ? HIS_REFUSED : HIS_CANCELLED;
}

static void apply_article(const struct run *run, struct txn *t, const struct apply_item *it)
{
    const struct record *r = it->rec;
    struct his_entry entry = apply_entry(r, it->pos, state_of(r));
    struct record gone = *r;

    if (run->plan != NULL && run->plan->refused) {
        record_set_gone(&gone, RECORD_GONE);       /* its numbers were given, and are nobody's */
        r = &gone;
        entry.state = HIS_CANCELLED;
    }
    if ((r->flags & RECORD_GONE) == 0)
        ov_apply(run->ix->ov, t, r, it->pos, it->overview);
    groups_apply(run->ix->groups, t, r);
    his_apply(run->ix->his, t, &r->key, &entry);
}

/* The one function. */
static void apply_record(const struct run *run, struct txn *t, const struct apply_item *it)
{
    const struct record *r = it->rec;
    struct his_entry entry;
    uint32_t day;

    switch (r->kind) {
    case RECORD_ARTICLE:
        apply_article(run, t, it);
        break;
    case RECORD_CANCEL:
    case RECORD_REFUSED:
        entry = apply_entry(r, it->pos, state_of(r));
        his_apply(run->ix->his, t, &r->key, &entry);
        break;
    case RECORD_GROUP:
    case RECORD_UNGROUP:
    case RECORD_SNAPSHOT:
        groups_apply(run->ix->groups, t, r);
        break;
    case RECORD_FORGET:
        if (record_forget_day(r->data, &day))
            his_forget(run->ix->his, t, day, r->seq);
        break;
    case RECORD_REMOVED:
        break;                      /* nothing removes by age yet: only the format knows it */
    }
    if (run->plan != NULL)
        plan_apply(run->ix, t, run->plan, r, it->pos);
}

static void work_run(struct txn *t, void *arg)
{
    const struct run *run = arg;
    const struct apply_item *last = &run->items[run->n - 1];
    struct applied a = { 0 };
    struct span v;

    if (txn_get(t, run->ix->meta, APPLIED, &v) && v.n == APPLIED_SIZE)
        applied_unpack(&a, v.p);
    if (a.seq >= last->rec->seq)
        return;
    groups_apply_begin(run->ix->groups);
    for (unsigned i = 0; i < run->n; i++)
        if (run->items[i].rec->seq > a.seq)
            apply_record(run, t, &run->items[i]);
    groups_apply_end(run->ix->groups, t);
    a.seq = last->rec->seq;
    a.end = (struct log_pos){ .segment = last->pos->segment, .offset = last->pos->offset + last->pos->size };
    note_put(run->ix, t, APPLIED, &a);
}

int apply_run(struct indexes *ix, const struct apply_item *items, unsigned n, struct err *e)
{
    struct run run = { .ix = ix, .items = items, .n = n };
    struct plan *p = NULL;
    int rc = 0;

    need(n > 0);
    ix->refused = false;
    if (apply_alone(ix, items[0].rec)) {
        need(n == 1);
        run.plan = p = xmalloc(sizeof *p);
        rc = plan_make(ix, items[0].rec, p, e);
    }
    if (rc == 0)
        rc = bdb_run(ix->bdb, work_run, &run, e);
    if (rc == 0 && p != NULL)
        plan_done(ix, p, items[0].rec, items[0].pos);
    free(p);
    return rc;
}

void apply_publish(struct indexes *ix, const struct apply_item *items, unsigned n)
{
    uint32_t day;

    groups_publish(ix->groups);
    for (unsigned i = 0; i < n; i++) {
        const struct record *r = items[i].rec;
        struct his_entry entry = apply_entry(r, items[i].pos, state_of(r));

        if (r->kind == RECORD_ARTICLE || r->kind == RECORD_REFUSED || r->kind == RECORD_CANCEL)
            his_published(ix->his, &r->key, &entry);
        else if (r->kind == RECORD_FORGET && record_forget_day(r->data, &day))
            his_forgotten(ix->his, day, r->seq);
    }
}
