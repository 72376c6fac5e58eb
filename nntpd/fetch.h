/* fetch.h - articles for readers: by id or by place, whole or their head.
 *
 * Threads:  on the lane: all of it may wait for the disk.
 * Memory:   what is returned lives in the caller's buf.
 */
#ifndef NNTPD_FETCH_H
#define NNTPD_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/span.h"
#include "nntpd/store.h"
#include "nntpd/who.h"

/* Where is the article with this id?  1 found and readable with these rights
 * (in one of its groups at least), 0 not there, -1 trouble. */
int fetch_find(struct store *s, const struct rights *r, struct span id, struct log_pos *pos, struct err *e);

/* Its head: the bytes before the blank line, in wire form, at the front of
 * 'b'; *body is the offset in the article behind the blank line.  1, 0 when the
 * bytes are gone, -1. */
int fetch_head(struct store *s, const struct log_pos *pos, struct buf *b, struct span *head, uint64_t *body, struct err *e);

/* Its overview line (what follows the number), made from the article. */
int fetch_overview(struct store *s, const struct log_pos *pos, struct buf *line, struct err *e);

#endif
