/* witness.h - who takes which lock while holding which?  Private to lib/lock.c.
 *
 * With FRESHET_WITNESS=FILE in the environment, every pair "outer inner" that a
 * thread takes is noted, and appended to FILE when it is first seen.  A pair
 * that is the reverse of another is a deadlock to be: the program ends there.
 * Without the variable it costs a branch.
 */
#ifndef LIB_WITNESS_H
#define LIB_WITNESS_H

void witness_take(const char *name);
void witness_drop(const char *name);

#endif
