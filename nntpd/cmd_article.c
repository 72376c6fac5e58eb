/* cmd_article.c - ARTICLE, HEAD, BODY, STAT (RFC 3977 6.2), and NEXT and LAST,
 * which are a STAT of a neighbour.
 *
 * All are one task: find the place (by number in the overview, by id in
 * history), then take the bytes.  An article lies in the log as it is sent,
 * dots and final dot included: a small one is read here and leaves in one
 * write with its status line, a large one goes from the file.
 */
#include <string.h>

#include "article/number.h"
#include "article/overview.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "nntpd/fetch.h"
#include "nntpd/sess.h"

#define READ_HERE (64 << 10)       /* larger ones are sent from the file */

enum what { WHAT_ARTICLE, WHAT_HEAD, WHAT_BODY, WHAT_STAT };

struct art {
    struct task t;
    enum what what;
    const struct group *group;     /* NULL: by id                                   */
    uint64_t number;
    int  step;                     /* NEXT 1, LAST -1                               */
    bool current;                  /* no argument: the current article              */
    bool found;
    unsigned id_n;
    char id[MSGID_MAX + 1];
};

static const struct { int code; const char *text; } good[] = {
    [WHAT_ARTICLE] = { 220, "article follows" },
    [WHAT_HEAD]    = { 221, "headers follow" },
    [WHAT_BODY]    = { 222, "body follows" },
    [WHAT_STAT]    = { 223, "article exists" },
};

static void absent(struct art *a)
{
    struct buf *out = &a->t.out;

    if (a->step != 0)
        buf_puts(out, a->step > 0 ? "421 No next article in this group\r\n" : "422 No previous article in this group\r\n");
    else if (a->group == NULL)
        buf_puts(out, "430 No such article\r\n");
    else if (a->current)
        buf_puts(out, "420 The current article is not there any more\r\n");
    else
        buf_printf(out, "423 No such article number %llu\r\n", (unsigned long long)a->number);
}

static void status(struct art *a)
{
    buf_printf(&a->t.out, "%d %llu %.*s %s\r\n", good[a->what].code, (unsigned long long)(a->group != NULL ? a->number : 0),
               (int)a->id_n, a->id, good[a->what].text);
}

/* --- the place --------------------------------------------------------- */

/* NEXT, LAST: which number is the neighbour's? */
static int neighbour(struct art *a)
{
    struct marks m = group_marks(a->group);
    uint64_t found;
    int r;

    if (a->step > 0 ? a->number >= m.high : a->number <= m.low)
        return 0;
    r = ov_near(store_overview(a->t.store), a->group->id, a->step > 0 ? a->number + 1 : a->number - 1, a->step, &found,
                &a->t.e);
    if (r == 1 && (found > m.high || found < m.low))
        return 0;
    if (r == 1)
        a->number = found;
    return r;
}

static int by_number(struct art *a, struct log_pos *pos)
{
    struct buf line = { 0 };
    struct span id;
    int r = a->step != 0 ? neighbour(a) : 1;

    if (r == 1 && a->number > group_marks(a->group).high)
        r = 0;
    if (r == 1)
        r = ov_get(store_overview(a->t.store), a->group->id, a->number, pos, &line, &a->t.e);
    if (r == 1) {
        if (!overview_field(buf_span(&line), 3, &id) || id.n > MSGID_MAX)
            id = SPAN("<>");
        memcpy(a->id, id.p, id.n);
        a->id_n = (unsigned)id.n;
    }
    buf_fini(&line);
    return r;
}

static int find(struct art *a, struct log_pos *pos)
{
    if (a->group != NULL)
        return by_number(a, pos);
    return fetch_find(a->t.store, &a->t.s->rights, (struct span){ a->id, a->id_n }, pos, &a->t.e);
}

/* --- the bytes --------------------------------------------------------- */

static int send_head(struct art *a, const struct log_pos *pos)
{
    struct buf b = { 0 };
    struct span head;
    uint64_t body;
    int r = fetch_head(a->t.store, pos, &b, &head, &body, &a->t.e);

    if (r == 1) {
        status(a);
        buf_add_span(&a->t.out, head);
        buf_puts(&a->t.out, ".\r\n");
    }
    buf_fini(&b);
    return r;
}

