/* cmd_auth.c - AUTHINFO USER, PASS and SASL (RFC 4643).
 *
 *     USER ──381──▶ PASS ─┐
 *     SASL PLAIN ... ─────┼─▶ its turn (nntpd/brake) ─▶ the lane of logins ─▶ 281, 481, 403
 *     SASL PLAIN ─383─▶ response
 *
 * A login stops its session (SESS_AWAY) until it is answered: what was sent behind
 * it waits, and is done with the rights that it gave.  A password that was used is
 * wiped, in the input buffer too, and never told to anybody.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "lib/base64.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "nntpd/brake.h"
#include "nntpd/logins.h"
#include "nntpd/sess.h"

#define FAILURES_MOST 10                 /* then the connection ends                             */
#define LOOK_US 100000                   /* how often a waiting login looks at the clock at most */

/* A login under way: it waits for its turn, or is with the lane. */
struct attempt {
    struct login login;
    struct session *s;                   /* a reference                                          */
    struct event *turn;                  /* it waits                                             */
    int64_t when_us;
};

struct auth {
    char  *name;                         /* of AUTHINFO USER                                     */
    bool   response;                     /* 383 was said: the next line is a response            */
    struct attempt *waits;               /* for its turn                                         */
    unsigned failures;
};

static struct auth *auth_of(struct session *s)
{
    if (s->auth == NULL)
        s->auth = xcalloc(1, sizeof *s->auth);
    return s->auth;
}

static void attempt_free(struct attempt *a)
{
    if (a->turn != NULL)
        event_free(a->turn);
    login_fini(&a->login);
    session_unref(a->s);
    free(a);
}

void auth_free(struct session *s)
{
    struct auth *a = s->auth;

    if (a == NULL)
        return;
    s->auth = NULL;
    if (a->waits != NULL)
        attempt_free(a->waits);
    free(a->name);
    free(a);
}

/* What stood in the input buffer goes there in a moment, too, but when is not said. */
static void wipe_span(struct span s)
{
    if (s.n > 0)
        explicit_bzero((char *)(uintptr_t)s.p, s.n);
}

/* --- the answer ----------------------------------------------------------- */

static void let_in(struct session *s, struct attempt *a)
{
    s->who.user = a->login.user;
    a->login.user = NULL;
    session_identify(s);
    COUNT(s, logins);
    log_msg(LOG_INFO, "%s: has logged in", s->source);
    if (!session_crowded(s))
        reply(s, "281 Authentication accepted");
}

static void turn_away(struct session *s, const struct attempt *a)
{
    struct auth *auth = auth_of(s);

    COUNT(s, login_failures);
    log_msg(LOG_INFO, "%s: login as %s failed", s->source, a->login.name);
    if (++auth->failures < FAILURES_MOST) {
        reply(s, "481 Authentication failed");
        return;
    }
    reply(s, "400 %s: too many failed logins", s->conf->site.name);
    session_finish(s, "too many failed logins");
}

static void put_off(struct session *s, const struct attempt *a)
{
    COUNT(s, login_later);
    log_msg(LOG_WARNING, "%s: login as %s cannot be decided: %s", s->source, a->login.name, a->login.why);
    reply(s, "403 Passwords cannot be checked now, please try later");
}

static void answer(struct session *s, struct attempt *a)
{
    struct brake *b = logins_brake(s->h->logins);
    struct span name = span_of(a->login.name);

    if (a->login.answer != LOGIN_LATER)
        brake_tell(b, (struct sockaddr *)&s->who.from.sa, name, a->login.answer == LOGIN_YES, clock_mono_us());
    switch (a->login.answer) {
    case LOGIN_YES:   let_in(s, a); return;
    case LOGIN_NO:    turn_away(s, a); return;
    case LOGIN_LATER: put_off(s, a); return;
    }
}

/* Back from the lane. */
static void decided(struct mail *m)
{
    struct attempt *a = (struct attempt *)m;
    struct session *s = a->s;

    if (!session_dead(s)) {
        s->state = SESS_LINE;
        answer(s, a);
        session_go(s);
    }
    attempt_free(a);
}

/* --- the question --------------------------------------------------------- */

static void ask(struct attempt *a)
{
    struct house *h = a->s->h;

    if (login_send(h->logins, &a->login, h->home, decided))
        return;
    strcpy(a->login.why, "too many logins at once");
    decided(&a->login.job.mail);
}

static void wait_on(struct attempt *a)
{
    int64_t left = a->when_us - clock_mono_us();
    struct timeval tv = { .tv_usec = left < 0 ? 0 : left < LOOK_US ? left : LOOK_US };

    event_add(a->turn, &tv);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct attempt *a = arg;

    (void)fd, (void)what;
    if (clock_mono_us() < a->when_us) {
        wait_on(a);
        return;
    }
    event_free(a->turn);
    a->turn = NULL;
    a->s->auth->waits = NULL;
    ask(a);
}

