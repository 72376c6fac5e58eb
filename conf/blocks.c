/* blocks.c - the blocks of a file.  See blocks.h.
 *
 *     NAME "TITLE" { KEY = VALUE   KEY = { VALUE, VALUE } ... }
 */
#include "conf/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

struct finder { struct blocks *b; struct text *t; struct errors *errors; };

/* ---- what may have been meant ------------------------------------------- */

/* Letters to change, add or leave out to make 'b' of 'a' (Levenshtein). */
static unsigned distance(const char *a, const char *b)
{
    enum { MOST = 32 };
    unsigned row[MOST + 1];
    size_t n = strlen(b);

    if (n > MOST || strlen(a) > MOST)
        return MOST;
    for (unsigned i = 0; i <= n; i++)
        row[i] = i;
    for (; *a != '\0'; a++) {
        unsigned corner = row[0]++;

        for (size_t i = 0; i < n; i++) {
            unsigned replace = corner + (*a != b[i]), other = 1 + (row[i] < row[i + 1] ? row[i] : row[i + 1]);

            corner = row[i + 1];
            row[i + 1] = replace < other ? replace : other;
        }
    }
    return row[n];
}

static const char *nearest_key(enum block kind, const char *key)
{
    size_t n;
    const struct setting *s = schema(&n);
    unsigned best = strlen(key) < 6 ? 2 : 3;               /* must be less */
    const char *name = NULL;

    for (size_t i = 0; i < n; i++) {
        unsigned d = s[i].block == kind ? distance(key, s[i].key) : best;

        if (d < best) {
            best = d;
            name = s[i].key;
        }
    }
    return name;
}

static int block_of(const char *name)
{
    int b = 0;

    while (b < BLOCKS && strcmp(block_names[b], name) != 0)
        b++;
    return b;
}

/* The first kind of block that has the key, or BLOCKS. */
static int home_of(const char *key)
{
    int b = 0;

    while (b < BLOCKS && schema_find((enum block)b, key) == NULL)
        b++;
    return b;
}

/* ---- settings ------------------------------------------------------------ */

static void no_such_setting(struct finder *f, const struct block_text *b, size_t at)
{
    const char *key = text_word(f->t, at), *near = nearest_key(b->kind, key);
    int line = f->t->token[at].line, home = home_of(key);

    if (home < BLOCKS)
        errors_add(f->errors, line, "%s: no such setting: %s (it belongs in a %s block)", block_names[b->kind], key,
                   block_names[home]);
    else if (near != NULL)
        errors_add(f->errors, line, "%s: no such setting: %s (did you mean %s?)", block_names[b->kind], key, near);
    else
        errors_add(f->errors, line, "%s: no such setting: %s", block_names[b->kind], key);
}

/* The setting at 'at' with its value before 'end': is it one of this block, once, and of the right shape? */
static bool note_setting(struct finder *f, struct block_text *b, size_t at, size_t end)
{
    const struct setting *s = schema_find(b->kind, text_word(f->t, at));
    int line = f->t->token[at].line;
    bool list = text_mark(f->t, at + 2) == '{';

    if (s == NULL) {
        no_such_setting(f, b, at);
        return false;
    }
    if (block_has(b, s->key)) {
        errors_add(f->errors, line, "%s is there twice (first in line %d)", s->key, block_line(b, s->key));
        return false;
    }
    need(b->n_keys < KEYS_MOST);
    b->key[b->n_keys].s = s;
    b->key[b->n_keys++].line = line;
    if (list && s->type != TYPE_LIST) {
        errors_add(f->errors, line, "%s takes one value, not a list", s->key);
        return false;
    }
    if (list && end == at + 4 && s->text_default != NULL) {
        errors_add(f->errors, line, "%s: the list is empty; without it, the default is \"%s\"", s->key, s->text_default);
        return false;
    }
    return true;
}

/* The token behind "KEY = VALUE" at 'at'; 0: that is not what stands there. */
static size_t behind_setting(const struct text *t, size_t at, size_t end)
{
    size_t to;

    if (!text_is_word(t, at) || text_mark(t, at + 1) != '=')
        return 0;
    if (text_mark(t, at + 2) == '{')
        to = text_behind_brace(t, at + 2);
    else                                   /* a word, and not the next key */
        to = text_is_word(t, at + 2) && text_mark(t, at + 3) != '=' ? at + 3 : 0;
    return to <= end ? to : 0;
}

/* The token behind "NAME {...}" or "NAME TITLE {...}"; 0: that is not what stands there. */
static size_t behind_block(const struct text *t, size_t at, size_t *open)
{
    if (!text_is_word(t, at))
        return 0;
    *open = text_is_word(t, at + 1) ? at + 2 : at + 1;
    return text_mark(t, *open) == '{' ? text_behind_brace(t, *open) : 0;
}

/* Does the word at 'at' stand behind a whole "KEY = VALUE" on its line? */
static bool behind_value(const struct text *t, size_t at)
{
    return at >= 3 && text_is_word(t, at - 1) && text_mark(t, at - 2) == '=' && t->token[at - 1].line == t->token[at].line;
}

/* What somebody may have meant who wrote this where "KEY = VALUE" should stand. */
static void stray(struct finder *f, size_t at)
{
    const struct text *t = f->t;
    const char *word = text_is_word(t, at) ? text_word(t, at) : NULL;
    int line = t->token[at].line;
    size_t n = word != NULL ? strlen(word) : 0;

    if (behind_value(t, at) && word != NULL)
        errors_add(f->errors, line, "\"%s\" behind the value of %s: a value is one word, or a text in quotes, or a list { a, b }",
                   word, text_word(t, at - 3));
    else if (behind_value(t, at) && text_mark(t, at) == ',')
        errors_add(f->errors, line, "%s: a list stands in braces: { a, b }", text_word(t, at - 3));
    else if (n > 1 && word[n - 1] == ':')
        errors_add(f->errors, line, "\"%s\": KEY = VALUE should stand here, with = and not :", word);
    else if (word != NULL)
        errors_add(f->errors, line, "\"%s\": KEY = VALUE should stand here", word);
    else
        errors_add(f->errors, line, "%c: KEY = VALUE should stand here", text_mark(t, at));
}

