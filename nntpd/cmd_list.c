/* cmd_list.c - LIST's variants (RFC 3977 7.6, RFC 6048), XGTITLE, NEWGROUPS.
 *
 * All that walk the groups are one task with one function that writes a line.
 * A task that has made CHUNK octets remembers the last name and goes on behind
 * it.  Groups that the client may not read are left out.
 */
#include <stdlib.h>
#include <string.h>

#include "article/date.h"
#include "article/wildmat.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "nntpd/sess.h"

typedef void line_fn(struct buf *out, const struct group *g);

struct list {
    struct task t;
    const char *status;            /* the first line                                */
    line_fn    *line;
    char       *wildmat;           /* NULL: all                                     */
    int64_t     since_us;          /* NEWGROUPS                                     */
    char       *after;             /* told up to this name                          */
};

/* --- lines ------------------------------------------------------------- */

static const struct group_text *text_of(const struct group *g)
{
    return g->text;
}

static void put_status(struct buf *out, const struct group *g)
{
    const struct group_text *t = text_of(g);
    char flag = g->flag;

    if (flag == '=')
        buf_printf(out, " =%s\r\n", t != NULL && t->alias != NULL ? t->alias : "");
    else
        buf_printf(out, " %c\r\n", flag);
}

static void line_active(struct buf *out, const struct group *g)
{
    struct marks m = group_marks(g);

    buf_printf(out, "%s %llu %llu", g->name, (unsigned long long)m.high, (unsigned long long)m.low);
    put_status(out, g);
}

static void line_counts(struct buf *out, const struct group *g)
{
    struct marks m = group_marks(g);

    buf_printf(out, "%s %llu %llu %llu", g->name, (unsigned long long)m.high, (unsigned long long)m.low,
               (unsigned long long)m.count);
    put_status(out, g);
}

static void line_times(struct buf *out, const struct group *g)
{
    const struct group_text *t = text_of(g);

    buf_printf(out, "%s %lld %s\r\n", g->name, (long long)(g->created_us / 1000000),
               t != NULL && t->creator != NULL && *t->creator != '\0' ? t->creator : "unknown");
}

/* RFC 3977 9.4.2 wants a text there. */
static void line_newsgroups(struct buf *out, const struct group *g)
{
    const struct group_text *t = text_of(g);

    buf_printf(out, "%s\t%s\r\n", g->name,
               t != NULL && t->description != NULL && *t->description != '\0' ? t->description : "No description.");
}

/* --- walking the groups ------------------------------------------------ */

static bool each(const struct group *g, void *arg)
{
    struct list *l = arg;
    struct span name = span_of(g->name);

    if (l->after != NULL && strcmp(g->name, l->after) <= 0)
        return true;
    if (g->created_us < l->since_us || !rights_may_read(&l->t.s->rights, name))
        return true;
    if (l->wildmat != NULL && !wildmat(name, span_of(l->wildmat)))
        return true;
    l->line(&l->t.out, g);
    l->t.lines++;
    if (buf_len(&l->t.out) < CHUNK)
        return true;
    free(l->after);
    l->after = xstrdup(g->name);
    l->t.more = true;
    return false;
}

static void work(struct task *t)
{
    struct list *l = (struct list *)t;

    if (!t->begun)
        buf_printf(&t->out, "%s\r\n", l->status);
    t->begun = true;
    group_each(store_groups(t->store), each, l);
    if (!t->more)
        buf_puts(&t->out, ".\r\n");
}

static void fini(struct task *t)
{
    struct list *l = (struct list *)t;

    free(l->wildmat);
    free(l->after);
}

static void list(struct session *s, const char *pattern, size_t n, const char *status, line_fn *line, int64_t since_us)
{
    struct list *l = task_new(s, sizeof *l, work);

    l->status = status;
    l->line = line;
    l->wildmat = pattern != NULL ? xstrndup(pattern, n) : NULL;
    l->since_us = since_us;
    l->t.fini = fini;
    task_send(&l->t);
}

static void list_groups(struct session *s, const struct call *c, const char *status, line_fn *line)
{
    list(s, c->n > 0 ? c->arg[0].p : NULL, c->n > 0 ? c->arg[0].n : 0, status, line, INT64_MIN);
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
        list(s, s->group->name, strlen(s->group->name), "282 Descriptions in form \"group description\"", line_newsgroups,
             INT64_MIN);
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
        list(s, NULL, 0, "231 New newsgroups follow", line_active, since * 1000000);
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
