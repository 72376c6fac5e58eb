/* load.c - loads a server over real connections and prints figures, one a line: "name value unit".
 *
 *     load MODE -p PORT [-t] [-z] [-c CONNECTIONS] [-w WINDOW] [-s SECONDS] [-n COUNT] [-g GROUPS] [-r RUN] [...]
 *
 * A thread a connection, blocking, with at most WINDOW commands unanswered.
 * Articles follow from (run, number), so that a later call can name them again.
 * The groups bench.0 ... bench.(GROUPS-1) must be there.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load.h"

struct load_options opt = { .conns = 1, .window = 50, .groups = 1000, .seconds = 5, .count = 1L << 40, .range = 100, .rate = 500 };

static atomic_long next_number, done, good;
static atomic_bool stop;

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, errno != 0 ? strerror(errno) : "unexpected");
    exit(1);
}

const char *figure(void)
{
    static char name[64];

    snprintf(name, sizeof name, "%s%s%s%s", opt.mode, opt.tls || opt.deflate ? "." : "", opt.tls ? "tls" : "",
             opt.deflate ? opt.tls ? "+deflate" : "deflate" : "");
    return name;
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33, x *= UINT64_C(0xff51afd7ed558ccd), x ^= x >> 33, x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

int id_of(char *out, long run, long number)
{
    return sprintf(out, "<%ld.%ld@bench.example>", run, number);
}

/* Wire form of article 'number'; return its length.  Sizes are spread like those of text news: 1 to 16 kB. */
size_t article_of(char *out, size_t cap, long number, bool post)
{
    uint64_t r = mix((uint64_t)number ^ (uint64_t)opt.run << 32);
    size_t body = opt.size > 0 ? (size_t)opt.size : 400 + (r & 1023) + ((r >> 10 & 7) == 0 ? (r >> 13 & 16383) : (r >> 13 & 4095)), n;
    char date[64], id[80];
    time_t t = time(NULL);
    struct tm tm;

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&t, &tm));
    id_of(id, opt.run, number);
    n = (size_t)sprintf(out, "%sFrom: Bench <bench@bench.example>\r\nNewsgroups: bench.%d%s", post ? "" : "Path: load.example!a.example!not-for-mail\r\n",
                        (int)(r % (uint64_t)opt.groups), "");
    if ((r >> 40 & 3) == 0)
        n += (size_t)sprintf(out + n, ",bench.%d", (int)((r >> 20) % (uint64_t)opt.groups));
    n += (size_t)sprintf(out + n, "\r\nSubject: Article %ld of the load\r\nMessage-ID: %s\r\nDate: %s\r\n"
                         "References: <1.%ld@bench.example> <2.%ld@bench.example>\r\nMIME-Version: 1.0\r\n"
                         "Content-Type: text/plain; charset=UTF-8\r\nUser-Agent: load/1\r\n\r\n", number, id, date, number / 7, number / 3);
    for (size_t end = n + body; n < end && n + 80 < cap;)
        n += (size_t)sprintf(out + n, "%016llx lines of text of an article as it goes round the net, %ld\r\n", (unsigned long long)(r += end), number);
    memcpy(out + n, ".\r\n", 3);
    return n + 3;
}

/* Take the next number, or -1 when the run is over. */
long take(void)
{
    long n;

    if (atomic_load_explicit(&stop, memory_order_relaxed))
        return -1;
    n = atomic_fetch_add(&next_number, 1);
    return n < opt.count ? n : -1;
}

/* One answer: count it, tell whether it begins with 'want'. */
bool answer(struct line_io *c, const char *want)
{
    char *l = get_line(c);
    bool ok = l != NULL && strncmp(l, want, strlen(want)) == 0;

    if (l == NULL) {
        fprintf(stderr, "load: connection closed\n");
        exit(1);
    }
    static atomic_int told;
    if (!ok && atomic_fetch_add(&told, 1) < 3)
        fprintf(stderr, "load: wanted %s, got: %s\n", want, l);
    atomic_fetch_add(&done, 1);
    if (ok)
        atomic_fetch_add(&good, 1);
    return ok;
}

static void skip_block(struct line_io *c, long *lines)
{
    for (char *l; (l = get_line(c)) != NULL && strcmp(l, ".") != 0;)
        ++*lines;
}

