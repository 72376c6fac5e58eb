/* check.h - what must hold across settings.  Private to conf/.  Threads: pure. */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf/blocks.h"
#include "conf/conf.h"

/* 'blocks': those of 'c', in the file's order, so that errors have the lines where
 * the settings stand.  Blocks that are broken are not looked into.  'whole': the
 * file was read to its end, so that what is not there is missing. */
void conf_check(const struct conf *c, const struct blocks *blocks, bool whole, struct errors *errors);

#endif
