/* group_int.h - the groups' inside, shared by group*.c alone.
 *
 * Three views of one group, each with one thread that writes it:
 *
 *     committer    pub.next, kept_next     numbers given; they run ahead
 *     applier      row                     what the database's row says or will say
 *     everybody    pub's atomics           what groups_publish has shown
 */
#ifndef SPOOL_GROUP_INT_H
#define SPOOL_GROUP_INT_H

#include <sys/queue.h>

#include "lib/lock.h"
#include "lib/map.h"
#include "spool/group.h"

struct marks {
    uint64_t low, high, count;
    uint64_t floor;                      /* the next number is not below this, whatever 'high' says */
};

struct text_kept {                       /* a text lives until groups_close: readers may hold it */
    struct group_text text;
    SLIST_ENTRY(text_kept) link;
};

struct entry {
    struct group  pub;                   /* first: a struct group is an entry               */
    _Atomic bool  visible;               /* published once                                  */
    struct entry *older;                 /* had the same name before                        */

    /* the applier's */
    bool          known;                 /* 'row' is what the database has                  */
    bool          there;                 /* the database has a row                          */
    bool          touched;               /* changed since groups_apply_begin                */
    struct marks  row;
    char          row_flag;
    bool          row_removed;
    int64_t       row_created;
    const struct group_text *row_text;
    SLIST_ENTRY(entry) touched_link;

    /* the committer's */
    bool          given;                 /* numbers were given since groups_keep_numbers    */
    uint64_t      kept_next;
    SLIST_ENTRY(entry) given_link;

    char          name[];
};
SLIST_HEAD(entries, entry);

struct order {                           /* the groups by name, as they were at some time   */
    _Atomic unsigned users;
    size_t n;
    struct entry *e[];
};

struct groups {
    struct bdb      *b;
    struct bdb_tree *tree;
    struct rwlock    lock;               /* guards by_name, by_id, max_id, order, texts     */
    struct map      *by_name;            /* to the newest entry of the name                 */
    struct entry   **by_id;              /* [id]; NULL: none                                */
    uint32_t         n_id;               /* room in by_id                                   */
    uint32_t         max_id;
    uint32_t         lost_id;            /* the highest of an article's whose group is not known */
    struct order    *order;              /* NULL: to be made                                */
    SLIST_HEAD(, text_kept) texts;
    _Atomic size_t   count;              /* published and not removed                       */

    bool             applying;           /* the applier's */
    struct entries   touched;
    size_t           n_touched;

    struct entries   given;              /* the committer's */
    uint32_t         next_id, kept_next_id;
};

/* group.c; the caller holds the lock to write */
struct entry *entry_add_locked(struct groups *g, uint32_t id, struct span name);
const struct group_text *text_make_locked(struct groups *g, const struct group_facts *f);
void order_stale_locked(struct groups *g);
/* group.c; takes the lock */
struct entry *entry_by_id(struct groups *g, uint32_t id);

/* group_db.c */
int  groups_load(struct groups *g, struct err *e);

/* group_pack.c: a row of groups.db */
void group_row_pack(struct buf *out, const struct entry *e);
int  group_row_unpack(struct span value, struct marks *m, struct group_facts *f);

#endif
