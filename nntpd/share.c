/* share.c - counts by user and household.  See share.h. */
#include "nntpd/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/lock.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/net.h"

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define DAY  (86400 * SECOND)

struct window { int64_t began_us; uint64_t n; };   /* n 0: has not begun */

struct share {
    TAILQ_ENTRY(share) link;           /* while nobody holds it     */
    unsigned refs, connections;
    unsigned knocks;                   /* connections from it, whoever they are */
    struct window hour, day, octets;
    struct span key;
    char bytes[];
};

struct shares {
    struct lock lock;
    struct map *map;
    TAILQ_HEAD(, share) idle;          /* the longest idle first    */
    size_t n_idle, most;
};

/* --- windows ------------------------------------------------------------- */

static void turn(struct window *w, int64_t length, int64_t now)
{
    if (w->n > 0 && now - w->began_us >= length)
        w->n = 0;
}

static void add(struct window *w, uint64_t n, int64_t length, int64_t now)
{
    turn(w, length, now);
    if (w->n == 0)
        w->began_us = now;
    w->n += n;
}

/* How long until something fits; 0: now. */
static int64_t full(struct window *w, uint64_t most, int64_t length, int64_t now)
{
    turn(w, length, now);
    return most == 0 || w->n < most ? 0 : w->began_us + length - now;
}

/* --- life ------------------------------------------------------------------ */

struct shares *shares_new(size_t most)
{
    struct shares *all = xcalloc(1, sizeof *all);

    lock_init(&all->lock, "nntpd.shares");
    all->map = map_new();
    all->most = most;
    TAILQ_INIT(&all->idle);
    return all;
}

static void forget(struct shares *all, struct share *s)
{
    TAILQ_REMOVE(&all->idle, s, link);
    all->n_idle--;
    map_del(all->map, s->key);
    free(s);
}

void shares_free(struct shares **all)
{
    if (*all == NULL)
        return;
    while (!TAILQ_EMPTY(&(*all)->idle))
        forget(*all, TAILQ_FIRST(&(*all)->idle));
    need(map_count((*all)->map) == 0);
    map_free(&(*all)->map);
    lock_fini(&(*all)->lock);
    free(*all);
    *all = NULL;
}

size_t shares_count(struct shares *all)
{
    size_t n;

    lock_get(&all->lock);
    n = map_count(all->map);
    lock_put(&all->lock);
    return n;
}

static bool spent(struct share *s, int64_t now)
{
    turn(&s->hour, HOUR, now);
    turn(&s->day, DAY, now);
    turn(&s->octets, DAY, now);
    return s->hour.n == 0 && s->day.n == 0 && s->octets.n == 0;
}

/* Those idle longest are the likeliest to have nothing left that counts. */
static void tidy(struct shares *all, int64_t now)
{
    struct share *s;

    for (int i = 0; i < 2 && (s = TAILQ_FIRST(&all->idle)) != NULL; i++)
        if (all->n_idle > all->most || spent(s, now))
            forget(all, s);
}

static struct share *make(struct shares *all, struct span key)
{
    struct share *s = xcalloc(1, sizeof *s + key.n);

    memcpy(s->bytes, key.p, key.n);
    s->key = (struct span){ s->bytes, key.n };
    map_put(all->map, s->key, s);
    return s;
}

struct key { size_t n; char p[1 + 512]; };

static void key_of(struct key *k, const char *user, const struct sockaddr *from)
{
    size_t n;

    if (user != NULL) {
        n = strlen(user) < sizeof k->p - 1 ? strlen(user) : sizeof k->p - 1;
        memcpy(k->p + 1, user, n);
    } else {
        n = net_household(from, (uint8_t *)k->p + 1);
    }
    k->p[0] = user != NULL ? 'u' : 'a';
    k->n = n + 1;
}

/* With the lock held. */
static struct share *get(struct shares *all, struct span key, int64_t now_us)
{
    struct share *s = map_get(all->map, key);

    if (s == NULL) {
        tidy(all, now_us);
        s = make(all, key);
    } else if (s->refs == 0) {
        TAILQ_REMOVE(&all->idle, s, link);
        all->n_idle--;
    }
    s->refs++;
    return s;
}

