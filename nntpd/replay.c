/* replay.c - records read from the log, gathered into runs and applied.
 *
 * A reader's record lives until the next one is read, and a transaction a
 * record would be slow: so they are copied and applied in runs, as the applier
 * does it live.
 */
#include "nntpd/replay.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define REPLAY_MOST  512
#define REPLAY_BYTES (8u << 20)

struct held {
    struct record  rec;
    struct log_pos pos;
    size_t data_at, source_at, marks_at;  /* in 'bytes', which may move while it grows */
    size_t numbers_at;
};

struct replay {
    struct indexes *ix;
    unsigned        n, weight;
    bool            alone;
    struct buf      bytes, numbers;
    struct held     held[REPLAY_MOST];
    struct apply_item item[REPLAY_MOST];
};

struct replay *replay_new(struct indexes *ix)
{
    struct replay *r = xcalloc(1, sizeof *r);

    r->ix = ix;
    return r;
}

void replay_free(struct replay **r)
{
    if (*r == NULL)
        return;
    buf_fini(&(*r)->bytes);
    buf_fini(&(*r)->numbers);
    free(*r);
    *r = NULL;
}

/* The copies have come to rest: point the records at them. */
static void point(struct replay *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        struct held *h = &r->held[i];

        h->rec.data.p = buf_data(&r->bytes) + h->data_at;
        h->rec.source.p = buf_data(&r->bytes) + h->source_at;
        h->rec.locks.p = buf_data(&r->bytes) + h->marks_at;
        h->rec.keys.p = h->rec.locks.p + h->rec.locks.n;
        h->rec.numbers = (const struct record_number *)(void *)(buf_data(&r->numbers) + h->numbers_at);
        r->item[i] = (struct apply_item){ .rec = &h->rec, .pos = &h->pos };
    }
}

int replay_end(struct replay *r, struct err *e)
{
    if (r->n == 0)
        return 0;
    point(r);
    if (apply_run(r->ix, r->item, r->n, e) != 0)
        return -1;
    apply_publish(r->ix, r->item, r->n);
    r->n = r->weight = 0;
    buf_clear(&r->bytes);
    buf_clear(&r->numbers);
    return 0;
}

static bool full(const struct replay *r, const struct record *rec)
{
    return r->n == REPLAY_MOST || buf_len(&r->bytes) >= REPLAY_BYTES ||
           r->weight + apply_weight(rec) > APPLY_WEIGHT_MOST || (r->n > 0 && (r->alone || apply_alone(r->ix, rec)));
}

int replay_add(struct replay *r, const struct record *rec, const struct log_pos *pos, struct err *e)
{
    struct held *h;

    if (r->n > 0 && full(r, rec) && replay_end(r, e) != 0)
        return -1;
    if (!buf_reserve(&r->bytes, rec->data.n + rec->source.n + rec->locks.n + rec->keys.n + 1))
        return err_set(e, "no memory for a record of %zu octets", rec->data.n);
    h = &r->held[r->n++];
    *h = (struct held){ .rec = *rec, .pos = *pos, .data_at = buf_len(&r->bytes),
                        .numbers_at = buf_len(&r->numbers) };
    if (rec->data.p != NULL)
        buf_add_span(&r->bytes, rec->data);
    h->source_at = buf_len(&r->bytes);
    buf_add_span(&r->bytes, rec->source);
    h->marks_at = buf_len(&r->bytes);
    buf_add_span(&r->bytes, rec->locks);
    buf_add_span(&r->bytes, rec->keys);
    buf_add(&r->numbers, rec->numbers, rec->n_numbers * sizeof *rec->numbers);
    r->weight += apply_weight(rec);
    r->alone = apply_alone(r->ix, rec);
    return 0;
}
