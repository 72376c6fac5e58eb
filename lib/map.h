/* map.h - from a run of bytes to a pointer: a hash table, keyed so that a
 * stranger cannot aim at its buckets.
 *
 * Threads:  none inside; the owner locks.
 * Memory:   keys are copied; values belong to the caller.
 */
#ifndef LIB_MAP_H
#define LIB_MAP_H

#include <stddef.h>

#include "lib/span.h"

struct map;

struct map *map_new(void);
void   map_free(struct map **m);                          /* values are not touched        */
void  *map_get(const struct map *m, struct span key);     /* NULL: not there               */
void  *map_put(struct map *m, struct span key, void *v);  /* returns the value replaced    */
void  *map_del(struct map *m, struct span key);           /* returns the value, or NULL    */
size_t map_count(const struct map *m);

/* Walk in no order.  Start with *at = 0; false at the end.  Do not change the map meanwhile. */
int map_next(const struct map *m, size_t *at, struct span *key, void **v);

#endif
