/* conf.c - the configuration file to a struct conf.  See conf.h.
 *
 * libConfuse reads the grammar; every value reaches us as text, is checked
 * against the schema where it stands (so errors have lines and do not end the
 * reading), and is stored when the whole file was read.  An unknown key would
 * end libConfuse's reading: it is noted, made known as one to be passed over,
 * and the file is read again, so that the errors behind it are told as well.
 */
#include "conf/conf.h"

#include <confuse.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/check.h"
#include "conf/schema.h"
#include "lib/disk.h"
#include "lib/mem.h"

#define KEYS_MOST    64            /* of one block, unknown ones included */
#define UNKNOWN_MOST 24
#define FILE_MOST    (8u << 20)

/* libConfuse's callbacks have no argument of ours: one reading at a time. */
static struct reading {
    const char *name;
    struct buf *errors;
    struct { enum block block; char key[64]; int line; } unknown[UNKNOWN_MOST];
    int  n_unknown;
    bool again;                    /* a new unknown key was found: read once more */
} *now;

static enum block block_of(const char *name)
{
    int b = 0;

    while (b < BLOCKS && strcmp(block_names[b], name) != 0)
        b++;
    return (enum block)b;
}

static void note_unknown(cfg_t *cfg, const char *key)
{
    enum block b = block_of(cfg->name);

    if (b == BLOCKS) {
        conf_error(now->errors, now->name, cfg->line, "no such block: %s", key);
        return;
    }
    conf_error(now->errors, now->name, cfg->line, "%s: no such setting: %s", block_names[b], key);
    if (now->n_unknown == UNKNOWN_MOST)
        return;
    now->unknown[now->n_unknown].block = b;
    now->unknown[now->n_unknown].line = cfg->line;
    snprintf(now->unknown[now->n_unknown].key, sizeof now->unknown[0].key, "%s", key);
    now->n_unknown++;
    now->again = true;
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    char text[512], *quote, *end;

    vsnprintf(text, sizeof text, fmt, ap);
    if (strncmp(text, "no such option", 14) == 0 && (quote = strchr(text, '\'')) != NULL &&
        (end = strrchr(quote + 1, '\'')) != NULL) {
        *end = '\0';
        note_unknown(cfg, quote + 1);
    } else {
        conf_error(now->errors, now->name, cfg->line, "%s", text);
    }
}

/* Called behind each value, and once more at the end of a list. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    const struct setting *s = schema_find(block_of(cfg->name), opt->name);
    unsigned n = cfg_opt_size(opt);
    const char *text = n > 0 ? cfg_opt_getnstr(opt, n - 1) : NULL;
    struct err e;

    if (s != NULL && text != NULL && setting_check(s, text, &e) != 0)
        conf_error(now->errors, now->name, cfg->line, "%s = %s", s->key, e.text);
    return 0;
}

/* libConfuse 3.3 counts a comment's line twice: it never sees them. */
static char *blank_comments(const char *text)
{
    char *copy = xstrdup(text), quote = '\0';

    for (char *p = copy; *p != '\0'; p++) {
        if (quote != '\0') {
            if (*p == '\\' && p[1] != '\0')
                p++;
            else if (*p == quote)
                quote = '\0';
        } else if (*p == '"' || *p == '\'') {
            quote = *p;
        } else if (*p == '#' || (p[0] == '/' && p[1] == '/')) {
            while (*p != '\0' && *p != '\n')
                *p++ = ' ';
            p--;
        } else if (p[0] == '/' && p[1] == '*') {
            while (*p != '\0' && !(p[0] == '*' && p[1] == '/')) {
                if (*p != '\n')
                    *p = ' ';
                p++;
            }
            if (*p == '\0')
                break;
            p[0] = p[1] = ' ';
        }
    }
    return copy;
}

static cfg_opt_t *add_option(cfg_opt_t *at, const char *key, bool list)
{
    cfg_opt_t one = CFG_STR(key, NULL, CFGF_NODEFAULT), many = CFG_STR_LIST(key, NULL, CFGF_NODEFAULT);

    *at = list ? many : one;
    return at + 1;
}

