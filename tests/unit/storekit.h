/* storekit.h - a small site to play with, for the tests of nntpd's store and intake. */
#ifndef TESTS_UNIT_STOREKIT_H
#define TESTS_UNIT_STOREKIT_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "article/overview.h"
#include "article/wire.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "nntpd/store_int.h"
#include "tests/kit.h"

#define MAYBE_UNUSED __attribute__((unused))

MAYBE_UNUSED static struct store_options site_options(const char *dir)
{
    return (struct store_options){ .directory = dir, .site = "news.test.example", .segment_bytes = 1 << 20,
                                   .cache_bytes = 8 << 20, .queue_bytes = 64 << 20, .fsync = FSYNC_ALWAYS,
                                   .claim_us = INT64_C(60000000) };
}

MAYBE_UNUSED static struct store *site_open(const char *dir)
{
    struct store_options o = site_options(dir);
    struct err e = { 0 };
    struct store *s = store_open(&o, NULL, NULL, &e);

    if (s == NULL)
        fail_msg("%s: %s", dir, e.text);
    return s;
}

/* Make a group, or change it when it is there. */
MAYBE_UNUSED static uint32_t site_group(struct store *s, const char *name, char flag, const char *alias)
{
    struct group_facts f = { .flag = flag, .created_us = 1, .name = span_of(name), .low = 1,
                             .alias = span_of(alias != NULL ? alias : ""), .creator = SPAN("test") };
    struct submission *sub = submission_group(s, &f);

    if (store_commit_wait(s, sub) != COMMIT_STORED)
        fail_msg("group %s: %s", name, sub->why);
    submission_free(&sub);
    return group_find(store_groups(s), span_of(name))->id;
}

/* An article as intake would submit it, to groups by their names ("a,b"). */
MAYBE_UNUSED static struct submission *site_article(struct store *s, const char *id, const char *groups, const char *body)
{
    struct submission *sub = submission_new();
    struct record *r = &sub->item.rec;
    struct span list = span_of(groups), name, digits, where;
    struct headers h;
    struct wire_facts facts;
    struct buf line = { 0 };
    size_t head, line_at;

    kit_article(&sub->bytes, body, "Message-ID", id, "Newsgroups", groups, NULL);
    assert_int_equal(wire_check(buf_span(&sub->bytes), &facts), WIRE_OK);
    head = facts.body - 2;
    assert_int_equal(headers_read(&h, (struct span){ buf_data(&sub->bytes), head }, &where), HDR_OK);
    r->kind = RECORD_ARTICLE;
    r->arrived_us = clock_now_us();
    r->key = msgid_key(store_key(s), span_of(id));
    r->body = (uint32_t)facts.body;
    r->lines = (uint32_t)facts.lines;
    r->msgid.at = (uint32_t)(hdr_body(&h, HDR_MESSAGE_ID).p - buf_data(&sub->bytes));
    r->msgid.len = (uint32_t)strlen(id);
    r->source = SPAN("test");
    overview_write(&line, &h, wire_bytes(buf_span(&sub->bytes)), facts.lines);
    assert_true(overview_field(buf_span(&line), 5, &digits));
    sub->size_at = (size_t)(digits.p - buf_data(&line));
    line_at = buf_len(&sub->bytes);
    r->data.n = line_at;
    buf_add_span(&sub->bytes, buf_span(&line));
    sub->item.part[0] = (struct span){ buf_data(&sub->bytes), head };
    sub->item.part[2] = (struct span){ buf_data(&sub->bytes) + head, line_at - head };
    sub->overview = (struct span){ buf_data(&sub->bytes) + line_at, buf_len(&line) };
    buf_fini(&line);
    sub->group = xcalloc(64, sizeof *sub->group);
    while (span_next(&list, ',', &name))
        sub->group[sub->n_groups++] = group_find(store_groups(s), name)->id;
    return sub;
}

/* Claim the id as intake would; the submission carries it. */
MAYBE_UNUSED static enum his_answer site_claim(struct store *s, struct submission *sub)
{
    struct his *h = store_history(s);
    struct err e;
    enum his_answer a = his_firm(h, &sub->item.rec.key, sub, false, &sub->claim);

    if (a == HIS_ASK && (a = his_look(h, &sub->item.rec.key, NULL, &e)) == HIS_NEW)
        a = his_firm(h, &sub->item.rec.key, sub, true, &sub->claim);
    return a;
}

MAYBE_UNUSED static enum commit_result site_store(struct store *s, const char *id, const char *groups, const char *body)
{
    struct submission *sub = site_article(s, id, groups, body);
    enum commit_result r = COMMIT_LATER;

    if (site_claim(s, sub) == HIS_NEW)
        r = store_commit_wait(s, sub);
    if (sub->claim != NULL)
        his_release(store_history(s), &sub->claim);
    submission_free(&sub);
    return r;
}

/* State of an id: 0 unknown, else enum his_state. */
MAYBE_UNUSED static int site_state(struct store *s, const char *id)
{
    struct his_entry entry;
    struct err e = { 0 };

    switch (store_find(s, span_of(id), &entry, &e)) {
    case HIS_SEEN:
        return (int)entry.state;
    case HIS_NEW:
        return 0;
    default:
        fail_msg("%s: %s", id, e.text);
        return -1;
    }
}

MAYBE_UNUSED static void tell_fault(const char *line, void *arg)
{
    (void)arg;
    print_message("fault: %s\n", line);
}

/* All that the log says is what the indexes say. */
MAYBE_UNUSED static void site_verify(struct store *s)
{
    struct err e = { 0 };
    int64_t n = store_verify(s, NULL, tell_fault, NULL, &e);

    if (n != 0)
        fail_msg("%lld faults %s", (long long)n, n < 0 ? e.text : "");
}

