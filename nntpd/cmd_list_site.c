/* cmd_list_site.c - the LIST variants that tell what the operator wrote: MOTD,
 * SUBSCRIPTIONS, DISTRIBUTIONS, DISTRIB.PATS, MODERATORS (RFC 3977 7.6.5, RFC 6048 2).
 *
 * All of it is in the configuration in force (conf/files.c), 64 kB a list at
 * most, so it is answered at once.  What is not there is 503 and no capability.
 */
#include "article/wildmat.h"
#include "article/wire.h"
#include "conf/conf.h"
#include "nntpd/sess.h"

bool list_kept(const struct command *row, const struct conf_site *site)
{
    if (row->run == cmd_list_motd)
        return site->motd.p != NULL;
    if (row->run == cmd_list_subscriptions)
        return site->subscriptions.p != NULL;
    if (row->run == cmd_list_distributions)
        return site->distributions.p != NULL;
    if (row->run == cmd_list_distrib_pats)
        return site->distrib_pats.p != NULL;
    if (row->run == cmd_list_moderators)
        return site->moderators.n > 0;
    return true;
}

/* The status line, and the lines with their dots. */
static void tell(struct session *s, const char *status, struct span lines)
{
    struct buf out = { 0 };

    buf_printf(&out, "215 %s\r\n", status);
    wire_from_text(&out, lines);
    stream_write(s->st, buf_data(&out), buf_len(&out));
    buf_fini(&out);
}

static void tell_text(struct session *s, const char *status, const struct conf_text *t)
{
    tell(s, status, (struct span){ t->p, t->n });
}

void cmd_list_motd(struct session *s, const struct call *c)
{
    if (!list_kept(c->row, &s->conf->site))
        reply(s, "503 No message of the day available");
    else
        tell_text(s, "Message of the day text in UTF-8", &s->conf->site.motd);
}

void cmd_list_distributions(struct session *s, const struct call *c)
{
    if (!list_kept(c->row, &s->conf->site))
        reply(s, "503 No list of distributions available");
    else
        tell_text(s, "Distributions in form \"distribution description\"", &s->conf->site.distributions);
}

void cmd_list_distrib_pats(struct session *s, const struct call *c)
{
    if (!list_kept(c->row, &s->conf->site))
        reply(s, "503 No list of default distributions available");
    else
        tell_text(s, "Default distributions in form \"weight:group-pattern:distribution\"", &s->conf->site.distrib_pats);
}

void cmd_list_moderators(struct session *s, const struct call *c)
{
    const struct conf_list *l = &s->conf->site.moderators;
    struct buf lines = { 0 };

    if (!list_kept(c->row, &s->conf->site)) {
        reply(s, "503 No list of submission addresses available");
        return;
    }
    for (size_t i = 0; i < l->n; i++)
        buf_printf(&lines, "%s\n", l->v[i]);
    tell(s, "Submission addresses in form \"group-pattern:submission-template\"", buf_span(&lines));
    buf_fini(&lines);
}

/* Only groups that are here and that this client may read, in the operator's order. */
void cmd_list_subscriptions(struct session *s, const struct call *c)
{
    struct span text = { s->conf->site.subscriptions.p, s->conf->site.subscriptions.n }, name;
    struct buf lines = { 0 };

    if (!list_kept(c->row, &s->conf->site)) {
        reply(s, "503 No list of recommended newsgroups available");
        return;
    }
    while (text.n > 0 && span_next(&text, '\n', &name)) {
        if ((c->n > 0 && !wildmat(name, c->arg[0])) || session_group(s, name) == NULL)
            continue;
        buf_add_span(&lines, name);
        buf_add(&lines, "\n", 1);
    }
    tell(s, "Recommended newsgroups in form \"group\"", buf_span(&lines));
    buf_fini(&lines);
}
