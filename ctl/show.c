/* show.c - answers as a person or a script wants them.
 *
 * A table is kept until its end, so that columns fit; text goes out at once, and so
 * do the rows of what takes its time (show_live).
 * JSON: rows as an array of objects, columns as keys; numbers stay numbers.
 * Progress is a bar on a terminal, a line every tenth otherwise; both on
 * standard error, so that standard output is the answer alone.
 */
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#define COLUMNS_MAX 32

struct show {
    bool   json, live;
    bool   bar;                /* a progress bar stands on the terminal                */
    char  *column[COLUMNS_MAX];
    size_t width[COLUMNS_MAX], n_columns;
    bool   number[COLUMNS_MAX];/* all values so far are numbers: right-aligned         */
    char **cell;               /* rows * n_columns                                     */
    size_t n_cells, cap;
    struct buf text;           /* JSON: the text lines                                 */
    int    tenth;              /* last progress told, in tenths                        */
    char   doing[64];          /* of what                                              */
};

struct show *show_new(bool json)
{
    struct show *s = xcalloc(1, sizeof *s);

    s->json = json;
    s->tenth = -1;
    return s;
}

bool show_is_json(const struct show *s)
{
    return s->json;
}

void show_live(struct show *s)
{
    s->live = !s->json;
}

void show_free(struct show **s)
{
    if (*s == NULL)
        return;
    for (size_t i = 0; i < (*s)->n_columns; i++)
        free((*s)->column[i]);
    for (size_t i = 0; i < (*s)->n_cells; i++)
        free((*s)->cell[i]);
    free((*s)->cell);
    buf_fini(&(*s)->text);
    free(*s);
    *s = NULL;
}

static void end_bar(struct show *s)
{
    if (s->bar)
        fputc('\n', stderr);
    s->bar = false;
}

void show_progress(struct show *s, struct span what, unsigned long long done, unsigned long long total)
{
    int percent = total > 0 ? (int)(done * 100 / total) : 0;

    if (!span_eq(what, span_of(s->doing))) {
        end_bar(s);
        snprintf(s->doing, sizeof s->doing, "%.*s", SPAN_F(what));
        s->tenth = -1;
    }
    if (isatty(STDERR_FILENO)) {
        char bar[31];

        memset(bar, '.', 30);
        memset(bar, '#', (size_t)(percent > 100 ? 30 : percent * 30 / 100));
        bar[30] = '\0';
        fprintf(stderr, "\r%.*s [%s] %3d%% %llu", SPAN_F(what), bar, percent, done);
        fflush(stderr);
        s->bar = true;
    } else if (percent / 10 != s->tenth) {
        s->tenth = percent / 10;
        fprintf(stderr, "%.*s: %llu of %llu (%d%%)\n", SPAN_F(what), done, total, percent);
    }
}

/* As JSON has them: no "007", no ".5". */
static bool is_number(struct span v)
{
    size_t i = v.n > 1 && v.p[0] == '-' ? 1 : 0;

    if (v.n == i || v.p[i] == '.' || (v.n > i + 1 && v.p[i] == '0' && v.p[i + 1] != '.'))
        return false;
    for (bool dot = false; i < v.n; i++) {
        if (v.p[i] == '.' && !dot && i + 1 < v.n)
            dot = true;
        else if (v.p[i] < '0' || v.p[i] > '9')
            return false;
    }
    return true;
}

/* Cells of a text column: a code point is one wide (names in other scripts line up well enough). */
static size_t width_of(struct span v)
{
    size_t w = 0, n;

    for (; v.n > 0; v = span_from(v, n > 0 ? n : 1), w++)
        n = utf8_harmless(v);
    return w;
}

void show_columns(struct show *s, const struct span *name, size_t n)
{
    s->n_columns = n < COLUMNS_MAX ? n : COLUMNS_MAX;
    for (size_t i = 0; i < s->n_columns; i++) {
        s->column[i] = xstrndup(name[i].p, name[i].n);
        s->width[i] = width_of(name[i]);
        s->number[i] = true;
    }
}

/* Other people's words (a peer's reply, a group's description) come here: what a terminal
 * would act upon is shown as question marks. */
static void put(FILE *f, struct span v, const char *keep)
{
    while (v.n > 0) {
        size_t n = utf8_harmless(v);

        if (n == 0 && (v.p[0] == '\0' || strchr(keep, v.p[0]) == NULL))
            fputc('?', f);
        else
            fwrite(v.p, 1, n = n > 0 ? n : 1, f);
        v = span_from(v, n > 0 ? n : 1);
    }
}

