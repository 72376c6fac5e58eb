/* bdb_route.h - tests: put Berkeley DB's files on the disk of lib/disk.h.
 *
 * Threads:  call it once, before the first bdb_open and before threads start.
 */
#ifndef LIB_BDB_ROUTE_H
#define LIB_BDB_ROUTE_H

/* From now on Berkeley DB opens, reads, writes, syncs, renames and removes
 * files through disk_table(), as it is at the time of each call.  (Reading its
 * log goes past it: see bdb_route.c.) */
void bdb_route(void);

#endif
