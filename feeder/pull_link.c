/* pull_link.c - a connection to a server, as a newsreader has it.  See pull_link.h. */
#include "feeder/pull_link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "article/wire.h"
#include "feeder/dial.h"
#include "feeder/peer.h"
#include "feeder/reply.h"
#include "lib/clock.h"
#include "lib/deflate.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/stream.h"
#include "lib/tls.h"

#define REPLY_MOST   4096                  /* a longer reply is no reply                    */
#define NO_END       (1u << 20)            /* a row that is longer has no end               */
#define TOO_MUCH     16                    /* an article so many times too large has no end */
#define ARTICLE_TIME 5                     /* reply-times that it may take                  */

enum link_state { STATE_CONNECTING, STATE_HELLO, STATE_REPLY, STATE_ROWS, STATE_ARTICLE, STATE_QUIT, STATE_GONE };

struct pull_link {
    struct feeder *f;
    const struct conf_peer *const *conf;
    struct stream *stream;
    link_fn       *fn;
    void          *arg;
    enum link_state state;
    struct hello   hello;
    enum link_ask  asked[LINK_AHEAD];      /* a ring: what is waited for                    */
    unsigned       first, n_asked;
    bool           paused, busy, closed;   /* busy: within a call of fn; closed: to be freed */
    uint64_t       passed;                 /* octets of a row that is too long              */
    uint64_t       article_most;
    struct wire_scan scan;
    struct buf     article;
    uint64_t       article_n;
    int64_t        heard_us;               /* when the last whole thing came                */
    char           address[NET_TEXT_MAX];
};

/* ---- telling ---- */

static void tell(struct pull_link *l, enum link_event what, int code, struct span text)
{
    bool was = l->busy;

    if (l->closed || (l->state == STATE_QUIT && what != LINK_GONE))
        return;
    l->busy = true;
    l->fn(what, code, text, l->arg);
    l->busy = was;
}

static void gone(struct pull_link *l, const char *why)
{
    if (l->state == STATE_GONE)
        return;
    tell(l, LINK_GONE, 0, span_of(why));
    l->state = STATE_GONE;
    if (!l->closed)
        stream_pause(l->stream, true);
}

static bool over(const struct pull_link *l)
{
    return l->closed || l->state == STATE_GONE;
}

static void destroy(struct pull_link *l)
{
    stream_free(&l->stream);
    buf_fini(&l->article);
    free(l);
}

/* A call from the loop ends. */
static void leave(struct pull_link *l)
{
    l->busy = false;
    if (l->closed)
        destroy(l);
}

void pull_link_close(struct pull_link **link)
{
    struct pull_link *l = *link;

    *link = NULL;
    if (l == NULL)
        return;
    l->closed = true;
    if (!l->busy)
        destroy(l);
}

/* ---- asking ---- */

void pull_link_ask(struct pull_link *l, enum link_ask kind, const char *fmt, ...)
{
    char line[PULL_COMMAND_MOST];
    va_list ap;
    int n;

    need(l->n_asked < LINK_AHEAD);
    va_start(ap, fmt);
    n = vsnprintf(line, sizeof line - 2, fmt, ap);
    va_end(ap);
    need(n > 0 && (size_t)n < sizeof line - 2);
    memcpy(line + n, "\r\n", 2);
    stream_write(l->stream, line, (size_t)n + 2);
    if (l->n_asked == 0)
        l->heard_us = clock_mono_us();
    l->asked[(l->first + l->n_asked++) % LINK_AHEAD] = kind;
}

void pull_link_pause(struct pull_link *l, bool paused)
{
    if (l->paused == paused)
        return;
    l->paused = paused;
    l->heard_us = clock_mono_us();
    stream_pause(l->stream, paused);
}

void pull_link_quit(struct pull_link *l)
{
    stream_puts(l->stream, "QUIT\r\n");
    l->state = STATE_QUIT;
    pull_link_pause(l, false);
    l->heard_us = clock_mono_us();
}

/* ---- from the first octet to the first command ---- */

static void begin_tls(struct pull_link *l)
{
    struct err e;

    if (dial_tls(l->f, *l->conf, l->stream, &e) != 0)
        gone(l, e.text);
}

static void ready(struct pull_link *l)
{
    struct tls_facts f;

    l->state = STATE_REPLY;
    tls_facts(l->stream, &f);
    log_msg(LOG_INFO, "%s: connected to %s to pull%s%s%s", (*l->conf)->name, l->address, f.on ? ", " : "",
            f.on ? f.protocol : "", deflate_on(l->stream) ? ", compressed" : "");
    tell(l, LINK_READY, 0, (struct span){ NULL, 0 });
}

