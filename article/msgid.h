/* msgid.h - Message-IDs: their syntax, and the key by which history knows them.
 *
 * Threads:  pure.
 * Standard: RFC 5536 3.1.3, RFC 3977 3.6 (3 to 250 octets).
 */
#ifndef ARTICLE_MSGID_H
#define ARTICLE_MSGID_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/siphash.h"
#include "lib/span.h"

#define MSGID_MAX 250

bool msgid_valid(struct span id);              /* strict: RFC 5536                           */
bool msgid_valid_lax(struct span id);          /* printable, in angle brackets, 3 to 250     */

/* The 128-bit history key: keyed SipHash over the id, the part after the first
 * "@" lower-cased (as INN does; two ids that differ only there are one article).
 * An id over MSGID_MAX, which nobody can have, is taken as it is. */
struct msgid_key { uint8_t b[16]; };
struct msgid_key msgid_key(const struct sipkey *secret, struct span id);

/* Make a new id "<time.random.turn@domain>"; never the same twice.  Valid when
 * 'domain' is a name of up to MSGID_DOMAIN_MAX octets. */
#define MSGID_DOMAIN_MAX 200
void msgid_make(struct buf *out, const char *domain, int64_t now_us, uint64_t random);

#endif
