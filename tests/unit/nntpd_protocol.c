/* doc/protocol.md against the command table, the sources, and what the session scripts show:
 * no command and no code is said that the page does not tell, and the page tells none that no
 * script has seen.
 *
 * Rows of the page:  | `COMMAND` arguments | codes | ...     the command's; an empty first cell goes on
 *                    | code | ...                            for all commands of the section
 *                    | other words | codes | ...             the same
 * The section "For all commands" holds for all of them.
 */
#include "tests/kit.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/disk.h"
#include "lib/mem.h"
#include "nntpd/command.h"
#include "nntpd/verdict.h"

#define COMMANDS 80
#define SECTIONS 40
#define CODES    600
#define NAME     40

static struct { char name[COMMANDS][NAME]; unsigned n; } commands_known;
static struct {
    bool own[COMMANDS][CODES], in[COMMANDS][SECTIONS], all[SECTIONS][CODES];
    unsigned section, for_all;         /* 0 stands before the first heading */
} page;
static char said[COMMANDS][CODES][100];            /* where */

static char *root_file(const char *name)
{
    const char *root = getenv("FRESHET_ROOT");
    char *path = xasprintf("%s/%s", root != NULL ? root : ".", name), *text;
    size_t n;

    if ((text = disk_slurp(path, 1 << 20, &n)) == NULL)
        fail_msg("%s cannot be read", path);
    free(path);
    return text;
}

