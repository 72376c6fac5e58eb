/* offer.c - who should get an article.  See offer.h.
 *
 * For each group name met, two rows of bits are kept: the peers that take the
 * group, and those for whom it is poison; for each name that a peer has in Path
 * or excludes, two more.  So the groups and the Path are walked once, whatever
 * the number of peers; the rest is asked only of the peers that are left.
 *
 *     group name ──▶ [takes it][poison]        name in Path ──▶ [has had it][excludes it]
 */
#include "feeder/offer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "article/groups.h"
#include "article/path.h"
#include "article/wildmat.h"
#include "feeder/traits.h"
#include "lib/buf.h"
#include "lib/map.h"
#include "lib/mem.h"

#define NAMES_MOST 200000      /* group names remembered; beyond it the table is begun anew */
#define PATH_NAME_MOST 1024    /* longer names in Path are nobody's                         */
#define BIT(i) (UINT64_C(1) << ((i) % 64))

const char *const offer_words[OFFER_WHYS] = {
    "yes", "no wanted group", "a group is poison (@)", "in its Path already", "an excluded name is in Path",
    "too large or too small", "too many hops", "too many groups", "distribution", "answers go to too many groups",
    "control message, or none", "moderated, or not", "a group that is not known here", "who injected it",
    "not posted here", "in another's share (hash)", "in a local group", "not an article",
};

struct rules {
    char  *groups, *origins;   /* one wildmat each */
    struct conf_hash hash;     /* of 0: all        */
    const struct conf_peer *p;
};

struct offer {
    struct rules *peer;
    size_t n, words;
    char  *local;              /* a wildmat: groups that never leave; NULL: none */
    bool   traits;             /* some peer asks for more than groups and Path   */
    struct map *groups;        /* name -> 2 * words of bits */
    struct map *names;         /* the same, lower case      */
    uint64_t *here;            /* scratch: 4 * words        */
};

/* What is asked of an article once for all peers. */
struct facts {
    const struct record *r;
    struct span distribution;
    struct traits t;
    size_t n_groups, hops;
    bool local;                /* in a group that never leaves */
    const uint64_t *takes, *poison, *had, *excludes;
};

/* ---- the rules ---- */

static struct span lower(struct span s, char out[PATH_NAME_MOST])
{
    for (size_t i = 0; i < s.n; i++)
        out[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i]);
    return (struct span){ out, s.n };
}

static uint64_t *row_of(struct offer *o, struct map *m, struct span key)
{
    uint64_t *row = map_get(m, key);

    if (row == NULL) {
        row = xcalloc(2 * o->words, sizeof *row);
        map_put(m, key, row);
    }
    return row;
}

/* 'row': 0 it has had it, 1 it excludes. */
static void add_names(struct offer *o, const struct conf_list *names, size_t peer, size_t row)
{
    char text[PATH_NAME_MOST];

    for (size_t i = 0; i < names->n; i++) {
        struct span s = span_of(names->v[i]);

        if (s.n <= sizeof text)
            row_of(o, o->names, lower(s, text))[row * o->words + peer / 64] |= BIT(peer);
    }
}

static bool asks_for_traits(const struct conf_peer *p)
{
    return p->followup_max > 0 || p->crosspost_weight_max > 0 || p->moderated != CONF_ANY || p->origins.n > 0;
}

struct offer *offer_new(const struct conf *c)
{
    struct offer *o = xcalloc(1, sizeof *o);

    o->peer = xcalloc(c->n_peer + 1, sizeof *o->peer);
    for (size_t i = 0; i < c->n_peer; i++) {
        struct buf list = { 0 };

        if (!c->peer[i].send)
            continue;
        conf_join(&c->peer[i].groups, &list);
        o->peer[o->n].groups = xstrndup(buf_data(&list), buf_len(&list));
        buf_clear(&list);
        conf_join(&c->peer[i].origins, &list);
        o->peer[o->n].origins = xstrndup(buf_data(&list), buf_len(&list));
        if (c->peer[i].hash != NULL)
            (void)conf_read_hash(c->peer[i].hash, &o->peer[o->n].hash);
        o->traits |= asks_for_traits(&c->peer[i]);
        o->peer[o->n++].p = &c->peer[i];
        buf_fini(&list);
    }
    o->words = o->n / 64 + 1;
    if (c->site.local_groups.n > 0) {
        struct buf list = { 0 };

        conf_join(&c->site.local_groups, &list);
        o->local = xstrndup(buf_data(&list), buf_len(&list));
        buf_fini(&list);
    }
    o->groups = map_new();
    o->names = map_new();
    o->here = xcalloc(4 * o->words, sizeof *o->here);
    for (size_t i = 0; i < o->n; i++) {
        add_names(o, &o->peer[i].p->path, i, 0);
        add_names(o, &o->peer[i].p->exclude, i, 1);
    }
    return o;
}

