/* date.h - dates in articles and commands.
 *
 * Threads:  pure.  Units: seconds since 1970, UTC.
 * Standard: RFC 5322 3.3 and 4.3, RFC 3977 7.3.2.
 *
 * What is read lies in the years 1900 to 9999 UTC, so that it can be written
 * again; a leap second is the next one.  The day of the week is not compared.
 */
#ifndef ARTICLE_DATE_H
#define ARTICLE_DATE_H

#include <stdint.h>
#include <stdbool.h>

#include "lib/span.h"

int date_read(struct span text, int64_t *t);         /* RFC 5322, obsolete forms included; 0 or -1        */
int date_read_lax(struct span text, int64_t *t);     /* anything that articles of forty years hold; no zone is UTC */

#define DATE_TEXT_MAX 64       /* enough for any int64_t */
void date_write(int64_t t, char out[DATE_TEXT_MAX]); /* "Fri, 20 Nov 2026 23:56:59 +0000"                 */

/* NEWNEWS and NEWGROUPS: date yymmdd or yyyymmdd from 1970, time hhmmss, both
 * UTC.  'now' places a two-digit year.  0 or -1. */
int date_read_nntp(struct span date, struct span time, int64_t now, int64_t *t);
void date_write_nntp(int64_t t, char out[DATE_TEXT_MAX]);   /* "20261120235659"                           */

#endif
