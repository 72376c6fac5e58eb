/* spool_record.c - what is packed is read back; what is not whole is not believed. */
#include <stdlib.h>
#include <string.h>

#include "lib/crc32c.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "spool/record.h"
#include "tests/kit.h"

static const struct record_number two[2] = { { 7, 3 }, { UINT32_MAX, UINT64_C(0x123456789abcdef0) } };

static struct record sample(void)
{
    struct record r = {
        .kind = RECORD_ARTICLE, .flags = RECORD_LOCAL, .seq = UINT64_C(0x1000000000000001), .synced = UINT64_C(0xfffffffffffffff),
        .arrived_us = INT64_C(1700000000000000), .body = 20, .lines = 1,
        .path = { 1, 2 }, .newsgroups = { 3, 4 }, .distribution = { 0, 0 }, .msgid = { 8, 9 },
        .numbers = two, .n_numbers = 2, .source = SPAN("peer news.example.org 192.0.2.1"),
        .data = SPAN("Path: a!b\r\nX: y\r\n\r\nhello\r\n.\r\n"), .cancels = CANCELS_BY_KEY,
        .locks = SPAN("first lock......second lock....."), .keys = SPAN("a key..........."),
    };

    memset(r.key.b, 0xa5, sizeof r.key.b);
    memset(r.target.b, 0x5a, sizeof r.target.b);
    return r;
}

/* Octets of its meta: two numbers, the source's name, the target, three marks. */
static size_t meta_of(const struct record *r)
{
    return 2 * 12 + r->source.n + 16 + 3 * 16;
}

/* The record's bytes as they lie on disk. */
static void pack(struct buf *out, const struct record *r)
{
    size_t start = buf_len(out);

    record_pack(out, r, crc32c(0, r->data.p, r->data.n));
    buf_add_span(out, r->data);
    while ((buf_len(out) - start) % 8 != 0)
        buf_add(out, "", 1);
}

static enum record_fault read_all(struct record *r, const struct buf *b, uint64_t seq, struct record_number *numbers)
{
    size_t size;

    return record_read(r, buf_span(b), seq, true, numbers, RECORD_NUMBERS_MAX, &size);
}

static struct record_number numbers[RECORD_NUMBERS_MAX + 1];

static void round_trip_keeps_every_field(void **state)
{
    struct record in = sample(), r;
    struct buf b = { 0 };
    size_t size;

    (void)state;
    pack(&b, &in);
    assert_int_equal(buf_len(&b), record_size(&in));
    assert_int_equal(record_size_of(buf_data(&b)), record_size(&in));
    assert_int_equal(record_read(&r, buf_span(&b), in.seq, true, numbers, 2, &size), RECORD_OK);
    assert_int_equal(size, buf_len(&b));
    assert_int_equal(r.kind, in.kind);
    assert_int_equal(r.flags, in.flags);
    assert_true(r.seq == in.seq && r.synced == in.synced && r.arrived_us == in.arrived_us);
    assert_memory_equal(&r.key, &in.key, sizeof r.key);
    assert_int_equal(r.body, 20);
    assert_int_equal(r.lines, 1);
    assert_true(r.path.at == 1 && r.path.len == 2 && r.newsgroups.at == 3 && r.newsgroups.len == 4);
    assert_true(r.distribution.len == 0 && r.msgid.at == 8 && r.msgid.len == 9);
    assert_int_equal(r.n_numbers, 2);
    assert_true(r.numbers[0].group == 7 && r.numbers[0].number == 3);
    assert_true(r.numbers[1].group == UINT32_MAX && r.numbers[1].number == UINT64_C(0x123456789abcdef0));
    assert_true(span_eq(r.source, in.source) && span_eq(r.data, in.data));
    assert_int_equal(r.cancels, CANCELS_BY_KEY);
    assert_memory_equal(&r.target, &in.target, sizeof r.target);
    assert_true(span_eq(r.locks, in.locks) && span_eq(r.keys, in.keys));
    buf_fini(&b);
}

/* A record of the minor before cancels, as it was written then. */
static void a_record_of_minor_1_is_read(void **state)
{
    const char *root = getenv("FRESHET_ROOT");
    char *path = xasprintf("%s/tests/data/record-1.1", root != NULL ? root : "."), *bytes;
    struct record in = sample(), r;
    size_t n, size;

    (void)state;
    if ((bytes = disk_slurp(path, 4096, &n)) == NULL)
        fail_msg("%s cannot be read", path);
    assert_int_equal(record_read(&r, (struct span){ bytes, n }, in.seq, true, numbers, 2, &size), RECORD_OK);
    assert_int_equal(size, n);
    assert_true(r.cancels == CANCELS_NOTHING && r.locks.n == 0 && r.keys.n == 0);
    assert_true(span_eq(r.source, in.source) && span_eq(r.data, in.data) && r.synced == in.synced && r.n_numbers == 2);
    free(bytes);
    free(path);
}

