/* cmd_newnews.c - NEWNEWS (RFC 3977 7.4): ids of articles that came since.
 *
 * The log is in order of arrival, so the answer is a walk from the first record
 * of that time on, CHUNK octets or a turn's time at once.  An article that has
 * gone meanwhile is left out: history says whether this record is still where
 * its id lies.
 */
#include <stdlib.h>

#include "article/date.h"
#include "article/wildmat.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "nntpd/sess.h"

struct newnews {
    struct task t;
    char *wildmat;
    int64_t since_us;
    struct log_reader *reader;
};

static bool wanted(struct newnews *n, const struct record *r)
{
    for (unsigned i = 0; i < r->n_numbers; i++) {
        const struct group *g = group_by_id(store_groups(n->t.store), r->numbers[i].group);

        if (g != NULL && !g->removed && wildmat(span_of(g->name), span_of(n->wildmat)) &&
            rights_may_read(&n->t.s->rights, span_of(g->name)))
            return true;
    }
    return false;
}

static bool still_there(struct newnews *n, const struct record *r)
{
    struct his_entry entry;

    return his_look(store_history(n->t.store), &r->key, &entry, &n->t.e) == HIS_SEEN && entry.state == HIS_KEPT &&
           entry.seq == r->seq;
}

static void tell(struct newnews *n, const struct record *r)
{
    if (r->kind != RECORD_ARTICLE || (r->flags & RECORD_GONE) || r->arrived_us < n->since_us || r->msgid.len == 0)
        return;
    if (!wanted(n, r) || !still_there(n, r))
        return;
    buf_add(&n->t.out, r->data.p + r->msgid.at, r->msgid.len);
    buf_puts(&n->t.out, "\r\n");
    n->t.lines++;
}

static int walk(struct newnews *n)
{
    struct record r;
    struct log_pos pos;
    int got = 1;

    while (got == 1 && buf_len(&n->t.out) < CHUNK && !task_tired(&n->t))
        if ((got = log_reader_next(n->reader, &r, &pos, &n->t.e)) == 1)
            tell(n, &r);
    return got;
}

static int begin(struct newnews *n)
{
    struct artlog *log = store_log(n->t.store);
    uint64_t seq;

    if (artlog_seq_at(log, n->since_us, &seq, &n->t.e) != 0)
        return -1;
    n->reader = log_reader_new(log, seq);
    buf_puts(&n->t.out, "230 List of new articles follows\r\n");
    n->t.begun = true;
    return 0;
}

static void work(struct task *t)
{
    struct newnews *n = (struct newnews *)t;
    int got;

    if ((!t->begun && begin(n) != 0) || (got = walk(n)) < 0)
        task_fail(t);
    else if (got == 1)
        t->more = true;
    else
        buf_puts(&t->out, ".\r\n");
}

static void fini(struct task *t)
{
    struct newnews *n = (struct newnews *)t;

    log_reader_free(&n->reader);
    free(n->wildmat);
}

void cmd_newnews(struct session *s, const struct call *c)
{
    struct newnews *n;
    int64_t since;

    if (date_read_nntp(c->arg[1], c->arg[2], clock_now_us() / 1000000, &since) != 0) {
        reply(s, "501 Bad date");
        return;
    }
    if (c->n > 3 && !span_ieq(c->arg[3], SPAN("GMT")) && !span_ieq(c->arg[3], SPAN("UTC"))) {
        reply(s, "501 Syntax error for \"GMT\"");
        return;
    }
    n = task_new(s, sizeof *n, work);
    n->wildmat = call_string(c, 0, "*");
    n->since_us = since * 1000000;
    n->t.fini = fini;
    task_send(&n->t);
}