MAYBE_UNUSED static uint64_t site_high(struct store *s, const char *group)
{
    return atomic_load(&group_find(store_groups(s), span_of(group))->high);
}

MAYBE_UNUSED static bool add_row(struct span key, struct span value, void *arg)
{
    struct buf *out = arg;

    for (size_t i = 0; i < key.n; i++)
        buf_printf(out, "%02x", (unsigned char)key.p[i]);
    buf_puts(out, " = ");
    for (size_t i = 0; i < value.n; i++)
        buf_printf(out, "%02x", (unsigned char)value.p[i]);
    buf_puts(out, "\n");
    return true;
}

/* A group's row remembers, after a rebuild, numbers that were known before it: octets 32 to 39. */
MAYBE_UNUSED static bool add_group(struct span key, struct span value, void *arg)
{
    char row[512];

    assert_in_range(value.n, 40, sizeof row);
    memcpy(row, value.p, value.n);
    memset(row + 32, 0, 8);
    return add_row(key, (struct span){ row, value.n }, arg);
}

/* All rows of all trees, as text. */
MAYBE_UNUSED static char *dump(struct store *s)
{
    static const char *const trees[] = { "history", "groups", "overview", "waiting", "meta" };
    struct bdb_bulk bulk = { 0 };
    struct buf out = { 0 };
    struct err e = { 0 };
    size_t n;

    for (size_t i = 0; i < 5; i++) {
        struct bdb_tree *t = bdb_tree(s->ix.bdb, trees[i], &e);

        buf_printf(&out, "-- %s\n", trees[i]);
        if (bdb_scan(t, (struct span){ 0 }, (struct span){ 0 }, &bulk, i == 1 ? add_group : add_row, &out, &e) != 0)
            fail_msg("%s", e.text);
    }
    bdb_bulk_fini(&bulk);
    buf_add(&out, "", 1);
    return buf_steal(&out, &n);
}

MAYBE_UNUSED static void same(char *a, char *b)
{
    if (strcmp(a, b) != 0) {
        char *la, *lb, *sa, *sb;

        for (la = strtok_r(a, "\n", &sa), lb = strtok_r(b, "\n", &sb); la != NULL || lb != NULL;
             la = strtok_r(NULL, "\n", &sa), lb = strtok_r(NULL, "\n", &sb))
            if (la == NULL || lb == NULL || strcmp(la, lb) != 0)
                print_message("< %.300s\n> %.300s\n", la ? la : "", lb ? lb : "");
        fail_msg("the trees differ");
    }
    free(a);
    free(b);
}

/* Wait until the site is able to store again. */
MAYBE_UNUSED static void site_wait_well(struct store *s)
{
    char why[200];

    for (int i = 0; i < 3000; i++) {
        if (store_healthy(s, why, sizeof why))
            return;
        usleep(10000);
    }
    fail_msg("the site does not recover: %s", why);
}

/* ---- a disk that fails when told to ---- */

/* Which calls fail, and how: each touches only files whose path holds 'where'. */
struct bad_disk {
    const char *where;              /* NULL: nothing fails                                */
    int   error;                    /* errno                                              */
    long  after;                    /* calls that still work; counted down                */
    bool  once;                     /* only one call fails                                */
    long  calls;                    /* seen                                               */
};
static struct bad_disk bad_disk;
static struct lock bad_lock;
static const struct disk_ops *good;

/* Not all files are opened through the table: ask the kernel what a descriptor is. */
static const char *path_of(int fd, char out[512])
{
    char link[40];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, out, 511);
    out[n > 0 ? n : 0] = '\0';
    return out;
}

static bool fails(int fd, const char *path)
{
    int saved = errno;
    bool no = false;
    char buf[512];

    lock_get(&bad_lock);
    if (bad_disk.where != NULL && path == NULL)
        path = path_of(fd, buf);
    if (bad_disk.where != NULL && strstr(path, bad_disk.where) != NULL) {
        bad_disk.calls++;
        no = bad_disk.after-- <= 0;
        if (no && bad_disk.once)
            bad_disk.where = NULL;
    }
    if (no)
        saved = bad_disk.error;
    lock_put(&bad_lock);
    errno = saved;
    return no;
}

static int bad_open(const char *path, int flags, mode_t mode)
{
    if ((flags & O_ACCMODE) != O_RDONLY && fails(-1, path))
        return -1;
    return good->open(path, flags, mode);
}

static ssize_t bad_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    return fails(fd, NULL) ? -1 : good->pwritev(fd, v, n, at);
}

static int bad_fdatasync(int fd)
{
    return fails(fd, NULL) ? -1 : good->fdatasync(fd);
}

static int bad_fsync(int fd)
{
    return fails(fd, NULL) ? -1 : good->fsync(fd);
}

static int bad_ftruncate(int fd, off_t size)
{
    return fails(fd, NULL) ? -1 : good->ftruncate(fd, size);
}

static int bad_rename(const char *from, const char *to)
{
    return fails(-1, to) ? -1 : good->rename(from, to);
}

static struct disk_ops bad_ops;

/* Call it once, before anything is opened. */
MAYBE_UNUSED static void bad_disk_install(void)
{
    lock_init(&bad_lock, "bad disk");
    good = disk_table();
    bad_ops = *good;
    bad_ops.open = bad_open;
    bad_ops.pwritev = bad_pwritev;
    bad_ops.fdatasync = bad_fdatasync;
    bad_ops.fsync = bad_fsync;
    bad_ops.ftruncate = bad_ftruncate;
    bad_ops.rename = bad_rename;
    disk_use(&bad_ops);
}

MAYBE_UNUSED static void bad_disk_set(struct bad_disk b)
{
    lock_get(&bad_lock);
    bad_disk = b;
    lock_put(&bad_lock);
}

#endif
