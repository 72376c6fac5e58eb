/* import.c - articles from and to rnews batches.
 *
 * Import keeps a window of articles on their way, so that they share syncs;
 * answers come back through a mailbox and an event loop of its own.  It is the
 * one reader of zlib's gzFile, which reads plain files as well.
 */
#include "nntpd/import.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "article/wildmat.h"
#include "article/wire.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/mem.h"

#define ARTICLE_MOST  (UINT64_C(1) << 30)
#define PROGRESS_EACH 256
#define LATER_WAIT_US INT64_C(60000000)     /* "later" for so long: give up */
#define LATER_TELL_US INT64_C(1000000)

struct import {
    struct store         *s;
    struct intake_rules  *rules;
    const char           *path;
    gzFile                in;
    struct event_base    *base;
    struct mailbox       *home;
    unsigned              away;              /* articles on their way           */
    int64_t               later_since_us;    /* 0: not waiting                  */
    int64_t               told_us;           /* that we are                     */
    bool                  given_up;          /* it lasted too long              */
    bool                  closing;           /* the site is                     */
    bool                  broken_off;        /* nobody wants it any more        */
    struct import_counts *counts;
    progress_fn          *progress;
    import_tell_fn       *tell;
    void                 *arg;
    uint64_t              size;
};

/* One article, kept until it has an answer other than "later". */
struct imported {
    struct import *im;
    struct buf     wire;
};

/* ---- reading ---- */

static int file_error(const struct import *im, struct err *e)
{
    int code;
    const char *text = gzerror(im->in, &code);

    return code == Z_ERRNO ? err_sys(e, "%s", im->path) : err_set(e, "%s: %s", im->path, text);
}

/* The next "#! rnews N" line; blank ones before it count for nothing.  1, 0 at the end, -1. */
static int read_mark(struct import *im, uint64_t *n, struct err *e)
{
    char line[80];
    struct span rest;
    int code;

    do {
        if (gzgets(im->in, line, sizeof line) == NULL) {
            (void)gzerror(im->in, &code);
            return gzeof(im->in) && code == Z_OK ? 0 : file_error(im, e);
        }
        rest = span_trim((struct span){ line, strcspn(line, "\r\n") });
    } while (rest.n == 0);
    if (!span_starts(rest, SPAN("#! rnews ")) || span_u64(span_trim(span_from(rest, 9)), n) != 0 || *n > ARTICLE_MOST)
        return err_set(e, "%s: article %llu does not begin with \"#! rnews N\"", im->path,
                       (unsigned long long)im->counts->articles + 1);
    return 1;
}

/* The next article, as text.  1, 0 at the end, -1. */
static int read_text(struct import *im, struct buf *text, struct err *e)
{
    uint64_t n;
    int rc = read_mark(im, &n, e), got;

    if (rc != 1)
        return rc;
    buf_clear(text);
    if (!buf_reserve(text, n + 1))
        return err_set(e, "no memory for an article of %llu octets", (unsigned long long)n);
    if ((got = gzread(im->in, text->p + text->end, (unsigned)n)) < 0)
        return file_error(im, e);
    if ((uint64_t)got < n)
        return err_set(e, "%s ends within article %llu", im->path, (unsigned long long)im->counts->articles + 1);
    text->end += n;
    return 1;
}

/* ---- storing ---- */

static void send_in(struct imported *a);

/* Turn the loop until something has come back. */
static void turn(struct import *im)
{
    event_base_loop(im->base, EVLOOP_ONCE);
}

static void count(struct import *im, const struct intake *in)
{
    enum verdict v = intake_verdict(in);

    if (v != V_LATER && v != V_BUSY)
        im->later_since_us = 0;
    if (v == V_STORED)
        im->counts->stored++;
    else if (v == V_DUPLICATE)
        im->counts->duplicate++;
    else
        im->counts->refused++;
    if (v != V_STORED && im->tell != NULL)
        im->tell(intake_msgid(in), v, intake_text(in), im->arg);
}

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    send_in(arg);
}

/* May those that heard "later" wait on?  Who asked for the import hears of it, and may be gone; so may the site. */
static bool wait_on(struct import *im)
{
    int64_t now = clock_mono_us();

    if (im->later_since_us == 0)
        im->later_since_us = im->told_us = now;
    im->given_up |= now - im->later_since_us > LATER_WAIT_US;
    if (now - im->told_us > LATER_TELL_US) {
        im->told_us = now;
        if (im->progress != NULL && !im->progress("waiting, the site cannot store", (uint64_t)gzoffset(im->in), im->size, im->arg))
            im->broken_off = true;
    }
    return !im->given_up && !im->broken_off && !im->closing;
}

