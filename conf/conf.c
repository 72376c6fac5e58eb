/* conf.c - the configuration file to a struct conf.  See conf.h.
 *
 *     text ── words and marks, comments away          (text.c)
 *          ── blocks; what is unknown is taken out     (blocks.c)
 *          ── each block by libConfuse, each value checked where it stands
 *          ── struct conf, defaults for what is absent or wrong
 *          ── the files that the site block names      (files.c)
 *          ── what must hold across settings           (check.c)
 *
 * Nothing but a missing brace ends the reading, so a file's errors are told
 * all at once.
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

#include "conf/blocks.h"
#include "conf/schema.h"
#include "conf/check.h"
#include "conf/files.h"
#include "lib/disk.h"
#include "lib/mem.h"

#define FILE_MOST (8u << 20)

struct reading {
    struct errors errors;
    struct text   text;
    struct blocks blocks;
};

/* libConfuse's callbacks have no argument of ours: one block at a time. */
static struct { struct reading *r; struct block_text *block; } now;

/* ---- a block by libConfuse ---- */

__attribute__((format(printf, 2, 0)))
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    const char *hint = "";
    char text[512];

    vsnprintf(text, sizeof text, fmt, ap);
    if (strcmp(text, "unexpected token ','") == 0)
        hint = " (a value is missing before it)";
    else if (strncmp(text, "unexpected token", 16) == 0)
        hint = " (is a comma missing before it?)";
    errors_add(&now.r->errors, now.block->line + cfg->line - 1, "%s%s", text, hint);
    now.block->broken = true;
}

/* Called behind each value, and once more at the end of a list. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    const struct setting *s = schema_find(now.block->kind, opt->name);
    unsigned n = cfg_opt_size(opt);
    const char *text = n > 0 ? cfg_opt_getnstr(opt, n - 1) : NULL;
    struct err e;

    if (s != NULL && text != NULL && setting_check(s, text, &e) != 0) {
        bool end = text[0] != '\0' && text[strlen(text) - 1] == ';';

        errors_add(&now.r->errors, now.block->line + cfg->line - 1, "%s: %s%s", s->key, e.text, end ? " (no ; ends a setting)" : "");
        now.block->wrong = true;
    }
    return 0;
}

static cfg_t *confuse_new(enum block kind)
{
    cfg_opt_t options[KEYS_MOST], top[2], end = CFG_END();
    char path[64];
    size_t n, at = 0;
    const struct setting *s = schema(&n);
    cfg_t *cfg;

    for (size_t i = 0; i < n; i++) {
        cfg_opt_t one = CFG_STR(s[i].key, NULL, CFGF_NODEFAULT), many = CFG_STR_LIST(s[i].key, NULL, CFGF_NODEFAULT);

        if (s[i].block == kind)
            options[at++] = s[i].type == TYPE_LIST ? many : one;
    }
    need(at < KEYS_MOST);
    options[at] = end;
    top[0] = (cfg_opt_t)CFG_SEC(block_names[kind], options, CFGF_MULTI | CFGF_TITLE);
    top[1] = end;
    cfg = cfg_init(top, CFGF_NONE);
    need(cfg != NULL);
    cfg_set_error_function(cfg, on_error);
    for (size_t i = 0; i < n; i++) {
        if (s[i].block == kind) {
            snprintf(path, sizeof path, "%s|%s", block_names[kind], s[i].key);
            cfg_set_validate_func(cfg, path, on_value);
        }
    }
    return cfg;
}

/* ---- from libConfuse's tree to ours ---- */

static void store_setting(const struct setting *s, void *to, cfg_t *sec)
{
    unsigned stored = 0;

    for (unsigned i = 0; sec != NULL && i < cfg_size(sec, s->key); i++) {
        const char *text = cfg_getnstr(sec, s->key, i);

        if (text != NULL && setting_check(s, text, NULL) == 0) {
            setting_store(s, to, text);
            stored++;
        }
    }
    if (stored == 0)
        setting_default(s, to);
}

static void *grow(void *array, size_t *n, size_t size)
{
    array = xrealloc(array, (*n + 1) * size);
    memset((char *)array + *n * size, 0, size);
    (*n)++;
    return array;
}

