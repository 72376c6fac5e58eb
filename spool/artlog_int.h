/* artlog_int.h - the article log's inside, shared by artlog*.c alone.
 *
 *     struct artlog --- table of segments (under 'lock'), each with at most one
 *        |              descriptor, counted users, and a sparse index
 *        +-- published: a word in a mapped file
 *        +-- the writer's end: touched by the committer's thread alone
 */
#ifndef SPOOL_ARTLOG_INT_H
#define SPOOL_ARTLOG_INT_H

#include <stdatomic.h>
#include <sys/uio.h>

#include "lib/lock.h"
#include "spool/artlog.h"

#define SEGMENT_MAGIC       UINT64_C(0x316765534C677246)   /* "FrgLSeg1" */
#define SEGMENT_MAJOR       1
#define SEGMENT_MINOR       0
#define SEGMENT_HEADER_SIZE 64
#define PUBLISHED_MAGIC     UINT64_C(0x6473627550677246)   /* "FrgPubsd" */
#define PUBLISHED_SIZE      4096
#define MARK_EVERY          1024      /* records between two entries of the sparse index */

struct segment_head {                 /* what a segment's first bytes say                 */
    uint32_t number, header_size;
    uint64_t first_seq;
    int64_t  first_arrived_us, created_us;
};

struct segment {
    struct artlog *log;
    uint32_t number;
    bool     known;                   /* 'head' has been read                             */
    bool     missing;                 /* was here once, is no more                        */
    struct segment_head head;
    int      fd;                      /* -1: closed                                       */
    _Atomic unsigned users;           /* of fd; grows below the lock                      */
    uint64_t used;                    /* turn of the last use: the oldest is closed first */
    uint64_t *mark;                   /* offset of the record first_seq + i * MARK_EVERY  */
    size_t   n_marks, cap_marks;
};

struct artlog {
    struct artlog_options o;          /* dir is ours                                      */
    struct lock lock;                 /* guards the table and all in its segments         */
    struct segment **seg;             /* by number, rising; freed only at close           */
    size_t   n_seg, cap_seg;
    unsigned n_open;
    uint64_t turn;
    _Atomic uint64_t *published;      /* mapped, little-endian                            */

    /* the writer's thread alone */
    struct segment *cur;              /* held; NULL: the next append begins one           */
    uint64_t next_seq, end;           /* of what was written                              */
    uint64_t kept_seq, kept;          /* of what artlog_sync answered 0 for               */
    uint64_t synced_seq;              /* of what is durable                               */
    uint32_t number_floor;            /* segments get numbers above it                    */
    uint64_t allocated;               /* blocks are there up to here                      */
    uint64_t filled;                  /* and zeros, synced, up to here: the file's size   */
    uint64_t fill_from;               /* no room was found: do not try before 'end' is here */
    bool     recovered;
    bool     dirty;                   /* written and not synced                           */
    bool     cut_due;                 /* truncate and sync before anything is written     */
    bool     name_due;                /* sync the directory before anything is written    */
    bool     lost;                    /* batches after 'kept' were cut: artlog_sync must say so */
    bool     fresh_segment;           /* the next append begins a segment                 */
    bool     no_prealloc;
    int64_t  synced_us;
    uint64_t cut_bytes;
    struct buf heads;
    struct iovec *iov;
    size_t   cap_iov;
    artlog_snapshot_fn *snapshot;
    void    *snapshot_arg;
};

/* ---- artlog_seg.c: the table ---- */
int  segment_scan(struct artlog *l, struct err *e);                  /* read the directory again     */
struct segment *segment_get(struct artlog *l, uint32_t number, struct err *e);   /* opened, counted  */
void segment_put(struct segment *s);
/* The segment in which 'seq' lies or would lie, else the first; *s NULL: there is none.  -1: trouble. */
int  segment_of_seq(struct artlog *l, uint64_t seq, struct segment **s, struct err *e);
/* The last segment begun at or before the time, else the first. */
int  segment_of_time(struct artlog *l, int64_t arrived_us, struct segment **s, struct err *e);
/* The first segment with a number above; *s NULL: there is none. */
int  segment_after(struct artlog *l, uint32_t number, struct segment **s, struct err *e);
int  segment_last(struct artlog *l, struct segment **s, struct err *e);
struct segment *segment_add(struct artlog *l, const struct segment_head *h, int fd);  /* just made; counted */
void segment_path(const struct artlog *l, uint32_t number, const char *suffix, char *out, size_t size);
void segment_head_pack(char out[SEGMENT_HEADER_SIZE], const struct segment_head *h);
/* The sparse index: note a record's place, if it is the next one wanted; find the nearest before 'seq'. */
void segment_mark(struct segment *s, uint64_t seq, uint64_t offset);
void segment_nearest(struct segment *s, uint64_t seq, uint64_t *at_seq, uint64_t *offset);
void segment_unmark(struct segment *s, uint64_t from_offset);
void segments_free(struct artlog *l);

/* ---- artlog_write.c ---- */
bool     write_ahead(const struct artlog *l);                        /* blocks or zeros behind the end */
uint32_t write_next_number(struct artlog *l);                        /* of the segment to come       */

#endif
