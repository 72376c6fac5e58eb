/* command.c - THE command table, the gates before every handler, HELP and
 * CAPABILITIES.  See command.h.
 *
 * To add a command: a row here, a handler in the family's cmd_*.c, a row in
 * doc/protocol.md, a script in tests/session.
 *
 * RFC 3977 3.2.1: "an optional command that is not implemented" (here: a login where
 * nobody needs one) is 500, not 502 or 503 (those say that it exists), and no
 * capability names it.
 */
#include "nntpd/command.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "nntpd/sess.h"

#define TRANSIT_ID (CMD_TRANSIT | CMD_STREAM | CMD_PIPE | CMD_ID)
#define ANY 255

/*    name           run                  min max  flags            id_at wrong  capability  arguments, help */
static const struct command command_rows[] = {
    /* the transit commands first: they are looked for most */
    { "CHECK",       cmd_check,            1, 1, TRANSIT_ID,             0, 438, "STREAMING",
      "<message-id>", "offer an article", NULL },
    { "TAKETHIS",    cmd_takethis,         1, 1, TRANSIT_ID | CMD_BODY,  0, 439, "STREAMING",
      "<message-id>", "send an article", NULL },
    { "IHAVE",       cmd_ihave,            1, 1, CMD_TRANSIT,            0, 435, "IHAVE",
      "<message-id>", "offer an article and send it when asked", NULL },
    { "ARTICLE",     cmd_article,          0, 1, CMD_READ | CMD_GROUP,   0, 0, "READER",
      "[number|<message-id>]", "an article whole", NULL },
    { "HEAD",        cmd_head,             0, 1, CMD_READ | CMD_GROUP,   0, 0, NULL,
      "[number|<message-id>]", "its headers", NULL },
    { "BODY",        cmd_body,             0, 1, CMD_READ | CMD_GROUP,   0, 0, NULL,
      "[number|<message-id>]", "its body", NULL },
    { "STAT",        cmd_stat,             0, 1, CMD_READ | CMD_GROUP,   0, 0, NULL,
      "[number|<message-id>]", "is it there?", NULL },
    { "OVER",        cmd_over,             0, 1, CMD_READ | CMD_GROUP,   0, 0, "OVER MSGID",
      "[range|<message-id>]", "overview lines", NULL },
    { "XOVER",       cmd_xover,            0, 1, CMD_READ | CMD_GROUP, NO_ID, 0, NULL,
      "[range]", "overview lines, the old way", NULL },
    { "HDR",         cmd_hdr,              1, 2, CMD_READ | CMD_GROUP,   1, 0, "HDR",
      "field [range|<message-id>]", "one header field", NULL },
    { "XHDR",        cmd_xhdr,             1, 2, CMD_READ | CMD_GROUP,   1, 0, NULL,
      "field [range|<message-id>]", "one header field, where it is present", NULL },
    { "XPAT",        cmd_xpat,             3, ANY, CMD_READ | CMD_GROUP, 1, 0, NULL,
      "field range|<message-id> pattern", "one header field, where it matches", NULL },
    { "GROUP",       cmd_group,            1, 1, CMD_READ,               0, 0, NULL,
      "newsgroup", "select a group", NULL },
    { "LISTGROUP",   cmd_listgroup,        0, 2, CMD_READ,               0, 0, NULL,
      "[newsgroup [range]]", "select a group and list its article numbers", NULL },
    { "NEXT",        cmd_next,             0, 0, CMD_READ | CMD_GROUP, NO_ID, 0, NULL,
      "", "to the next article", NULL },
    { "LAST",        cmd_last,             0, 0, CMD_READ | CMD_GROUP, NO_ID, 0, NULL,
      "", "to the article before", NULL },
    { "POST",        cmd_post,             0, 0, CMD_POST,               0, 0, "POST",
      "", "post an article", NULL },
    { "LIST",        NULL,                 0, ANY, 0,                    0, 0, "LIST",
      "[keyword [argument]]", "lists", &list_variants },
    { "NEWGROUPS",   cmd_newgroups,        2, 3, CMD_READ,               0, 0, NULL,
      "[yy]yymmdd hhmmss [GMT]", "groups made since", NULL },
    { "NEWNEWS",     cmd_newnews,          3, 4, CMD_READ | CMD_NEWNEWS, 0, 0, "NEWNEWS",
      "wildmat [yy]yymmdd hhmmss [GMT]", "ids of articles that came since", NULL },
    { "XGTITLE",     cmd_xgtitle,          0, 1, CMD_READ,               0, 0, NULL,
      "[wildmat]", "descriptions of groups, the old way", NULL },
    { "CAPABILITIES",cmd_capabilities,     0, 1, 0,                      0, 0, NULL,
      "[keyword]", "what this connection may use", NULL },
    { "MODE",        NULL,                 0, ANY, 0,                    0, 0, NULL,
      "READER|STREAM", "what the client is", &mode_variants },
    { "DATE",        cmd_date,             0, 0, 0,                      0, 0, NULL,
      "", "the time in UTC", NULL },
    { "HELP",        cmd_help,             0, 0, 0,                      0, 0, NULL,
      "", "this", NULL },
    { "STARTTLS",    cmd_starttls,         0, 0, 0,                      0, 0, "STARTTLS",
      "", "encrypt the connection", NULL },
    { "AUTHINFO",    NULL,                 0, ANY, 0,                    0, 0, "AUTHINFO",
      "USER name|PASS password|SASL mechanism [response]", "log in", &auth_variants },
    { "COMPRESS",    cmd_compress,         1, 1, 0,                      0, 0, "COMPRESS DEFLATE",
      "DEFLATE", "compress the connection", NULL },
    { "QUIT",        cmd_quit,             0, 0, 0,                      0, 0, NULL,
      "", "end the connection", NULL },
};

