/* session.c - a connection from greeting to its last line in the log.
 *
 * The heart is session_go: while the state allows it, take the next line or
 * piece of a body from the input.  Everything that may have made room (bytes
 * arrived, output drained, a slot was filled, a task is back) calls it again;
 * called from within itself it does nothing, for the loop goes on anyway.
 *
 * Each way in (stream event, a task or intake come back, session_end) holds a
 * reference while it runs, so that the struct outlives the call.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/deflate.h"
#include "lib/mem.h"
#include "nntpd/check.h"
#include "nntpd/logins.h"
#include "nntpd/sess.h"
#include "nntpd/share.h"

static stream_fn on_stream;

/* --- the house --------------------------------------------------------- */

enum { OWN_WHO = 1, OWN_GUESTS = 2, OWN_COUNTERS = 4, OWN_LOGINS = 8, OWN_SHARES = 16 };

static void house_complete(struct house *h)
{
    if (h->who == NULL) {
        h->who = who_new(h->conf, NULL);
        h->own |= OWN_WHO;
    }
    if (h->guests == NULL) {
        h->guests = guests_new(0);
        h->own |= OWN_GUESTS;
    }
    if (h->counters == NULL) {
        h->counters = xcalloc(1, sizeof *h->counters);
        h->own |= OWN_COUNTERS;
    }
    if (h->logins == NULL) {
        h->logins = logins_new(h->conf);
        h->own |= OWN_LOGINS;
    }
    if (h->shares == NULL) {
        h->shares = shares_new(SHARES_MOST);
        h->own |= OWN_SHARES;
    }
}

void house_fini(struct house *h)
{
    if (h->own & OWN_WHO)
        who_unref(&h->who);
    if (h->own & OWN_GUESTS)
        guests_free(&h->guests);
    if (h->own & OWN_COUNTERS) {
        free(h->counters);
        h->counters = NULL;
    }
    if (h->own & OWN_LOGINS)
        logins_free(&h->logins);
    if (h->own & OWN_SHARES)
        shares_free(&h->shares);
    while (h->n_spare > 0) {
        struct bdb_bulk *b = h->spare[--h->n_spare];

        bdb_bulk_fini(b);
        free(b);
    }
    h->own = 0;
}

/* --- life -------------------------------------------------------------- */

void session_ref(struct session *s)
{
    s->refs++;
}

static void log_end(const struct session *s, const char *reason, uint64_t in, uint64_t out)
{
    int64_t ms = (clock_mono_us() - s->began_us) / 1000;
    struct buf layers = { 0 };

    session_layers_say(s, &layers);

    log_msg(LOG_INFO, "%s: ended: %s; %llu lines, offered %llu, accepted %llu, known %llu, rejected %llu, "
            "deferred %llu, posted %llu, sent %llu, %llu octets in, %llu out, %lld.%03lld s%.*s", s->source, reason,
            (unsigned long long)s->n_lines, (unsigned long long)s->n_offered, (unsigned long long)s->n_accepted,
            (unsigned long long)s->n_known, (unsigned long long)s->n_rejected, (unsigned long long)s->n_deferred,
            (unsigned long long)s->n_posted, (unsigned long long)s->n_sent, (unsigned long long)in,
            (unsigned long long)out, (long long)(ms / 1000), (long long)(ms % 1000), SPAN_F(buf_span(&layers)));
    buf_fini(&layers);
}

void session_unref(struct session *s)
{
    need(s->refs > 0);
    if (--s->refs > 0)
        return;
    need(session_dead(s));
    row_free(s);
    rights_fini(&s->rights);
    free(s->source);
    free(s->who.user);
    free(s->who.cert_names);
    free(s->source_post);
    deflate_free(&s->deflate);
    s->gone(s, s->gone_arg);
    free(s);
}

/* The connection is over.  What is away comes back to a dead session and goes. */
void session_die(struct session *s, const char *reason)
{
    uint64_t in, out;

    if (session_dead(s))
        return;
    stream_counts(s->st, &in, &out);
    log_end(s, reason, in, out);
    auth_free(s);
    share_leave_all(s);
    stream_free(&s->st);
    s->state = SESS_DEAD;
    if (s->counted)
        guests_leave(s->h->guests, s->rights.peer[0]->name);
    s->h->guests->connections--;
    pace_fini(s);
    looks_free(s);
    tally_offers(s->tally, s->fresh);
    body_fini(&s->body);
    if (s->claimed)
        his_release_owner(store_history(s->h->store), s);
    if (s->task != NULL && s->task->job.home == NULL)      /* not away: it waited for room */
        task_free(s->task);
    session_unref(s);
}

