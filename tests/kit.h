/* kit.h - what the tests share: a directory that goes away, rows from a file.
 *
 * A test's files live below kit_dir(), which is removed at exit unless
 * KEEP=1 is set in the environment.
 */
#ifndef TESTS_KIT_H
#define TESTS_KIT_H

#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "lib/buf.h"
#include "lib/span.h"

const char *kit_dir(void);                                /* a fresh directory of this process  */
const char *kit_path(const char *fmt, ...) printf_like(1, 2);   /* below it; static, 8 in turn  */

/* Rows of a tab-separated table in tests/data (escapes \\ \t \n \r \xHH undone).
 * The first line names the columns and is passed over; "#" begins a comment line. */
struct kit_row { size_t n; struct span cell[12]; int line; };
typedef void kit_row_fn(const struct kit_row *row, void *arg);

/* Call 'each' for the rows.  Fails the test when there is none, and at the end
 * when kit_row_is met a difference. */
void kit_table(const char *name, kit_row_fn *each, void *arg);

/* Print the row when 'got' is not what it wants, and go on: all such rows are told. */
void kit_row_is(const struct kit_row *row, const char *what, struct span got, struct span wanted);

/* An article in wire form: "Name: value" lines given are put in place of the
 * usual ones; a value of NULL leaves a field out.  End with a NULL name. */
void kit_article(struct buf *out, const char *body, const char *name, ...) __attribute__((sentinel));

/* Deterministic randomness; the seed is printed when a test fails and may be given by SEED=n. */
uint64_t kit_random(void);

#endif
