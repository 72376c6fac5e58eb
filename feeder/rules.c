/* rules.c - see rules.h.
 *
 * A kind of rule is a member of enum offer_why.  Three switches over it: does the
 * peer have such a rule, does an article break it, what are the figures.
 */
#include "feeder/rules.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "article/groups.h"
#include "article/wildmat.h"
#include "lib/mem.h"

/* ---- of the configuration ---- */

static bool limited(struct rule *r, int64_t limit)
{
    r->limit = limit;
    return limit > 0;
}

static bool listed(struct rule *r, const struct conf_list *list)
{
    r->list = list;
    return list->n > 0;
}

/* Has the peer a rule of the kind r->why?  Then fill it in. */
static bool ask(const struct conf_peer *p, struct rule *r)
{
    switch (r->why) {
    case OFFER_TOO_LARGE:
        return limited(r, (int64_t)p->size_max);
    case OFFER_TOO_SMALL:
        return limited(r, (int64_t)p->size_min);
    case OFFER_HOPS:
        return limited(r, p->hops_max);
    case OFFER_CROSSPOST:
        return limited(r, p->crosspost_max);
    case OFFER_FOLLOWUPS:
        return limited(r, p->followup_max);
    case OFFER_WEIGHT:
        return limited(r, p->crosspost_weight_max);
    case OFFER_DISTRIBUTION:
        return listed(r, &p->distributions);
    case OFFER_NO_DISTRIBUTION:
        return p->require_distribution;
    case OFFER_CONTROL:
        return p->control == CONF_NOT;
    case OFFER_NO_CONTROL:
        return p->control == CONF_ONLY;
    case OFFER_MODERATED:
        return p->moderated == CONF_NOT;
    case OFFER_UNMODERATED:
        return p->moderated == CONF_ONLY;
    case OFFER_UNKNOWN_GROUP:
        return p->known_groups;
    case OFFER_ORIGIN:
        r->also = p->origin_missing;
        return listed(r, &p->origins);
    case OFFER_NOT_OURS:
        return p->posted_here || p->pull_post;
    case OFFER_HASH:
        return p->hash != NULL && conf_read_hash(p->hash, &r->hash) == 0;
    case OFFER_YES: case OFFER_NO_GROUP: case OFFER_LOCAL: case OFFER_PRIVATE: case OFFER_POISON:
    case OFFER_IN_PATH: case OFFER_EXCLUDED:
    case OFFER_NOT_ARTICLE: case OFFER_WHYS:
        break;                         /* groups and Path: offer.c */
    }
    return false;
}

static bool same(const struct rule *a, const struct rule *b)
{
    return a->why == b->why && a->limit == b->limit && a->also == b->also &&
           (a->list == b->list || conf_list_equal(a->list, b->list)) && memcmp(&a->hash, &b->hash, sizeof a->hash) == 0;
}

/* Rules of one kind stand together, from 'first' on. */
static struct rule *find(struct rules *s, size_t first, const struct rule *r, size_t words)
{
    struct rule *one;

    for (size_t i = first; i < s->n; i++)
        if (same(&s->v[i], r))
            return &s->v[i];
    s->v = xrealloc(s->v, (s->n + 1) * sizeof *s->v);
    one = &s->v[s->n++];
    *one = *r;
    one->peers = xcalloc(words, sizeof *one->peers);
    if (one->why == OFFER_ORIGIN) {
        struct buf text = { 0 };

        conf_join(one->list, &text);
        one->wildmat = xstrndup(buf_data(&text), buf_len(&text));
        buf_fini(&text);
    }
    return one;
}

void rules_make(struct rules *s, const struct conf_peer *const *peer, size_t n, size_t words)
{
    *s = (struct rules){ 0 };
    for (int why = OFFER_YES; why < OFFER_WHYS; why++) {
        size_t first = s->n;

        for (size_t i = 0; i < n; i++) {
            struct rule r = { .why = (enum offer_why)why };

            if (ask(peer[i], &r))
                find(s, first, &r, words)->peers[i / 64] |= UINT64_C(1) << i % 64;
        }
    }
}

void rules_free(struct rules *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->v[i].peers);
        free(s->v[i].wildmat);
    }
    free(s->v);
    *s = (struct rules){ 0 };
}

/* ---- of the article ---- */

static bool in_share(const struct conf_hash *h, struct facts *f)
{
    uint32_t part = facts_part(f, h->offset, h->of);

    return part >= h->from && part <= h->to;
}

/* What the limit is a limit of. */
static size_t amount(const struct rule *r, struct facts *f)
{
    switch (r->why) {
    case OFFER_TOO_LARGE: case OFFER_TOO_SMALL:
        return f->r->data.n;
    case OFFER_HOPS:
        return f->hops;
    case OFFER_CROSSPOST:
        return f->n_groups;
    case OFFER_FOLLOWUPS:
        return facts_followups(f);
    case OFFER_WEIGHT:
        return f->n_groups + facts_followups(f) * facts_followups(f);
    default:
        return 0;
    }
}

bool rule_breaks(const struct rule *r, struct facts *f)
{
    struct span origin;

    switch (r->why) {
    case OFFER_TOO_SMALL:
        return amount(r, f) < (size_t)r->limit;
    case OFFER_TOO_LARGE: case OFFER_HOPS: case OFFER_CROSSPOST: case OFFER_FOLLOWUPS: case OFFER_WEIGHT:
        return amount(r, f) > (size_t)r->limit;
    case OFFER_DISTRIBUTION:
        return !distribution_wanted(r->list->v, r->list->n, f->distribution);
    case OFFER_NO_DISTRIBUTION:
        return groups_count(f->distribution) == 0;
    case OFFER_CONTROL:
        return (f->r->flags & RECORD_CONTROL) != 0;
    case OFFER_NO_CONTROL:
        return (f->r->flags & RECORD_CONTROL) == 0;
    case OFFER_MODERATED:
        return facts_moderated(f) == FACTS_MODERATED;
    case OFFER_UNMODERATED:
        return facts_moderated(f) == FACTS_UNMODERATED;
    case OFFER_UNKNOWN_GROUP:
        return facts_unknown_group(f);
    case OFFER_ORIGIN:
        origin = facts_origin(f);
        return origin.n > 0 ? !wildmat(origin, span_of(r->wildmat)) : !r->also;
    case OFFER_NOT_OURS:
        return (f->r->flags & RECORD_LOCAL) == 0;
    case OFFER_HASH:
        return !in_share(&r->hash, f);
    case OFFER_YES: case OFFER_NO_GROUP: case OFFER_LOCAL: case OFFER_PRIVATE: case OFFER_POISON:
    case OFFER_IN_PATH: case OFFER_EXCLUDED:
    case OFFER_NOT_ARTICLE: case OFFER_WHYS:
        break;
    }
    bug("not a rule");
}

void rule_say(const struct rule *r, struct facts *f, struct buf *out)
{
    struct span origin = facts_origin(f);

    if (r->limit > 0)
        buf_printf(out, ": %zu, at %s %" PRId64, amount(r, f), r->why == OFFER_TOO_SMALL ? "least" : "most", r->limit);
    else if (r->why == OFFER_ORIGIN)
        buf_printf(out, ": %.*s", SPAN_F(origin.n > 0 ? origin : SPAN("it does not say")));
    else if (r->why == OFFER_DISTRIBUTION)
        buf_printf(out, ": %.*s", SPAN_F(f->distribution));
    else if (r->why == OFFER_HASH)
        buf_printf(out, ": part %" PRIu32 " of %" PRIu32, facts_part(f, r->hash.offset, r->hash.of), r->hash.of);
}
