/* control_pull.c - the feeder's way in, for what it has pulled from a peer.
 *
 * "pull NAME" does not end with an answer: it begins a dialogue, which lasts
 * until the feeder closes the connection.  First we say
 *     R ready <octets of the largest article>
 * and from then on the feeder asks, and need not wait (TAG is its own, a word):
 *     carry TAG GROUP...           R carry TAG 011   1: articles in it may be taken
 *     have  TAG MESSAGE-ID...      R have TAG 101    1: not met yet
 *     take  TAG MESSAGE-ID SIZE    and SIZE octets, an article in wire form; when all is done:
 *                                  R take TAG stored|known|refused|later <verdict> <sentence>
 * "stored" is said when the article is durable (invariant I1); "later" is our own
 * trouble: the article is to be brought again.  ER ends the dialogue.
 *
 * Articles go through intake as if the peer NAME had sent them by TAKETHIS, a
 * window of them at once, in an event loop of this thread's own (as import has).
 */
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "article/wire.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/rpc.h"
#include "lib/stream.h"
#include "nntpd/control_int.h"

#define TAG_MOST   32
#define AWAY_MOST  128                     /* articles being stored; beyond it nothing is read */
#define LOOK_US    200000                  /* how often: is the site closing?                  */
#define NO_PEER    "no peer of that name with pull"
#define TAKE_MOST  (UINT64_C(1) << 31)     /* what article-max can be, and dots                */

struct pulling {
    struct request      *r;
    const struct conf   *conf;             /* in force when last looked at; the next two are its */
    struct intake_rules *rules;
    const struct conf_peer *peer;
    char                *source;
    struct event_base   *base;
    struct mailbox      *home;
    struct stream       *stream;
    struct buf           out;
    unsigned             away;             /* articles on their way                            */
    bool                 over;             /* nobody listens any more                          */

    /* "take" whose article is being read */
    bool        reading, too_big;
    char        tag[TAG_MOST + 1], id[MSGID_MAX + 1];
    uint64_t    left, size;
    struct buf  article;
};

struct pulled {
    struct pulling *p;
    char            tag[TAG_MOST + 1];
};

/* ---- answers ---- */

static void send_out(struct pulling *p)
{
    if (p->stream != NULL)
        stream_write(p->stream, buf_data(&p->out), buf_len(&p->out));
    buf_clear(&p->out);
}

static void end(struct pulling *p, const char *why)
{
    if (p->over)
        return;
    rpc_error(&p->out, "%s", why);
    send_out(p);
    p->over = true;
}

static const char *fate(enum verdict v)
{
    switch (v) {
    case V_STORED:    return "stored";
    case V_DUPLICATE: return "known";
    case V_LATER:
    case V_BUSY:
    case V_STOPPING:  return "later";
    default:          return "refused";
    }
}

static void say_taken(struct pulling *p, const char *tag, enum verdict v, const char *text)
{
    rpc_fields(&p->out, "R", "take", tag, fate(v), verdict_row(v)->name, text, NULL);
    send_out(p);
}

/* ---- questions ---- */

static bool carries(struct pulling *p, struct span group)
{
    const struct conf_site *site = &nntpd_conf(p->r->n)->site;
    const struct group *g = group_find(store_groups(nntpd_store(p->r->n)), group);

    return g != NULL ? atomic_load(&g->flag) != 'x' : site->unknown_groups == CONF_UNKNOWN_JUNK;
}

/* false: history cannot tell. */
static bool is_new(struct pulling *p, struct span id, bool *new)
{
    struct store *s = nntpd_store(p->r->n);
    struct msgid_key key = msgid_key(store_key(s), id);
    struct err e = { 0 };

    switch (his_look(store_history(s), &key, NULL, &e)) {
    case HIS_NEW:
        *new = true;
        return true;
    case HIS_SEEN:
        *new = false;
        return true;
    default:
        end(p, e.text);
        return false;
    }
}

