/* fillkit.h - a site with two groups, articles by number, and a disk that can be told to fail. */
#ifndef FILLKIT_H
#define FILLKIT_H

#include "lib/bdb.h"
#include "lib/bdb_route.h"
#include "nntpd/store_int.h"
#include "tests/unit/storekit.h"

static const char *id_of(unsigned n)
{
    static char ring[8][64];
    static unsigned turn;
    char *p = ring[turn++ % 8];

    snprintf(p, 64, "<%u@store.example>", n);
    return p;
}

static struct store *site_with_groups(const char *dir)
{
    struct store *s = site_open(dir);

    lock_get(&s->lock);
    s->retry_us = 20000;
    lock_put(&s->lock);
    site_group(s, "misc.test", 'y', NULL);
    site_group(s, "misc.other", 'y', NULL);
    return s;
}

MAYBE_UNUSED static void store_some(struct store *s, unsigned from, unsigned n)
{
    for (unsigned i = from; i < from + n; i++)
        assert_int_equal(site_store(s, id_of(i), i % 3 == 0 ? "misc.test,misc.other" : "misc.test", "body\r\n"),
                         COMMIT_STORED);
}

MAYBE_UNUSED static void cancel(struct store *s, const char *id)
{
    struct submission *sub = submission_cancel(s, span_of(id), "because");

    assert_int_equal(store_commit_wait(s, sub), COMMIT_STORED);
    submission_free(&sub);
}

/* Read an article back and compare its body. */
MAYBE_UNUSED static void readable(struct store *s, const char *id)
{
    struct record_number numbers[64];
    struct his_entry h;
    struct buf scratch = { 0 };
    struct log_pos pos;
    struct record r;
    struct err e = { 0 };

    assert_int_equal(store_find(s, span_of(id), &h, &e), HIS_SEEN);
    assert_int_equal(h.state, HIS_KEPT);
    pos = (struct log_pos){ .segment = h.segment, .offset = h.offset, .size = h.size };
    if (artlog_read(store_log(s), &pos, &r, numbers, 64, &scratch, &e) != 0)
        fail_msg("%s: %s", id, e.text);
    assert_int_equal(r.flags & RECORD_GONE, 0);
    assert_true(span_eq((struct span){ r.data.p + r.msgid.at, r.msgid.len }, span_of(id)));
    buf_fini(&scratch);
}

static int quiet(void **state)
{
    struct err e;

    (void)state;
    bdb_route();
    bad_disk_install();
    return log_open("test", getenv("VERBOSE") ? LOG_DEBUG : LOG_ERROR, getenv("VERBOSE") ? NULL : "/dev/null", &e);
}

#endif
