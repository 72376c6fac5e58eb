/* conn.c - one outgoing session.  See conn.h.
 *
 * A peer's reply is matched to the article by its Message-ID, wherever that
 * stands in the row; replies without one belong to the oldest.  Nothing that a
 * peer says can do more than end this connection.
 */
#include "feeder/conn.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define LINE_MOST      4096                /* a longer reply is no reply                 */
#define OUT_MOST       (1u << 20)          /* more waits until the peer has read         */
#define REPLY_US       (120 * INT64_C(1000000))
#define STRANGERS_MOST 50
#define SHARE          0.02                /* weight of one article in 'taken': the last 50 */
#define SKIP_CHECK     0.95
#define TAKE_CHECK     0.90

static void on_stream(struct stream *s, enum stream_event what, void *arg);

int reply_read(struct span line, struct span *id)
{
    int code = 0;
    struct span rest = line, word;

    id->p = NULL;
    id->n = 0;
    if (line.n < 3 || (line.n > 3 && line.p[3] != ' '))
        return -1;
    for (int i = 0; i < 3; i++) {
        if (line.p[i] < '0' || line.p[i] > '9')
            return -1;
        code = code * 10 + (line.p[i] - '0');
    }
    rest = span_from(line, 3);
    word = span_word(&rest);
    if (word.n >= 3 && word.p[0] == '<' && word.p[word.n - 1] == '>')
        *id = word;
    return code;
}

struct conn *conn_open(struct peer *p, const struct net_addr *to, const struct net_addr *from, struct err *e)
{
    struct conn *c = xcalloc(1, sizeof *c);

    c->peer = p;
    c->taken = 0.5;
    c->opened_us = c->busy_us = clock_mono_us();
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
    stream_set_timeout(c->stream, REPLY_US);
    return c;
}

void conn_close(struct conn *c, const char *why, bool trouble)
{
    struct work *w;

    while ((w = TAILQ_LAST(&c->away, works)) != NULL) {      /* last first: the oldest ends up in front */
        TAILQ_REMOVE(&c->away, w, in_conn);
        w->conn = NULL;
        peer_requeue(c->peer, w);
    }
    c->peer->n_away -= c->n_away;
    stream_free(&c->stream);
    peer_conn_gone(c->peer, c, why, trouble);
    free(c);
}

bool conn_ready(const struct conn *c)
{
    return c->state == CONN_STREAM || c->state == CONN_IHAVE;
}

void conn_quit(struct conn *c, const char *why)
{
    stream_puts(c->stream, "QUIT\r\n");
    c->state = CONN_CLOSING;
    log_msg(LOG_INFO, "%s: %s", c->peer->name, why);
}

/* ---- sending ---- */

static void take_away(struct conn *c, struct work *w)
{
    w->conn = c;
    TAILQ_INSERT_TAIL(&c->away, w, in_conn);
    c->n_away++;
    c->peer->n_away++;
    c->busy_us = clock_mono_us();
}

static void bring_back(struct conn *c, struct work *w)
{
    TAILQ_REMOVE(&c->away, w, in_conn);
    w->conn = NULL;
    c->n_away--;
    c->peer->n_away--;
    c->busy_us = clock_mono_us();
}

/* Write the article behind its command.  false: it cannot be read any more. */
static bool put_article(struct conn *c, const struct work *w)
{
    static struct buf scratch;             /* kept between articles: one thread, one buffer */
    static struct record_number numbers[RECORD_NUMBERS_MAX];
    struct record r;
    struct err e;

    buf_clear(&scratch);
    if (artlog_read(c->peer->f->log, &w->pos, &r, numbers, RECORD_NUMBERS_MAX, &scratch, &e) != 0) {
        log_msg(LOG_WARNING, "%s: record %llu is passed over: %s", c->peer->name, (unsigned long long)w->seq, e.text);
        return false;
    }
    if (c->state == CONN_STREAM)
        stream_printf(c->stream, "TAKETHIS %s\r\n", w->id);
    stream_write(c->stream, r.data.p, r.data.n);
    c->peer->n.bytes += r.data.n;
    if (scratch.cap > 4 << 20)
        buf_fini(&scratch);
    return true;
}

static void send_check(struct conn *c, struct work *w)
{
    char line[MSGID_MAX + 16];
    const char *verb = c->state == CONN_IHAVE ? "IHAVE " : "CHECK ";

    memcpy(line, verb, 6);
    memcpy(line + 6, w->id, w->id_n);
    memcpy(line + 6 + w->id_n, "\r\n", 2);
    stream_write(c->stream, line, 8u + w->id_n);
    w->state = WORK_CHECKED;
}

/* Send the article of a work in flight; one that has gone is settled. */
static void send_article(struct conn *c, struct work *w)
{
    if (put_article(c, w)) {
        w->state = WORK_SENT;
    } else {
        /* TAKETHIS was not begun; to IHAVE's 335 nothing can be said but an empty article */
        if (c->state == CONN_IHAVE)
            stream_puts(c->stream, ".\r\n");
        bring_back(c, w);
        peer_settle(c->peer, w);
    }
}

