/* token.c - invitations as one line.  See token.h. */
#include "ctl/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/crc32c.h"
#include "lib/mem.h"
#include "lib/tls.h"
#include "lib/utf8.h"

#define VALUE_MOST 2000

enum kind { ONE, MANY, YES, NUMBER };

static const struct key { const char *name; enum kind kind; size_t at; bool needed; } keys[] = {
    { "site",        ONE,    offsetof(struct token, site), true },
    { "alias",       MANY,   offsetof(struct token, alias), false },
    { "nntp",        MANY,   offsetof(struct token, nntp), false },
    { "nntps",       MANY,   offsetof(struct token, nntps), false },
    { "starttls",    YES,    offsetof(struct token, starttls), false },
    { "fingerprint", ONE,    offsetof(struct token, fingerprint), false },
    { "address",     MANY,   offsetof(struct token, address), true },
    { "offer",       ONE,    offsetof(struct token, offer), true },
    { "want",        ONE,    offsetof(struct token, want), true },
    { "article-max", NUMBER, offsetof(struct token, article_max), false },
    { "answer",      YES,    offsetof(struct token, answer), false },
};
#define KEYS (sizeof keys / sizeof *keys)

void token_add(struct conf_list *l, struct span item)
{
    l->v = xrealloc(l->v, (l->n + 1) * sizeof *l->v);
    l->v[l->n++] = xstrndup(item.p, item.n);
}

static void *field(const struct key *k, const struct token *t)
{
    return (char *)(uintptr_t)t + k->at;
}

void token_fini(struct token *t)
{
    for (size_t i = 0; i < KEYS; i++) {
        struct conf_list *l = field(&keys[i], t);

        if (keys[i].kind == ONE)
            free(*(char **)field(&keys[i], t));
        for (size_t n = 0; keys[i].kind == MANY && n < l->n; n++)
            free(l->v[n]);
        if (keys[i].kind == MANY)
            free(l->v);
    }
    *t = (struct token){ 0 };
}

/* ---- writing ---- */

static void put_field(const struct key *k, const struct token *t, struct buf *out)
{
    const void *f = field(k, t);
    const struct conf_list *l = f;

    switch (k->kind) {
    case ONE:
        if (*(char *const *)f != NULL)
            buf_printf(out, "%s %s\n", k->name, *(char *const *)f);
        break;
    case MANY:
        for (size_t i = 0; i < l->n; i++)
            buf_printf(out, "%s %s\n", k->name, l->v[i]);
        break;
    case YES:
        if (*(const bool *)f)
            buf_printf(out, "%s yes\n", k->name);
        break;
    case NUMBER:
        if (*(const uint64_t *)f > 0)
            buf_printf(out, "%s %" PRIu64 "\n", k->name, *(const uint64_t *)f);
        break;
    }
}

void token_write(const struct token *t, struct buf *out)
{
    struct buf text = { 0 }, code = { 0 };

    for (size_t i = 0; i < KEYS; i++)
        put_field(&keys[i], t, &text);
    base64_write(&code, buf_span(&text));
    buf_puts(out, TOKEN_PREFIX);
    for (size_t i = 0; i < buf_len(&code); i++) {         /* RFC 4648 5, without padding */
        char c = buf_data(&code)[i];

        if (c != '=')
            buf_add(out, c == '+' ? "-" : c == '/' ? "_" : &c, 1);
    }
    buf_printf(out, ".%08" PRIx32, crc32c(0, buf_data(&text), buf_len(&text)));
    buf_fini(&text);
    buf_fini(&code);
}

/* ---- reading ---- */

/* Nothing that a terminal, a Path, or a quoted word of the configuration would make something of. */
static bool plain(struct span v)
{
    if (v.n == 0 || !utf8_printable(v))
        return false;
    for (size_t i = 0; i < v.n; i++)
        if (strchr(" \"\\$", v.p[i]) != NULL)
            return false;
    return true;
}

static int store(struct token *t, const struct key *k, struct span v, struct err *e)
{
    void *f = field(k, t);
    char **one = f;

    switch (k->kind) {
    case ONE:
        if (*one != NULL)
            return err_set(e, "the token says \"%s\" twice", k->name);
        *one = xstrndup(v.p, v.n);
        return 0;
    case MANY:
        if (((struct conf_list *)f)->n == TOKEN_LIST_MOST)
            return err_set(e, "the token has too many lines \"%s\"", k->name);
        token_add(f, v);
        return 0;
    case YES:
        *(bool *)f = span_eq(v, SPAN("yes"));
        return 0;
    case NUMBER:
        if (span_u64(v, f) != 0)
            return err_set(e, "the token's \"%s\" is no number", k->name);
        return 0;
    }
    bug("a kind of key");
}

