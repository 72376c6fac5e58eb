/* commit.c - the committer: numbers, Xref, append, fdatasync.
 *
 * One thread.  It takes whatever is queued as one batch (no timer, no minimum:
 * under load batches grow by themselves), gives group numbers in log order,
 * writes the Xref lines, appends with one write, makes it durable with one
 * fdatasync and hands it on to the applier, which works on it while the next
 * batch is written here.
 *
 * Numbers are a function of the records before: so a batch that failed gives
 * its numbers back, and group records are published before anything behind
 * them is numbered.  They, and the snapshot that begins a segment, wait until
 * nothing is unapplied ("drain").
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "nntpd/store_int.h"

struct batch {
    struct chain subs;
    size_t bytes;
};

static bool is_group(const struct submission *sub)
{
    return sub->item.rec.kind == RECORD_GROUP || sub->item.rec.kind == RECORD_UNGROUP;
}

/* Do both make or change a group of the same name?  Then one must see the other's id. */
static bool same_group(const struct submission *a, const struct submission *b)
{
    struct group_facts fa, fb;

    return a->item.rec.kind != RECORD_GROUP || b->item.rec.kind != RECORD_GROUP ||
           group_unpack(a->item.part[0], &fa) != 0 || group_unpack(b->item.part[0], &fb) != 0 ||
           span_eq(fa.name, fb.name);
}

static bool fits(const struct batch *b, const struct submission *sub)
{
    if (b->subs.n == 0)
        return true;
    if (b->subs.n >= BATCH_MOST || b->bytes + sub->size > BATCH_BYTES || is_group(sub) != is_group(b->subs.first))
        return false;
    if (is_group(sub))
        for (struct submission *o = b->subs.first; o != NULL; o = (struct submission *)(void *)o->mail.next)
            if (same_group(o, sub))
                return false;
    return true;
}

/* Under the lock. */
static void take_batch(struct store *s, struct batch *b)
{
    while (s->queue.first != NULL && fits(b, s->queue.first)) {
        b->bytes += s->queue.first->size;
        chain_add(&b->subs, chain_take(&s->queue));
    }
}

/* The database writes, too, and a start does: is there room for more than that? */
static int room(const struct store *s, struct err *e)
{
    struct statvfs fs;
    uint64_t left;

    if (s->o.reserve_bytes == 0 || statvfs(s->dir, &fs) != 0 || (left = (uint64_t)fs.f_bavail * fs.f_frsize) >= s->o.reserve_bytes)
        return 0;
    err_set(e, "%s: %llu MiB are left on the disk, disk-reserve wants %llu", s->dir, (unsigned long long)(left >> 20),
            (unsigned long long)(s->o.reserve_bytes >> 20));
    if (e != NULL)
        e->sys = ENOSPC;
    return -1;
}

/* Can the disk of the log be written again?  A file beside the segments finds out. */
static int probe(struct store *s, struct err *e)
{
    static const char block[65536];
    char path[4096];
    int fd, rc = 0;

    snprintf(path, sizeof path, "%s/log/probe", s->dir);
    if ((fd = disk_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640)) < 0)
        return err_sys(e, "%s", path);
    if (disk_write(fd, block, sizeof block, 0) != 0 || disk_sync(fd) != 0)
        rc = err_sys(e, "%s", path);
    disk_close(fd);
    disk_unlink(path);
    return rc;
}

/* While there is trouble, all that is queued is answered at once.  Called and
 * left with the lock held. */
static void wait_unwell(struct store *s)
{
    struct chain all;
    char why[sizeof s->log.why];
    int64_t left = s->log.on ? s->log.since_us + s->retry_us - clock_mono_us() : s->retry_us;
    struct err e;
    bool log_on = s->log.on, stopping = s->stopping;

    chain_init(&all);
    chain_join(&all, &s->queue);
    memcpy(why, log_on ? s->log.why : s->db.why, sizeof why);
    if (all.n > 0 || (log_on && left <= 0)) {
        lock_put(&s->lock);
        store_answer(s, &all, stopping ? COMMIT_STOPPED : COMMIT_LATER, why);
        if (log_on && left <= 0 && !stopping) {
            if (room(s, &e) == 0 && probe(s, &e) == 0)
                store_well(s, &s->log, "log");
            else
                store_trouble(s, &s->log, "log", &e);
        }
        lock_get(&s->lock);
    } else if (!stopping) {
        (void)cond_wait_us(&s->work, &s->lock, (long)left);
    }
}

