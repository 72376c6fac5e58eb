/* canlock.h - Cancel-Lock and Cancel-Key: who may take an article away.
 *
 * Threads:  pure.  Memory: nothing kept.
 * Standard: RFC 8315.  Locks of sha256, sha512 and, for old articles, sha1 are
 *           understood; others are passed over.  Keys and locks that we make are
 *           INN's: key = Base64(HMAC(secret, user + Message-ID)), lock =
 *           Base64(hash(key)) (cases: canlock.tsv).
 */
#ifndef ARTICLE_CANLOCK_H
#define ARTICLE_CANLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/digest.h"
#include "lib/span.h"

/* What is kept of a lock in the log: the first octets of SHA-256 over "scheme:lock". */
#define CANLOCK_MARK 16
#define CANLOCK_MOST 16          /* of one article: the first ones count */

/* The bodies of Cancel-Lock and Cancel-Key (p NULL: none), as marks one behind the other:
 * the locks that it carries; the locks that its keys open.  At most CANLOCK_MOST. */
void canlock_locks(struct buf *marks, struct span body);
void canlock_keys(struct buf *marks, struct span body);

/* Does one of the keys open one of the locks? */
bool canlock_opens(struct span keys, struct span locks);

/* "sha256:..." for the article 'msgid' of 'user' ("": the site's own). */
void canlock_key(struct buf *out, enum digest scheme, struct span secret, struct span user, struct span msgid);
void canlock_lock(struct buf *out, enum digest scheme, struct span secret, struct span user, struct span msgid);

#endif