/* The range at..at+len of the file, after the status line. */
static int send_range(struct art *a, int fd, uint64_t at, uint64_t len, void *hold)
{
    struct task *t = &a->t;
    ssize_t got;

    status(a);
    if (len > READ_HERE) {
        t->file.fd = fd;
        t->file.at = at;
        t->file.len = len;
        t->file.hold = hold;
        return 1;
    }
    if (!buf_reserve(&t->out, len)) {
        artlog_fd_put(hold);
        return err_set(&t->e, "no memory for an article");
    }
    got = disk_read(fd, t->out.p + t->out.end, len, (off_t)at);
    artlog_fd_put(hold);
    if (got != (ssize_t)len)
        return err_sys(&t->e, "reading an article");
    t->out.end += len;
    return 1;
}

static int send_body(struct art *a, const struct log_pos *pos)
{
    struct buf b = { 0 };
    struct span head;
    uint64_t body, at, len;
    void *hold;
    int fd, r = fetch_head(a->t.store, pos, &b, &head, &body, &a->t.e);

    buf_fini(&b);
    if (r != 1)
        return r;
    if ((fd = artlog_fd_get(store_log(a->t.store), pos, &at, &len, &hold, &a->t.e)) < 0)
        return -1;
    return send_range(a, fd, at + body, len - body, hold);
}

static int send_article(struct art *a, const struct log_pos *pos)
{
    uint64_t at, len;
    void *hold;
    int fd = artlog_fd_get(store_log(a->t.store), pos, &at, &len, &hold, &a->t.e);

    if (fd < 0)
        return -1;
    if (len == 0) {
        artlog_fd_put(hold);
        return 0;
    }
    return send_range(a, fd, at, len, hold);
}

static int answer(struct art *a, const struct log_pos *pos)
{
    switch (a->what) {
    case WHAT_ARTICLE: return send_article(a, pos);
    case WHAT_HEAD:    return send_head(a, pos);
    case WHAT_BODY:    return send_body(a, pos);
    case WHAT_STAT:    status(a); return 1;
    }
    bug("article command");
}

static void work(struct task *t)
{
    struct art *a = (struct art *)t;
    struct log_pos pos;
    int r = find(a, &pos);

    if (r == 1)
        r = answer(a, &pos);
    if (r < 0)
        task_fail(t);
    else if (r == 0)
        absent(a);
    a->found = r == 1;
}

static void done(struct task *t)
{
    struct art *a = (struct art *)t;
    struct session *s = t->s;

    if (!a->found)
        return;
    if (a->group != NULL && a->group == s->group)
        s->number = a->number;
    if (a->what != WHAT_STAT) {
        s->n_sent++;
        COUNT(s, articles_sent);
        COUNT_N(s, bytes_sent, buf_len(&t->out) + t->file.len);
    }
}

/* --- the commands ------------------------------------------------------ */

static struct art *art_new(struct session *s, enum what what)
{
    struct art *a = task_new(s, sizeof *a, work);

    a->what = what;
    a->t.done = done;
    a->t.quick = true;
    return a;
}

static void by_id(struct session *s, enum what what, struct span id)
{
    struct art *a;

    if (!msgid_valid_lax(id)) {
        reply(s, "501 Syntax error in Message-ID");
        return;
    }
    a = art_new(s, what);
    memcpy(a->id, id.p, id.n);
    a->id_n = (unsigned)id.n;
    task_send(&a->t);
}

static void in_group(struct session *s, enum what what, uint64_t number, int step, bool current)
{
    struct art *a = art_new(s, what);

    a->group = s->group;
    a->number = number;
    a->step = step;
    a->current = current;
    task_send(&a->t);
}

static void article(struct session *s, const struct call *c, enum what what)
{
    uint64_t n;

    if (c->n > 0 && c->arg[0].p[0] == '<')
        by_id(s, what, c->arg[0]);
    else if (c->n > 0 && number_read(c->arg[0], &n) == 0)
        in_group(s, what, n, 0, false);
    else if (c->n > 0)
        reply(s, "501 Syntax error in article number or message-ID");
    else if (s->number == 0)
        reply(s, "420 No current article");
    else
        in_group(s, what, s->number, 0, true);
}

void cmd_article(struct session *s, const struct call *c)
{
    article(s, c, WHAT_ARTICLE);
}

void cmd_head(struct session *s, const struct call *c)
{
    article(s, c, WHAT_HEAD);
}

void cmd_body(struct session *s, const struct call *c)
{
    article(s, c, WHAT_BODY);
}

void cmd_stat(struct session *s, const struct call *c)
{
    article(s, c, WHAT_STAT);
}

static void move(struct session *s, int step)
{
    if (s->number == 0)
        reply(s, "420 No current article");
    else
        in_group(s, WHAT_STAT, s->number, step, false);
}

void cmd_next(struct session *s, const struct call *c)
{
    (void)c;
    move(s, 1);
}

void cmd_last(struct session *s, const struct call *c)
{
    (void)c;
    move(s, -1);
}