/* Tell what stands where "KEY = VALUE" should; return where the next one may begin. */
static size_t no_setting(struct finder *f, struct block_text *b, size_t at, size_t end)
{
    const struct text *t = f->t;
    const char *key = text_word(t, at);
    int line = t->token[at].line;

    b->broken = true;
    if (text_is_word(t, at) && text_mark(t, at + 1) == '=')
        errors_add(f->errors, line, text_mark(t, at + 2) == '{' ? "%s: the list is not closed" : "%s: a value is missing", key);
    else
        stray(f, at);
    while (++at < end && !(text_is_word(t, at) && text_mark(t, at + 1) == '='))
        ;
    return at;
}

/* Between the braces.  All but good settings is told and taken out. */
static void find_settings(struct finder *f, struct block_text *b, size_t at, size_t end)
{
    size_t to, open;

    for (; at < end; at = to) {
        if ((to = behind_setting(f->t, at, end)) != 0) {
            if (note_setting(f, b, at, to))
                continue;
        } else if ((to = behind_block(f->t, at, &open)) != 0 && to <= end) {
            errors_add(f->errors, f->t->token[at].line,
                       "%s: a block within the %s block of line %d; is a } missing before it?",
                       text_word(f->t, at), block_names[b->kind], b->line);
            b->broken = true;
        } else {
            to = no_setting(f, b, at, end);
        }
        text_blank(f->t, at, to);
    }
}

/* ---- blocks -------------------------------------------------------------- */

static void no_such_block(struct finder *f, size_t at)
{
    const char *name = text_word(f->t, at);
    int best = BLOCKS;

    for (int b = 0; b < BLOCKS; b++)
        if (distance(name, block_names[b]) < 3)
            best = b;
    if (best < BLOCKS)
        errors_add(f->errors, f->t->token[at].line, "no such block: %s (did you mean %s?)", name, block_names[best]);
    else
        errors_add(f->errors, f->t->token[at].line, "no such block: %s", name);
}

static void setting_outside(struct finder *f, size_t at)
{
    const char *key = text_word(f->t, at);
    int home = home_of(key);

    errors_add(f->errors, f->t->token[at].line, "%s: settings stand in blocks: %s \"...\" { %s = ... }", key,
               home < BLOCKS ? block_names[home] : "site", key);
}

static void add_block(struct finder *f, size_t at, size_t open, size_t end)
{
    struct blocks *b = f->b;
    struct block_text *k;

    if (open == at + 1) {
        errors_add(f->errors, f->t->token[at].line, "%s: a name is missing: %s \"...\" {", text_word(f->t, at),
                   text_word(f->t, at));
        return;
    }
    if ((b->n & (b->n - 1)) == 0)                          /* a power of two: full */
        b->v = xrealloc(b->v, (b->n > 0 ? b->n * 2 : 1) * sizeof *b->v);
    k = &b->v[b->n++];
    *k = (struct block_text){ .kind = (enum block)block_of(text_word(f->t, at)), .line = f->t->token[at].line,
                              .first = at, .end = end };
    find_settings(f, k, open + 1, end - 1);
}

/* Nothing that could be read stands at 'at'. */
static bool give_up(struct finder *f, size_t at)
{
    size_t open = text_is_word(f->t, at + 1) ? at + 2 : at + 1;
    int line = f->t->token[at].line;

    if (text_is_word(f->t, at) && text_mark(f->t, open) == '{') {
        errors_add(f->errors, line, "the %s block that begins here is not closed", text_word(f->t, at));
        if (open == at + 2 && block_of(text_word(f->t, at)) < BLOCKS) {
            struct block_text k = { .kind = (enum block)block_of(text_word(f->t, at)), .line = line };

            find_settings(f, &k, open + 1, f->t->n);
        }
    } else if (text_is_word(f->t, at)) {
        errors_add(f->errors, line, "\"%s\": here a block should begin: NAME \"TITLE\" {", text_word(f->t, at));
    } else {
        errors_add(f->errors, line, "%c: here a block should begin: NAME \"TITLE\" {", text_mark(f->t, at));
    }
    return false;
}

bool blocks_find(struct blocks *b, struct text *t, struct errors *errors)
{
    struct finder f = { b, t, errors };
    size_t to, open;

    *b = (struct blocks){ 0 };
    for (size_t at = 0; at < t->n; at = to) {
        if ((to = behind_setting(t, at, t->n)) != 0)
            setting_outside(&f, at);
        else if ((to = behind_block(t, at, &open)) == 0)
            return give_up(&f, at);
        else if (block_of(text_word(t, at)) == BLOCKS)
            no_such_block(&f, at);
        else
            add_block(&f, at, open, to);
    }
    return true;
}

void blocks_free(struct blocks *b)
{
    free(b->v);
    *b = (struct blocks){ 0 };
}

bool block_has(const struct block_text *b, const char *key)
{
    for (unsigned i = 0; i < b->n_keys; i++)
        if (strcmp(b->key[i].s->key, key) == 0)
            return true;
    return false;
}

int block_line(const struct block_text *b, const char *key)
{
    for (unsigned i = 0; key != NULL && i < b->n_keys; i++)
        if (strcmp(b->key[i].s->key, key) == 0)
            return b->key[i].line;
    return b->line;
}
