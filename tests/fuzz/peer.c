/* peer.c - whatever a peer answers to one who feeds it: the connection ends, what was not
 * answered stays to be offered, and the cursor is written.
 *
 * The first octet chooses the peer's block.  The rest is what the peer says, a piece each time a
 * command or an article has come (otherend.h).
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "feeder/peer.h"
#include "feeder/peer_work.h"
#include "feeder/shelf.h"
#include "lib/log.h"
#include "lib/net.h"
#include "nntpd/session.h"
#include "tests/fuzz/otherend.h"
#include "tests/kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TURNS_MOST 20000                  /* of the loop: more than that is no end                */
#define ARTICLES   12
#define PEERS      3                      /* that are sent to: all but the first of the blocks         */

static const char text[] =
    "site \"fuzz.example\" { directory = \"%s\" cache = 16M age-max = 0 }\n"
    "listen \"127.0.0.1:1119\" { }\n"
    "peer \"source\" { address = { \"127.0.0.1\" } accept = true }\n"
    "peer \"plain\" { address = \"192.0.2.1\" connect = \"127.0.0.1:%u\" send = true connections = 1 }\n"
    "peer \"known\" { address = \"192.0.2.2\" connect = \"127.0.0.1:%u\" send = true connections = 1 window = 3\n"
    "  login-as = \"me\" login-password = \"secret\" cleartext-login = true compress = true }\n"
    "peer \"many\" { address = \"192.0.2.3\" connect = \"127.0.0.1:%u\" send = true connections = 1 window = 100 groups = { \"misc.*\" } }\n";

static struct feeder f;
static int door;
static bool in_article;

/* ---- the log: what nntpd makes of some articles ---- */

static void gone(struct session *s, void *arg)
{
    (void)s;
    *(bool *)arg = true;
}

static void take_articles(struct house *h)
{
    struct stream *st = stream_memory(h->base, NULL, NULL);
    struct net_addr from;
    bool ended = false;
    struct buf b = { 0 };

    need(net_literal("127.0.0.1", 4000, &from) == 0);
    (void)session_new(h, st, (struct sockaddr *)&from.sa, gone, &ended);
    for (int i = 1; i <= ARTICLES; i++)
        buf_printf(&b, "TAKETHIS <%d@x.example>\r\nPath: source!not-for-mail\r\nFrom: a@b.example\r\nNewsgroups: misc.test\r\n"
                   "Subject: s\r\nDate: Wed, 1 Jan 2020 10:00:00 +0000\r\nMessage-ID: <%d@x.example>\r\n\r\n..body\r\n.\r\n", i, i);
    buf_puts(&b, "QUIT\r\n");
    stream_feed(st, buf_span(&b));
    while (!ended)
        event_base_loop(h->base, EVLOOP_ONCE);
    buf_fini(&b);
}

static void make_log(struct conf *conf)
{
    struct group_facts g = { .flag = 'y', .created_us = 1, .name = SPAN("misc.test"), .creator = SPAN("fuzz"), .low = 1 };
    struct store_options o = { .directory = conf->site.directory, .site = conf->site.name, .cache_bytes = 4 << 20,
                               .segment_bytes = conf->site.segment_bytes, .queue_bytes = conf->site.queue_bytes,
                               .fsync = FSYNC_NEVER, .claim_us = 1000000 };
    struct house h = { .conf = conf };
    struct submission *sub;
    struct err e;

    if ((h.store = store_open(&o, NULL, NULL, &e)) == NULL)
        die(1, "%s", e.text);
    h.rules = intake_rules_new(conf);
    h.lane = lane_new("disk", 1);
    h.base = event_base_new();
    h.home = mailbox_new(h.base);
    sub = submission_group(h.store, &g);
    need(store_commit_wait(h.store, sub) == COMMIT_STORED);
    submission_free(&sub);
    take_articles(&h);
    need(artlog_published(store_log(h.store)) >= ARTICLES);
    lane_free(&h.lane);
    store_close(&h.store);
    mailbox_free(&h.home);
    event_base_free(h.base);
    intake_rules_unref(&h.rules);
    house_fini(&h);
}

