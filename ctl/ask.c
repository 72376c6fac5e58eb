/* ask.c - put a command to the program that can answer it.  See ask.h. */
#include "ctl/ask.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/net.h"
#include "lib/own.h"
#include "lib/rpc.h"

extern char **environ;

static void on_line(const char *kind, char **field, size_t n, void *arg)
{
    struct show *s = arg;
    struct span v[RPC_WORDS_MAX];

    for (size_t i = 0; i < n; i++)
        v[i] = span_of(field[i]);
    switch (kind[0]) {
    case 'P':
        if (n == 3)
            show_progress(s, v[0], strtoull(field[1], NULL, 10), strtoull(field[2], NULL, 10));
        break;
    case 'C': show_columns(s, v, n); break;
    case 'R': show_row(s, v, n); break;
    case 'T': show_text(s, n > 0 ? v[0] : SPAN("")); break;
    default: break;                       /* a newer server may say more */
    }
}

/* The last line, or the trouble, to the one who asked. */
static int conclude(int answer, struct buf *last, const struct err *e, struct show *show)
{
    if (answer < 0)
        show_end(show, false, span_of(e->text));
    else
        show_end(show, answer == 1, buf_span(last));
    buf_fini(last);
    return answer == 1 ? CTL_OK : CTL_NO;
}

/* The socket is there for others: the site may well run. */
static int no_rights(const char *path, struct show *show)
{
    char *dir = xstrdup(path), *slash = strrchr(dir, '/'), name[64];

    if (slash != NULL)
        *slash = '\0';
    (void)show_no(show, "%s: you may not ask there; root may, and the site's user (%s)", path, own_name(dir, name));
    free(dir);
    return CTL_NO;
}

int ask_socket(const char *path, int n, char **words, struct show *show)
{
    struct buf last = { 0 };
    struct err e = { 0 };
    int fd = net_connect_unix(path, &e), answer;

    if (fd < 0 && (e.sys == EACCES || e.sys == EPERM))
        return no_rights(path, show);
    if (fd < 0)
        return CTL_DOWN;
    answer = rpc_ask(fd, n, words, on_line, show, &last, &e);
    close(fd);
    return conclude(answer, &last, &e, show);
}

static void on_nothing(const char *kind, char **field, size_t n, void *arg)
{
    (void)kind, (void)field, (void)n, (void)arg;
}

bool ask_quietly(const char *path, int n, char **words)
{
    struct buf last = { 0 };
    int fd = net_connect_unix(path, NULL);
    bool done = fd >= 0 && rpc_ask(fd, n, words, on_nothing, NULL, &last, NULL) == 1;

    if (fd >= 0)
        close(fd);
    buf_fini(&last);
    return done;
}

/* nntpd stands beside newsctl, or in the PATH. */
static const char *nntpd_path(void)
{
    static char path[PATH_MAX + 8];
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
    char *slash;

    if (n > 0) {
        path[n] = '\0';
        if ((slash = strrchr(path, '/')) != NULL) {
            strcpy(slash + 1, "nntpd");
            if (access(path, X_OK) == 0)
                return path;
        }
    }
    return "nntpd";
}

int ask_stopped(const char *conf, int n, char **words, struct show *show)
{
    const char *argv[RPC_WORDS_MAX + 8] = { "nntpd", "-c", conf, "-x", "--" };
    posix_spawn_file_actions_t fa;
    struct buf last = { 0 };
    struct err e = { 0 };
    int out[2], answer, status = 0, rc;
    pid_t pid;

    for (int i = 0; i < n && i < RPC_WORDS_MAX; i++)
        argv[5 + i] = words[i];
    if (pipe(out) != 0)
        die(CTL_NO, "pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&fa, out[0]);
    posix_spawn_file_actions_addclose(&fa, out[1]);
    rc = posix_spawnp(&pid, nntpd_path(), &fa, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    close(out[1]);
    if (rc != 0) {
        close(out[0]);
        fprintf(stderr, "newsctl: cannot start nntpd: %s\n", strerror(rc));
        return CTL_NO;
    }
    answer = rpc_hear(out[0], on_line, show, &last, &e);
    close(out[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (answer < 0) {
        if (show_is_json(show))
            show_end(show, false, SPAN("nntpd could not open the site; it said why on standard error"));
        else
            show_end(show, false, SPAN(""));              /* it said why on standard error */
        buf_fini(&last);
        return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : CTL_NO;
    }
    return conclude(answer, &last, &e, show);
}
