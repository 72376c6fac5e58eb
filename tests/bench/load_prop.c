/* load_prop.c - a steady feed and a sink behind the site: how long does an article take? */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

#define PROP_MOST 1000000
static double told[PROP_MOST], heard[PROP_MOST];

/* A downstream peer: wants everything, notes when each article has come whole. */
static void *sink(void *arg)
{
    struct line_io *c = take_conn((int)(intptr_t)arg);
    char *l, id[256];
    long run, n;

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
        if (!has_line(c))
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
void run_prop(void)
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
