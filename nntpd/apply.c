/* apply.c - THE function that makes a record of the log show in the indexes.
 *
 *     kind        history      groups               overview
 *     ARTICLE     kept         high, count          a row a group
 *     REFUSED     refused
 *     CANCEL      cancelled    low, count           the target's rows go
 *     GROUP ...   -            the group            -
 *
 * A cancel needs to know what is there (where its target lies, what the next
 * number above is).  Such questions cannot be asked within the transaction, so
 * they are asked before it, and a cancel is a run of its own: what they answer
 * is then all that came before it in the log, live and in a rebuild alike.
 */
#include "nntpd/apply.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/log.h"
#include "lib/mem.h"

#define DAY_US (INT64_C(86400) * 1000000)

/* What a cancel takes away: rows that are there. */
struct target {
    bool           found;
    struct log_pos pos;
    unsigned       n;
    struct record_number numbers[RECORD_NUMBERS_MAX];
    uint64_t       low[RECORD_NUMBERS_MAX];      /* of the group, when it is gone; 0: as it was */
};

struct run {
    struct indexes          *ix;
    const struct apply_item *items;
    unsigned                 n;
    const struct target     *target;
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

bool apply_alone(const struct record *r)
{
    return r->kind == RECORD_CANCEL;
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

/* The group's low mark when 'number' is gone from it; 0: it stays. */
static int low_without(struct indexes *ix, uint32_t group, uint64_t number, uint64_t *low, struct err *e)
{
    const struct group *g = group_by_id(ix->groups, group);
    int found;

    *low = 0;
    if (g == NULL || atomic_load(&g->low) != number)
        return 0;
    if ((found = ov_near(ix->ov, group, number + 1, 1, low, e)) == 0)
        *low = atomic_load(&g->high) + 1;
    return found < 0 ? -1 : 0;
}

/* Keep of the target's numbers those that have a row. */
static int find_rows(struct indexes *ix, struct target *t, unsigned n, struct err *e)
{
    struct log_pos pos;

    for (unsigned i = 0; i < n; i++) {
        int rc = ov_get(ix->ov, t->numbers[i].group, t->numbers[i].number, &pos, NULL, e);

        if (rc < 0 || low_without(ix, t->numbers[i].group, t->numbers[i].number, &t->low[t->n], e) != 0)
            return -1;
        if (rc == 1)
            t->numbers[t->n++] = t->numbers[i];
    }
    return 0;
}

/* What is it that 'cancel' cancels?  An article that cannot be read any more is
 * no reason to stop: its id is cancelled, its rows stay for `verify` to tell. */
static int find_target(struct indexes *ix, const struct record *cancel, struct target *t, struct err *e)
{
    struct his_entry entry;
    struct buf scratch = { 0 };
    struct record rec;
    enum his_answer a = his_look(ix->his, &cancel->key, &entry, e);
    int rc;

    t->found = false;
    t->n = 0;
    if (a == HIS_FAILED)
        return -1;
    if (a != HIS_SEEN || entry.state != HIS_KEPT)
        return 0;
    t->pos = (struct log_pos){ .segment = entry.segment, .offset = entry.offset, .size = entry.size };
    if (artlog_read(ix->log, &t->pos, &rec, t->numbers, RECORD_NUMBERS_MAX, &scratch, e) != 0) {
        log_msg(LOG_ERROR, "cancel: the article at %u/%llu cannot be read: %s", entry.segment,
                (unsigned long long)entry.offset, e->text);
        buf_fini(&scratch);
        return 0;
    }
    t->found = true;
    rc = find_rows(ix, t, rec.n_numbers, e);
    buf_fini(&scratch);
    return rc;
}

static void apply_cancel(const struct run *run, struct txn *t)
{
    const struct target *x = run->target;

    for (unsigned i = 0; x->found && i < x->n; i++) {
        ov_remove(run->ix->ov, t, x->numbers[i].group, x->numbers[i].number);
        group_article_gone(run->ix->groups, t, x->numbers[i].group, x->numbers[i].number, x->low[i]);
    }
}

/* The one function. */
static void apply_record(const struct run *run, struct txn *t, const struct apply_item *it)
{
    const struct record *r = it->rec;
    struct his_entry entry;

    switch (r->kind) {
    case RECORD_ARTICLE:
        if ((r->flags & RECORD_GONE) == 0)
            ov_apply(run->ix->ov, t, r, it->pos, it->overview);
        groups_apply(run->ix->groups, t, r);
        break;
    case RECORD_CANCEL:
        apply_cancel(run, t);
        break;
    case RECORD_REFUSED:
        break;
    case RECORD_GROUP:
    case RECORD_UNGROUP:
    case RECORD_SNAPSHOT:
        groups_apply(run->ix->groups, t, r);
        return;
    case RECORD_REMOVED:
        return;                     /* nothing removes by age yet: only the format knows it */
    }
    entry = apply_entry(r, it->pos, state_of(r));
    his_apply(run->ix->his, t, &r->key, &entry);
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
    struct target *t = NULL;
    int rc = 0;

    need(n > 0);
    if (apply_alone(items[0].rec)) {
        need(n == 1);
        run.target = t = xmalloc(sizeof *t);
        rc = find_target(ix, items[0].rec, t, e);
    }
    if (rc == 0)
        rc = bdb_run(ix->bdb, work_run, &run, e);
    if (rc == 0 && t != NULL && t->found && ix->on_gone != NULL)
        ix->on_gone(&t->pos, ix->on_gone_arg);
    free(t);
    return rc;
}

void apply_publish(struct indexes *ix, const struct apply_item *items, unsigned n)
{
    groups_publish(ix->groups);
    for (unsigned i = 0; i < n; i++) {
        const struct record *r = items[i].rec;
        struct his_entry entry = apply_entry(r, items[i].pos, state_of(r));

        if (r->kind == RECORD_ARTICLE || r->kind == RECORD_REFUSED || r->kind == RECORD_CANCEL)
            his_published(ix->his, &r->key, &entry);
    }
}