static const struct command list_rows[] = {
    { "ACTIVE",        cmd_list_active,     0, 1, CMD_READ, 0, 0, "ACTIVE",       "[wildmat]", "groups with their marks", NULL },
    { "ACTIVE.TIMES",  cmd_list_times,      0, 1, CMD_READ, 0, 0, "ACTIVE.TIMES", "[wildmat]", "when and by whom they were made", NULL },
    { "COUNTS",        cmd_list_counts,     0, 1, CMD_READ, 0, 0, "COUNTS",       "[wildmat]", "groups with marks and counts", NULL },
    { "DISTRIB.PATS",  cmd_list_distrib_pats, 0, 0, CMD_READ, 0, 0, "DISTRIB.PATS", "", "which distribution suits which groups", NULL },
    { "DISTRIBUTIONS", cmd_list_distributions, 0, 0, CMD_READ, 0, 0, "DISTRIBUTIONS", "", "distributions and what they mean", NULL },
    { "HEADERS",       cmd_list_headers,    0, 1, CMD_READ, 0, 0, "HEADERS",      "[MSGID|RANGE]", "what HDR takes", NULL },
    { "MODERATORS",    cmd_list_moderators, 0, 0, CMD_READ, 0, 0, "MODERATORS",   "", "where posts to moderated groups are mailed", NULL },
    { "MOTD",          cmd_list_motd,       0, 0, CMD_READ, 0, 0, "MOTD",         "", "message of the day", NULL },
    { "NEWSGROUPS",    cmd_list_newsgroups, 0, 1, CMD_READ, 0, 0, "NEWSGROUPS",   "[wildmat]", "descriptions of groups", NULL },
    { "OVERVIEW.FMT",  cmd_list_fmt,        0, 0, CMD_READ, 0, 0, "OVERVIEW.FMT", "", "fields of an overview line", NULL },
    { "SUBSCRIPTIONS", cmd_list_subscriptions, 0, 1, CMD_READ, 0, 0, "SUBSCRIPTIONS", "[wildmat]", "groups for new readers", NULL },
};

static const struct command mode_rows[] = {
    { "READER", cmd_mode_reader, 0, 0, 0,                        0, 0, NULL, "", "harmless: everything is offered anyway", NULL },
    { "STREAM", cmd_mode_stream, 0, 0, CMD_TRANSIT | CMD_STREAM, 0, 0, NULL, "", "harmless: CHECK and TAKETHIS work anyway", NULL },
};

