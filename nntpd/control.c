/* control.c - the operator's door: the socket, its threads, the command table.
 *
 * One thread listens; each connection has a thread of its own, which may
 * block: there are few, and no worker waits for them.  See control.h.
 */
#include "nntpd/control.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/lock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/rpc.h"
#include "nntpd/control_int.h"

#define PATIENCE_US 3000000         /* for those that are being answered at the end */

struct control {
    struct nntpd *n;
    char        *path;
    int          fd, wake;          /* wake: an eventfd that ends the listener    */
    int64_t      said_us;           /* net_must_rest's                            */
    pthread_t    thread;
    struct lock  lock;              /* "control.count": how many threads answer   */
    struct cond  none;
    int          answering;
    TAILQ_HEAD(, caller) callers;
    atomic_bool  closing;
};

struct caller {
    TAILQ_ENTRY(caller) link;       /* with the lock held                          */
    struct control *c;
    int  fd;
    bool asked;                     /* with the lock held: its request has come    */
};

static void cmd_status(struct request *r);
static void cmd_metrics(struct request *r);
static void cmd_reload(struct request *r);
static void cmd_stop(struct request *r);
static void cmd_user_out(struct request *r);

const struct control_command control_commands[] = {
    { "status",       cmd_status,           0, 0 },
    { "metrics",      cmd_metrics,          0, 0 },
    { "reload",       cmd_reload,           0, 0 },
    { "stop",         cmd_stop,             0, 0 },
    { "group list",   control_group_list,   0, 1 },
    { "group add",    control_group_add,    1, RPC_WORDS_MAX },
    { "group change", control_group_change, 2, RPC_WORDS_MAX },
    { "group remove", control_group_remove, 1, 1 },
    { "group import", control_group_import, 1, 2 },
    { "why",          control_why,          1, 2 },
    { "cancel",       control_cancel,       1, 2 },
    { "log list",     control_log_list,     0, 2 },
    { "verify",       control_verify,       0, 0 },
    { "import",       control_import,       1, RPC_WORDS_MAX },
    { "export",       control_export,       1, 2 },
    { "pull",         control_pull,         1, 1 },
    { "user out",     cmd_user_out,         1, 1 },
    { NULL,           NULL,                 0, 0 }
};

void control_send(struct request *r)
{
    while (buf_len(&r->out) > 0 && !r->gone) {
        ssize_t w = write(r->fd, buf_data(&r->out), buf_len(&r->out));

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            r->gone = true;
        else
            buf_drop(&r->out, (size_t)w);
    }
    buf_clear(&r->out);
}

bool control_progress(const char *what, uint64_t done, uint64_t total, void *request)
{
    struct request *r = request;

    rpc_progress(&r->out, what, done, total);
    control_send(r);
    return !r->gone && (r->closing == NULL || !atomic_load(r->closing));
}

void control_tell(const char *line, void *request)
{
    struct request *r = request;

    rpc_text(&r->out, "%s", line);
    control_send(r);
}

static void row(const char *name, const char *value, void *arg)
{
    struct request *r = arg;

    rpc_fields(&r->out, "R", name, value, NULL);
}

static void cmd_status(struct request *r)
{
    rpc_fields(&r->out, "C", "name", "value", NULL);
    nntpd_status(r->n, row, r);
    rpc_ok(&r->out, "%s", "");
}

/* Each line of 'text' as a line of the answer. */
static void put_lines(struct buf *out, struct span text)
{
    struct span line;

    while (text.n > 0 && span_next(&text, '\n', &line))
        if (line.n > 0)
            rpc_text(out, "%.*s", SPAN_F(line));
}

static void cmd_metrics(struct request *r)
{
    struct buf text = { 0 };

    nntpd_metrics(r->n, &text);
    put_lines(&r->out, buf_span(&text));
    buf_fini(&text);
    rpc_ok(&r->out, "%s", "");
}

