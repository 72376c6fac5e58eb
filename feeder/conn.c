/* conn.c - one outgoing session.  See conn.h.
 *
 * A peer's reply is matched to the article by its Message-ID, in whatever order
 * replies come; what a code means stands in reply.c.  Nothing that a peer says,
 * or does not say, can do more than end this connection.
 */
#include "feeder/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feeder/peer_conns.h"
#include "feeder/post_form.h"
#include "feeder/reply.h"
#include "feeder/shelf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define LINE_MOST      4096                /* a longer reply is no reply                 */
#define OUT_MOST       (1u << 20)          /* more waits until the peer has read         */
#define OUT_LOW        (256u << 10)
#define CONNECT_US     (30 * INT64_C(1000000))
#define QUIT_US        (5 * INT64_C(1000000))
#define STRANGERS_MOST 50
#define QUOTE_MOST     160
#define WINDOW_FIRST   16
#define WINDOW_LEAST   4
#define SHARE          0.02                /* weight of one article in 'taken': the last 50 */
#define SKIP_CHECK     0.95
#define TAKE_CHECK     0.90

static void on_stream(struct stream *s, enum stream_event what, void *arg);

struct conn *conn_open(struct peer *p, const struct net_addr *to, const struct net_addr *from, struct err *e)
{
    struct conn *c = xcalloc(1, sizeof *c);

    c->peer = p;
    c->taken = 0.5;
    c->window = WINDOW_FIRST < p->conf->window ? WINDOW_FIRST : (size_t)p->conf->window;
    c->opened_us = c->busy_us = c->heard_us = clock_mono_us();
    TAILQ_INIT(&c->away);
    net_text((const struct sockaddr *)&to->sa, c->address);
    c->stream = stream_connect(p->f->base, (const struct sockaddr *)&to->sa, to->len,
                               from != NULL ? (const struct sockaddr *)&from->sa : NULL,
                               from != NULL ? from->len : 0, on_stream, c, e);
    if (c->stream == NULL) {
        free(c);
        return NULL;
    }
    stream_set_in_most(c->stream, 256 << 10);
    stream_set_marks(c->stream, OUT_LOW, OUT_MOST - 1);
    stream_set_timeout(c->stream, p->conf->reply_time_us);
    return c;
}

void conn_close(struct conn *c, const char *why, bool trouble)
{
    struct work *w, *owed = trouble ? TAILQ_FIRST(&c->away) : NULL;

    while ((w = TAILQ_LAST(&c->away, works)) != NULL) {      /* last first: the oldest ends up in front */
        TAILQ_REMOVE(&c->away, w, link);
        if (w == owed)
            peer_suspect(c->peer, w, why);
        else
            peer_requeue(c->peer, w);
    }
    c->peer->n_away -= c->n_away;
    stream_free(&c->stream);
    peer_conn_gone(c->peer, c, why, trouble);
    free(c);
}

bool conn_ready(const struct conn *c)
{
    return c->state == CONN_STREAM || c->state == CONN_IHAVE || c->state == CONN_POST;
}

void conn_quit(struct conn *c, const char *why)
{
    stream_puts(c->stream, "QUIT\r\n");
    c->state = CONN_CLOSING;
    c->opened_us = clock_mono_us();
    log_msg(LOG_INFO, "%s: connection to %s: %s", c->peer->name, c->address, why);
}

static void count(struct conn *c, enum peer_count what, uint64_t n)
{
    c->n[what] += n;
    c->peer->n[what] += n;
}

/* ---- sending ---- */

static void bring_back(struct conn *c, struct work *w)
{
    TAILQ_REMOVE(&c->away, w, link);
    c->n_away--;
    c->peer->n_away--;
    c->busy_us = clock_mono_us();
}

/* A command about the work was written: it is the last in the row. */
static void said(struct conn *c, struct work *w, enum work_state state)
{
    w->state = state;
    w->said_us = c->busy_us = clock_mono_us();
    w->said_at = c->answers;
    if (TAILQ_LAST(&c->away, works) != w) {
        TAILQ_REMOVE(&c->away, w, link);
        TAILQ_INSERT_TAIL(&c->away, w, link);
    }
}

static void say(struct conn *c, const char *verb, const struct work *w)
{
    char line[MSGID_MAX + 16];
    size_t n = strlen(verb);

    memcpy(line, verb, n);
    memcpy(line + n, w->id, w->id_n);
    memcpy(line + n + w->id_n, "\r\n", 2);
    stream_write(c->stream, line, n + w->id_n + 2);
}

