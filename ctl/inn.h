/* inn.h - what the operator of an INN site has to write to peer with us.
 *
 * Threads:  pure.
 */
#ifndef CTL_INN_H
#define CTL_INN_H

#include "ctl/token.h"

/* The lines for incoming.conf, newsfeeds and innfeed.conf.  -1: INN cannot say it. */
struct inn_lines { struct buf incoming, newsfeeds, innfeed; };
int  inn_write(const struct token *us, struct inn_lines *l, struct err *e) need_result;
void inn_fini(struct inn_lines *l);

#endif
