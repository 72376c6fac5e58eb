/* utf8.h - is it UTF-8, and does it do no harm?
 *
 * Threads:  pure.  Standard: RFC 3629 (no overlong forms, no surrogates).
 */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stdbool.h>

#include "lib/span.h"

bool utf8_valid(struct span s);

/* Octets of the character in front, when it can be shown to people: no control, nothing
 * that ends a line or turns the direction of writing.  0: it cannot. */
size_t utf8_harmless(struct span s);
bool utf8_printable(struct span s);          /* all of such characters */

#endif