/* "Later" is waited for, not counted, as long as it does not last. */
static bool try_again(struct imported *a)
{
    struct import *im = a->im;
    struct timeval pause = { .tv_usec = 100000 };

    if (!wait_on(im))
        return false;
    event_base_once(im->base, -1, EV_TIMEOUT, on_pause, a, &pause);
    return true;
}

static void on_done(struct intake *in, void *user)
{
    struct imported *a = user;
    struct import *im = a->im;
    enum verdict v = intake_verdict(in);
    bool later = v == V_LATER || v == V_BUSY;

    if (later && try_again(a)) {
        intake_free(&in);
        return;
    }
    count(im, in);
    im->counts->later += later;
    im->counts->refused -= later;
    im->closing |= v == V_STOPPING;
    im->away--;
    intake_free(&in);
    buf_fini(&a->wire);
    free(a);
}

static void send_in(struct imported *a)
{
    static const struct intake_sender sender = { .source = "import", .address = "" };
    struct import *im = a->im;
    size_t n = buf_len(&a->wire);
    char *copy = malloc(n + 1);

    if (copy == NULL)
        die(1, "import: no memory for an article of %zu octets", n);
    memcpy(copy, buf_data(&a->wire), n);
    intake_run(intake_new(im->s, im->rules, NULL, im->home, WAY_IMPORT, &sender, copy, n, n, (struct span){ 0 }, NULL,
                          on_done, a));
}

static void import_one(struct import *im, const struct buf *text)
{
    struct imported *a = xcalloc(1, sizeof *a);

    a->im = im;
    wire_from_text(&a->wire, buf_span((struct buf *)(uintptr_t)text));
    im->counts->articles++;
    im->counts->bytes += buf_len(&a->wire);
    im->away++;
    send_in(a);
}

static void tell_progress(struct import *im)
{
    if (im->progress != NULL && im->counts->articles % PROGRESS_EACH == 0 &&
        !im->progress("importing", (uint64_t)gzoffset(im->in), im->size, im->arg))
        im->broken_off = true;
}

static int import_all(struct import *im, struct err *e)
{
    struct buf text = { 0 };
    int rc = 0;

    while (!im->given_up && !im->closing && !im->broken_off && (rc = read_text(im, &text, e)) == 1) {
        import_one(im, &text);
        tell_progress(im);
        while (im->away >= IMPORT_WINDOW)
            turn(im);
    }
    while (im->away > 0)
        turn(im);
    buf_fini(&text);
    if (rc >= 0 && im->broken_off)
        rc = err_set(e, "broken off");
    if (rc >= 0 && im->closing)
        rc = err_set(e, "the site is closing");
    if (rc >= 0 && im->counts->later > 0)
        rc = err_set(e, "the site could not store for a minute; %llu articles are left out",
                     (unsigned long long)im->counts->later);
    return rc < 0 ? -1 : 0;
}

static gzFile open_in(const char *path, uint64_t *size, struct err *e)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    int64_t n;
    gzFile f;

    if (fd < 0) {
        err_sys(e, "%s", path);
        return NULL;
    }
    n = disk_size(fd);
    *size = n > 0 ? (uint64_t)n : 0;
    if ((f = gzdopen(fd, "rb")) == NULL) {
        close(fd);
        err_set(e, "%s: no memory", path);
        return NULL;
    }
    gzbuffer(f, 1u << 17);
    return f;
}

int import_rnews(struct store *s, struct intake_rules *rules, const char *path, progress_fn *progress,
                 import_tell_fn *tell, void *arg, struct import_counts *counts, struct err *e)
{
    struct import im = { .s = s, .rules = rules, .path = path, .counts = counts,
                         .progress = progress, .tell = tell, .arg = arg };
    int rc;

    *counts = (struct import_counts){ 0 };
    if ((im.in = open_in(path, &im.size, e)) == NULL)
        return -1;
    if ((im.base = loop_try()) == NULL || (im.home = mailbox_try(im.base)) == NULL)
        rc = err_set(e, "import: no descriptor to be had");
    else
        rc = import_all(&im, e);
    mailbox_free(&im.home);
    if (im.base != NULL)
        event_base_free(im.base);
    gzclose(im.in);
    return rc;
}