static void on_question(struct pulling *p, char **word, size_t n, bool ids)
{
    char bits[RPC_WORDS_MAX + 1];
    size_t k = 0;

    for (size_t i = 2; i < n; i++) {
        bool yes = false;

        if (ids && !is_new(p, span_of(word[i]), &yes))
            return;
        if (!ids)
            yes = carries(p, span_of(word[i]));
        bits[k++] = yes ? '1' : '0';
    }
    bits[k] = '\0';
    rpc_fields(&p->out, "R", word[0], word[1], bits, NULL);
    send_out(p);
}

/* ---- articles ---- */

static void on_stored(struct intake *in, void *user)
{
    struct pulled *a = user;
    struct pulling *p = a->p;

    say_taken(p, a->tag, intake_verdict(in), intake_text(in));
    intake_free(&in);
    free(a);
    p->away--;
    if (p->stream != NULL && !p->over && p->away < AWAY_MOST)
        stream_pause(p->stream, false);
}

static void take(struct pulling *p)
{
    struct intake_sender from = { .source = p->source, .address = p->peer->connect, .peer = &p->peer, .n_peer = 1 };
    struct pulled *a = xcalloc(1, sizeof *a);
    size_t n;
    char *bytes = buf_steal(&p->article, &n);

    a->p = p;
    memcpy(a->tag, p->tag, sizeof a->tag);
    p->away++;
    intake_run(intake_new(nntpd_store(p->r->n), p->rules, NULL, p->home, WAY_TAKETHIS, &from, bytes, n, n,
                          span_of(p->id), NULL, on_stored, a));
}

/* One whole block, or it would mix with what follows when it is read. */
static bool is_block(struct span bytes)
{
    struct wire_scan w = { 0 };
    bool done = false;

    return wire_scan(&w, bytes.p, bytes.n, &done) == bytes.n && done;
}

/* All its octets have come. */
static void take_read(struct pulling *p)
{
    p->reading = false;
    if (p->too_big)
        say_taken(p, p->tag, V_TOO_BIG, "larger than article-max");
    else if (!is_block(buf_span(&p->article)))
        end(p, "take: not an article in wire form");
    else
        take(p);
    buf_fini(&p->article);
}

static void read_article(struct pulling *p, struct buf *in)
{
    size_t n = buf_len(in) < p->left ? buf_len(in) : (size_t)p->left;

    if (!p->too_big && !buf_reserve(&p->article, n)) {
        end(p, "no memory for an article");
        return;
    }
    if (!p->too_big)
        buf_add(&p->article, buf_data(in), n);
    buf_drop(in, n);
    p->left -= n;
    if (p->left == 0)
        take_read(p);
}

static const struct conf_peer *find_peer(const struct conf *c, const char *name)
{
    for (size_t i = 0; i < c->n_peer; i++)
        if (strcmp(c->peer[i].name, name) == 0 && c->peer[i].pull.n > 0)
            return &c->peer[i];
    return NULL;
}

/* A dialogue may last for hours: what a reload has changed holds for the next article. */
static bool look_at_conf(struct pulling *p)
{
    const struct conf *now = nntpd_conf(p->r->n);

    if (now == p->conf)
        return true;
    p->conf = now;
    intake_rules_unref(&p->rules);
    p->rules = nntpd_rules(p->r->n);
    p->peer = find_peer(now, p->r->word[0]);
    return p->peer != NULL;
}

static void on_take(struct pulling *p, char **word, size_t n)
{
    uint64_t size;

    if (!look_at_conf(p)) {
        end(p, NO_PEER);
        return;
    }
    if (n != 4 || strlen(word[1]) > TAG_MOST || strlen(word[2]) > MSGID_MAX ||
        span_u64(span_of(word[3]), &size) != 0 || size == 0 || size > TAKE_MOST) {
        end(p, "take: TAG, MESSAGE-ID and SIZE are wanted");
        return;
    }
    p->reading = true;
    p->left = p->size = size;
    p->too_big = size > p->conf->site.article_max;
    strcpy(p->tag, word[1]);
    strcpy(p->id, word[2]);
}

