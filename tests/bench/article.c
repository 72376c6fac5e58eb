/* article.c - figures of the room article alone: "name value unit", one a line.
 *
 *     article [-s SECONDS]
 *
 * Each function of the way of an article, again and again for SECONDS, over
 * one article as they are met: thirty header lines, forty of body.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "article/date.h"
#include "article/groups.h"
#include "article/header.h"
#include "article/msgid.h"
#include "article/overview.h"
#include "article/path.h"
#include "article/wildmat.h"
#include "article/wire.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum { ROUND = 1000 };

static double seconds = 1;
static struct buf block, text, out;
static struct span head, path;
static struct headers h;
static struct wire_facts facts;
static volatile uint64_t sink;      /* what was found out is used: nothing is left out by the compiler */

/* --- the article ---------------------------------------------------------- */

static void make_article(void)
{
    struct span where;

    buf_puts(&block, "Path: news.example.org!!feeder.example.net!.SEEN.2001:db8::17!peer.example.com!not.example.de!"
                     "news.far.example!.POSTED.192.0.2.7!not-for-mail\r\n"
                     "From: =?UTF-8?Q?J=C3=BCrgen?= <juergen@example.com>\r\n"
                     "Newsgroups: comp.lang.c,comp.lang.c.moderated,de.comp.lang.c\r\nSubject: Re: a question of style\r\n"
                     "Date: Fri, 20 Nov 2026 23:56:59 +0000\r\nOrganization: A noiseless patient spider\r\n"
                     "Message-ID: <vq1r4t$2k1bq$1@dont-email.example>\r\nReferences:");
    for (int i = 0; i < 12; i++)
        buf_printf(&block, " <vq%d.4t$2k1bq$%d@dont-email.example>%s", i, i, i % 3 == 2 ? "\r\n" : "");
    buf_puts(&block, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8; format=flowed\r\n"
                     "Content-Transfer-Encoding: 8bit\r\nInjection-Date: Fri, 20 Nov 2026 23:57:01 +0000 (UTC)\r\n"
                     "Injection-Info: dont-email.example; posting-host=\"c2f8\";\r\n\tlogging-data=\"2753914\";\r\n"
                     "\tmail-complaints-to=\"abuse@example.com\"\r\nUser-Agent: Some Reader/102.0\r\n"
                     "Content-Language: en-GB\r\nIn-Reply-To: <vq11.4t$2k1bq$11@dont-email.example>\r\n");
    for (int i = 0; i < 12; i++)
        buf_printf(&block, "X-Of-No-Interest-%d: some text that nobody reads, %d\r\n", i, i);
    buf_puts(&block, "\r\n");
    for (int i = 0; i < 40; i++)
        buf_printf(&block, "%sLine %d of what is said, about as long as lines of text are wont to be.\r\n", i % 10 ? "" : "..", i);
    buf_puts(&block, ".\r\n");
    wire_to_text(&text, buf_span(&block));
    if (wire_check(buf_span(&block), &facts) != WIRE_OK)
        die(1, "the bench's article is wrong");
    head = (struct span){ buf_data(&block), facts.body - 2 };
    if (headers_read(&h, head, &where) != HDR_OK)
        die(1, "the bench's head is wrong: %.*s", SPAN_F(where));
    path = hdr_body(&h, HDR_PATH);
}

/* --- the work: each once ---------------------------------------------------- */

static void do_wire_scan(void)
{
    struct wire_scan w = { 0 };
    bool done;

    sink += wire_scan(&w, buf_data(&block), buf_len(&block), &done);
}

static void do_wire_check(void)
{
    sink += wire_check(buf_span(&block), &facts);
}

static void do_wire_bytes(void)
{
    sink += wire_bytes(buf_span(&block));
}

static void do_wire_from_text(void)
{
    buf_clear(&out);
    wire_from_text(&out, buf_span(&text));
}

static void do_wire_to_text(void)
{
    buf_clear(&out);
    wire_to_text(&out, buf_span(&block));
}

static void do_headers(void)
{
    struct span where;

    sink += headers_read(&h, head, &where);
}

