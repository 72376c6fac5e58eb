/* door.c - the operator's door to feeder.  See door.h. */
#include "feeder/door.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "feeder/metrics.h"
#include "feeder/probe.h"
#include "feeder/pull.h"
#include "feeder/refeed.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/rpc.h"
#include "lib/stream.h"

#define CALLER_US (30 * INT64_C(1000000))
#define PROBES_MOST 8
#define NO_PEER "%s: no peer of that name with send = true or pull"
#define NO_SEND "%s: nothing is sent to that peer"

struct door {
    struct feeder *f;
    char *path;
    int fd;
    struct event *event, *again;
    int64_t said_us;              /* net_must_rest's */
    TAILQ_HEAD(, caller) callers;
    size_t n_probes;
};

struct caller {
    TAILQ_ENTRY(caller) link;
    struct door *door;
    struct stream *stream;
    struct probe *probe;          /* its answer is on its way */
    bool answered;
};

/* Who is meant: a peer that is sent to, one that is read from, or both in one. */
struct whom { struct peer *p; struct pull *pull; };

typedef void door_fn(struct door *d, struct whom who, char **word, struct buf *out);

static const char *number(char out[32], uint64_t v)
{
    snprintf(out, 32, "%" PRIu64, v);
    return out;
}

static const char *time_text(char out[40], int64_t us)
{
    time_t t = (time_t)(us / 1000000);
    struct tm tm;

    out[0] = '\0';
    if (us > 0)
        strftime(out, 40, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&t, &tm));
    return out;
}

static struct peer *find_peer(struct door *d, const char *name)
{
    for (size_t i = 0; i < d->f->n_peer; i++)
        if (strcmp(d->f->peer[i]->name, name) == 0)
            return d->f->peer[i];
    return NULL;
}

static struct pull *find_pull(struct door *d, const char *name)
{
    for (size_t i = 0; i < d->f->n_pull; i++)
        if (strcmp(pull_name(d->f->pull[i]), name) == 0)
            return d->f->pull[i];
    return NULL;
}

/* Those that are read from alone. */
static void list_pulls(struct door *d, struct buf *out)
{
    for (size_t i = 0; i < d->f->n_pull; i++) {
        const struct pull *p = d->f->pull[i];

        if (find_peer(d, pull_name(p)) == NULL)
            rpc_fields(out, "R", pull_name(p), pull_state_name(p), "", "", "", "", "", "", "", "", "", "", "",
                       pull_error(p), NULL);
    }
}

static void list_peers(struct door *d, struct whom unused, char **word, struct buf *out)
{
    (void)unused, (void)word;
    rpc_fields(out, "C", "peer", "state", "cursor", "lag", "offered", "accepted", "refused", "rejected", "deferred",
               "aside", "bytes", "connections", "since", "error", NULL);
    for (size_t i = 0; i < d->f->n_peer; i++) {
        const struct peer *p = d->f->peer[i];
        char v[10][32], since[40];

        rpc_fields(out, "R", p->name, peer_state(p), number(v[0], peer_settled_to(p)), number(v[1], peer_lag(p)),
                   number(v[2], p->n[N_OFFERED]), number(v[3], p->n[N_ACCEPTED]), number(v[4], p->n[N_REFUSED]),
                   number(v[5], p->n[N_REJECTED]), number(v[6], p->cursor.n_exc - peer_aside(p)),
                   number(v[7], peer_aside(p)), number(v[8], p->n[N_BYTES]), number(v[9], p->n_conns),
                   time_text(since, p->since_us), p->last_error, NULL);
    }
    list_pulls(d, out);
    rpc_ok(out, "%s", "");
}

static void fact(struct buf *out, const char *name, uint64_t v)
{
    char text[32];

    rpc_fields(out, "R", name, number(text, v), NULL);
}

static void when(struct buf *out, const char *name, int64_t us)
{
    char text[40];

    rpc_fields(out, "R", name, time_text(text, us), NULL);
}