static void most_numbers_and_empty_fields_fit(void **state)
{
    struct record in = { .kind = RECORD_CANCEL, .seq = UINT64_MAX, .arrived_us = -1 }, r;
    struct record_number *many = xcalloc(RECORD_NUMBERS_MAX, sizeof *many);
    struct buf b = { 0 };
    size_t size;

    (void)state;
    pack(&b, &in);
    assert_int_equal(buf_len(&b), RECORD_HEADER_SIZE);
    assert_int_equal(read_all(&r, &b, UINT64_MAX, numbers), RECORD_OK);
    assert_true(r.arrived_us == -1 && r.n_numbers == 0 && r.data.n == 0 && (r.flags & RECORD_GONE) == 0);
    buf_clear(&b);
    for (unsigned i = 0; i < RECORD_NUMBERS_MAX; i++)
        many[i] = (struct record_number){ i + 1, (uint64_t)i << 40 };
    in.numbers = many;
    in.n_numbers = RECORD_NUMBERS_MAX;
    pack(&b, &in);
    assert_int_equal(read_all(&r, &b, UINT64_MAX, numbers), RECORD_OK);
    assert_memory_equal(r.numbers, many, RECORD_NUMBERS_MAX * sizeof *many);
    assert_int_equal(record_read(&r, buf_span(&b), 0, true, numbers, RECORD_NUMBERS_MAX - 1, &size), RECORD_BAD);
    assert_int_equal(record_read(&r, buf_span(&b), 0, true, NULL, 0, &size), RECORD_OK);
    assert_int_equal(r.n_numbers, 0);
    buf_fini(&b);
    free(many);
}

