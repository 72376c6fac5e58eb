/* group.c - the table of all newsgroups, and the committer's numbers.
 *
 *     name --map--> entry --older--> entry of a removed group of that name
 *     id ---array-> entry
 *     order: an array by name, made when somebody asks and the set has changed;
 *            who walks it holds a count on it, and no lock
 *
 * Entries live until groups_close, so that a pointer may be kept.  An entry is
 * put in when its record is applied and becomes visible when that is published.
 *
 * Threads: the table is guarded by g->lock; whose an entry's parts are, see
 * group_int.h.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "spool/group_int.h"

struct groups *groups_open(struct bdb *b, struct err *e)
{
    struct groups *g = xcalloc(1, sizeof *g);

    g->b = b;
    rwlock_init(&g->lock, "groups");
    g->by_name = map_new();
    SLIST_INIT(&g->texts);
    SLIST_INIT(&g->touched);
    SLIST_INIT(&g->given);
    g->next_id = g->kept_next_id = 1;
    if ((g->tree = bdb_tree(b, "groups", e)) == NULL || groups_load(g, e) != 0)
        groups_close(&g);
    return g;
}

static void order_put(struct order *o)
{
    if (o != NULL && atomic_fetch_sub(&o->users, 1) == 1)
        free(o);
}

void groups_close(struct groups **gp)
{
    struct groups *g = *gp;
    struct text_kept *t;

    if (g == NULL)
        return;
    order_put(g->order);
    for (uint32_t id = 0; id < g->n_id; id++)
        free(g->by_id[id]);
    free(g->by_id);
    while ((t = SLIST_FIRST(&g->texts)) != NULL) {
        SLIST_REMOVE_HEAD(&g->texts, link);
        free(t);
    }
    map_free(&g->by_name);
    rwlock_fini(&g->lock);
    free(g);
    *gp = NULL;
}

/* ---- the table ---------------------------------------------------------- */

void order_stale_locked(struct groups *g)
{
    order_put(g->order);
    g->order = NULL;
}

static void make_room_locked(struct groups *g, uint32_t id)
{
    uint32_t n = g->n_id != 0 ? g->n_id : 64;

    while (n <= id)
        n = n < UINT32_MAX / 2 ? 2 * n : UINT32_MAX;
    if (n == g->n_id)
        return;
    g->by_id = xrealloc(g->by_id, n * sizeof *g->by_id);
    memset(g->by_id + g->n_id, 0, (n - g->n_id) * sizeof *g->by_id);
    g->n_id = n;
}

struct entry *entry_add_locked(struct groups *g, uint32_t id, struct span name)
{
    struct entry *e = xcalloc(1, sizeof *e + name.n + 1);

    memcpy(e->name, name.p, name.n);
    e->pub.name = e->name;
    e->pub.id = id;
    e->pub.next = 1;
    atomic_init(&e->pub.low, 1);
    make_room_locked(g, id);
    need(g->by_id[id] == NULL);
    g->by_id[id] = e;
    if (id > g->max_id)
        g->max_id = id;
    e->older = map_put(g->by_name, name, e);
    return e;
}

static char *put_string(char *p, struct span s)
{
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p + s.n + 1;
}

const struct group_text *text_make_locked(struct groups *g, const struct group_facts *f)
{
    struct text_kept *t = xmalloc(sizeof *t + f->description.n + f->creator.n + f->alias.n + 3);
    char *p = (char *)(t + 1);

    t->text.description = p;
    t->text.creator = p = put_string(p, f->description);
    t->text.alias = p = put_string(p, f->creator);
    put_string(p, f->alias);
    SLIST_INSERT_HEAD(&g->texts, t, link);
    return &t->text;
}

struct entry *entry_by_id(struct groups *g, uint32_t id)
{
    struct entry *e;

    rwlock_read(&g->lock);
    e = id < g->n_id ? g->by_id[id] : NULL;
    rwlock_put(&g->lock);
    return e;
}

/* ---- questions ---------------------------------------------------------- */

