/* blocks.h - the blocks of a file, and where each setting stands in it.
 *
 * Private to conf/.  Threads: pure.
 */
#ifndef CONF_BLOCKS_H
#define CONF_BLOCKS_H

#include "conf/schema.h"
#include "conf/text.h"

#define KEYS_MOST 128                /* settings of one kind of block */

struct block_text {
    enum block kind;
    int        line;
    size_t     first, end;           /* its tokens                    */
    bool       broken;               /* its grammar is wrong          */
    bool       wrong;                /* a value is, so a default stands in for it */
    unsigned   n_keys;
    struct { const struct setting *s; int line; } key[KEYS_MOST];
};

struct blocks { struct block_text *v; size_t n; };

/* Find the blocks.  Unknown ones, unknown settings and such that are there
 * twice are told and taken out of the text, so that they do not end the
 * reading.  Return false when the file does not consist of blocks. */
bool blocks_find(struct blocks *b, struct text *t, struct errors *errors);
void blocks_free(struct blocks *b);

/* Where a setting stands; the block itself when it is not there, or 'key' is NULL. */
int  block_line(const struct block_text *b, const char *key);
bool block_has(const struct block_text *b, const char *key);

#endif