static void every_bit_flip_is_noticed(void **state)
{
    struct record in = sample(), r;
    struct buf b = { 0 };
    size_t size, end = RECORD_HEADER_SIZE + meta_of(&in) + in.data.n;

    (void)state;
    pack(&b, &in);
    for (size_t bit = 0; bit < 8 * end; bit++) {
        bool in_data = bit / 8 >= end - in.data.n;

        buf_data(&b)[bit / 8] ^= (char)(1 << bit % 8);
        if (read_all(&r, &b, in.seq, numbers) == RECORD_OK)
            fail_msg("bit %zu of octet %zu flipped and not noticed", bit % 8, bit / 8);
        if ((record_read(&r, buf_span(&b), 0, false, numbers, 2, &size) == RECORD_OK) != in_data)
            fail_msg("bit %zu of octet %zu: the header's own sum", bit % 8, bit / 8);
        buf_data(&b)[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_int_equal(read_all(&r, &b, in.seq, numbers), RECORD_OK);
    buf_fini(&b);
}

static void every_shorter_run_is_short(void **state)
{
    struct record in = sample(), r;
    struct buf b = { 0 };
    size_t size;

    (void)state;
    pack(&b, &in);
    for (size_t n = 0; n < buf_len(&b); n++) {
        char *exact = xmalloc(n + 1);       /* the sanitizer sees a read behind the end */

        memcpy(exact, buf_data(&b), n);
        assert_int_equal(record_read(&r, (struct span){ exact, n }, in.seq, true, numbers, 2, &size), RECORD_SHORT);
        free(exact);
    }
    buf_fini(&b);
}

static void another_place_in_the_order_is_bad(void **state)
{
    struct record in = sample(), r;
    struct buf b = { 0 };

    (void)state;
    pack(&b, &in);
    assert_int_equal(read_all(&r, &b, in.seq + 1, numbers), RECORD_BAD);
    assert_int_equal(read_all(&r, &b, in.seq - 1, numbers), RECORD_BAD);
    buf_fini(&b);
}

static void zeroed_data_reads_as_gone(void **state)
{
    struct record in = sample(), r;
    struct buf b = { 0 };

    (void)state;
    pack(&b, &in);
    memset(buf_data(&b) + RECORD_HEADER_SIZE + meta_of(&in), 0, in.data.n);
    assert_int_equal(read_all(&r, &b, in.seq, numbers), RECORD_OK);
    assert_int_equal(r.flags, RECORD_LOCAL | RECORD_GONE);
    assert_true(r.data.n == 0 && r.body == 0 && r.path.len == 0 && r.msgid.len == 0);
    assert_int_equal(r.n_numbers, 2);
    assert_true(span_eq(r.source, in.source));
    buf_data(&b)[RECORD_HEADER_SIZE + meta_of(&in) + 5] = 1;
    assert_int_equal(read_all(&r, &b, in.seq, numbers), RECORD_BAD);
    buf_fini(&b);
}

static void zeros_that_were_meant_are_not_gone(void **state)
{
    struct record in = { .kind = RECORD_REFUSED, .seq = 1, .data = { "\0\0\0\0\0\0\0", 7 } }, r;
    struct buf b = { 0 };

    (void)state;
    pack(&b, &in);
    assert_int_equal(read_all(&r, &b, 1, numbers), RECORD_OK);
    assert_true(r.flags == 0 && r.data.n == 7);
    buf_fini(&b);
}

/* What a later minor may do: a longer header, more meta behind ours, another kind. */
static void a_later_minor_can_be_read(void **state)
{
    struct record in = { .kind = 99, .seq = 5, .data = SPAN("new") }, r;
    struct buf b = { 0 }, grown = { 0 };
    char zero4[4] = { 0 }, seed[8] = { 5 };
    uint32_t sum;
    char *p;

    (void)state;
    pack(&b, &in);
    buf_add(&grown, buf_data(&b), RECORD_HEADER_SIZE);
    buf_add(&grown, "longer..", 8);
    buf_add(&grown, "meta....", 8);
    buf_add(&grown, "new\0\0\0\0\0", 8);
    p = buf_data(&grown);
    p[5] = RECORD_MINOR + 1;
    p[6] = (char)(RECORD_HEADER_SIZE + 8);
    p[32] = 8;                              /* meta size */
    sum = crc32c(crc32c(0, seed, 8), p, 8);
    sum = crc32c(crc32c(sum, zero4, 4), p + 12, RECORD_HEADER_SIZE + 16 - 12);
    for (int i = 0; i < 4; i++)
        p[8 + i] = (char)(sum >> 8 * i);
    assert_int_equal(read_all(&r, &grown, 5, numbers), RECORD_OK);
    assert_true(span_eq(r.data, SPAN("new")) && r.kind == 99 && r.source.n == 0);
    p[4] = 2;                               /* another major is not ours */
    assert_int_equal(record_size_of(p), 0);
    buf_fini(&b);
    buf_fini(&grown);
}

/* Written before the flags about groups were there: none of them is set, the rest is as it was. */
static void a_record_of_minor_0_is_read(void **state)
{
    const char *root = getenv("FRESHET_ROOT");
    char *path = xasprintf("%s/tests/data/record-1.0", root != NULL ? root : "."), *bytes;
    struct record r;
    size_t n, size;

    (void)state;
    bytes = disk_slurp(path, 4096, &n);
    assert_non_null(bytes);
    assert_int_equal(bytes[5], 0);
    assert_int_equal(record_read(&r, (struct span){ bytes, n }, 0, true, numbers, RECORD_NUMBERS_MAX, &size), RECORD_OK);
    assert_true(r.kind == RECORD_ARTICLE && r.flags == 0 && r.n_numbers == 3 && size == n);
    assert_true(span_eq(r.data, SPAN("Path: a!b\r\nX: y\r\n\r\nhello\r\n.\r\n")) && span_eq(r.source, SPAN("peer a")));
    free(bytes);
    free(path);
}

static void removed_ranges_are_stepped_through(void **state)
{
    struct buf b = { 0 };
    uint64_t first, last;
    size_t at = 0;

    (void)state;
    record_removed_add(&b, 5, 5);
    record_removed_add(&b, UINT64_C(1) << 40, UINT64_MAX);
    assert_true(record_removed_next(buf_span(&b), &at, &first, &last) && first == 5 && last == 5);
    assert_true(record_removed_next(buf_span(&b), &at, &first, &last) && first == UINT64_C(1) << 40 && last == UINT64_MAX);
    assert_false(record_removed_next(buf_span(&b), &at, &first, &last));
    buf_clear(&b);
    record_removed_add(&b, 6, 5);
    at = 0;
    assert_false(record_removed_next(buf_span(&b), &at, &first, &last));
    buf_fini(&b);
}

/* Lengths that a stranger might write, sums right or not, never reach outside. */
static void lengths_beyond_reason_are_bad(void **state)
{
    struct record in = sample();
    struct buf b = { 0 };
    char *p;

    (void)state;
    pack(&b, &in);
    p = buf_data(&b);
    need(p != NULL);
    memset(p + 24, 0xff, 8);                /* data */
    assert_int_equal(record_size_of(p), 0);
    memset(p + 24, 0, 8);
    memset(p + 32, 0xff, 4);                /* meta */
    assert_int_equal(record_size_of(p), 0);
    memset(p + 32, 0, 4);
    p[6] = 8, p[7] = 0;                     /* header */
    assert_int_equal(record_size_of(p), 0);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_keeps_every_field),
        cmocka_unit_test(a_record_of_minor_1_is_read),
        cmocka_unit_test(most_numbers_and_empty_fields_fit),
        cmocka_unit_test(every_bit_flip_is_noticed),
        cmocka_unit_test(every_shorter_run_is_short),
        cmocka_unit_test(another_place_in_the_order_is_bad),
        cmocka_unit_test(zeroed_data_reads_as_gone),
        cmocka_unit_test(zeros_that_were_meant_are_not_gone),
        cmocka_unit_test(a_later_minor_can_be_read),
        cmocka_unit_test(a_record_of_minor_0_is_read),
        cmocka_unit_test(removed_ranges_are_stepped_through),
        cmocka_unit_test(lengths_beyond_reason_are_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