static void forget(struct map **m)
{
    struct span name;
    size_t at = 0;
    void *v;

    while (map_next(*m, &at, &name, &v))
        free(v);
    map_free(m);
}

void offer_free(struct offer **offer)
{
    struct offer *o = *offer;

    if (o == NULL)
        return;
    forget(&o->groups);
    forget(&o->names);
    for (size_t i = 0; i < o->n; i++)
        free(o->peer[i].groups), free(o->peer[i].origins);
    free(o->local);
    free(o->peer);
    free(o->here);
    free(o);
    *offer = NULL;
}

size_t offer_peers(const struct offer *o)
{
    return o->n;
}

/* ---- the article ---- */

static const uint64_t *group_row(struct offer *o, struct span group)
{
    uint64_t *row = map_get(o->groups, group);

    if (row != NULL)
        return row;
    if (map_count(o->groups) >= NAMES_MOST) {
        forget(&o->groups);
        o->groups = map_new();
    }
    row = row_of(o, o->groups, group);
    for (size_t i = 0; i < o->n; i++) {
        enum wildmat m = wildmat_poison(group, span_of(o->peer[i].groups));

        if (m == WILDMAT_YES)
            row[i / 64] |= BIT(i);
        else if (m == WILDMAT_POISON)
            row[o->words + i / 64] |= BIT(i);
    }
    return row;
}

static struct span range(const struct record *r, struct record_range at)
{
    return at.len > 0 && (size_t)at.at + at.len <= r->data.n ? (struct span){ r->data.p + at.at, at.len } : SPAN("");
}

static void or_row(uint64_t *to, const uint64_t *row, size_t n)
{
    for (size_t w = 0; w < n; w++)
        to[w] |= row[w];
}

/* A control message is looked for in "control.VERB" as well. */
static void look_at_control(struct offer *o, const struct facts *f)
{
    char name[64];

    if (f->t.control.n > 0 && f->t.control.n < sizeof name - 9) {
        snprintf(name, sizeof name, "control.%.*s", SPAN_F(f->t.control));
        or_row(o->here, group_row(o, span_of(name)), 2 * o->words);
    }
}

static void look_at_groups(struct offer *o, struct facts *f)
{
    struct span list = range(f->r, f->r->newsgroups), name;
    size_t at = 0;

    while (groups_next(list, &at, &name)) {
        or_row(o->here, group_row(o, name), 2 * o->words);
        f->local |= o->local != NULL && wildmat(name, span_of(o->local));
        f->n_groups++;
    }
    if (o->traits || (f->r->flags & RECORD_CONTROL))
        traits_read(&f->t, f->r, f->n_groups);
    look_at_control(o, f);
}

static void look_at_path(struct offer *o, struct facts *f)
{
    struct span path = range(f->r, f->r->path), name;
    char text[PATH_NAME_MOST];
    const uint64_t *row;
    size_t at = 0;

    while (path_next(path, &at, false, &name))
        if (name.n <= sizeof text && (row = map_get(o->names, lower(name, text))) != NULL)
            or_row(o->here + 2 * o->words, row, 2 * o->words);
    f->hops = path_hops(path);
}

static bool is_article(const struct record *r)
{
    return r->kind == RECORD_ARTICLE && (r->flags & RECORD_GONE) == 0 && r->data.n > 0 && r->msgid.len > 0;
}

static void look(struct offer *o, const struct record *r, struct facts *f)
{
    memset(o->here, 0, 4 * o->words * sizeof *o->here);
    *f = (struct facts){ .r = r, .distribution = range(r, r->distribution),
                         .takes = o->here, .poison = o->here + o->words,
                         .had = o->here + 2 * o->words, .excludes = o->here + 3 * o->words };
    look_at_groups(o, f);
    look_at_path(o, f);
}

/* ---- the decision ---- */

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

