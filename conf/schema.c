/* schema.c - the settings as a table; values to text and back.  See schema.h. */
#include "conf/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

const char *const block_names[BLOCKS] = { "site", "listen", "peer", "access" };

#define SETTING(b, t, f, d, lo, hi, l, h) \
    { BLOCK_##b, TYPE_##t, #f, offsetof(struct conf_##b, f), sizeof ((struct conf_##b *)0)->f, d, lo, hi, l, h },
static struct setting rows[] = {
#include "conf/schema.def"
};
#undef SETTING
#define ROWS (sizeof rows / sizeof *rows)

/* Field name to key: "_" to "-", a unit at the end off. */
static void make_key(char *key)
{
    size_t n = strlen(key);

    if (n > 3 && strcmp(key + n - 3, "_us") == 0)
        key[n - 3] = '\0';
    else if (n > 6 && strcmp(key + n - 6, "_bytes") == 0)
        key[n - 6] = '\0';
    for (char *p = key; *p != '\0'; p++)
        if (*p == '_')
            *p = '-';
}

const struct setting *schema(size_t *n)
{
    static bool made;

    if (!made) {
        for (size_t i = 0; i < ROWS; i++)
            make_key(rows[i].key);
        made = true;
    }
    *n = ROWS;
    return rows;
}

const struct setting *schema_find(enum block b, const char *key)
{
    size_t n;
    const struct setting *s = schema(&n);

    for (size_t i = 0; i < n; i++)
        if (s[i].block == b && strcmp(s[i].key, key) == 0)
            return &s[i];
    return NULL;
}

/* ---- values ---- */

static const struct { const char *key, *names[6]; } choices[] = {
    { "log-level", { "error", "warning", "notice", "info", "debug" } },
    { "fsync", { "always", "interval", "never" } },
    { "unknown-groups", { "refuse", "junk", "drop" } },
    { "control-groups", { "control", "both", "own" } },
    { "cancel-lock", { "none", "user", "address" } },
    { "cancels", { "ignore", "lock", "all" } },
    { "tls-minimum", { "1.2", "1.3" } },
    { "compress", { "always", "clear", "never" } },
    { "strangers", { "refuse", "read" } },
    { "tls", { "no", "starttls", "yes" } },
    { "control", { "any", "no", "only" } },
    { "moderated", { "any", "no", "only" } },
};

const char *const *choice_names(const struct setting *s)
{
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        if (strcmp(choices[i].key, s->key) == 0)
            return choices[i].names;
    bug("a choice without names");
}

static int choice_index(const struct setting *s, const char *text)
{
    const char *const *names = choice_names(s);

    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}

static const struct { const char *name; int64_t of; } sizes[] = {
    { "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 }, { "T", INT64_C(1) << 40 },
    { "k", 1 << 10 }, { "m", 1 << 20 }, { "g", 1 << 30 }, { "t", INT64_C(1) << 40 },
}, times[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { "w", 604800 }, { "y", 31536000 } };

/* A number and a unit.  Return 0 and the product, or -1. */
static int read_units(const char *text, bool time, int64_t *v)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t n;

    if (time && (strcmp(text, "forever") == 0 || strcmp(text, "0") == 0)) {
        *v = 0;
        return 0;
    }
    if (span_u64((struct span){ text, digits }, &n) != 0 || n > INT64_MAX >> 20)
        return -1;
    for (size_t i = 0; i < (time ? sizeof times / sizeof *times : sizeof sizes / sizeof *sizes); i++) {
        if (strcmp(time ? times[i].name : sizes[i].name, text + digits) == 0) {
            int64_t of = time ? times[i].of : sizes[i].of;

            if ((int64_t)n > INT64_MAX / 1000000 / of)
                return -1;
            *v = (int64_t)n * of;
            return 0;
        }
    }
    return -1;
}

static bool read_u32(struct span text, uint32_t *v)
{
    uint64_t u;

    if (span_u64(text, &u) != 0 || u > 1000000)
        return false;
    *v = (uint32_t)u;
    return true;
}

int conf_read_hash(const char *text, struct conf_hash *h)
{
    struct span rest = span_of(text), to, from, of;

    *h = (struct conf_hash){ 0 };
    if (!span_next(&rest, '/', &to) || !span_next(&rest, '_', &of) || !span_next(&to, '-', &from))
        return -1;
    if (!read_u32(from, &h->from) || !read_u32(to.p != NULL ? to : from, &h->to) || !read_u32(of, &h->of))
        return -1;
    if (rest.p != NULL && !read_u32(rest, &h->offset))
        return -1;
    return h->from >= 1 && h->from <= h->to && h->to <= h->of && h->offset <= 12 ? 0 : -1;
}

/* What may stand in a mail address that a command line or SMTP gets (no quotes, no comments). */
static bool address_text(struct span a, const char *in_domain)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const char *at = memchr(a.p, '@', a.n);

    for (size_t i = 0; i < a.n; i++) {
        bool local = at == NULL || a.p + i < at;

        if (a.p + i != at && (a.p[i] == '\0' || (strchr(letters, a.p[i]) == NULL &&
                                                 strchr(local ? ".!#$%&'*+/=?^_{|}~-" : in_domain, a.p[i]) == NULL)))
            return false;
    }
    return a.n > 0 && a.n <= 250 && a.p[0] != '-' && at != a.p && (at == NULL || at < a.p + a.n - 1);
}

