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
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/users.h"
#include "nntpd/logins.h"

#define SAYS_MOST 4096               /* octets of its answers that are kept */

extern char **environ;

struct run {
    pid_t pid;
    int   in, out, errors;           /* ours */
    struct buf said, complained;
};

/* The program's end of time is real time, whatever the tests do to clocks. */
static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int spawn(struct run *r, const struct conf_list *program, const int theirs[3])
{
    char **argv = xcalloc(program->n + 1, sizeof *argv);
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    sigset_t none, all;
    int rc;

    for (size_t i = 0; i < program->n; i++)
        argv[i] = program->v[i];
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&fa);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&fa, theirs[i], i);
    posix_spawnattr_init(&at);
    posix_spawnattr_setsigmask(&at, &none);
    posix_spawnattr_setsigdefault(&at, &all);
    posix_spawnattr_setpgroup(&at, 0);           /* its children end with it */
    posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    rc = posix_spawn(&r->pid, argv[0], &fa, &at, argv, environ);
    posix_spawnattr_destroy(&at);
    posix_spawn_file_actions_destroy(&fa);
    free(argv);
    return rc;
}

/* Three pairs of sockets: a write to a program that is gone is an error there, no
 * signal. */
static int begin(struct run *r, const struct conf_list *program)
{
    int pair[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } }, theirs[3], rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair[i]) != 0)
            rc = errno;
    for (int i = 0; i < 3; i++)
        theirs[i] = pair[i][1];
    if (rc == 0)
        rc = spawn(r, program, theirs);
    for (int i = 0; i < 3; i++) {
        if (pair[i][1] >= 0)
            close(pair[i][1]);
        if (rc != 0 && pair[i][0] >= 0)
            close(pair[i][0]);
    }
    if (rc == 0)
        r->in = pair[0][0], r->out = pair[1][0], r->errors = pair[2][0];
    return rc;
}

/* It fits the socket's buffer, so it does not wait. */
static void tell(struct run *r, const struct login *g)
{
    const struct sockaddr *from = (const struct sockaddr *)&g->from.sa;
    char address[NET_TEXT_MAX];
    struct buf b = { 0 };

    net_text(from, address);
    if (!buf_reserve(&b, 2048))      /* no second copy of the password by growing */
        return;
    buf_printf(&b, "ClientHost: %s\r\nClientIP: %s\r\nClientPort: %u\r\n", address, address, net_port(from));
    buf_printf(&b, "ClientAuthname: %s\r\nClientPassword: %s\r\n.\r\n", g->name, g->password);
    (void)!send(r->in, buf_data(&b), buf_len(&b), MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(r->in, SHUT_WR);
    explicit_bzero(b.p, b.cap);
    buf_fini(&b);
}

/* One end of what it says; true at its end. */
static bool hear(int fd, struct buf *b)
{
    char p[512];
    ssize_t n = read(fd, p, sizeof p);

    if (n > 0 && buf_len(b) < SAYS_MOST)
        buf_add(b, p, (size_t)n);
    return n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
}

/* Until it has closed both.  NULL, or why it was not waited for. */
static const char *hear_out(struct run *r, int64_t time_us, int stop)
{
    struct pollfd p[3] = { { r->out, POLLIN, 0 }, { r->errors, POLLIN, 0 }, { stop, POLLIN, 0 } };
    int64_t until = now_ms() + time_us / 1000, left;

    while (p[0].fd >= 0 || p[1].fd >= 0) {
        if ((left = until - now_ms()) <= 0)
            return "it takes too long";
        if (poll(p, 3, (int)left) < 0 && errno != EINTR)
            return strerror(errno);
        if (p[2].revents != 0)
            return "the site is closing";
        if (p[0].revents != 0 && hear(r->out, &r->said))
            p[0].fd = -1;
        if (p[1].revents != 0 && hear(r->errors, &r->complained))
            p[1].fd = -1;
    }
    return NULL;
}

/* It has closed its ends, and should be about to end. */
static bool ended(pid_t pid, int *status, int64_t time_us)
{
    int64_t until = now_ms() + time_us / 1000;

    while (waitpid(pid, status, WNOHANG) == 0) {
        if (now_ms() > until)
            return false;
        usleep(1000);
    }
    return true;
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

static enum login_answer judge(struct login *g, struct run *r, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
        return LOGIN_NO;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        if ((g->user = user_said(buf_span(&r->said))) != NULL)
            return LOGIN_YES;
        snprintf(g->why, sizeof g->why, "it ended with 0 and named no user");
        return LOGIN_LATER;
    }
    if (WIFSIGNALED(status))
        snprintf(g->why, sizeof g->why, "it was killed by signal %d", WTERMSIG(status));
    else
        snprintf(g->why, sizeof g->why, "it ended with %d", WEXITSTATUS(status));
    return LOGIN_LATER;
}

enum login_answer login_ask_program(struct login *g, int stop)
{
    const struct conf_list *program = &g->conf->site.login_program;
    int64_t time_us = g->conf->site.login_program_time_us;
    enum login_answer answer = LOGIN_LATER;
    struct run r = { 0 };
    const char *gave_up;
    int status = 0, rc;

    if ((rc = begin(&r, program)) != 0) {
        snprintf(g->why, sizeof g->why, "%s: %s", program->v[0], strerror(rc));
        return LOGIN_LATER;
    }
    tell(&r, g);
    gave_up = hear_out(&r, time_us, stop);
    if (gave_up == NULL && ended(r.pid, &status, time_us)) {
        answer = judge(g, &r, status);
    } else {
        kill(-r.pid, SIGKILL);
        while (waitpid(r.pid, &status, 0) < 0 && errno == EINTR)
            ;
        snprintf(g->why, sizeof g->why, "%s", gave_up != NULL ? gave_up : "it does not end");
    }
    close(r.in);
    close(r.out);
    close(r.errors);
    if (buf_len(&r.complained) > 0)
        log_msg(answer == LOGIN_LATER ? LOG_WARNING : LOG_INFO, "%s: %.*s", program->v[0], SPAN_F(span_trim(buf_span(&r.complained))));
    buf_fini(&r.said);
    buf_fini(&r.complained);
    return answer;
}
