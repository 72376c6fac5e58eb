/* invite.c - newsctl peer invite and peer accept: two sites that become peers.
 *
 *     we                                    they
 *     peer invite NAME     ── token ──▶     peer accept TOKEN: their block for us
 *     peer accept TOKEN    ◀── answer ──    (printed with it)
 *
 * Only text is made: no file is changed and no site need run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/block.h"
#include "ctl/ctl.h"
#include "ctl/inn.h"
#include "ctl/ourselves.h"
#include "lib/mem.h"
#include "lib/net.h"

#define MAIL_MOST (1u << 20)       /* a token is looked for in so much of standard input */

struct plan {
    const char *subject;                      /* NAME or TOKEN */
    const char *groups, *connect;
    struct ourselves us;
    bool        inn;
};

/* The first of the configuration's errors, without its place: that is in no file. */
static int not_good(struct show *show, const char *what, struct buf *errors)
{
    struct span all = buf_span(errors), line = { 0 };
    const char *at;
    int rc;

    if (all.n > 0)
        (void)span_next(&all, '\n', &line);
    if (span_starts(line, SPAN("the block:")) && (at = memmem(line.p, line.n, ": ", 2)) != NULL)
        line = span_from(line, (size_t)(at + 2 - line.p));
    rc = show_no(show, "%s: %.*s", what, SPAN_F(line));
    buf_fini(errors);
    return rc;
}

/* ---- the block for somebody who sent a token ---- */

static void block_of(const struct token *t, const char *groups, const char *accept_groups, const char *comment, struct buf *out)
{
    bool yes = t->nntps.n > 0;
    struct block b = {
        .name = t->site, .comment = comment, .address = t->address, .connect = yes ? t->nntps.v[0] : t->nntp.v[0],
        .groups = groups, .accept_groups = accept_groups, .size_max = t->article_max,
        .tls = yes ? "yes" : t->starttls ? "starttls" : NULL, .fingerprint = yes || t->starttls ? t->fingerprint : NULL,
    };

    token_add(&b.path, span_of(t->site));
    for (size_t i = 0; i < t->alias.n; i++)
        token_add(&b.path, span_of(t->alias.v[i]));
    block_write(&b, out);
    for (size_t i = 0; i < b.path.n; i++)
        free(b.path.v[i]);
    free(b.path.v);
}

/* Would a stranger's site take our token?  (The same checks that it makes.) */
static bool understood(const struct token *us, struct buf *errors)
{
    struct buf line = { 0 }, block = { 0 };
    struct token heard;
    struct err e;
    bool good;

    token_write(us, &line);
    good = token_read(&heard, buf_span(&line), &e) == 0;
    buf_fini(&line);
    if (!good) {
        buf_printf(errors, "%s\n", e.text);
        return false;
    }
    block_of(&heard, heard.want, heard.offer, NULL, &block);
    good = block_prove(NULL, heard.site, buf_span(&block), errors);
    buf_fini(&block);
    token_fini(&heard);
    return good;
}

/* ---- answers ---- */

/* One part of the answer: with a heading for people, a row for programs. */
static void part(struct show *show, const char *name, const char *heading, struct span text)
{
    struct span both[2] = { span_of(name), text };

    if (show_is_json(show)) {
        show_row(show, both, 2);
        return;
    }
    if (strcmp(name, "note") != 0) {
        show_text(show, span_of(heading));
        show_text(show, SPAN(""));
    }
    if (text.n > 0 && text.p[text.n - 1] == '\n')
        text.n--;
    show_text(show, text);
    show_text(show, SPAN(""));
}

static void token_part(struct show *show, const char *name, const char *heading, const struct token *t)
{
    struct buf line = { 0 };

    token_write(t, &line);
    part(show, name, heading, buf_span(&line));
    buf_fini(&line);
}

static void block_part(struct show *show, const struct conf *c, const char *name, struct span block)
{
    char *heading = xasprintf("%s %s:", block_stands(c, name) ? "This goes in the place of that peer's block in" : "This goes into",
                              c->file);

    part(show, "block", heading, block);
    free(heading);
}

static int next_steps(struct show *show, const struct conf *c, const char *name)
{
    char *text = xasprintf("then: nntpd -c %s -t; newsctl -c %s reload; newsctl -c %s peer test %s", c->file, c->file, c->file, name);

    show_end(show, true, span_of(text));
    free(text);
    return CTL_OK;
}

