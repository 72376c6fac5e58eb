/* wildmat.h - patterns for group names.
 *
 * Threads:  pure.  Time: no worse than pattern length times text length, each
 *           item.  Standard: RFC 3977 4; sets [..] and \ as INN's uwildmat.
 */
#ifndef ARTICLE_WILDMAT_H
#define ARTICLE_WILDMAT_H

#include <stdbool.h>

#include "lib/span.h"

enum wildmat { WILDMAT_NO, WILDMAT_YES, WILDMAT_POISON };

bool wildmat_simple(struct span text, struct span pattern);           /* one pattern, "!" and "," are letters */
bool wildmat(struct span text, struct span list);                     /* "a,!b,c": the last that matches wins */
enum wildmat wildmat_poison(struct span text, struct span list);      /* "@x" too                             */

#endif
