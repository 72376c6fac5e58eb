/* probe_talk.c - what a probe says to a peer: hello.h's steps, then what feeder
 * never says. */
#include <stdio.h>
#include <string.h>

#include "feeder/probe_int.h"
#include "feeder/reply.h"
#include "lib/deflate.h"
#include "lib/mem.h"
#include "lib/tls.h"

#define LINE_MOST  4096
#define LINES_MOST 1000                        /* of a block          */
#define WORDS_MOST 600                         /* kept of it          */
#define QUIT_US    (2 * INT64_C(1000000))

const char *probe_step(const struct probe *p)
{
    static const char *const hello[] = { "banner", "reader", "starttls", "login", "login", "login", "compress", "stream", "stream" };
    static const char *const others[] = { "names", "connect", "", "help", "capabilities", "quit" };

    return p->stage == PROBE_HELLO ? hello[p->hello.step] : others[p->stage];
}

/* ---- behind the greeting ---- */

static void say(struct probe *p, enum probe_stage stage, const char *line)
{
    p->stage = stage;
    p->in_block = false;
    p->block_lines = 0;
    buf_clear(&p->words);
    stream_puts(p->stream, line);
}

static void say_quit(struct probe *p)
{
    stream_set_timeout(p->stream, QUIT_US);
    say(p, PROBE_QUIT, "QUIT\r\n");
}

static void greeted(struct probe *p, const char *as)
{
    struct tls_facts f;

    tls_facts(p->stream, &f);
    snprintf(p->summary, sizeof p->summary, "%s%s%s%s", as, f.on ? " over " : ", in clear",
             f.on ? f.protocol : "", deflate_on(p->stream) ? ", compressed" : "");
    if (p->freshet)
        say(p, PROBE_HELP, "HELP\r\n");
    else
        say(p, PROBE_CAPABILITIES, "CAPABILITIES\r\n");
}

static void keep(struct probe *p, struct span s, const char *between)
{
    if (buf_len(&p->words) + s.n > WORDS_MOST)
        return;
    if (buf_len(&p->words) > 0)
        buf_puts(&p->words, between);
    buf_add_span(&p->words, s);
}

static void block_line(struct probe *p, struct span line)
{
    line = span_trim(line);
    if (p->stage == PROBE_CAPABILITIES) {
        p->takes |= span_eq(line, SPAN("IHAVE")) || span_eq(line, SPAN("STREAMING"));
        keep(p, line, ", ");
    } else if (span_starts(line, SPAN("You are ")))
        keep(p, line, "; ");
}

/* false: the probe has gone. */
static bool block_end(struct probe *p)
{
    bool help = p->stage == PROBE_HELP;
    char text[PROBE_SAYS];

    probe_quote(buf_span(&p->words), text);
    if (help && buf_len(&p->words) == 0)
        probe_row(p, "to it we are", PROBE_NOTE, "no peer that may send articles, as far as it says");
    else
        probe_row(p, help ? "to it we are" : "capabilities", PROBE_OK, "%s", text);
    if (help) {
        say(p, PROBE_CAPABILITIES, "CAPABILITIES\r\n");
    } else if (p->sends && !p->takes) {
        probe_fail(p, "may we send", "it lets us in, but not as a peer: it has neither IHAVE nor STREAMING for us (its side needs a block "
                   "that knows us, by our address or login)");
        return false;
    } else {
        say_quit(p);
    }
    return true;
}

/* A line of an answer to HELP or CAPABILITIES.  false: the probe has gone. */
static bool on_block(struct probe *p, struct span line)
{
    char text[PROBE_SAYS];
    int code;

    if (!p->in_block) {
        code = reply_read(line, &(struct span){ 0 });
        if (code == (p->stage == PROBE_HELP ? 100 : 101)) {
            p->in_block = true;
            return true;
        }
        probe_row(p, probe_step(p), PROBE_NOTE, "%s", probe_quote(line, text));
        if (p->stage == PROBE_HELP)
            say(p, PROBE_CAPABILITIES, "CAPABILITIES\r\n");
        else
            say_quit(p);
    } else if (line.n == 1 && line.p[0] == '.') {
        return block_end(p);
    } else if (++p->block_lines > LINES_MOST) {
        probe_row(p, probe_step(p), PROBE_NOTE, "the answer has no end");
        probe_done(p);
        return false;
    } else {
        block_line(p, line);
    }
    return true;
}

/* ---- the greeting ---- */

static bool begin_tls(struct probe *p)
{
    struct tls_want want = { .verify = TLS_VERIFY_LOOK, .name = p->host };
    struct err e = { .text = "TLS is not to be had here: feeder's log says why" };
    struct tls *tls = p->show_certificate ? p->f->tls : p->f->tls_bare;

    if (tls != NULL && tls_begin_client(p->stream, tls, &want, &e) == 0)
        return true;
    probe_fail(p, "tls", "%s", e.text);
    return false;
}

/* What the reply to 'step' says to the operator.  false: it was the end. */
static bool told(struct probe *p, enum hello_step step, const char *name, int code, enum hello_do what, const char *line)
{
    if (what == HELLO_REFUSED) {
        if (step == HELLO_BANNER && code == 502)
            probe_fail(p, name, "%s (it does not know us, or not from this address of ours)", line);
        else
            probe_fail(p, name, "%s", line);
        return false;
    }
    if ((step == HELLO_SASL && code != 281) || (step == HELLO_COMPRESS && code != 206) || (step == HELLO_STREAM && code != 203))
        probe_row(p, name, PROBE_NOTE, "%s (%s)", line, step == HELLO_SASL ? "the older login is tried" :
                  step == HELLO_COMPRESS ? "it goes on without" : "articles will go by IHAVE");
    else if (code != 381)
        probe_row(p, name, PROBE_OK, "%s", line);
    return true;
}

