/* tests/data/musts.tsv: each rule of NNTP and its extensions has its test, and scripts name the section. */
#include "tests/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/disk.h"
#include "lib/mem.h"

#define MOST (1 << 20)

static char *text_of(const char *folder, struct span name)
{
    const char *root = getenv("FRESHET_ROOT");
    char *path = xasprintf("%s/tests/%s/%.*s", root != NULL ? root : ".", folder, SPAN_F(name)), *text;
    size_t n;

    text = disk_slurp(path, MOST, &n);
    free(path);
    return text;
}

static bool part_of_a_number(char c)
{
    return c == '.' || (c >= '0' && c <= '9');
}

/* Does the comment name it, and not only one that begins or ends so? */
static bool names(struct span comment, struct span section)
{
    for (size_t i = 0; i + section.n <= comment.n; i++) {
        struct span behind = span_from(comment, i + section.n);

        if (!span_starts(span_from(comment, i), section) || (i > 0 && part_of_a_number(comment.p[i - 1])))
            continue;
        if (behind.n == 0 || !part_of_a_number(behind.p[0]) || (behind.p[0] == '.' && (behind.n == 1 || !part_of_a_number(behind.p[1]))))
            return true;
    }
    return false;
}

static bool script_names(const char *text, struct span section)
{
    struct span rest = span_of(text), line;

    while (rest.n > 0 && span_next(&rest, '\n', &line))
        if (line.n > 0 && line.p[0] == '#' && names(line, section))
            return true;
    return false;
}

static bool shows(struct span file, struct span rfc, struct span section)
{
    char *script = text_of("session", file), *other = NULL, *number = xstrndup(rfc.p, rfc.n);
    bool yes;

    if (script != NULL)
        yes = strstr(script, number) != NULL && script_names(script, section);
    else
        yes = (other = text_of("daemon", file)) != NULL || (other = text_of("unit", file)) != NULL;
    free(script);
    free(other);
    free(number);
    return yes;
}

static void look(const struct kit_row *r, void *arg)
{
    struct span files = r->cell[3], file;

    (void)arg;
    assert_int_equal(r->n, 4);
    assert_true(files.n > 0);
    if (files.p[0] == '(')
        return;
    while ((file = span_word(&files)).n > 0)
        if (!shows(file, r->cell[0], r->cell[1]))
            fail_msg("musts.tsv:%d: %.*s does not name RFC %.*s %.*s", r->line, SPAN_F(file), SPAN_F(r->cell[0]), SPAN_F(r->cell[1]));
}

static void every_must_for_a_server_is_shown_or_said_why_not(void **state)
{
    (void)state;
    kit_table("musts.tsv", look, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_must_for_a_server_is_shown_or_said_why_not) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
