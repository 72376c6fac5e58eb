/* text.c - a configuration file as words and marks.  See text.h.
 *
 *     # ...   // ...   / * ... * /      comments, where a word could begin
 *     { } = ,                           marks
 *     "..."                             \" \\ \$ and nothing else behind a backslash
 *     '...'                             \' \\; other backslashes are themselves
 *     other letters up to a blank, a mark or a quote: a word
 *
 * A string ends on its line.  Nothing is taken from the environment.
 */
#include "conf/text.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

struct lexer {
    struct text   *t;
    struct errors *errors;
    const char    *p;
    int            line;
};

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool mark(char c)
{
    return c == '{' || c == '}' || c == '=' || c == ',';
}

static struct token *add_token(struct lexer *x, char m)
{
    struct text *t = x->t;

    if ((t->n & (t->n - 1)) == 0)                              /* a power of two: full */
        t->token = xrealloc(t->token, (t->n > 0 ? t->n * 2 : 1) * sizeof *t->token);
    t->token[t->n] = (struct token){ .mark = m, .line = x->line, .from = buf_len(&t->clean),
                                     .value = buf_len(&t->values) };
    return &t->token[t->n++];
}

/* What was added to 'values' since 'k' began is its word. */
static void end_word(struct lexer *x, struct token *k)
{
    struct text *t = x->t;

    k->value_n = buf_len(&t->values) - k->value;
    buf_puts(&t->clean, "\"");
    for (size_t i = 0; i < k->value_n; i++) {
        char c = buf_data(&t->values)[k->value + i];

        if (c == '"' || c == '\\' || c == '$')
            buf_puts(&t->clean, "\\");
        buf_add(&t->clean, &c, 1);
    }
    buf_puts(&t->clean, "\"");
    buf_add(&t->values, "", 1);
    k->to = buf_len(&t->clean);
}

/* Behind a backslash in a string: how many octets are the escape (0: none). */
static bool escape(char quote, char c)
{
    return c == '\\' || c == quote || (quote == '"' && c == '$');
}

static void read_string(struct lexer *x)
{
    struct token *k = add_token(x, 0);
    char quote = *x->p++;

    for (; *x->p != quote; x->p++) {
        if (*x->p == '\0' || *x->p == '\n') {
            errors_add(x->errors, x->line, "the string is not closed on its line");
            end_word(x, k);
            return;
        }
        if (*x->p == '\\' && escape(quote, x->p[1]))
            x->p++;
        else if (*x->p == '\\' && quote == '"')
            errors_add(x->errors, x->line, "a backslash in \"...\" stands before \", \\ or $ alone; use '...'");
        buf_add(&x->t->values, x->p, 1);
    }
    x->p++;
    end_word(x, k);
}

static void read_word(struct lexer *x)
{
    struct token *k = add_token(x, 0);
    size_t n = 0;

    while (x->p[n] != '\0' && x->p[n] != '\n' && x->p[n] != '"' && x->p[n] != '\'' && !blank(x->p[n]) && !mark(x->p[n]))
        n++;
    buf_add(&x->t->values, x->p, n);
    x->p += n;
    end_word(x, k);
}

static void newline(struct lexer *x)
{
    buf_puts(&x->t->clean, "\n");
    x->line++;
    x->p++;
}

/* Return false when it is not closed. */
static bool pass_comment(struct lexer *x)
{
    int began = x->line;

    if (x->p[0] == '#' || x->p[1] == '/') {
        x->p += strcspn(x->p, "\n");
        return true;
    }
    for (x->p += 2; x->p[0] != '*' || x->p[1] != '/';) {
        if (*x->p == '\0') {
            errors_add(x->errors, began, "the comment that begins here is not closed");
            return false;
        }
        if (*x->p == '\n')
            newline(x);
        else
            x->p++;
    }
    x->p += 2;
    return true;
}

bool text_read(struct text *t, const char *raw, struct errors *errors)
{
    struct lexer x = { t, errors, raw, 1 };

    *t = (struct text){ 0 };
    while (*x.p != '\0') {
        if (*x.p == '\n') {
            newline(&x);
        } else if (blank(*x.p)) {
            x.p++;
        } else if (*x.p == '#' || (x.p[0] == '/' && (x.p[1] == '/' || x.p[1] == '*'))) {
            if (!pass_comment(&x))
                return false;
        } else if (mark(*x.p)) {
            struct token *k = add_token(&x, *x.p);

            buf_add(&t->clean, x.p++, 1);
            k->to = buf_len(&t->clean);
        } else if (*x.p == '"' || *x.p == '\'') {
            read_string(&x);
        } else {
            read_word(&x);
        }
    }
    return true;
}

void text_free(struct text *t)
{
    buf_fini(&t->clean);
    buf_fini(&t->values);
    free(t->token);
    *t = (struct text){ 0 };
}

bool text_is_word(const struct text *t, size_t i)
{
    return i < t->n && t->token[i].mark == 0;
}

const char *text_word(const struct text *t, size_t i)
{
    return text_is_word(t, i) ? buf_data(&t->values) + t->token[i].value : "";
}

char text_mark(const struct text *t, size_t i)
{
    return i < t->n ? t->token[i].mark : 0;
}

size_t text_behind_brace(const struct text *t, size_t open)
{
    int depth = 0;

    for (size_t i = open; i < t->n; i++) {
        if (t->token[i].mark == '{')
            depth++;
        else if (t->token[i].mark == '}' && --depth == 0)
            return i + 1;
    }
    return 0;
}

void text_blank(struct text *t, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        memset(buf_data(&t->clean) + t->token[i].from, ' ', t->token[i].to - t->token[i].from);
}
