/* block.h - peer blocks as text to paste, proven by reading them.
 *
 * Threads:  one (the configuration's reader).
 */
#ifndef CTL_BLOCK_H
#define CTL_BLOCK_H

#include "conf/conf.h"
#include "lib/buf.h"

/* A block to write.  NULL and empty lists: left to the default. */
struct block {
    const char *name, *comment;
    struct conf_list address, path;
    const char *connect;
    const char *groups, *accept_groups;     /* wildmats */
    uint64_t    size_max;                   /* 0: none  */
    const char *tls, *fingerprint;
};

void block_write(const struct block *b, struct buf *out);

/* Read the text as a part of the configuration 'c', in the place of a peer of that
 * name if there is one (c NULL: of an empty site).  false: 'errors' says why not. */
bool block_prove(const struct conf *c, const char *name, struct span text, struct buf *errors);

/* Has the configuration a peer of that name? */
bool block_stands(const struct conf *c, const char *name);

#endif