const struct group *group_find(struct groups *g, struct span name)
{
    struct entry *e;

    rwlock_read(&g->lock);
    e = map_get(g->by_name, name);
    while (e != NULL && !atomic_load_explicit(&e->visible, memory_order_acquire))
        e = e->older;
    rwlock_put(&g->lock);
    return e != NULL && !atomic_load(&e->pub.removed) ? &e->pub : NULL;
}

const struct group *group_by_id(struct groups *g, uint32_t id)
{
    struct entry *e = entry_by_id(g, id);

    return e != NULL && atomic_load_explicit(&e->visible, memory_order_acquire) ? &e->pub : NULL;
}

size_t groups_count_all(struct groups *g)
{
    return atomic_load(&g->count);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct entry *const *)a)->name, (*(struct entry *const *)b)->name);
}

static struct order *make_order_locked(struct groups *g)
{
    struct order *o = xmalloc(sizeof *o + (g->max_id + (size_t)1) * sizeof *o->e);

    o->n = 0;
    atomic_init(&o->users, 1);
    for (uint32_t id = 1; id <= g->max_id; id++) {
        struct entry *e = g->by_id[id];

        if (e != NULL && atomic_load(&e->visible) && !atomic_load(&e->pub.removed))
            o->e[o->n++] = e;
    }
    qsort(o->e, o->n, sizeof *o->e, by_name);
    return o;
}

/* The order, counted once more for the caller. */
static struct order *order_get(struct groups *g)
{
    struct order *o;

    rwlock_read(&g->lock);
    if ((o = g->order) != NULL)
        atomic_fetch_add(&o->users, 1);
    rwlock_put(&g->lock);
    if (o != NULL)
        return o;
    rwlock_write(&g->lock);
    if (g->order == NULL)
        g->order = make_order_locked(g);
    o = g->order;
    atomic_fetch_add(&o->users, 1);
    rwlock_put(&g->lock);
    return o;
}

void groups_walk_begin(struct groups *g, struct groups_walk *w)
{
    *w = (struct groups_walk){ order_get(g), 0 };
}

const struct group *groups_walk_next(struct groups_walk *w)
{
    while (w->at < w->order->n) {
        const struct entry *e = w->order->e[w->at++];

        if (!atomic_load(&e->pub.removed))
            return &e->pub;
    }
    return NULL;
}

void groups_walk_end(struct groups_walk *w)
{
    order_put(w->order);
    w->order = NULL;
}

void group_each(struct groups *g, bool (*each)(const struct group *, void *), void *arg)
{
    const struct group *group;
    struct groups_walk w;

    groups_walk_begin(g, &w);
    while ((group = groups_walk_next(&w)) != NULL && each(group, arg))
        ;
    groups_walk_end(&w);
}

/* ---- the committer's numbers -------------------------------------------- */

uint64_t group_number(struct groups *g, uint32_t id)
{
    struct entry *e = entry_by_id(g, id);

    need(e != NULL);
    if (!e->given) {
        /* what another life published: records applied at start, marks of an import */
        uint64_t published = atomic_load(&e->pub.high) + 1;

        if (e->pub.next < published)
            e->pub.next = published;
        e->kept_next = e->pub.next;
        e->given = true;
        SLIST_INSERT_HEAD(&g->given, e, given_link);
    }
    return e->pub.next++;
}

uint32_t group_next_id(struct groups *g)
{
    uint32_t seen;

    rwlock_read(&g->lock);
    seen = (g->max_id > g->lost_id ? g->max_id : g->lost_id) + 1;
    rwlock_put(&g->lock);
    if (g->next_id < seen)
        g->next_id = seen;
    return g->next_id++;
}

static void end_given(struct groups *g, bool keep)
{
    struct entry *e;

    while ((e = SLIST_FIRST(&g->given)) != NULL) {
        SLIST_REMOVE_HEAD(&g->given, given_link);
        e->given = false;
        if (!keep)
            e->pub.next = e->kept_next;
    }
}

void groups_keep_numbers(struct groups *g)
{
    end_given(g, true);
    g->kept_next_id = g->next_id;
}

void groups_forget_numbers(struct groups *g)
{
    end_given(g, false);
    g->next_id = g->kept_next_id;
}
