/* cmd_over.c - OVER (RFC 3977 8.3) and XOVER (RFC 2980 2.8).
 *
 * Rows come ready from the database; a line is its number and the row.  One
 * task makes about CHUNK octets, the next goes when the client has read them.
 * They differ where nothing is found: OVER 423, XOVER 224 and an empty block
 * (INN's readers know it so).
 */
#include <string.h>

#include "article/number.h"
#include "nntpd/fetch.h"
#include "nntpd/sess.h"

struct over {
    struct task t;
    const struct group *group;     /* NULL: by id                                   */
    uint64_t lo, hi;               /* still to be told                              */
    bool old;                      /* XOVER                                         */
    bool current;                  /* no argument                                   */
    unsigned id_n;
    char id[MSGID_MAX + 1];
};

static void begin(struct over *o)
{
    if (!o->t.begun)
        buf_puts(&o->t.out, "224 Overview information follows\r\n");
    o->t.begun = true;
}

static void put_line(struct over *o, uint64_t number, struct span line)
{
    begin(o);
    buf_number(&o->t.out, number);
    buf_add(&o->t.out, "\t", 1);
    buf_add_span(&o->t.out, line);
    buf_add(&o->t.out, "\r\n", 2);
    o->t.lines++;
}

static bool each(uint64_t number, const struct log_pos *pos, struct span line, void *arg)
{
    struct over *o = arg;

    (void)pos;
    put_line(o, number, line);
    o->lo = number + 1;
    o->t.more = buf_len(&o->t.out) >= CHUNK;
    return !o->t.more;
}

static void end(struct over *o)
{
    if (o->old)
        begin(o);
    if (o->t.begun)
        buf_puts(&o->t.out, ".\r\n");
    else
        buf_puts(&o->t.out, o->current ? "420 The current article is not there any more\r\n" : "423 No articles in that range\r\n");
}

static void work(struct task *t)
{
    struct over *o = (struct over *)t;

    if (o->lo <= o->hi && ov_scan(store_overview(t->store), o->group->id, o->lo, o->hi, t->bulk, each, o, &t->e) != 0)
        task_fail(t);
    else if (!t->more)
        end(o);
}

static void work_id(struct task *t)
{
    struct over *o = (struct over *)t;
    struct buf line = { 0 };
    struct log_pos pos;
    int r = fetch_find(t->store, &t->s->rights, (struct span){ o->id, o->id_n }, &pos, &t->e);

    if (r == 1)
        r = fetch_overview(t->store, &pos, &line, &t->e);
    if (r < 0) {
        task_fail(t);
    } else if (r == 0) {
        buf_puts(&t->out, "430 No such article\r\n");
    } else {
        put_line(o, 0, buf_span(&line));
        buf_puts(&t->out, ".\r\n");
    }
    buf_fini(&line);
}

static void by_id(struct session *s, struct span id)
{
    struct over *o;

    if (!msgid_valid_lax(id)) {
        reply(s, "501 Syntax error in Message-ID");
        return;
    }
    o = task_new(s, sizeof *o, work_id);
    memcpy(o->id, id.p, id.n);
    o->id_n = (unsigned)id.n;
    o->t.count_as = COUNT_over_lines;
    o->t.quick = true;
    task_send(&o->t);
}

static void over(struct session *s, const struct call *c, bool old)
{
    uint64_t lo = s->number, hi = s->number;
    struct marks m;
    struct over *o;

    if (c->n > 0 && c->arg[0].p[0] == '<' && !old) {
        by_id(s, c->arg[0]);
        return;
    }
    if (c->n > 0 && range_read(c->arg[0], &lo, &hi) != 0) {
        reply(s, "501 Syntax error in range");
        return;
    }
    if (c->n == 0 && s->number == 0) {
        reply(s, "420 No current article");
        return;
    }
    m = group_marks(s->group);
    o = task_new(s, sizeof *o, work);
    o->group = s->group;
    o->lo = lo > m.low ? lo : m.low;
    o->hi = hi < m.high ? hi : m.high;
    o->old = old && c->n > 0;
    o->current = c->n == 0;
    o->t.count_as = COUNT_over_lines;
    o->t.quick = true;
    task_bulk(&o->t);
    task_send(&o->t);
}

void cmd_over(struct session *s, const struct call *c)
{
    over(s, c, false);
}

void cmd_xover(struct session *s, const struct call *c)
{
    over(s, c, true);
}