/* Addresses that mean somebody else to whoever reads them. */
static void note_loopback(struct show *show, const struct token *t)
{
    struct net_addr a;

    for (size_t i = 0; i < t->address.n; i++)
        if (net_literal(t->address.v[i], 0, &a) == 0 && net_is_loopback((const struct sockaddr *)&a.sa))
            part(show, "note", "", SPAN("Note: the address is this machine's own: good for a trial on one machine alone"));
}

static void inn_parts(struct show *show, const struct inn_lines *l)
{
    part(show, "incoming.conf", "Their incoming.conf (then: ctlinnd reload incoming.conf '...'):", buf_span(&l->incoming));
    part(show, "newsfeeds", "Their newsfeeds (then: ctlinnd reload newsfeeds '...'):", buf_span(&l->newsfeeds));
    part(show, "innfeed", "Also in their newsfeeds, if there is no innfeed! yet (their pathbin may be another):",
         SPAN("innfeed!\\\n    :!*\\\n    :Tc,Wnm*:/usr/lib/news/bin/innfeed\n"));
    part(show, "innfeed.conf", "Their innfeed.conf:", buf_span(&l->innfeed));
}

/* ---- invite ---- */

static void our_block(const struct plan *p, const struct token *us, struct buf *out)
{
    struct block b = { .name = p->subject, .connect = p->connect, .groups = us->offer, .accept_groups = us->want };
    const char *host = p->connect != NULL ? p->connect : p->subject, *colon = strrchr(host, ':');
    size_t n = p->connect != NULL && colon != NULL ? (size_t)(colon - host) : strlen(host);

    if (n >= 2 && host[0] == '[')
        host++, n -= 2;
    token_add(&b.address, (struct span){ host, n });
    block_write(&b, out);
    free(b.address.v[0]);
    free(b.address.v);
}

static int tell_invitation(const struct conf *c, const struct plan *p, const struct token *us, struct span block, struct show *show)
{
    struct inn_lines inn = { 0 };
    struct err e = { 0 };

    if (p->inn && inn_write(us, &inn, &e) != 0)
        return show_no(show, "%s", e.text);
    if (p->inn)
        inn_parts(show, &inn);
    else
        token_part(show, "token", "For them, to give to newsctl peer accept; there is no secret in it:", us);
    inn_fini(&inn);
    note_loopback(show, us);
    if (!p->inn)
        part(show, "note", "", SPAN("When they answer with such a line, newsctl peer accept makes a better block of it than this one."));
    block_part(show, c, p->subject, block);
    return next_steps(show, c, p->subject);
}

static int invite(const struct conf *c, const struct plan *p, struct show *show)
{
    struct buf block = { 0 }, errors = { 0 };
    struct token us;
    struct err e = { 0 };
    int rc;

    if (ourselves_token(c, &p->us, p->groups, &us, &e) != 0) {
        rc = show_no(show, "%s", e.text);
    } else if (!understood(&us, &errors)) {
        rc = not_good(show, "our invitation would not be understood", &errors);
    } else {
        our_block(p, &us, &block);
        if (block_prove(c, p->subject, buf_span(&block), &errors))
            rc = tell_invitation(c, p, &us, buf_span(&block), show);
        else
            rc = not_good(show, "no peer block can be made of this", &errors);
    }
    token_fini(&us);
    buf_fini(&block);
    return rc;
}

/* ---- accept ---- */

/* A stranger's word that half of the net is this peer is not taken. */
static const char *too_wide(const struct token *t)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    struct net_cidr cidr;

    for (size_t i = 0; i < t->address.n; i++)
        if (net_cidr_read(t->address.v[i], &cidr) == 0 && cidr.prefix < (memcmp(cidr.bits, mapped, 12) == 0 ? 96 + 16 : 32))
            return t->address.v[i];
    return NULL;
}

/* What goes back to them: what we are, and what the block says. */
static int tell_accepted(const struct conf *c, const struct plan *p, const struct token *them, const char *groups, struct show *show)
{
    char *accept_groups = ourselves_leaving(c, p->groups != NULL ? p->groups : them->offer);
    char *comment = xasprintf("of %s, as it says itself", them->site);
    struct buf block = { 0 }, errors = { 0 };
    struct token us = { 0 };
    struct err e = { 0 };
    int rc;

    block_of(them, groups, accept_groups, comment, &block);
    if (!block_prove(c, them->site, buf_span(&block), &errors)) {
        rc = not_good(show, "no peer block can be made of the token", &errors);
    } else if (!them->answer && ourselves_token(c, &p->us, p->groups, &us, &e) != 0) {
        rc = show_no(show, "%s", e.text);
    } else {
        note_loopback(show, them);
        block_part(show, c, them->site, buf_span(&block));
        if (!them->answer) {
            free(us.offer);
            free(us.want);
            us.offer = xstrdup(groups);
            us.want = xstrdup(accept_groups);
            us.answer = true;
            token_part(show, "token", "And this goes back to them, for newsctl peer accept:", &us);
        }
        rc = next_steps(show, c, them->site);
    }
    token_fini(&us);
    buf_fini(&block);
    free(accept_groups);
    free(comment);
    return rc;
}