static void act(struct pull_link *l, enum hello_do what, struct buf *out, const char *line)
{
    switch (what) {
    case HELLO_SAY:
        stream_write(l->stream, buf_data(out), buf_len(out));
        return;
    case HELLO_TLS:
        begin_tls(l);
        return;
    case HELLO_DEFLATE:
        deflate_granted(l->stream);
        buf_clear(out);
        act(l, hello_goes_on(&l->hello, out), out, line);
        return;
    case HELLO_READS:
        ready(l);
        return;
    case HELLO_REFUSED:
        gone(l, line);
        return;
    case HELLO_CLEARTEXT:
        gone(l, "our password does not go out without TLS (cleartext-login = true allows it)");
        return;
    case HELLO_STREAMING:
    case HELLO_IHAVE:
        break;
    }
    bug("a step of the greeting");
}

/* code 0: a layer stands. */
static void greeting(struct pull_link *l, int code, const char *line)
{
    struct buf out = { 0 };

    l->hello.wants = dial_wants(*l->conf, true);
    l->heard_us = clock_mono_us();
    act(l, code == 0 ? hello_goes_on(&l->hello, &out) : hello_reply(&l->hello, code, &out), &out, line);
    if (buf_len(&out) > 0)
        memset(buf_data(&out), 0, buf_len(&out));           /* it may have held a password */
    buf_fini(&out);
}

static void connected(struct pull_link *l)
{
    struct hello_wants wants = dial_wants(*l->conf, true);

    hello_begin(&l->hello, &wants);
    l->state = STATE_HELLO;
    l->heard_us = clock_mono_us();
    if (wants.encrypted)
        begin_tls(l);
}

/* ---- hearing ---- */

static void on_reply(struct pull_link *l, struct span line)
{
    struct span id;
    int code = reply_read(line, &id);
    enum link_ask kind = l->asked[l->first];

    l->heard_us = clock_mono_us();
    if (code < 0) {
        gone(l, "it says what is no reply");
    } else if (l->state == STATE_QUIT) {
        gone(l, "closed");
    } else if (code == 400 || l->n_asked == 0) {
        char text[200];

        snprintf(text, sizeof text, "%.*s", (int)(line.n < 160 ? line.n : 160), line.p);
        gone(l, text);
    } else {
        l->first = (l->first + 1) % LINK_AHEAD;
        l->n_asked--;
        if (code / 100 == 2 && kind != ASK_LINE) {
            l->state = kind == ASK_ROWS ? STATE_ROWS : STATE_ARTICLE;
            l->scan = (struct wire_scan){ 0 };
            l->article_n = 0;
        }
        tell(l, LINK_REPLY, code, line);
    }
}

static void on_row(struct pull_link *l, struct span row)
{
    l->heard_us = clock_mono_us();
    if (row.p != NULL && row.n == 1 && row.p[0] == '.') {
        l->state = STATE_REPLY;
        tell(l, LINK_END, 0, (struct span){ NULL, 0 });
        return;
    }
    if (row.n > 0 && row.p[0] == '.')
        row = span_from(row, 1);
    tell(l, LINK_ROW, 0, row);
}

/* Greeting: what follows the line may belong to a layer that begins with it, so the line leaves first. */
static void on_hello_line(struct pull_link *l, struct span line, size_t used)
{
    char text[REPLY_MOST + 1];
    struct span id;
    int code;

    memcpy(text, line.p, line.n);
    text[line.n] = '\0';
    buf_drop(stream_in(l->stream), used);
    if ((code = reply_read((struct span){ text, line.n }, &id)) < 0)
        gone(l, "it says what is no reply");
    else if (code == 400)
        gone(l, text);
    else
        greeting(l, code, text);
}

