/* child.c - the feeder's parent.  See child.h. */
#include "nntpd/child.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define WAIT_FIRST_S  1
#define WAIT_MOST_S   60
#define GOOD_US       (60 * INT64_C(1000000))     /* it lived that long: the next wait is short again */
#define STOP_MS       5000

extern char **environ;

struct child {
    struct event_base *base;
    struct event *sigchld, *again;
    char   *program, *conf_file;
    int     pair[2];               /* ours, the feeder's           */
    _Atomic pid_t pid;             /* read by status */
    bool    wanted;
    int     wait_s;
    int64_t started_us;
};

static void start(struct child *c);

/* $FRESHET_FEEDER, or "feeder" beside our own program. */
static char *find_program(void)
{
    const char *set = getenv("FRESHET_FEEDER");
    char self[4096];
    ssize_t n;

    if (set != NULL && *set != '\0')
        return xstrdup(set);
    if ((n = readlink("/proc/self/exe", self, sizeof self - 1)) < 0)
        return xstrdup("feeder");
    self[n] = '\0';
    return xasprintf("%s/feeder", dirname(self));
}

static void start_later(struct child *c)
{
    struct timeval tv = { .tv_sec = c->wait_s };

    event_add(c->again, &tv);
    c->wait_s = c->wait_s * 2 < WAIT_MOST_S ? c->wait_s * 2 : WAIT_MOST_S;
}

static int spawn(struct child *c)
{
    char *argv[] = { "feeder", "-c", c->conf_file, "-w", "3", NULL };
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    sigset_t hup, all;
    pid_t pid = 0;
    int rc;

    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);                /* until it can be understood: a reload may follow at once */
    sigfillset(&all);
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, c->pair[1], 3);
    posix_spawnattr_init(&at);
    posix_spawnattr_setsigmask(&at, &hup);
    posix_spawnattr_setsigdefault(&at, &all);
    posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rc = posix_spawn(&pid, c->program, &fa, &at, argv, environ);
    posix_spawnattr_destroy(&at);
    posix_spawn_file_actions_destroy(&fa);
    c->pid = rc == 0 ? pid : 0;
    return rc;
}

static void start(struct child *c)
{
    int rc;

    if (!c->wanted || c->pid != 0)
        return;
    c->started_us = clock_mono_us();
    if ((rc = spawn(c)) != 0) {
        log_msg(LOG_ERROR, "feeder: cannot start %s: %s; again in %d s", c->program, strerror(rc), c->wait_s);
        start_later(c);
        return;
    }
    log_msg(LOG_NOTICE, "feeder: started, process %d", (int)c->pid);
}

static void ended(struct child *c, int status)
{
    bool asked = !c->wanted;

    c->pid = 0;
    if (asked) {
        log_msg(LOG_NOTICE, "feeder: ended");
        return;
    }
    if (clock_mono_us() - c->started_us > GOOD_US)
        c->wait_s = WAIT_FIRST_S;
    if (WIFSIGNALED(status))
        log_msg(LOG_ERROR, "feeder: killed by signal %d; again in %d s", WTERMSIG(status), c->wait_s);
    else
        log_msg(LOG_ERROR, "feeder: ended with status %d; again in %d s", WEXITSTATUS(status), c->wait_s);
    start_later(c);
}

static void on_sigchld(evutil_socket_t sig, short what, void *arg)
{
    struct child *c = arg;
    int status;

    (void)sig, (void)what;
    if (c->pid != 0 && waitpid(c->pid, &status, WNOHANG) == c->pid)
        ended(c, status);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    start(arg);
}

struct child *child_new(struct event_base *base, const char *conf_file, struct err *e)
{
    struct child *c = xcalloc(1, sizeof *c);

    c->base = base;
    c->wait_s = WAIT_FIRST_S;
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, c->pair) != 0) {
        err_sys(e, "feeder: socketpair");
        free(c);
        return NULL;
    }
    c->program = find_program();
    c->conf_file = xstrdup(conf_file);
    c->sigchld = evsignal_new(base, SIGCHLD, on_sigchld, c);
    c->again = evtimer_new(base, on_again, c);
    event_add(c->sigchld, NULL);
    return c;
}

void child_want(struct child *c, bool wanted)
{
    c->wanted = wanted;
    if (wanted && c->pid == 0) {
        start(c);
    } else if (!wanted) {
        event_del(c->again);
        if (c->pid != 0)
            kill(c->pid, SIGTERM);
    }
}

void child_reload(struct child *c)
{
    if (c->pid != 0)
        kill(c->pid, SIGHUP);
}

/* One byte, or none when there are enough of them unread already. */
void child_wake(struct child *c)
{
    (void)!send(c->pair[0], "w", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

pid_t child_pid(const struct child *c)
{
    return c->pid;
}

static void stop(struct child *c)
{
    int status, waited = 0;

    kill(c->pid, SIGTERM);
    while (waitpid(c->pid, &status, WNOHANG) == 0) {
        if ((waited += 10) >= STOP_MS) {
            log_msg(LOG_WARNING, "feeder: does not end on SIGTERM; killed");
            kill(c->pid, SIGKILL);
            (void)waitpid(c->pid, &status, 0);
            break;
        }
        usleep(10 * 1000);
    }
    c->pid = 0;
}

void child_free(struct child **c)
{
    if (*c == NULL)
        return;
    if ((*c)->pid != 0)
        stop(*c);
    event_free((*c)->sigchld);
    event_free((*c)->again);
    close((*c)->pair[0]);
    close((*c)->pair[1]);
    free((*c)->program);
    free((*c)->conf_file);
    free(*c);
    *c = NULL;
}