/* The token alone out of a mail that holds it, quoted perhaps: from its prefix to its sum. */
static void out_of_mail(struct buf *mail)
{
    struct buf token = { 0 };
    const char *at = buf_len(mail) > 0 ? memmem(buf_data(mail), buf_len(mail), TOKEN_PREFIX, strlen(TOKEN_PREFIX)) : NULL;
    int left = -1;                             /* of the sum, once its dot has come */

    for (; at != NULL && at < buf_data(mail) + buf_len(mail) && left != 0; at++) {
        if (strchr("> \t\r\n", *at) != NULL)
            continue;
        buf_add(&token, at, 1);
        left = *at == '.' ? TOKEN_SUM : left > 0 ? left - 1 : left;
    }
    if (buf_len(&token) > 0) {
        buf_clear(mail);
        buf_add_span(mail, buf_span(&token));
    }
    buf_fini(&token);
}

/* The token itself, or what is in standard input for "-". */
static void token_text(const char *subject, struct buf *out)
{
    char piece[4096];
    size_t n;

    if (strcmp(subject, "-") != 0) {
        buf_puts(out, subject);
        return;
    }
    while (buf_len(out) <= MAIL_MOST && (n = fread(piece, 1, sizeof piece, stdin)) > 0)
        buf_add(out, piece, n);
    out_of_mail(out);
}

static int accept_token(const struct conf *c, const struct plan *p, struct show *show)
{
    struct buf text = { 0 };
    struct token them;
    struct err e = { 0 };
    const char *wide;
    char *groups;
    int rc;

    token_text(p->subject, &text);
    rc = token_read(&them, buf_span(&text), &e);
    buf_fini(&text);
    if (rc != 0)
        return show_no(show, "%s", e.text);
    if ((wide = too_wide(&them)) != NULL) {
        rc = show_no(show, "the token's address %s is too wide: all that comes from there would be this peer's", wide);
    } else {
        groups = ourselves_leaving(c, p->groups != NULL ? p->groups : them.want);
        rc = tell_accepted(c, p, &them, groups, show);
        free(groups);
    }
    token_fini(&them);
    return rc;
}

/* ---- the door ---- */

static int read_plan(struct plan *p, bool inviting, int n, char **w)
{
    *p = (struct plan){ 0 };
    for (int i = 0; i < n; i++) {
        bool value = i + 1 < n;

        if (w[i][0] != '-' || w[i][1] == '\0') {
            if (p->subject != NULL)
                return -1;
            p->subject = w[i];
        } else if (inviting && strcmp(w[i], "--inn") == 0) {
            p->inn = true;
        } else if (value && strcmp(w[i], "--address") == 0 && p->us.n < TOKEN_LIST_MOST) {
            p->us.address[p->us.n++] = span_of(w[++i]);
        } else if (value && strcmp(w[i], "--groups") == 0) {
            p->groups = w[++i];
        } else if (inviting && value && strcmp(w[i], "--connect") == 0) {
            p->connect = w[++i];
        } else {
            return -1;
        }
    }
    return p->subject != NULL ? 0 : -1;
}

int invite_command(const struct conf *c, int n, char **words, struct show *show)
{
    bool inviting = strcmp(words[0], "invite") == 0;
    struct plan p;

    if (read_plan(&p, inviting, n - 1, words + 1) != 0) {
        fputs(inviting ? "usage: newsctl peer invite NAME [--address OURS]... [--groups WILDMATS] [--connect HOST:PORT] [--inn]\n"
                       : "usage: newsctl peer accept TOKEN|- [--address OURS]... [--groups WILDMATS]\n", stderr);
        return CTL_USAGE;
    }
    show_columns(show, (struct span[]){ SPAN("part"), SPAN("text") }, 2);
    return inviting ? invite(c, &p, show) : accept_token(c, &p, show);
}