static void cmd_reload(struct request *r)
{
    struct buf errors = { 0 }, restart = { 0 };

    if (nntpd_reload(r->n, &errors, &restart) != 0) {
        put_lines(&r->out, buf_span(&errors));
        rpc_error(&r->out, "the configuration has errors; nothing was changed");
    } else {
        put_lines(&r->out, buf_span(&restart));
        rpc_ok(&r->out, buf_len(&restart) > 0 ? "reloaded; what is listed needs a restart" : "reloaded");
    }
    buf_fini(&errors);
    buf_fini(&restart);
}

static void cmd_stop(struct request *r)
{
    rpc_ok(&r->out, "stopping");
    control_send(r);
    nntpd_stop(r->n);
}

/* newsctl user has changed the file: who is logged in by what it held has to go. */
static void cmd_user_out(struct request *r)
{
    nntpd_user_out(r->n, r->word[0]);
    rpc_ok(&r->out, "%s", "");
}

/* The row whose words the request begins with; *used is how many. */
static const struct control_command *find(char **w, int n, int *used)
{
    for (const struct control_command *c = control_commands; c->words != NULL; c++) {
        const char *space = strchr(c->words, ' ');
        size_t first = space != NULL ? (size_t)(space - c->words) : strlen(c->words);

        if (n < 1 || strlen(w[0]) != first || strncmp(w[0], c->words, first) != 0)
            continue;
        if (space != NULL && (n < 2 || strcmp(w[1], space + 1) != 0))
            continue;
        *used = space != NULL ? 2 : 1;
        return c;
    }
    return NULL;
}

/* Run one command; the answer is sent when this returns.  Return the exit status. */
static int answer(struct nntpd *n, char **words, int n_words, int fd, const atomic_bool *closing)
{
    int used = 0;
    const struct control_command *c = find(words, n_words, &used);
    struct request r = { .n = n, .word = words + used, .n_words = n_words - used, .fd = fd,
                         .closing = closing };
    size_t last;
    int status;

    if (c == NULL)
        rpc_error(&r.out, "no such command: %s", n_words > 0 ? words[0] : "");
    else if (r.n_words < c->min || r.n_words > c->max)
        rpc_error(&r.out, "%s: wrong number of arguments", c->words);
    else
        c->run(&r);
    /* the last line says how it went; commands send what came before it */
    for (last = buf_len(&r.out); last > 1 && buf_data(&r.out)[last - 2] != '\n'; last--)
        ;
    status = buf_len(&r.out) > 0 && strncmp(buf_data(&r.out) + (last > 1 ? last - 1 : 0), "ER", 2) == 0;
    control_send(&r);
    buf_fini(&r.out);
    return status;
}

int control_once(struct nntpd *n, char **words, int n_words, int fd)
{
    return answer(n, words, n_words, fd, NULL);
}

int control_rebuild(const struct conf *c, int fd)
{
    struct request r = { .fd = fd };
    struct err e;
    int rc = nntpd_rebuild(c, control_progress, &r, &e);

    if (rc != 0)
        rpc_error(&r.out, "%s", e.text);
    else
        rpc_ok(&r.out, "history, overview and groups are made again");
    control_send(&r);
    buf_fini(&r.out);
    return rc != 0;
}

/* Read one request line; return its words, 0 when the caller went away. */
static size_t read_request(int fd, char *line, char **words)
{
    size_t have = 0;

    while (have < RPC_LINE_MAX) {
        ssize_t n = read(fd, line + have, RPC_LINE_MAX - have);
        char *nl;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        have += (size_t)n;
        if ((nl = memchr(line, '\n', have)) != NULL)
            return rpc_split(line, (size_t)(nl - line), words, RPC_WORDS_MAX);
    }
    return 0;
}

