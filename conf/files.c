/* files.c - the lists of a site that are files of their own.  See files.h.
 *
 * Read with the configuration and kept as texts, so that a list is told from
 * memory, a reload takes all of them or none, and nntpd -t sees their errors.
 */
#include "conf/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/disk.h"
#include "lib/utf8.h"

#define TEXT_MOST (64u << 10)

/* A line, trimmed and not blank: NULL when it is good, else what it should be. */
typedef const char *line_check(struct span line);

static bool has_controls(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
            return true;
    return false;
}

/* A name of a group as RFC 3977 9.8 has it: no blanks and nothing that a wildmat means. */
static bool group_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || strchr("!*,?[\\]", s.p[i]) != NULL)
            return false;
    return s.n > 0;
}

static bool wildmat_form(struct span s)
{
    struct span one;

    while (span_next(&s, ',', &one)) {
        if (one.n > 0 && one.p[0] == '!')
            one = span_from(one, 1);
        if (one.n == 0)
            return false;
        for (size_t i = 0; i < one.n; i++)
            if ((unsigned char)one.p[i] <= ' ' || strchr("!\\[]", one.p[i]) != NULL)
                return false;
    }
    return true;
}

static const char *check_group(struct span line)
{
    return group_name(line) ? NULL : "the name of one group";
}

static const char *check_distribution(struct span line)
{
    struct span rest = line, name = span_word(&rest);

    (void)name;
    return span_trim(rest).n > 0 ? NULL : "a distribution, a blank, a description";
}

static const char *check_pattern(struct span line)
{
    struct span rest = line, weight, pattern;
    uint64_t n;

    if (span_next(&rest, ':', &weight) && span_next(&rest, ':', &pattern) && rest.p != NULL && span_u64(weight, &n) == 0 &&
        wildmat_form(pattern) && rest.n > 0 && memchr(rest.p, ' ', rest.n) == NULL && memchr(rest.p, '\t', rest.n) == NULL)
        return NULL;
    return "weight:wildmat:distribution";
}

struct reading {
    const struct block_text *site;
    struct errors *errors;
    const char *key, *file;
};

/* All but comments and blank lines; an LF ends each. */
static void take_lines(struct reading *r, struct span text, line_check *check, struct conf_text *to)
{
    struct buf out = { 0 };
    struct span line;
    const char *want;

    for (int n = 1; text.n > 0 && span_next(&text, '\n', &line); n++) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        line = span_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (has_controls(line) || !utf8_valid(line))
            errors_add(r->errors, block_line(r->site, r->key), "%s: %s:%d: not UTF-8 text", r->key, r->file, n);
        else if ((want = check(line)) != NULL)
            errors_add(r->errors, block_line(r->site, r->key), "%s: %s:%d: \"%.*s\" should be %s", r->key, r->file, n,
                       (int)(line.n < 60 ? line.n : 60), line.p, want);
        buf_add_span(&out, line);
        buf_add(&out, "\n", 1);
    }
    buf_add(&out, "", 1);
    to->p = buf_steal(&out, &to->n);
    to->n--;
}

static void take_whole(struct reading *r, struct span text, struct conf_text *to)
{
    struct buf out = { 0 };

    if (memchr(text.p, '\0', text.n) != NULL || !utf8_valid(text))
        errors_add(r->errors, block_line(r->site, r->key), "%s: %s: not UTF-8 text", r->key, r->file);
    buf_add_span(&out, text);
    buf_add(&out, "", 1);
    to->p = buf_steal(&out, &to->n);
    to->n--;
}

/* 'check' NULL: any text. */
static void read_one(struct reading *r, const char *key, const char *file, line_check *check, struct conf_text *to)
{
    char *text;
    size_t n;

    if (file == NULL)
        return;
    r->key = key;
    r->file = file;
    text = disk_slurp(file, TEXT_MOST, &n);
    if (text == NULL && errno != ENOENT)
        errors_add(r->errors, block_line(r->site, key), "%s: %s: %s", key, file, strerror(errno));
    else if (text != NULL && check != NULL)
        take_lines(r, (struct span){ text, n }, check, to);
    else if (text != NULL)
        take_whole(r, (struct span){ text, n }, to);
    free(text);
}

void files_read(struct conf *c, const struct blocks *blocks, struct errors *errors)
{
    struct reading r = { .errors = errors };
    struct conf_site *s = &c->site;

    for (size_t i = 0; i < blocks->n && r.site == NULL; i++)
        if (blocks->v[i].kind == BLOCK_site)
            r.site = &blocks->v[i];
    if (r.site == NULL)
        return;
    read_one(&r, "motd-file", s->motd_file, NULL, &s->motd);
    read_one(&r, "subscriptions-file", s->subscriptions_file, check_group, &s->subscriptions);
    read_one(&r, "distributions-file", s->distributions_file, check_distribution, &s->distributions);
    read_one(&r, "distrib-pats-file", s->distrib_pats_file, check_pattern, &s->distrib_pats);
}

void files_free(struct conf_site *s)
{
    free(s->motd.p);
    free(s->subscriptions.p);
    free(s->distributions.p);
    free(s->distrib_pats.p);
}
