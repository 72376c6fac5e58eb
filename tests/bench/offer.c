/* offer.c - figures of the feeder's decision: "name value unit", one a line.
 *
 *     offer [-s SECONDS]
 *
 * One pass over a record decides for all peers.  The peers differ as those of a
 * site do: a dozen lists of groups, limits on some; 'every rule' gives each peer
 * all of them, with limits of its own.  The articles have a head of 900 octets and
 * are in one of 2,000 groups, some in two; half the peers' names are in no Path.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "article/header.h"
#include "feeder/offer.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum { ARTICLES = 4096, GROUPS = 2000 };

static double seconds = 1;

struct article { struct buf text; struct record r; };

static const char *const lists[] = {
    "\"*\"", "\"*\", \"!local.*\", \"!control\", \"!control.*\", \"!junk\"", "\"*\", \"@*.binaries.*\"", "\"comp.*\", \"sci.*\"",
    "\"*\", \"!alt.*\", \"alt.test\"", "\"comp.*\", \"!comp.sources.*\", \"misc.*\", \"news.*\", \"rec.*\", \"sci.*\", \"soc.*\", \"talk.*\"",
    "\"de.*\", \"fr.*\", \"it.*\", \"nl.*\"", "\"*\", \"@alt.binaries.*\", \"!junk\"", "\"alt.*\"", "\"rec.*\", \"@rec.g1?.*\"",
    "\"news.*\"", "\"*\", \"!*.test\"",
};
static const char *const tops[] = { "comp", "sci", "rec", "alt", "misc", "news", "soc", "talk", "de", "fr", "it", "nl" };

static void put_some(struct buf *out, unsigned i)
{
    static const char *const some[] = {
        "", "", "", "size-max = 128K", "distributions = { \"!local\" }", "hops-max = 30 crosspost-max = 10", "control = no",
        "hash = \"1/2\"", "hash = \"2/2\"", "moderated = no", "followup-max = 3", "origins = { \"*\", \"!spam.example\" }",
    };

    buf_puts(out, some[i % (sizeof some / sizeof *some)]);
}

/* None of them keeps the article back, so that all are asked. */
static void put_every(struct buf *out, unsigned i)
{
    buf_printf(out, "size-max = %uK size-min = %u hops-max = %u crosspost-max = %u followup-max = %u\n"
               "crosspost-weight-max = %u distributions = { \"!d%u\" } control = no moderated = no known-groups = true\n"
               "origins = { \"*\", \"!o%u.example\" } origin-missing = true hash = \"1-%u/%u\"\n",
               1000 + i, 10 + i % 500, 100 + i % 900, 50 + i % 900, 50 + i % 900, 10000 + i, i, i, 1000 + i, 1000 + i);
}

static struct conf *conf_of(unsigned peers, bool every)
{
    struct buf text = { 0 }, errors = { 0 };
    struct conf *c;

    buf_puts(&text, "site \"us.example\" { directory = \"/tmp\" local-groups = { \"local.*\" } }\nlisten \"127.0.0.1:119\" {}\n");
    for (unsigned i = 0; i < peers; i++) {
        buf_printf(&text, "peer \"p%u.example\" { address = { \"127.0.0.1\" } send = true groups = { %s } path = { \"p%u.example\", \"news%u.example\" }\n",
                   i, every ? lists[0] : lists[i * 7 % (sizeof lists / sizeof *lists)], i, i);
        (every ? put_every : put_some)(&text, i);
        buf_puts(&text, "\n}\n");
    }
    buf_add(&text, "", 1);
    if ((c = conf_read_text("bench", buf_data(&text), &errors)) == NULL)
        die(1, "%.*s", SPAN_F(buf_span(&errors)));
    buf_fini(&text);
    return c;
}

static struct record_range range_of(struct span data, struct span part)
{
    return part.n > 0 ? (struct record_range){ (uint32_t)(part.p - data.p), (uint32_t)part.n } : (struct record_range){ 0, 0 };
}