/* Nothing to write; what was written may be due to be synced.  With the lock held. */
static void wait_interval(struct store *s)
{
    struct err e;

    if (cond_wait_us(&s->work, &s->lock, (long)s->o.fsync_interval_us) == 0)
        return;
    lock_put(&s->lock);
    if (artlog_sync(s->ix.log, &e) != 0)
        store_trouble(s, &s->log, "log", &e);
    lock_get(&s->lock);
}

/* For something to write, or for the applier: only who waits for that is told of it. */
static void wait_work(struct store *s)
{
    s->committer_waits = s->queue.first != NULL;
    cond_wait(&s->work, &s->lock);
}

/* Will the next batch begin a segment, with a snapshot of all that is published? */
static bool segment_due(const struct store *s)
{
    struct log_pos end;

    artlog_end(s->ix.log, &end);
    return end.offset == 0 || end.offset >= s->o.segment_bytes;
}

/* The next batch to write; false: the site is closing and all is written. */
static bool next_batch(struct store *s, struct batch *b)
{
    unsigned most = s->drain || segment_due(s) ? 1 : UNAPPLIED_MOST;

    *b = (struct batch){ .bytes = 0 };
    chain_init(&b->subs);
    lock_get(&s->lock);
    while (b->subs.n == 0 && !(s->stopping && s->queue.first == NULL)) {
        if (s->log.on || s->db.on)
            wait_unwell(s);
        else if (s->queue.first == NULL && s->o.fsync == FSYNC_INTERVAL)
            wait_interval(s);
        else if (s->queue.first == NULL || s->unapplied >= most)
            wait_work(s);
        else
            take_batch(s, b);
    }
    s->committer_waits = false;
    lock_put(&s->lock);
    return b->subs.n > 0;
}

/* Give the article its numbers.  false: none of its groups is there any more. */
static bool number_article(struct store *s, struct submission *sub)
{
    struct record *r = &sub->item.rec;
    unsigned n = 0;

    sub->numbers = xcalloc(sub->n_groups + 1, sizeof *sub->numbers);
    buf_clear(&sub->xref);
    buf_add_span(&sub->xref, sub->item.part[0]);
    buf_printf(&sub->xref, "Xref: %s", s->site);
    for (unsigned i = 0; i < sub->n_groups; i++) {
        const struct group *g = group_by_id(s->ix.groups, sub->group[i]);

        if (g == NULL || atomic_load(&g->removed))
            continue;
        sub->numbers[n] = (struct record_number){ .group = g->id, .number = group_number(s->ix.groups, g->id) };
        buf_printf(&sub->xref, " %s:%llu", g->name, (unsigned long long)sub->numbers[n++].number);
    }
    buf_puts(&sub->xref, "\r\n");
    r->numbers = sub->numbers;
    r->n_numbers = n;
    return n > 0;
}

/* Put the Xref line between the headers and the blank line: the head is one
 * run of bytes then, as it will be on disk. */
static void place_xref(struct submission *sub)
{
    struct artlog_item *it = &sub->item;
    size_t added = buf_len(&sub->xref) - it->part[0].n;

    need(it->part[2].n >= 2);
    sub->xref_n = added;
    buf_add(&sub->xref, it->part[2].p, 2);
    it->part[0] = buf_span(&sub->xref);
    it->part[1] = (struct span){ 0 };
    it->part[2] = span_from(it->part[2], 2);
    it->rec.body += (uint32_t)added;
    it->rec.data.n = it->part[0].n + it->part[2].n;
}

/* A new group gets its id; one that is there by now is changed instead. */
static void name_group(struct store *s, struct submission *sub)
{
    struct group_facts f;
    const struct group *g;

    if (group_unpack(sub->item.part[0], &f) != 0)
        bug("a group submission that does not unpack");
    if (f.id != GROUP_NEW)
        return;
    g = group_find(s->ix.groups, f.name);
    f.id = g != NULL ? g->id : group_next_id(s->ix.groups);
    group_pack(&sub->xref, &f);
    sub->item.part[0] = buf_span(&sub->xref);
    sub->item.rec.data.n = sub->item.part[0].n;
}