static void show_exceptions(const struct peer *p, struct buf *out)
{
    for (size_t i = 0; i < p->cursor.n_exc && i < 100; i++) {
        const struct exception *x = &p->cursor.exc[i];
        char text[100], tries[30] = "";

        if (x->tries > 0)
            snprintf(tries, sizeof tries, ", after %u tries", x->tries);
        if (x->due_us == ASIDE)
            snprintf(text, sizeof text, "record %" PRIu64 "%s", x->seq, tries);
        else
            snprintf(text, sizeof text, "record %" PRIu64 ", again in %" PRId64 " s%s", x->seq,
                     x->due_us > clock_now_us() ? (x->due_us - clock_now_us()) / 1000000 : 0,
                     tries);
        rpc_fields(out, "R", x->due_us == ASIDE ? "set aside" : "deferred", text, NULL);
    }
}

static void show_health(const struct peer *p, struct buf *out)
{
    const struct health *h = &p->health;
    uint64_t looked_at = p->n[N_ACCEPTED] + p->n[N_REJECTED], answered = looked_at + p->n[N_REFUSED];
    char text[REASON_MOST + 20];

    if (answered > 0) {
        snprintf(text, sizeof text, "%.1f %%", 100.0 * (double)looked_at / (double)answered);
        rpc_fields(out, "R", "we were first with", text, NULL);
    }
    if (h->n_delays > 0) {
        snprintf(text, sizeof text, "%.3f s", (double)health_percentile(h, 0.5) / 1e6);
        rpc_fields(out, "R", "delay, median", text, NULL);
        snprintf(text, sizeof text, "%.3f s", (double)health_percentile(h, 0.99) / 1e6);
        rpc_fields(out, "R", "delay, 99 of 100", text, NULL);
    }
    for (size_t i = 0; i < h->n_reasons; i++) {
        snprintf(text, sizeof text, "rejected: %s", h->reason[i].text);
        fact(out, text, h->reason[i].n);
    }
    if (h->other_reasons > 0)
        fact(out, "rejected: other reasons", h->other_reasons);
    when(out, "dead since", p->dead_us);
}

static void show_not_wanted(const struct peer *p, struct buf *out)
{
    for (int i = OFFER_NO_GROUP; i < OFFER_NOT_ARTICLE; i++) {
        char name[100];

        snprintf(name, sizeof name, "not for it: %s", offer_words[i]);
        if (p->not_wanted[i] > 0)
            fact(out, name, p->not_wanted[i]);
    }
}

static void show_sending(const struct peer *p, struct buf *out)
{
    rpc_fields(out, "R", "state", peer_state(p), NULL);
    when(out, "since", p->since_us);
    fact(out, "connections", p->n_conns);
    fact(out, "in flight", p->n_away);
    fact(out, "cursor", peer_settled_to(p));
    fact(out, "lag", peer_lag(p));
    fact(out, "offered", p->n[N_OFFERED]);
    fact(out, "accepted", p->n[N_ACCEPTED]);
    fact(out, "refused", p->n[N_REFUSED]);
    fact(out, "rejected", p->n[N_REJECTED]);
    fact(out, "deferrals", p->n[N_DEFERRED]);
    fact(out, "deferred now", p->cursor.n_exc - peer_aside(p));
    fact(out, "set aside now", peer_aside(p));
    fact(out, "gone before they were sent", p->n[N_GONE]);
    fact(out, "bytes", p->n[N_BYTES]);
    fact(out, "answers without sense", p->n[N_GARBAGE]);
    show_not_wanted(p, out);
    show_health(p, out);
    rpc_fields(out, "R", "last error", p->last_error, NULL);
    when(out, "last error at", p->last_error_us);
    fact(out, "next try in s", p->n_conns == 0 && p->next_try_us > clock_mono_us() ?
                               (uint64_t)(p->next_try_us - clock_mono_us()) / 1000000 + 1 : 0);
    show_exceptions(p, out);
}