static const struct command auth_rows[] = {
    { "USER", cmd_auth_user, 1, 1,   CMD_LOGIN | CMD_CLEAR,            0, 0, NULL, "name", "log in; the password follows", NULL },
    { "PASS", cmd_auth_pass, 1, ANY, CMD_LOGIN | CMD_CLEAR | CMD_LONG, 0, 0, NULL, "password", "after USER", NULL },
    { "SASL", cmd_auth_sasl, 1, 2,   CMD_LOGIN | CMD_LONG,             0, 0, NULL, "mechanism [response]", "log in, the newer way", NULL },
};

#define ROWS(v) (v), sizeof (v) / sizeof *(v)
const struct command_table commands      = { ROWS(command_rows), "command", -1 };
const struct command_table list_variants = { ROWS(list_rows), "LIST keyword", 0 };
const struct command_table mode_variants = { ROWS(mode_rows), "MODE variant", -1 };
const struct command_table auth_variants = { ROWS(auth_rows), "AUTHINFO variant", -1 };

static const struct command_table *const tables[] = { &commands, &list_variants, &mode_variants, &auth_variants };
#define TABLES (sizeof tables / sizeof *tables)

/* --- finding ----------------------------------------------------------- */

unsigned command_index(const struct command *row)
{
    unsigned before = 0;

    for (size_t i = 0; i < TABLES; i++) {
        if (row >= tables[i]->row && row < tables[i]->row + tables[i]->n)
            return before + (unsigned)(row - tables[i]->row);
        before += tables[i]->n;
    }
    bug("a row of no table");
}

unsigned command_count(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < TABLES; i++)
        n += tables[i]->n;
    need(n <= COUNTER_COMMANDS);
    return n;
}

void command_name(unsigned index, char *out, size_t size)
{
    static const char *const front[TABLES] = { "", "LIST ", "MODE ", "AUTHINFO " };
    size_t i = 0;

    while (i < TABLES - 1 && index >= tables[i]->n)
        index -= tables[i++]->n;
    need(index < tables[i]->n);
    snprintf(out, size, "%s%s", front[i], tables[i]->row[index].name);
}

const struct command *command_find(const struct command_table *t, struct span name)
{
    for (unsigned i = 0; i < t->n; i++)
        if (span_ieq(name, span_of(t->row[i].name)))
            return &t->row[i];
    return NULL;
}

/* A feeder sends the same command a million times: try the last one first. */
static const struct command *find(struct session *s, struct span name)
{
    if (s->last == NULL || !span_ieq(name, span_of(s->last->name)))
        s->last = command_find(&commands, name);
    return s->last;
}

bool command_split(struct span line, struct call *c)
{
    struct span rest, w;

    line = span_trim(line);
    rest = line;
    c->row = NULL;
    c->line = line;
    c->n = 0;
    c->name = span_word(&rest);
    for (w = span_word(&rest); w.n > 0; w = span_word(&rest), c->n++)
        if (c->n < CALL_ARGS)
            c->arg[c->n] = w;
    return c->name.n > 0;
}

struct span call_tail(const struct call *c, unsigned i)
{
    if (i >= c->n || i >= CALL_ARGS)
        return (struct span){ 0 };
    return (struct span){ c->arg[i].p, (size_t)(c->line.p + c->line.n - c->arg[i].p) };
}

/* --- the gates --------------------------------------------------------- */

static int login_denied(const struct command *row, const struct rights *r)
{
    if (!r->logins)
        return 500;
    if (r->logged_in || r->compressed)           /* RFC 8054 2.2.2: compression tells of passwords */
        return 502;
    return (row->flags & CMD_CLEAR) && !r->clear ? 483 : 0;
}

/* The gates as flags of commands. */
static int open_gates(const struct may *m)
{
    return (m->read ? CMD_READ : 0) | (m->post ? CMD_POST : 0) | (m->transit ? CMD_TRANSIT : 0) |
           (m->streaming ? CMD_STREAM : 0) | (m->newnews ? CMD_NEWNEWS : 0);
}

int command_denied(const struct command *row, const struct rights *r)
{
    const struct may now = { r->read.n > 0, r->post.n > 0, r->newnews, r->transit, r->streaming };
    int shut = row->flags & (CMD_READ | CMD_POST | CMD_TRANSIT | CMD_STREAM | CMD_NEWNEWS) & ~open_gates(&now), by_login, by_tls;

    if (row->flags & CMD_LOGIN)
        return login_denied(row, r);
    if (shut == 0)
        return 0;
    by_login = open_gates(&r->login);
    by_tls = open_gates(&r->tls);
    if (shut & ~(by_login | by_tls))             /* one that nothing opens */
        return row->flags & CMD_POST ? 440 : 502;
    return shut & by_login ? 480 : 483;
}

