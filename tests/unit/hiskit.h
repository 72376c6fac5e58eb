/* hiskit.h - a small history to play with. */
#ifndef TESTS_UNIT_HISKIT_H
#define TESTS_UNIT_HISKIT_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history/history.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/kit.h"

#define MAYBE_UNUSED __attribute__((unused))

struct book { struct bdb *b; struct his *h; char *dir; struct his_options o; };

MAYBE_UNUSED static void book_open(struct book *k, const char *name)
{
    struct bdb_options o = { .dir = kit_path("%s", name), .cache_bytes = 16 << 20, .batch_most = 4096 };
    struct err e = { 0 };

    *k = (struct book){ .o = { .cache_entries = 1024, .claim_us = 10000000 }, .dir = xstrdup(name) };
    if ((k->o.bdb = k->b = bdb_open(&o, &e)) == NULL || (k->h = his_open(&k->o, &e)) == NULL)
        fail_msg("%s", e.text);
}

MAYBE_UNUSED static void book_close(struct book *k)
{
    his_close(&k->h);
    bdb_close(&k->b);
    free(k->dir);
}

MAYBE_UNUSED static void book_again(struct book *k)
{
    char *dir = xstrdup(k->dir);

    book_close(k);
    book_open(k, dir);
    free(dir);
}

MAYBE_UNUSED static void wait_for_filter(struct book *k)
{
    while (!his_filter_ready(k->h))
        sched_yield();
}

/* The n-th id. */
MAYBE_UNUSED static struct msgid_key id(uint64_t n)
{
    static const struct sipkey secret = { { 1, 2, 3 } };
    struct msgid_key k;

    siphash128(&secret, &n, sizeof n, k.b);
    return k;
}

struct batch { struct his *h; const struct msgid_key *key; const struct his_entry *entry; size_t n; const char *fail; };

MAYBE_UNUSED static void work(struct txn *t, void *arg)
{
    const struct batch *b = arg;

    for (size_t i = 0; i < b->n; i++)
        his_apply(b->h, t, &b->key[i], &b->entry[i]);
    if (b->fail != NULL)
        txn_fail(t, b->fail);
}

MAYBE_UNUSED static void apply(struct book *k, const struct msgid_key *key, const struct his_entry *entry, size_t n)
{
    struct batch b = { k->h, key, entry, n, NULL };
    struct err e = { 0 };

    if (bdb_run(k->b, work, &b, &e) != 0)
        fail_msg("%s", e.text);
}

MAYBE_UNUSED static struct his_entry entry(enum his_state state, uint64_t seq)
{
    return (struct his_entry){ .state = state, .seq = seq, .segment = (uint32_t)seq / 7, .offset = seq * 1000,
                               .size = (uint32_t)seq + 1, .day = 20000 };
}

/* Applied and published, as the applier does. */
MAYBE_UNUSED static void store(struct book *k, uint64_t n, enum his_state state, uint64_t seq)
{
    struct msgid_key key = id(n);
    struct his_entry e = entry(state, seq);

    apply(k, &key, &e, 1);
    his_published(k->h, &key, &e);
}

MAYBE_UNUSED static enum his_answer peek(struct book *k, uint64_t n)
{
    struct msgid_key key = id(n);

    return his_peek(k->h, &key);
}

MAYBE_UNUSED static enum his_answer look(struct book *k, uint64_t n, struct his_entry *out)
{
    struct msgid_key key = id(n);
    struct err e = { 0 };
    enum his_answer a = his_look(k->h, &key, out, &e);

    if (a == HIS_FAILED)
        fail_msg("%s", e.text);
    return a;
}

MAYBE_UNUSED static enum his_answer claim(struct book *k, uint64_t n, const void *owner, bool looked, struct claim **c)
{
    struct msgid_key key = id(n);

    return his_claim(k->h, &key, owner, looked, c);
}

MAYBE_UNUSED static enum his_answer firm(struct book *k, uint64_t n, const void *owner, bool looked, struct claim **c)
{
    struct msgid_key key = id(n);

    return his_firm(k->h, &key, owner, looked, c);
}

#endif