static void give_out(struct conn *c, struct work *w)
{
    take_away(c, w);
    c->peer->n.offered++;
    if (c->state == CONN_STREAM && c->no_check)
        send_article(c, w);
    else
        send_check(c, w);
}

void conn_work(struct conn *c)
{
    size_t window = c->state == CONN_IHAVE ? 1 : (size_t)c->peer->conf->window;
    struct work *w;

    if (!conn_ready(c))
        return;
    while (c->n_away < window && stream_out_len(c->stream) < OUT_MOST && (w = peer_next_work(c->peer)) != NULL)
        give_out(c, w);
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

static struct work *find_away(struct conn *c, struct span id)
{
    struct work *w;

    if (id.p == NULL)
        return TAILQ_FIRST(&c->away);
    TAILQ_FOREACH(w, &c->away, in_conn)
        if (w->id_n == id.n && memcmp(w->id, id.p, id.n) == 0)
            return w;
    return NULL;
}

static void settled(struct conn *c, struct work *w, uint64_t *count, bool wanted)
{
    ++*count;
    count_share(c, wanted);
    bring_back(c, w);
    peer_up(c->peer);
    peer_settle(c->peer, w);
}

static void deferred(struct conn *c, struct work *w)
{
    c->peer->n.deferred++;
    count_share(c, false);
    bring_back(c, w);
    peer_up(c->peer);
    peer_defer(c->peer, w);
}

/* A reply to an article in flight.  false: the connection was closed. */
static bool on_answer(struct conn *c, int code, struct span id, struct span line)
{
    struct work *w = find_away(c, id);
    struct peer_counts *n = &c->peer->n;
    char text[128];

    if (w == NULL) {
        n->garbage++;
        if (++c->strangers < STRANGERS_MOST)
            return true;
        conn_close(c, "it answers what was not asked", true);
        return false;
    }
    switch (code) {
    case 238: case 335:
        if (w->state == WORK_CHECKED) {
            send_article(c, w);
            return true;
        }
        break;
    case 438: case 435: settled(c, w, &n->refused, false); return true;
    case 239: case 235: settled(c, w, &n->accepted, true); return true;
    case 439: case 437: settled(c, w, &n->rejected, w->state == WORK_SENT && !c->no_check); return true;
    case 431: case 436: deferred(c, w); return true;
    default: break;
    }
    snprintf(text, sizeof text, "%.*s", (int)(line.n < 100 ? line.n : 100), line.p);
    bring_back(c, w);
    n->garbage++;
    peer_nonsense(c->peer, w, text);
    return true;
}

/* A reply that is about the connection.  Return 1: dealt with, 0: not such a one, -1: closed. */
static int on_session_reply(struct conn *c, int code, struct span line)
{
    char text[160];

    snprintf(text, sizeof text, "%.*s", (int)(line.n < 140 ? line.n : 140), line.p);
    if (code == 400 || code == 480 || code == 483 || code == 502 ||
        (c->state == CONN_BANNER && code != 200 && code != 201)) {
        conn_close(c, text, true);
        return -1;
    }
    if (c->state == CONN_BANNER) {
        if (c->peer->conf->streaming) {
            stream_puts(c->stream, "MODE STREAM\r\n");
            c->state = CONN_MODE;
        } else {
            c->state = CONN_IHAVE;
        }
        return 1;
    }
    if (c->state == CONN_MODE) {
        c->state = code == 203 ? CONN_STREAM : CONN_IHAVE;
        log_msg(LOG_INFO, "%s: connected to %s, %s", c->peer->name, c->address,
                code == 203 ? "streaming" : "IHAVE (no streaming there)");
        return 1;
    }
    return 0;
}

static bool on_line(struct conn *c, struct span line)
{
    struct span id;
    int code = reply_read(line, &id), rc;

    if (code < 0) {
        c->peer->n.garbage++;
        conn_close(c, "it says what is no NNTP reply", true);
        return false;
    }
    if (c->state == CONN_CLOSING) {
        conn_close(c, "closed", false);
        return false;
    }
    rc = on_session_reply(c, code, line);
    return rc == 1 || (rc == 0 && on_answer(c, code, id, line));
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
            c->peer->n.garbage++;
            conn_close(c, "a reply without an end", true);
            return;
        }
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (!on_line(c, line))
            return;
        buf_drop(in, used);
    }
    peer_run(c->peer);
}

static void on_stream(struct stream *s, enum stream_event what, void *arg)
{
    struct conn *c = arg;

    switch (what) {
    case STREAM_CONNECTED:
        c->state = CONN_BANNER;
        break;
    case STREAM_DATA:
        on_data(c);
        break;
    case STREAM_DRAINED:
        conn_work(c);
        break;
    case STREAM_TIMEOUT:
        /* an idle connection is the peer's business (peer_tick); a silent one is trouble */
        if (!conn_ready(c) || c->n_away > 0)
            conn_close(c, "no answer for 120 s", true);
        break;
    case STREAM_CLOSED:
        conn_close(c, c->state == CONN_CLOSING ? "closed" : "it hung up", c->state != CONN_CLOSING && c->n_away > 0);
        break;
    case STREAM_FAILED:
        conn_close(c, stream_reason(s), true);
        break;
    }
}
