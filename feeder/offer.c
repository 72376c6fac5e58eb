/* offer.c - who should get an article.  See offer.h.
 *
 * All is rows of bits, one bit a peer.  For each group name met two are kept: the
 * peers that take the group, and those for whom it is poison; for each name that a
 * peer has in Path or excludes, two more; for each rule the peers that have it.
 *
 *     group name ──▶ [takes it][poison]        name in Path ──▶ [has had it][excludes it]
 *     rule ──▶ [who has it]
 *
 *     left = takes | poison;  then poison, Path and each broken rule take their peers out
 *
 * So groups, Path and rules are asked once, whatever the number of peers, and a
 * rule only while somebody who has it is left.
 */
#include "feeder/offer.h"

#include <stdlib.h>
#include <string.h>

#include "article/groups.h"
#include "article/path.h"
#include "article/wildmat.h"
#include "feeder/rules.h"
#include "lib/buf.h"
#include "lib/map.h"
#include "lib/mem.h"

#define NAMES_MOST 100000      /* group names remembered; beyond it the table is begun anew */
#define NAME_MOST  1024        /* longer names in Path are nobody's                         */
#define VERB_MOST  50
#define LOCAL     1u
#define PRIVATE   2u
#define BIT(i) (UINT64_C(1) << ((i) % 64))

const char *const offer_words[OFFER_WHYS] = {
    [OFFER_YES] = "wanted",
    [OFFER_NO_GROUP] = "in no group that it takes (groups)",
    [OFFER_LOCAL] = "in a group that never leaves (local-groups)",
    [OFFER_PRIVATE] = "in a private group, and it has no fingerprint (private-groups)",
    [OFFER_POISON] = "in a group that it takes nothing of (groups, @)",
    [OFFER_IN_PATH] = "it has had it: it is in Path (path)",
    [OFFER_EXCLUDED] = "a name that it does not want is in Path (exclude)",
    [OFFER_TOO_LARGE] = "too large (size-max)",
    [OFFER_TOO_SMALL] = "too small (size-min)",
    [OFFER_HOPS] = "too many names in Path (hops-max)",
    [OFFER_CROSSPOST] = "in too many groups (crosspost-max)",
    [OFFER_FOLLOWUPS] = "answers go to too many groups (followup-max)",
    [OFFER_WEIGHT] = "too many groups and answers (crosspost-weight-max)",
    [OFFER_DISTRIBUTION] = "not its distribution (distributions)",
    [OFFER_NO_DISTRIBUTION] = "without Distribution (require-distribution)",
    [OFFER_CONTROL] = "a control message (control = no)",
    [OFFER_NO_CONTROL] = "no control message (control = only)",
    [OFFER_MODERATED] = "in a moderated group (moderated = no)",
    [OFFER_UNMODERATED] = "in no moderated group (moderated = only)",
    [OFFER_UNKNOWN_GROUP] = "in a group that is not known here (known-groups)",
    [OFFER_ORIGIN] = "by who injected it (origins)",
    [OFFER_NOT_OURS] = "not posted here (posted-here)",
    [OFFER_HASH] = "in another's share (hash)",
    [OFFER_NOT_ARTICLE] = "no article, or no longer here",
};

/* A list of patterns, and the peers that have it: many say the same. */
struct list { char *wildmat; uint64_t *peers; };

struct offer {
    const struct conf_peer **peer;
    size_t n, words;
    struct list *list;
    size_t n_lists;
    uint64_t *about_control, *about_junk;      /* peers whose lists name these groups        */
    char  *local, *private;                    /* wildmats: groups that never leave, or only to some; or NULL */
    uint64_t *open;                            /* peers that must not have private groups    */
    struct rules rules;
    struct map *groups;        /* name -> [takes it][poison], then a word: LOCAL, PRIVATE     */
    struct map *names;         /* lower case -> [has had it][excludes it]                     */
    uint64_t *here;            /* the same four for the article at hand, then: who is left    */
    uint64_t about_here;       /* LOCAL, PRIVATE                                              */
};

