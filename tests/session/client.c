/* client.c - the other ends of a script's sessions.  See client.h.
 *
 * A client is a memory stream that nntpd's session owns.  A layer on it copies
 * what is written, so that a session's last words outlive its stream.  The layers
 * of the session stand on the tap: under them it sees the wire's bytes, and far
 * makes lines of them.
 */
#include "tests/session/client.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "article/date.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "tests/session/far.h"
#include "tests/session/site.h"

#define GROUPS 10

struct client {
    LIST_ENTRY(client) next;
    char *name;
    struct stream *st;             /* the session's: not to be touched once it is not alive   */
    struct session *session;
    bool gone;
    bool deaf;                     /* client_close: what is said is not heard                 */
    struct buf got;
    struct far *far;               /* with TLS or DEFLATE: what makes lines of the wire's bytes */
};

struct tap {
    void *inner;
    const struct stream_io *io;
    struct client *client;
};

static LIST_HEAD(, client) clients = LIST_HEAD_INITIALIZER(clients);
static char *captured[GROUPS];     /* of the last regex that matched; 0: client_zero's */

/* --- the tap ----------------------------------------------------------- */

static long tap_read(void *carrier, void *p, size_t n)
{
    struct tap *t = carrier;

    return t->io->read(t->inner, p, n);
}

static long tap_write(void *carrier, const struct span *v, int n)
{
    struct tap *t = carrier;
    long sum = 0;

    for (int i = 0; i < n; i++) {
        if (t->client->far != NULL)
            far_hear(t->client->far, v[i]);
        else
            buf_add_span(&t->client->got, v[i]);
        sum += (long)v[i].n;
    }
    return sum;
}

static void tap_free(void *carrier)
{
    struct tap *t = carrier;

    t->io->free(t->inner);
    free(t);
}

static void *tap_wrap(void *inner, const struct stream_io *inner_io, const struct stream_io **io, void *arg)
{
    static const struct stream_io tap_io = { .read = tap_read, .write = tap_write, .free = tap_free };
    struct tap *t = xmalloc(sizeof *t);

    *t = (struct tap){ inner, inner_io, arg };
    *io = &tap_io;
    return t;
}

/* --- life -------------------------------------------------------------- */

static void nobody(struct stream *s, enum stream_event what, void *arg)
{
    (void)s, (void)what, (void)arg;
}

static void on_gone(struct session *s, void *arg)
{
    (void)s;
    ((struct client *)arg)->gone = true;
}

static bool connected(const struct client *c)
{
    return !c->gone && session_alive(c->session);
}

struct client *client_find(struct span name)
{
    struct client *c;

    LIST_FOREACH(c, &clients, next)
        if (!c->deaf && span_eq(name, span_of(c->name)))
            return c;
    return NULL;
}

void client_connect(struct span name, const char *address)
{
    struct client *c = xcalloc(1, sizeof *c);
    struct net_addr from;

    if (net_literal(address, 40000, &from) != 0)
        site_fault("\"%s\" is not an address", address);
    c->name = xstrndup(name.p, name.n);
    c->st = stream_memory(site_house()->base, nobody, NULL);
    stream_layer(c->st, tap_wrap, c);
    LIST_INSERT_HEAD(&clients, c, next);
    c->session = session_new(site_house(), c->st, (const struct sockaddr *)&from.sa, on_gone, c);
}

void client_send(struct client *c, struct span bytes)
{
    if (!connected(c))
        site_fault("%s: the connection has ended", c->name);
    if (c->far != NULL)
        far_say(c->far, bytes);
    else
        stream_feed(c->st, bytes);
}

/* One turn of the loop, and what the clients' layers have to send. */
static void pump(void)
{
    struct client *c;

    site_pump();
    LIST_FOREACH(c, &clients, next) {
        struct buf *wire = c->far != NULL ? far_wire(c->far) : NULL;

        if (wire == NULL || buf_len(wire) == 0)
            continue;
        if (connected(c))
            stream_feed(c->st, buf_span(wire));
        buf_drop(wire, buf_len(wire));
    }
}