/* ---- the connection ---- */

static void on_line(struct pulling *p, char *line, size_t n)
{
    char *word[RPC_WORDS_MAX];
    size_t words = rpc_split(line, n, word, RPC_WORDS_MAX);

    if (words >= 3 && strcmp(word[0], "have") == 0)
        on_question(p, word, words, true);
    else if (words >= 3 && strcmp(word[0], "carry") == 0)
        on_question(p, word, words, false);
    else if (words >= 1 && strcmp(word[0], "take") == 0)
        on_take(p, word, words);
    else
        end(p, "no such question");
}

static void on_data(struct pulling *p)
{
    struct buf *in = stream_in(p->stream);
    char *nl;

    while (!p->over && p->away < AWAY_MOST && buf_len(in) > 0) {
        if (p->reading) {
            read_article(p, in);
            continue;
        }
        if ((nl = memchr(buf_data(in), '\n', buf_len(in))) == NULL) {
            if (buf_len(in) > RPC_LINE_MAX)
                end(p, "a line without an end");
            return;
        }
        size_t n = (size_t)(nl - buf_data(in));

        on_line(p, buf_data(in), n);
        buf_drop(in, n + 1);
    }
    if (p->away >= AWAY_MOST)
        stream_pause(p->stream, true);
}

static void on_stream(struct stream *s, enum stream_event what, void *arg)
{
    struct pulling *p = arg;

    (void)s;
    if (what == STREAM_DATA)
        on_data(p);
    else if (what != STREAM_DRAINED)
        p->over = true;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct pulling *p = arg;

    (void)fd, (void)what;
    if (atomic_load(p->r->closing))
        end(p, "the site is closing");
}

/* Until nobody listens any more, and all that is on its way has come home. */
static void talk(struct pulling *p)
{
    struct timeval tv = { .tv_usec = LOOK_US };
    struct event *look = event_new(p->base, -1, EV_PERSIST, on_look, p);
    char most[32];

    event_add(look, &tv);
    snprintf(most, sizeof most, "%llu", (unsigned long long)nntpd_conf(p->r->n)->site.article_max);
    rpc_fields(&p->out, "R", "ready", most, NULL);
    send_out(p);
    while (!p->over || p->away > 0)
        event_base_loop(p->base, EVLOOP_ONCE);
    event_base_loop(p->base, EVLOOP_NONBLOCK);         /* the last words leave at a turn's end */
    event_free(look);
}

/* What a dialogue needs of the system; false: not all of it is to be had now. */
static bool begin(struct pulling *p)
{
    int fd = fcntl(p->r->fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return false;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || (p->base = loop_try()) == NULL ||
        (p->home = mailbox_try(p->base)) == NULL) {
        close(fd);
        return false;
    }
    p->stream = stream_socket(p->base, fd, on_stream, p);
    stream_set_in_most(p->stream, 256 << 10);
    return true;
}

static void fini(struct pulling *p)
{
    if (p->stream != NULL)
        stream_free(&p->stream);
    mailbox_free(&p->home);
    if (p->base != NULL)
        event_base_free(p->base);
    intake_rules_unref(&p->rules);
    buf_fini(&p->article);
    buf_fini(&p->out);
    free(p->source);
}

void control_pull(struct request *r)
{
    struct pulling p = { .r = r };

    if (r->closing == NULL || !look_at_conf(&p)) {
        rpc_error(&r->out, "%s: " NO_PEER, r->word[0]);
    } else if (!begin(&p)) {
        rpc_error(&r->out, "pull: no descriptor to be had");
    } else {
        p.source = xasprintf("pull %s", p.peer->name);
        talk(&p);
    }
    fini(&p);
}
