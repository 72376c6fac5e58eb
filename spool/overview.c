/* overview.c - overview.db: (group, number) to overview line and place in the log.
 *
 *     key    group u32 BE | number u64 BE       in order of group, then number
 *     value  segment u32 LE | offset u64 LE | size u32 LE | the line
 *
 * Threads: see overview.h; nothing here is shared but the tree.
 */
#include "spool/overview.h"

#include <stdlib.h>
#include <string.h>

#include "article/header.h"
#include "article/overview.h"
#include "article/wire.h"
#include "lib/bytes.h"
#include "lib/mem.h"

enum {
    KEY_SIZE = 12, PLACE_SIZE = 16, LINE_USUAL = 4096,
    LINE_ROOM = 600,          /* about what a row needs in a scan */
    LINES_MANY = 1000
};

struct ov {
    struct bdb_tree *tree;
    struct buf       value;      /* the applier's scratch */
};

struct ov *ov_open(struct bdb *b, struct err *e)
{
    struct bdb_tree *tree = bdb_tree(b, "overview", e);
    struct ov *o;

    if (tree == NULL)
        return NULL;
    o = xcalloc(1, sizeof *o);
    o->tree = tree;
    return o;
}

void ov_close(struct ov **o)
{
    if (*o == NULL)
        return;
    buf_fini(&(*o)->value);
    free(*o);
    *o = NULL;
}

static struct span pack_key(char bytes[KEY_SIZE], uint32_t group, uint64_t number)
{
    put32be(bytes, group);
    put64be(bytes + 4, number);
    return (struct span){ bytes, KEY_SIZE };
}

static void pack_place(struct buf *out, const struct log_pos *pos)
{
    char bytes[PLACE_SIZE];

    put32(bytes, pos->segment);
    put64(bytes + 4, pos->offset);
    put32(bytes + 12, pos->size);
    buf_add(out, bytes, sizeof bytes);
}

static struct log_pos unpack_place(const char *p)
{
    return (struct log_pos){ .segment = get32(p), .offset = get64(p + 4), .size = get32(p + 12) };
}

/* ---- the applier -------------------------------------------------------- */

/* The header lines, without the blank line. */
static struct span head_of(const struct record *r)
{
    return (struct span){ r->data.p, r->body >= 2 && r->body <= r->data.n ? r->body - 2 : 0 };
}

/* The committer puts Xref last, so look there first. */
static bool find_xref(struct span head, struct span *body)
{
    const char *line = head.n > 2 ? memrchr(head.p, '\n', head.n - 1) : NULL;
    struct span last = line != NULL ? span_from(head, (size_t)(line + 1 - head.p)) : head;
    struct hdr_field f;
    size_t at = 0;

    if (span_istarts(last, SPAN("Xref:"))) {
        *body = span_trim((struct span){ last.p + 5, last.n - 5 - (last.n >= 7 ? 2 : 0) });
        return true;
    }
    while (headers_next(head, &at, &f))
        if (hdr_of(f.name) == HDR_XREF) {
            *body = f.body;
            return true;
        }
    return false;
}

static void add_made_line(struct buf *out, const struct record *r)
{
    struct headers h;
    struct span where;

    memset(&h, 0, sizeof h);
    (void)headers_read(&h, head_of(r), &where);    /* what it has understood is shown */
    overview_write(out, &h, wire_bytes(r->data), r->lines);
}

void ov_apply(struct ov *o, struct txn *t, const struct record *r, const struct log_pos *pos, struct span line)
{
    char key[KEY_SIZE];
    struct span xref;

    if (r->n_numbers == 0 || (r->flags & RECORD_GONE) != 0)
        return;
    buf_clear(&o->value);
    pack_place(&o->value, pos);
    if (line.p != NULL)
        buf_add_span(&o->value, line);
    else
        add_made_line(&o->value, r);
    if (find_xref(head_of(r), &xref)) {
        buf_puts(&o->value, "Xref: ");
        hdr_unfold(&o->value, xref);
    }
    for (unsigned i = 0; i < r->n_numbers; i++)
        txn_put(t, o->tree, pack_key(key, r->numbers[i].group, r->numbers[i].number), buf_span(&o->value));
}

void ov_remove(struct ov *o, struct txn *t, uint32_t group, uint64_t number)
{
    char key[KEY_SIZE];

    txn_del(t, o->tree, pack_key(key, group, number));
}

int ov_empty(struct ov *o, struct err *e)
{
    return bdb_empty(o->tree, e);
}

