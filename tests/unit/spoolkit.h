/* spoolkit.h - a small log to play with, for the tests of spool. */
#ifndef TESTS_UNIT_SPOOLKIT_H
#define TESTS_UNIT_SPOOLKIT_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crc32c.h"
#include "lib/disk.h"
#include "lib/mem.h"
#include "spool/artlog.h"
#include "tests/kit.h"

#define MAYBE_UNUSED __attribute__((unused))

/* The data of record 'seq': seq itself can be told from it, its length differs from its neighbours'. */
MAYBE_UNUSED static void kit_data(struct buf *b, uint64_t tag, size_t more)
{
    buf_printf(b, "Path: kit!%llu\r\nMessage-ID: <%llu@kit>\r\n\r\n", (unsigned long long)tag, (unsigned long long)tag);
    for (size_t i = 0; i < more; i++)
        buf_add(b, i % 70 == 69 ? "\n" : "x", 1);
    buf_puts(b, "\r\n.\r\n");
}

MAYBE_UNUSED static uint64_t kit_tag(struct span data)
{
    uint64_t tag = 0;

    if (data.n < 12 || memcmp(data.p, "Path: kit!", 10) != 0)
        return 0;
    for (size_t i = 10; i < data.n && data.p[i] >= '0' && data.p[i] <= '9'; i++)
        tag = tag * 10 + (uint64_t)(data.p[i] - '0');
    return tag;
}

MAYBE_UNUSED static struct artlog *kit_log(const char *dir, uint64_t segment_bytes, bool writable)
{
    struct artlog_options o = { .dir = dir, .segment_bytes = segment_bytes, .fsync = FSYNC_ALWAYS, .writable = writable };
    struct err e = { 0 };
    struct artlog *l = artlog_open(&o, &e);

    if (l == NULL)
        fail_msg("%s", e.text);
    return l;
}

/* Append n records tagged tag, tag+1, ...; -1 as artlog_append. */
MAYBE_UNUSED static int kit_append(struct artlog *l, uint64_t tag, unsigned n, size_t more, struct log_pos *first, struct err *e)
{
    struct artlog_item *item = xcalloc(n, sizeof *item), **list = xcalloc(n, sizeof *list);
    struct record_number *numbers = xcalloc(n, sizeof *numbers);
    struct buf *data = xcalloc(n, sizeof *data);
    int rc;

    for (unsigned i = 0; i < n; i++) {
        struct span all;

        kit_data(&data[i], tag + i, more + (tag + i) % 13);
        all = buf_span(&data[i]);
        numbers[i] = (struct record_number){ 1, tag + i };
        item[i].rec = (struct record){ .kind = RECORD_ARTICLE, .arrived_us = (int64_t)(tag + i) * 1000, .body = 1,
                                       .source = SPAN("kit"), .data = all, .numbers = &numbers[i], .n_numbers = 1 };
        /* in three pieces, the middle one sometimes empty */
        item[i].part[0] = (struct span){ all.p, all.n / 3 };
        item[i].part[1] = (struct span){ all.p + all.n / 3, i % 2 };
        item[i].part[2] = span_from(all, all.n / 3 + i % 2);
        list[i] = &item[i];
    }
    rc = artlog_append(l, list, n, e);
    if (first != NULL)
        *first = item[0].pos;
    for (unsigned i = 0; i < n; i++)
        buf_fini(&data[i]);
    free(data);
    free(numbers);
    free(item);
    free(list);
    return rc;
}

MAYBE_UNUSED static void kit_put(struct artlog *l, uint64_t tag, unsigned n, size_t more)
{
    struct err e = { 0 };

    if (kit_append(l, tag, n, more, NULL, &e) != 0 || artlog_sync(l, &e) != 0)
        fail_msg("%s", e.text);
    artlog_publish(l, artlog_next_seq(l) - 1);
}

/* Recovery, with what it told. */
struct kit_told {
    uint64_t n, articles, first_tag, last_tag, gone, damaged, snapshots;
    bool behind;
};

MAYBE_UNUSED static int kit_each(const struct record *r, const struct log_pos *pos, void *arg, struct err *e)
{
    struct kit_told *t = arg;
    uint64_t tag = kit_tag(r->data);

    (void)pos, (void)e;
    t->n++;
    t->snapshots += r->kind == RECORD_SNAPSHOT;
    t->gone += (r->flags & RECORD_GONE) != 0;
    t->damaged += (r->flags & RECORD_DAMAGED) != 0;
    if (r->kind != RECORD_ARTICLE || tag == 0)
        return 0;
    if (t->articles++ == 0)
        t->first_tag = tag;
    t->last_tag = tag;
    return 0;
}

MAYBE_UNUSED static int64_t kit_recover(struct artlog *l, uint64_t applied, struct log_pos end, struct kit_told *t, struct err *e)
{
    *t = (struct kit_told){ 0 };
    return artlog_recover(l, applied, &end, kit_each, t, &t->behind, e);
}

/* A log, open and empty or recovered from its beginning. */
MAYBE_UNUSED static struct artlog *kit_log_recovered(const char *dir, uint64_t segment_bytes, struct kit_told *t)
{
    struct artlog *l = kit_log(dir, segment_bytes, true);
    struct err e = { 0 };

    if (kit_recover(l, 0, (struct log_pos){ 0 }, t, &e) < 0)
        fail_msg("%s", e.text);
    artlog_publish(l, artlog_next_seq(l) - 1);
    return l;
}

MAYBE_UNUSED static char *kit_segment(const char *dir, unsigned n)
{
    return xasprintf("%s/%010u.seg", dir, n);
}

MAYBE_UNUSED static void kit_copy(const char *from, const char *to)
{
    size_t n;
    char *p = disk_slurp(from, (size_t)1 << 30, &n);
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(p != NULL && fd >= 0);
    assert_int_equal(write(fd, p, n), n);
    close(fd);
    free(p);
}

MAYBE_UNUSED static uint64_t kit_file_size(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

#endif
