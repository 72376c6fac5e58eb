/* worker.c - a worker's thread.  See worker.h.
 *
 * Everything reaches it by mail: connections, rules, the word to stop.  When it
 * stops, sessions have STOP_US to answer what they have begun; then their
 * connections are cut, and the thread ends when the last job is back.
 */
#include "nntpd/worker.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/lock.h"
#include "lib/mem.h"
#include "lib/tls.h"

#define STOP_S 5

struct visit {                         /* a session and its place in the list   */
    LIST_ENTRY(visit) link;
    struct worker  *w;
    struct session *s;
};

struct worker {
    struct house house;
    struct counters counters;
    LIST_HEAD(, visit) visits;
    bool stopping;
    struct event *patience;            /* cuts what is left                     */
    void (*gone)(const struct sockaddr *from, void *arg);
    void *arg;
    pthread_t thread;
};

struct new_mail { struct mail mail; struct worker *w; int fd; struct net_addr from; bool tls; };
struct rules_mail {
    struct mail mail;
    struct worker *w;
    const struct conf *conf;
    struct intake_rules *rules;
    struct who *who;
    struct tls *tls;
};
struct user_mail { struct mail mail; struct worker *w; char user[]; };
struct stop_mail { struct mail mail; struct worker *w; };

/* --- sessions ---------------------------------------------------------- */

static void on_gone(struct session *s, void *arg)
{
    struct visit *v = arg;
    struct worker *w = v->w;

    LIST_REMOVE(v, link);
    free(v);
    w->gone(session_from(s), w->arg);
    if (w->stopping && LIST_EMPTY(&w->visits))
        event_base_loopexit(w->house.base, NULL);
}

/* The stream wants an owner before the session is there. */
static void nobody(struct stream *s, enum stream_event what, void *arg)
{
    (void)s, (void)what, (void)arg;
}

static void take(struct mail *m)
{
    struct new_mail *n = (struct new_mail *)m;
    struct worker *w = n->w;
    struct visit *v = xmalloc(sizeof *v);

    v->w = w;
    LIST_INSERT_HEAD(&w->visits, v, link);
    v->s = (n->tls ? session_new_tls : session_new)(&w->house, stream_socket(w->house.base, n->fd, nobody, NULL),
                                                    (struct sockaddr *)&n->from.sa, on_gone, v);
    free(n);
}

void worker_take(struct worker *w, int fd, const struct net_addr *from, bool tls)
{
    struct new_mail *n = xmalloc(sizeof *n);

    *n = (struct new_mail){ { .deliver = take }, w, fd, *from, tls };
    mailbox_post(w->house.home, &n->mail);
}

/* --- rules ------------------------------------------------------------- */

static void change(struct mail *m)
{
    struct rules_mail *n = (struct rules_mail *)m;
    struct house *h = &n->w->house;

    intake_rules_unref(&h->rules);
    who_unref(&h->who);
    tls_unref(&h->tls);
    h->conf = n->conf;
    h->rules = n->rules;
    h->who = n->who;
    h->tls = n->tls;
    free(n);
}

void worker_rules(struct worker *w, const struct conf *conf, struct intake_rules *rules, struct who *who,
                  struct tls *tls)
{
    struct rules_mail *n = xmalloc(sizeof *n);

    *n = (struct rules_mail){ { .deliver = change }, w, conf, intake_rules_ref(rules), who_ref(who), tls_ref(tls) };
    mailbox_post(w->house.home, &n->mail);
}

/* --- a user who has to go ---------------------------------------------- */

static void user_out(struct mail *m)
{
    struct user_mail *u = (struct user_mail *)m;
    struct visit *next;

    for (struct visit *v = LIST_FIRST(&u->w->visits); v != NULL; v = next) {
        const char *user = session_user(v->s);

        next = LIST_NEXT(v, link);     /* ending one frees no other */
        if (user != NULL && strcmp(user, u->user) == 0)
            session_end(v->s, "your login is not valid any more");
    }
    free(u);
}

void worker_user_out(struct worker *w, const char *user)
{
    struct user_mail *u = xmalloc(sizeof *u + strlen(user) + 1);

    u->mail = (struct mail){ .deliver = user_out };
    u->w = w;
    strcpy(u->user, user);
    mailbox_post(w->house.home, &u->mail);
}

/* --- the end ----------------------------------------------------------- */

static void end_all(struct worker *w, void (*end)(struct session *, const char *))
{
    struct visit *next;

    for (struct visit *v = LIST_FIRST(&w->visits); v != NULL; v = next) {
        next = LIST_NEXT(v, link);     /* ending one frees no other */
        end(v->s, "the site is closing");
    }
}

static void out_of_patience(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    end_all(arg, session_kill);
}

static void stop(struct mail *m)
{
    struct worker *w = ((struct stop_mail *)m)->w;
    struct timeval tv = { .tv_sec = STOP_S };

    free(m);
    w->stopping = true;
    event_add(w->patience, &tv);
    if (LIST_EMPTY(&w->visits))
        event_base_loopexit(w->house.base, NULL);
    else
        end_all(w, session_end);
}

void worker_stop(struct worker *w)
{
    struct stop_mail *n = xmalloc(sizeof *n);

    *n = (struct stop_mail){ { .deliver = stop }, w };
    mailbox_post(w->house.home, &n->mail);
}

static void *run(void *arg)
{
    struct worker *w = arg;

    event_base_loop(w->house.base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

struct worker *worker_new(const struct worker_options *o)
{
    struct worker *w = xcalloc(1, sizeof *w);
    char name[16];

    LIST_INIT(&w->visits);
    w->gone = o->gone;
    w->arg = o->arg;
    w->house = (struct house){ .store = o->store, .lane = o->lane, .guests = o->guests, .logins = o->logins,
                               .shares = o->shares, .letters = o->letters, .conf = o->conf, .rules = intake_rules_ref(o->rules),
                               .who = who_ref(o->who), .tls = tls_ref(o->tls), .counters = &w->counters };
    if ((w->house.base = event_base_new()) == NULL)
        die(1, "cannot make an event loop");
    w->house.home = mailbox_new(w->house.base);
    w->patience = evtimer_new(w->house.base, out_of_patience, w);
    snprintf(name, sizeof name, "worker %u", o->index);
    thread_start(&w->thread, name, run, w);
    return w;
}

void worker_join(struct worker *w)
{
    pthread_join(w->thread, NULL);
}

const struct counters *worker_counters(const struct worker *w)
{
    return &w->counters;
}

void worker_free(struct worker **w)
{
    struct house *h;

    if (*w == NULL)
        return;
    h = &(*w)->house;
    mailbox_free(&h->home);
    event_free((*w)->patience);
    event_base_free(h->base);
    intake_rules_unref(&h->rules);
    who_unref(&h->who);
    tls_unref(&h->tls);
    house_fini(h);
    free(*w);
    *w = NULL;
}
