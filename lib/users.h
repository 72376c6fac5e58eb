/* users.h - a file of names and password hashes, and the slow question whether
 * a password is the right one.
 *
 *     name:hash:flags          "#" begins a comment line; blank lines count for nothing
 *
 * Threads:  a struct users is immutable; users_check and users_hash are slow by
 *           purpose (tens of milliseconds, some megabytes) and may run on several
 *           threads at once.
 * Memory:   passwords are the caller's, who wipes them; copies made here are wiped.
 * Errors:   a damaged line is told and shuts out the user whom it names, nobody else.
 * Crash:    users_save replaces the file whole, or not at all.
 */
#ifndef LIB_USERS_H
#define LIB_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/span.h"

#define USERS_NAME_MOST     255      /* octets (RFC 4616 2 wants as many)                        */
#define USERS_PASSWORD_MOST 255
#define USERS_FILE_MOST     (64 << 20)

/* May a user be called so?  Printable, no blanks, no ":", not "#" in front. */
bool users_name_good(struct span name);

/* May this be a password?  Not empty, not too long, no control characters. */
bool users_password_good(struct span password);

struct users;
typedef void users_tell_fn(int line, const char *what, void *arg);

/* Read a text; 'tell' (may be NULL) hears of each damaged line. */
struct users *users_parse(struct span text, users_tell_fn *tell, void *arg);
void users_free(struct users **u);
size_t users_count(const struct users *u);       /* that can log in               */
size_t users_damaged(const struct users *u);     /* lines                         */

/* Is there a line for this name, good or not? */
bool users_has(const struct users *u, struct span name);

/* Is this the password of this user?  A name that is not there takes as long. */
bool users_check(const struct users *u, struct span name, const char *password);

/* A fresh hash (yescrypt) to free; NULL: e says why. */
char *users_hash(const char *password, struct err *e);

/* --- keeping the file: newsctl user ------------------------------------- */

typedef void users_each_fn(int line, struct span name, struct span flags, const char *damage /* or NULL */, void *arg);
void users_each(struct span text, users_each_fn *each, void *arg);

/* Copy the text with the user's line replaced by 'line' (NULL: left out), which
 * is put at the end when there was none.  Everything else stays, comments and
 * damaged lines too.  Was there one? */
bool users_edit(struct buf *out, struct span text, struct span name, const char *line);

/* The user's hash and flags in a text; false: no such user. */
bool users_find(struct span text, struct span name, struct span *hash, struct span *flags);

/* Keep others who edit away until the descriptor is closed.  -1. */
int users_lock(const char *path, struct err *e);

/* Put it in place: mode 0600; it belongs to whom the old one belonged to, a new
 * one to the owner of the directory (when we may give it away). */
int users_save(const char *path, struct span text, struct err *e);

#endif