/* Everything has been said: close when it has left. */
void session_finish(struct session *s, const char *reason)
{
    if (session_dead(s) || s->state == SESS_FINISH)
        return;
    s->state = SESS_FINISH;
    s->end_reason = reason;
    stream_finish(s->st);
}

/* --- rights ------------------------------------------------------------ */

static char *source_of(const struct session *s)
{
    if (s->rights.n_peer > 0)
        return xasprintf("peer %s %s", s->rights.peer[0]->name, s->address);
    if (s->who.user != NULL)
        return xasprintf("reader %s %s", s->who.user, s->address);
    return xasprintf("reader %s", s->address);
}

/* Look it up again in the table in force. */
void session_identify(struct session *s)
{
    struct tally *was = s->tally;
    struct house *h = s->h;

    if (s->counted)
        guests_leave(h->guests, s->rights.peer[0]->name);
    s->counted = false;
    tally_offers(s->tally, s->fresh);
    s->tally = NULL;
    rights_fini(&s->rights);
    rights_of(&s->rights, h->who, &s->who);
    s->conf = h->conf;
    session_may_layer(s);
    free(s->source);
    free(s->source_post);
    s->source = source_of(s);
    s->source_post = NULL;
    if (s->group != NULL && !rights_may_read(&s->rights, span_of(s->group->name)))
        s->group = NULL;
    if (s->rights.n_peer > 0) {
        s->counted = guests_enter(h->guests, s->rights.peer[0]->name, s->rights.most);
        s->tally = guests_tally(h->guests, s->rights.peer[0]->name);
        s->tally->sessions += s->tally != was && s->counted;
    }
    pace_set(s);
    share_identify(s);
    stream_set_timeout(s->st, session_patience(s));
}

bool session_crowded(struct session *s)
{
    const struct rights *r = &s->rights;
    const char *site = s->conf->site.name;

    if (r->n_peer > 0 && !s->counted) {
        COUNT(s, too_many);
        reply(s, "400 %s: too many connections from %s (%u)", site, r->peer[0]->name, r->most);
        session_finish(s, "too many connections of this peer");
        return true;
    }
    if (share_crowded(s)) {
        COUNT(s, crowded);
        reply(s, "400 %s: too many connections at once (%d are allowed)", site, r->access->connections);
        session_finish(s, "too many connections of this user or address");
        return true;
    }
    return false;
}

/* A reload has changed the rules: taken when nothing of ours is under way. */
static bool rights_current(struct session *s)
{
    if (s->conf == s->h->conf)
        return true;
    if (!row_empty(s))
        return false;
    session_identify(s);
    if (!rights_any(&s->rights) && !rights_hope(&s->rights)) {
        reply(s, "400 The configuration has changed: you are not known here any more");
        session_finish(s, "not allowed any more since a reload");
    }
    return true;
}

bool session_healthy(struct session *s)
{
    char why[200];

    if (s->healthy < 0)
        s->healthy = store_healthy(s->h->store, why, sizeof why);
    return s->healthy;
}

void session_welcome(struct session *s)
{
    const struct rights *r = &s->rights;
    const char *site = s->conf->site.name;

    if (!rights_any(r) && !rights_hope(r)) {
        COUNT(s, strangers);
        reply(s, "502 %s: you (%s) are not known here", site, s->address);
        session_finish(s, "not known here");
        return;
    }
    if (session_crowded(s))
        return;
    if (s->greeted)
        return;
    s->greeted = true;
    COUNT(s, sessions);
    if (r->transit)
        COUNT(s, sessions_peer);
    if (r->post.n > 0 || r->transit)       /* a peer may send, and expects INN's 200 */
        reply(s, "200 %s Freshet " FRESHET_VERSION " ready (posting allowed)", site);
    else if (r->login.post)
        reply(s, "200 %s Freshet " FRESHET_VERSION " ready (posting after login)", site);
    else
        reply(s, "201 %s Freshet " FRESHET_VERSION " ready (no posting)", site);
}

