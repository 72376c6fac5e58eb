/* table.c - rows of a table in tests/data, played on a session.  See table.h. */
#include "tests/session/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/kit.h"
#include "tests/session/client.h"
#include "tests/session/site.h"

#define NAME "table"

struct field { const char *name, *value; };

static const struct field relayed[] = {
    { "Path", "a.example!not-for-mail" }, { "From", "Joe <joe@example.com>" }, { "Newsgroups", "misc.test" },
    { "Subject", "t" }, { "Message-ID", "<$0@example.com>" }, { "Date", "$DATE" }, { NULL, NULL },
}, posted[] = {
    { "From", "Joe <joe@example.com>" }, { "Subject", "t" }, { "Newsgroups", "misc.test" }, { NULL, NULL },
};

static unsigned plays, wrong;
static bool greeted;
static const char *table;

/* ---- what is told ---- */

static void tell(const struct kit_row *r, const char *what, struct span got, struct span want)
{
    wrong++;
    fprintf(stderr, "tests/data/%s:%d: %.*s: %s: got \"%.*s\", wanted \"%.*s\"\n", table, r->line, SPAN_F(r->cell[0]), what,
            SPAN_F(got), SPAN_F(want));
}

static void expect(const struct kit_row *r, const char *what, struct span got, struct span want)
{
    if (!client_says(want, got))
        tell(r, what, got, want);
}

/* Another code than INN's, or a case of our own, wants a reason. */
static void expect_reason(const struct kit_row *r, struct span inn, struct span want)
{
    struct span a = { inn.p, inn.n < 3 ? inn.n : 3 }, b = { want.p, want.n < 3 ? want.n : 3 };

    if (want.n > 1 && want.p[0] == '~' && want.p[1] == '^')
        b.p += 2;
    if (!span_eq(a, b) && r->cell[r->n - 1].n == 0)
        tell(r, "no reason for not doing as INN does", want, inn);
}

/* ---- articles from edits ---- */

/* The next piece of *all, up to the separator. */
static bool next_piece(struct span *all, struct span separator, struct span *one)
{
    const char *end = all->n > 0 ? memmem(all->p, all->n, separator.p, separator.n) : NULL;

    if (all->n == 0)
        return false;
    *one = (struct span){ all->p, end != NULL ? (size_t)(end - all->p) : all->n };
    *all = span_from(*all, end != NULL ? one->n + separator.n : one->n);
    return true;
}

static bool next_edit(struct span *edits, struct span *one)
{
    return next_piece(edits, SPAN(" | "), one);
}

/* What follows the first edit that begins with 'mark'; p NULL: there is none. */
static struct span edit(struct span edits, struct span mark)
{
    struct span one;

    while (next_edit(&edits, &one))
        if (span_starts(one, mark))
            return span_from(one, mark.n);
    return (struct span){ 0 };
}

static bool has(struct span edits, const char *word)
{
    struct span rest = edit(edits, span_of(word));

    return rest.p != NULL && rest.n == 0;
}

/* The value that the edits leave a usual field; p NULL: they leave it out. */
static struct span value_of(struct span edits, const struct field *f)
{
    char mark[40];
    struct span v;

    snprintf(mark, sizeof mark, "- %s", f->name);
    if (has(edits, mark))
        return (struct span){ 0 };
    snprintf(mark, sizeof mark, "= %s: ", f->name);
    v = edit(edits, span_of(mark));
    return v.p != NULL ? v : span_of(f->value);
}

static void put_head(struct buf *text, struct span edits, const struct field *usual)
{
    struct span one;

    for (const struct field *f = usual; f->name != NULL; f++) {
        struct span v = value_of(edits, f);

        if (v.p != NULL)
            buf_printf(text, "%s: ", f->name), buf_add_span(text, v), buf_puts(text, "\r\n");
    }
    while (next_edit(&edits, &one)) {
        if (!span_starts(one, SPAN("+ ")))
            continue;
        buf_add_span(text, span_from(one, 2));
        buf_puts(text, "\r\n");
    }
}

static void put_article(struct buf *out, struct span edits, const struct field *usual)
{
    struct span all = edit(edits, SPAN("all ")), body = edit(edits, SPAN("~ "));
    struct buf text = { 0 };

    if (all.p != NULL) {
        buf_add_span(&text, all);
    } else {
        put_head(&text, edits, usual);
        if (!has(edits, "no-blank")) {
            buf_puts(&text, "\r\n");
            buf_add_span(&text, body.p != NULL ? body : SPAN("Text.\r\n"));
        }
    }
    expand(out, buf_span(&text));
    buf_puts(out, ".\r\n");
    buf_fini(&text);
}

/* ---- the session ---- */