/* The options of a block: the schema's, and the unknown keys met so far. */
static void fill_options(enum block b, cfg_opt_t options[KEYS_MOST])
{
    const cfg_opt_t end = CFG_END();
    cfg_opt_t *at = options;
    size_t n;
    const struct setting *s = schema(&n);

    for (size_t i = 0; i < n; i++)
        if (s[i].block == b)
            at = add_option(at, s[i].key, s[i].type == TYPE_LIST);
    for (int i = 0; i < now->n_unknown; i++)
        if (now->unknown[i].block == b)
            at = add_option(at, now->unknown[i].key, true);
    need(at < options + KEYS_MOST);
    *at = end;
}

static cfg_t *parse(const char *text, int *result)
{
    cfg_opt_t options[BLOCKS][KEYS_MOST], top[BLOCKS + 1];
    const cfg_opt_t end = CFG_END();
    char path[64];
    size_t n;
    const struct setting *s = schema(&n);
    cfg_t *cfg;

    for (int b = 0; b < BLOCKS; b++) {
        cfg_opt_t section = CFG_SEC(block_names[b], options[b], CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);

        fill_options((enum block)b, options[b]);
        top[b] = section;
    }
    top[BLOCKS] = end;
    cfg = cfg_init(top, CFGF_NONE);
    need(cfg != NULL);
    cfg_set_error_function(cfg, on_error);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s|%s", block_names[s[i].block], s[i].key);
        cfg_set_validate_func(cfg, path, on_value);
    }
    *result = cfg_parse_buf(cfg, text);
    return cfg;
}

/* ---- from libConfuse's tree to ours ---- */

static void store_block(enum block b, void *to, cfg_t *sec)
{
    size_t n;
    const struct setting *s = schema(&n);

    for (size_t i = 0; i < n; i++) {
        unsigned values = s[i].block == b ? cfg_size(sec, s[i].key) : 0;

        if (s[i].block != b)
            continue;
        if (values == 0)
            setting_default(&s[i], to);
        for (unsigned k = 0; k < values; k++) {
            const char *text = cfg_getnstr(sec, s[i].key, k);

            if (text != NULL)
                setting_store(&s[i], to, text);
        }
    }
}

static struct conf *build(cfg_t *cfg)
{
    struct conf *c = xcalloc(1, sizeof *c);
    cfg_t *sec;

    c->n_listen = cfg_size(cfg, "listen");
    c->n_peer = cfg_size(cfg, "peer");
    c->n_access = cfg_size(cfg, "access");
    c->listen = xcalloc(c->n_listen, sizeof *c->listen);
    c->peer = xcalloc(c->n_peer, sizeof *c->peer);
    c->access = xcalloc(c->n_access, sizeof *c->access);
    if ((sec = cfg_getnsec(cfg, "site", 0)) != NULL) {
        c->site.name = xstrdup(cfg_title(sec));
        store_block(BLOCK_site, &c->site, sec);
    }
    for (unsigned i = 0; i < c->n_listen; i++) {
        c->listen[i].address = xstrdup(cfg_title(sec = cfg_getnsec(cfg, "listen", i)));
        store_block(BLOCK_listen, &c->listen[i], sec);
    }
    for (unsigned i = 0; i < c->n_peer; i++) {
        c->peer[i].name = xstrdup(cfg_title(sec = cfg_getnsec(cfg, "peer", i)));
        store_block(BLOCK_peer, &c->peer[i], sec);
    }
    for (unsigned i = 0; i < c->n_access; i++) {
        c->access[i].name = xstrdup(cfg_title(sec = cfg_getnsec(cfg, "access", i)));
        store_block(BLOCK_access, &c->access[i], sec);
    }
    return c;
}

/* The line of each block, for what is checked across settings. */
static int *lines_of(cfg_t *cfg, enum block b)
{
    unsigned n = cfg_size(cfg, block_names[b]);
    int *line = xcalloc(n + 1, sizeof *line);

    for (unsigned i = 0; i < n; i++)
        line[i] = cfg_getnsec(cfg, block_names[b], i)->line;
    return line;
}

