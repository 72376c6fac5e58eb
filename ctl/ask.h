/* ask.h - put a command to the program that can answer it.
 *
 * Return: an exit code of ctl.h.
 */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include "ctl/ctl.h"

/* By the Unix socket at 'path'.  CTL_DOWN when nobody listens there. */
int ask_socket(const char *path, int n, char **words, struct show *show);

/* The same, and nothing is shown.  Was it done? */
bool ask_quietly(const char *path, int n, char **words);

/* Start nntpd for this one command. */
int ask_stopped(const char *conf, int n, char **words, struct show *show);

#endif