/* One line is there, or more than one may have.  false: wait for more. */
static bool read_line(struct pull_link *l, struct buf *in)
{
    bool rows = l->state == STATE_ROWS;
    size_t most = rows ? LINK_LINE_MOST : REPLY_MOST, used;
    const char *nl = memchr(buf_data(in), '\n', buf_len(in));
    struct span line = { buf_data(in), nl != NULL ? (size_t)(nl - buf_data(in)) : buf_len(in) };

    if (nl == NULL && line.n < most)
        return false;
    if (line.n >= most || l->passed > 0) {
        if (!rows || (l->passed += line.n) > NO_END) {
            gone(l, "a line without an end");
            return false;
        }
        buf_drop(in, line.n + (nl != NULL));
        if (nl != NULL) {
            l->passed = 0;
            on_row(l, (struct span){ NULL, 0 });
        }
        return true;
    }
    used = line.n + 1;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (l->state == STATE_HELLO) {
        on_hello_line(l, line, used);
        return true;
    }
    if (rows)
        on_row(l, line);
    else
        on_reply(l, line);
    if (!l->closed)
        buf_drop(in, used);
    return true;
}

static void article_read(struct pull_link *l)
{
    bool kept = l->article_n <= l->article_most;

    l->heard_us = clock_mono_us();
    l->state = STATE_REPLY;
    tell(l, LINK_ARTICLE, 0, kept ? buf_span(&l->article) : (struct span){ NULL, 0 });
    buf_clear(&l->article);
    buf_shrink(&l->article);
}

static void read_article(struct pull_link *l, struct buf *in)
{
    bool done = false;
    size_t n = wire_scan(&l->scan, buf_data(in), buf_len(in), &done);

    l->article_n += n;
    if (l->article_n <= l->article_most && !buf_reserve(&l->article, n)) {
        gone(l, "no memory for an article");
        return;
    }
    if (l->article_n <= l->article_most)
        buf_add(&l->article, buf_data(in), n);
    else
        buf_fini(&l->article);
    buf_drop(in, n);
    if (l->article_n > TOO_MUCH * l->article_most)
        gone(l, "an article without an end");
    else if (done)
        article_read(l);
}

static void on_data(struct pull_link *l)
{
    struct buf *in = stream_in(l->stream);

    while (!over(l) && !l->paused && buf_len(in) > 0) {
        if (l->state == STATE_ARTICLE)
            read_article(l, in);
        else if (l->state == STATE_CONNECTING || !read_line(l, in))
            break;
    }
}

/* ---- time ---- */

static bool waits(const struct pull_link *l)
{
    return l->state == STATE_CONNECTING || l->state == STATE_HELLO || l->state == STATE_QUIT || l->n_asked > 0 ||
           l->state == STATE_ROWS || l->state == STATE_ARTICLE;
}

void pull_link_tick(struct pull_link *l, int64_t now_us)
{
    int64_t most = (*l->conf)->reply_time_us * (l->state == STATE_ARTICLE ? ARTICLE_TIME : 1);
    char text[100];

    if (over(l) || l->paused || !waits(l) || now_us - l->heard_us <= most)
        return;
    snprintf(text, sizeof text, "no answer for %lld s", (long long)(most / 1000000));
    l->busy = true;
    gone(l, text);
    leave(l);
}

static void on_stream(struct stream *s, enum stream_event what, void *arg)
{
    struct pull_link *l = arg;

    l->busy = true;
    switch (what) {
    case STREAM_CONNECTED: connected(l); break;
    case STREAM_SECURE:
        if (l->hello.step == HELLO_STARTTLS)             /* else the banner comes now */
            greeting(l, 0, "");
        break;
    case STREAM_DATA:      on_data(l); break;
    case STREAM_DRAINED:   break;
    case STREAM_TIMEOUT:   break;                        /* pull_link_tick sees to it */
    case STREAM_CLOSED:    gone(l, l->state == STATE_QUIT ? "closed" : "it hung up"); break;
    case STREAM_FAILED:    gone(l, stream_reason(s)); break;
    }
    leave(l);
}

struct pull_link *pull_link_open(struct feeder *f, const struct conf_peer *const *conf, const struct net_addr *to,
                                 const struct net_addr *from, uint64_t article_most, link_fn *fn, void *arg,
                                 struct err *e)
{
    struct pull_link *l = xcalloc(1, sizeof *l);

    l->f = f;
    l->conf = conf;
    l->fn = fn;
    l->arg = arg;
    l->article_most = article_most;
    l->heard_us = clock_mono_us();
    net_text((const struct sockaddr *)&to->sa, l->address);
    l->stream = stream_connect(f->base, (const struct sockaddr *)&to->sa, to->len,
                               from != NULL ? (const struct sockaddr *)&from->sa : NULL, from != NULL ? from->len : 0,
                               on_stream, l, e);
    if (l->stream == NULL) {
        free(l);
        return NULL;
    }
    stream_set_in_most(l->stream, 256 << 10);
    return l;
}