/* Call 'look' for the files that fit. */
static void each_file(const char *pattern, void (*look)(const char *path, char *text))
{
    const char *root = getenv("FRESHET_ROOT");
    char *whole = xasprintf("%s/%s", root != NULL ? root : ".", pattern);
    glob_t g;
    size_t n;

    assert_int_equal(glob(whole, 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        char *text = disk_slurp(g.gl_pathv[i], 1 << 20, &n);

        assert_non_null(text);
        look(g.gl_pathv[i], text);
        free(text);
    }
    globfree(&g);
    free(whole);
}

/* --- the page ---------------------------------------------------------- */

/* Numbers of three digits, 100 to 599, that are no part of others (1,024; 5.2). */
static void take_codes(struct span cell, bool codes[CODES])
{
    for (size_t i = 0; i + 3 <= cell.n; i++) {
        const char *p = cell.p + i;
        char before = i > 0 ? p[-1] : ' ', behind = i + 3 < cell.n ? p[3] : ' ', then = i + 4 < cell.n ? p[4] : ' ';

        if (p[0] < '1' || p[0] > '5' || !isdigit((unsigned char)p[1]) || !isdigit((unsigned char)p[2]))
            continue;
        if (isdigit((unsigned char)before) || strchr(",.", before) != NULL || isdigit((unsigned char)behind) ||
            (strchr(",.", behind) != NULL && isdigit((unsigned char)then)))
            continue;
        codes[(p[0] - '0') * 100 + (p[1] - '0') * 10 + p[2] - '0'] = true;
    }
}

/* Does the cell say "`NAME`" or "`NAME arguments"? */
static bool cell_names(struct span cell, const char *name)
{
    char *quoted = xasprintf("`%s`", name), *longer = xasprintf("`%s ", name);
    bool yes = memmem(cell.p, cell.n, quoted, strlen(quoted)) != NULL || memmem(cell.p, cell.n, longer, strlen(longer)) != NULL;

    free(quoted);
    free(longer);
    return yes;
}

static void read_row(struct span line, bool whose[COMMANDS])
{
    struct span first = { 0 }, second = { 0 };
    bool anybody = false;

    span_next(&line, '|', &first);                 /* what stands before the first "|": nothing */
    span_next(&line, '|', &first);
    if (line.n > 0)
        span_next(&line, '|', &second);
    first = span_trim(first);
    for (unsigned i = 0; i < commands_known.n; i++) {
        if (first.n > 0)
            whose[i] = cell_names(first, commands_known.name[i]);
        anybody |= whose[i];
        if (!whose[i])
            continue;
        page.in[i][page.section] = true;
        take_codes(second, page.own[i]);
    }
    if (!anybody)
        take_codes(first.n > 0 && isdigit((unsigned char)first.p[0]) ? first : second, page.all[page.section]);
}

static void read_page(void)
{
    char *text = root_file("doc/protocol.md");
    struct span rest = span_of(text), line;
    bool whose[COMMANDS] = { false }, ours = true;  /* not what feeder says */

    while (rest.n > 0 && span_next(&rest, '\n', &line)) {
        if (span_starts(line, SPAN("## "))) {
            need(++page.section < SECTIONS);
            ours = !span_starts(line, SPAN("## What feeder"));
            if (span_eq(line, SPAN("## For all commands")))
                page.for_all = page.section;
        }
        if (line.n == 0 || line.p[0] != '|')
            memset(whose, 0, sizeof whose);
        else if (ours)
            read_row(line, whose);
    }
    free(text);
}

/* --- the scripts ------------------------------------------------------- */

/* One client: what it has asked, when it is plain which answer belongs to it. */
struct asker { struct span name; int command; bool fresh; };

static struct asker *asker_of(struct asker *all, size_t *n, struct span name)
{
    for (size_t i = 0; i < *n; i++)
        if (span_eq(all[i].name, name))
            return &all[i];
    need(*n < 60);
    all[*n] = (struct asker){ .name = name, .command = -1 };
    return &all[(*n)++];
}

static int command_named(const char *name)
{
    for (unsigned i = 0; i < commands_known.n; i++)
        if (strcasecmp(commands_known.name[i], name) == 0)
            return (int)i;
    return -1;
}

static int command_of(struct span line)
{
    struct span word = span_word(&line), next = span_word(&line);
    char name[NAME + 40];
    int c;

    snprintf(name, sizeof name, "%.*s %.*s", (int)(word.n < NAME ? word.n : NAME), word.p, (int)(next.n < 20 ? next.n : 20), next.p);
    if (span_ieq(word, SPAN("LIST")) && next.n == 0)
        strcpy(name, "LIST ACTIVE");
    if ((c = command_named(name)) < 0) {
        *strchr(name, ' ') = '\0';
        c = command_named(name);
    }
    return c;
}

static void asks(struct asker *a, struct span text)
{
    if (span_eq(text, SPAN("{")) || (text.n > 0 && text.p[0] == '@'))
        return;                                    /* its article: the answer is the command's still */
    a->command = a->fresh ? -1 : command_of(text); /* two that are not answered yet: not looked at */
    a->fresh = true;
}

static void hears(struct asker *a, struct span want, const char *file, int line)
{
    bool codes[CODES] = { false };

    if (want.n > 0 && want.p[0] == '~')
        want = span_from(want, 1);
    if (want.n > 0 && want.p[0] == '^')
        want = span_from(want, 1);
    take_codes((struct span){ want.p, want.n < 4 ? want.n : 4 }, codes);
    a->fresh = false;
    if (want.n < 3 || !isdigit((unsigned char)want.p[0]))
        a->command = -1;                           /* inside a block */
    for (int code = 100; a->command >= 0 && code < CODES; code++)
        if (codes[code] && said[a->command][code][0] == '\0')
            snprintf(said[a->command][code], sizeof said[0][0], "%s:%d", strrchr(file, '/') + 1, line);
}

static void read_line(struct asker *all, size_t *n, struct span line, const char *file, int number)
{
    struct span rest = line, who = span_word(&rest), verb = who;
    struct asker *a;

    if (who.n < 2)
        return;
    if (span_eq(verb, SPAN("connect")) || span_eq(verb, SPAN("reader")) || span_eq(verb, SPAN("peer"))) {
        a = asker_of(all, n, span_word(&rest));
        a->command = -1;
        a->fresh = false;
        return;
    }
    rest = span_from(line, (size_t)(who.p + who.n - line.p) + (rest.n > 0));
    if (who.n > 2 && who.p[who.n - 1] == '|' && who.p[who.n - 2] == '>') {
        a = asker_of(all, n, (struct span){ who.p, who.n - 2 });
        a->command = -1;                           /* pieces */
        a->fresh = false;
    } else if (who.p[who.n - 1] == '>') {
        asks(asker_of(all, n, (struct span){ who.p, who.n - 1 }), rest);
    } else if (who.p[who.n - 1] == '<') {
        hears(asker_of(all, n, (struct span){ who.p, who.n - 1 }), rest, file, number);
    }
}

static void read_script(const char *file, char *text)
{
    struct span rest = span_of(text), line;
    struct asker all[60];
    size_t n = 0;
    bool inside = false;                           /* an article */

    for (int number = 1; rest.n > 0 && span_next(&rest, '\n', &line); number++) {
        if (inside && span_eq(line, SPAN("}")))
            inside = false;
        else if (!inside)
            read_line(all, &n, line, file, number);
        inside |= line.n > 2 && span_eq(span_from(line, line.n - 3), SPAN("> {"));
    }
}

/* --- one against the other ---------------------------------------------- */

static bool told(unsigned command, int code)
{
    if (page.own[command][code] || page.all[page.for_all][code])
        return true;
    for (unsigned s = 0; s <= page.section; s++)
        if (page.in[command][s] && page.all[s][code])
            return true;
    return false;
}

/* Those that a table of variants stands for. */
static bool has_variants(unsigned command)
{
    return strcmp(commands_known.name[command], "MODE") == 0 || strcmp(commands_known.name[command], "AUTHINFO") == 0 ||
           strcmp(commands_known.name[command], "LIST") == 0;
}

static void every_command_has_its_row(void **state)
{
    (void)state;
    for (unsigned i = 0; i < commands_known.n; i++) {
        bool there = false;

        for (unsigned s = 0; s <= page.section; s++)
            there |= page.in[i][s];
        if (!there && !has_variants(i))
            fail_msg("doc/protocol.md has no row for %s", commands_known.name[i]);
    }
}

static void every_answer_of_the_scripts_is_told_for_its_command(void **state)
{
    unsigned seen = 0;

    (void)state;
    for (unsigned i = 0; i < commands_known.n; i++) {
        for (int code = 100; code < CODES; code++) {
            seen += said[i][code][0] != '\0';
            if (said[i][code][0] != '\0' && !told(i, code))
                fail_msg("%s: %s is answered with %d, and doc/protocol.md does not tell", said[i][code], commands_known.name[i], code);
        }
    }
    assert_true(seen > 150);
}

static void every_answer_that_is_told_was_seen_in_a_script(void **state)
{
    (void)state;
    for (unsigned i = 0; i < commands_known.n; i++)
        for (int code = 100; code < CODES && !has_variants(i); code++)
            if (page.own[i][code] && said[i][code][0] == '\0')
                fail_msg("doc/protocol.md tells of %d to %s, and no script in tests/session", code, commands_known.name[i]);
}

/* Those that stand in our sources as "211 ...", wherever on the page. */
static void look_at_source(const char *path, char *text)
{
    bool anywhere;

    for (const char *p = text; (p = strchr(p, '"')) != NULL; p++) {
        bool codes[CODES] = { false };

        take_codes((struct span){ p + 1, strnlen(p + 1, 4) }, codes);
        for (int code = 100; code < CODES; code++) {
            if (!codes[code] || p[4] != ' ')
                continue;
            anywhere = false;
            for (unsigned s = 0; s <= page.section; s++)
                anywhere |= page.all[s][code];
            for (unsigned i = 0; i < commands_known.n; i++)
                anywhere |= page.own[i][code];
            if (!anywhere)
                fail_msg("%s says %d, doc/protocol.md does not", path, code);
        }
    }
}

static void every_code_of_the_sources_is_in_a_row(void **state)
{
    (void)state;
    each_file("nntpd/*.c", look_at_source);
}

static void every_verdict_is_told_for_the_commands_that_bring_articles(void **state)
{
    int ihave = command_named("IHAVE"), takethis = command_named("TAKETHIS"), post = command_named("POST");

    (void)state;
    for (int v = AWAY + 1; v < VERDICTS; v++) {
        const struct verdict_row *r = verdict_row((enum verdict)v);

        if (!told((unsigned)ihave, r->ihave) || !told((unsigned)takethis, r->takethis) || !told((unsigned)post, r->post))
            fail_msg("%s: doc/protocol.md does not tell %d, %d or %d", r->name, r->ihave, r->takethis, r->post);
    }
}

static int read_all(void **state)
{
    (void)state;
    commands_known.n = command_count();
    need(commands_known.n <= COMMANDS);
    for (unsigned i = 0; i < commands_known.n; i++)
        command_name(i, commands_known.name[i], NAME);
    read_page();
    each_file("tests/session/*.nt", read_script);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_its_row), cmocka_unit_test(every_answer_of_the_scripts_is_told_for_its_command),
        cmocka_unit_test(every_answer_that_is_told_was_seen_in_a_script), cmocka_unit_test(every_code_of_the_sources_is_in_a_row),
        cmocka_unit_test(every_verdict_is_told_for_the_commands_that_bring_articles),
    };

    return cmocka_run_group_tests(tests, read_all, NULL);
}