static void do_overview(void)
{
    buf_clear(&out);
    overview_write(&out, &h, 12345, 40);
}

static void do_body_valid(void)
{
    sink += hdr_body_valid(h.field[HDR_REFERENCES].body);
}

static void do_date(void)
{
    int64_t t = 0;

    (void)date_read(SPAN("Fri, 20 Nov 2026 23:56:59 +0000"), &t);
    sink += (uint64_t)t;
}

static void do_date_lax(void)
{
    int64_t t = 0;

    (void)date_read_lax(SPAN("Fri Nov 20 23:56:59 GMT 2026"), &t);
    sink += (uint64_t)t;
}

static void do_date_write(void)
{
    char date[DATE_TEXT_MAX];

    date_write(INT64_C(1795219019), date);
    sink += (uint64_t)date[6];
}

static void do_msgid_valid(void)
{
    sink += msgid_valid(SPAN("<vq1r4t$2k1bq$1@dont-email.example>"));
}

static void do_msgid_key(void)
{
    static const struct sipkey secret = { { 1, 2, 3 } };

    sink += msgid_key(&secret, SPAN("<vq1r4t$2k1bq$1@dont-email.example>")).b[0];
}

static void do_path_has(void)
{
    sink += path_has(path, SPAN("news.nobody.example"));
}

static void do_path_hops(void)
{
    sink += path_hops(path);
}

static void do_path_prepend(void)
{
    buf_clear(&out);
    path_prepend(&out, SPAN("news.here.example"), PATH_MISMATCH, SPAN("feeder.example.net"), path);
}

static void do_groups(void)
{
    sink += groups_count(hdr_body(&h, HDR_NEWSGROUPS));
}

static void do_wildmat(void)
{
    sink += wildmat_poison(SPAN("comp.lang.c.moderated"), SPAN("*,!alt.*,!*.binaries.*,alt.test,@junk.*,!local.*,comp.*"));
}

static void do_wildmat_worst(void)
{
    sink += wildmat_simple(SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), SPAN("*a*a*a*a*a*a*a*a*aaaaaaaaaab"));
}

/* --- figures ------------------------------------------------------------------ */

static void measure(const char *name, void (*work)(void), size_t bytes)
{
    int64_t start = clock_mono_us(), us;
    double done = 0;

    while ((us = clock_mono_us() - start) < seconds * 1e6) {
        for (int i = 0; i < ROUND; i++)
            work();
        done += ROUND;
    }
    printf("%-40s %12.0f times/s\n", name, done / (double)us * 1e6);
    if (bytes > 0)
        printf("%-40s %12.0f MB/s\n", name, done * (double)bytes / (double)us);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "s:")) != -1)
        if (c == 's')
            seconds = atof(optarg);
        else
            return 2;
    make_article();
    measure("block: find its end", do_wire_scan, buf_len(&block));
    measure("block: check", do_wire_check, buf_len(&block));
    measure("block: count :bytes", do_wire_bytes, buf_len(&block));
    measure("block: from text", do_wire_from_text, buf_len(&text));
    measure("block: to text", do_wire_to_text, buf_len(&block));
    measure("headers indexed", do_headers, head.n);
    measure("overview line written", do_overview, 0);
    measure("References checked for posting", do_body_valid, h.field[HDR_REFERENCES].body.n);
    measure("date read", do_date, 0);
    measure("date read, ctime(3)'s", do_date_lax, 0);
    measure("date written", do_date_write, 0);
    measure("Message-ID checked", do_msgid_valid, 0);
    measure("Message-ID's key", do_msgid_key, 0);
    measure("Path searched for a name", do_path_has, 0);
    measure("Path's hops", do_path_hops, 0);
    measure("Path written", do_path_prepend, 0);
    measure("Newsgroups counted", do_groups, 0);
    measure("wildmat of seven items", do_wildmat, 0);
    measure("wildmat at its worst", do_wildmat_worst, 0);
    buf_fini(&block);
    buf_fini(&text);
    buf_fini(&out);
    return 0;
}
