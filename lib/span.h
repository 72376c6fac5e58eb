/* span.h - a piece of somebody else's bytes.
 *
 * Threads:  pure.  Memory: a span owns nothing; it lives as long as the bytes.
 * Letters are compared as ASCII, whatever the locale.
 */
#ifndef LIB_SPAN_H
#define LIB_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const char *p;   /* may be NULL when n is 0; NULL also says "absent" */
    size_t      n;
};

#define SPAN(lit) ((struct span){ (lit), sizeof (lit) - 1 })
#define SPAN_F(s) (int)(s).n, (s).p   /* for "%.*s" */

struct span span_of(const char *s);                        /* of a C string            */
bool span_eq(struct span a, struct span b);
bool span_ieq(struct span a, struct span b);               /* ASCII case folded        */
bool span_starts(struct span s, struct span head);
bool span_istarts(struct span s, struct span head);
struct span span_trim(struct span s);                      /* blanks and tabs off both ends */
struct span span_from(struct span s, size_t at);           /* the rest from 'at'       */

/* Cut the next word (ended by blanks or tabs) off the front of *s.  n = 0: none left. */
struct span span_word(struct span *s);

/* Cut the next item ended by 'sep' off the front of *s; false when *s was
 * spent (p NULL).  Items may be empty. */
bool span_next(struct span *s, char sep, struct span *item);

/* All digits, no sign, fits: return 0 and set *v, else -1. */
int span_u64(struct span s, uint64_t *v);

#endif