static socklen_t address_size(const struct sockaddr *sa)
{
    return sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static struct session *make(struct house *h, struct stream *st, const struct sockaddr *from,
                            void (*gone)(struct session *, void *), void *arg)
{
    struct session *s = xcalloc(1, sizeof *s);

    house_complete(h);
    s->h = h;
    s->st = st;
    s->refs = 1;
    s->gone = gone;
    s->gone_arg = arg;
    s->conf = h->conf;
    s->began_us = clock_mono_us();
    STAILQ_INIT(&s->row);
    s->who.from.len = address_size(from);
    memcpy(&s->who.from.sa, from, s->who.from.len);
    net_text(from, s->address);
    h->guests->connections++;
    stream_own(st, on_stream, s);
    stream_set_marks(st, OUT_LOW, OUT_HIGH);
    stream_set_in_most(st, IN_MOST);
    return s;
}

struct session *session_new(struct house *h, struct stream *st, const struct sockaddr *from,
                            void (*gone)(struct session *, void *), void *arg)
{
    struct session *s = make(h, st, from, gone, arg);

    s->state = SESS_LINE;
    session_identify(s);
    session_welcome(s);
    return s;
}

struct session *session_new_tls(struct house *h, struct stream *st, const struct sockaddr *from,
                                void (*gone)(struct session *, void *), void *arg)
{
    struct session *s = make(h, st, from, gone, arg);

    s->source = source_of(s);
    session_begin_tls(s);
    return s;
}

/* --- reading on -------------------------------------------------------- */

/* Must reading wait for something that will call session_go? */
static bool held_up(const struct session *s)
{
    const struct guests *g = s->h->guests;

    if (s->end_reason != NULL || s->n_slots >= SLOTS_MOST || stream_out_len(s->st) > OUT_HIGH)
        return true;
    return s->n_slots > 0 && (s->flying > FLYING_MOST || (g->bytes_most > 0 && g->bytes > g->bytes_most));
}

/* Pass over what is left of a line that was too long. */
static bool skip_step(struct session *s)
{
    struct buf *in = stream_in(s->st);
    const char *lf;

    if (buf_len(in) == 0)
        return false;
    lf = memchr(buf_data(in), '\n', buf_len(in));
    buf_drop(in, lf != NULL ? (size_t)(lf - buf_data(in)) + 1 : buf_len(in));
    s->skipping = lf == NULL;
    if (!s->skipping)
        s->part_us = 0;
    return lf != NULL;
}

static bool long_line_step(struct session *s, struct buf *in)
{
    COUNT(s, lines_long);
    if (auth_expects(s))
        auth_too_long(s);
    else if (!command_too_long(s, (struct span){ buf_data(in), LINE_MOST }))
        return false;
    s->skipping = !session_dead(s);
    return !session_dead(s);
}

static struct span trim_line(const char *p, size_t n)
{
    if (n > 0 && p[n - 1] == '\r')
        n--;
    return span_trim((struct span){ p, n });
}

static bool line_step(struct session *s)
{
    struct buf *in = stream_in(s->st);
    size_t n = buf_len(in), most = LINE_MOST, look = n < most ? n : most;
    const char *p = buf_data(in), *lf = look > 0 ? memchr(p, '\n', look) : NULL;
    size_t used;

    if (lf == NULL && n >= LINE_MOST && (most = auth_line_most(s, (struct span){ p, n })) > LINE_MOST)
        lf = memchr(p, '\n', n < most ? n : most);
    if (lf == NULL) {
        session_part(s);
        return n >= most && rights_current(s) && long_line_step(s, in);
    }
    if (!rights_current(s))
        return false;
    if (s->state != SESS_LINE)
        return true;
    used = (size_t)(lf - p) + 1;
    if (auth_expects(s))
        auth_response(s, trim_line(p, used - 1));
    else if (!command_line(s, trim_line(p, used - 1)))
        return false;
    if (session_dead(s))
        return false;
    s->n_lines++;
    COUNT(s, lines);
    s->part_us = 0;
    buf_drop(in, used);
    if (s->afterwards != NULL) {
        void (*run)(struct session *) = s->afterwards;

        s->afterwards = NULL;
        run(s);
    }
    return !session_dead(s);
}

static bool step(struct session *s)
{
    switch (s->state) {
    case SESS_LINE:
        if (buf_len(stream_in(s->st)) == 0)
            return false;
        return s->skipping ? skip_step(s) : !held_up(s) && line_step(s);
    case SESS_BODY:                    /* TAKETHIS in a line too long: its rest is no part of the article */
        return s->skipping ? skip_step(s) : body_step(s);
    case SESS_SHAKE:
    case SESS_AWAY:
    case SESS_DRAIN:
    case SESS_FINISH:
    case SESS_DEAD:
        return false;
    }
    bug("session state");
}

/* A step, within the rates of its peer. */
static bool paced_step(struct session *s)
{
    size_t had = buf_len(stream_in(s->st));
    uint64_t lines = s->n_lines;
    bool more;

    if (s->rates == NULL)
        return step(s);
    if (had > 0 && s->end_reason == NULL && pace_wait(s))
        return false;
    more = step(s);
    if (!session_dead(s))
        pace_take(s, s->n_lines - lines, had - buf_len(stream_in(s->st)));
    return more;
}

/* Nothing more can be done now: is there a reason to end?  Not while input waits
 * for its turn, or for room. */
static void settle(struct session *s)
{
    bool quiet = row_empty(s) && (s->state == SESS_LINE || s->state == SESS_BODY);

    if (session_dead(s) || !quiet)
        return;
    if (s->end_reason != NULL) {
        reply(s, "400 %s: %s", s->h->conf->site.name, s->end_reason);
        session_finish(s, s->end_reason);
    } else if (s->eof && !s->paced && stream_out_len(s->st) <= OUT_HIGH) {
        const char *reason = s->state == SESS_BODY ? "closed by the other end within an article" : "closed by the other end";

        if (stream_out_len(s->st) > 0)
            session_finish(s, reason);
        else
            session_die(s, reason);
    }
}

void session_go(struct session *s)
{
    if (s->going || session_dead(s))
        return;
    session_ref(s);
    s->going = true;
    s->healthy = -1;
    while (!session_dead(s) && paced_step(s))
        ;
    s->going = false;
    if (!session_dead(s)) {
        looks_send(s);
        tally_offers(s->tally, s->fresh);
        buf_shrink(stream_in(s->st));
        stream_set_in_most(s->st, IN_MOST);    /* reading goes on when there is room again */
        settle(s);
    }
    session_unref(s);
}

/* --- what happens to the stream ---------------------------------------- */

static void on_closed(struct session *s)
{
    if (s->state == SESS_FINISH) {
        session_die(s, s->end_reason);
        return;
    }
    s->eof = true;                  /* what it has sent is still worked off and answered */
    session_go(s);
}

static void on_failed(struct session *s)
{
    char reason[200];

    strncpy(reason, stream_reason(s->st), sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    if (s->state == SESS_SHAKE)
        COUNT(s, tls_failed);
    session_die(s, s->state == SESS_FINISH ? s->end_reason : reason);
}

static void on_stream(struct stream *st, enum stream_event what, void *arg)
{
    struct session *s = arg;

    (void)st;
    session_ref(s);
    switch (what) {
    case STREAM_CONNECTED:
        break;
    case STREAM_SECURE:
        session_secured(s);
        break;
    case STREAM_DATA:
        if (!session_drips(s))
            session_go(s);
        break;
    case STREAM_DRAINED:
        if (s->state == SESS_DRAIN)
            task_drained(s);
        else
            session_go(s);
        break;
    case STREAM_TIMEOUT:
        session_idle(s);
        break;
    case STREAM_CLOSED:
        on_closed(s);
        break;
    case STREAM_FAILED:
        on_failed(s);
        break;
    }
    session_unref(s);
}

void session_end(struct session *s, const char *reason)
{
    if (session_dead(s) || s->state == SESS_FINISH)
        return;
    s->end_reason = reason;
    if (s->state == SESS_SHAKE)
        session_die(s, reason);         /* frees it: nothing of it is away */
    else
        session_go(s);
}

const struct sockaddr *session_from(const struct session *s)
{
    return (const struct sockaddr *)&s->who.from.sa;
}

const char *session_user(const struct session *s)
{
    return s->who.user;
}

bool session_alive(const struct session *s)
{
    return !session_dead(s);
}

void session_kill(struct session *s, const char *reason)
{
    session_die(s, reason);
}