static void show_peer(struct door *d, struct whom who, char **word, struct buf *out)
{
    (void)d;
    rpc_fields(out, "C", "name", "value", NULL);
    rpc_fields(out, "R", "peer", word[-1], NULL);
    rpc_fields(out, "R", "connect", who.p != NULL ? who.p->conf->connect : pull_block(who.pull)->connect, NULL);
    if (who.p != NULL)
        show_sending(who.p, out);
    if (who.pull != NULL)
        pull_show(who.pull, out);
    rpc_ok(out, "%s", "");
}

static void flush_peer(struct door *d, struct whom who, char **word, struct buf *out)
{
    (void)d;
    if (who.p != NULL)
        peer_flush(who.p);
    if (who.pull != NULL)
        pull_flush(who.pull);
    rpc_ok(out, "%s: trying now", word[-1]);
}

static void set_paused(struct whom who, bool paused)
{
    if (who.p != NULL)
        peer_pause(who.p, paused);
    if (who.pull != NULL)
        pull_pause(who.pull, paused);
}

static void pause_peer(struct door *d, struct whom who, char **word, struct buf *out)
{
    (void)d;
    set_paused(who, true);
    rpc_ok(out, "%s: paused until resumed, or until feeder is started again", word[-1]);
}

static void resume_peer(struct door *d, struct whom who, char **word, struct buf *out)
{
    (void)d;
    set_paused(who, false);
    rpc_ok(out, "%s: goes on", word[-1]);
}

static void refeed_peer(struct door *d, struct whom who, char **word, struct buf *out)
{
    struct peer *p = who.p;
    struct refeed r;
    struct err e;

    if (p == NULL) {
        rpc_error(out, NO_SEND, word[-1]);
        return;
    }
    if (refeed_read(&r, word, clock_now_us(), d->f->log, &e) != 0) {
        rpc_error(out, "%s", e.text);
        return;
    }
    peer_refeed(p, r.seq, r.groups);
    rpc_ok(out, "%s: offered again from record %" PRIu64 " on%s%s", p->name, peer_settled_to(p),
           r.groups != NULL ? ", in " : "", r.groups != NULL ? r.groups : "");
}

/* ---- why a peer did or did not get an article ---- */

static void why_one(struct door *d, struct peer *p, const struct record *r, struct buf *out)
{
    struct buf says = { 0 };
    enum offer_why why = offer_explain(d->f->offer, p->index, r, &says);
    char place[100];

    peer_place(p, r, place, sizeof place);
    buf_add(&says, "", 1);
    rpc_fields(out, "R", p->name, why == OFFER_YES ? "yes" : "no", buf_data(&says), place, NULL);
    buf_fini(&says);
}

/* "peer why SEQUENCE [NAME]": what the rules in force say of the record, and where each peer is with it. */
static void why(struct door *d, struct whom unused, char **word, struct buf *out)
{
    struct peer *only = word[1] != NULL ? find_peer(d, word[1]) : NULL;
    struct log_reader *reader = NULL;
    struct err e = { 0 };
    struct log_pos pos;
    struct record r;
    uint64_t seq;
    int rc;

    (void)unused;
    if (word[1] != NULL && only == NULL) {
        rpc_error(out, NO_PEER, word[1]);
        return;
    }
    if (span_u64(span_of(word[0]), &seq) != 0 || seq == 0) {
        rpc_error(out, "%s: a sequence number is wanted (newsctl log list)", word[0]);
        return;
    }
    reader = log_reader_new(d->f->log, seq);
    if ((rc = log_reader_next(reader, &r, &pos, &e)) != 1 || r.seq != seq) {
        rpc_error(out, "record %s: %s", word[0], rc < 0 ? e.text : "not in the log");
    } else {
        rpc_fields(out, "C", "peer", "wanted", "why", "where", NULL);
        for (size_t i = 0; i < d->f->n_peer; i++)
            if (only == NULL || only == d->f->peer[i])
                why_one(d, d->f->peer[i], &r, out);
        rpc_ok(out, "%s", "");
    }
    log_reader_free(&reader);
}

