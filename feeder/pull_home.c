/* pull_home.c - what was pulled, handed to our own nntpd.  See pull_home.h. */
#include "feeder/pull_home.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feeder/peer.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/stream.h"

struct pull_home {
    struct stream *stream;
    home_fn       *fn;
    void          *arg;
    bool           busy, closed, gone;     /* as in pull_link.c */
};

static void destroy(struct pull_home *h)
{
    stream_free(&h->stream);
    free(h);
}

void pull_home_close(struct pull_home **home)
{
    struct pull_home *h = *home;

    *home = NULL;
    if (h == NULL)
        return;
    h->closed = true;
    if (!h->busy)
        destroy(h);
}

static void tell(struct pull_home *h, const struct home_answer *a)
{
    if (h->closed || h->gone)
        return;
    h->gone = a->what == HOME_GONE;
    h->fn(a, h->arg);
}

static void gone(struct pull_home *h, const char *why)
{
    tell(h, &(struct home_answer){ .what = HOME_GONE, .text = why });
}

/* ---- answers ---- */

static bool fate_of(const char *word, enum home_fate *fate)
{
    static const char *const words[] = { "stored", "known", "refused", "later" };

    for (int i = 0; i < 4; i++)
        if (strcmp(word, words[i]) == 0) {
            *fate = (enum home_fate)i;
            return true;
        }
    return false;
}

/* "R", what, tag or figure, and the rest.  false: it makes no sense. */
static bool read_answer(struct home_answer *a, char **word, size_t n)
{
    *a = (struct home_answer){ .what = HOME_READY };
    if (n < 3 || strcmp(word[0], "R") != 0 || span_u64(span_of(word[2]), &a->tag) != 0)
        return false;
    if (strcmp(word[1], "ready") == 0)
        return true;
    if (strcmp(word[1], "take") == 0) {
        a->what = HOME_TAKEN;
        if (n < 6 || !fate_of(word[3], &a->fate))
            return false;
        a->verdict = word[4];
        a->text = word[5];
        return true;
    }
    a->what = strcmp(word[1], "have") == 0 ? HOME_WANTS : HOME_CARRIES;
    a->bits = n > 3 ? word[3] : "";
    a->n = strlen(a->bits);
    return a->what == HOME_WANTS || strcmp(word[1], "carry") == 0;
}

static void on_line(struct pull_home *h, char *line, size_t n)
{
    char *word[RPC_WORDS_MAX + 1];
    size_t words = rpc_split(line, n, word, RPC_WORDS_MAX);
    struct home_answer a;

    if (read_answer(&a, word, words))
        tell(h, &a);
    else
        gone(h, words >= 2 && strcmp(word[0], "ER") == 0 ? word[1] : "nntpd says what makes no sense");
}

static void on_data(struct pull_home *h)
{
    struct buf *in = stream_in(h->stream);
    char *nl;

    while (!h->closed && !h->gone && buf_len(in) > 0 && (nl = memchr(buf_data(in), '\n', buf_len(in))) != NULL) {
        size_t n = (size_t)(nl - buf_data(in));

        on_line(h, buf_data(in), n);
        buf_drop(in, n + 1);
    }
    if (buf_len(in) > RPC_LINE_MAX)
        gone(h, "nntpd says a line without an end");
}

static void on_stream(struct stream *s, enum stream_event what, void *arg)
{
    struct pull_home *h = arg;

    h->busy = true;
    if (what == STREAM_DATA)
        on_data(h);
    else if (what == STREAM_FAILED)
        gone(h, stream_reason(s));
    else if (what == STREAM_CLOSED)
        gone(h, "nntpd has closed the control socket");
    h->busy = false;
    if (h->closed)
        destroy(h);
}

/* ---- questions ---- */

static void ask(struct pull_home *h, const char *what, uint64_t tag, const struct span *word, size_t n)
{
    char text[RPC_WORDS_MAX][256 + 256], number[32];
    const char *field[RPC_WORDS_MAX] = { number };
    struct buf out = { 0 };

    need(n <= HOME_WORDS);
    snprintf(number, sizeof number, "%llu", (unsigned long long)tag);
    for (size_t i = 0; i < n; i++) {
        need(word[i].n < sizeof text[i]);
        memcpy(text[i], word[i].p, word[i].n);
        text[i][word[i].n] = '\0';
        field[i + 1] = text[i];
    }
    rpc_line(&out, what, field, n + 1);
    stream_write(h->stream, buf_data(&out), buf_len(&out));
    buf_fini(&out);
}

void home_ask_carries(struct pull_home *h, uint64_t tag, const struct span *group, size_t n)
{
    ask(h, "carry", tag, group, n);
}

void home_ask_wants(struct pull_home *h, uint64_t tag, const struct span *id, size_t n)
{
    ask(h, "have", tag, id, n);
}

void home_give(struct pull_home *h, uint64_t tag, struct span id, struct span article)
{
    char size[32];
    struct span word[2] = { id };

    snprintf(size, sizeof size, "%zu", article.n);
    word[1] = span_of(size);
    ask(h, "take", tag, word, 2);
    stream_write(h->stream, article.p, article.n);
}

size_t home_behind(const struct pull_home *h)
{
    return stream_out_len(h->stream);
}

struct pull_home *pull_home_open(struct feeder *f, const char *name, home_fn *fn, void *arg, struct err *e)
{
    char *path = xasprintf("%s/control.sock", f->conf->site.run_directory);
    int fd = net_connect_unix(path, e);
    struct pull_home *h;
    struct buf out = { 0 };

    free(path);
    if (fd < 0)
        return NULL;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        bug("a socket that cannot be made non-blocking");
    h = xcalloc(1, sizeof *h);
    h->fn = fn;
    h->arg = arg;
    h->stream = stream_socket(f->base, fd, on_stream, h);
    rpc_fields(&out, "pull", name, NULL);
    stream_write(h->stream, buf_data(&out), buf_len(&out));
    buf_fini(&out);
    return h;
}
