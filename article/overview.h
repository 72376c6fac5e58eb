/* overview.h - the overview line of an article.
 *
 * Threads:  pure.  Standard: RFC 3977 8.3.2, 8.4.
 *
 * A stored line holds what follows the number: Subject, From, Date,
 * Message-ID, References, :bytes, :lines, and "Xref: ..." last, separated by
 * tabs, without CRLF.  A missing field is empty.
 */
#ifndef ARTICLE_OVERVIEW_H
#define ARTICLE_OVERVIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "article/header.h"
#include "lib/buf.h"
#include "lib/span.h"

/* The seven fields and the tab behind them; the writer adds the Xref field. */
void overview_write(struct buf *out, const struct headers *h, size_t bytes, size_t lines);

/* Field 0 (Subject) to 7 (Xref, with its name) of a line; false when it has not so many. */
bool overview_field(struct span line, int which, struct span *field);

/* Which overview field holds this header or ":bytes"/":lines"; -1: none. */
int overview_index(struct span name);

#endif
