/* history.c - figures of history alone, one a line: "name value unit".
 *
 *     history [IDS [SECONDS [DIRECTORY]]]
 *
 * IDS ids are applied in batches of 256; then 1, 2 and 4 threads ask for ids
 * never met, for the newest ones, and look old ones up in the database.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "history/history.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define BATCH 256u

static struct his *h;
static uint64_t ids = 1000000;
static double seconds = 1;

static struct msgid_key id(uint64_t n)
{
    static const struct sipkey secret = { { 1, 2, 3 } };
    struct msgid_key k;

    siphash128(&secret, &n, sizeof n, k.b);
    return k;
}

/* ---- applying ---- */

static struct his_entry entry(uint64_t n)
{
    return (struct his_entry){ .state = HIS_KEPT, .seq = n + 1, .segment = 1, .offset = n * 4096, .size = 4096, .day = 20000 };
}

static void work(struct txn *t, void *arg)
{
    uint64_t first = *(uint64_t *)arg;

    for (uint64_t n = first; n < first + BATCH; n++) {
        struct msgid_key k = id(n);
        struct his_entry e = entry(n);

        his_apply(h, t, &k, &e);
    }
}

static void fill(struct bdb *b)
{
    int64_t start = clock_mono_us();
    struct err e = { 0 };

    for (uint64_t first = 0; first < ids; first += BATCH) {
        if (bdb_run(b, work, &first, &e) != 0)
            die(1, "%s", e.text);
        for (uint64_t n = first; n < first + BATCH; n++) {
            struct msgid_key k = id(n);
            struct his_entry entry_n = entry(n);

            his_published(h, &k, &entry_n);
        }
    }
    printf("applies, batches of %u: %.0f /s\n", BATCH, (double)ids * 1e6 / (double)(clock_mono_us() - start));
}

/* ---- asking ---- */

enum what { PEEK_NEW, PEEK_SEEN, LOOK, CLAIM };
static const char *const names[] = { "peeks, new", "peeks, seen", "looks", "peek + claim + release" };

struct asker { enum what what; unsigned number; uint64_t done, surprises; pthread_t thread; };

static bool ask_one(enum what what, const struct msgid_key *k, const void *owner)
{
    struct claim *c = NULL;
    bool fine;

    switch (what) {
    case PEEK_NEW: return his_peek(h, k) == HIS_NEW;
    case PEEK_SEEN: return his_peek(h, k) == HIS_SEEN;
    case LOOK: return his_look(h, k, NULL, NULL) == HIS_SEEN;
    case CLAIM: break;
    }
    fine = his_peek(h, k) == HIS_NEW && his_claim(h, k, owner, false, &c) == HIS_NEW;
    his_release(h, &c);
    return fine;
}

static void *ask(void *arg)
{
    enum { KEYS = 65536 };
    struct asker *a = arg;
    struct msgid_key *k = xcalloc(KEYS, sizeof *k);
    int64_t end;

    for (uint64_t i = 0; i < KEYS; i++) {
        uint64_t at = i * 4 + a->number;

        k[i] = id(a->what == PEEK_SEEN ? ids - 1 - at % (KEYS < ids ? KEYS : ids)
                  : a->what == LOOK    ? at * 2654435761u % ids
                                       : ids * 2 + at);
    }
    end = clock_mono_us() + (int64_t)(seconds * 1e6);
    while (clock_mono_us() < end)
        for (int i = 0; i < 256; i++, a->done++)
            a->surprises += !ask_one(a->what, &k[a->done % KEYS], a);
    free(k);
    return NULL;
}

static void measure(enum what what, unsigned threads)
{
    struct asker a[4] = { { 0 } };
    uint64_t done = 0, surprises = 0;

    for (unsigned i = 0; i < threads; i++) {
        a[i] = (struct asker){ .what = what, .number = i };
        if (pthread_create(&a[i].thread, NULL, ask, &a[i]) != 0)
            die(1, "bench: no thread");
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(a[i].thread, NULL);
        done += a[i].done;
        surprises += a[i].surprises;
    }
    printf("%s, %u thread%s: %.0f /s (%.4f%% other answers)\n", names[what], threads, threads > 1 ? "s" : "",
           (double)done / seconds, 100.0 * (double)surprises / (double)done);
}

/* ---- */

static void open_history(const char *dir, struct bdb **b)
{
    struct bdb_options o = { .dir = dir, .cache_bytes = 256 << 20, .batch_most = 4 * BATCH };
    struct his_options ho = { .cache_entries = 1u << 18, .claim_us = 10000000 };
    struct err e = { 0 };

    if ((ho.bdb = *b = bdb_open(&o, &e)) == NULL || (h = his_open(&ho, &e)) == NULL)
        die(1, "%s", e.text);
}

int main(int argc, char **argv)
{
    char template[] = "/tmp/freshet-bench.XXXXXX", command[600];
    const char *dir = argc > 3 ? argv[3] : mkdtemp(template);
    struct bdb *b;
    int64_t start;

    if (argc > 1)
        ids = (strtoull(argv[1], NULL, 10) / BATCH + 1) * BATCH;
    if (argc > 2)
        seconds = atof(argv[2]);
    open_history(dir, &b);
    while (!his_filter_ready(h))
        usleep(100);
    fill(b);
    for (int what = PEEK_NEW; what <= CLAIM; what++)
        for (unsigned threads = 1; threads <= 4; threads *= 2)
            measure((enum what)what, threads);
    his_close(&h);
    bdb_close(&b);

    open_history(dir, &b);
    start = clock_mono_us();
    while (!his_filter_ready(h))
        usleep(100);
    printf("filter filled at open: %.0f ids/s\n", (double)ids * 1e6 / (double)(clock_mono_us() - start));
    his_close(&h);
    bdb_close(&b);
    if (argc <= 3) {
        snprintf(command, sizeof command, "rm -rf '%s'", dir);
        return system(command) != 0;
    }
    return 0;
}