/* After 335 or 340 something must come: an empty article, whatever is said to it. */
static void send_void(struct conn *c, struct work *w, enum work_state state)
{
    stream_puts(c->stream, ".\r\n");
    said(c, w, state);
}

/* The article has gone since the log was read. */
static void send_gone(struct conn *c, struct work *w)
{
    count(c, N_GONE, 1);
    if (c->state != CONN_STREAM) {
        send_void(c, w, WORK_VOID);
    } else {
        bring_back(c, w);
        peer_settle(c->peer, w);
    }
}

/* Our own trouble is "later", never "no". */
static void send_unreadable(struct conn *c, struct work *w, const char *why)
{
    peer_error(c->peer, why);
    log_msg(LOG_WARNING, "%s: record %llu is put off: %s", c->peer->name, (unsigned long long)w->seq, why);
    if (c->state != CONN_STREAM) {
        send_void(c, w, WORK_VOID_LATER);
    } else {
        bring_back(c, w);
        peer_defer(c->peer, w);
    }
}

/* As a newsreader sends it: that it was injected here is not told. */
static void write_post(struct conn *c, struct span article)
{
    struct buf form = { 0 };
    size_t n;
    char *p;

    post_form(&form, article);
    p = buf_steal(&form, &n);
    stream_give(c->stream, p, n);
}

static void send_article(struct conn *c, struct work *w)
{
    struct record r;
    struct err e;

    switch (shelf_get(c->peer->f->shelf, &w->pos, w->seq, &r, &e)) {
    case SHELF_READ:
        if (c->state == CONN_STREAM)
            say(c, "TAKETHIS ", w);
        if (c->state == CONN_POST)
            write_post(c, r.data);
        else
            stream_write(c->stream, r.data.p, r.data.n);
        count(c, N_BYTES, r.data.n);
        said(c, w, WORK_SENT);
        break;
    case SHELF_GONE:
        send_gone(c, w);
        break;
    case SHELF_FAILED:
        send_unreadable(c, w, e.text);
        break;
    }
}

/* The peer wants it: now, or when it has read what is on its way. */
static void on_wanted(struct conn *c, struct work *w)
{
    if (stream_out_len(c->stream) < OUT_MOST) {
        send_article(c, w);
        return;
    }
    said(c, w, WORK_WANTED);
    c->n_wanted++;
}

static void send_wanted(struct conn *c)
{
    struct work *w, *next;

    for (w = TAILQ_FIRST(&c->away); w != NULL && c->n_wanted > 0 && stream_out_len(c->stream) < OUT_MOST; w = next) {
        next = TAILQ_NEXT(w, link);
        if (w->state != WORK_WANTED)
            continue;
        c->n_wanted--;
        send_article(c, w);
    }
}

static void give_out(struct conn *c, struct work *w)
{
    TAILQ_INSERT_TAIL(&c->away, w, link);
    c->n_away++;
    c->peer->n_away++;
    count(c, N_OFFERED, 1);
    if (c->state == CONN_STREAM && c->no_check) {
        send_article(c, w);
        return;
    }
    if (c->state == CONN_POST)
        stream_puts(c->stream, "POST\r\n");
    else
        say(c, c->state == CONN_IHAVE ? "IHAVE " : "CHECK ", w);
    said(c, w, WORK_ASKED);
}

void conn_work(struct conn *c)
{
    size_t window = c->state == CONN_STREAM ? c->window : 1;
    struct work *w;

    if (!conn_ready(c))
        return;
    send_wanted(c);
    while (c->n_away < window && stream_out_len(c->stream) < OUT_MOST && (w = peer_next_work(c->peer)) != NULL)
        give_out(c, w);
    c->was_full |= c->n_away >= window;
}

/* ---- hearing ---- */

static void count_share(struct conn *c, bool wanted)
{
    c->taken += SHARE * ((wanted ? 1.0 : 0.0) - c->taken);
    if (c->taken >= SKIP_CHECK)
        c->no_check = true;
    else if (c->taken < TAKE_CHECK)
        c->no_check = false;
}

/* A window's worth of answers has come: is there more to be had from a larger one? */
static void count_window(struct conn *c, bool later)
{
    size_t most = (size_t)c->peer->conf->window;

    if (c->answers - c->window_at < c->window || (!later && !c->was_full))
        return;
    c->window_at = c->answers;
    c->was_full = false;
    if (later)
        c->window = c->window / 2 > WINDOW_LEAST ? c->window / 2 : WINDOW_LEAST;
    else
        c->window *= 2;
    if (c->window > most)
        c->window = most;
}

static struct work *find_away(struct conn *c, struct span id)
{
    struct work *w;

