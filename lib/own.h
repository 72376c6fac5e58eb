/* own.h - a program that root starts becomes the owner of what it works on.
 *
 * A directory with files of two owners is a site that does not start: root types
 * `newsctl group add` once, and the service finds a lock file that it may not open.
 * So root's programs become the directory's owner before they touch it.
 *
 * Threads:  none may run yet.
 */
#ifndef LIB_OWN_H
#define LIB_OWN_H

#include <stdbool.h>

#include "lib/err.h"

/* Become the user (with their groups) whom 'dir' belongs to, when we are root and it is not root's.
 * A directory that is not there yet is as if it were root's.  With 'low_ports' the right to listen below
 * port 1024 stays; all other rights of root are gone for good.  Return 0, or -1. */
int own_become(const char *dir, bool low_ports, struct err *e);

/* The name of the user whom 'path' belongs to, or its number; "?" when nobody can tell.  'text' is its room. */
const char *own_name(const char *path, char text[64]);

#endif