/* Make the batch's records final; those whose groups are gone leave it. */
static void number_batch(struct store *s, struct batch *b)
{
    struct chain all = { 0 }, homeless;
    struct submission *sub;

    chain_init(&all);
    chain_init(&homeless);
    chain_join(&all, &b->subs);
    while ((sub = chain_take(&all)) != NULL) {
        if (sub->item.rec.kind == RECORD_ARTICLE && !number_article(s, sub)) {
            chain_add(&homeless, sub);
            continue;
        }
        if (sub->item.rec.kind == RECORD_ARTICLE)
            place_xref(sub);
        else if (sub->item.rec.kind == RECORD_GROUP)
            name_group(s, sub);
        chain_add(&b->subs, sub);
    }
    store_answer(s, &homeless, COMMIT_NO_GROUP, "its newsgroups have gone away");
}

/* Arrival is when the numbers are given: RFC 3977 6 wants both in one order. */
static void stamp_batch(struct store *s, struct batch *b)
{
    int64_t now;

    lock_get(&s->lock);
    now = clock_now_us();
    if (s->unapplied == 0)
        s->safe_us = now;
    s->writing = true;
    lock_put(&s->lock);
    for (struct submission *sub = b->subs.first; sub != NULL; sub = (struct submission *)(void *)sub->mail.next)
        if (sub->arrives)
            sub->item.rec.arrived_us = now;
}

static int write_batch(struct store *s, struct batch *b, struct err *e)
{
    struct artlog_item *items[BATCH_MOST];
    int64_t t0 = clock_mono_us(), t1;
    unsigned n = 0;
    int rc;

    for (struct submission *sub = b->subs.first; sub != NULL; sub = (struct submission *)(void *)sub->mail.next)
        items[n++] = &sub->item;
    if (room(s, e) != 0 || artlog_append(s->ix.log, items, n, e) != 0)
        return -1;
    t1 = clock_mono_us();
    rc = artlog_sync(s->ix.log, e);
    lock_get(&s->lock);
    s->counts.append_us += t1 - t0;
    s->counts.sync_us += clock_mono_us() - t1;
    lock_put(&s->lock);
    return rc;
}

/* It is durable: the applier's turn; or ours, when it is one alone and neither of us has more to do. */
static void hand_on(struct store *s, struct batch *b)
{
    bool here, ready;

    s->drain = is_group(b->subs.first);
    lock_get(&s->lock);
    s->counts.batches++;
    if (b->subs.n > s->counts.largest_batch)
        s->counts.largest_batch = b->subs.n;
    here = b->subs.n == 1 && !s->applying && !s->keeper_waits && s->durable.first == NULL && s->queue.first == NULL && !s->db.on;
    s->unapplied += b->subs.n;
    s->writing = false;
    if (here) {
        s->applying = true;
        lock_put(&s->lock);
        applier_do(s, &b->subs);
        lock_get(&s->lock);
        s->applying = false;
        if (s->keeper_waits)
            cond_signal(&s->turn);
    }
    chain_join(&s->durable, &b->subs);
    ready = s->durable.first != NULL || s->db.on;
    lock_put(&s->lock);
    if (ready)
        cond_signal(&s->ready);
}

/* A segment begins (within artlog_append): all groups, as of the record before. */
void committer_snapshot(struct buf *data, void *arg)
{
    struct store *s = arg;

    lock_get(&s->lock);
    s->committer_waits = true;
    while (s->unapplied > 0)
        cond_wait(&s->work, &s->lock);
    s->committer_waits = false;
    lock_put(&s->lock);
    groups_snapshot(s->ix.groups, data);
}

void *committer_run(void *arg)
{
    struct store *s = arg;
    struct batch b;
    struct err e;

    while (next_batch(s, &b)) {
        number_batch(s, &b);
        if (b.subs.n == 0)
            continue;
        stamp_batch(s, &b);
        if (write_batch(s, &b, &e) == 0) {
            groups_keep_numbers(s->ix.groups);
            hand_on(s, &b);
            continue;
        }
        groups_forget_numbers(s->ix.groups);
        lock_get(&s->lock);
        s->writing = false;
        lock_put(&s->lock);
        store_trouble(s, &s->log, "log", &e);
        store_answer(s, &b.subs, COMMIT_LATER, e.text);
    }
    lock_get(&s->lock);
    s->committed_all = true;
    cond_signal(&s->ready);
    lock_put(&s->lock);
    return NULL;
}
