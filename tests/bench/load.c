/* load.c - loads a server over real connections and prints figures, one a line: "name value unit".
 *
 *     load MODE -p PORT [-c CONNECTIONS] [-w WINDOW] [-s SECONDS] [-n COUNT] [-g GROUPS] [-r RUN] [...]
 *
 * A thread a connection, blocking, with at most WINDOW commands unanswered.
 * Articles follow from (run, number), so that a later call can name them again.
 * The groups bench.0 ... bench.(GROUPS-1) must be there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *mode;
    int port, sink_port, conns, window, groups, range;
    double seconds, rate;
    long count, run, size, pid, known;
} opt = { .conns = 1, .window = 50, .groups = 1000, .seconds = 5, .count = 1L << 40, .size = 0, .range = 100, .rate = 500 };

static atomic_long next_number, done, good;
static atomic_bool stop;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, errno != 0 ? strerror(errno) : "unexpected");
    exit(1);
}

/* A connection with buffers of its own. */
struct line_io { int fd; size_t at, end, n_out; char in[1 << 16], out[1 << 18]; };

static int dial(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void flush_out(struct line_io *c)
{
    for (size_t at = 0; at < c->n_out;) {
        ssize_t w = write(c->fd, c->out + at, c->n_out - at);

        if (w < 0)
            fail("write");
        at += (size_t)w;
    }
    c->n_out = 0;
}

static void put(struct line_io *c, const char *p, size_t n)
{
    while (n > 0) {
        size_t k = sizeof c->out - c->n_out < n ? sizeof c->out - c->n_out : n;

        memcpy(c->out + c->n_out, p, k);
        c->n_out += k, p += k, n -= k;
        if (c->n_out == sizeof c->out)
            flush_out(c);
    }
}

/* The next line without CRLF, in c->in; valid until the next call.  NULL: closed. */
static char *get_line(struct line_io *c)
{
    for (;;) {
        char *nl = memchr(c->in + c->at, '\n', c->end - c->at);

        if (nl != NULL) {
            char *line = c->in + c->at;

            c->at = (size_t)(nl - c->in) + 1;
            if (nl > line && nl[-1] == '\r')
                nl--;
            *nl = '\0';
            return line;
        }
        memmove(c->in, c->in + c->at, c->end - c->at);
        c->end -= c->at, c->at = 0;
        ssize_t n = c->end < sizeof c->in ? read(c->fd, c->in + c->end, sizeof c->in - c->end) : -1;
        if (n <= 0)
            return NULL;
        c->end += (size_t)n;
    }
}

static struct line_io *open_conn(int port)
{
    struct line_io *c = calloc(1, sizeof *c);

    if (c == NULL)
        fail("memory");
    c->fd = dial(port);
    if (get_line(c) == NULL)
        fail("greeting");
    return c;
}

static void close_conn(struct line_io *c)
{
    close(c->fd);
    free(c);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33, x *= UINT64_C(0xff51afd7ed558ccd), x ^= x >> 33, x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static int id_of(char *out, long run, long number)
{
    return sprintf(out, "<%ld.%ld@bench.example>", run, number);
}

/* Wire form of article 'number'; return its length.  Sizes are spread like those of text news: 1 to 16 kB. */
static size_t article_of(char *out, size_t cap, long number, bool post)
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
static long take(void)
{
    long n;

    if (atomic_load_explicit(&stop, memory_order_relaxed))
        return -1;
    n = atomic_fetch_add(&next_number, 1);
    return n < opt.count ? n : -1;
}

/* One answer: count it, tell whether it begins with 'want'. */
static bool answer(struct line_io *c, const char *want)
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
            while (away > opt.window / 2 && memchr(c->in + c->at, '\n', c->end - c->at) != NULL)
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
            while (away > 0 && memchr(c->in + c->at, '\n', c->end - c->at) != NULL)
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

static void run_threads(void)
{
    pthread_t t[1024];
    double start = now(), took;

    for (int i = 0; i < opt.conns; i++)
        pthread_create(&t[i], NULL, worker, NULL);
    while (now() - start < opt.seconds && atomic_load(&next_number) < opt.count + opt.conns)
        usleep(20000);
    stop = true;
    for (int i = 0; i < opt.conns; i++)
        pthread_join(t[i], NULL);
    took = now() - start;
    if (strcmp(opt.mode, "over") == 0)
        printf("%s.c%d %.0f lines/s\n", opt.mode, opt.conns, (double)lines_seen / took);
    else
        printf("%s.c%d.w%d %.0f /s\n", opt.mode, opt.conns, opt.window, (double)good / took);
    if (good != done)
        printf("%s.c%d.unexpected %ld answers\n", opt.mode, opt.conns, (long)(done - good));
    printf("%s.c%d.count %ld\n", opt.mode, opt.conns, (long)good);
}

static long resident_kb(long pid)
{
    char path[64], line[256];
    long kb = 0, v;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", pid);
    if ((f = fopen(path, "r")) == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Pss: %ld", &v) == 1)
            kb = v;
    fclose(f);
    return kb;
}

/* Idle readers: greeted, MODE READER, in a group. */
static void run_idle(void)
{
    int *fd = calloc((size_t)opt.conns, sizeof *fd);
    long before = resident_kb(opt.pid);
    double start = now();

    for (int i = 0; i < opt.conns; i++) {
        char in[512];

        fd[i] = dial(opt.port);
        if (read(fd[i], in, sizeof in) <= 0 || write(fd[i], "MODE READER\r\nGROUP bench.0\r\n", 28) != 28)
            fail("idle reader");
        for (size_t have = 0, lines = 0; lines < 2;) {
            ssize_t n = read(fd[i], in, sizeof in);

            if (n <= 0)
                fail("idle reader");
            have += (size_t)n;
            for (ssize_t k = 0; k < n; k++)
                lines += in[k] == '\n';
        }
    }
    printf("idle.setup %.0f sessions/s\n", opt.conns / (now() - start));
    sleep(1);
    printf("idle.memory %.2f kB/session\n", (double)(resident_kb(opt.pid) - before) / opt.conns);
    for (int i = 0; i < opt.conns; i++)
        close(fd[i]);
}

#define PROP_MOST 1000000
static double told[PROP_MOST], heard[PROP_MOST];

/* A downstream peer: wants everything, notes when each article has come whole. */
static void *sink(void *arg)
{
    struct line_io *c = calloc(1, sizeof *c);
    char *l, id[256];
    long run, n;

    c->fd = (int)(intptr_t)arg;
    put(c, "200 sink\r\n", 10);
    flush_out(c);
    while ((l = get_line(c)) != NULL) {
        if (strncasecmp(l, "MODE STREAM", 11) == 0) {
            put(c, "203 ok\r\n", 8);
        } else if (sscanf(l, "CHECK %255s", id) == 1) {
            put(c, "238 ", 4), put(c, id, strlen(id)), put(c, "\r\n", 2);
        } else if (sscanf(l, "TAKETHIS %255s", id) == 1) {
            while ((l = get_line(c)) != NULL && strcmp(l, ".") != 0)
                ;
            if (sscanf(id, "<%ld.%ld@", &run, &n) == 2 && run == opt.run && n >= 0 && n < PROP_MOST)
                heard[n] = now();
            put(c, "239 ", 4), put(c, id, strlen(id)), put(c, "\r\n", 2);
        } else {
            put(c, "205 bye\r\n", 9);
        }
        if (memchr(c->in + c->at, '\n', c->end - c->at) == NULL)
            flush_out(c);
    }
    close_conn(c);
    return NULL;
}

static void *sink_listen(void *arg)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)opt.sink_port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    (void)arg;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0)
        fail("sink");
    for (;;) {
        int got = accept(fd, NULL, NULL);
        pthread_t t;

        setsockopt(got, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_create(&t, NULL, sink, (void *)(intptr_t)got);
        pthread_detach(t);
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Articles at a steady rate on one connection, and a sink behind the site: from our 239 to the sink's last line. */
static void run_prop(void)
{
    struct line_io *c;
    char *a = malloc(65536), id[80];
    pthread_t t;
    double start, *hop;
    long n = 0, got = 0;

    pthread_create(&t, NULL, sink_listen, NULL);
    sleep(3);                                 /* the site connects to the sink */
    c = open_conn(opt.port);
    start = now();
    for (; now() - start < opt.seconds && n < PROP_MOST; n++) {
        size_t len = article_of(a, 65536, n, false);
        double wait = start + (double)n / opt.rate - now();

        if (wait > 0)
            usleep((useconds_t)(wait * 1e6));
        put(c, "TAKETHIS ", 9);
        put(c, id, (size_t)id_of(id, opt.run, n));
        put(c, "\r\n", 2);
        put(c, a, len);
        flush_out(c);
        if (answer(c, "239"))
            told[n] = now();
    }
    sleep(2);
    hop = calloc((size_t)n, sizeof *hop);
    for (long i = 0; i < n; i++)
        if (told[i] > 0 && heard[i] > 0)
            hop[got++] = (heard[i] - told[i]) * 1000;
    qsort(hop, (size_t)got, sizeof *hop, by_size);
    printf("prop.arrived %ld of %ld\n", got, n);
    if (got > 0)
        printf("prop.p50 %.3f ms\nprop.p99 %.3f ms\n", hop[got / 2], hop[got * 99 / 100]);
}

int main(int argc, char **argv)
{
    int c;

    if (argc < 2) {
        fputs("usage: load takethis|ihave|post|check-known|check-unknown|check-mixed|over|article|idle|prop -p PORT\n"
              "  [-c connections] [-w window] [-s seconds] [-n count] [-g groups] [-r run] [-k known ids] [-R range]\n"
              "  [-b body octets] [-P pid of the server (idle)] [-S sink port (prop)] [-a rate (prop)]\n", stderr);
        return 2;
    }
    opt.mode = argv[1];
    opt.run = (long)time(NULL);
    while ((c = getopt(argc - 1, argv + 1, "p:c:w:s:n:g:r:k:R:b:P:S:a:")) != -1) {
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
        default: return 2;
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
