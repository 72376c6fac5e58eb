/* cmd_session.c - CAPABILITIES, HELP, QUIT, DATE, MODE. */
#include <ctype.h>

#include "article/date.h"
#include "conf/conf.h"
#include "lib/utf8.h"
#include "nntpd/sess.h"

#define GROUPS_TOLD 400        /* octets of a peer's accept-groups in HELP */

static void tell(struct session *s, struct buf *out)
{
    stream_write(s->st, buf_data(out), buf_len(out));
    buf_fini(out);
}

/* RFC 3977 9.5: a letter, then two or more of letters, digits, "." and "-". */
static bool keyword_valid(struct span k)
{
    if (k.n < 3 || !isalpha((unsigned char)k.p[0]))
        return false;
    for (size_t i = 1; i < k.n; i++)
        if (!isalnum((unsigned char)k.p[i]) && k.p[i] != '.' && k.p[i] != '-')
            return false;
    return true;
}

void cmd_capabilities(struct session *s, const struct call *c)
{
    struct buf out = { 0 };

    if (c->n > 0 && !keyword_valid(c->arg[0])) {
        reply(s, "501 Syntax error in keyword");
        return;
    }
    s->asked_capabilities = true;
    command_capabilities(&out, &s->rights, &s->conf->site);
    tell(s, &out);
}

/* Whom we take it for, for the operator at the other end (newsctl peer test asks). */
static void tell_peer(const struct conf_peer *p, struct buf *out)
{
    struct buf groups = { 0 };
    int n;

    conf_join(&p->accept_groups, &groups);
    n = buf_len(&groups) < GROUPS_TOLD ? (int)buf_len(&groups) : GROUPS_TOLD;
    if (utf8_printable(buf_span(&groups)))
        buf_printf(out, "You are peer %s and may send: %.*s%s\r\n", p->name, n, buf_data(&groups),
                   (size_t)n < buf_len(&groups) ? " ..." : "");
    buf_fini(&groups);
}

void cmd_help(struct session *s, const struct call *c)
{
    struct buf out = { 0 };

    (void)c;
    command_help(&out);
    for (size_t i = 0; i < s->rights.n_peer; i++)
        tell_peer(s->rights.peer[i], &out);
    buf_puts(&out, ".\r\n");
    tell(s, &out);
}

void cmd_quit(struct session *s, const struct call *c)
{
    (void)c;
    reply(s, "205 Bye");
    session_finish(s, "quit");
}

/* Whoever asks for what has arrived since then shall miss nothing (RFC 3977 7.5): an
 * article that is on its way to the disk has arrived, and NEWNEWS does not tell it yet. */
void cmd_date(struct session *s, const struct call *c)
{
    char now[DATE_TEXT_MAX];

    (void)c;
    date_write_nntp(store_date_us(s->h->store) / 1000000, now);
    reply(s, "111 %s", now);
}

/* Harmless at any time: nothing changes.  But where there is nothing to read and
 * nowhere to post, 5.3.2 wants the connection ended. */
void cmd_mode_reader(struct session *s, const struct call *c)
{
    const struct rights *r = &s->rights;

    (void)c;
    if (r->post.n > 0 || r->login.post) {
        reply(s, r->post.n > 0 ? "200 Reader mode, posting allowed" : "200 Reader mode, posting after login");
    } else if (r->read.n > 0 || r->login.read || r->tls.read) {
        reply(s, "201 Reader mode, no posting");
    } else {
        reply(s, "502 Transit service only");
        session_finish(s, "wanted to read, which it may not");
    }
}

void cmd_mode_stream(struct session *s, const struct call *c)
{
    (void)c;
    reply(s, "203 Streaming permitted");
}
