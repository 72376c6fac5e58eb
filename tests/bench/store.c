/* store.c - figures of the store alone: durable submissions a second, and where the time goes.
 *
 *     store [SECONDS [DIRECTORY]]
 *
 * One thread keeps 1, 16 or 256 articles in flight; each is answered when it is
 * durable, applied and published.  4 kB articles, 1.3 groups each, 1,000 groups.
 */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "article/header.h"
#include "article/overview.h"
#include "article/wire.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "nntpd/store.h"

#define GROUPS     1000
#define BODY_BYTES 3600

static sem_t room;
static atomic_ulong stored, failed;

static void on_answer(struct mail *m)
{
    struct submission *sub = (struct submission *)(void *)m;

    atomic_fetch_add(sub->result == COMMIT_STORED ? &stored : &failed, 1);
    submission_free(&sub);
    sem_post(&room);
}

static void make_groups(struct store *s)
{
    for (unsigned i = 0; i < GROUPS; i++) {
        char name[32];
        struct group_facts f = { .flag = 'y', .low = 1, .creator = SPAN("bench") };
        struct submission *sub;

        f.name = (struct span){ name, (size_t)snprintf(name, sizeof name, "bench.group%u", i) };
        if (group_find(store_groups(s), f.name) != NULL)
            continue;
        sub = submission_group(s, &f);
        sub->mail.deliver = on_answer;
        sem_wait(&room);
        while (!store_submit(s, sub))
            ;
    }
    for (unsigned i = 0; i < GROUPS; i++)
        sem_wait(&room);
}

static struct submission *make_article(struct store *s, unsigned long n)
{
    static char body[BODY_BYTES];
    struct submission *sub = submission_new();
    struct record *r = &sub->item.rec;
    struct span where, digits, block;
    struct headers h;
    struct wire_facts facts;
    size_t line_at;
    struct buf line = { 0 };
    char id[64];

    if (body[0] == '\0')
        for (size_t i = 0; i < sizeof body; i++)
            body[i] = i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : (char)('a' + i % 23);
    snprintf(id, sizeof id, "<%lu.%lld@bench.example>", n, (long long)clock_now_us());
    buf_printf(&sub->bytes, "Path: feed.example!not-for-mail\r\nFrom: Joe Bench <joe@bench.example>\r\n"
               "Newsgroups: bench.group%lu\r\nSubject: measuring number %lu\r\nMessage-ID: %s\r\n"
               "Date: Fri, 20 Nov 2026 23:56:59 +0000\r\nReferences: <a@bench.example> <b@bench.example>\r\n\r\n",
               n % GROUPS, n, id);
    buf_add(&sub->bytes, body, sizeof body);
    buf_puts(&sub->bytes, "\r\n.\r\n");
    block = buf_span(&sub->bytes);
    (void)wire_check(block, &facts);
    (void)headers_read(&h, (struct span){ block.p, facts.body - 2 }, &where);
    overview_write(&line, &h, wire_bytes(block), facts.lines);
    (void)overview_field(buf_span(&line), 5, &digits);
    sub->size_at = (size_t)(digits.p - buf_data(&line));
    line_at = buf_len(&sub->bytes);
    buf_add_span(&sub->bytes, buf_span(&line));
    buf_fini(&line);
    block = (struct span){ buf_data(&sub->bytes), line_at };
    *r = (struct record){ .kind = RECORD_ARTICLE, .arrived_us = clock_now_us(), .source = SPAN("peer bench"),
                          .key = msgid_key(store_key(s), span_of(id)), .body = (uint32_t)facts.body,
                          .lines = (uint32_t)facts.lines, .data = { NULL, line_at } };
    sub->item.part[0] = (struct span){ block.p, facts.body - 2 };
    sub->item.part[2] = span_from(block, facts.body - 2);
    sub->overview = span_from(buf_span(&sub->bytes), line_at);
    sub->group = xcalloc(2, sizeof *sub->group);
    sub->group[sub->n_groups++] = 1 + (uint32_t)(n % GROUPS);
    if (n % 10 < 3)
        sub->group[sub->n_groups++] = 1 + (uint32_t)(n * 7 % GROUPS);
    sub->mail.deliver = on_answer;
    return sub;
}

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static bool claim(struct his *h, struct submission *sub)
{
    const struct msgid_key *key = &sub->item.rec.key;
    enum his_answer a = his_firm(h, key, sub, false, &sub->claim);

    if (a == HIS_ASK && his_look(h, key, NULL, NULL) == HIS_NEW)
        a = his_firm(h, key, sub, true, &sub->claim);
    return a == HIS_NEW;
}

static void run(struct store *s, unsigned in_flight, double seconds)
{
    struct store_counts a, b;
    int64_t start, end;
    unsigned long n = 0, before = atomic_load(&stored);
    double took, done, cpu = cpu_seconds();

    sem_init(&room, 0, in_flight);
    store_counts(s, &a);
    start = clock_mono_us();
    end = start + (int64_t)(seconds * 1e6);
    while (clock_mono_us() < end) {
        struct submission *sub = make_article(s, n++);
        struct his *h = store_history(s);

        if (!claim(h, sub))
            die(1, "bench: an id is met twice");
        sem_wait(&room);
        while (!store_submit(s, sub))
            ;
    }
    for (unsigned i = 0; i < in_flight; i++)
        sem_wait(&room);
    took = (double)(clock_mono_us() - start);
    store_counts(s, &b);
    done = (double)(atomic_load(&stored) - before);
    printf("%4u in flight: %8.0f articles/s durable, %6.1f MB/s, batch %5.1f (largest %llu), "
           "us an article: cpu %.1f append %.1f sync %.1f apply %.1f\n",
           in_flight, done / took * 1e6, (double)(b.bytes - a.bytes) / took, done / (double)(b.batches - a.batches),
           (unsigned long long)b.largest_batch, (cpu_seconds() - cpu) * 1e6 / done, (double)(b.append_us - a.append_us) / done,
           (double)(b.sync_us - a.sync_us) / done, (double)(b.apply_us - a.apply_us) / done);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    char made[] = "/tmp/freshet-bench.XXXXXX";
    const char *dir = argc > 2 ? argv[2] : mkdtemp(made);
    struct store_options o = { .directory = dir, .site = "bench.example", .segment_bytes = 256 << 20,
                               .cache_bytes = 256 << 20, .queue_bytes = 256 << 20, .claim_us = 10000000 };
    struct err e;
    struct store *s = store_open(&o, NULL, NULL, &e);

    if (s == NULL)
        die(1, "%s", e.text);
    sem_init(&room, 0, GROUPS);
    make_groups(s);
    run(s, 1, seconds);
    run(s, 16, seconds);
    run(s, 256, seconds);
    run(s, 2048, seconds);
    store_close(&s);
    if (argc <= 2) {
        char *command = xasprintf("rm -rf '%s'", dir);

        if (system(command) != 0)
            fprintf(stderr, "%s stays\n", dir);
        free(command);
    }
    return atomic_load(&failed) > 0;
}