/* ---- questions ---------------------------------------------------------- */

static int damaged(uint32_t group, uint64_t number, struct err *e)
{
    return err_set(e, "overview.db: the row %u/%llu cannot be understood; newsctl rebuild makes it anew", group,
                   (unsigned long long)number);
}

int ov_get(struct ov *o, uint32_t group, uint64_t number, struct log_pos *pos, struct buf *line, struct err *e)
{
    char key[KEY_SIZE], usual[LINE_USUAL], *value = usual, *big = NULL;
    struct span k = pack_key(key, group, number);
    size_t n = 0, cap = line != NULL ? sizeof usual : PLACE_SIZE;
    int rc = bdb_get(o->tree, k, usual, cap, &n, e);

    if (rc == 1 && line != NULL && n > cap) {
        cap = n;
        if ((value = big = malloc(cap)) == NULL)
            return err_set(e, "overview: no memory for a line of %zu octets", cap);
        rc = bdb_get(o->tree, k, big, cap, &n, e);
    }
    if (rc == 1 && (n < PLACE_SIZE || (line != NULL && n > cap)))
        rc = damaged(group, number, e);
    if (rc == 1) {
        *pos = unpack_place(value);
        if (line != NULL)
            buf_add(line, value + PLACE_SIZE, n - PLACE_SIZE);
    }
    free(big);
    return rc;
}

struct scan { ov_each_fn *each; void *arg; bool bad; uint32_t group; struct err *e; };

static bool scan_row(struct span key, struct span value, void *arg)
{
    struct scan *s = arg;
    struct log_pos pos;
    uint64_t number;

    if (key.n != KEY_SIZE || value.n < PLACE_SIZE) {
        damaged(s->group, key.n == KEY_SIZE ? get64be(key.p + 4) : 0, s->e);
        s->bad = true;
        return false;
    }
    number = get64be(key.p + 4);
    pos = unpack_place(value.p);
    return s->each(number, &pos, span_from(value, PLACE_SIZE), s->arg);
}

int ov_scan(struct ov *o, uint32_t group, uint64_t lo, uint64_t hi, struct bdb_bulk *bulk,
            ov_each_fn *each, void *arg, struct err *e)
{
    char from[KEY_SIZE], to[KEY_SIZE];
    struct scan s = { .each = each, .arg = arg, .group = group, .e = e };

    if (lo > hi)
        return 0;
    bulk->want = hi - lo < LINES_MANY ? (size_t)(hi - lo + 1) * LINE_ROOM : 0;
    if (bdb_scan(o->tree, pack_key(from, group, lo), pack_key(to, group, hi), bulk, scan_row, &s, e) != 0)
        return -1;
    return s.bad ? -1 : 0;
}

static bool take_number(struct span key, struct span value, void *arg)
{
    (void)value;
    *(uint64_t *)arg = key.n == KEY_SIZE ? get64be(key.p + 4) : 0;
    return false;
}

static int near_below(struct ov *o, uint32_t group, uint64_t number, uint64_t *found, struct err *e)
{
    char key[KEY_SIZE], got[KEY_SIZE], place[PLACE_SIZE];
    size_t key_n, n;
    int rc = bdb_last(o->tree, pack_key(key, group, number), got, sizeof got, &key_n, place, sizeof place, &n, e);

    if (rc != 1 || key_n != KEY_SIZE || get32be(got) != group)
        return rc < 0 ? -1 : 0;
    *found = get64be(got + 4);
    return 1;
}

static int near_above(struct ov *o, uint32_t group, uint64_t number, uint64_t *found, struct err *e)
{
    char from[KEY_SIZE], to[KEY_SIZE], place[PLACE_SIZE];
    struct span key = pack_key(from, group, number);
    struct bdb_bulk bulk = { 0 };
    size_t n;
    int rc = bdb_get(o->tree, key, place, sizeof place, &n, e);

    *found = number;
    if (rc != 0)
        return rc;
    *found = 0;                    /* a gap: numbers begin with 1 */
    rc = bdb_scan(o->tree, key, pack_key(to, group, UINT64_MAX), &bulk, take_number, found, e);
    bdb_bulk_fini(&bulk);
    return rc != 0 ? -1 : *found != 0;
}

int ov_near(struct ov *o, uint32_t group, uint64_t number, int step, uint64_t *found, struct err *e)
{
    return step > 0 ? near_above(o, group, number, found, e) : near_below(o, group, number, found, e);
}
