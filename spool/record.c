/* record.c - the bytes of a record's header and meta.  Byte tables: doc/formats.md.
 *
 *     | header 128 | numbers 12 each, source, target, locks, keys | data ........ | 0-7 zeros |
 *     |<-- header_size -->|<----------------- meta_size ----------------->|
 *
 * Who may cancel an article and what it cancels stands in the meta, so that it
 * outlives the article's bytes.
 *
 * The header's sum is seeded with the sequence number and covers header and
 * meta, so a record is good only at its own place in the order; the data has a
 * sum of its own because the data may be punched out later.  Lengths are
 * checked before they are believed, and nothing is believed before the sum.
 */
#include "spool/record.h"

#include <string.h>

#include "lib/bytes.h"
#include "article/canlock.h"
#include "lib/crc32c.h"
#include "lib/mem.h"

enum {                     /* offsets in the header */
    AT_MAGIC = 0,
    AT_MAJOR = 4,
    AT_MINOR = 5,
    AT_HEADER_SIZE = 6,
    AT_HEAD_SUM = 8,
    AT_DATA_SUM = 12,
    AT_SEQ = 16,
    AT_DATA_SIZE = 24,
    AT_META_SIZE = 32,
    AT_KIND = 36,
    AT_FLAGS = 38,
    AT_ARRIVED = 40,
    AT_KEY = 48,
    AT_BODY = 64,
    AT_LINES = 68,
    AT_RANGES = 72,        /* path, newsgroups, distribution, msgid: offset, length each */
    AT_N_NUMBERS = 104,
    AT_SOURCE_SIZE = 106,
    AT_N_LOCKS = 108,      /* since minor 2; zeros before */
    AT_N_KEYS = 109,
    AT_CANCELS = 110,
    AT_SYNCED = 112,       /* 111 and from 120 on: zeros, spare */

    NUMBER_SIZE = 12,
    HEADER_MOST = 4096,    /* a later minor may make the header longer, but not without end */
    META_MOST = 1 << 20,
    READ_FLAGS = RECORD_GONE | RECORD_DAMAGED
};

struct lengths { size_t header, meta, size; uint64_t data; };

static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static size_t target_size(unsigned cancels)
{
    return cancels != CANCELS_NOTHING ? sizeof (struct msgid_key) : 0;
}

static size_t meta_size(const struct record *r)
{
    return (size_t)r->n_numbers * NUMBER_SIZE + r->source.n + target_size(r->cancels) + r->locks.n + r->keys.n;
}

size_t record_head_size(const struct record *r)
{
    return RECORD_HEADER_SIZE + meta_size(r);
}

size_t record_size(const struct record *r)
{
    return padded(record_head_size(r) + r->data.n);
}

/* The sum over header and meta as if the sum's own field were zero. */
static uint32_t head_sum(const char *p, size_t n, uint64_t seq)
{
    char seed[8];
    uint32_t sum;

    put64(seed, seq);
    sum = crc32c(0, seed, sizeof seed);
    sum = crc32c(sum, p, AT_HEAD_SUM);
    sum = crc32c(sum, "\0\0\0", 4);
    return crc32c(sum, p + AT_HEAD_SUM + 4, n - AT_HEAD_SUM - 4);
}

static void put_range(char *p, struct record_range r)
{
    put32(p, r.at);
    put32(p + 4, r.len);
}

static void pack_header(char *p, const struct record *r, uint32_t data_crc)
{
    memset(p, 0, RECORD_HEADER_SIZE);
    put32(p + AT_MAGIC, RECORD_MAGIC);
    p[AT_MAJOR] = RECORD_MAJOR;
    p[AT_MINOR] = RECORD_MINOR;
    put16(p + AT_HEADER_SIZE, RECORD_HEADER_SIZE);
    put32(p + AT_DATA_SUM, data_crc);
    put64(p + AT_SEQ, r->seq);
    put64(p + AT_DATA_SIZE, r->data.n);
    put32(p + AT_META_SIZE, (uint32_t)meta_size(r));
    put16(p + AT_KIND, (uint16_t)r->kind);
    put16(p + AT_FLAGS, (uint16_t)(r->flags & ~READ_FLAGS));
    put64(p + AT_ARRIVED, (uint64_t)r->arrived_us);
    memcpy(p + AT_KEY, r->key.b, sizeof r->key.b);
    put32(p + AT_BODY, r->body);
    put32(p + AT_LINES, r->lines);
    put_range(p + AT_RANGES, r->path);
    put_range(p + AT_RANGES + 8, r->newsgroups);
    put_range(p + AT_RANGES + 16, r->distribution);
    put_range(p + AT_RANGES + 24, r->msgid);
    put16(p + AT_N_NUMBERS, (uint16_t)r->n_numbers);
    put16(p + AT_SOURCE_SIZE, (uint16_t)r->source.n);
    p[AT_N_LOCKS] = (char)(r->locks.n / CANLOCK_MARK);
    p[AT_N_KEYS] = (char)(r->keys.n / CANLOCK_MARK);
    p[AT_CANCELS] = (char)r->cancels;
    put64(p + AT_SYNCED, r->synced);
}