    if (id.p == NULL)
        return TAILQ_FIRST(&c->away);
    TAILQ_FOREACH(w, &c->away, link)
        if (w->id_n == id.n && memcmp(w->id, id.p, id.n) == 0)
            return w;
    return NULL;
}

static void settled(struct conn *c, struct work *w, enum peer_count what)
{
    count(c, what, 1);
    /* without CHECK, 439 is also what a peer says that has it (RFC 4644 2.5) */
    count_share(c, what == N_ACCEPTED || (what == N_REJECTED && !c->no_check));
    bring_back(c, w);
    peer_up(c->peer);
    peer_settle(c->peer, w);
}

static void deferred(struct conn *c, struct work *w)
{
    count(c, N_DEFERRED, 1);
    count_share(c, false);
    bring_back(c, w);
    peer_up(c->peer);
    peer_defer(c->peer, w);
}

static void nonsense(struct conn *c, struct work *w, const char *text)
{
    count(c, N_GARBAGE, 1);
    c->n_wanted -= w->state == WORK_WANTED;
    bring_back(c, w);
    peer_nonsense(c->peer, w, text);
}

/* The answer to an empty article. */
static void end_void(struct conn *c, struct work *w)
{
    bool later = w->state == WORK_VOID_LATER;

    bring_back(c, w);
    if (later)
        peer_defer(c->peer, w);
    else
        peer_settle(c->peer, w);
}

/* As much of the line as stands in a log or behind "last error". */
static const char *quote(struct span line, char out[QUOTE_MOST])
{
    snprintf(out, QUOTE_MOST, "%.*s", (int)(line.n < QUOTE_MOST - 1 ? line.n : QUOTE_MOST - 1), line.p);
    return out;
}

/* A reply to nothing that is in flight.  false: the connection was closed. */
static bool on_stranger(struct conn *c)
{
    count(c, N_GARBAGE, 1);
    if (++c->strangers < STRANGERS_MOST)
        return true;
    conn_close(c, "it keeps answering what was not asked", true);
    return false;
}

static enum reply meaning(const struct conn *c, int code, struct span line, const struct work *w)
{
    return c->state == CONN_POST ? post_meaning(code, line, w->state == WORK_SENT)
                                 : reply_meaning(code, c->state == CONN_STREAM, w->state == WORK_SENT);
}

/* A post that the other server will not have: nobody gets it by another way, so somebody should look. */
static void rejected_post(struct conn *c, struct work *w, const char *text)
{
    count(c, N_REJECTED, 1);
    bring_back(c, w);
    peer_set_aside(c->peer, w, text);
}

/* A reply to an article in flight.  false: the connection was closed. */
static bool on_answer(struct conn *c, int code, struct span id, struct span line)
{
    bool streaming = c->state == CONN_STREAM;
    struct work *w = find_away(c, c->state == CONN_POST ? (struct span){ NULL, 0 } : id);
    char text[QUOTE_MOST];
    enum reply r;

    if (w == NULL)
        return on_stranger(c);
    c->answers++;
    count_window(c, meaning(c, code, line, w) == REPLY_LATER);
    if (w->state == WORK_VOID || w->state == WORK_VOID_LATER) {
        end_void(c, w);
        return true;
    }
    r = w->state == WORK_WANTED ? REPLY_NONSENSE : meaning(c, code, line, w);
    if (id.p == NULL && reply_needs_id(r, streaming)) {
        conn_close(c, "a reply without the Message-ID", true);
        return false;
    }
    switch (r) {
    case REPLY_SEND:     on_wanted(c, w); break;
    case REPLY_ACCEPTED:
        health_delay(&c->peer->health, clock_now_us() - w->arrived_us);
        settled(c, w, N_ACCEPTED);
        break;
    case REPLY_REFUSED:  settled(c, w, N_REFUSED); break;
    case REPLY_REJECTED:
        health_reason(&c->peer->health, line);
        if (c->state == CONN_POST)
            rejected_post(c, w, quote(line, text));
        else
            settled(c, w, N_REJECTED);
        break;
    case REPLY_LATER:    deferred(c, w); break;
    case REPLY_GOODBYE:
    case REPLY_NONSENSE: nonsense(c, w, quote(line, text)); break;
    }
    return true;
}

/* Before the first article a "no" is to the step alone: others know the way on (hello.h). */
static bool is_goodbye(const struct conn *c, int code)
{
    if (code == 400 || !conn_ready(c))
        return code == 400;
    return (c->state == CONN_POST ? post_meaning(code, SPAN(""), false) : reply_meaning(code, false, false)) == REPLY_GOODBYE;
}