static int read_line(struct token *t, struct span line, struct err *e)
{
    struct span name = span_word(&line), v = span_trim(line);

    if (v.n > VALUE_MOST)
        return err_set(e, "the token's \"%.*s\" is too long", (int)(name.n < 20 && utf8_printable(name) ? name.n : 0), name.p);
    if (!plain(name) || !plain(v))
        return err_set(e, "the token holds characters that do not belong there");
    for (size_t i = 0; i < KEYS; i++)
        if (span_eq(name, span_of(keys[i].name)))
            return store(t, &keys[i], v, e);
    return 0;                              /* a newer site may say more */
}

static int read_lines(struct token *t, struct span text, struct err *e)
{
    char print[TLS_PRINT_MAX];
    struct span line;

    if (text.n == 0 || text.p[text.n - 1] != '\n')
        return err_set(e, "the token breaks off");
    for (text.n--; span_next(&text, '\n', &line);)
        if (read_line(t, line, e) != 0)
            return -1;
    for (size_t i = 0; i < KEYS; i++) {
        const void *f = field(&keys[i], t);

        if (keys[i].needed && (keys[i].kind == ONE ? *(char *const *)f == NULL : ((const struct conf_list *)f)->n == 0))
            return err_set(e, "the token does not say \"%s\"", keys[i].name);
    }
    if (t->nntp.n + t->nntps.n == 0)
        return err_set(e, "the token does not say where to connect to");
    if (t->fingerprint != NULL && !tls_print_read(t->fingerprint, print))
        return err_set(e, "the token's fingerprint is none");
    return 0;
}

/* What stands between prefix and sum, decoded. */
static int decode(struct span code, struct buf *out)
{
    struct buf standard = { 0 };
    int rc = 0;

    for (size_t i = 0; i < code.n; i++) {
        rc |= code.p[i] == '+' || code.p[i] == '/' || code.p[i] == '=';
        buf_add(&standard, code.p[i] == '-' ? "+" : code.p[i] == '_' ? "/" : &code.p[i], 1);
    }
    while (buf_len(&standard) % 4 != 0)
        buf_puts(&standard, "=");
    if (rc == 0)
        rc = base64_read(out, buf_span(&standard));
    buf_fini(&standard);
    return rc == 0 ? 0 : -1;
}

/* Mail programs break long lines and put blanks in. */
static void take_blanks_out(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\0' || strchr(" \t\r\n", text.p[i]) == NULL)
            buf_add(out, &text.p[i], 1);
}

static int open_token(struct span token, struct buf *text, struct err *e)
{
    const char *dot;
    char sum[9];

    if (!span_starts(token, SPAN(TOKEN_PREFIX)))
        return err_set(e, span_starts(token, SPAN("freshet")) && memchr(token.p, ':', token.n) != NULL ?
                       "the token is of another version than this program knows (\"" TOKEN_PREFIX "\")" :
                       "that is no token: it begins with \"" TOKEN_PREFIX "\"");
    token = span_from(token, sizeof TOKEN_PREFIX - 1);
    if ((dot = memrchr(token.p, '.', token.n)) == NULL || token.n - (size_t)(dot - token.p) != 1 + TOKEN_SUM)
        return err_set(e, "the token breaks off: its sum is missing");
    if (decode((struct span){ token.p, (size_t)(dot - token.p) }, text) != 0)
        return err_set(e, "the token is damaged: it is no base64url");
    if (buf_len(text) > TOKEN_TEXT_MOST)
        return err_set(e, "the token is too long");
    snprintf(sum, sizeof sum, "%08" PRIx32, crc32c(0, buf_data(text), buf_len(text)));
    if (memcmp(dot + 1, sum, 8) != 0)
        return err_set(e, "the token is damaged: its sum is wrong");
    return 0;
}

int token_read(struct token *t, struct span token, struct err *e)
{
    struct buf packed = { 0 }, text = { 0 };
    int rc;

    *t = (struct token){ 0 };
    if (token.n > TOKEN_MOST)
        return err_set(e, "the token is too long");
    take_blanks_out(token, &packed);
    rc = open_token(buf_span(&packed), &text, e);
    if (rc == 0)
        rc = read_lines(t, buf_span(&text), e);
    if (rc != 0)
        token_fini(t);
    buf_fini(&packed);
    buf_fini(&text);
    return rc;
}