static bool marks_fit(struct span marks)
{
    return marks.n % CANLOCK_MARK == 0 && marks.n / CANLOCK_MARK <= CANLOCK_MOST;
}

void record_pack(struct buf *out, const struct record *r, uint32_t data_crc)
{
    size_t head = record_head_size(r);
    char fixed[RECORD_HEADER_SIZE], number[NUMBER_SIZE];
    size_t start = buf_len(out);
    char *p;

    need(r->n_numbers <= RECORD_NUMBERS_MAX && r->source.n <= UINT16_MAX && record_size(r) <= UINT32_MAX);
    need(marks_fit(r->locks) && marks_fit(r->keys));
    pack_header(fixed, r, data_crc);
    buf_add(out, fixed, sizeof fixed);
    for (unsigned i = 0; i < r->n_numbers; i++) {
        put32(number, r->numbers[i].group);
        put64(number + 4, r->numbers[i].number);
        buf_add(out, number, sizeof number);
    }
    buf_add_span(out, r->source);
    buf_add(out, r->target.b, target_size(r->cancels));
    buf_add_span(out, r->locks);
    buf_add_span(out, r->keys);
    p = buf_data(out) + start;
    put32(p + AT_HEAD_SUM, head_sum(p, head, r->seq));
}

/* Are these the first bytes of a header whose lengths make sense?  Says nothing of the sum. */
static bool read_lengths(const char *p, struct lengths *l)
{
    if (get32(p + AT_MAGIC) != RECORD_MAGIC || p[AT_MAJOR] != RECORD_MAJOR)
        return false;
    l->header = get16(p + AT_HEADER_SIZE);
    l->meta = get32(p + AT_META_SIZE);
    l->data = get64(p + AT_DATA_SIZE);
    if (l->header < RECORD_HEADER_SIZE || l->header > HEADER_MOST || l->header % 8 != 0 || l->meta > META_MOST)
        return false;
    if (l->data > UINT32_MAX - HEADER_MOST - META_MOST - 8)
        return false;
    l->size = padded(l->header + l->meta + (size_t)l->data);
    return true;
}

size_t record_size_of(const char header[RECORD_HEADER_SIZE])
{
    struct lengths l;

    return read_lengths(header, &l) ? l.size : 0;
}

static struct record_range get_range(const char *p)
{
    return (struct record_range){ get32(p), get32(p + 4) };
}

static bool range_fits(struct record_range r, uint64_t data)
{
    return (uint64_t)r.at + r.len <= data;
}

/* What stands behind the source's name: the target, locks and keys. */
static bool read_cancels(struct record *r, const char *p, const char *m, size_t left)
{
    size_t n_locks = (unsigned char)p[AT_N_LOCKS], n_keys = (unsigned char)p[AT_N_KEYS];
    size_t locks = n_locks * CANLOCK_MARK, keys = n_keys * CANLOCK_MARK;
    unsigned cancels = (unsigned char)p[AT_CANCELS];

    if (n_locks > CANLOCK_MOST || n_keys > CANLOCK_MOST || target_size(cancels) + locks + keys > left)
        return false;
    r->cancels = cancels <= CANCELS_ALL ? cancels : CANCELS_NOTHING;     /* what a later minor may mean */
    memcpy(r->target.b, m, target_size(cancels));
    m += target_size(cancels);
    r->locks = (struct span){ m, locks };
    r->keys = (struct span){ m + locks, keys };
    return true;
}

static bool read_meta(struct record *r, const char *p, const struct lengths *l,
                      struct record_number *numbers, unsigned most)
{
    unsigned n = get16(p + AT_N_NUMBERS);
    size_t source = get16(p + AT_SOURCE_SIZE);
    const char *m = p + l->header;