/* Told by CAPABILITIES also when a login or TLS comes first (RFC 4643 2.1's example). */
static bool offered(const struct command *row, const struct rights *r)
{
    int code = command_denied(row, r);

    return code == 0 || code == 480 || code == 483;
}

/* Say no, in the form that the command's client expects. */
static void refuse(struct session *s, const struct call *c, int code, const char *text)
{
    struct span id = c->n > 0 ? c->arg[0] : (struct span){ 0 };

    if (c->row->flags & CMD_BODY)
        body_refuse(s, slot_new(s, id, id.n > 0), code, text);
    else if ((c->row->flags & CMD_ID) && id.n > 0)
        reply_id(s, code, id, text);
    else
        reply(s, "%d %s", code, text);
}

static int wrong(const struct command *row)
{
    return row->wrong != 0 ? row->wrong : 501;
}

static bool arguments_good(struct session *s, const struct call *c)
{
    char name[40], text[160];

    for (unsigned i = 0; i < c->n && i < CALL_ARGS && !(c->row->flags & CMD_LONG); i++) {
        if (c->arg[i].n > ARGUMENT_MOST) {
            refuse(s, c, wrong(c->row), "Argument too long");
            return false;
        }
    }
    if (c->n >= c->row->min && (c->row->max == ANY || c->n <= c->row->max))
        return true;
    command_name(command_index(c->row), name, sizeof name);
    if (c->row->max == 0)
        snprintf(text, sizeof text, "Syntax is: %s (no argument allowed)", name);
    else
        snprintf(text, sizeof text, "Syntax is: %s %s", name, c->row->args);
    refuse(s, c, wrong(c->row), text);
    return false;
}

static const char *denial(const struct command *row, const struct rights *r, int code)
{
    if (code == 500)
        return "Not offered here; try HELP";
    if (row->flags & CMD_LOGIN)
        return code == 483 ? "Encryption required" : r->logged_in ? "You have logged in already" :
               "Compression is active: a login would have to come before it";
    if (code == 480)
        return "Authentication required";
    if (code == 483)
        return "Encryption required";
    if (code == 440)
        return "Posting not allowed";
    if (row->flags & CMD_TRANSIT)
        return row->flags & CMD_STREAM ? "Streaming is not allowed for you" : "You are not a peer that may send";
    return row->flags & CMD_NEWNEWS ? "NEWNEWS is not allowed for you" : "Reading is not allowed for you";
}

/* Is a group selected, or none needed? */
static bool group_good(struct session *s, const struct call *c)
{
    unsigned i = c->row->id_at;

    if (!(c->row->flags & CMD_GROUP) || (i < c->n && i < CALL_ARGS && c->arg[i].p[0] == '<'))
        return true;
    if (s->group != NULL && s->group->removed)
        s->group = NULL;
    if (s->group != NULL)
        return true;
    reply(s, "412 No newsgroup selected");
    return false;
}

static void run(struct session *s, const struct call *c)
{
    int code;

    count_add(&s->h->counters->command[command_index(c->row)], 1);
    if (!arguments_good(s, c))
        return;
    if ((code = command_denied(c->row, &s->rights)) != 0)
        refuse(s, c, code, denial(c->row, &s->rights, code));
    else if ((c->row->flags & CMD_READ) && share_stops_reading(s))
        return;
    else if (group_good(s, c))
        c->row->run(s, c);
}

/* LIST, MODE and AUTHINFO: the next word names the row that is meant. */
static void run_variant(struct session *s, struct call *c)
{
    const struct command_table *t = c->row->variants;

    if (c->n == 0 && t->without < 0) {
        reply(s, "501 Syntax is: %s %s", c->row->name, c->row->args);
        return;
    }
    if (c->n == 0) {
        c->row = &t->row[t->without];
    } else {
        unsigned kept = c->n < CALL_ARGS ? c->n : CALL_ARGS;

        c->row = command_find(t, c->arg[0]);
        memmove(c->arg, c->arg + 1, (kept - 1) * sizeof *c->arg);
        c->n--;
        if (c->n >= CALL_ARGS)
            c->arg[CALL_ARGS - 1] = (struct span){ "", 0 };
    }
    if (c->row == NULL)
        reply(s, "501 Unknown %s", t->what);
    else
        run(s, c);
}