static void show_status(struct door *d, struct whom unused, char **word, struct buf *out)
{
    uint64_t n[N_COUNTS] = { 0 }, conns = 0, away = 0, behind = 0;

    (void)unused, (void)word;
    for (size_t i = 0; i < d->f->n_peer; i++) {
        const struct peer *p = d->f->peer[i];

        for (int k = 0; k < N_COUNTS; k++)
            n[k] += p->n[k];
        conns += p->n_conns;
        away += p->n_away;
        behind = peer_lag(p) > behind ? peer_lag(p) : behind;
    }
    rpc_fields(out, "C", "name", "value", NULL);
    when(out, "since", d->f->started_us);
    fact(out, "read up to", d->f->live - 1);
    fact(out, "peers", d->f->n_peer);
    fact(out, "connections", conns);
    fact(out, "in flight", away);
    fact(out, "largest lag", behind);
    fact(out, "offered", n[N_OFFERED]);
    fact(out, "accepted", n[N_ACCEPTED]);
    fact(out, "refused", n[N_REFUSED]);
    fact(out, "rejected", n[N_REJECTED]);
    fact(out, "deferrals", n[N_DEFERRED]);
    fact(out, "bytes", n[N_BYTES]);
    rpc_ok(out, "%s", "");
}

static void show_metrics(struct door *d, struct whom unused, char **word, struct buf *out)
{
    struct buf text = { 0 };
    struct span rest, line;

    (void)unused, (void)word;
    metrics_write(d->f, &text);
    rest = buf_span(&text);
    while (rest.n > 0 && span_next(&rest, '\n', &line))
        if (line.n > 0)
            rpc_text(out, "%.*s", SPAN_F(line));
    buf_fini(&text);
    rpc_ok(out, "%s", "");
}

static const struct { const char *verb; door_fn *run; bool peer; size_t least, most; } commands[] = {
    { "list", list_peers, false, 0, 0 },  { "show", show_peer, true, 0, 0 },     { "flush", flush_peer, true, 0, 0 },
    { "pause", pause_peer, true, 0, 0 },  { "resume", resume_peer, true, 0, 0 }, { "refeed", refeed_peer, true, 1, 4 },
    { "why", why, false, 1, 2 },          { "status", show_status, false, 0, 0 },
    { "metrics", show_metrics, false, 0, 0 },
};

/* "peer VERB [NAME [WORD...]]" */
static void answer(struct door *d, char **w, size_t n, struct buf *out)
{
    for (size_t i = 0; n >= 2 && strcmp(w[0], "peer") == 0 && i < sizeof commands / sizeof *commands; i++) {
        size_t first = 2 + (size_t)commands[i].peer;
        struct whom who = { NULL, NULL };

        if (strcmp(commands[i].verb, w[1]) != 0)
            continue;
        if (commands[i].peer && n > 2)
            who = (struct whom){ find_peer(d, w[2]), find_pull(d, w[2]) };
        if (n < first + commands[i].least || n > first + commands[i].most)
            rpc_error(out, "peer %s: wrong number of arguments", w[1]);
        else if (commands[i].peer && who.p == NULL && who.pull == NULL)
            rpc_error(out, NO_PEER, w[2]);
        else
            commands[i].run(d, who, w + first, out);
        return;
    }
    rpc_error(out, "no such command");
}

/* ---- a test of a peer: the one answer that takes its time ---- */

static void on_probe(struct span lines, bool last, void *arg)
{
    struct caller *c = arg;

    stream_write(c->stream, lines.p, lines.n);
    if (!last)
        return;
    c->probe = NULL;
    c->door->n_probes--;
    c->answered = true;
    stream_set_timeout(c->stream, CALLER_US);
    stream_finish(c->stream);
}

static const struct conf_peer *find_conf(struct door *d, const char *name)
{
    for (size_t i = 0; i < d->f->conf->n_peer; i++)
        if (strcmp(d->f->conf->peer[i].name, name) == 0)
            return &d->f->conf->peer[i];
    return NULL;
}

