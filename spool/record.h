/* record.h - a record of the article log, in memory and in bytes.
 *
 * Threads:  pure.  The byte tables: doc/formats.md.
 *
 * On disk:   header (fixed, little-endian) | meta | data | padding to 8
 *   meta     the kind's own facts: (group id, number) pairs, the source's name, ...
 *   data     an article in wire form, or what the kind says
 * The header's checksum covers header, meta and the record's own place
 * (sequence); the data's checksum is apart, so that data can be punched out
 * later and the record still be walked over.
 */
#ifndef SPOOL_RECORD_H
#define SPOOL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "article/msgid.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/span.h"

#define RECORD_MAGIC       UINT32_C(0x63655246)   /* "FRec" */
#define RECORD_MAJOR       1
#define RECORD_MINOR       3
#define RECORD_HEADER_SIZE 128

enum record_kind {
    RECORD_ARTICLE  = 1,   /* data: the article; meta: numbers and source                    */
    RECORD_REFUSED  = 2,   /* an id to be remembered; data: the reason, a sentence           */
    RECORD_CANCEL   = 3,   /* the article 'key' goes; data: the reason                       */
    RECORD_GROUP    = 4,   /* a group made or changed; data: spool/group.h group_pack        */
    RECORD_UNGROUP  = 5,   /* a group removed; meta: its id                                  */
    RECORD_SNAPSHOT = 6,   /* all groups and their marks; first in each segment              */
    RECORD_REMOVED  = 7,   /* articles whose data was punched out; data: record_removed_next */
    RECORD_FORGET   = 8    /* ids that are not kept and came before a day; data: record_forget_day */
};

enum {                     /* record.flags */
    RECORD_LOCAL   = 1 << 0,   /* injected here, not received from a peer                    */
    RECORD_CONTROL = 1 << 1,   /* a control message                                          */
    RECORD_GONE    = 1 << 2,   /* set when read: the data is no more: 'data', 'body' and the
                                  ranges are empty; numbers, key and the rest are good       */
    RECORD_DAMAGED = 1 << 3,   /* beside GONE: not punched out, but does not match its sum   */
    /* about the names in Newsgroups, as this site had them when the article came (since minor 1) */
    RECORD_GROUPS    = 1 << 4, /* the next four were looked at; without it they say nothing  */
    RECORD_KNOWN     = 1 << 5, /* one is a group of this site                                */
    RECORD_UNKNOWN   = 1 << 6, /* one is not (those that a newgroup or its like is about apart) */
    RECORD_MODERATED = 1 << 7, /* one is moderated, and the article went there               */
    RECORD_JUNK      = 1 << 8  /* it went to "junk"                                          */
};

enum record_cancels {      /* does an article take another one away (cancel, Supersedes)?      */
    CANCELS_NOTHING = 0,
    CANCELS_BY_KEY  = 1,   /* the target, if a key of this one opens a lock of it              */
    CANCELS_ALL     = 2    /* the same, and a target without locks                             */
};

struct record_number {     /* the article is 'number' in group 'group' */
    uint32_t group;
    uint64_t number;
};

struct record_range { uint32_t at, len; };   /* in data; len 0: absent */

struct record {
    enum record_kind kind;
    uint16_t  flags;
    uint64_t  seq;             /* never reused; dense in the log                             */
    uint64_t  synced;          /* all up to this one was durable when the record was written:
                                  if it is not whole now, it was damaged later, not torn     */
    int64_t   arrived_us;      /* since 1970                                                 */
    struct msgid_key key;      /* of history; zero when the kind has none                    */
    uint32_t  body;            /* offset in data of the first byte after the blank line      */
    uint32_t  lines;           /* lines of the body                                          */
    struct record_range path, newsgroups, distribution, msgid;   /* field bodies, in data    */
    const struct record_number *numbers;
    unsigned  n_numbers;
    enum record_cancels cancels;
    struct msgid_key target;   /* with 'cancels': the key of the article that is to go         */
    struct span locks, keys;   /* an article's marks (article/canlock.h), as many as CANLOCK_MOST */
    struct span source;        /* "peer news.example.org 192.0.2.1", "post <user>", "import" */
    struct span data;
};

/* Where a record lies. */
struct log_pos {
    uint32_t segment;          /* from 1; 0: nowhere                                         */
    uint64_t offset;           /* of the record's header                                     */
    uint32_t size;             /* header, meta, data and padding                             */
};

/* Size of header and meta, and of all on disk; the caller has filled all of 'r' but seq and synced. */
size_t record_head_size(const struct record *r);
size_t record_size(const struct record *r);

/* Write header and meta to 'out' (data and padding follow it on disk). */
void record_pack(struct buf *out, const struct record *r, uint32_t data_crc);

/* What became of reading one. */
enum record_fault {
    RECORD_OK,
    RECORD_SHORT,      /* more bytes are needed than there are (a torn end, or not yet written) */
    RECORD_BAD         /* magic, version, checksum or lengths are wrong                         */
};

/* Read the record at 'bytes'.  Spans point into 'bytes', the numbers are unpacked
 * into 'numbers' (room for 'most'; more is RECORD_BAD: at most RECORD_NUMBERS_MAX).
 * numbers NULL: they are left out.  expect_seq 0: whatever it is.  'check_data' also
 * sums the data: all zero and not matching is RECORD_OK with RECORD_GONE, another
 * mismatch RECORD_BAD.  *size is the size on disk when RECORD_OK. */
#define RECORD_NUMBERS_MAX 1024
enum record_fault record_read(struct record *r, struct span bytes, uint64_t expect_seq, bool check_data,
                              struct record_number *numbers, unsigned most, size_t *size);

/* The same without the data, which need not be in 'bytes': r->data.p is NULL, r->data.n its
 * length; *data_at is where it begins, counted from the header. */
enum record_fault record_read_head(struct record *r, struct span bytes, uint64_t expect_seq,
                                   struct record_number *numbers, unsigned most, size_t *data_at, size_t *size);

/* Only the lengths: how big is the record whose first RECORD_HEADER_SIZE bytes these are?  0: no header. */
size_t record_size_of(const char header[RECORD_HEADER_SIZE]);

/* Empty the data of a record that was read, as RECORD_GONE promises. */
void record_set_gone(struct record *r, uint16_t flags);

/* Step through a RECORD_REMOVED's ranges of sequence numbers, first <= last.  Start
 * with *at = 0; false at the end or at a range that makes no sense. */
bool record_removed_next(struct span data, size_t *at, uint64_t *first, uint64_t *last);
void record_removed_add(struct buf *data, uint64_t first, uint64_t last);

/* The day (since 1970) of a RECORD_FORGET.  false: the data is not that. */
bool record_forget_day(struct span data, uint32_t *day);
void record_forget_pack(struct buf *data, uint32_t day);

#endif
