/* schema.h - the rows of schema.def as a table, and the reading of single values.
 *
 * Private to conf/.  Threads: pure.
 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

enum block { BLOCK_site, BLOCK_listen, BLOCK_peer, BLOCK_access, BLOCKS };
enum type { TYPE_TEXT, TYPE_PATH, TYPE_LIST, TYPE_BOOL, TYPE_INT, TYPE_SIZE, TYPE_TIME, TYPE_CHOICE };
enum live { LIVE, START };

struct setting {
    enum block  block;
    enum type   type;
    char        key[32];          /* as it stands in the file                         */
    size_t      offset, size;     /* of the field in the block's struct               */
    const char *text_default;
    int64_t     least, most;
    enum live   live;
    const char *help;
};

extern const char *const block_names[BLOCKS];

/* All rows, in order; the keys are made at the first call (from one thread). */
const struct setting *schema(size_t *n);
const struct setting *schema_find(enum block b, const char *key);

/* Is the text a value of this setting?  Else say why.  Lists are checked item by item. */
int setting_check(const struct setting *s, const char *text, struct err *e);

/* Put a good value into the block's struct (lists: append). */
void setting_store(const struct setting *s, void *block, const char *text);
void setting_default(const struct setting *s, void *block);
void setting_free(const struct setting *s, void *block);
bool setting_equal(const struct setting *s, const void *a, const void *b);

/* Append a text as it would stand in a file. */
void put_quoted(struct buf *out, const char *text);

/* The names of a CHOICE, ended by NULL. */
const char *const *choice_names(const struct setting *s);

/* Append a number of seconds (else octets) in the largest unit that divides it. */
void put_units(struct buf *out, int64_t v, bool time);

/* Append "key = value" as it would stand in a file; nothing for an absent text. */
void setting_show(const struct setting *s, const void *block, struct buf *out);

#endif