void client_eof(struct client *c)
{
    if (c->far != NULL)
        far_cut(c->far);
    if (connected(c))
        stream_feed(c->st, (struct span){ NULL, 0 });
}

static void await_end(struct client *c)
{
    site_patience();
    while (!c->gone && site_waiting())
        pump();
    if (!c->gone)
        site_fault("%s: the session does not end", c->name);
}

void client_close(struct client *c)
{
    client_eof(c);
    await_end(c);
    c->deaf = true;
}

static struct span rest_line(const struct client *c)
{
    struct span all = buf_span(&c->got);
    const char *lf = all.n > 0 ? memchr(all.p, '\n', all.n) : NULL;

    return lf != NULL ? (struct span){ all.p, (size_t)(lf - all.p) } : all;
}

static void expect_silence(struct client *c)
{
    struct span line = rest_line(c);

    if (line.n > 0 && !c->deaf)
        site_fault("%s: wanted nothing more, got \"%.*s\"", c->name, SPAN_F(line));
}

void client_expect_close(struct client *c)
{
    await_end(c);
    expect_silence(c);
    c->deaf = true;
}

/* --- layers ------------------------------------------------------------ */

static struct far *far_of(struct client *c)
{
    expect_silence(c);
    if (c->far == NULL)
        c->far = far_new(&c->got);
    return c->far;
}

void client_begin_tls(struct client *c)
{
    far_begin_tls(far_of(c));
    site_patience();
    while (!far_secure(c->far)) {
        if (c->gone || !site_waiting())
            site_fault("%s: the handshake does not end", c->name);
        pump();
    }
}

void client_begin_deflate(struct client *c)
{
    far_begin_deflate(far_of(c));
}

static void client_free(struct client *c)
{
    LIST_REMOVE(c, next);
    far_free(&c->far);
    buf_fini(&c->got);
    free(c->name);
    free(c);
}

void clients_end(void)
{
    struct client *c;

    LIST_FOREACH(c, &clients, next)
        client_eof(c);
    while ((c = LIST_FIRST(&clients)) != NULL) {
        await_end(c);
        expect_silence(c);
        client_free(c);
    }
    for (int i = 0; i < GROUPS; i++) {
        free(captured[i]);
        captured[i] = NULL;
    }
}

/* --- what is expected -------------------------------------------------- */

void client_line(struct client *c, struct buf *out)
{
    struct span all, line;

    site_patience();
    for (;;) {
        all = buf_span(&c->got);
        line = rest_line(c);
        if (line.n < all.n)
            break;
        if (c->gone || !site_waiting())
            site_fault("%s: wanted a line, got %s%s%.*s%s", c->name, c->gone ? "the end of the connection" : "nothing",
                       line.n > 0 ? " after \"" : "", SPAN_F(line), line.n > 0 ? "\"" : "");
        pump();
    }
    if (line.n == 0 || line.p[line.n - 1] != '\r')
        site_fault("%s: a line that does not end in CRLF: \"%.*s\"", c->name, SPAN_F(line));
    buf_clear(out);
    buf_add(out, line.p, line.n - 1);
    buf_drop(&c->got, line.n + 1);
}

static void capture(const char *text, const regmatch_t *m)
{
    for (int i = 1; i < GROUPS; i++) {
        if (m[i].rm_so < 0)
            continue;                  /* what was found before stays */
        free(captured[i]);
        captured[i] = xstrndup(text + m[i].rm_so, (size_t)(m[i].rm_eo - m[i].rm_so));
    }
}

/* regcomp knows no \t. */
static void put_tabs(char *pattern)
{
    for (char *at = pattern; (at = strstr(at, "\\t")) != NULL; at++) {
        *at = '\t';
        memmove(at + 1, at + 2, strlen(at + 2) + 1);
    }
}

static bool matches_regex(struct span want, struct span got)
{
    char *pattern = xstrndup(want.p, want.n), *text = xstrndup(got.p, got.n), why[200];
    regmatch_t m[GROUPS];
    regex_t re;
    bool yes;
    int rc;

    put_tabs(pattern);
    if ((rc = regcomp(&re, pattern, REG_EXTENDED)) != 0) {
        regerror(rc, &re, why, sizeof why);
        site_fault("\"%s\": %s", pattern, why);
    }
    yes = regexec(&re, text, GROUPS, m, 0) == 0;
    if (yes)
        capture(text, m);
    regfree(&re);
    free(pattern);
    free(text);
    return yes;
}

