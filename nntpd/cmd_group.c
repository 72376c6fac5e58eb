/* cmd_group.c - GROUP and LISTGROUP (RFC 3977 6.1).
 *
 * Marks are what has been published; a group with nothing in it shows low =
 * high + 1.  A group that the client may not read does not exist for it, and a
 * GROUP that fails leaves the old selection as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "article/number.h"
#include "lib/mem.h"
#include "nntpd/sess.h"

const struct group *session_group(struct session *s, struct span name)
{
    const struct group *g = group_find(store_groups(s->h->store), name);

    return g != NULL && rights_may_read(&s->rights, name) ? g : NULL;
}

/* 480 and 483 are said by the name alone, so that they do not tell whether the group is there. */
static void no_group(struct session *s, struct span name)
{
    int code = rights_group_wants(&s->rights, &s->who, name);

    if (code != 0)
        reply(s, "%d %s required for this group", code, code == 480 ? "Authentication" : "Encryption");
    else
        reply(s, "411 No such group");
}

/* Read high last and low first, so that an article published meanwhile cannot
 * give low > high + 1; numbers beyond 31 bits cannot be shown (RFC 3977 6). */
struct marks group_marks(const struct group *g)
{
    struct marks m = { .low = g->low, .count = g->count };

    m.high = g->high;
    if (m.high > NUMBER_OUTSIDE_MAX)
        m.high = NUMBER_OUTSIDE_MAX;
    if (m.low > m.high + 1)
        m.low = m.high + 1;
    if (m.low == 0)
        m.low = 1;
    if (m.low > m.high)
        m.count = 0;
    else if (m.count > m.high - m.low + 1)
        m.count = m.high - m.low + 1;
    return m;
}

char *call_string(const struct call *c, unsigned i, const char *otherwise)
{
    return i < c->n && i < CALL_ARGS ? xstrndup(c->arg[i].p, c->arg[i].n) : xstrdup(otherwise);
}

static void choose(struct session *s, const struct group *g, const struct marks *m)
{
    s->group = g;
    s->number = m->count > 0 ? m->low : 0;
}

void cmd_group(struct session *s, const struct call *c)
{
    const struct group *g = session_group(s, c->arg[0]);
    struct marks m;

    if (g == NULL) {
        no_group(s, c->arg[0]);
        return;
    }
    m = group_marks(g);
    choose(s, g, &m);
    reply(s, "211 %llu %llu %llu %s", (unsigned long long)m.count, (unsigned long long)m.low, (unsigned long long)m.high, g->name);
}

/* --- LISTGROUP --------------------------------------------------------- */

struct listing {
    struct task t;
    const struct group *group;
    struct marks m;
    uint64_t lo, hi;               /* still to be told */
};

static bool each(uint64_t number, const struct log_pos *pos, struct span line, void *arg)
{
    struct listing *l = arg;

    (void)pos, (void)line;
    buf_number(&l->t.out, number);
    buf_add(&l->t.out, "\r\n", 2);
    l->t.lines++;
    l->lo = number + 1;
    l->t.more = buf_len(&l->t.out) >= CHUNK || task_tired(&l->t);
    return !l->t.more;
}

static void work(struct task *t)
{
    struct listing *l = (struct listing *)t;

    if (!t->begun)
        buf_printf(&t->out, "211 %llu %llu %llu %s list follows\r\n", (unsigned long long)l->m.count,
                   (unsigned long long)l->m.low, (unsigned long long)l->m.high, l->group->name);
    if (l->lo <= l->hi && ov_scan(store_overview(t->store), l->group->id, l->lo, l->hi, t->bulk, each, l, &t->e) != 0) {
        task_fail(t);
        return;
    }
    t->begun = true;
    if (!t->more)
        buf_puts(&t->out, ".\r\n");
}

void cmd_listgroup(struct session *s, const struct call *c)
{
    const struct group *g = c->n > 0 ? session_group(s, c->arg[0]) : s->group;
    uint64_t lo = 1, hi = UINT64_MAX;
    struct listing *l;

    if (g == NULL || g->removed) {
        if (c->n > 0)
            no_group(s, c->arg[0]);
        else
            reply(s, "412 No newsgroup selected");
        return;
    }
    if (c->n > 1 && range_read(c->arg[1], &lo, &hi) != 0) {
        reply(s, "501 Syntax error in range");
        return;
    }
    l = task_new(s, sizeof *l, work);
    l->group = g;
    l->m = group_marks(g);
    l->lo = lo > l->m.low ? lo : l->m.low;
    l->hi = hi < l->m.high ? hi : l->m.high;
    choose(s, g, &l->m);
    task_bulk(&l->t);
    task_send(&l->t);
}
