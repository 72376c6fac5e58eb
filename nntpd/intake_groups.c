/* intake_groups.c - which of our groups does the article go to?
 *
 * In Newsgroups' order, as INN does it: the first moderated group without
 * approval and the first poisoned one refuse the article; unknown groups and
 * those that the peer may not feed are passed over.  Control messages are filed
 * under control.TYPE, or control, instead (control-groups says otherwise).
 */
#include <string.h>

#include "article/groups.h"
#include "article/wildmat.h"
#include "nntpd/stages.h"

struct choice {
    struct span first;          /* name, for the sentence                     */
    bool unknown, forbidden;    /* some were passed over for these reasons    */
    bool accepted;              /* newgroup and its like: the group need not be there */
    bool junk;                  /* one is j: junk when nothing else takes it  */
};

/* ---- what the peer may feed ---- */

static const struct buf *accept_of(const struct intake *in, const struct conf_peer *p)
{
    const struct conf *c = in->rules->conf;

    if (p >= c->peer && p < c->peer + c->n_peer)
        return &in->rules->peer[p - c->peer].accept;
    /* matched under an older configuration */
    for (size_t i = 0; i < c->n_peer; i++)
        if (strcmp(in->rules->peer[i].name, p->name) == 0)
            return &in->rules->peer[i].accept;
    return NULL;
}

/* Several blocks may match one connection: what one of them may feed is fed. */
static enum wildmat peers_feed(const struct intake *in, struct span group)
{
    enum wildmat all = in->n_peer == 0 ? WILDMAT_YES : WILDMAT_NO;

    for (size_t i = 0; i < in->n_peer && all != WILDMAT_YES; i++) {
        const struct buf *list = accept_of(in, in->peer[i]);
        enum wildmat one = list == NULL ? WILDMAT_NO : wildmat_poison(group, buf_span((struct buf *)(uintptr_t)list));

        if (one != WILDMAT_NO)
            all = one;
    }
    return all;
}

/* ---- one group ---- */

bool groups_add(struct intake *in, const struct group *g)
{
    if (g == NULL || in->n_groups == GROUPS_MOST)
        return false;
    for (unsigned i = 0; i < in->n_groups; i++)
        if (in->group[i] == g->id)
            return true;
    in->group[in->n_groups++] = g->id;
    return true;
}

static const struct group *find(const struct intake *in, struct span name)
{
    return group_find(store_groups(in->store), name);
}

/* It goes to "junk", if there is such a group. */
static bool add_junk(struct intake *in)
{
    if (!groups_add(in, find(in, SPAN("junk"))))
        return false;
    in->about_groups |= RECORD_JUNK;
    return true;
}

/* The group that an alias stands for. */
static const struct group *behind(const struct intake *in, const struct group *g)
{
    const struct group_text *text = atomic_load(&g->text);

    if (atomic_load(&g->flag) != '=')
        return g;
    return text != NULL && text->alias != NULL ? find(in, span_of(text->alias)) : NULL;
}

/* May the sender bring articles into the group?  false: *v refuses the whole article, or is GO_ON: c notes it. */
static bool may_feed(struct intake *in, struct choice *c, struct span name, enum verdict *v)
{
    *v = GO_ON;
    switch (peers_feed(in, name)) {
    case WILDMAT_POISON:
        *v = intake_say(in, V_POISONED, name);
        return false;
    case WILDMAT_NO:
        c->forbidden = true;
        return false;
    case WILDMAT_YES:
        break;
    }
    return true;
}

/* What an alias stands for takes the article whatever its own flag says (RFC 6048 3.1). */
static enum verdict take_group(struct intake *in, struct choice *c, struct span name, const struct group *named)
{
    const struct group *to = behind(in, named);
    char flag = atomic_load(&named->flag);
    enum verdict v;

    in->about_groups |= RECORD_KNOWN;
    if (flag == 'm' && !hdr_has(&in->h, HDR_APPROVED))
        return intake_say(in, V_UNAPPROVED, name);
    if (!may_feed(in, c, name, &v))
        return v;
    if (to != NULL && atomic_load(&to->flag) == 'm')
        in->about_groups |= RECORD_MODERATED;
    if (flag == 'j')
        c->junk = true;
    else if (flag != 'x')
        groups_add(in, to);
    return GO_ON;
}

/* newgroup, rmgroup and checkgroups are about groups that need not be there. */
static bool like_newgroup(const struct intake *in)
{
    struct span body = hdr_body(&in->h, HDR_CONTROL), word = span_word(&body);

    return in->is_control && hdr_has(&in->h, HDR_APPROVED) &&
           (span_ieq(word, SPAN("newgroup")) || span_ieq(word, SPAN("rmgroup")) ||
            span_ieq(word, SPAN("checkgroups")));
}

/* ---- all of them ---- */

/* The group control.TYPE, else control; NULL: neither is there. */
static const struct group *control_group(const struct intake *in)
{
    struct span body = hdr_body(&in->h, HDR_CONTROL), word = span_word(&body);
    const struct group *g;
    struct buf name = { 0 };

    buf_puts(&name, "control.");
    buf_add_span(&name, word);
    g = find(in, buf_span(&name));
    buf_fini(&name);
    return g != NULL ? g : find(in, SPAN("control"));
}

enum verdict groups_for_control(struct intake *in)
{
    enum conf_filing how = in->rules->site->control_groups;
    const struct group *g = control_group(in);

    if (g != NULL && how == CONF_FILE_CONTROL)
        in->n_groups = 0;
    if (how != CONF_FILE_OWN || in->n_groups == 0)
        groups_add(in, g);
    /* a site without control groups has them where they say they belong */
    return in->n_groups > 0 ? GO_ON : intake_say(in, V_UNWANTED_GROUP, SPAN("control"));
}

static enum verdict none_left(struct intake *in, const struct choice *c)
{
    enum conf_unknown how = in->rules->site->unknown_groups;

    if (c->forbidden)
        return intake_say(in, V_NOT_FROM_PEER, c->first);
    if (c->unknown && how == CONF_UNKNOWN_JUNK && add_junk(in))
        return GO_ON;
    return intake_say(in, c->unknown && how == CONF_UNKNOWN_DROP ? V_DROPPED : V_UNWANTED_GROUP, c->first);
}

/* One that we have not.  What the peer must not mention refuses the article all
 * the same, and what it may not feed does not come in by way of junk. */
static enum verdict take_unknown(struct intake *in, struct choice *c, struct span name)
{
    enum verdict v;

    if (!may_feed(in, c, name, &v))
        return v;
    if (like_newgroup(in))
        c->accepted = true;
    else
        c->unknown = true, in->about_groups |= RECORD_UNKNOWN;
    return GO_ON;
}

enum verdict stage_groups(struct intake *in)
{
    struct span list = hdr_body(&in->h, HDR_NEWSGROUPS), name;
    struct choice c = { .accepted = false };
    size_t at = 0;

    in->n_groups = 0;
    in->about_groups = RECORD_GROUPS;
    while (groups_next(list, &at, &name)) {
        const struct group *g = find(in, name);
        enum verdict v;

        if (c.first.n == 0)
            c.first = name;
        v = g != NULL ? take_group(in, &c, name, g) : take_unknown(in, &c, name);
        if (v != GO_ON)
            return v;
    }
    if (in->n_groups == 0 && c.junk)
        add_junk(in);
    if (in->n_groups == 0 && !c.accepted)
        return none_left(in, &c);
    return in->is_control ? groups_for_control(in) : GO_ON;
}
