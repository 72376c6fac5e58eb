/* import.h - articles from and to rnews batches ("#! rnews N" and N octets).
 *
 * Threads:  any that may block and has no event loop of its own running (the
 *           control threads, main): import runs a small loop inside.
 * Memory:   a window of articles being stored, IMPORT_WINDOW at most.
 *
 * Batches may be gzip'd; lines end in LF or CRLF.  Imported articles go through
 * intake's stages as relayed ones do, but their age is no fault and a Path that
 * begins with our name is left as it is.
 */
#ifndef NNTPD_IMPORT_H
#define NNTPD_IMPORT_H

#include "nntpd/intake.h"
#include "nntpd/store.h"

#define IMPORT_WINDOW 256

struct import_counts {
    uint64_t articles, stored, duplicate, refused, later;
    uint64_t bytes;
};

/* Called for each article that was not stored: its id ("" unknown) and why. */
typedef void import_tell_fn(struct span msgid, enum verdict v, const char *text, void *arg);

/* Read the batch at 'path' ("-": standard input) and store what is in it.  An
 * article that meets "later" is tried again for a while.  'progress' counts
 * octets of the file.  Return 0, or -1 (the file cannot be read on, or nothing
 * can be stored: what is counted has happened). */
int import_rnews(struct store *s, struct intake_rules *rules, const char *path, progress_fn *progress,
                 import_tell_fn *tell, void *arg, struct import_counts *counts, struct err *e) need_result;

/* Write all articles that can be read, in the order of the log, as a batch to
 * 'path' ("-": standard output; gzip'd when the name ends in ".gz").  'groups':
 * a wildmat, only articles in one of them; n 0: all.  Those that the log
 * holds damaged are left out and counted.  Return how many were written; -1: no file is left. */
int64_t export_rnews(struct store *s, const char *path, struct span groups, int64_t *damaged, progress_fn *progress,
                     void *arg, struct err *e);

#endif
