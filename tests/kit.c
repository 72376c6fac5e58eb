/* kit.c - what the tests share.  See kit.h. */
#include "tests/kit.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "lib/mem.h"

static char dir[256];
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_dir(void)
{
    if (getpid() == owner && getenv("KEEP") == NULL)
        nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *kit_dir(void)
{
    if (dir[0] == '\0') {
        const char *tmp = getenv("TMPDIR");

        snprintf(dir, sizeof dir, "%s/freshet-test.XXXXXX", tmp != NULL ? tmp : "/tmp");
        if (mkdtemp(dir) == NULL)
            die(1, "kit: cannot make %s", dir);
        owner = getpid();
        atexit(remove_dir);
    }
    return dir;
}

const char *kit_path(const char *fmt, ...)
{
    static char ring[8][512];
    static unsigned turn;
    char *out = ring[turn++ % 8];
    va_list ap;
    int n = snprintf(out, 512, "%s/", kit_dir());

    va_start(ap, fmt);
    vsnprintf(out + n, 512 - (size_t)n, fmt, ap);
    va_end(ap);
    return out;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undo the escapes of a cell in place; return its length. */
static size_t unescape(char *s, size_t n)
{
    size_t o = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] != '\\' || i + 1 == n) {
            s[o++] = s[i];
            continue;
        }
        switch (s[++i]) {
        case 't': s[o++] = '\t'; break;
        case 'n': s[o++] = '\n'; break;
        case 'r': s[o++] = '\r'; break;
        case 'x':
            if (i + 2 < n && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
                s[o++] = (char)(hex(s[i + 1]) << 4 | hex(s[i + 2]));
                i += 2;
                break;
            }
            /* fall through */
        default: s[o++] = s[i];
        }
    }
    return o;
}

/* Text that a terminal can show. */
static void print_span(const char *before, struct span s)
{
    print_message("%s\"", before);
    for (size_t i = 0; i < s.n; i++)
        print_message(s.p[i] < ' ' || s.p[i] > '~' ? "\\x%02x" : "%c", (unsigned char)s.p[i]);
    print_message("\"");
}

static unsigned rows_wrong;

void kit_row_is(const struct kit_row *row, const char *what, struct span got, struct span wanted)
{
    if (span_eq(got, wanted))
        return;
    rows_wrong++;
    print_message("row in line %d, %s: ", row->line, what);
    print_span("got ", got);
    print_span(", wanted ", wanted);
    for (size_t i = 0; i < row->n; i++)
        print_span(i == 0 ? "; cells " : " ", row->cell[i]);
    print_message("\n");
}

/* Cut a line into cells.  Each is a block of its own, so that a sanitizer sees who reads beyond. */
static void cut_row(struct kit_row *row, char *p, char *end)
{
    for (;; p++) {
        char *tab = memchr(p, '\t', (size_t)(end - p)), *stop = tab != NULL ? tab : end, *cell;
        size_t n = unescape(p, (size_t)(stop - p));

        need(row->n < sizeof row->cell / sizeof *row->cell);
        cell = memcpy(xmalloc(n), p, n);
        row->cell[row->n++] = (struct span){ cell, n };
        if (tab == NULL)
            return;
        p = stop;
    }
}

void kit_table(const char *name, kit_row_fn *each, void *arg)
{
    char path[512], *line = NULL;
    const char *root = getenv("FRESHET_ROOT");
    unsigned rows = 0;
    size_t cap = 0;
    ssize_t n;
    FILE *f;

    snprintf(path, sizeof path, "%s/tests/data/%s", root != NULL ? root : ".", name);
    if ((f = fopen(path, "r")) == NULL)
        fail_msg("%s: cannot be read (FRESHET_ROOT is the project's directory)", path);
    rows_wrong = 0;
    for (int at = 1; (n = getline(&line, &cap, f)) > 0; at++) {
        struct kit_row row = { .line = at };

        if (at == 1 || line[0] == '#')
            continue;
        if (line[n - 1] == '\n')
            n--;
        cut_row(&row, line, line + n);
        each(&row, arg);
        rows++;
        for (size_t i = 0; i < row.n; i++)
            free((void *)(uintptr_t)row.cell[i].p);
    }
    free(line);
    fclose(f);
    if (rows == 0 || rows_wrong > 0)
        fail_msg("%s: %u rows, %u wrong", name, rows, rows_wrong);
}

void kit_article(struct buf *out, const char *body, const char *name, ...)
{
    static _Atomic unsigned serial;
    char id[80], date[80];
    time_t now = time(NULL);
    struct tm tm;
    struct { const char *name, *value; } f[32] = {
        { "Path", "src.example!not-for-mail" }, { "From", "Joe <joe@example.com>" },
        { "Newsgroups", "misc.test" }, { "Subject", "t" }, { "Message-ID", id }, { "Date", date },
    };
    size_t n = 6;
    va_list ap;

    snprintf(id, sizeof id, "<kit%d.%u@example.com>", (int)getpid(), ++serial);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &tm));
    va_start(ap, name);
    for (; name != NULL; name = va_arg(ap, const char *)) {
        size_t i = 0;

        while (i < n && strcasecmp(f[i].name, name) != 0)
            i++;
        need(i < 32);
        f[i].name = name;
        f[i].value = va_arg(ap, const char *);
        n = i == n ? n + 1 : n;
    }
    va_end(ap);
    for (size_t i = 0; i < n; i++)
        if (f[i].value != NULL)
            buf_printf(out, "%s: %s\r\n", f[i].name, f[i].value);
    buf_printf(out, "\r\n%s.\r\n", body);
}

uint64_t kit_random(void)
{
    static uint64_t s;

    if (s == 0) {
        s = getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 10) : UINT64_C(88172645463325252);
        print_message("# SEED=%llu\n", (unsigned long long)s);
    }
    s ^= s << 13, s ^= s >> 7, s ^= s << 17;
    return s;
}
