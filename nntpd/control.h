/* control.h - the operator's door: a Unix socket, one command a line.
 *
 * A request is a line of words (tab-separated).  The answer is any number of
 * lines, then a final one:
 *     P<tab>what<tab>done<tab>total     progress, while it works
 *     C<tab>name<tab>name...            column names; rows follow
 *     R<tab>value<tab>value...          a row
 *     T<tab>text                        a line of text
 *     OK<tab>text  |  ER<tab>text       the end of the answer
 * Tabs, newlines and backslashes in values are written \t \n \\.
 * The feeder's socket speaks the same.
 *
 * Threads:  one for the listening socket and one for each connection (they may
 *           block; there are few).  Commands run there, beside the workers.
 */
#ifndef NNTPD_CONTROL_H
#define NNTPD_CONTROL_H

#include "lib/err.h"

struct control;
struct nntpd;          /* nntpd/server.h: what the commands act on */

struct control *control_open(struct nntpd *n, const char *path, struct err *e);
void control_close(struct control **c);

/* Run one command now and write the answer to 'fd' (newsctl on a stopped site:
 * "nntpd -c FILE -x 'group add ...'").  Return the exit status. */
int control_once(struct nntpd *n, char **words, int n_words, int fd);

/* "rebuild": before anything is opened, since what it mends may not open. */
struct conf;
int control_rebuild(const struct conf *c, int fd);

#endif