/* "peer test NAME": of any peer of the configuration.  false: it is another command, or answered. */
static bool begin_probe(struct caller *c, char **w, size_t n, struct buf *out)
{
    const struct conf_peer *p;

    if (n < 2 || strcmp(w[0], "peer") != 0 || strcmp(w[1], "test") != 0)
        return false;
    if (n != 3) {
        rpc_error(out, "peer test: wrong number of arguments");
    } else if ((p = find_conf(c->door, w[2])) == NULL) {
        rpc_error(out, "%s: no peer of that name (in the configuration that was read last)", w[2]);
    } else if (c->door->n_probes >= PROBES_MOST) {
        rpc_error(out, "%d tests are under way; try again in a moment", PROBES_MOST);
    } else {
        c->door->n_probes++;
        stream_set_timeout(c->stream, 0);            /* the probe has its own */
        c->probe = probe_new(c->door->f, p, on_probe, c);
        return true;
    }
    return false;
}

static void caller_free(struct caller *c)
{
    c->door->n_probes -= c->probe != NULL;
    probe_free(&c->probe);
    TAILQ_REMOVE(&c->door->callers, c, link);
    stream_free(&c->stream);
    free(c);
}

static void on_caller(struct stream *s, enum stream_event what, void *arg)
{
    struct caller *c = arg;
    struct buf *in = stream_in(s), out = { 0 };
    char *nl, *words[RPC_WORDS_MAX + 1];
    size_t n;

    if (what == STREAM_DRAINED)
        return;
    if (what != STREAM_DATA || c->answered || c->probe != NULL || buf_len(in) > RPC_LINE_MAX) {
        if (what != STREAM_DATA || !c->answered)
            caller_free(c);
        return;
    }
    if ((nl = memchr(buf_data(in), '\n', buf_len(in))) == NULL)
        return;
    n = rpc_split(buf_data(in), (size_t)(nl - buf_data(in)), words, RPC_WORDS_MAX);
    words[n] = NULL;
    if (begin_probe(c, words, n, &out)) {
        buf_drop(in, buf_len(in));
        return;
    }
    if (buf_len(&out) == 0)
        answer(c->door, words, n, &out);
    stream_write(s, buf_data(&out), buf_len(&out));
    buf_fini(&out);
    buf_drop(in, buf_len(in));
    c->answered = true;
    stream_finish(s);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    struct door *d = arg;

    (void)fd, (void)what;
    event_add(d->event, NULL);
}

static void rest(struct door *d)
{
    static const struct timeval pause = { .tv_sec = NET_REST_MS / 1000 };

    event_del(d->event);
    event_add(d->again, &pause);
}

static void on_listen(evutil_socket_t fd, short what, void *arg)
{
    struct door *d = arg;
    struct caller *c;
    int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)what;
    if (got < 0) {
        if (net_must_rest("feeder.sock", errno, &d->said_us))
            rest(d);
        return;
    }
    c = xcalloc(1, sizeof *c);
    c->door = d;
    TAILQ_INSERT_TAIL(&d->callers, c, link);
    c->stream = stream_socket(d->f->base, got, on_caller, c);
    stream_set_timeout(c->stream, CALLER_US);
}

struct door *door_open(struct feeder *f, const char *path, struct err *e)
{
    struct door *d = xcalloc(1, sizeof *d);

    d->f = f;
    if ((d->fd = net_listen_unix(path, 0660, e)) < 0) {
        free(d);
        return NULL;
    }
    d->path = xstrdup(path);
    TAILQ_INIT(&d->callers);
    d->event = event_new(f->base, d->fd, EV_READ | EV_PERSIST, on_listen, d);
    d->again = evtimer_new(f->base, on_again, d);
    event_add(d->event, NULL);
    return d;
}

void door_close(struct door **door)
{
    struct door *d = *door;
    struct caller *c;

    if (d == NULL)
        return;
    while ((c = TAILQ_FIRST(&d->callers)) != NULL)
        caller_free(c);
    event_free(d->event);
    event_free(d->again);
    close(d->fd);
    unlink(d->path);
    free(d->path);
    free(d);
    *door = NULL;
}
