/* run.c - run a program to its end.  See run.h.
 *
 * Its input is a file in memory, so nobody has to feed it; its output is read
 * while it runs.  What it leaves running behind it may keep the output open:
 * the end is that of the process, not of the output.
 */
#include "lib/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READS_MOST 32                /* of what it says, before time is looked at again */

extern char **environ;

struct child { pid_t pid; int pidfd, out, errors; };

/* Real time, whatever tests do to clocks. */
static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int memory_file(struct span bytes)
{
    int fd = memfd_create("input", MFD_CLOEXEC);

    for (size_t at = 0; fd >= 0 && at < bytes.n;) {
        ssize_t n = write(fd, bytes.p + at, bytes.n - at);

        if (n < 0) {
            close(fd);
            return -1;
        }
        at += (size_t)n;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static int spawn(const char *const *argv, const int theirs[3], pid_t *pid)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    sigset_t none, all;
    int rc;

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
    rc = posix_spawn(pid, argv[0], &fa, &at, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&at);
    posix_spawn_file_actions_destroy(&fa);
    return rc;
}

static void shut(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void end_child(struct child *c, int *status)
{
    while (waitpid(c->pid, status, 0) < 0 && errno == EINTR)
        ;
    close(c->out);
    close(c->errors);
    shut(c->pidfd);
}

static void kill_child(struct child *c)
{
    int status;

    kill(-c->pid, SIGKILL);
    kill(c->pid, SIGKILL);                       /* it may have left its group */
    end_child(c, &status);
}

/* Our ends of two pipes, and the child between them. */
static int start(const struct run *o, struct child *c)
{
    int out[2] = { -1, -1 }, errors[2] = { -1, -1 }, in = memory_file(o->input), rc = 0;

    if (in < 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0)
        rc = errno;
    if (rc == 0)
        rc = spawn(o->argv, (const int[]){ in, out[1], errors[1] }, &c->pid);
    shut(in);
    shut(out[1]);
    shut(errors[1]);
    if (rc != 0) {
        shut(out[0]);
        shut(errors[0]);
        return rc;
    }
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(errors[0], F_SETFL, O_NONBLOCK);
    c->out = out[0];
    c->errors = errors[0];
    return 0;
}

static int begin(const struct run *o, struct child *c, struct err *e)
{
    int rc = start(o, c);

    if (rc != 0)
        return err_set(e, "%s: %s", o->argv[0], strerror(rc));
    if ((c->pidfd = pidfd_open(c->pid, 0)) < 0) {
        err_sys(e, "%s: pidfd_open", o->argv[0]);
        kill_child(c);
        return -1;
    }
    return 0;
}

/* Read what there is, but not for ever; false: nothing more will come. */
static bool hear(int fd, struct buf *says)
{
    char p[4096];
    ssize_t n = 1;

    for (int i = 0; i < READS_MOST && (n = read(fd, p, sizeof p)) > 0; i++)
        if (buf_len(says) < RUN_SAYS_MOST)
            buf_add(says, p, buf_len(says) + (size_t)n > RUN_SAYS_MOST ? RUN_SAYS_MOST - buf_len(says) : (size_t)n);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* NULL when it has ended; else why it was not waited for. */
static const char *wait_end(const struct run *o, const struct child *c, struct run_end *end)
{
    struct pollfd p[4] = { { c->pidfd, POLLIN, 0 }, { c->out, POLLIN, 0 }, { c->errors, POLLIN, 0 }, { o->stop, POLLIN, 0 } };
    int64_t until = now_ms() + o->most_us / 1000, left;

    while ((left = until - now_ms()) > 0) {
        if (poll(p, 4, (int)left) < 0 && errno != EINTR)
            return strerror(errno);
        if (p[1].revents != 0 && !hear(c->out, &end->says))
            p[1].fd = -1;
        if (p[2].revents != 0 && !hear(c->errors, &end->complains))
            p[2].fd = -1;
        if (p[0].revents != 0)
            return NULL;
        if (p[3].revents != 0)
            return "was ended, for we are closing";
    }
    return "took too long and was ended";
}

void run_end_fini(struct run_end *end)
{
    buf_fini(&end->says);
    buf_fini(&end->complains);
}

int run_program(const struct run *o, struct run_end *end, struct err *e)
{
    struct child c;
    const char *why;
    int status = 0;

    *end = (struct run_end){ .code = 0 };
    if (begin(o, &c, e) != 0)
        return -1;
    if ((why = wait_end(o, &c, end)) != NULL) {
        kill_child(&c);
        return err_set(e, "%s %s", o->argv[0], why);
    }
    hear(c.out, &end->says);
    hear(c.errors, &end->complains);
    end_child(&c, &status);
    end->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}