static struct client *me(void)
{
    return client_find(SPAN(NAME));
}

/* Pass over the greeting, unless a row has asked for it. */
static void greet(void)
{
    if (!greeted)
        client_expect(me(), SPAN("~^20[01] "));
    greeted = true;
}

static void say(struct span text)
{
    struct buf out = { 0 };

    expand(&out, text);
    buf_puts(&out, "\r\n");
    client_send(me(), buf_span(&out));
    buf_fini(&out);
}

static void say_with(const char *command, struct span id)
{
    struct buf line = { 0 };

    buf_printf(&line, "%s ", command);
    buf_add_span(&line, id);
    say(buf_span(&line));
    buf_fini(&line);
}

static void send_article(struct span edits, const struct field *usual)
{
    struct buf out = { 0 };

    put_article(&out, edits, usual);
    client_send(me(), buf_span(&out));
    buf_fini(&out);
}

static void next_play(void)
{
    char word[40];

    snprintf(word, sizeof word, "play%u", ++plays);
    client_zero(word);
}

/* ---- relay ---- */

static struct span named_id(struct span edits)
{
    struct span named = edit(edits, SPAN("named ")), v = value_of(edits, &relayed[4]);

    if (named.p != NULL)
        return named;
    return v.n > 0 ? v : span_of(relayed[4].value);
}

/* What CHECK says of an id: yes, it is known; no; or syntax. */
static const char *known(struct span id)
{
    struct buf line = { 0 };
    struct span got;
    const char *is;

    say_with("CHECK", id);
    client_line(me(), &line);
    got = buf_span(&line);
    is = span_starts(got, SPAN("238 ")) ? "no" : !span_starts(got, SPAN("438 ")) ? "?" :
         memmem(got.p, got.n, "Syntax", 6) != NULL ? "syntax" : "yes";
    buf_fini(&line);
    return is;
}

static void expect_known(const struct kit_row *r, struct span edits, struct span want)
{
    site_settle();
    expect(r, "CHECK", span_of(known(named_id(edits))), want);
    if (edit(edits, SPAN("named ")).p != NULL)
        expect(r, "CHECK of its own id", span_of(known(span_of(relayed[4].value))), SPAN("no"));
}

static void by_ihave(struct span edits, struct buf *line)
{
    say_with("IHAVE", named_id(edits));
    client_line(me(), line);
    if (!span_starts(buf_span(line), SPAN("335")))
        return;
    send_article(edits, relayed);
    client_line(me(), line);
}

static void by_takethis(struct span edits, struct buf *line)
{
    say_with("TAKETHIS", named_id(edits));
    send_article(edits, relayed);
    client_line(me(), line);
}

/* The code and the id behind it, which RFC 4644 wants; the reason may follow. */
static void expect_streamed(const struct kit_row *r, struct span got, struct span code, struct span id)
{
    struct buf want = { 0 }, plain = { 0 };

    buf_printf(&plain, "%.*s ", SPAN_F(code));
    buf_add_span(&plain, id);
    expand(&want, buf_span(&plain));
    if (!span_starts(got, buf_span(&want)) || (got.n > buf_len(&want) && got.p[buf_len(&want)] != ' '))
        tell(r, "TAKETHIS", got, buf_span(&want));
    buf_fini(&want);
    buf_fini(&plain);
}

static void relay_row(const struct kit_row *r, void *arg)
{
    struct span edits = r->cell[1];
    struct buf line = { 0 };

    (void)arg;
    expect_reason(r, r->cell[2], r->cell[5]);
    expect_reason(r, r->cell[3], r->cell[6]);
    expect_reason(r, r->cell[4], r->cell[7]);
    for (int streamed = 0; streamed < 2; streamed++) {
        next_play();
        if (has(edits, "twice"))
            by_takethis((struct span){ 0 }, &line);
        if (streamed)
            by_takethis(edits, &line), expect_streamed(r, buf_span(&line), r->cell[6], named_id(edits));
        else
            by_ihave(edits, &line), expect(r, "IHAVE", buf_span(&line), r->cell[5]);
        expect_known(r, edits, r->cell[7]);
    }
    buf_fini(&line);
}

/* ---- post ---- */

/* What 240 names must be there. */
static void expect_kept(const struct kit_row *r, struct span reply)
{
    const char *id = memchr(reply.p, '<', reply.n);
    struct buf line = { 0 };

    if (id == NULL) {
        tell(r, "no id in the reply", reply, SPAN(""));
        return;
    }
    say_with("STAT", (struct span){ id, (size_t)(reply.p + reply.n - id) });
    client_line(me(), &line);
    expect(r, "STAT", buf_span(&line), SPAN("223 0 *"));
    buf_fini(&line);
}