/* To one article 500 may be a fault of the peer; to the next one, too: it streams no more, and is asked anew. */
static bool streams_no_more(struct conn *c, int code)
{
    bool again = c->unknown;

    c->unknown = c->state == CONN_STREAM && code == 500;
    return c->unknown && again;
}

/* false: the connection was closed. */
static bool on_line(struct conn *c, struct span line)
{
    struct span id;
    char text[QUOTE_MOST];
    int code = reply_read(line, &id);

    c->heard_us = clock_mono_us();
    if (code < 0) {
        count(c, N_GARBAGE, 1);
        conn_close(c, "it says what is no reply", true);
        return false;
    }
    if (c->state == CONN_CLOSING) {
        conn_close(c, "closed", false);
        return false;
    }
    if (is_goodbye(c, code) || streams_no_more(c, code)) {
        /* 400 to an idle connection is its right */
        conn_close(c, quote(line, text), code != 400 || !conn_ready(c) || c->n_away > 0);
        return false;
    }
    return conn_ready(c) ? on_answer(c, code, id, line) : conn_greeting(c, code, quote(line, text));
}

/* What follows the line may belong to a layer that begins with it: the line leaves first. */
static bool on_early_line(struct conn *c, struct span line, size_t used)
{
    char text[LINE_MOST];

    memcpy(text, line.p, line.n);
    buf_drop(stream_in(c->stream), used);
    return on_line(c, (struct span){ text, line.n });
}

static void on_data(struct conn *c)
{
    struct buf *in = stream_in(c->stream);

    while (buf_len(in) > 0) {
        const char *p = buf_data(in), *nl = memchr(p, '\n', buf_len(in));
        struct span line = { p, nl != NULL ? (size_t)(nl - p) : 0 };
        size_t used = line.n + 1;

        if (nl == NULL && buf_len(in) < LINE_MOST)
            break;
        if (nl == NULL || line.n >= LINE_MOST) {
            count(c, N_GARBAGE, 1);
            conn_close(c, "a reply without an end", true);
            return;
        }
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (conn_ready(c)) {
            if (!on_line(c, line))
                return;
            buf_drop(in, used);
        } else if (!on_early_line(c, line, used)) {
            return;
        }
    }
    peer_run(c->peer);
}

/* ---- time ---- */

static void too_silent(struct conn *c)
{
    char text[100];

    snprintf(text, sizeof text, "no answer for %lld s", (long long)(c->peer->conf->reply_time_us / 1000000));
    conn_close(c, text, true);
}

void conn_tick(struct conn *c, int64_t now_us)
{
    int64_t most = c->peer->conf->reply_time_us;
    struct work *w = TAILQ_FIRST(&c->away);

    if (c->state == CONN_CLOSING && now_us - c->opened_us > QUIT_US) {
        conn_close(c, "closed", false);       /* its 205 is not worth waiting for */
        return;
    }
    if (!conn_ready(c)) {
        if (now_us - c->opened_us > (c->state == CONN_CONNECTING && CONNECT_US < most ? CONNECT_US : most))
            too_silent(c);
        return;
    }
    if (w == NULL || w->state == WORK_WANTED || now_us - w->said_us <= most)
        return;
    if (stream_out_len(c->stream) == 0 && now_us - c->heard_us > most) {
        too_silent(c);
    } else if (c->answers - w->said_at > 2 * (uint64_t)c->peer->conf->window) {
        /* later ones were answered, this one never */
        nonsense(c, w, "no answer to this one, though to later ones");
        conn_close(c, "an article was never answered", true);
    }
}

static void on_stream(struct stream *s, enum stream_event what, void *arg)
{
    struct conn *c = arg;

    switch (what) {
    case STREAM_CONNECTED:
        (void)conn_connected(c);
        break;
    case STREAM_SECURE:
        (void)conn_secured(c);
        break;
    case STREAM_DATA:
        on_data(c);
        break;
    case STREAM_DRAINED:
        conn_work(c);
        break;
    case STREAM_TIMEOUT:
        /* an idle connection is the peer's business (peer_conns_tick); a silent one is trouble */
        if (!conn_ready(c) || c->n_away > 0)
            too_silent(c);
        break;
    case STREAM_CLOSED:
        conn_close(c, c->state == CONN_CLOSING ? "closed" : "it hung up",
                   c->state != CONN_CLOSING && (!conn_ready(c) || c->n_away > 0));
        break;
    case STREAM_FAILED:
        conn_close(c, stream_reason(s), c->state != CONN_CLOSING);
        break;
    }
}
