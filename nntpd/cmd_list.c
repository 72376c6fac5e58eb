/* cmd_list.c - LIST's variants (RFC 3977 7.6, RFC 6048), XGTITLE, NEWGROUPS.
 *
 * All that walk the groups are one task with one function that writes a line.
 * The task keeps its place in the walk, so it may end its turn anywhere: when it
 * has made CHUNK octets, or has looked long enough for a group that fits.
 * Groups that the client may not read are left out.
 *
 * A wildmat that is just a name needs no walk (clients ask so for each of
 * their groups).
 */
#include <stdlib.h>
#include <string.h>

#include "article/date.h"
#include "article/wildmat.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "nntpd/sess.h"

#define LOOK_OFTEN 64              /* groups between two looks at the clock         */

typedef void line_fn(struct buf *out, const struct group *g);

struct list {
    struct task t;
    const char *status;            /* the first line                                */
    line_fn    *line;
    char       *wildmat;           /* NULL: all                                     */
    bool        one;               /* it is a name                                  */
    int64_t     since_us;          /* NEWGROUPS                                     */
    struct groups_walk walk;
};

/* --- lines ------------------------------------------------------------- */

static void put_number(struct buf *out, uint64_t n)
{
    buf_add(out, " ", 1);
    buf_number(out, n);
}

static void put_status(struct buf *out, const struct group *g)
{
    char flag[4] = { ' ', g->flag, '\r', '\n' };
    const struct group_text *t;

    if (flag[1] != '=') {
        buf_add(out, flag, 4);
        return;
    }
    t = g->text;
    buf_add(out, flag, 2);
    buf_puts(out, t != NULL && t->alias != NULL ? t->alias : "");
    buf_add(out, flag + 2, 2);
}

static void line_active(struct buf *out, const struct group *g)
{
    struct marks m = group_marks(g);

    buf_puts(out, g->name);
    put_number(out, m.high);
    put_number(out, m.low);
    put_status(out, g);
}

static void line_counts(struct buf *out, const struct group *g)
{
    struct marks m = group_marks(g);

    buf_puts(out, g->name);
    put_number(out, m.high);
    put_number(out, m.low);
    put_number(out, m.count);
    put_status(out, g);
}

/* RFC 3977 9.6 wants a text in the last place of these two. */
static void put_text(struct buf *out, const char *text, const char *otherwise)
{
    buf_puts(out, text != NULL && *text != '\0' ? text : otherwise);
    buf_add(out, "\r\n", 2);
}

static void line_times(struct buf *out, const struct group *g)
{
    const struct group_text *t = g->text;

    buf_puts(out, g->name);
    put_number(out, g->created_us > 0 ? (uint64_t)(g->created_us / 1000000) : 0);
    buf_add(out, " ", 1);
    put_text(out, t != NULL ? t->creator : NULL, "unknown");
}

static void line_newsgroups(struct buf *out, const struct group *g)
{
    const struct group_text *t = g->text;

    buf_puts(out, g->name);
    buf_add(out, "\t", 1);
    put_text(out, t != NULL ? t->description : NULL, "No description.");
}

/* --- walking the groups ------------------------------------------------ */

static bool wanted(const struct list *l, const struct group *g)
{
    struct span name = span_of(g->name);

    return g->created_us >= l->since_us && rights_may_read(&l->t.s->rights, name) &&
           (l->wildmat == NULL || wildmat(name, span_of(l->wildmat)));
}

static void put(struct list *l, const struct group *g)
{
    l->line(&l->t.out, g);
    l->t.lines++;
}

static void put_one(struct list *l)
{
    const struct group *g = group_find(store_groups(l->t.store), span_of(l->wildmat));

    if (g != NULL && wanted(l, g))
        put(l, g);
}

/* Return true at the end of the groups. */
static bool walk(struct list *l)
{
    const struct group *g;

    for (unsigned n = 1; buf_len(&l->t.out) < CHUNK; n++) {
        if (n % LOOK_OFTEN == 0 && task_tired(&l->t))
            return false;
        if ((g = groups_walk_next(&l->walk)) == NULL)
            return true;
        if (wanted(l, g))
            put(l, g);
    }
    return false;
}