/* ---- export ---- */

static bool wanted(struct store *s, const struct record *r, struct span groups)
{
    if (r->kind != RECORD_ARTICLE || (r->flags & RECORD_GONE) != 0)
        return false;
    for (unsigned i = 0; i < r->n_numbers; i++) {
        const struct group *g = group_by_id(store_groups(s), r->numbers[i].group);

        if (groups.n == 0 || (g != NULL && wildmat(span_of(g->name), groups)))
            return true;
    }
    return false;
}

/* Is it still what history points to (not cancelled)? */
static int is_kept(struct store *s, const struct record *r, struct err *e)
{
    struct his_entry entry;

    switch (his_look(store_history(s), &r->key, &entry, e)) {
    case HIS_SEEN:
        return entry.state == HIS_KEPT && entry.seq == r->seq;
    case HIS_FAILED:
        return -1;
    default:
        return 0;
    }
}

static int write_article(gzFile out, const char *path, struct span wire, struct buf *text, struct err *e)
{
    char mark[40];
    int n;

    buf_clear(text);
    wire_to_text(text, wire);
    n = snprintf(mark, sizeof mark, "#! rnews %zu\n", buf_len(text));
    if (gzwrite(out, mark, (unsigned)n) != n ||
        gzwrite(out, buf_data(text), (unsigned)buf_len(text)) != (int)buf_len(text))
        return err_sys(e, "%s", path);
    return 0;
}

struct export {
    struct store *s;
    gzFile        out;
    const char   *path;
    struct span   groups;
    struct buf    text;
    int64_t       n, damaged;
};

static int export_record(struct export *x, const struct record *r, struct err *e)
{
    bool damaged = r->kind == RECORD_ARTICLE && (r->flags & RECORD_DAMAGED) != 0;
    int kept = damaged || wanted(x->s, r, x->groups) ? is_kept(x->s, r, e) : 0;

    if (kept <= 0)
        return kept;
    if (damaged) {
        x->damaged++;
        return 0;
    }
    x->n++;
    return write_article(x->out, x->path, r->data, &x->text, e);
}

static int export_all(struct export *x, progress_fn *progress, void *arg, struct err *e)
{
    struct artlog *l = store_log(x->s);
    uint64_t first = artlog_first_seq(l), last = artlog_published(l);
    struct log_reader *in = log_reader_new(l, first);
    struct log_pos pos;
    struct record r;
    int rc = 0;

    while (log_reader_seq(in) <= last && (rc = log_reader_next(in, &r, &pos, e)) == 1) {
        if ((rc = export_record(x, &r, e)) != 0)
            break;
        if (progress != NULL && (r.seq - first) % PROGRESS_RECORDS == 0 &&
            !progress("exporting", r.seq - first, last - first + 1, arg)) {
            rc = err_set(e, "broken off");
            break;
        }
    }
    log_reader_free(&in);
    if (rc >= 0 && progress != NULL)
        (void)progress("exporting", last + 1 - first, last + 1 - first, arg);
    return rc < 0 ? -1 : 0;
}

static gzFile open_out(const char *path, struct err *e)
{
    size_t n = strlen(path);
    bool packed = n > 3 && strcmp(path + n - 3, ".gz") == 0;
    int fd = strcmp(path, "-") == 0 ? dup(STDOUT_FILENO) : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    gzFile f = fd >= 0 ? gzdopen(fd, packed ? "wb" : "wbT") : NULL;

    if (f == NULL) {
        err_sys(e, "%s", path);
        if (fd >= 0)
            close(fd);
    }
    return f;
}

int64_t export_rnews(struct store *s, const char *path, struct span groups, int64_t *damaged, progress_fn *progress,
                     void *arg, struct err *e)
{
    struct export x = { .s = s, .path = path, .groups = groups };
    struct stat st;
    int rc;

    if ((x.out = open_out(path, e)) == NULL)
        return -1;
    rc = export_all(&x, progress, arg, e);
    if (gzclose(x.out) != Z_OK && rc == 0)
        rc = err_sys(e, "%s", path);
    buf_fini(&x.text);
    if (rc != 0 && lstat(path, &st) == 0 && S_ISREG(st.st_mode))
        (void)unlink(path);                /* half a batch is none, and the disk may be full of it */
    *damaged = x.damaged;
    return rc == 0 ? x.n : -1;
}
