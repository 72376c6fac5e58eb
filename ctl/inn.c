/* inn.c - lines for INN.  See inn.h.
 *
 * The name in newsfeeds is compared with Path, so it is our path identity; the one in
 * innfeed.conf must be the same; the label in incoming.conf is free.
 */
#include "ctl/inn.h"

#include <inttypes.h>
#include <string.h>

static void write_incoming(const struct token *us, struct buf *out)
{
    buf_printf(out, "peer %s {\n  hostname: \"", us->site);
    for (size_t i = 0; i < us->address.n; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", us->address.v[i]);
    buf_puts(out, "\"\n");
    if (strcmp(us->offer, "*") != 0)
        buf_printf(out, "  patterns: \"%s\"\n", us->offer);
    buf_puts(out, "}\n");
}

/* Control messages are sent for the sake of the groups they name, so not by INN's own groups for them. */
static void write_newsfeeds(const struct token *us, struct buf *out)
{
    buf_puts(out, us->site);
    for (size_t i = 0; i < us->alias.n; i++)
        buf_printf(out, "%c%s", i == 0 ? '/' : ',', us->alias.v[i]);
    buf_printf(out, "\\\n    :%s,!junk,!control,!control.*\\\n    :", us->want);
    if (us->article_max > 0)
        buf_printf(out, "<%" PRIu64 ",", us->article_max);
    buf_puts(out, "Tm:innfeed!\n");
}

static void write_innfeed(const struct token *us, struct buf *out)
{
    const char *to = us->nntp.v[0], *colon = strrchr(to, ':');
    int n = (int)(colon - to);

    if (n >= 2 && to[0] == '[')
        to++, n -= 2;
    buf_printf(out, "peer %s {\n  ip-name: %.*s\n  port-number: %s\n}\n", us->site, n, to, colon + 1);
}

int inn_write(const struct token *us, struct inn_lines *l, struct err *e)
{
    *l = (struct inn_lines){ 0 };
    if (us->nntp.n == 0)
        return err_set(e, "INN sends without TLS: a listen block without tls = true is wanted");
    for (size_t i = 0; i < us->address.n; i++)
        if (strchr(us->address.v[i], '/') != NULL)
            return err_set(e, "--address %s: INN's incoming.conf knows names and addresses, no networks", us->address.v[i]);
    if (strpbrk(us->want, ":/\\") != NULL || strpbrk(us->offer, "\"\\") != NULL)
        return err_set(e, "the groups hold characters that mean something else in newsfeeds");
    write_incoming(us, &l->incoming);
    write_newsfeeds(us, &l->newsfeeds);
    write_innfeed(us, &l->innfeed);
    return 0;
}

void inn_fini(struct inn_lines *l)
{
    buf_fini(&l->incoming);
    buf_fini(&l->newsfeeds);
    buf_fini(&l->innfeed);
}
