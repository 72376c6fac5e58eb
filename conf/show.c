/* show.c - settings back to text, and what a reload cannot change.  See conf.h. */
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

#include "conf/schema.h"
#include "lib/mem.h"

static void show_block(enum block b, const char *title, const void *block, struct buf *out)
{
    size_t n;
    const struct setting *s = schema(&n);

    buf_printf(out, "%s ", block_names[b]);
    put_quoted(out, title);
    buf_puts(out, " {\n");
    for (size_t i = 0; i < n; i++)
        if (s[i].block == b)
            setting_show(&s[i], block, out);
    buf_puts(out, "}\n");
}

void conf_show(const struct conf *c, struct buf *out)
{
    show_block(BLOCK_site, c->site.name, &c->site, out);
    for (size_t i = 0; i < c->n_listen; i++)
        show_block(BLOCK_listen, c->listen[i].address, &c->listen[i], out);
    for (size_t i = 0; i < c->n_peer; i++)
        show_block(BLOCK_peer, c->peer[i].name, &c->peer[i], out);
    for (size_t i = 0; i < c->n_access; i++)
        show_block(BLOCK_access, c->access[i].name, &c->access[i], out);
}

static bool same_listeners(const struct conf *a, const struct conf *b)
{
    if (a->n_listen != b->n_listen)
        return false;
    for (size_t i = 0; i < a->n_listen; i++)
        if (strcmp(a->listen[i].address, b->listen[i].address) != 0 || a->listen[i].tls != b->listen[i].tls)
            return false;
    return true;
}

void conf_changes(const struct conf *from, const struct conf *to, struct buf *needs_restart)
{
    size_t n;
    const struct setting *s = schema(&n);

    if (strcmp(from->site.name, to->site.name) != 0)
        buf_printf(needs_restart, "site: the name stays \"%s\" until a restart\n", from->site.name);
    for (size_t i = 0; i < n; i++)
        if (s[i].block == BLOCK_site && s[i].live == START && !setting_equal(&s[i], &from->site, &to->site))
            buf_printf(needs_restart, "site: %s is changed by a restart alone\n", s[i].key);
    if (!same_listeners(from, to))
        buf_puts(needs_restart, "listen: addresses are changed by a restart alone\n");
}

static void stay(char *const *from, char **to)
{
    free(*to);
    *to = xstrdup(*from);
}

void conf_stay(const struct conf *from, struct conf *to)
{
    stay(&from->site.name, &to->site.name);
    stay(&from->site.directory, &to->site.directory);
    stay(&from->site.run_directory, &to->site.run_directory);
}

bool conf_list_equal(const struct conf_list *a, const struct conf_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->v[i], b->v[i]) != 0)
            return false;
    return true;
}

bool conf_has_logins(const struct conf *c)
{
    for (size_t i = 0; i < c->n_access; i++)
        if (c->access[i].user.n > 0)
            return true;
    for (size_t i = 0; i < c->n_peer; i++)
        if (c->peer[i].accept && c->peer[i].login != NULL)
            return true;
    return c->site.login_program.n > 0;
}

void conf_join(const struct conf_list *l, struct buf *out)
{
    for (size_t i = 0; i < l->n; i++)
        buf_printf(out, "%s%s", i > 0 ? "," : "", l->v[i]);
}
