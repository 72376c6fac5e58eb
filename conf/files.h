/* files.h - the lists of a site that are files of their own.
 *
 * Private to conf/.  Threads: none inside.  Memory: the texts are the struct's.
 * Standard: RFC 3977 7.6.5, RFC 6048 2.3, 2.5, 2.6; formats: doc/formats.md.
 */
#ifndef CONF_FILES_H
#define CONF_FILES_H

#include "conf/blocks.h"
#include "conf/conf.h"
#include "conf/errors.h"

/* Read the files that the site block names.  One that is not there gives no text
 * (its list is not kept here); a bad line or an unreadable file is an error. */
void files_read(struct conf *c, const struct blocks *blocks, struct errors *errors);
void files_free(struct conf_site *s);

#endif