static void put(struct shares *all, struct share *s)
{
    need(s->refs > 0);
    if (--s->refs > 0)
        return;
    TAILQ_INSERT_TAIL(&all->idle, s, link);
    all->n_idle++;
    if (s->hour.n == 0 && s->day.n == 0 && s->octets.n == 0)
        forget(all, s);
}

struct share *share_get(struct shares *all, const char *user, const struct sockaddr *from, int64_t now_us)
{
    struct share *s;
    struct key k;

    key_of(&k, user, from);
    lock_get(&all->lock);
    s = get(all, (struct span){ k.p, k.n }, now_us);
    lock_put(&all->lock);
    return s;
}

void share_put(struct shares *all, struct share **s)
{
    if (*s == NULL)
        return;
    lock_get(&all->lock);
    put(all, *s);
    lock_put(&all->lock);
    *s = NULL;
}

/* --- counting ---------------------------------------------------------------- */

bool share_enter(struct shares *all, struct share *s, unsigned most)
{
    bool in;

    lock_get(&all->lock);
    in = most == 0 || s->connections < most;
    s->connections += in;
    lock_put(&all->lock);
    return in;
}

void share_leave(struct shares *all, struct share *s)
{
    lock_get(&all->lock);
    need(s->connections > 0);
    s->connections--;
    lock_put(&all->lock);
}

bool share_knock(struct shares *all, const struct sockaddr *from, unsigned most, int64_t now_us)
{
    struct share *s;
    struct key k;
    bool in;

    key_of(&k, NULL, from);
    lock_get(&all->lock);
    s = get(all, (struct span){ k.p, k.n }, now_us);
    in = most == 0 || s->knocks < most;
    if (in)
        s->knocks++;                   /* and the reference stays */
    else
        put(all, s);
    lock_put(&all->lock);
    return in;
}

void share_gone(struct shares *all, const struct sockaddr *from)
{
    struct share *s;
    struct key k;

    key_of(&k, NULL, from);
    lock_get(&all->lock);
    s = map_get(all->map, (struct span){ k.p, k.n });
    need(s != NULL && s->knocks > 0);
    s->knocks--;
    put(all, s);
    lock_put(&all->lock);
}

int64_t share_post(struct shares *all, struct share *s, unsigned an_hour, unsigned a_day, int64_t now_us)
{
    int64_t hour, day;

    lock_get(&all->lock);
    hour = full(&s->hour, an_hour, HOUR, now_us);
    day = full(&s->day, a_day, DAY, now_us);
    if (hour == 0 && day == 0) {
        add(&s->hour, 1, HOUR, now_us);
        add(&s->day, 1, DAY, now_us);
    }
    lock_put(&all->lock);
    return hour > day ? hour : day;
}

void share_unpost(struct shares *all, struct share *s)
{
    lock_get(&all->lock);
    s->hour.n -= s->hour.n > 0;
    s->day.n -= s->day.n > 0;
    lock_put(&all->lock);
}

void share_sent(struct shares *all, struct share *s, uint64_t octets, int64_t now_us)
{
    if (octets == 0)
        return;
    lock_get(&all->lock);
    add(&s->octets, octets, DAY, now_us);
    lock_put(&all->lock);
}

int64_t share_full(struct shares *all, struct share *s, uint64_t a_day, int64_t now_us)
{
    int64_t wait;

    lock_get(&all->lock);
    wait = full(&s->octets, a_day, DAY, now_us);
    lock_put(&all->lock);
    return wait;
}

const char *share_wait_text(int64_t us, char out[SHARE_TEXT_MAX])
{
    int s = (int)((us + SECOND - 1) / SECOND), m = (s + 59) / 60;

    if (s < 90)
        snprintf(out, SHARE_TEXT_MAX, "%d s", s);
    else if (m < 90)
        snprintf(out, SHARE_TEXT_MAX, "%d min", m);
    else
        snprintf(out, SHARE_TEXT_MAX, "%d h %d min", m / 60, m % 60);
    return out;
}