bool client_says(struct span want, struct span got)
{
    struct buf b = { 0 };
    bool yes, head = want.n > 0 && want.p[want.n - 1] == '*';

    if (want.n > 0 && want.p[0] == '~')
        return matches_regex(span_from(want, 1), got);
    expand(&b, (struct span){ want.p, want.n - head });
    yes = head ? span_starts(got, buf_span(&b)) : span_eq(got, buf_span(&b));
    buf_fini(&b);
    return yes;
}

void client_expect(struct client *c, struct span want)
{
    struct buf line = { 0 };

    if (span_eq(want, SPAN("..."))) {
        do {
            client_line(c, &line);
        } while (!span_eq(buf_span(&line), SPAN(".")));
    } else {
        client_line(c, &line);
        if (!client_says(want, buf_span(&line)))
            site_fault("%s: wanted \"%.*s\", got \"%.*s\"", c->name, SPAN_F(want), SPAN_F(buf_span(&line)));
    }
    buf_fini(&line);
}

void client_zero(const char *word)
{
    free(captured[0]);
    captured[0] = xstrdup(word);
}

/* --- a line of the script to bytes ------------------------------------- */

static int hex(int ch)
{
    const char *digits = "0123456789abcdef", *at = ch != 0 ? strchr(digits, tolower(ch)) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* After a backslash: return how many octets of 's' are used. */
static size_t put_escape(struct buf *out, struct span s)
{
    static const char from[] = "trn\\$", to[] = "\t\r\n\\$";
    const char *at = s.n > 0 && s.p[0] != '\0' ? strchr(from, s.p[0]) : NULL;

    if (at != NULL) {
        buf_add(out, &to[at - from], 1);
        return 1;
    }
    if (s.n >= 3 && s.p[0] == 'x' && hex(s.p[1]) >= 0 && hex(s.p[2]) >= 0) {
        char ch = (char)(hex(s.p[1]) << 4 | hex(s.p[2]));

        buf_add(out, &ch, 1);
        return 3;
    }
    site_fault("unknown escape \"\\%.*s\"", s.n > 0 ? 1 : 0, s.p);
}

/* "(TEXT*N)" */
static size_t put_repeated(struct buf *out, struct span s)
{
    const char *end = memchr(s.p, ')', s.n), *star = end != NULL ? memrchr(s.p, '*', (size_t)(end - s.p)) : NULL;
    uint64_t n;

    if (star == NULL || span_u64((struct span){ star + 1, (size_t)(end - star - 1) }, &n) != 0 || n > 10000000)
        site_fault("\"$%.*s\" is not $(TEXT*N)", SPAN_F(s));
    while (n-- > 0)
        buf_add(out, s.p + 1, (size_t)(star - s.p - 1));
    return (size_t)(end - s.p) + 1;
}

/* After a "$". */
static size_t put_variable(struct buf *out, struct span s)
{
    char date[DATE_TEXT_MAX];

    if (s.n > 0 && s.p[0] == '(')
        return put_repeated(out, s);
    if (span_starts(s, SPAN("DATE"))) {
        date_write(clock_now_us() / 1000000, date);
        buf_puts(out, date);
        return 4;
    }
    if (s.n > 0 && s.p[0] >= '0' && s.p[0] <= '9' && captured[s.p[0] - '0'] != NULL) {
        buf_puts(out, captured[s.p[0] - '0']);
        return 1;
    }
    site_fault("unknown variable \"$%.*s\"", SPAN_F(s));
}

void expand(struct buf *out, struct span line)
{
    while (line.n > 0) {
        char ch = line.p[0];

        line = span_from(line, 1);
        if (ch == '\\')
            line = span_from(line, put_escape(out, line));
        else if (ch == '$')
            line = span_from(line, put_variable(out, line));
        else
            buf_add(out, &ch, 1);
    }
}
