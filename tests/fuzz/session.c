/* Whatever bytes a client sends: a session on a real store answers, in order and
 * in the form of NNTP, and ends.
 *
 * The first byte says in pieces of which size the rest arrives (0: all at once),
 * and its highest bit whether the client is a peer, a reader and a poster at once
 * or a reader of some groups.  Articles that the bytes hold are stored, so a run
 * goes on with what earlier inputs left.
 *
 * session_deflate.c is this file with a layer between the bytes and the session.
 */
#include <ctype.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "nntpd/session.h"
#include "tests/kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
    "site \"fuzz.example\" { directory = \"%s\" log-level = \"error\" article-max = 65536 post-max = 32768\n"
    "  age-max = 0 moderators = { \"local.*:%%s@example.com\", \"*:%%s@moderators.example.com\" }\n"
    "  motd-file = \"%s\" subscriptions-file = \"%s\" }\n"
    "listen \"127.0.0.1:1119\" { }\n"
    "peer \"friend.example\" { address = { \"127.0.0.1\" } accept = true }\n"
    "access \"all\" { from = { \"*\" } read = { \"*\", \"!hidden.*\" } post = { \"*\" } newnews = true }\n"
    "access \"some\" { from = { \"127.0.0.2\" } read = { \"misc.test\", \"local.*\" } newnews = true }\n";

#ifndef PIECE
#define PIECE 0x7f
#endif

static struct conf *conf;
static struct house house;
static struct buf heard;              /* what the session has said */

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
    buf_fini(&heard);
}

static const char *text_file(const char *name, const char *contents)
{
    const char *path = kit_path("%s", name);

    need(disk_replace(path, contents, strlen(contents), 0644) == 0);
    return path;
}

static void open_all(void)
{
    struct buf errors = { 0 };
    char *filled = xasprintf(text, kit_dir(), text_file("motd", "Attention\n.\n..dots\n"),
                             text_file("subscriptions", "misc.test\nhidden.group\nno.such\n"));
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
    add_group("misc.other", 'y');
    add_group("local.empty", 'n');
    add_group("misc.closed", 'x');
    add_group("misc.junk", 'j');
    add_group("junk", 'y');
    add_group("alt.crossposts", 'y');
    atexit(close_all);
}

static void gone(struct session *s, void *arg)
{
    (void)s;
    *(bool *)arg = true;
}

static void layer_begin(struct stream *st, const uint8_t *data, size_t size);
static void layer_feed(struct stream *st, struct span bytes);
static void layer_heard(struct span bytes);
static void layer_end(void);

#ifndef LAYER
static void layer_begin(struct stream *st, const uint8_t *data, size_t size) { (void)st, (void)data, (void)size; }
static void layer_feed(struct stream *st, struct span bytes)                 { stream_feed(st, bytes); }
static void layer_heard(struct span bytes)                                   { buf_add_span(&heard, bytes); }
static void layer_end(void)                                                  { }
#endif

static void hear(struct stream *st)
{
    struct buf *said = stream_taken(st);

    layer_heard(buf_span(said));
    buf_clear(said);
}

static void look(struct stream *st)
{
    event_base_loop(house.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    hear(st);
}

/* Is this first line followed by a block?  211 is GROUP's or LISTGROUP's. */
static bool with_block(struct span line)
{
    static const char codes[] = "100 101 215 220 221 222 224 225 230 231 282 ";

    if (span_starts(line, SPAN("211 ")))
        return memmem(line.p, line.n, " list follows", 13) != NULL;
    return memmem(codes, sizeof codes - 1, line.p, 4) != NULL;
}

/* A code, a blank, a text; at most 512 octets with CRLF (RFC 3977 3.1, 3.2). */
static void check_line(struct span line)
{
    need(line.n > 4 && line.n <= 510);
    need(line.p[0] >= '1' && line.p[0] <= '5' && isdigit((unsigned char)line.p[1]) && isdigit((unsigned char)line.p[2]));
    need(line.p[3] == ' ' && line.p[4] != ' ');
    for (size_t i = 0; i < line.n; i++)
        need((unsigned char)line.p[i] >= ' ' && line.p[i] != 0x7f);
}

/* What is left behind the line's block; n 0 when the end has not been heard. */
static struct span behind_block(struct span rest)
{
    const char *end;

    if (span_starts(rest, SPAN(".\r\n")))
        return span_from(rest, 3);
    end = rest.n > 0 ? memmem(rest.p, rest.n, "\r\n.\r\n", 5) : NULL;
    return end != NULL ? span_from(rest, (size_t)(end - rest.p) + 5) : (struct span){ rest.p, 0 };
}

/* The first line is the greeting; all are lines and blocks as NNTP has them.  The end may be missing. */
static void check_heard(void)
{
    struct span rest = buf_span(&heard);
    const char *end;

    need(rest.n > 5 && (span_starts(rest, SPAN("200 ")) || span_starts(rest, SPAN("201 "))));
    while (rest.n > 0 && (end = memmem(rest.p, rest.n, "\r\n", 2)) != NULL) {
        struct span line = { rest.p, (size_t)(end - rest.p) };

        check_line(line);
        rest = span_from(rest, line.n + 2);
        if (with_block(line))
            rest = behind_block(rest);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct net_addr from;
    struct session *s;
    struct stream *st;
    bool ended = false, peer = size > 0 && (data[0] & 0x80) != 0;
    size_t piece = size > 0 && (data[0] & PIECE) != 0 ? data[0] & PIECE : 4096;

    if (conf == NULL)
        open_all();
    buf_clear(&heard);
    need(net_literal(peer ? "127.0.0.1" : "127.0.0.2", 4000, &from) == 0);
    st = stream_memory(house.base, NULL, NULL);
    s = session_new(&house, st, (struct sockaddr *)&from.sa, gone, &ended);
    look(st);
    layer_begin(st, data, size);
    for (size_t at = 1; at < size && !ended && session_alive(s); at += piece) {
        size_t n = size - at < piece ? size - at : piece;

        layer_feed(st, (struct span){ (const char *)data + at, n });
        event_base_loop(house.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        if (!ended && session_alive(s))
            hear(st);
    }
    if (!ended && session_alive(s))
        stream_feed(st, (struct span){ NULL, 0 });
    while (!ended) {
        event_base_loop(house.base, EVLOOP_ONCE);
        if (!ended && session_alive(s))
            hear(st);
    }
    layer_end();
    check_heard();
    return 0;
}