/* ---- rows ---- */

static bool has(const uint64_t *row, size_t i)
{
    return (row[i / 64] & BIT(i)) != 0;
}

static void or_row(uint64_t *to, const uint64_t *row, size_t n)
{
    for (size_t w = 0; w < n; w++)
        to[w] |= row[w];
}

static bool meet(const uint64_t *a, const uint64_t *b, size_t n)
{
    for (size_t w = 0; w < n; w++)
        if (a[w] & b[w])
            return true;
    return false;
}

/* ---- the peers ---- */

/* 'out' has room for it. */
static struct span lower(struct span s, char *out)
{
    for (size_t i = 0; i < s.n; i++)
        out[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i]);
    return (struct span){ out, s.n };
}

static uint64_t *row_of(struct map *m, struct span key, size_t words)
{
    uint64_t *row = map_get(m, key);

    if (row == NULL) {
        row = xcalloc(words, sizeof *row);
        map_put(m, key, row);
    }
    return row;
}

/* 'row': 0 it has had it, 1 it excludes. */
static void add_names(struct offer *o, const struct conf_list *names, size_t peer, size_t row)
{
    char text[NAME_MOST];

    for (size_t i = 0; i < names->n; i++) {
        struct span s = span_of(names->v[i]);

        if (s.n <= sizeof text && !span_eq(s, SPAN("*")))       /* path = "*": its names are not known */
            row_of(o->names, lower(s, text), 2 * o->words)[row * o->words + peer / 64] |= BIT(peer);
    }
}

static char *joined(const struct conf_list *l)
{
    struct buf text = { 0 };
    char *s;

    conf_join(l, &text);
    s = xstrndup(buf_data(&text), buf_len(&text));
    buf_fini(&text);
    return s;
}

/* Does a pattern of the list begin with the name? */
static bool is_about(const char *wildmat, const char *name)
{
    struct span rest = span_of(wildmat), one;

    while (span_next(&rest, ',', &one)) {
        if (one.n > 0 && (one.p[0] == '!' || one.p[0] == '@'))
            one = span_from(one, 1);
        if (span_starts(one, span_of(name)))
            return true;
    }
    return false;
}

static void add_groups(struct offer *o, const struct conf_list *groups, size_t peer)
{
    char *wildmat = joined(groups);
    size_t i = 0;

    if (is_about(wildmat, "control"))
        o->about_control[peer / 64] |= BIT(peer);
    if (is_about(wildmat, "junk"))
        o->about_junk[peer / 64] |= BIT(peer);
    while (i < o->n_lists && strcmp(o->list[i].wildmat, wildmat) != 0)
        i++;
    if (i == o->n_lists)
        o->list[o->n_lists++] = (struct list){ wildmat, xcalloc(o->words, sizeof *o->list[i].peers) };
    else
        free(wildmat);
    o->list[i].peers[peer / 64] |= BIT(peer);
}

struct offer *offer_new(const struct conf *c)
{
    struct offer *o = xcalloc(1, sizeof *o);

