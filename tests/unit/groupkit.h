/* groupkit.h - groups in a database, and records applied to them in a transaction. */
#ifndef GROUPKIT_H
#define GROUPKIT_H

#include "spool/group.h"
#include "tests/unit/spoolkit.h"

struct site { struct bdb *b; struct groups *g; char *dir; };

MAYBE_UNUSED static void site_open(struct site *s, const char *name)
{
    struct bdb_options o = { .dir = name, .cache_bytes = 16 << 20, .batch_most = 10000 };
    struct err e = { 0 };

    s->dir = xstrdup(name);
    if ((s->b = bdb_open(&o, &e)) == NULL || (s->g = groups_open(s->b, &e)) == NULL)
        fail_msg("%s", e.text);
}

MAYBE_UNUSED static void site_close(struct site *s)
{
    groups_close(&s->g);
    bdb_close(&s->b);
    free(s->dir);
}

MAYBE_UNUSED static void site_again(struct site *s)
{
    char *dir = xstrdup(s->dir);

    site_close(s);
    site_open(s, dir);
    free(dir);
}

/* ---- applying ----------------------------------------------------------- */

struct batch { struct groups *g; const struct record *r; size_t n; bool fail; void (*more)(struct txn *, struct groups *); };

static void work(struct txn *t, void *arg)
{
    struct batch *b = arg;

    groups_apply_begin(b->g);
    for (size_t i = 0; i < b->n; i++)
        groups_apply(b->g, t, &b->r[i]);
    if (b->more != NULL)
        b->more(t, b->g);
    groups_apply_end(b->g, t);
    if (b->fail)
        txn_fail(t, "for the test");
}

MAYBE_UNUSED static void apply(struct site *s, const struct record *r, size_t n)
{
    struct batch b = { .g = s->g, .r = r, .n = n };
    struct err e = { 0 };

    if (bdb_run(s->b, work, &b, &e) != 0)
        fail_msg("%s", e.text);
    groups_publish(s->g);
}

MAYBE_UNUSED static void apply_more(struct site *s, void (*more)(struct txn *, struct groups *))
{
    struct batch b = { .g = s->g, .more = more };
    struct err e = { 0 };

    if (bdb_run(s->b, work, &b, &e) != 0)
        fail_msg("%s", e.text);
    groups_publish(s->g);
}

MAYBE_UNUSED static struct group_facts facts(uint32_t id, const char *name)
{
    return (struct group_facts){ .id = id, .flag = 'y', .created_us = 1000 + id, .name = span_of(name),
                                 .creator = SPAN("kit"), .description = SPAN("what it is for"), .low = 1 };
}

/* A RECORD_GROUP; the data belongs to a ring of a few buffers. */
MAYBE_UNUSED static struct record group_record(const struct group_facts *f)
{
    static struct buf ring[8];
    static unsigned turn;
    struct buf *b = &ring[turn++ % 8];

    buf_clear(b);
    group_pack(b, f);
    return (struct record){ .kind = RECORD_GROUP, .seq = 1, .data = buf_span(b) };
}

MAYBE_UNUSED static void make(struct site *s, uint32_t id, const char *name)
{
    struct group_facts f = facts(id, name);
    struct record r = group_record(&f);

    apply(s, &r, 1);
}

MAYBE_UNUSED static void article(struct site *s, const struct record_number *n, unsigned count)
{
    struct record r = { .kind = RECORD_ARTICLE, .numbers = n, .n_numbers = count };

    apply(s, &r, 1);
}

MAYBE_UNUSED static void marks_are(struct site *s, const char *name, uint64_t low, uint64_t high, uint64_t count)
{
    const struct group *g = group_find(s->g, span_of(name));

    assert_non_null(g);
    if (g->low != low || g->high != high || g->count != count)
        fail_msg("%s: low %llu high %llu count %llu", name, (unsigned long long)g->low, (unsigned long long)g->high,
                 (unsigned long long)g->count);
}

MAYBE_UNUSED static bool stop_at_once(const struct group *g, void *arg)
{
    (void)g;
    return ++*(int *)arg < 2;
}

#endif
