/* login_program.c - the site's own program says yes or no.  See logins.h, nntpd.conf(5).
 *
 *     we write    ClientHost: ADDRESS            it writes   User:NAME        exit 0: yes
 *                 ClientIP: ADDRESS                                           exit 1: no
 *                 ClientPort: PORT                           anything else    later
 *                 ClientAuthname: NAME
 *                 ClientPassword: PASSWORD
 *                 .
 *
 * Lines end in CRLF.  That is what INN's checkers (ckpasswd, radius, ...) read and
 * write, but for "later", which they do not know.  What it says on standard error
 * goes to the log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/run.h"
#include "lib/users.h"
#include "nntpd/logins.h"

/* false: no memory. */
static bool write_question(const struct login *g, struct buf *b)
{
    const struct sockaddr *from = (const struct sockaddr *)&g->from.sa;
    char address[NET_TEXT_MAX];

    net_text(from, address);
    if (!buf_reserve(b, 2048))       /* no second copy of the password by growing */
        return false;
    buf_printf(b, "ClientHost: %s\r\nClientIP: %s\r\nClientPort: %u\r\n", address, address, net_port(from));
    buf_printf(b, "ClientAuthname: %s\r\nClientPassword: %s\r\n.\r\n", g->name, g->password);
    return true;
}

/* As run_program; the password does not stay in memory. */
static int ask(const struct login *g, const char *const *argv, int stop, struct run_end *end, struct err *e)
{
    struct buf question = { 0 };
    int rc;

    *end = (struct run_end){ 0 };
    if (!write_question(g, &question))
        return err_set(e, "out of memory");
    rc = run_program(&(struct run){ argv, buf_span(&question), g->conf->site.login_program_time_us, stop }, end, e);
    explicit_bzero(question.p, question.cap);
    buf_fini(&question);
    return rc;
}

static char *user_said(struct span said)
{
    struct span line;

    while (said.n > 0 && span_next(&said, '\n', &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (!span_istarts(line, SPAN("User:")))
            continue;
        line = span_trim(span_from(line, 5));
        return users_name_good(line) ? xstrndup(line.p, line.n) : NULL;
    }
    return NULL;
}

static enum login_answer judge(struct login *g, const struct run_end *end)
{
    if (end->code == 1)
        return LOGIN_NO;
    if (end->code != 0)
        snprintf(g->why, sizeof g->why, "it ended with %d%s", end->code, end->code > 128 ? " (a signal)" : "");
    else if ((g->user = user_said(buf_span(&end->says))) != NULL)
        return LOGIN_YES;
    else
        snprintf(g->why, sizeof g->why, "it ended with 0 and named no user");
    return LOGIN_LATER;
}

enum login_answer login_ask_program(struct login *g, int stop)
{
    const struct conf_list *program = &g->conf->site.login_program;
    const char **argv = xcalloc(program->n + 1, sizeof *argv);
    enum login_answer answer = LOGIN_LATER;
    struct run_end end;
    struct err e;

    for (size_t i = 0; i < program->n; i++)
        argv[i] = program->v[i];
    if (ask(g, argv, stop, &end, &e) == 0)
        answer = judge(g, &end);
    else
        snprintf(g->why, sizeof g->why, "%.*s", (int)sizeof g->why - 1, e.text);
    if (buf_len(&end.complains) > 0)
        log_msg(answer == LOGIN_LATER ? LOG_WARNING : LOG_INFO, "%s: %.*s", argv[0], SPAN_F(span_trim(buf_span(&end.complains))));
    run_end_fini(&end);
    free(argv);
    return answer;
}