    o->peer = xcalloc(c->n_peer + 1, sizeof *o->peer);
    for (size_t i = 0; i < c->n_peer; i++)
        if (conf_peer_sends(&c->peer[i]))
            o->peer[o->n++] = &c->peer[i];
    o->words = o->n / 64 + 1;
    o->list = xcalloc(o->n + 1, sizeof *o->list);
    o->about_control = xcalloc(o->words, sizeof *o->about_control);
    o->about_junk = xcalloc(o->words, sizeof *o->about_junk);
    o->here = xcalloc(5 * o->words, sizeof *o->here);
    o->groups = map_new();
    o->names = map_new();
    o->open = xcalloc(o->words, sizeof *o->open);
    if (c->site.local_groups.n > 0)
        o->local = joined(&c->site.local_groups);
    if (c->site.private_groups.n > 0)
        o->private = joined(&c->site.private_groups);
    for (size_t i = 0; i < o->n; i++) {
        if (!conf_peer_private(o->peer[i]))
            o->open[i / 64] |= BIT(i);
        add_groups(o, o->peer[i]->pull_post ? &o->peer[i]->pull : &o->peer[i]->groups, i);
        if (o->peer[i]->path_check)
            add_names(o, &o->peer[i]->path, i, 0);
        add_names(o, &o->peer[i]->exclude, i, 1);
    }
    rules_make(&o->rules, o->peer, o->n, o->words);
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
    rules_free(&o->rules);
    for (size_t i = 0; i < o->n_lists; i++) {
        free(o->list[i].wildmat);
        free(o->list[i].peers);
    }
    free(o->list);
    free(o->about_control);
    free(o->about_junk);
    free(o->open);
    free(o->local);
    free(o->private);
    free(o->here);
    free(o->peer);
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
    row = row_of(o->groups, group, 2 * o->words + 1);
    for (size_t i = 0; i < o->n_lists; i++) {
        enum wildmat m = wildmat_poison(group, span_of(o->list[i].wildmat));

        if (m != WILDMAT_NO)
            or_row(row + (m == WILDMAT_POISON ? o->words : 0), o->list[i].peers, o->words);
    }
    row[2 * o->words] = (o->local != NULL && wildmat(group, span_of(o->local)) ? LOCAL : 0) |
                        (o->private != NULL && wildmat(group, span_of(o->private)) ? PRIVATE : 0);
    return row;
}

/* A name beside those in Newsgroups, for the peers that ask for it; 'alone': nothing else counts for them. */
static void add_beside(struct offer *o, struct span name, const uint64_t *peers, bool alone)
{
    const uint64_t *row = group_row(o, name);

    for (size_t w = 0; w < o->words; w++) {
        uint64_t keep = alone ? ~peers[w] : ~UINT64_C(0);

        o->here[w] = (o->here[w] & keep) | (row[w] & peers[w]);
        o->here[o->words + w] = (o->here[o->words + w] & keep) | (row[o->words + w] & peers[w]);
    }
}

static bool any(const uint64_t *row, size_t n)
{
    return meet(row, row, n);
}

static void look_at_groups(struct offer *o, struct facts *f)
{
    struct span name, verb;
    char text[8 + VERB_MOST] = "control.";
    size_t at = 0;

    o->about_here = 0;
    while (groups_next(f->groups, &at, &name)) {
        const uint64_t *row = group_row(o, name);

        or_row(o->here, row, 2 * o->words);
        o->about_here |= row[2 * o->words];
    }
    if (any(o->about_junk, o->words) && facts_in_junk(f))
        add_beside(o, SPAN("junk"), o->about_junk, facts_homeless(f));
    if (any(o->about_control, o->words) && (verb = facts_verb(f)).n > 0 && verb.n <= VERB_MOST)
        add_beside(o, (struct span){ text, 8 + lower(verb, text + 8).n }, o->about_control, false);
}

/* What the poster wrote into Path excludes, but does not tell where the article was. */
static void look_at_path(struct offer *o, const struct record *r)
{
    struct span path = facts_range(r, r->path), travelled = path_travelled(path), name;
    char text[NAME_MOST];
    const uint64_t *row;
    size_t at = 0;

    while (path_next(path, &at, false, &name)) {
        if (name.n > sizeof text || (row = map_get(o->names, lower(name, text))) == NULL)
            continue;
        if (name.p < travelled.p + travelled.n)
            or_row(o->here + 2 * o->words, row, o->words);
        or_row(o->here + 3 * o->words, row + o->words, o->words);
    }
}

static bool is_article(const struct record *r)
{
    return r->kind == RECORD_ARTICLE && (r->flags & RECORD_GONE) == 0 && r->data.n > 0 && r->msgid.len > 0;
}