/* Relative to the directory of the configuration file. */
static void make_absolute(char **path, const char *file)
{
    char cwd[PATH_MAX] = ".", *was = *path;
    const char *slash = strrchr(file, '/');

    if (was == NULL || was[0] == '/')
        return;
    if (file[0] != '/' && getcwd(cwd, sizeof cwd) == NULL)
        strcpy(cwd, ".");
    *path = xasprintf("%s%s%.*s%s%s", file[0] == '/' ? "" : cwd, file[0] == '/' || slash == NULL ? "" : "/",
                      slash != NULL ? (int)(slash - file) : 0, file, strcmp(was, ".") == 0 ? "" : "/",
                      strcmp(was, ".") == 0 ? "" : was);
    free(was);
}

static void complete(struct conf *c, const char *file)
{
    c->file = xstrdup(file);
    make_absolute(&c->site.directory, file);
    make_absolute(&c->site.run_directory, file);
    make_absolute(&c->site.log_file, file);
    make_absolute(&c->site.motd_file, file);
    if (c->site.run_directory == NULL)
        c->site.run_directory = xasprintf("%s/run", c->site.directory);
    for (size_t i = 0; i < c->n_peer; i++) {
        struct conf_peer *p = &c->peer[i];

        if (p->address.n == 0)
            setting_store(schema_find(BLOCK_peer, "address"), p, p->name);
        if (p->path.n == 0)
            setting_store(schema_find(BLOCK_peer, "path"), p, p->name);
        if (p->connect == NULL && strchr(p->address.v[0], '/') == NULL)
            p->connect = xasprintf(strchr(p->address.v[0], ':') != NULL ? "[%s]:119" : "%s:119", p->address.v[0]);
    }
}

struct conf *conf_read_text(const char *name, const char *text, struct buf *errors)
{
    struct reading reading = { .name = name, .errors = errors };
    size_t had = buf_len(errors);
    char *clean = blank_comments(text);
    struct conf *c = NULL;
    cfg_t *cfg = NULL;
    int result;

    now = &reading;
    do {
        reading.again = false;
        if (cfg != NULL)
            cfg_free(cfg);
        cfg = parse(clean, &result);
    } while (reading.again);
    if (result == CFG_SUCCESS && buf_len(errors) == had) {
        int *line[BLOCKS];

        c = build(cfg);
        complete(c, name);
        for (int b = 0; b < BLOCKS; b++)
            line[b] = lines_of(cfg, (enum block)b);
        conf_check(c, cfg_size(cfg, "site"), line, name, errors);
        for (int b = 0; b < BLOCKS; b++)
            free(line[b]);
        if (buf_len(errors) > had)
            conf_free(&c);
    }
    cfg_free(cfg);
    free(clean);
    now = NULL;
    return c;
}

struct conf *conf_read(const char *file, struct buf *errors)
{
    size_t n;
    char *text = disk_slurp(file, FILE_MOST, &n);
    struct conf *c;

    if (text == NULL) {
        buf_printf(errors, "%s: %s\n", file, strerror(errno));
        return NULL;
    }
    if (memchr(text, '\0', n) != NULL) {
        buf_printf(errors, "%s: not a text file\n", file);
        free(text);
        return NULL;
    }
    c = conf_read_text(file, text, errors);
    free(text);
    return c;
}

static void free_block(enum block b, void *block)
{
    size_t n;
    const struct setting *s = schema(&n);

    for (size_t i = 0; i < n; i++)
        if (s[i].block == b)
            setting_free(&s[i], block);
}

void conf_free(struct conf **conf)
{
    struct conf *c = *conf;

    if (c == NULL)
        return;
    free_block(BLOCK_site, &c->site);
    free(c->site.name);
    for (size_t i = 0; i < c->n_listen; i++) {
        free_block(BLOCK_listen, &c->listen[i]);
        free(c->listen[i].address);
    }
    for (size_t i = 0; i < c->n_peer; i++) {
        free_block(BLOCK_peer, &c->peer[i]);
        free(c->peer[i].name);
    }
    for (size_t i = 0; i < c->n_access; i++) {
        free_block(BLOCK_access, &c->access[i]);
        free(c->access[i].name);
    }
    free(c->listen);
    free(c->peer);
    free(c->access);
    free(c->file);
    free(c);
    *conf = NULL;
}
