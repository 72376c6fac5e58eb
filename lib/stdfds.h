/* stdfds.h - standard input, output and error are there, whoever started us.
 *
 * A program that was started with one of them closed gets its number for the next
 * file that it opens: then what it says to standard error goes into a database.
 *
 * Threads:  none may run yet.
 */
#ifndef LIB_STDFDS_H
#define LIB_STDFDS_H

/* Open /dev/null for those that are closed; first thing in main. */
void stdfds_open(void);

#endif