    if ((size_t)n * NUMBER_SIZE + source > l->meta || n > RECORD_NUMBERS_MAX || (numbers != NULL && n > most))
        return false;
    r->numbers = numbers;
    r->n_numbers = numbers != NULL ? n : 0;
    for (unsigned i = 0; i < r->n_numbers; i++)
        numbers[i] = (struct record_number){ get32(m + i * NUMBER_SIZE), get64(m + i * NUMBER_SIZE + 4) };
    m += (size_t)n * NUMBER_SIZE;
    r->source = (struct span){ m, source };
    return read_cancels(r, p, m + source, l->meta - (size_t)n * NUMBER_SIZE - source);
}

static bool read_fixed(struct record *r, const char *p, uint64_t data)
{
    *r = (struct record){
        .kind = get16(p + AT_KIND),
        .flags = (uint16_t)(get16(p + AT_FLAGS) & ~READ_FLAGS),
        .seq = get64(p + AT_SEQ),
        .synced = get64(p + AT_SYNCED),
        .arrived_us = (int64_t)get64(p + AT_ARRIVED),
        .body = get32(p + AT_BODY),
        .lines = get32(p + AT_LINES),
        .path = get_range(p + AT_RANGES),
        .newsgroups = get_range(p + AT_RANGES + 8),
        .distribution = get_range(p + AT_RANGES + 16),
        .msgid = get_range(p + AT_RANGES + 24),
        .data = { NULL, (size_t)data },
    };
    memcpy(r->key.b, p + AT_KEY, sizeof r->key.b);
    return r->seq != 0 && r->body <= data && range_fits(r->path, data) && range_fits(r->newsgroups, data) &&
           range_fits(r->distribution, data) && range_fits(r->msgid, data);
}

enum record_fault record_read_head(struct record *r, struct span bytes, uint64_t expect_seq,
                                   struct record_number *numbers, unsigned most, size_t *data_at, size_t *size)
{
    const char *p = bytes.p;
    struct lengths l;
    uint64_t seq;

    if (bytes.n < RECORD_HEADER_SIZE)
        return RECORD_SHORT;
    if (!read_lengths(p, &l))
        return RECORD_BAD;
    if (bytes.n < l.header + l.meta)
        return RECORD_SHORT;
    seq = expect_seq != 0 ? expect_seq : get64(p + AT_SEQ);
    if (get64(p + AT_SEQ) != seq || get32(p + AT_HEAD_SUM) != head_sum(p, l.header + l.meta, seq))
        return RECORD_BAD;
    if (!read_fixed(r, p, l.data) || !read_meta(r, p, &l, numbers, most))
        return RECORD_BAD;
    *data_at = l.header + l.meta;
    *size = l.size;
    return RECORD_OK;
}

static bool all_zero(struct span s)
{
    return s.n > 0 && s.p[0] == 0 && memcmp(s.p, s.p + 1, s.n - 1) == 0;
}

enum record_fault record_read(struct record *r, struct span bytes, uint64_t expect_seq, bool check_data,
                              struct record_number *numbers, unsigned most, size_t *size)
{
    size_t data_at;
    enum record_fault fault = record_read_head(r, bytes, expect_seq, numbers, most, &data_at, size);

    if (fault != RECORD_OK)
        return fault;
    if (bytes.n < *size)
        return RECORD_SHORT;
    r->data.p = bytes.p + data_at;
    if (!check_data || crc32c(0, r->data.p, r->data.n) == get32(bytes.p + AT_DATA_SUM))
        return RECORD_OK;
    if (!all_zero(r->data))
        return RECORD_BAD;
    record_set_gone(r, RECORD_GONE);
    return RECORD_OK;
}

void record_set_gone(struct record *r, uint16_t flags)
{
    struct record_range none = { 0, 0 };

    r->flags |= flags;
    r->data = (struct span){ "", 0 };
    r->body = 0;
    r->path = r->newsgroups = r->distribution = r->msgid = none;
}

void record_removed_add(struct buf *data, uint64_t first, uint64_t last)
{
    char pair[16];

    put64(pair, first);
    put64(pair + 8, last);
    buf_add(data, pair, sizeof pair);
}

bool record_removed_next(struct span data, size_t *at, uint64_t *first, uint64_t *last)
{
    if (*at > data.n || data.n - *at < 16)
        return false;
    *first = get64(data.p + *at);
    *last = get64(data.p + *at + 8);
    *at += 16;
    return *first != 0 && *first <= *last;
}

bool record_forget_day(struct span data, uint32_t *day)
{
    *day = data.n >= 4 ? get32(data.p) : 0;
    return data.n >= 4;
}

void record_forget_pack(struct buf *data, uint32_t day)
{
    char four[4];

    put32(four, day);
    buf_add(data, four, sizeof four);
}