#define LINES "\t\n"                  /* text may have several */

static void live_row(const struct span *value, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        int wide = i == 0 ? 13 : 5, has = (int)width_of(value[i]);

        put(stdout, value[i], "");
        printf("%*s", has < wide ? wide - has + 1 : 1, "");
    }
    if (n > 0) {
        put(stdout, value[n - 1], "");
        putchar('\n');
    }
    fflush(stdout);
}

void show_row(struct show *s, const struct span *value, size_t n)
{
    if (s->live) {
        live_row(value, n);
        return;
    }
    for (size_t i = 0; i < s->n_columns; i++) {
        struct span v = i < n ? value[i] : SPAN("");

        if (s->n_cells == s->cap)
            s->cell = xrealloc(s->cell, (s->cap = s->cap * 2 + 64) * sizeof *s->cell);
        s->cell[s->n_cells++] = xstrndup(v.p, v.n);
        if (width_of(v) > s->width[i])
            s->width[i] = width_of(v);
        if (!is_number(v) && v.n > 0)
            s->number[i] = false;
    }
}

void show_text(struct show *s, struct span text)
{
    if (s->json) {
        buf_add_span(&s->text, text);
        buf_puts(&s->text, "\n");
        return;
    }
    end_bar(s);
    put(stdout, text, LINES);
    putchar('\n');
}

/* Octets of the UTF-8 character that 's' begins with; 0: it does not. */
static size_t character(struct span s)
{
    for (size_t n = 1; n <= 4 && n <= s.n; n++)
        if (utf8_valid((struct span){ s.p, n }))
            return n;
    return 0;
}

/* A description may be of any octets; JSON is UTF-8. */
static void json_string(const char *p, size_t n)
{
    putchar('"');
    for (size_t i = 0, wide; i < n; i += wide) {
        unsigned char c = (unsigned char)p[i];

        wide = character((struct span){ p + i, n - i });
        if (wide == 0) {
            fputs("\\ufffd", stdout);
            wide = 1;
        } else if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 0x20) {
            printf("\\u%04x", c);
        } else {
            fwrite(p + i, 1, wide, stdout);
        }
    }
    putchar('"');
}

static void end_json(struct show *s, bool good, struct span text)
{
    printf("{\"ok\":%s,\"text\":", good ? "true" : "false");
    json_string(text.p, text.n);
    if (buf_len(&s->text) > 0) {
        fputs(",\"output\":", stdout);
        json_string(buf_data(&s->text), buf_len(&s->text));
    }
    if (s->n_columns > 0) {
        fputs(",\"rows\":[", stdout);
        for (size_t i = 0; i < s->n_cells; i += s->n_columns) {
            fputs(i > 0 ? ",{" : "{", stdout);
            for (size_t k = 0; k < s->n_columns; k++) {
                const char *v = s->cell[i + k];

                if (k > 0)
                    putchar(',');
                json_string(s->column[k], strlen(s->column[k]));
                putchar(':');
                if (is_number(span_of(v)))
                    fputs(v, stdout);
                else
                    json_string(v, strlen(v));
            }
            putchar('}');
        }
        putchar(']');
    }
    puts("}");
}

static void put_cell(const struct show *s, size_t k, const char *v, bool last)
{
    int pad = (int)(s->width[k] - width_of(span_of(v)));

    if (s->number[k])
        printf("%*s", pad, "");
    put(stdout, span_of(v), "");
    if (!s->number[k])
        printf("%*s", last ? 0 : pad, "");
    fputs(last ? "\n" : "  ", stdout);
}

static void end_table(struct show *s)
{
    if (s->n_columns == 0 || s->live)
        return;
    if (s->n_columns > 2)                  /* name and value need no head */
        for (size_t k = 0; k < s->n_columns; k++)
            put_cell(s, k, s->column[k], k + 1 == s->n_columns);
    for (size_t i = 0; i < s->n_cells; i++)
        put_cell(s, i % s->n_columns, s->cell[i], i % s->n_columns + 1 == s->n_columns);
}

void show_end(struct show *s, bool good, struct span text)
{
    end_bar(s);
    if (s->json) {
        end_json(s, good, text);
        return;
    }
    end_table(s);
    fflush(stdout);
    if (text.n > 0) {
        fputs(good ? "" : "newsctl: ", good ? stdout : stderr);
        put(good ? stdout : stderr, text, LINES);
        fputc('\n', good ? stdout : stderr);
    }
}

int show_no(struct show *s, const char *fmt, ...)
{
    char text[1000];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    show_end(s, false, span_of(text));
    return CTL_NO;
}