static void run_takethis(struct line_io *c)
{
    char *a = malloc((size_t)opt.size + 65536), id[80];
    int away = 0;
    long n = 0;

    while (away > 0 || n >= 0) {
        while (n >= 0 && away < opt.window && (n = take()) >= 0) {
            size_t len = article_of(a, (size_t)opt.size + 65536, n, false);

            put(c, "TAKETHIS ", 9);
            put(c, id, (size_t)id_of(id, opt.run, n));
            put(c, "\r\n", 2);
            put(c, a, len);
            away++;
        }
        flush_out(c);
        if (away > 0) {
            answer(c, "239");
            away--;
            while (away > opt.window / 2 && has_line(c))
                answer(c, "239"), away--;
        }
    }
    free(a);
}

static void run_ihave(struct line_io *c)
{
    char *a = malloc((size_t)opt.size + 65536), id[80];

    for (long n; (n = take()) >= 0;) {
        size_t len = article_of(a, (size_t)opt.size + 65536, n, false);
        char *l;

        put(c, "IHAVE ", 6);
        put(c, id, (size_t)id_of(id, opt.run, n));
        put(c, "\r\n", 2);
        flush_out(c);
        if ((l = get_line(c)) == NULL || strncmp(l, "335", 3) != 0)
            fail("IHAVE");
        put(c, a, len);
        flush_out(c);
        answer(c, "235");
    }
    free(a);
}

static void run_post(struct line_io *c)
{
    char *a = malloc(65536);

    for (long n; (n = take()) >= 0;) {
        size_t len = article_of(a, 65536, n, true);
        char *l;

        put(c, "POST\r\n", 6);
        flush_out(c);
        if ((l = get_line(c)) == NULL || strncmp(l, "340", 3) != 0)
            fail("POST");
        put(c, a, len);
        flush_out(c);
        answer(c, "240");
    }
    free(a);
}

/* Known ids are those of run -r below -k; unknown ones belong to a run nobody fed; mixed: half and half. */
static void run_check(struct line_io *c)
{
    bool known = strstr(opt.mode, "unknown") == NULL, mixed = strstr(opt.mode, "mixed") != NULL;
    char id[80];
    int away = 0;
    long n = 0;

    while (away > 0 || n >= 0) {
        while (n >= 0 && away < opt.window && (n = take()) >= 0) {
            bool k = mixed ? (n & 1) == 0 : known;

            put(c, "CHECK ", 6);
            put(c, id, (size_t)id_of(id, k ? opt.run : opt.run + 7777777, k ? (long)(mix((uint64_t)n) % (uint64_t)opt.known) : n));
            put(c, "\r\n", 2);
            away++;
        }
        flush_out(c);
        if (away > 0) {
            answer(c, mixed ? "" : known ? "438" : "238");
            away--;
            while (away > 0 && has_line(c))
                answer(c, mixed ? "" : known ? "438" : "238"), away--;
        }
    }
}

/* GROUP of a group that holds articles; its marks.  Counted nowhere. */
static void enter_group(struct line_io *c, uint64_t r, long *lo, long *hi)
{
    char line[64];
    long n;

    for (;; r = mix(r + 1)) {
        put(c, line, (size_t)sprintf(line, "GROUP bench.%d\r\n", (int)(r % (uint64_t)opt.groups)));
        flush_out(c);
        char *l = get_line(c);
        if (l == NULL || sscanf(l, "211 %ld %ld %ld", &n, lo, hi) != 3)
            fail("GROUP");
        if (n > 0)
            return;
    }
}

static atomic_long lines_seen;

static void run_over(struct line_io *c)
{
    for (long n; (n = take()) >= 0;) {
        long lo, hi, lines = 0;
        char line[80];

        enter_group(c, mix((uint64_t)n), &lo, &hi);
        put(c, line, (size_t)sprintf(line, "OVER %ld-%ld\r\n", lo, lo + opt.range - 1));
        flush_out(c);
        if (answer(c, "224"))
            skip_block(c, &lines);
        atomic_fetch_add(&lines_seen, lines);
    }
}

static void run_article(struct line_io *c)
{
    long lo, hi, lines = 0, n = 0;
    char line[80];
    int away = 0;
    uint64_t r = mix((uint64_t)(uintptr_t)c);

    enter_group(c, r, &lo, &hi);
    while (away > 0 || n >= 0) {
        while (n >= 0 && away < opt.window && (n = take()) >= 0) {
            put(c, line, (size_t)sprintf(line, "ARTICLE %ld\r\n", lo + n % (hi - lo + 1)));
            away++;
        }
        flush_out(c);
        if (away > 0) {
            if (answer(c, "220"))
                skip_block(c, &lines);
            away--;
        }
    }
}

static bool visits(void)
{
    return strcmp(opt.mode, "setup") == 0 || strcmp(opt.mode, "resume") == 0;
}