static void make(struct article *a, unsigned i)
{
    struct buf *b = &a->text;
    struct headers h;
    struct span where;

    buf_printf(b, "Path: us.example!p%u.example!relay%u.example!hub.example!p%u.example!src%u.example!.POSTED!not-for-mail\r\n",
               i * 31 % 2000, i % 97, i * 17 % 2000, i % 1013);
    buf_puts(b, "From: A Person With A Name <somebody@example.com>\r\nNewsgroups: ");
    for (unsigned k = 0; k <= (i % 8 == 0); k++)
        buf_printf(b, "%s%s.g%u.%s", k > 0 ? "," : "", tops[(i + k) % 12], (i * 7 + k) % (GROUPS / 12), i % 40 == 0 ? "test" : "misc");
    buf_printf(b, "\r\nSubject: Re: a thing that was talked about for some time\r\nMessage-ID: <%u.abcdefghij@mail.example.com>\r\n"
               "Date: Fri, 20 Nov 2026 23:58:29 GMT\r\nReferences: <1@a.example> <2@b.example> <3@c.example>\r\n", i);
    buf_puts(b, "Organization: None\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
             "Content-Transfer-Encoding: 8bit\r\nUser-Agent: slrn/1.0.3 (Linux)\r\nInjection-Date: Fri, 20 Nov 2026 23:58:30 GMT\r\n"
             "Injection-Info: news.example.com; posting-host=\"0123456789abcdef\"; logging-data=\"12345\"\r\n"
             "Cancel-Lock: sha1:abcdefghijklmnopqrstuvwxyz0= sha256:abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq=\r\n"
             "X-One: of those that nobody needs\r\nX-Two: another one\r\nXref: us.example a.b.c:1234567\r\n\r\n");
    a->r = (struct record){ .kind = RECORD_ARTICLE, .seq = i + 1, .body = (uint32_t)buf_len(b),
                            .flags = RECORD_GROUPS | RECORD_KNOWN, .n_numbers = 1 };
    for (int k = 0; k < 50; k++)
        buf_puts(b, "A line of the text, as they are.\r\n");
    buf_puts(b, ".\r\n");
    a->r.data = buf_span(b);
    need(headers_read(&h, (struct span){ a->r.data.p, a->r.body - 2 }, &where) == HDR_OK);
    a->r.path = range_of(a->r.data, hdr_body(&h, HDR_PATH));
    a->r.newsgroups = range_of(a->r.data, hdr_body(&h, HDR_NEWSGROUPS));
    a->r.msgid = range_of(a->r.data, hdr_body(&h, HDR_MESSAGE_ID));
}

static void measure(struct article *a, unsigned peers, bool every)
{
    struct conf *c = conf_of(peers, every);
    int64_t t0 = clock_mono_us(), us;
    struct offer *o = offer_new(c);
    uint8_t *why = xcalloc(peers, 1);
    uint64_t n = 0, yes = 0;
    char name[80];

    us = clock_mono_us() - t0;
    snprintf(name, sizeof name, "rules of %u peers%s", peers, every ? ", every rule" : "");
    printf("%-40s %12.1f ms\n", name, (double)us / 1000);
    for (unsigned i = 0; i < ARTICLES; i++)       /* group names are met */
        (void)offer_all(o, &a[i].r, why);
    for (t0 = clock_mono_us(); (us = clock_mono_us() - t0) < seconds * 1e6;)
        for (unsigned i = 0; i < 256; i++, n++)
            yes += offer_all(o, &a[n % ARTICLES].r, why);
    snprintf(name, sizeof name, "decide for %u peers%s", peers, every ? ", every rule" : "");
    printf("%-40s %12.0f records/s    %.1f want it\n", name, (double)n / (double)us * 1e6, (double)yes / (double)n);
    fflush(stdout);
    free(why);
    offer_free(&o);
    conf_free(&c);
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = { 10, 200, 1000 };
    struct article *a = xcalloc(ARTICLES, sizeof *a);
    int opt;

    while ((opt = getopt(argc, argv, "s:")) != -1)
        if (opt == 's')
            seconds = atof(optarg);
    for (unsigned i = 0; i < ARTICLES; i++)
        make(&a[i], i);
    for (int every = 0; every < 2; every++)
        for (unsigned i = 0; i < 3; i++)
            measure(a, sizes[i], every);
    for (unsigned i = 0; i < ARTICLES; i++)
        buf_fini(&a[i].text);
    free(a);
    return 0;
}