/* Its name is told when it can stand in a reply (RFC 3977 12.5: no bad UTF-8 from us). */
static void unknown(struct session *s, const struct call *c)
{
    bool told = c->name.n <= 40;

    for (size_t i = 0; told && i < c->name.n; i++)
        told = c->name.p[i] > ' ' && c->name.p[i] < 0x7f;
    COUNT(s, unknown);
    if (told)
        reply(s, "500 \"%.*s\" not known; try HELP", SPAN_F(c->name));
    else
        reply(s, "500 Command not known; try HELP");
}

bool command_line(struct session *s, struct span line)
{
    struct call c;

    if (!command_split(line, &c))
        return true;
    c.row = find(s, c.name);
    if (!row_empty(s) && (c.row == NULL || !(c.row->flags & CMD_PIPE)))
        return false;
    if (c.row == NULL)
        unknown(s, &c);
    else if (c.row->variants != NULL)
        run_variant(s, &c);
    else
        run(s, &c);
    return true;
}

bool command_too_long(struct session *s, struct span head)
{
    struct call c;

    if (!command_split(head, &c)) {
        c.name = head;
        c.n = 0;
    }
    c.row = find(s, c.name);
    if (!row_empty(s) && (c.row == NULL || !(c.row->flags & CMD_PIPE)))
        return false;
    if (c.row == NULL)
        reply(s, "500 Line too long");
    else
        refuse(s, &c, wrong(c.row), "Line too long");
    return true;
}

/* --- what the table tells ---------------------------------------------- */

void command_help(struct buf *out)
{
    char name[40];

    buf_puts(out, "100 Commands:\r\n");
    for (size_t t = 0, at = 0; t < TABLES; t++) {
        for (unsigned i = 0; i < tables[t]->n; i++, at++) {
            const struct command *row = &tables[t]->row[i];

            if (row->run == NULL)
                continue;
            command_name((unsigned)at, name, sizeof name);
            buf_printf(out, "  %s%s%s - %s\r\n", name, *row->args != '\0' ? " " : "", row->args, row->help);
        }
    }
}

static void list_capability(struct buf *out, const struct rights *r, const struct conf_site *site)
{
    const char *front = "LIST";

    for (unsigned i = 0; i < list_variants.n; i++) {
        const struct command *row = &list_variants.row[i];

        if (row->cap == NULL || !offered(row, r) || !list_kept(row, site))
            continue;
        buf_printf(out, "%s %s", front, row->cap);
        front = "";
    }
    if (*front == '\0')
        buf_puts(out, "\r\n");
}

/* Layers: the rights say whether they may begin now; what answers when they may not is their handlers'. */
static bool of_layers(const struct command *row, const struct rights *r)
{
    return (row->run != cmd_starttls || r->starttls) && (row->run != cmd_compress || r->compress);
}

static bool told_before(unsigned i, const char *cap, const struct rights *r)
{
    while (i-- > 0)
        if (commands.row[i].cap != NULL && strcmp(commands.row[i].cap, cap) == 0 && offered(&commands.row[i], r))
            return true;
    return false;
}

void command_capabilities(struct buf *out, const struct rights *r, const struct conf_site *site)
{
    buf_puts(out, "101 Capability list:\r\nVERSION 2\r\nIMPLEMENTATION Freshet " FRESHET_VERSION "\r\n");
    for (unsigned i = 0; i < commands.n; i++) {
        const struct command *row = &commands.row[i];

        if (row->cap == NULL || !offered(row, r) || told_before(i, row->cap, r) || !of_layers(row, r))
            continue;
        if (row->variants == &list_variants)
            list_capability(out, r, site);
        else if (row->variants == &auth_variants)
            auth_capabilities(out, r);
        else
            buf_printf(out, "%s\r\n", row->cap);
    }
    buf_puts(out, ".\r\n");
}
