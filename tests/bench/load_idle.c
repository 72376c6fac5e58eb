/* load_idle.c - readers that come and go, and readers that stay and say nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/load.h"

void run_visits(void)
{
    resume = strcmp(opt.mode, "resume") == 0;
    while (take() >= 0) {
        struct line_io *c = open_conn(opt.port);

        put_text(c, "MODE READER\r\n");
        flush_out(c);
        answer(c, "20");
        close_conn(c);
    }
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

static bool asked(struct line_io *c, const char *command, const char *want)
{
    char *l;

    put_text(c, command);
    flush_out(c);
    return (l = get_line(c)) != NULL && strncmp(l, want, strlen(want)) == 0;
}

/* Idle readers: greeted, MODE READER, in a group.  All of them still answer afterwards. */
void run_idle(void)
{
    struct line_io **c = calloc((size_t)opt.conns, sizeof *c);
    long before = resident_kb(opt.pid), grown;
    double start = now();

    for (int i = 0; i < opt.conns; i++) {
        c[i] = open_conn(opt.port);
        if (!asked(c[i], "MODE READER\r\n", "20") || !asked(c[i], "GROUP bench.0\r\n", "211"))
            fail("idle reader");
        rest_conn(c[i]);
    }
    printf("%s.setup %.0f sessions/s\n", figure(), opt.conns / (now() - start));
    sleep(opt.deflate ? 15 : 1);               /* what compression remembers is given back after a while */
    grown = resident_kb(opt.pid) - before;
    printf("%s.memory %.2f kB/session (%d sessions, %ld MB)\n", figure(), (double)grown / opt.conns, opt.conns, grown / 1024);
    for (int i = 0; i < opt.conns; i++) {
        if (!asked(c[i], "DATE\r\n", "111"))
            fail("idle reader, afterwards");
        close_conn(c[i]);
    }
    free(c);
}