static void work(struct task *t)
{
    struct list *l = (struct list *)t;

    if (!t->begun) {
        buf_printf(&t->out, "%s\r\n", l->status);
        if (!l->one)
            groups_walk_begin(store_groups(t->store), &l->walk);
    }
    t->begun = true;
    if (l->one)
        put_one(l);
    else
        t->more = !walk(l);
    if (!t->more)
        buf_puts(&t->out, ".\r\n");
}

static void fini(struct task *t)
{
    struct list *l = (struct list *)t;

    free(l->wildmat);
    groups_walk_end(&l->walk);
}

static bool is_name(struct span pattern)
{
    for (size_t i = 0; i < pattern.n; i++)
        if (strchr("*?,![]\\", pattern.p[i]) != NULL)
            return false;
    return true;
}

static void list(struct session *s, struct span pattern, const char *status, line_fn *line, int64_t since_us)
{
    struct list *l = task_new(s, sizeof *l, work);

    l->status = status;
    l->line = line;
    if (pattern.p != NULL) {
        l->wildmat = xstrndup(pattern.p, pattern.n);
        l->one = l->t.quick = is_name(pattern);
    }
    l->since_us = since_us;
    l->t.fini = fini;
    task_send(&l->t);
}

static void list_groups(struct session *s, const struct call *c, const char *status, line_fn *line)
{
    list(s, c->n > 0 ? c->arg[0] : (struct span){ 0 }, status, line, INT64_MIN);
}

void cmd_list_active(struct session *s, const struct call *c)
{
    list_groups(s, c, "215 Newsgroups in form \"group high low status\"", line_active);
}

void cmd_list_counts(struct session *s, const struct call *c)
{
    list_groups(s, c, "215 Newsgroups in form \"group high low count status\"", line_counts);
}

void cmd_list_times(struct session *s, const struct call *c)
{
    list_groups(s, c, "215 Group creations in form \"name time who\"", line_times);
}

void cmd_list_newsgroups(struct session *s, const struct call *c)
{
    list_groups(s, c, "215 Newsgroup descriptions in form \"group description\"", line_newsgroups);
}

void cmd_xgtitle(struct session *s, const struct call *c)
{
    if (c->n > 0)
        list_groups(s, c, "282 Descriptions in form \"group description\"", line_newsgroups);
    else if (s->group != NULL)
        list(s, span_of(s->group->name), "282 Descriptions in form \"group description\"", line_newsgroups, INT64_MIN);
    else
        reply(s, "412 No newsgroup selected");
}

void cmd_newgroups(struct session *s, const struct call *c)
{
    int64_t since;

    if (date_read_nntp(c->arg[0], c->arg[1], clock_now_us() / 1000000, &since) != 0)
        reply(s, "501 Bad date");
    else if (c->n > 2 && !span_ieq(c->arg[2], SPAN("GMT")) && !span_ieq(c->arg[2], SPAN("UTC")))
        reply(s, "501 Syntax error for \"GMT\"");
    else
        list(s, (struct span){ 0 }, "231 New newsgroups follow", line_active, since * 1000000);
}

/* --- the short ones ---------------------------------------------------- */

/* Clients that never asked for CAPABILITIES get the names that RFC 2980 knew
 * (slrn stumbles over ":bytes"; RFC 3977 8.4.2 allows both). */
void cmd_list_fmt(struct session *s, const struct call *c)
{
    (void)c;
    stream_printf(s->st, "215 Order of fields in overview database\r\nSubject:\r\nFrom:\r\nDate:\r\nMessage-ID:\r\n"
                  "References:\r\n%s\r\nXref:full\r\n.\r\n", s->asked_capabilities ? ":bytes\r\n:lines" : "Bytes:\r\nLines:");
}

void cmd_list_headers(struct session *s, const struct call *c)
{
    if (c->n > 0 && !span_ieq(c->arg[0], SPAN("MSGID")) && !span_ieq(c->arg[0], SPAN("RANGE")))
        reply(s, "501 Syntax error in arguments");
    else
        stream_puts(s->st, "215 Headers and metadata items supported\r\n:\r\n:bytes\r\n:lines\r\n.\r\n");
}