bool conf_address_good(struct span address)
{
    return address_text(address, ".-");
}

int conf_read_moderator(const char *text, struct span *pattern, struct span *address)
{
    struct span all = span_of(text);
    int holes = 0;

    if (!span_next(&all, ':', pattern) || pattern->n == 0 || memchr(pattern->p, ' ', pattern->n) != NULL)
        return -1;
    *address = span_trim(all);
    if (address->p == NULL || !address_text(*address, ".-%"))
        return -1;
    for (size_t i = 0; i < address->n; i++) {
        if (address->p[i] != '%')
            continue;
        if (++i == address->n || (address->p[i] != 's' && address->p[i] != '%'))
            return -1;
        holes += address->p[i] == 's';
    }
    return holes <= 1 ? 0 : -1;
}

int conf_read_time(const char *text, int64_t *us)
{
    if (read_units(text, true, us) != 0)
        return -1;
    *us *= 1000000;
    return 0;
}

static int read_bool(const char *text, bool *v)
{
    static const char *const yes[] = { "true", "yes", "on" }, *const no[] = { "false", "no", "off" };

    for (int i = 0; i < 3; i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *v = strcmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return -1;
}

/* The number of an INT, SIZE or TIME (seconds), bounds checked. */
static int read_number(const struct setting *s, const char *text, int64_t *v, struct err *e)
{
    uint64_t u = 0;
    int rc = s->type == TYPE_INT ? span_u64(span_of(text), &u) : read_units(text, s->type == TYPE_TIME, v);

    if (s->type == TYPE_INT)
        *v = (int64_t)(u > INT32_MAX ? INT32_MAX : u);
    if (rc != 0)
        return err_set(e, s->type == TYPE_INT ? "\"%s\" is not a number" :
                       s->type == TYPE_SIZE ? "\"%s\" is not a size (as 64K, 1M, 2G)" :
                                              "\"%s\" is not a time (as 30s, 5m, 2h, 10d, forever)", text);
    if (*v < s->least || *v > s->most)
        return err_set(e, "%s is out of bounds (%" PRId64 " to %" PRId64 "%s)", text, s->least, s->most,
                       s->type == TYPE_TIME ? " seconds" : s->type == TYPE_SIZE ? " octets" : "");
    return 0;
}

int setting_check(const struct setting *s, const char *text, struct err *e)
{
    int64_t v;
    bool b;

    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return err_set(e, "control characters in the value");
    switch (s->type) {
    case TYPE_TEXT:
    case TYPE_PATH:
    case TYPE_LIST:
        return text[0] != '\0' ? 0 : err_set(e, "is empty");
    case TYPE_BOOL:
        return read_bool(text, &b) == 0 ? 0 : err_set(e, "\"%s\" is neither true nor false", text);
    case TYPE_CHOICE:
        if (choice_index(s, text) < 0) {
            struct buf b2 = { 0 };

            for (const char *const *n = choice_names(s); *n != NULL; n++)
                buf_printf(&b2, "%s%s", buf_len(&b2) > 0 ? ", " : "", *n);
            err_set(e, "\"%s\" is none of %.*s", text, SPAN_F(buf_span(&b2)));
            buf_fini(&b2);
            return -1;
        }
        return 0;
    case TYPE_INT:
    case TYPE_SIZE:
    case TYPE_TIME:
        return read_number(s, text, &v, e);
    }
    return 0;
}

static void *field(const struct setting *s, void *block)
{
    return (char *)block + s->offset;
}

static const void *field_const(const struct setting *s, const void *block)
{
    return (const char *)block + s->offset;
}

static void store_integer(const struct setting *s, void *f, int64_t v)
{
    if (s->size == sizeof (int64_t))
        *(int64_t *)f = v;
    else
        *(int32_t *)f = (int32_t)v;
}

static int64_t load_integer(const struct setting *s, const void *block)
{
    const void *f = field_const(s, block);

    return s->size == sizeof (int64_t) ? *(const int64_t *)f : *(const int32_t *)f;
}

void setting_store(const struct setting *s, void *block, const char *text)
{
    void *f = field(s, block);
    struct conf_list *l = f;
    int64_t v = 0;

    switch (s->type) {
    case TYPE_TEXT:
    case TYPE_PATH:
        free(*(char **)f);
        *(char **)f = xstrdup(text);
        break;
    case TYPE_LIST:
        l->v = xrealloc(l->v, (l->n + 1) * sizeof *l->v);
        l->v[l->n++] = xstrdup(text);
        break;
    case TYPE_BOOL:
        need(read_bool(text, f) == 0);
        break;
    case TYPE_CHOICE:
        if (strcmp(s->key, "log-level") == 0) {         /* kept as its name: lib/log reads it */
            free(*(char **)f);
            *(char **)f = xstrdup(text);
        } else {
            *(int *)f = choice_index(s, text);
        }
        break;
    case TYPE_INT:
    case TYPE_SIZE:
    case TYPE_TIME:
        need(read_number(s, text, &v, NULL) == 0);
        store_integer(s, f, s->type == TYPE_TIME ? v * 1000000 : v);
        break;
    }
}

void setting_default(const struct setting *s, void *block)
{
    if (s->text_default != NULL)
        setting_store(s, block, s->text_default);
}

static bool is_text(const struct setting *s)
{
    return s->type == TYPE_TEXT || s->type == TYPE_PATH || strcmp(s->key, "log-level") == 0;
}

void setting_free(const struct setting *s, void *block)
{
    void *f = field(s, block);

    if (is_text(s)) {
        free(*(char **)f);
        *(char **)f = NULL;
    } else if (s->type == TYPE_LIST) {
        struct conf_list *l = f;

        for (size_t i = 0; i < l->n; i++)
            free(l->v[i]);
        free(l->v);
        *l = (struct conf_list){ 0 };
    }
}

/* ---- and back to text ---- */

void put_quoted(struct buf *out, const char *text)
{
    buf_puts(out, "\"");
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\' || *p == '$')
            buf_puts(out, "\\");
        buf_add(out, p, 1);
    }
    buf_puts(out, "\"");
}