/* ---- the feeder ---- */

static void close_all(void)
{
    work_free_spare(&f);
    offer_free(&f.offer);
    shelf_free(&f.shelf);
    artlog_close(&f.log);
    mailbox_free(&f.home);
    event_base_free(f.base);
    conf_free(&f.conf);
}

static void open_log_and_shelf(void)
{
    const char *dir = kit_path("log");
    struct artlog_options o = { .dir = dir, .segment_bytes = f.conf->site.segment_bytes };
    struct err e;

    if ((f.log = artlog_open(&o, &e)) == NULL)
        die(1, "%s", e.text);
    f.shelf = shelf_new(f.log);
    f.offer = offer_new(f.conf);
    f.live = artlog_published(f.log) + 1;
    f.begin = 1;
    f.certain = true;
    TAILQ_INIT(&f.spare);
}

static void open_all(void)
{
    struct buf errors = { 0 };
    struct net_addr a;
    struct err e;
    unsigned port;
    char *filled;

    need(net_literal("127.0.0.1", 0, &a) == 0 && (door = net_listen(&a, 16, &e)) >= 0);
    port = net_bound(door);
    filled = xasprintf(text, kit_dir(), port, port, port);
    if ((f.conf = conf_read_text("fuzz", filled, &errors)) == NULL)
        die(1, "%.*s", SPAN_F(buf_span(&errors)));
    free(filled);
    (void)log_open("fuzz", LOG_ERROR, "/dev/null", &e);
    make_log(f.conf);
    quick_disk();
    f.base = event_base_new();
    f.home = mailbox_new(f.base);
    open_log_and_shelf();
    atexit(close_all);
}

/* ---- the peer ---- */

/* After its 335 it waits for the article. */
static void speak(void)
{
    in_article = span_starts(says, SPAN("335"));
    say();
}

/* What we say is lines; an article ends as one does. */
static void on_theirs(struct stream *s, enum stream_event what, void *arg)
{
    struct buf *in = stream_in(s);

    (void)arg;
    if (what == STREAM_CLOSED || what == STREAM_FAILED) {
        stream_free(&other);
        return;
    }
    for (char *nl; buf_len(in) > 0 && (nl = memchr(buf_data(in), '\n', buf_len(in))) != NULL;) {
        struct span line = { buf_data(in), (size_t)(nl - buf_data(in)) + 1 };

        if (in_article)
            in_article = !span_eq(line, SPAN(".\r\n"));
        else
            in_article = span_starts(line, SPAN("TAKETHIS "));
        buf_drop(in, line.n);
        if (!in_article)
            speak();
    }
}

/* Every article is settled, an exception, or still before the cursor: none has got lost. */
static void check(struct peer *p)
{
    uint64_t settled = p->n[N_ACCEPTED] + p->n[N_REFUSED] + p->n[N_REJECTED] + p->n[N_GONE];

    need(peer_settled_to(p) <= f.live && p->cursor.n_exc <= ARTICLES);
    need(peer_settled_to(p) != f.live || settled + p->cursor.n_exc >= ARTICLES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct conf_peer *conf;
    struct peer *p;
    struct err e;

    if (f.base == NULL)
        open_all();
    if (size == 0)
        return 0;
    conf = &f.conf->peer[data[0] % PEERS + 1];
    says = (struct span){ (const char *)data + 1, size - 1 };
    (void)unlink(kit_path("feeder/%s.state", conf->name));
    f.peer = &p;
    p = peer_new(&f, conf, data[0] % PEERS);
    f.n_peer = 1;
    peer_run(p);
    for (int i = 0; i < 20 || other != NULL || p->n_conns > 0; i++) {
        need(i < TURNS_MOST);
        if (let_in(f.base, door, &other, on_theirs))
            speak();
        event_base_loop(f.base, EVLOOP_NONBLOCK);
        if (i % 100 == 99 && other != NULL)
            hang_up();                     /* nobody asks for a long time */
    }
    check(p);
    peer_stop(p);
    need(peer_save(p, &e) == 0);
    peer_free(&p);
    f.n_peer = 0;
    return 0;
}
