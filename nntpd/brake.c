/* brake.c - failures by household and by user.  See brake.h. */
#include "nntpd/brake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/lock.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/siphash.h"

#define SECOND        INT64_C(1000000)
#define FORGIVEN_US   (60 * SECOND)    /* each so long, a failure less */
#define FAILURES_MOST 20
#define USER_WAIT_MOST (5 * SECOND)

struct entry {
    TAILQ_ENTRY(entry) link;
    unsigned failures;
    int64_t  last_us;                  /* of the last failure, moved on as failures are forgiven */
    int64_t  turn_us;                  /* households: when the next may be looked at             */
    uint64_t user;                     /* households: whose name it was                          */
    bool     several;                  /*             it was more than one                       */
    struct span key;
    char     bytes[];
};

struct table {
    struct map *map;
    TAILQ_HEAD(, entry) quiet;         /* the longest quiet first */
    size_t most;
};

struct brake {
    struct lock lock;
    struct table household, user;
    struct sipkey key;
};

/* --- a table ------------------------------------------------------------- */

static void table_init(struct table *t, size_t most)
{
    t->map = map_new();
    t->most = most;
    TAILQ_INIT(&t->quiet);
}

static void forget(struct table *t, struct entry *e)
{
    TAILQ_REMOVE(&t->quiet, e, link);
    map_del(t->map, e->key);
    free(e);
}

static void table_fini(struct table *t)
{
    while (!TAILQ_EMPTY(&t->quiet))
        forget(t, TAILQ_FIRST(&t->quiet));
    map_free(&t->map);
}

/* The entry, with what time has forgiven taken off; NULL: nothing is held against it. */
static struct entry *find(struct table *t, struct span key, int64_t now)
{
    struct entry *e = map_get(t->map, key);
    int64_t minutes;

    if (e == NULL)
        return NULL;
    minutes = (now - e->last_us) / FORGIVEN_US;
    if (minutes >= (int64_t)e->failures) {
        forget(t, e);
        return NULL;
    }
    if (minutes > 0) {
        e->failures -= (unsigned)minutes;
        e->last_us += minutes * FORGIVEN_US;
    }
    return e;
}

static struct entry *find_or_make(struct table *t, struct span key, int64_t now)
{
    struct entry *e = find(t, key, now);

    if (e == NULL) {
        if (map_count(t->map) >= t->most)
            forget(t, TAILQ_FIRST(&t->quiet));
        e = xcalloc(1, sizeof *e + key.n);
        if (key.n > 0)
            memcpy(e->bytes, key.p, key.n);
        e->key = (struct span){ e->bytes, key.n };
        map_put(t->map, e->key, e);
    } else {
        TAILQ_REMOVE(&t->quiet, e, link);
    }
    TAILQ_INSERT_TAIL(&t->quiet, e, link);
    return e;
}

static int64_t delay(const struct entry *e, int64_t most)
{
    int64_t d = e->failures == 0 ? 0 : SECOND << (e->failures - 1);

    return d < most ? d : most;
}

/* --- the two together ------------------------------------------------------ */

struct brake *brake_new(size_t most)
{
    struct brake *b = xcalloc(1, sizeof *b);

    lock_init(&b->lock, "nntpd.brake");
    table_init(&b->household, most);
    table_init(&b->user, most);
    random_bytes(&b->key, sizeof b->key);
    return b;
}

void brake_free(struct brake **b)
{
    if (*b == NULL)
        return;
    table_fini(&(*b)->household);
    table_fini(&(*b)->user);
    lock_fini(&(*b)->lock);
    free(*b);
    *b = NULL;
}

static struct span household(const struct sockaddr *from, uint8_t key[16])
{
    return (struct span){ (const char *)key, net_household(from, key) };
}

int64_t brake_ask(struct brake *b, const struct sockaddr *from, struct span user, int64_t now_us)
{
    uint8_t key[16];
    struct span house = household(from, key);
    const struct entry *u;
    struct entry *h;
    int64_t wait = 0, user_wait = 0;

    lock_get(&b->lock);
    if ((u = find(&b->user, user, now_us)) != NULL)
        user_wait = u->last_us + delay(u, USER_WAIT_MOST) - now_us;
    if ((h = find(&b->household, house, now_us)) != NULL) {
        wait = h->turn_us > now_us ? h->turn_us - now_us : 0;
        if (wait <= BRAKE_WAIT_MOST)
            h->turn_us = now_us + wait + delay(h, BRAKE_WAIT_MOST);
    }
    lock_put(&b->lock);
    return wait > user_wait ? wait : user_wait > 0 ? user_wait : 0;
}

static void failed(struct brake *b, struct span house, struct span user, int64_t now)
{
    struct entry *h = find_or_make(&b->household, house, now), *u = find_or_make(&b->user, user, now);
    uint64_t name = siphash64(&b->key, user.p, user.n);

    h->several |= h->failures > 0 && h->user != name;
    h->user = name;
    h->failures += h->failures < FAILURES_MOST;
    u->failures += u->failures < FAILURES_MOST;
    h->last_us = u->last_us = now;
    if (h->turn_us < now + delay(h, BRAKE_WAIT_MOST))
        h->turn_us = now + delay(h, BRAKE_WAIT_MOST);
}

static void succeeded(struct brake *b, struct span house, struct span user, int64_t now)
{
    struct entry *h = find(&b->household, house, now), *u = find(&b->user, user, now);

    if (u != NULL)
        forget(&b->user, u);
    if (h != NULL && !h->several && h->user == siphash64(&b->key, user.p, user.n))
        forget(&b->household, h);
}

void brake_tell(struct brake *b, const struct sockaddr *from, struct span user, bool good, int64_t now_us)
{
    uint8_t key[16];
    struct span house = household(from, key);

    lock_get(&b->lock);
    (good ? succeeded : failed)(b, house, user, now_us);
    lock_put(&b->lock);
}

struct brake_counts brake_counts(struct brake *b)
{
    struct brake_counts c;

    lock_get(&b->lock);
    c = (struct brake_counts){ map_count(b->household.map), map_count(b->user.map) };
    lock_put(&b->lock);
    return c;
}
