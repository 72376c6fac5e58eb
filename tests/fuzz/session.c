/* Whatever bytes a client sends: a session on a real store answers and ends.
 *
 * The first byte says in pieces of which size the rest arrives.  The client is
 * a peer, a reader and a poster at once.  Articles that the bytes hold are
 * stored, so a run goes on with what earlier inputs left.
 */
#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "nntpd/session.h"
#include "tests/kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
    "site \"fuzz.example\" { directory = \"%s\" log-level = \"error\" article-max = 65536 post-max = 32768 }\n"
    "listen \"127.0.0.1:1119\" { }\n"
    "peer \"friend.example\" { address = { \"127.0.0.1\" } accept = true }\n"
    "access \"all\" { from = { \"*\" } read = { \"*\", \"!hidden.*\" } post = { \"*\" } newnews = true }\n";

static struct conf *conf;
static struct house house;

static void add_group(const char *name, char flag)
{
    struct group_facts f = { .flag = flag, .created_us = 1, .name = span_of(name), .creator = SPAN("fuzz"), .low = 1 };
    struct submission *sub = submission_group(house.store, &f);

    need(store_commit_wait(house.store, sub) == COMMIT_STORED);
    submission_free(&sub);
}

static void close_all(void)
{
    lane_free(&house.lane);
    store_close(&house.store);
    mailbox_free(&house.home);
    event_base_free(house.base);
    intake_rules_unref(&house.rules);
    house_fini(&house);
    conf_free(&conf);
}

static void open_all(void)
{
    struct buf errors = { 0 };
    char *filled = xasprintf(text, kit_dir());
    struct store_options o;
    struct err e;

    (void)log_open("fuzz", LOG_ERROR, "/dev/null", &e);
    if ((conf = conf_read_text("fuzz", filled, &errors)) == NULL)
        die(1, "%.*s", SPAN_F(buf_span(&errors)));
    free(filled);
    o = (struct store_options){ .directory = conf->site.directory, .site = conf->site.name,
                                .segment_bytes = conf->site.segment_bytes, .cache_bytes = 4 << 20,
                                .queue_bytes = conf->site.queue_bytes, .fsync = FSYNC_NEVER, .claim_us = 1000000 };
    if ((house.store = store_open(&o, NULL, NULL, &e)) == NULL)
        die(1, "%s", e.text);
    house.conf = conf;
    house.rules = intake_rules_new(conf);
    house.lane = lane_new("disk", 1);
    house.base = event_base_new();
    house.home = mailbox_new(house.base);
    add_group("misc.test", 'y');
    add_group("misc.moderated", 'm');
    add_group("hidden.group", 'y');
    atexit(close_all);
}

static void gone(struct session *s, void *arg)
{
    (void)s;
    *(bool *)arg = true;
}

/* Every reply is a line that ends in CRLF, and the first is the greeting. */
static void check_output(const struct buf *out)
{
    size_t n = buf_len(out);

    need(n > 5 && memcmp(buf_data(out), "200 ", 4) == 0);
    need(memcmp(buf_data(out) + n - 2, "\r\n", 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct net_addr from;
    struct session *s;
    struct stream *st;
    bool ended = false;
    size_t piece = size > 0 && data[0] > 0 ? data[0] : 4096;

    if (conf == NULL)
        open_all();
    need(net_literal("127.0.0.1", 4000, &from) == 0);
    st = stream_memory(house.base, NULL, NULL);
    s = session_new(&house, st, (struct sockaddr *)&from.sa, gone, &ended);
    event_base_loop(house.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    check_output(stream_taken(st));
    for (size_t at = 1; at < size && !ended && session_alive(s); at += piece) {
        size_t n = size - at < piece ? size - at : piece;

        stream_feed(st, (struct span){ (const char *)data + at, n });
        event_base_loop(house.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    if (!ended && session_alive(s))
        stream_feed(st, (struct span){ NULL, 0 });
    while (!ended)
        event_base_loop(house.base, EVLOOP_ONCE);
    return 0;
}