/* The last one to leave lets control_close go on. */
static void leave(struct caller *caller)
{
    struct control *c = caller->c;

    lock_get(&c->lock);
    TAILQ_REMOVE(&c->callers, caller, link);
    lock_put(&c->lock);
    close(caller->fd);
    free(caller);
    lock_get(&c->lock);
    if (--c->answering == 0)
        cond_broadcast(&c->none);
    lock_put(&c->lock);
}

static void *serve_caller(void *arg)
{
    struct caller *caller = arg;
    struct control *c = caller->c;
    char *line = xmalloc(RPC_LINE_MAX + 1), *words[RPC_WORDS_MAX];
    size_t n = read_request(caller->fd, line, words);

    lock_get(&c->lock);
    caller->asked = true;
    lock_put(&c->lock);
    if (n > 0)
        (void)answer(c->n, words, (int)n, caller->fd, &c->closing);
    free(line);
    leave(caller);
    return NULL;
}

/* Who knocks while we rest is heard afterwards. */
static void rest(struct control *c)
{
    struct pollfd p = { .fd = c->wake, .events = POLLIN };

    (void)poll(&p, 1, NET_REST_MS);
}

static void accept_one(struct control *c)
{
    int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
    struct caller *caller;
    pthread_t t;

    if (fd < 0) {
        if (net_must_rest("control", errno, &c->said_us))
            rest(c);
        return;
    }
    caller = xcalloc(1, sizeof *caller);
    *caller = (struct caller){ .c = c, .fd = fd };
    lock_get(&c->lock);
    TAILQ_INSERT_TAIL(&c->callers, caller, link);
    c->answering++;
    lock_put(&c->lock);
    if (!thread_try(&t, "control", serve_caller, caller)) {
        log_msg(LOG_ERROR, "control: no thread for a caller: %s", strerror(errno));
        leave(caller);
        rest(c);
        return;
    }
    pthread_detach(t);
}

static void *listen_loop(void *arg)
{
    struct control *c = arg;
    struct pollfd p[2] = { { .fd = c->fd, .events = POLLIN }, { .fd = c->wake, .events = POLLIN } };

    while (!c->closing) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            break;
        if (p[0].revents != 0)
            accept_one(c);
    }
    return NULL;
}

struct control *control_open(struct nntpd *n, const char *path, struct err *e)
{
    struct control *c = xcalloc(1, sizeof *c);

    c->n = n;
    if ((c->fd = net_listen_unix(path, 0660, e)) < 0) {
        free(c);
        return NULL;
    }
    if ((c->wake = eventfd(0, EFD_CLOEXEC)) < 0) {
        err_sys(e, "%s", path);
        close(c->fd);
        free(c);
        return NULL;
    }
    c->path = xstrdup(path);
    TAILQ_INIT(&c->callers);
    lock_init(&c->lock, "control.count");
    cond_init(&c->none);
    thread_start(&c->thread, "control", listen_loop, c);
    return c;
}

/* Who has asked nothing yet shall not keep us; who has asked is given time, then what
 * it hears breaks off, and long work with it.  With the lock held. */
static void hang_up(struct control *c, bool all)
{
    struct caller *caller;

    TAILQ_FOREACH(caller, &c->callers, link)
        if (all || !caller->asked)
            (void)shutdown(caller->fd, all ? SHUT_RDWR : SHUT_RD);
}

void control_close(struct control **control)
{
    struct control *c = *control;
    uint64_t one = 1;

    if (c == NULL)
        return;
    c->closing = true;
    need(write(c->wake, &one, sizeof one) == sizeof one);
    pthread_join(c->thread, NULL);
    lock_get(&c->lock);
    hang_up(c, false);
    while (c->answering > 0)
        if (cond_wait_us(&c->none, &c->lock, PATIENCE_US) != 0)
            hang_up(c, true);
    lock_put(&c->lock);
    close(c->fd);
    close(c->wake);
    unlink(c->path);
    lock_fini(&c->lock);
    cond_fini(&c->none);
    free(c->path);
    free(c);
    *control = NULL;
}
