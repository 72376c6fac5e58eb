/* pull.c - whatever a server says to one that reads from it as a newsreader: the
 * run ends, and the feeder goes on.
 *
 * The first octet chooses the peer's block and what our
 * nntpd makes of articles.  The rest is what the server says, a piece each time
 * a command has come (otherend.h).
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "feeder/pull_int.h"
#include "lib/log.h"
#include "lib/net.h"
#include "tests/fuzz/otherend.h"
#include "tests/kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TURNS_MOST 200000                 /* of the loop: more than that is no end   */

static const char text[] =
    "site \"fuzz.example\" { directory = \"%s\" run-directory = \"%s\" article-max = 65536 post-max = 32768 }\n"
    "listen \"127.0.0.1:1119\" { }\n"
    "peer \"plain\" { address = \"192.0.2.1\" connect = \"127.0.0.1:%u\" pull = { \"misc.test\", \"misc.other\" } }\n"
    "peer \"listed\" { address = \"192.0.2.2\" connect = \"127.0.0.1:%u\" pull = { \"*\", \"!not.*\" } pull-first = 5 }\n"
    "peer \"known\" { address = \"192.0.2.3\" connect = \"127.0.0.1:%u\" pull = { \"misc.*\" } login-as = \"me\"\n"
    "  login-password = \"secret\" cleartext-login = true compress = true }\n"
    "peer \"tls\" { address = \"192.0.2.4\" connect = \"127.0.0.1:%u\" pull = { \"*\" } tls = \"starttls\" }\n";

static struct feeder f;
static int doors[2];                      /* the server's, nntpd's                   */
static struct stream *home;
static size_t taking;                     /* octets of an article that are to come home */
static unsigned fates;

static void close_all(void)
{
    event_base_free(f.base);
    mailbox_free(&f.home);
    conf_free(&f.conf);
}

static void open_all(void)
{
    struct buf errors = { 0 };
    struct net_addr a;
    struct err e;
    unsigned port;
    char *filled;

    quick_disk();
    need(net_literal("127.0.0.1", 0, &a) == 0);
    doors[0] = net_listen(&a, 16, &e);
    doors[1] = net_listen_unix(kit_path("control.sock"), 0600, &e);
    need(doors[0] >= 0 && doors[1] >= 0);
    port = net_bound(doors[0]);
    filled = xasprintf(text, kit_dir(), kit_dir(), port, port, port, port);
    if ((f.conf = conf_read_text("fuzz", filled, &errors)) == NULL)
        die(1, "%.*s", SPAN_F(buf_span(&errors)));
    free(filled);
    (void)log_open("fuzz", LOG_ERROR, "/dev/null", &e);
    f.base = event_base_new();
    f.home = mailbox_new(f.base);
    atexit(close_all);
}

/* ---- the server ---- */

static void on_server(struct stream *s, enum stream_event what, void *arg)
{
    struct buf *in = stream_in(s);

    (void)arg;
    if (what == STREAM_CLOSED || what == STREAM_FAILED) {
        stream_free(&other);
        return;
    }
    for (char *nl; buf_len(in) > 0 && (nl = memchr(buf_data(in), '\n', buf_len(in))) != NULL;) {
        need(nl > buf_data(in) && nl[-1] == '\r' && nl - buf_data(in) < PULL_COMMAND_MOST);
        buf_drop(in, (size_t)(nl - buf_data(in)) + 1);
        say();
    }
}

/* ---- our nntpd ---- */

static void answer(char **word, size_t n)
{
    static const char *const fate[4] = { "stored", "known", "refused", "later" };
    struct buf out = { 0 };
    char bits[RPC_WORDS_MAX + 1] = "";

    if (strcmp(word[0], "pull") == 0) {
        rpc_fields(&out, "R", "ready", "65536", NULL);
    } else if (strcmp(word[0], "take") == 0) {
        taking = (size_t)strtoul(word[3], NULL, 10);
        need(n == 4 && taking <= 65536);
        rpc_fields(&out, "R", "take", word[1], fate[fates % 4], "name", "a sentence", NULL);
    } else {
        for (size_t i = 2; i < n; i++)
            bits[i - 2] = (word[i][0] + word[i][strlen(word[i]) - 1] + (int)fates) % 8 == 0 ? '0' : '1';
        rpc_fields(&out, "R", word[0], word[1], bits, NULL);
    }
    fates = fates * 5 + 1;
    stream_write(home, buf_data(&out), buf_len(&out));
    buf_fini(&out);
}

static void on_home(struct stream *s, enum stream_event what, void *arg)
{
    struct buf *in = stream_in(s);
    char *nl, *word[RPC_WORDS_MAX];

    (void)arg;
    if (what == STREAM_CLOSED || what == STREAM_FAILED) {
        stream_free(&home);
        return;
    }
    while (buf_len(in) > 0) {
        size_t k = taking < buf_len(in) ? taking : buf_len(in), n;

        buf_drop(in, k);
        taking -= k;
        if (buf_len(in) == 0 || (nl = memchr(buf_data(in), '\n', buf_len(in))) == NULL)
            return;
        n = (size_t)(nl - buf_data(in));
        answer(word, rpc_split(buf_data(in), n, word, RPC_WORDS_MAX));
        buf_drop(in, n + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct conf_peer *conf;
    struct pull *p;
    struct buf shown = { 0 };

    if (f.base == NULL)
        open_all();
    if (size == 0)
        return 0;
    conf = &f.conf->peer[data[0] % f.conf->n_peer];
    fates = data[0] / 4;
    says = (struct span){ (const char *)data + 1, size - 1 };
    taking = 0;
    (void)unlink(kit_path("feeder/%s.pull", conf->name));
    p = pull_new(&f, conf);
    pull_flush(p);
    pull_tick(p);
    for (int i = 0; p->run != NULL; i++) {
        need(i < TURNS_MOST);
        if (let_in(f.base, doors[0], &other, on_server))
            say();
        (void)let_in(f.base, doors[1], &home, on_home);
        event_base_loop(f.base, EVLOOP_NONBLOCK);
        if (i % 100 == 99 && other != NULL)
            hang_up();                     /* nobody asks for a long time */
    }
    need(p->runs == 1);
    pull_show(p, &shown);
    buf_fini(&shown);
    pull_free(&p);
    for (int i = 0; other != NULL || home != NULL; i++) {
        need(i < TURNS_MOST);
        event_base_loop(f.base, EVLOOP_NONBLOCK);
    }
    return 0;
}