static void wait_turn(struct attempt *a, int64_t wait_us)
{
    struct session *s = a->s;

    COUNT(s, login_delays);
    auth_of(s)->waits = a;
    a->when_us = clock_mono_us() + wait_us;
    a->turn = evtimer_new(s->h->base, on_turn, a);
    wait_on(a);
}

/* Both strings are taken over. */
static void try(struct session *s, char *name, char *password)
{
    struct brake *b = logins_brake(s->h->logins);
    struct attempt *a;
    int64_t wait = brake_ask(b, (struct sockaddr *)&s->who.from.sa, span_of(name), clock_mono_us());

    if (wait > BRAKE_WAIT_MOST) {
        COUNT(s, login_refused);
        reply(s, "481 Too many failed logins from where you are; try again in %d seconds", (int)(wait / 1000000) + 1);
        wipe(&password);
        free(name);
        return;
    }
    a = xcalloc(1, sizeof *a);
    login_init(&a->login, s->conf, &s->who.from, name, password);
    a->s = s;
    session_ref(s);
    s->state = SESS_AWAY;
    if (wait > 0)
        wait_turn(a, wait);
    else
        ask(a);
}

/* --- USER and PASS (RFC 4643 2.3) ------------------------------------------ */

void cmd_auth_user(struct session *s, const struct call *c)
{
    struct auth *a = auth_of(s);

    free(a->name);
    a->name = xstrndup(c->arg[0].p, c->arg[0].n);
    reply(s, "381 Enter password");
}

void cmd_auth_pass(struct session *s, const struct call *c)
{
    struct auth *a = auth_of(s);
    struct span secret = call_tail(c, 0);
    char *name = a->name, *password;

    if (name == NULL) {
        wipe_span(secret);
        reply(s, "482 AUTHINFO USER comes first");
        return;
    }
    a->name = NULL;
    password = xstrndup(secret.p, secret.n);
    wipe_span(secret);
    try(s, name, password);
}

/* --- SASL (RFC 4643 2.4) ----------------------------------------------------- */

/* authzid NUL authcid NUL passwd (RFC 4616 2).  We let nobody act for another. */
static void plain_message(struct session *s, struct span m)
{
    struct span actor, name;

    if (!span_next(&m, '\0', &actor) || m.p == NULL || !span_next(&m, '\0', &name) || m.p == NULL || name.n == 0 ||
        m.n == 0 || memchr(m.p, '\0', m.n) != NULL)
        reply(s, "482 SASL protocol error: PLAIN wants a name and a password");
    else if (actor.n > 0 && !span_eq(actor, name))
        reply(s, "481 Nobody may act for somebody else here");
    else
        try(s, xstrndup(name.p, name.n), xstrndup(m.p, m.n));
}

static void plain(struct session *s, struct span text)
{
    struct buf message = { 0 };
    bool good = buf_reserve(&message, text.n) && (span_eq(text, SPAN("=")) || base64_read(&message, text) == 0);

    wipe_span(text);
    if (!good)
        reply(s, "504 Base64 encoding error");
    else
        plain_message(s, buf_span(&message));
    if (message.p != NULL)
        explicit_bzero(message.p, message.cap);
    buf_fini(&message);
}

void cmd_auth_sasl(struct session *s, const struct call *c)
{
    if (!span_ieq(c->arg[0], SPAN("PLAIN"))) {
        reply(s, "503 Mechanism not recognized");
    } else if (!s->rights.clear) {
        if (c->n > 1)
            wipe_span(c->arg[1]);
        reply(s, "483 Encryption required");
    } else if (c->n > 1) {
        plain(s, c->arg[1]);
    } else {
        auth_of(s)->response = true;
        reply(s, "383 =");
    }
}

bool auth_expects(const struct session *s)
{
    return s->auth != NULL && s->auth->response;
}

void auth_response(struct session *s, struct span line)
{
    s->auth->response = false;
    if (span_eq(line, SPAN("*")))
        reply(s, "481 Authentication cancelled");
    else
        plain(s, line);
}

void auth_too_long(struct session *s)
{
    s->auth->response = false;
    reply(s, "482 SASL protocol error: the response is too long");
}

static bool says_sasl(struct span head)
{
    return span_ieq(span_word(&head), SPAN("AUTHINFO")) && span_ieq(span_word(&head), SPAN("SASL"));
}

size_t auth_line_most(const struct session *s, struct span head)
{
    return auth_expects(s) || says_sasl(head) ? AUTH_LINE_MOST : LINE_MOST;
}

/* --- what CAPABILITIES says (RFC 4643 2.1, 2.2) -------------------------------- */

void auth_capabilities(struct buf *out, const struct rights *r)
{
    if (!r->logins)
        return;
    if (!r->logged_in)
        buf_printf(out, "AUTHINFO%s\r\n", r->clear && !r->compressed ? " USER SASL" : "");
    if (r->clear && (r->logged_in || !r->compressed))
        buf_puts(out, "SASL PLAIN\r\n");
}