/* A new struct of the block's kind in 'c'; NULL: there is one already, and one there may be.
 * 'title' is set to its name. */
static void *new_block(struct conf *c, enum block kind, char ***title)
{
    switch (kind) {
    case BLOCK_site:
        *title = &c->site.name;
        return c->site.name == NULL ? &c->site : NULL;
    case BLOCK_listen:
        c->listen = grow(c->listen, &c->n_listen, sizeof *c->listen);
        *title = &c->listen[c->n_listen - 1].address;
        return &c->listen[c->n_listen - 1];
    case BLOCK_peer:
        c->peer = grow(c->peer, &c->n_peer, sizeof *c->peer);
        *title = &c->peer[c->n_peer - 1].name;
        return &c->peer[c->n_peer - 1];
    case BLOCK_access:
        c->access = grow(c->access, &c->n_access, sizeof *c->access);
        *title = &c->access[c->n_access - 1].name;
        return &c->access[c->n_access - 1];
    case BLOCKS:
        break;
    }
    bug("a kind of block");
}

/* 'sec' may be NULL, when its grammar is wrong: then the block has defaults. */
static void store_block(struct reading *r, struct conf *c, cfg_t *sec)
{
    enum block kind = now.block->kind;
    size_t n;
    const struct setting *s = schema(&n);
    char **title;
    void *to = new_block(c, kind, &title);

    if (to == NULL) {
        errors_add(&r->errors, now.block->line, "there is more than one site block");
        return;
    }
    *title = xstrdup(text_word(&r->text, now.block->first + 1));
    for (size_t i = 0; i < n; i++)
        if (s[i].block == kind)
            store_setting(&s[i], to, sec);
}

static void read_block(struct reading *r, struct conf *c, struct block_text *b)
{
    const struct token *first = &r->text.token[b->first], *last = &r->text.token[b->end - 1];
    char *text = xstrndup(buf_data(&r->text.clean) + first->from, last->to - first->from);
    cfg_t *cfg = confuse_new(b->kind);

    now.r = r;
    now.block = b;
    if (cfg_parse_buf(cfg, text) != CFG_SUCCESS)
        b->broken = true;
    store_block(r, c, cfg_getnsec(cfg, block_names[b->kind], 0));
    now.r = NULL;
    now.block = NULL;
    cfg_free(cfg);
    free(text);
}

/* ---- what follows from the rest ---- */

/* Relative to the directory of the configuration file. */
static void make_absolute(char **path, const char *file)
{
    char cwd[PATH_MAX] = "", *was = *path, *dir;
    const char *slash = strrchr(file, '/');

    if (was == NULL || was[0] == '/')
        return;
    if (file[0] != '/' && getcwd(cwd, sizeof cwd) == NULL)
        strcpy(cwd, ".");
    dir = xasprintf("%s%s%.*s", cwd, file[0] != '/' && slash != NULL ? "/" : "", slash != NULL ? (int)(slash - file) : 0, file);
    if (strcmp(was, ".") == 0)
        *path = xstrdup(dir[0] != '\0' ? dir : "/");
    else
        *path = xasprintf("%s/%s", dir, was);
    free(dir);
    free(was);
}

static void complete(struct conf *c, const char *file)
{
    c->file = xstrdup(file);
    if (c->site.name == NULL)
        return;
    make_absolute(&c->site.directory, file);
    make_absolute(&c->site.run_directory, file);
    make_absolute(&c->site.log_file, file);
    make_absolute(&c->site.motd_file, file);
    make_absolute(&c->site.users_file, file);
    make_absolute(&c->site.tls_certificate, file);
    make_absolute(&c->site.tls_key, file);
    make_absolute(&c->site.tls_ca, file);
    if (c->site.tls_key == NULL && c->site.tls_certificate != NULL)
        c->site.tls_key = xstrdup(c->site.tls_certificate);
    make_absolute(&c->site.subscriptions_file, file);
    make_absolute(&c->site.distributions_file, file);
    make_absolute(&c->site.distrib_pats_file, file);
    if (c->site.run_directory == NULL)
        c->site.run_directory = xasprintf("%s/run", c->site.directory);
    for (size_t i = 0; i < c->n_peer; i++) {
        struct conf_peer *p = &c->peer[i];
        const char *host = p->address.n > 0 ? p->address.v[0] : p->name;

        if (p->connect == NULL && strchr(host, '/') == NULL)
            p->connect = xasprintf(strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, p->tls == CONF_TLS_YES ? 563 : 119);
        if (p->address.n == 0 && p->login == NULL && p->certificate.n == 0)
            setting_store(schema_find(BLOCK_peer, "address"), p, p->name);
        if (p->path.n == 0)
            setting_store(schema_find(BLOCK_peer, "path"), p, p->name);
    }
}

