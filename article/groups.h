/* groups.h - newsgroup names and lists of them.
 *
 * Threads:  pure.  Standard: RFC 5536 3.1.4; blanks and folds separate as commas do (INN).
 */
#ifndef ARTICLE_GROUPS_H
#define ARTICLE_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/span.h"

#define GROUP_NAME_MAX 460      /* octets; "211 count low high name" fits 512 (RFC 3977 3.1) */

bool group_name_valid(struct span name);               /* RFC 5536 3.1.4, UTF-8 not allowed */

/* Step through a Newsgroups (or Distribution, Followup-To) body; empty items
 * are passed over.  Start with *at = 0. */
bool groups_next(struct span list, size_t *at, struct span *name);
size_t groups_count(struct span list);

/* Does a site want an article with these Distribution values?  Each is asked for
 * among the rules ("world", "!local", "eu*"), the last that fits counts; one
 * that none fits is wanted only when some rule has "!".  One wanted value is
 * enough; no rules, or no values, is yes.  Case-blind (RFC 5536 3.2.4; INN's
 * rules, and wildcards). */
bool distribution_wanted(char *const *rule, size_t n, struct span values);

#endif
