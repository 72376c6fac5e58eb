/* spool.c - figures of the spool alone: "name value unit", one a line.
 *
 *     spool [-d DIRECTORY] [-s SECONDS]
 *
 * Appends durable by batch (one batch written and synced after another, as the
 * committer does), following, overview rows in and lines out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "spool/artlog.h"
#include "spool/group.h"
#include "spool/overview.h"

enum { ARTICLE = 4000, BATCH = 256, GROUPS = 1000, LINE = 400 };

static double seconds = 3;
static char dir[200];

static void figure(const char *name, double value, const char *unit)
{
    printf("%-40s %12.0f %s\n", name, value, unit);
    fflush(stdout);
}

static struct artlog *open_log(const char *name, enum artlog_fsync fsync)
{
    struct err e = { 0 };
    char *path = xasprintf("%s/%s", dir, name);
    struct artlog_options o = { .dir = path, .segment_bytes = 256 << 20, .fsync = fsync, .writable = true };
    struct artlog *l = artlog_open(&o, &e);
    bool behind;

    if (l == NULL || artlog_recover(l, 0, &(struct log_pos){ 0 }, NULL, NULL, &behind, &e) < 0)
        die(1, "%s", e.text);
    free(path);
    return l;
}

struct batch { struct artlog_item item[BATCH], *list[BATCH]; struct record_number n[BATCH]; };

static void fill(struct batch *b, char *article)
{
    memset(article, 'x', ARTICLE);
    for (int i = 0; i < BATCH; i++) {
        b->n[i] = (struct record_number){ 1, 1 };
        b->item[i].rec = (struct record){ .kind = RECORD_ARTICLE, .numbers = &b->n[i], .n_numbers = 1,
                                          .source = SPAN("peer bench"), .data = { article, ARTICLE } };
        b->item[i].part[0] = (struct span){ article, 600 };
        b->item[i].part[2] = (struct span){ article + 600, ARTICLE - 600 };
        b->list[i] = &b->item[i];
    }
}

static void append_for(const char *name, unsigned n, enum artlog_fsync fsync)
{
    struct artlog *l = open_log(name, fsync);
    struct batch *b = xcalloc(1, sizeof *b);
    char *article = xmalloc(ARTICLE), *say;
    struct err e;
    int64_t start = clock_mono_us(), us;
    double done = 0;

    fill(b, article);
    for (; (us = clock_mono_us() - start) < seconds * 1e6; done += n)
        if (artlog_append(l, b->list, n, &e) != 0 || artlog_sync(l, &e) != 0)
            die(1, "%s", e.text);
    say = xasprintf("append%s, batches of %u", fsync == FSYNC_ALWAYS ? " durable" : ", never synced", n);
    figure(say, done / (double)us * 1e6, "articles/s");
    artlog_publish(l, artlog_next_seq(l) - 1);
    artlog_close(&l);
    free(say);
    free(article);
    free(b);
}

static void follow(const char *name)
{
    struct artlog *l = open_log(name, FSYNC_NEVER);
    struct err e = { 0 };
    struct log_reader *r;
    struct record rec;
    struct log_pos pos;

    artlog_publish(l, artlog_next_seq(l) - 1);
    for (int round = 0; round < 2; round++) {
        int64_t start = clock_mono_us();
        double n = 0, bytes = 0, us;

        r = log_reader_new(l, 1);
        while (log_reader_next(r, &rec, &pos, &e) == 1)
            n++, bytes += pos.size;
        us = (double)(clock_mono_us() - start);
        figure(round ? "follow, pages in memory" : "follow, first time", n / us * 1e6, "records/s");
        figure(round ? "follow, pages in memory" : "follow, first time", bytes / us, "MB/s");
        log_reader_free(&r);
    }
    artlog_close(&l);
}

struct rows { struct ov *o; struct groups *g; uint64_t at; double put; bool with_groups; };

static void put_rows(struct txn *t, void *arg)
{
    struct rows *w = arg;
    struct record_number n;
    struct record r = { .kind = RECORD_ARTICLE, .numbers = &n, .n_numbers = 1, .data = SPAN("X: y\r\nXref: a b:1\r\n\r\n"), .body = 22 };
    struct log_pos pos = { 1, 2, 3 };
    static char line[LINE];

    memset(line, 'l', LINE);
    if (w->with_groups)
        groups_apply_begin(w->g);
    for (unsigned i = 0; i < BATCH; i++, w->put++) {
        uint64_t k = w->at++, h = (k * UINT64_C(0x9E3779B97F4A7C15)) >> 40;

        /* some groups get most */
        n.group = 1 + (uint32_t)(h % GROUPS * (h / GROUPS % GROUPS) / GROUPS);
        n.number = k + 1;
        ov_apply(w->o, t, &r, &pos, (struct span){ line, LINE });
        if (w->with_groups)
            groups_apply(w->g, t, &r);
    }
    if (w->with_groups)
        groups_apply_end(w->g, t);
}

