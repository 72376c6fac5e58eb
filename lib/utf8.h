/* utf8.h - is it UTF-8?
 *
 * Threads:  pure.  Standard: RFC 3629 (no overlong forms, no surrogates).
 */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stdbool.h>

#include "lib/span.h"

bool utf8_valid(struct span s);

#endif
