/* group_pack.c - a group in bytes: a RECORD_GROUP's data, a snapshot, a row of
 * groups.db.  Byte tables: doc/formats.md.  Threads: pure.
 */
#include <string.h>

#include "lib/bytes.h"
#include "lib/mem.h"
#include "spool/group_int.h"

enum {                      /* packed facts */
    AT_SIZE = 0,            /* where the strings begin: 40; more in a later version */
    AT_FLAG = 2,
    AT_BITS = 3,
    AT_ID = 4,
    AT_CREATED = 8,
    AT_LOW = 16,
    AT_HIGH = 24,
    AT_LENGTHS = 32,        /* of name, alias, creator, description */
    FACTS_SIZE = 40,
    FACTS_SIZE_MOST = 4096,
    BIT_REMOVED = 1,

    ROW_SIZE = 40,          /* marks, then the facts */
    ROW_VERSION = 1
};

static struct span cut(struct span s)
{
    return (struct span){ s.p, s.n < UINT16_MAX ? s.n : UINT16_MAX };
}

void group_pack(struct buf *out, const struct group_facts *f)
{
    struct span part[4] = { f->name, cut(f->alias), cut(f->creator), cut(f->description) };
    char h[FACTS_SIZE] = { 0 };

    need(f->name.n > 0 && f->name.n <= UINT16_MAX);
    put16(h + AT_SIZE, FACTS_SIZE);
    h[AT_FLAG] = f->flag;
    h[AT_BITS] = f->removed ? BIT_REMOVED : 0;
    put32(h + AT_ID, f->id);
    put64(h + AT_CREATED, (uint64_t)f->created_us);
    put64(h + AT_LOW, f->low);
    put64(h + AT_HIGH, f->high);
    for (int i = 0; i < 4; i++)
        put16(h + AT_LENGTHS + 2 * i, (uint16_t)part[i].n);
    buf_add(out, h, sizeof h);
    for (int i = 0; i < 4; i++)
        buf_add_span(out, part[i]);
}

int group_unpack(struct span data, struct group_facts *f)
{
    struct span part[4];
    size_t at;

    if (data.n < FACTS_SIZE || (at = get16(data.p + AT_SIZE)) < FACTS_SIZE || at > FACTS_SIZE_MOST)
        return -1;
    for (int i = 0; i < 4; i++) {
        size_t n = get16(data.p + AT_LENGTHS + 2 * i);

        if (at > data.n || n > data.n - at)
            return -1;
        part[i] = (struct span){ data.p + at, n };
        at += n;
    }
    *f = (struct group_facts){
        .id = get32(data.p + AT_ID), .flag = data.p[AT_FLAG], .removed = (data.p[AT_BITS] & BIT_REMOVED) != 0,
        .created_us = (int64_t)get64(data.p + AT_CREATED), .low = get64(data.p + AT_LOW),
        .high = get64(data.p + AT_HIGH), .name = part[0], .alias = part[1], .creator = part[2], .description = part[3],
    };
    /* marks must leave a next number, and "empty" is written low = high + 1 */
    if (f->high == UINT64_MAX || f->low > f->high + 1 || memchr(f->name.p, '\0', f->name.n) != NULL)
        return -1;
    return f->id != 0 && f->id != UINT32_MAX && f->name.n > 0 && f->flag != '\0' ? 0 : -1;
}

bool group_flag_valid(struct span flag)
{
    if (flag.n == 1)
        return memchr("ynmxj", flag.p[0], 5) != NULL;
    if (flag.n < 2 || flag.p[0] != '=')
        return false;
    for (size_t i = 1; i < flag.n; i++)
        if ((unsigned char)flag.p[i] <= ' ' || flag.p[i] == 0x7f || flag.p[i] == ',')
            return false;
    return true;
}

void group_row_pack(struct buf *out, const struct entry *e)
{
    const struct group_text *t = e->row_text;
    struct group_facts f = {
        .id = e->pub.id, .flag = e->row_flag, .removed = e->row_removed, .created_us = e->row_created,
        .low = 1, .name = span_of(e->name), .alias = span_of(t->alias), .creator = span_of(t->creator),
        .description = span_of(t->description),
    };
    char h[ROW_SIZE] = { ROW_VERSION };

    put64(h + 8, e->row.low);
    put64(h + 16, e->row.high);
    put64(h + 24, e->row.count);
    put64(h + 32, e->row.floor);
    buf_add(out, h, sizeof h);
    group_pack(out, &f);
}

int group_row_unpack(struct span value, struct marks *m, struct group_facts *f)
{
    if (value.n < ROW_SIZE || value.p[0] != ROW_VERSION)
        return -1;
    *m = (struct marks){ get64(value.p + 8), get64(value.p + 16), get64(value.p + 24), get64(value.p + 32) };
    if (m->high == UINT64_MAX || m->low > m->high + 1)
        return -1;
    return group_unpack(span_from(value, ROW_SIZE), f);
}

/* ---- the snapshot: every entry's length and facts ------------------------ */

static void pack_entry(struct buf *out, const struct entry *e)
{
    const struct group_text *t = atomic_load(&e->pub.text);
    uint64_t next = e->given ? e->kept_next : e->pub.next, high = atomic_load(&e->pub.high);
    uint64_t low = atomic_load(&e->pub.low);
    size_t start = buf_len(out);
    struct group_facts f = {
        .id = e->pub.id, .flag = atomic_load(&e->pub.flag), .removed = atomic_load(&e->pub.removed),
        .created_us = e->pub.created_us, .low = low, .high = next - 1 > high ? next - 1 : high,
        .name = span_of(e->name), .alias = span_of(t->alias), .creator = span_of(t->creator),
        .description = span_of(t->description),
    };

    buf_add(out, "\0\0\0", 4);
    group_pack(out, &f);
    put32(buf_data(out) + start, (uint32_t)(buf_len(out) - start - 4));
}

void groups_snapshot(struct groups *g, struct buf *out)
{
    rwlock_read(&g->lock);
    for (uint32_t id = 1; id <= g->max_id; id++)
        if (g->by_id[id] != NULL && atomic_load(&g->by_id[id]->visible))
            pack_entry(out, g->by_id[id]);
    rwlock_put(&g->lock);
}