void put_units(struct buf *out, int64_t v, bool time)
{
    if (time) {
        int at = v == 0 ? 0 : v % 86400 == 0 ? 3 : v % 3600 == 0 ? 2 : v % 60 == 0 ? 1 : 0;

        buf_printf(out, "%" PRId64 "%s", v / times[at].of, times[at].name);
    } else {
        int at = 0;

        while (v != 0 && at < 4 && v % sizes[at + 1].of == 0)
            at++;
        buf_printf(out, "%" PRId64 "%s", v / sizes[at].of, sizes[at].name);
    }
}

static void put_list(struct buf *out, const struct conf_list *l)
{
    buf_puts(out, "{");
    for (size_t i = 0; i < l->n; i++) {
        buf_puts(out, i > 0 ? ", " : " ");
        put_quoted(out, l->v[i]);
    }
    buf_puts(out, " }");
}

void setting_show(const struct setting *s, const void *block, struct buf *out)
{
    const void *f = field_const(s, block);

    if ((is_text(s) && *(char *const *)f == NULL) ||
        (s->type == TYPE_LIST && ((const struct conf_list *)f)->n == 0))
        return;
    buf_printf(out, "    %s = ", s->key);
    if (is_text(s))
        put_quoted(out, *(char *const *)f);
    else if (s->type == TYPE_LIST)
        put_list(out, f);
    else if (s->type == TYPE_BOOL)
        buf_puts(out, *(const bool *)f ? "true" : "false");
    else if (s->type == TYPE_CHOICE)
        buf_puts(out, choice_names(s)[*(const int *)f]);
    else if (s->type == TYPE_INT)
        buf_printf(out, "%" PRId64, load_integer(s, block));
    else
        put_units(out, load_integer(s, block) / (s->type == TYPE_TIME ? 1000000 : 1), s->type == TYPE_TIME);
    buf_puts(out, "\n");
}

bool setting_equal(const struct setting *s, const void *a, const void *b)
{
    struct buf x = { 0 }, y = { 0 };
    bool same;

    setting_show(s, a, &x);
    setting_show(s, b, &y);
    same = span_eq(buf_span(&x), buf_span(&y));
    buf_fini(&x);
    buf_fini(&y);
    return same;
}