static void make_groups(struct txn *t, void *arg)
{
    struct buf b = { 0 };

    groups_apply_begin(arg);
    for (uint32_t id = 1; id <= GROUPS; id++) {
        char name[20];

        snprintf(name, sizeof name, "bench.%u", id);
        buf_clear(&b);
        group_pack(&b, &(struct group_facts){ .id = id, .flag = 'y', .name = span_of(name), .low = 1 });
        groups_apply(arg, t, &(struct record){ .kind = RECORD_GROUP, .data = buf_span(&b) });
    }
    groups_apply_end(arg, t);
    buf_fini(&b);
}

static bool count(uint64_t number, const struct log_pos *pos, struct span line, void *arg)
{
    (void)number, (void)pos, (void)line;
    ++*(double *)arg;
    return true;
}

static void overview(void)
{
    struct err e = { 0 };
    char *path = xasprintf("%s/db", dir);
    struct bdb_options o = { .dir = path, .cache_bytes = 512 << 20, .batch_most = 20000 };
    struct bdb *b = bdb_open(&o, &e);
    struct rows w = { 0 };
    struct bdb_bulk bulk = { 0 };
    int64_t start;
    double n = 0;

    if (b == NULL || (w.o = ov_open(b, &e)) == NULL || (w.g = groups_open(b, &e)) == NULL || bdb_run(b, make_groups, w.g, &e) != 0)
        die(1, "%s", e.text);
    groups_publish(w.g);
    for (int with = 0; with < 2; with++) {
        w.with_groups = with;
        w.put = 0;
        for (start = clock_mono_us(); clock_mono_us() - start < seconds * 1e6;) {
            if (bdb_run(b, put_rows, &w, &e) != 0)
                die(1, "%s", e.text);
            groups_publish(w.g);
        }
        figure(with ? "overview rows and marks applied" : "overview rows applied",
               w.put / (double)(clock_mono_us() - start) * 1e6, "rows/s");
    }
    for (start = clock_mono_us(); clock_mono_us() - start < seconds * 1e6;)
        for (uint32_t g = 1; g <= 100; g++)
            if (ov_scan(w.o, g, 0, UINT64_MAX, &bulk, count, &n, &e) != 0)
                die(1, "%s", e.text);
    figure("overview scanned", n / (double)(clock_mono_us() - start) * 1e6, "lines/s");
    bdb_bulk_fini(&bulk);
    groups_close(&w.g);
    ov_close(&w.o);
    bdb_close(&b);
    free(path);
}

int main(int argc, char **argv)
{
    const char *below = "/tmp";
    char *clean;
    int c;

    while ((c = getopt(argc, argv, "d:s:")) != -1)
        if (c == 'd')
            below = optarg;
        else if (c == 's')
            seconds = atof(optarg);
        else
            return 2;
    snprintf(dir, sizeof dir, "%s/spool-bench.XXXXXX", below);
    if (mkdtemp(dir) == NULL)
        die(1, "cannot make %s", dir);
    append_for("log1", 1, FSYNC_ALWAYS);
    append_for("log16", 16, FSYNC_ALWAYS);
    append_for("log64", 64, FSYNC_ALWAYS);
    append_for("log256", 256, FSYNC_ALWAYS);
    follow("log256");
    append_for("never", 256, FSYNC_NEVER);
    overview();
    clean = xasprintf("rm -rf '%s'", dir);
    c = system(clean);
    free(clean);
    return c != 0;
}