static void *visitor(void *arg)
{
    (void)arg;
    run_visits();
    return NULL;
}

static void *worker(void *arg)
{
    struct line_io *c = open_conn(opt.port);

    (void)arg;
    if (strncmp(opt.mode, "takethis", 8) == 0)
        run_takethis(c);
    else if (strcmp(opt.mode, "ihave") == 0)
        run_ihave(c);
    else if (strcmp(opt.mode, "post") == 0)
        run_post(c);
    else if (strncmp(opt.mode, "check", 5) == 0)
        run_check(c);
    else if (strcmp(opt.mode, "over") == 0)
        run_over(c);
    else if (strncmp(opt.mode, "article", 7) == 0)
        run_article(c);
    else
        fail("no such mode");
    close_conn(c);
    return NULL;
}

double server_used(void)
{
    unsigned long user = 0, system = 0;
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%ld/stat", opt.pid);
    if (opt.pid > 0 && (f = fopen(path, "r")) != NULL) {
        if (fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
            user = system = 0;
        fclose(f);
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void print_figures(double took, double used)
{
    if (strcmp(opt.mode, "over") == 0)
        printf("%s.c%d %.0f lines/s, %.1f octets a line on the wire\n", figure(), opt.conns, (double)lines_seen / took,
               (double)wire_in / (double)lines_seen);
    else
        printf("%s.c%d.w%d %.0f /s\n", figure(), opt.conns, opt.window, (double)good / took);
    if (good != done)
        printf("%s.c%d.unexpected %ld answers\n", figure(), opt.conns, (long)(done - good));
    if (strcmp(opt.mode, "resume") == 0)
        printf("%s.c%d.resumed %.1f %%\n", figure(), opt.conns, 100.0 * (double)resumed / (double)good);
    if (used > 0)
        printf("%s.c%d.server %.1f us of its processors for each\n", figure(), opt.conns, used * 1e6 / (double)good);
    printf("%s.c%d.count %ld\n", figure(), opt.conns, (long)good);
}

static void run_threads(void)
{
    pthread_t t[1024];
    double start = now(), used = server_used(), took;

    for (int i = 0; i < opt.conns; i++)
        pthread_create(&t[i], NULL, visits() ? visitor : worker, NULL);
    while (now() - start < opt.seconds && atomic_load(&next_number) < opt.count + opt.conns)
        usleep(20000);
    stop = true;
    for (int i = 0; i < opt.conns; i++)
        pthread_join(t[i], NULL);
    took = now() - start;
    print_figures(took, server_used() - used);
}

static void usage(void)
{
    fputs("usage: load takethis|ihave|post|check-known|check-unknown|check-mixed|over|article|setup|resume|idle|prop -p PORT\n"
          "  [-c connections] [-w window] [-s seconds] [-n count] [-g groups] [-r run] [-k known ids] [-R range]\n"
          "  [-b body octets] [-P pid of the server: what it uses] [-S sink port (prop)] [-a rate (prop)]\n"
          "  [-t: TLS] [-z: COMPRESS DEFLATE] [-q: acknowledge at once] [-A N: come from N addresses]\n", stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    int c;

    if (argc < 2)
        usage();
    opt.mode = argv[1];
    opt.run = (long)time(NULL);
    while ((c = getopt(argc - 1, argv + 1, "p:c:w:s:n:g:r:k:R:b:P:S:a:tzqA:")) != -1) {
        switch (c) {
        case 'p': opt.port = atoi(optarg); break;
        case 'c': opt.conns = atoi(optarg); break;
        case 'w': opt.window = atoi(optarg); break;
        case 's': opt.seconds = atof(optarg); break;
        case 'n': opt.count = atol(optarg); break;
        case 'g': opt.groups = atoi(optarg); break;
        case 'r': opt.run = atol(optarg); break;
        case 'k': opt.known = atol(optarg); break;
        case 'R': opt.range = atoi(optarg); break;
        case 'b': opt.size = atol(optarg); break;
        case 'P': opt.pid = atol(optarg); break;
        case 'S': opt.sink_port = atoi(optarg); break;
        case 'a': opt.rate = atof(optarg); break;
        case 't': opt.tls = true; break;
        case 'z': opt.deflate = true; break;
        case 'q': opt.quick = true; break;
        case 'A': opt.sources = atoi(optarg); break;
        default: usage();
        }
    }
    if (strcmp(opt.mode, "idle") == 0)
        run_idle();
    else if (strcmp(opt.mode, "prop") == 0)
        run_prop();
    else
        run_threads();
    return 0;
}
