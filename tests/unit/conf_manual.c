/* conf_manual.c - nntpd.conf(5) says of each setting what the schema says.
 *
 * With WRITE=1 in the environment the page is made to say so.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "tests/kit.h"

static const char *value_name(const struct setting *s)
{
    switch (s->type) {
    case TYPE_TEXT:   return "text";
    case TYPE_PATH:   return "path";
    case TYPE_LIST:   return "list";
    case TYPE_BOOL:   return "bool";
    case TYPE_INT:    return "number";
    case TYPE_SIZE:   return "size";
    case TYPE_TIME:   return "time";
    case TYPE_CHOICE: return "word";
    }
    return NULL;
}

/* Text in lines of at most 90 letters. */
static void put_text(struct buf *out, const char *text)
{
    size_t column = 0;

    for (struct span s = span_of(text), word; (word = span_word(&s)).n > 0;) {
        if (column > 0 && column + 1 + word.n > 90) {
            buf_puts(out, "\n");
            column = 0;
        }
        buf_printf(out, "%s%s%.*s", column > 0 ? " " : "", word.p[0] == '\'' || word.p[0] == '.' ? "\\&" : "", SPAN_F(word));
        column += word.n + 1;
    }
    buf_puts(out, "\n");
}

static void put_number(struct buf *out, const struct setting *s, int64_t v)
{
    if (s->type == TYPE_INT || v == 0)
        buf_printf(out, "%" PRId64, v);
    else
        put_units(out, v, s->type == TYPE_TIME);
}

static void put_choices(struct buf *out, const struct setting *s)
{
    const char *const *names = choice_names(s);

    buf_puts(out, "One of\n.Cm ");
    for (size_t i = 0; names[i] != NULL; i++)
        buf_printf(out, "%s%s", i > 0 ? " , " : "", names[i]);
    buf_puts(out, " .\n");
}

static void put_default(struct buf *out, const struct setting *s)
{
    if (s->text_default != NULL && s->type == TYPE_PATH)
        buf_printf(out, "Default:\n.Ql \\&%s .\n", s->text_default);
    else if (s->text_default != NULL)
        buf_printf(out, "Default:\n.Cm %s .\n", s->text_default);
    else if (strstr(s->help, "default:") == NULL)
        buf_puts(out, "Default: none.\n");
}

static void put_setting(struct buf *out, const struct setting *s)
{
    char *help = xasprintf("%c%s.", toupper((unsigned char)s->help[0]), s->help + 1);

    buf_printf(out, ".It Cm %s No = Ar %s\n", s->key, value_name(s));
    put_text(out, help);
    free(help);
    if (s->type == TYPE_CHOICE)
        put_choices(out, s);
    if (s->type == TYPE_INT || s->type == TYPE_SIZE || s->type == TYPE_TIME) {
        buf_puts(out, "From ");
        put_number(out, s, s->least);
        buf_puts(out, " to ");
        put_number(out, s, s->most);
        buf_puts(out, ".\n");
    }
    put_default(out, s);
    if (s->live == START)
        buf_puts(out, "A change needs a restart.\n");
}

static void put_block(struct buf *out, enum block b)
{
    size_t n;
    const struct setting *s = schema(&n);

    buf_puts(out, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < n; i++)
        if (s[i].block == b)
            put_setting(out, &s[i]);
    buf_puts(out, ".El\n");
}

/* The page with what stands between its marks made anew. */
static void make_page(struct buf *out, const char *page)
{
    for (int b = 0; b < BLOCKS; b++) {
        char *begin = xasprintf("\n.\\\" begin %s ", block_names[b]), *end = xasprintf(".\\\" end %s\n", block_names[b]);
        const char *from = strstr(page, begin), *to = strstr(page, end);

        if (from == NULL || to == NULL || to < from)
            fail_msg("nntpd.conf(5) has no marks for %s", block_names[b]);
        from = strchr(from + 1, '\n') + 1;
        buf_add(out, page, (size_t)(from - page));
        put_block(out, (enum block)b);
        page = to;
        free(begin);
        free(end);
    }
    buf_puts(out, page);
    buf_add(out, "", 1);
}

static void the_page_says_what_the_schema_says(void **state)
{
    const char *root = getenv("FRESHET_ROOT");
    char *path = xasprintf("%s/doc/man/nntpd.conf.5", root != NULL ? root : "."), *page;
    struct buf want = { 0 };
    size_t n;

    (void)state;
    if ((page = disk_slurp(path, 1 << 20, &n)) == NULL)
        fail_msg("%s cannot be read", path);
    make_page(&want, page);
    if (getenv("WRITE") != NULL)
        assert_int_equal(disk_replace(path, buf_data(&want), buf_len(&want) - 1, 0644), 0);
    else if (strcmp(page, buf_data(&want)) != 0)
        fail_msg("%s differs from conf/schema.def; WRITE=1 with this test makes it anew", path);
    buf_fini(&want);
    free(page);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_page_says_what_the_schema_says) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