static void post(struct span edits, struct buf *line)
{
    say(SPAN("POST"));
    client_line(me(), line);
    if (!span_starts(buf_span(line), SPAN("340 ")))
        return;
    send_article(edits, posted);
    client_line(me(), line);
}

static void post_row(const struct kit_row *r, void *arg)
{
    struct buf line = { 0 };

    (void)arg;
    expect_reason(r, r->cell[2], r->cell[3]);
    next_play();
    if (has(r->cell[1], "twice"))
        post(r->cell[1], &line);
    post(r->cell[1], &line);
    expect(r, "POST", buf_span(&line), r->cell[3]);
    if (span_starts(buf_span(&line), SPAN("240 ")))
        expect_kept(r, buf_span(&line));
    buf_fini(&line);
}

/* ---- path ---- */

/* The body of the Path field, folds and all. */
static void stored_path(struct span id, struct buf *path)
{
    struct buf line = { 0 };
    bool inside = false;

    say_with("HEAD", id);
    client_line(me(), &line);
    do {
        client_line(me(), &line);
        inside = inside && buf_len(&line) > 0 && buf_data(&line)[0] == ' ';
        if (inside) {
            buf_puts(path, "\r\n");
            buf_add_span(path, buf_span(&line));
        } else if (span_starts(buf_span(&line), SPAN("Path: "))) {
            buf_add_span(path, span_from(buf_span(&line), 6));
            inside = true;
        }
    } while (!span_eq(buf_span(&line), SPAN(".")));
    buf_fini(&line);
}

static void path_row(const struct kit_row *r, void *arg)
{
    char *edits = xasprintf("= Path: %.*s", SPAN_F(r->cell[0]));
    struct buf line = { 0 }, path = { 0 };

    (void)arg;
    if (!span_eq(r->cell[1], r->cell[2]) && r->cell[3].n == 0)
        tell(r, "no reason for not doing as INN does", r->cell[2], r->cell[1]);
    next_play();
    by_takethis(span_of(edits), &line);
    if (span_starts(buf_span(&line), SPAN("239 ")))
        stored_path(span_of(relayed[4].value), &path);
    else
        buf_puts(&path, "refused");
    expect(r, "Path", buf_span(&path), r->cell[2]);
    buf_fini(&line);
    buf_fini(&path);
    free(edits);
}

/* ---- commands ---- */

static void expect_block(const struct kit_row *r, struct span want)
{
    struct buf line = { 0 };
    bool any_more = false;
    struct span one;

    while (!any_more && next_piece(&want, SPAN(" / "), &one)) {
        any_more = span_eq(one, SPAN("..."));
        if (any_more || span_eq(one, SPAN(".")))
            continue;
        client_line(me(), &line);
        expect(r, "line", buf_span(&line), one);
    }
    do {
        client_line(me(), &line);
        if (!any_more)
            expect(r, "end of the block", buf_span(&line), SPAN("."));
    } while (!span_eq(buf_span(&line), SPAN(".")));
    buf_fini(&line);
}

static void command_row(const struct kit_row *r, void *arg)
{
    struct span send = r->cell[1].n > 0 ? r->cell[1] : r->cell[0];
    struct buf line = { 0 };

    (void)arg;
    expect_reason(r, r->cell[2], r->cell[4]);
    if (!span_eq(r->cell[0], SPAN("(connect)"))) {
        greet();
        say(send);
    }
    greeted = true;
    client_line(me(), &line);
    expect(r, "reply", buf_span(&line), r->cell[4]);
    /* out of step, what follows would all be wrong */
    if (!client_says(r->cell[4], buf_span(&line)))
        site_fault("tests/data/%s: the rest is not played", table);
    if (r->cell[5].n > 0)
        expect_block(r, r->cell[5]);
    buf_fini(&line);
}

/* ---- all ---- */

static const struct { const char *name; kit_row_fn *row; } kinds[] = {
    { "relay", relay_row }, { "post", post_row }, { "path", path_row }, { "commands", command_row },
};

void table_play(struct span kind, struct span file, struct span address)
{
    char *name = xstrndup(file.p, file.n), *from = xstrndup(address.p, address.n);
    kit_row_fn *row = NULL;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (span_eq(kind, span_of(kinds[i].name)))
            row = kinds[i].row;
    if (row == NULL)
        site_fault("play relay|post|path|commands FILE ADDRESS");
    table = name;
    client_connect(SPAN(NAME), from);
    greeted = false;
    if (row != command_row)
        greet();
    kit_table(name, row, NULL);
    if (wrong > 0)
        site_fault("%u answers are not as %s wants them", wrong, name);
    client_close(me());
    free(name);
    free(from);
}