static bool act(struct probe *p, enum hello_do what, struct buf *out)
{
    switch (what) {
    case HELLO_SAY:
        stream_write(p->stream, buf_data(out), buf_len(out));
        return true;
    case HELLO_TLS:
        return begin_tls(p);
    case HELLO_DEFLATE:
        deflate_granted(p->stream);
        buf_clear(out);
        return act(p, hello_goes_on(&p->hello, out), out);
    case HELLO_STREAMING:
        p->takes = true;
        greeted(p, "streaming");
        return true;
    case HELLO_IHAVE:
        greeted(p, "IHAVE");
        return true;
    case HELLO_READS:
        greeted(p, "as a newsreader");
        return true;
    case HELLO_CLEARTEXT:
        probe_fail(p, "login", "our password does not go out without TLS (cleartext-login = true allows it)");
        return false;
    case HELLO_REFUSED:
        break;
    }
    bug("a step of the greeting");
}

static bool on_reply(struct probe *p, struct span line)
{
    enum hello_step step = p->hello.step;
    const char *name = probe_step(p);
    struct buf out = { 0 };
    char text[PROBE_SAYS];
    enum hello_do what;
    int code = reply_read(line, &(struct span){ 0 });
    bool goes_on;

    probe_quote(line, text);
    if (code < 0) {
        probe_fail(p, name, "what came is no reply: \"%s\"", text);
        return false;
    }
    p->freshet |= step == HELLO_BANNER && strstr(text, " Freshet ") != NULL;
    what = hello_reply(&p->hello, code, &out);
    goes_on = told(p, step, name, code, what, text) && act(p, what, &out);
    if (buf_len(&out) > 0)
        explicit_bzero(buf_data(&out), buf_len(&out));          /* it may have held a password */
    buf_fini(&out);
    return goes_on;
}

static void on_secure(struct probe *p)
{
    struct buf out = { 0 };
    char why[PROBE_SAYS];

    if (!probe_tell_tls(p, why)) {
        probe_fail(p, "certificate", "%s", why);
        return;
    }
    if (p->hello.step == HELLO_STARTTLS)         /* else the banner comes now */
        (void)act(p, hello_goes_on(&p->hello, &out), &out);
    if (buf_len(&out) > 0)
        explicit_bzero(buf_data(&out), buf_len(&out));
    buf_fini(&out);
}

/* ---- events ---- */

static void on_connected(struct probe *p)
{
    struct sockaddr_storage own = { 0 };
    socklen_t n = sizeof own;
    char at[NET_TEXT_MAX], from[NET_TEXT_MAX] = "?";
    const struct sockaddr *to = (const struct sockaddr *)&p->to[p->at_to].sa;

    if (getsockname(stream_fd(p->stream), (struct sockaddr *)&own, &n) == 0)
        net_text((const struct sockaddr *)&own, from);
    probe_row(p, "connect", PROBE_OK, "%s port %u, from our address %s", net_text(to, at), net_port(to), from);
    p->stage = PROBE_HELLO;
    hello_begin(&p->hello, &p->wants);
    if (p->wants.encrypted)
        (void)begin_tls(p);
}

/* false: the probe has gone. */
static bool on_line(struct probe *p, struct span line)
{
    switch (p->stage) {
    case PROBE_HELLO:
        return on_reply(p, line);
    case PROBE_HELP:
    case PROBE_CAPABILITIES:
        return on_block(p, line);
    case PROBE_QUIT:
        probe_done(p);
        return false;
    case PROBE_ASKING: case PROBE_CONNECTING:
        break;
    }
    bug("a line before the connection");
}

static void on_data(struct probe *p)
{
    struct stream *s = p->stream;
    char line[LINE_MOST];

    for (struct buf *in = stream_in(s); buf_len(in) > 0;) {
        const char *data = buf_data(in), *nl = memchr(data, '\n', buf_len(in));
        size_t n = nl != NULL ? (size_t)(nl - data) : buf_len(in);

        if (n >= sizeof line) {
            probe_fail(p, probe_step(p), "a line without an end");
            return;
        }
        if (nl == NULL)
            return;
        memcpy(line, data, n);                   /* what follows may belong to a layer */
        buf_drop(in, n + 1);
        n -= n > 0 && line[n - 1] == '\r';
        if (!on_line(p, (struct span){ line, n }))
            return;
    }
}

/* The connection is over, for this reason. */
static void on_end(struct probe *p, const char *why)
{
    switch (p->stage) {
    case PROBE_CONNECTING:
        probe_next_address(p, why);
        return;
    case PROBE_HELP:
    case PROBE_CAPABILITIES:
        probe_row(p, probe_step(p), PROBE_NOTE, "%s (some do at this command; articles are sent without it)", why);
        probe_done(p);
        return;
    case PROBE_QUIT:
        probe_done(p);
        return;
    case PROBE_ASKING: case PROBE_HELLO:
        probe_fail(p, p->hello.step == HELLO_BANNER && p->wants.encrypted ? "tls" : probe_step(p), "%s", why);
        return;
    }
}

void probe_on_stream(struct stream *s, enum stream_event what, void *arg)
{
    struct probe *p = arg;

    switch (what) {
    case STREAM_CONNECTED: on_connected(p); break;
    case STREAM_SECURE:    on_secure(p); break;
    case STREAM_DATA:      on_data(p); break;
    case STREAM_DRAINED:   break;
    case STREAM_TIMEOUT:   on_end(p, "it does not answer"); break;
    case STREAM_CLOSED:    on_end(p, "it hung up"); break;
    case STREAM_FAILED:    on_end(p, stream_reason(s)); break;
    }
}
