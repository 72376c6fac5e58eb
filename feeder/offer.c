/* offer.c - who should get an article.  See offer.h.
 *
 * For each group name met, two rows of bits are kept: the peers that take the
 * group, and those for whom it is poison.  An article then costs an OR for each
 * of its groups; the rest is asked only of the peers that are left.
 */
#include "feeder/offer.h"

#include <stdlib.h>
#include <string.h>

#include "article/groups.h"
#include "article/path.h"
#include "article/wildmat.h"
#include "lib/buf.h"
#include "lib/map.h"
#include "lib/mem.h"

#define NAMES_MOST 200000      /* group names remembered; beyond it the table is begun anew */

const char *const offer_words[OFFER_WHYS] = {
    "yes", "no wanted group", "a group is poison (@)", "in its Path already", "an excluded name is in Path",
    "too large", "too many hops", "too many groups", "distribution", "not an article",
};

struct rules {
    char  *groups;             /* one wildmat */
    const struct conf_peer *p;
};

struct offer {
    struct rules *peer;
    size_t n, words;
    struct map *groups;        /* name -> 2 * words of bits */
    uint64_t *poison;          /* scratch */
};

struct offer *offer_new(const struct conf *c)
{
    struct offer *o = xcalloc(1, sizeof *o);

    o->peer = xcalloc(c->n_peer, sizeof *o->peer);
    for (size_t i = 0; i < c->n_peer; i++) {
        struct buf list = { 0 };

        if (!c->peer[i].send)
            continue;
        conf_join(&c->peer[i].groups, &list);
        o->peer[o->n].groups = xstrndup(buf_data(&list), buf_len(&list));
        o->peer[o->n++].p = &c->peer[i];
        buf_fini(&list);
    }
    o->words = OFFER_WORDS(o->n);
    o->groups = map_new();
    o->poison = xcalloc(o->words + 1, sizeof *o->poison);
    return o;
}

static void forget_groups(struct offer *o)
{
    struct span name;
    size_t at = 0;
    void *v;

    while (map_next(o->groups, &at, &name, &v))
        free(v);
    map_free(&o->groups);
}

void offer_free(struct offer **offer)
{
    struct offer *o = *offer;

    if (o == NULL)
        return;
    forget_groups(o);
    for (size_t i = 0; i < o->n; i++)
        free(o->peer[i].groups);
    free(o->peer);
    free(o->poison);
    free(o);
    *offer = NULL;
}

size_t offer_peers(const struct offer *o)
{
    return o->n;
}

static const uint64_t *bits_of(struct offer *o, struct span group)
{
    uint64_t *bits = map_get(o->groups, group);

    if (bits != NULL)
        return bits;
    if (map_count(o->groups) >= NAMES_MOST) {
        forget_groups(o);
        o->groups = map_new();
    }
    bits = xcalloc(2 * o->words + 1, sizeof *bits);
    for (size_t i = 0; i < o->n; i++) {
        enum wildmat m = wildmat_poison(group, span_of(o->peer[i].groups));

        if (m == WILDMAT_YES)
            bits[i / 64] |= UINT64_C(1) << (i % 64);
        else if (m == WILDMAT_POISON)
            bits[o->words + i / 64] |= UINT64_C(1) << (i % 64);
    }
    map_put(o->groups, group, bits);
    return bits;
}

static struct span range(const struct record *r, struct record_range at)
{
    return at.len > 0 && (size_t)at.at + at.len <= r->data.n ? (struct span){ r->data.p + at.at, at.len } : SPAN("");
}

/* Which peers want one of the groups, and for whom is one poison. */
static void by_groups(struct offer *o, const struct record *r, uint64_t *yes, uint64_t *poison)
{
    struct span list = range(r, r->newsgroups), name;
    size_t at = 0;

    memset(yes, 0, o->words * sizeof *yes);
    memset(poison, 0, o->words * sizeof *poison);
    while (groups_next(list, &at, &name)) {
        const uint64_t *bits = bits_of(o, name);

        for (size_t w = 0; w < o->words; w++) {
            yes[w] |= bits[w];
            poison[w] |= bits[o->words + w];
        }
    }
}

static bool any_in_path(const struct conf_list *names, struct span path)
{
    for (size_t i = 0; i < names->n; i++)
        if (path_has(path, span_of(names->v[i])))
            return true;
    return false;
}

/* An article without Distribution goes to all.  A value that is listed is
 * wanted, one with "!" is not; one that is not listed is wanted only when some
 * "!" is.  One wanted value is enough. */
static bool distribution_wanted(const struct conf_list *rules, struct span values)
{
    struct span v;
    size_t at = 0;

    if (rules->n == 0 || groups_count(values) == 0)
        return true;
    while (groups_next(values, &at, &v)) {
        bool hit = false, some_not = false;

        for (size_t i = 0; i < rules->n; i++) {
            bool not = rules->v[i][0] == '!';

            some_not |= not;
            if (!span_ieq(v, span_of(rules->v[i] + not)))
                continue;
            if (!not)
                return true;
            hit = true;
        }
        if (!hit && some_not)
            return true;
    }
    return false;
}

/* All but the groups. */
static enum offer_why by_rest(const struct conf_peer *p, const struct record *r)
{
    struct span path = range(r, r->path);

    if (p->size_max > 0 && r->data.n > p->size_max)
        return OFFER_SIZE;
    if (p->hops_max > 0 && path_hops(path) > (size_t)p->hops_max)
        return OFFER_HOPS;
    if (any_in_path(&p->path, path))
        return OFFER_IN_PATH;
    if (p->crosspost_max > 0 && groups_count(range(r, r->newsgroups)) > (size_t)p->crosspost_max)
        return OFFER_CROSSPOST;
    if (!distribution_wanted(&p->distributions, range(r, r->distribution)))
        return OFFER_DISTRIBUTION;
    return any_in_path(&p->exclude, path) ? OFFER_EXCLUDED : OFFER_YES;
}

static bool is_article(const struct record *r)
{
    return r->kind == RECORD_ARTICLE && (r->flags & RECORD_GONE) == 0 && r->data.n > 0 && r->msgid.len > 0;
}

size_t offer_all(struct offer *o, const struct record *r, uint64_t *bits)
{
    size_t many = 0;

    if (!is_article(r) || o->n == 0) {
        memset(bits, 0, o->words * sizeof *bits);
        return 0;
    }
    by_groups(o, r, bits, o->poison);
    for (size_t w = 0; w < o->words; w++) {
        bits[w] &= ~o->poison[w];
        for (uint64_t left = bits[w]; left != 0; left &= left - 1) {
            int b = __builtin_ctzll(left);

            if (by_rest(o->peer[w * 64 + (size_t)b].p, r) == OFFER_YES)
                many++;
            else
                bits[w] &= ~(UINT64_C(1) << b);
        }
    }
    return many;
}

enum offer_why offer_one(struct offer *o, size_t peer, const struct record *r)
{
    struct span list, name;
    size_t at = 0;
    bool yes = false;

    if (!is_article(r))
        return OFFER_NOT_ARTICLE;
    list = range(r, r->newsgroups);
    while (groups_next(list, &at, &name)) {
        const uint64_t *bits = bits_of(o, name);

        if (bits[o->words + peer / 64] >> (peer % 64) & 1)
            return OFFER_POISON;
        yes |= bits[peer / 64] >> (peer % 64) & 1;
    }
    return yes ? by_rest(o->peer[peer].p, r) : OFFER_NO_GROUP;
}