static void look(struct offer *o, const struct record *r, struct facts *f)
{
    memset(o->here, 0, 4 * o->words * sizeof *o->here);
    facts_begin(f, r);
    look_at_groups(o, f);
    look_at_path(o, r);
    for (size_t w = 0; w < o->words; w++)
        o->here[4 * o->words + w] = o->here[w] | o->here[o->words + w];
}

/* ---- the decision ---- */

/* Those of 'row' who are left (row NULL: all) are told 'reason' and leave. */
static void take_out(struct offer *o, const uint64_t *row, enum offer_why reason, uint8_t *why)
{
    uint64_t *left = o->here + 4 * o->words;

    for (size_t w = 0; w < o->words; w++) {
        uint64_t out = row != NULL ? left[w] & row[w] : left[w];

        for (left[w] &= ~out; out != 0; out &= out - 1)
            why[w * 64 + (size_t)__builtin_ctzll(out)] = (uint8_t)reason;
    }
}

size_t offer_all(struct offer *o, const struct record *r, uint8_t *why)
{
    const uint64_t *left = o->here + 4 * o->words;
    struct facts f;
    size_t many = 0;

    if (!is_article(r) || o->n == 0) {
        memset(why, OFFER_NOT_ARTICLE, o->n);
        return 0;
    }
    look(o, r, &f);
    memset(why, OFFER_NO_GROUP, o->n);
    if (o->about_here & LOCAL)
        take_out(o, NULL, OFFER_LOCAL, why);
    if (o->about_here & PRIVATE)
        take_out(o, o->open, OFFER_PRIVATE, why);
    take_out(o, o->here + o->words, OFFER_POISON, why);
    take_out(o, o->here + 2 * o->words, OFFER_IN_PATH, why);
    take_out(o, o->here + 3 * o->words, OFFER_EXCLUDED, why);
    for (const struct rule *rule = o->rules.v; rule < o->rules.v + o->rules.n; rule++)
        if (meet(left, rule->peers, o->words) && rule_breaks(rule, &f))
            take_out(o, rule->peers, rule->why, why);
    for (size_t w = 0; w < o->words; w++)
        many += (size_t)__builtin_popcountll(left[w]);
    take_out(o, NULL, OFFER_YES, why);
    return many;
}

/* *broken: the rule that is, where it is one. */
static enum offer_why decide(struct offer *o, size_t peer, struct facts *f, const struct rule **broken)
{
    if (!has(o->here + 4 * o->words, peer))
        return OFFER_NO_GROUP;
    if (o->about_here & LOCAL)
        return OFFER_LOCAL;
    if ((o->about_here & PRIVATE) && has(o->open, peer))
        return OFFER_PRIVATE;
    if (has(o->here + o->words, peer))
        return OFFER_POISON;
    if (has(o->here + 2 * o->words, peer))
        return OFFER_IN_PATH;
    if (has(o->here + 3 * o->words, peer))
        return OFFER_EXCLUDED;
    for (size_t i = 0; i < o->rules.n; i++) {
        const struct rule *rule = &o->rules.v[i];

        if (has(rule->peers, peer) && rule_breaks(rule, f)) {
            *broken = rule;
            return rule->why;
        }
    }
    return OFFER_YES;
}

enum offer_why offer_one(struct offer *o, size_t peer, const struct record *r)
{
    const struct rule *broken;
    struct facts f;

    if (!is_article(r))
        return OFFER_NOT_ARTICLE;
    look(o, r, &f);
    return decide(o, peer, &f, &broken);
}

enum offer_why offer_explain(struct offer *o, size_t peer, const struct record *r, struct buf *out)
{
    const struct rule *broken = NULL;
    enum offer_why why = OFFER_NOT_ARTICLE;
    struct facts f;

    if (is_article(r)) {
        look(o, r, &f);
        why = decide(o, peer, &f, &broken);
    }
    buf_puts(out, offer_words[why]);
    if (broken != NULL)
        rule_say(broken, &f, out);
    return why;
}
