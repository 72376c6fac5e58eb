/* Records of the log, and a group's packed facts: whatever the bytes, nothing
 * outside them is read, and what was understood can be packed and read again.
 *
 * The first octet chooses: 'g' a group's facts, 's' a segment's worth of records
 * one after the other, else one record; with an odd one the sums are made right
 * first, so that what lies behind them is reached. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crc32c.h"
#include "lib/mem.h"
#include "spool/group.h"
#include "spool/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct record_number numbers[RECORD_NUMBERS_MAX];

static bool inside(struct span s, struct span of)
{
    return s.n == 0 || (s.p >= of.p && s.p + s.n <= of.p + of.n);
}

static uint32_t le32(const char *p)
{
    return (uint32_t)((unsigned char)p[0] | (unsigned char)p[1] << 8 | (unsigned char)p[2] << 16) |
           (uint32_t)(unsigned char)p[3] << 24;
}

static void put_le32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(v >> 8 * i);
}

/* Make both sums right, if the lengths allow. */
static void mend(char *p, size_t n)
{
    size_t header, meta, size;
    uint32_t sum;

    if (n < RECORD_HEADER_SIZE)
        return;
    put_le32(p, RECORD_MAGIC);
    p[4] = RECORD_MAJOR;
    size = record_size_of(p);
    header = le32(p + 6) & 0xffff;
    meta = le32(p + 32);
    if (size == 0 || size > n)
        return;
    put_le32(p + 12, crc32c(0, p + header + meta, le32(p + 24)));
    sum = crc32c(crc32c(0, p + 16, 8), p, 8);
    sum = crc32c(crc32c(sum, "\0\0\0", 4), p + 12, header + meta - 12);
    put_le32(p + 8, sum);
}

static void check_record(const struct record *r, struct span bytes, size_t size)
{
    struct record_range range[4] = { r->path, r->newsgroups, r->distribution, r->msgid };
    struct record again;
    struct buf b = { 0 };
    struct record_number *more;
    size_t n;

    need(size <= bytes.n && size % 8 == 0 && r->seq != 0);
    need(inside(r->data, bytes) || (r->flags & RECORD_GONE));
    need(inside(r->source, bytes) && r->body <= r->data.n && r->n_numbers <= RECORD_NUMBERS_MAX);
    for (int i = 0; i < 4; i++)
        need((uint64_t)range[i].at + range[i].len <= r->data.n);
    more = xcalloc(r->n_numbers + 1, sizeof *more);
    record_pack(&b, r, crc32c(0, r->data.p, r->data.n));
    buf_add_span(&b, r->data);
    buf_add(&b, "\0\0\0\0\0\0\0", 7);
    need(record_read(&again, buf_span(&b), r->seq, true, more, r->n_numbers, &n) == RECORD_OK);
    need(n == record_size(r) && again.kind == r->kind && again.body == r->body && span_eq(again.data, r->data));
    need(again.n_numbers == r->n_numbers && span_eq(again.source, r->source));
    need(memcmp(more, r->numbers, r->n_numbers * sizeof *more) == 0);
    free(more);
    buf_fini(&b);
}

static size_t one_record(struct span bytes)
{
    struct record r;
    size_t size = 0, head_size, data_at;

    if (record_read_head(&r, bytes, 0, NULL, 0, &data_at, &head_size) == RECORD_OK)
        need(data_at <= head_size && data_at <= bytes.n);
    if (record_read(&r, bytes, 0, false, numbers, RECORD_NUMBERS_MAX, &size) == RECORD_OK)
        check_record(&r, bytes, size);
    if (record_read(&r, bytes, 0, true, numbers, RECORD_NUMBERS_MAX, &size) != RECORD_OK)
        return 0;
    check_record(&r, bytes, size);
    return size;
}

static void one_group(struct span bytes)
{
    struct group_facts f, again;
    struct buf b = { 0 };

    if (group_unpack(bytes, &f) != 0)
        return;
    need(inside(f.name, bytes) && inside(f.alias, bytes) && inside(f.creator, bytes) && inside(f.description, bytes));
    group_pack(&b, &f);
    need(group_unpack(buf_span(&b), &again) == 0);
    need(again.id == f.id && again.flag == f.flag && again.low == f.low && again.high == f.high);
    need(span_eq(again.name, f.name) && span_eq(again.description, f.description) && again.removed == f.removed);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *p;
    struct span s;
    size_t n;

    if (size == 0)
        return 0;
    p = xmalloc(size);                     /* exactly as long: the sanitizer stands at its end */
    memcpy(p, data + 1, size - 1);
    s = (struct span){ p, size - 1 };
    if (data[0] == 'g') {
        one_group(s);
    } else if (data[0] == 's') {
        while ((n = one_record(s)) > 0)
            s = span_from(s, n);
    } else {
        if (data[0] & 1)
            mend(p, s.n);
        one_record(s);
    }
    free(p);
    return 0;
}
