/* block.c - peer blocks as text.  See block.h. */
#include "ctl/block.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"

/* ---- writing ---- */

static void key(struct buf *out, const char *name)
{
    buf_printf(out, "    %-13s = ", name);
}

static void quoted(struct buf *out, struct span v)
{
    buf_puts(out, "\"");
    for (size_t i = 0; i < v.n; i++) {
        if (strchr("\"\\$", v.p[i]) != NULL)
            buf_puts(out, "\\");
        buf_add(out, v.p + i, 1);
    }
    buf_puts(out, "\"");
}

static void put_text(struct buf *out, const char *name, const char *v)
{
    if (v == NULL)
        return;
    key(out, name);
    quoted(out, span_of(v));
    buf_puts(out, "\n");
}

static void put_list(struct buf *out, const char *name, const struct conf_list *l)
{
    if (l->n == 0)
        return;
    key(out, name);
    for (size_t i = 0; i < l->n; i++) {
        buf_puts(out, i == 0 ? "{ " : ", ");
        quoted(out, span_of(l->v[i]));
    }
    buf_puts(out, " }\n");
}

static void put_wildmat(struct buf *out, const char *name, const char *wildmat)
{
    struct span rest = span_of(wildmat), one;
    const char *before = "{ ";

    key(out, name);
    for (; span_next(&rest, ',', &one); before = ", ") {
        buf_puts(out, before);
        quoted(out, one);
    }
    buf_puts(out, " }\n");
}

void block_write(const struct block *b, struct buf *out)
{
    if (b->comment != NULL)
        buf_printf(out, "# %s\n", b->comment);
    buf_puts(out, "peer ");
    quoted(out, span_of(b->name));
    buf_puts(out, " {\n");
    put_list(out, "address", &b->address);
    put_text(out, "connect", b->connect);
    put_list(out, "path", &b->path);
    put_wildmat(out, "groups", b->groups);
    put_wildmat(out, "accept-groups", b->accept_groups);
    if (b->size_max > 0) {
        key(out, "size-max");
        buf_printf(out, "%" PRIu64 "\n", b->size_max);
    }
    put_text(out, "tls", b->tls);
    put_text(out, "fingerprint", b->fingerprint);
    key(out, "send");
    buf_puts(out, "true\n");
    key(out, "accept");
    buf_puts(out, "true\n}\n");
}

/* ---- proving ---- */

bool block_stands(const struct conf *c, const char *name)
{
    for (size_t i = 0; i < c->n_peer; i++)
        if (strcasecmp(c->peer[i].name, name) == 0)
            return true;
    return false;
}

/* All of 'c' but the peer of that name; returns how many peers that are. */
static size_t show_others(const struct conf *c, const char *name, struct buf *out)
{
    struct conf others = *c;

    others.peer = xcalloc(c->n_peer + 1, sizeof *others.peer);
    others.n_peer = 0;
    for (size_t i = 0; i < c->n_peer; i++)
        if (strcasecmp(c->peer[i].name, name) != 0)
            others.peer[others.n_peer++] = c->peer[i];
    conf_show(&others, out);
    free(others.peer);
    return others.n_peer;
}

bool block_prove(const struct conf *c, const char *name, struct span text, struct buf *errors)
{
    struct buf whole = { 0 };
    struct conf *read;
    size_t others = 0;
    bool good;

    if (c != NULL)
        others = show_others(c, name, &whole);
    else
        buf_puts(&whole, "site \"site.invalid\" {}\nlisten \"*:119\" {}\n");
    buf_add_span(&whole, text);
    buf_add(&whole, "", 1);
    read = conf_read_text("the block", buf_data(&whole), errors);
    /* nothing but one peer may have come of it */
    good = read != NULL && read->n_peer == others + 1 && strcmp(read->peer[others].name, name) == 0 &&
           read->n_listen == (c != NULL ? c->n_listen : 1) && read->n_access == (c != NULL ? c->n_access : 0);
    if (read != NULL && !good)
        buf_puts(errors, "the block: it is more than one peer\n");
    conf_free(&read);
    buf_fini(&whole);
    return good;
}
