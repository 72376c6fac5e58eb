/* rpc.c - the line protocol of the control sockets.  See rpc.h. */
#include "lib/rpc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void put_escaped(struct buf *out, const char *s)
{
    for (const char *p = s; *p != '\0'; p++) {
        switch (*p) {
        case '\t': buf_puts(out, "\\t"); break;
        case '\n': buf_puts(out, "\\n"); break;
        case '\r': buf_puts(out, "\\r"); break;
        case '\\': buf_puts(out, "\\\\"); break;
        default: buf_add(out, p, 1);
        }
    }
}

void rpc_line(struct buf *out, const char *kind, const char *const *field, size_t n)
{
    buf_puts(out, kind);
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, "\t");
        put_escaped(out, field[i] != NULL ? field[i] : "");
    }
    buf_puts(out, "\n");
}

void rpc_fields(struct buf *out, const char *kind, ...)
{
    const char *field[RPC_WORDS_MAX];
    size_t n = 0;
    va_list ap;

    va_start(ap, kind);
    for (const char *f; (f = va_arg(ap, const char *)) != NULL && n < RPC_WORDS_MAX;)
        field[n++] = f;
    va_end(ap);
    rpc_line(out, kind, field, n);
}

__attribute__((format(printf, 3, 0)))
static void put_text(struct buf *out, const char *kind, const char *fmt, va_list ap)
{
    char text[4096];
    const char *field = text;

    vsnprintf(text, sizeof text, fmt, ap);
    rpc_line(out, kind, &field, 1);
}

void rpc_text(struct buf *out, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_text(out, "T", fmt, ap);
    va_end(ap);
}

void rpc_ok(struct buf *out, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_text(out, "OK", fmt, ap);
    va_end(ap);
}

void rpc_error(struct buf *out, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_text(out, "ER", fmt, ap);
    va_end(ap);
}

void rpc_progress(struct buf *out, const char *what, uint64_t done, uint64_t total)
{
    char d[24], t[24];

    snprintf(d, sizeof d, "%llu", (unsigned long long)done);
    snprintf(t, sizeof t, "%llu", (unsigned long long)total);
    rpc_fields(out, "P", what, d, t, NULL);
}

/* Undo the escapes of a field in place and end it with NUL. */
static void unescape(char *p, size_t n)
{
    size_t o = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\' && i + 1 < n) {
            i++;
            p[o++] = p[i] == 't' ? '\t' : p[i] == 'n' ? '\n' : p[i] == 'r' ? '\r' : p[i];
        } else {
            p[o++] = p[i];
        }
    }
    p[o] = '\0';
}

size_t rpc_split(char *line, size_t n, char **field, size_t most)
{
    size_t k = 0;
    char *end = line + n;

    for (char *p = line; k < most;) {
        char *tab = memchr(p, '\t', (size_t)(end - p)), *stop = tab != NULL ? tab : end;

        field[k++] = p;
        unescape(p, (size_t)(stop - p));
        if (tab == NULL)
            break;
        p = tab + 1;
    }
    return k;
}

static int send_all(int fd, const char *p, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return err_sys(e, "sending the command");
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

/* Deal with the whole lines in 'in'.  Return 1 or 0 at the last line, -2: more is to come. */
static int hear_lines(struct buf *in, rpc_each_fn *each, void *arg, struct buf *last)
{
    char *nl, *field[RPC_WORDS_MAX];

    while (buf_len(in) > 0 && (nl = memchr(buf_data(in), '\n', buf_len(in))) != NULL) {
        char *line = buf_data(in);
        size_t n = (size_t)(nl - line), k = rpc_split(line, n, field, RPC_WORDS_MAX);
        bool ok = strcmp(field[0], "OK") == 0;

        if (ok || strcmp(field[0], "ER") == 0) {
            buf_puts(last, k > 1 ? field[1] : "");
            return ok;
        }
        each(field[0], field + 1, k - 1, arg);
        buf_drop(in, n + 1);
    }
    return -2;
}

int rpc_hear(int fd, rpc_each_fn *each, void *arg, struct buf *last, struct err *e)
{
    struct buf in = { 0 };
    int rc = -2;

    while (rc == -2) {
        ssize_t r;

        if (buf_len(&in) > RPC_LINE_MAX || !buf_reserve(&in, 4096)) {
            rc = err_set(e, "an answer line is too long");
            break;
        }
        r = read(fd, in.p + in.end, buf_room(&in));
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            rc = r < 0 ? err_sys(e, "reading the answer") : err_set(e, "the answer ended early");
            break;
        }
        in.end += (size_t)r;
        rc = hear_lines(&in, each, arg, last);
    }
    buf_fini(&in);
    return rc;
}

int rpc_ask(int fd, int n, char *const *words, rpc_each_fn *each, void *arg, struct buf *last, struct err *e)
{
    struct buf out = { 0 };
    int rc;

    rpc_line(&out, words[0], (const char *const *)(words + 1), (size_t)n - 1);
    rc = send_all(fd, buf_data(&out), buf_len(&out), e);
    buf_fini(&out);
    return rc == 0 ? rpc_hear(fd, each, arg, last, e) : -1;
}