/* What is wrong with a certificate is found when it is used: by then, say where it was named. */
static void note_lines(struct conf_site *s, const struct blocks *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->v[i].kind != BLOCK_site)
            continue;
        s->tls_line.certificate = block_line(&b->v[i], "tls-certificate");
        s->tls_line.key = block_line(&b->v[i], block_has(&b->v[i], "tls-key") ? "tls-key" : "tls-certificate");
        s->tls_line.ca = block_line(&b->v[i], "tls-ca");
        s->tls_line.ciphers = block_line(&b->v[i], "tls-ciphers");
    }
}

static bool site_is_whole(const struct blocks *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].kind == BLOCK_site)
            return !b->v[i].broken;
    return false;
}

/* 'rest': what there is will do, if it says where the site is. */
static struct conf *read_text(const char *name, const char *text, bool rest, struct buf *errors)
{
    struct reading r = { 0 };
    struct conf *c = xcalloc(1, sizeof *c);
    bool whole = text_read(&r.text, text, &r.errors);

    whole = blocks_find(&r.blocks, &r.text, &r.errors) && whole;
    for (size_t i = 0; i < r.blocks.n; i++)
        read_block(&r, c, &r.blocks.v[i]);
    complete(c, name);
    note_lines(&c->site, &r.blocks);
    files_read(c, &r.blocks, &r.errors);
    conf_check(c, &r.blocks, whole, &r.errors);
    if (r.errors.n > 0 && !(rest && site_is_whole(&r.blocks)))
        conf_free(&c);
    errors_tell(&r.errors, name, errors);
    blocks_free(&r.blocks);
    text_free(&r.text);
    return c;
}

struct conf *conf_read_text(const char *name, const char *text, struct buf *errors)
{
    return read_text(name, text, false, errors);
}

static struct conf *read_file(const char *file, bool rest, struct buf *errors)
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
    /* some editors put a byte order mark in front */
    c = read_text(file, strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text, rest, errors);
    free(text);
    return c;
}

struct conf *conf_read(const char *file, struct buf *errors)
{
    return read_file(file, false, errors);
}

struct conf *conf_read_rest(const char *file)
{
    struct buf errors = { 0 };
    struct conf *c = read_file(file, true, &errors);

    buf_fini(&errors);
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
    files_free(&c->site);
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

/* Never shorter than an article with that id could be taken again: it may be dated future-max
 * ahead, and then come for another age-max.  A day is the least (RFC 5537 3.3). */
int64_t conf_remember_us(const struct conf_site *s)
{
    const int64_t day = INT64_C(86400000000);
    int64_t least = s->age_max_us + (s->future_max_us > day ? s->future_max_us : day);

    if (s->age_max_us == 0 || s->history_remember_us == 0)
        return 0;
    return s->history_remember_us > least ? s->history_remember_us : least;
}

bool conf_peer_private(const struct conf_peer *p)
{
    return p->tls != CONF_TLS_NO && p->fingerprint != NULL;
}

bool conf_peer_sends(const struct conf_peer *p)
{
    return p->send || p->pull_post;
}

bool conf_peer_equal(const struct conf_peer *a, const struct conf_peer *b)
{
    size_t n;
    const struct setting *s = schema(&n);

    for (size_t i = 0; i < n; i++)
        if (s[i].block == BLOCK_peer && !setting_equal(&s[i], a, b))
            return false;
    return true;
}