static bool has(const uint64_t *row, size_t i)
{
    return (row[i / 64] & BIT(i)) != 0;
}

static bool fits(enum conf_only rule, bool is)
{
    return rule == CONF_ANY || is == (rule == CONF_ONLY);
}

static bool origin_wanted(const struct rules *r, struct span origin)
{
    if (r->p->origins.n == 0)
        return true;
    return origin.n > 0 ? wildmat(origin, span_of(r->origins)) : r->p->origin_missing;
}

/* The same group named twice counts once. */
static bool all_known(const struct facts *f)
{
    struct span list = range(f->r, f->r->newsgroups), name;
    size_t n = 0, at = 0;

    while (groups_next(list, &at, &name)) {
        struct span before = { list.p, (size_t)(name.p - list.p) }, other;
        size_t k = 0;
        bool again = false;

        while (groups_next(before, &k, &other))
            again |= span_eq(other, name);
        n += !again;
    }
    return f->r->n_numbers >= n;
}

/* The rules that few peers have. */
static enum offer_why by_traits(const struct rules *r, const struct facts *f)
{
    const struct conf_peer *p = r->p;
    struct span id = range(f->r, f->r->msgid);
    uint32_t part;

    if (p->posted_here && !(f->r->flags & RECORD_LOCAL))
        return OFFER_NOT_OURS;
    if (!fits(p->control, (f->r->flags & RECORD_CONTROL) != 0))
        return OFFER_CONTROL;
    if (!fits(p->moderated, f->t.moderated))
        return OFFER_MODERATED;
    if (p->followup_max > 0 && f->t.followups > (size_t)p->followup_max)
        return OFFER_FOLLOWUPS;
    if (p->crosspost_weight_max > 0 && f->n_groups + f->t.followups * f->t.followups > (size_t)p->crosspost_weight_max)
        return OFFER_CROSSPOST;
    if (p->known_groups && !all_known(f))
        return OFFER_UNKNOWN_GROUP;
    if (!origin_wanted(r, f->t.origin))
        return OFFER_ORIGIN;
    if (r->hash.of > 0 && ((part = traits_hash(id, r->hash.of)) < r->hash.from || part > r->hash.to))
        return OFFER_HASH;
    return OFFER_YES;
}

/* What is said of a peer that wants one of the groups. */
static enum offer_why by_rest(const struct offer *o, size_t i, const struct facts *f)
{
    const struct conf_peer *p = o->peer[i].p;

    if (f->local)
        return OFFER_LOCAL;
    if (has(f->poison, i))
        return OFFER_POISON;
    if (p->path_check && has(f->had, i))
        return OFFER_IN_PATH;
    if (has(f->excludes, i))
        return OFFER_EXCLUDED;
    if ((p->size_max > 0 && f->r->data.n > p->size_max) || f->r->data.n < p->size_min)
        return OFFER_SIZE;
    if (p->hops_max > 0 && f->hops > (size_t)p->hops_max)
        return OFFER_HOPS;
    if (p->crosspost_max > 0 && f->n_groups > (size_t)p->crosspost_max)
        return OFFER_CROSSPOST;
    if ((p->require_distribution && groups_count(f->distribution) == 0) ||
        !distribution_wanted(&p->distributions, f->distribution))
        return OFFER_DISTRIBUTION;
    return by_traits(&o->peer[i], f);
}

size_t offer_all(struct offer *o, const struct record *r, uint8_t *why)
{
    struct facts f;
    size_t many = 0;

    if (!is_article(r) || o->n == 0) {
        memset(why, OFFER_NOT_ARTICLE, o->n);
        return 0;
    }
    look(o, r, &f);
    memset(why, OFFER_NO_GROUP, o->n);
    for (size_t w = 0; w < o->words; w++) {
        for (uint64_t left = f.takes[w] | f.poison[w]; left != 0; left &= left - 1) {
            size_t i = w * 64 + (size_t)__builtin_ctzll(left);

            why[i] = (uint8_t)by_rest(o, i, &f);
            many += why[i] == OFFER_YES;
        }
    }
    return many;
}

enum offer_why offer_one(struct offer *o, size_t peer, const struct record *r)
{
    struct facts f;

    if (!is_article(r))
        return OFFER_NOT_ARTICLE;
    look(o, r, &f);
    return has(f.takes, peer) || has(f.poison, peer) ? by_rest(o, peer, &f) : OFFER_NO_GROUP;
}
