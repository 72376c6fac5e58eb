/* logins.h - is this the password?  Users file first, then the site's program.
 *
 * Threads:  one struct logins for all workers; its lane runs the slow part, so
 *           that neither a worker nor the disk lane waits for a hash or a program.
 * Memory:   a login belongs to the lane from login_send until it is delivered;
 *           LOGINS_MOST wait at most.  Passwords are wiped when they have been asked.
 * Errors:   what we cannot find out is LOGIN_LATER, never LOGIN_NO; why says what.
 *
 * The users file is read again when it has changed, before the next password.
 */
#ifndef NNTPD_LOGINS_H
#define NNTPD_LOGINS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/net.h"
#include "lib/work.h"

#define LOGINS_MOST 1024

struct conf;
struct logins;
struct brake;

enum login_answer { LOGIN_YES, LOGIN_NO, LOGIN_LATER };

/* Embedded as the first member of what belongs to the one who asks. */
struct login {
    struct job   job;
    struct logins *l;
    const struct conf *conf;
    struct net_addr from;
    char *name, *password;           /* owned                                                     */
    enum login_answer answer;
    char *user;                      /* LOGIN_YES: who that is; owned                             */
    char  why[200];                  /* for the log                                               */
};

struct logins *logins_new(const struct conf *c);

/* Read the users file now, if it has changed, and tell its damage to the log. */
void logins_look(struct logins *l, const struct conf *c);

/* From now on all are answered LOGIN_LATER, and programs are ended. */
void logins_stop(struct logins *l);
void logins_free(struct logins **l);

/* Take name and password over. */
void login_init(struct login *g, const struct conf *c, const struct net_addr *from, char *name, char *password);
void login_fini(struct login *g);

/* Ask; 'deliver' is called at 'home'.  false: too many wait already. */
bool login_send(struct logins *l, struct login *g, struct mailbox *home, void (*deliver)(struct mail *));

/* Failures, by address and user. */
struct brake *logins_brake(struct logins *l);

/* For status. */
struct logins_counts { size_t users, damaged, waiting; };
void logins_counts(struct logins *l, struct logins_counts *c);

/* Free a string that must not stay in memory. */
void wipe(char **secret);

/* login_program.c: ask the program, which may take login-program-time and is ended
 * early when 'stop' (a descriptor) becomes readable.  Blocks. */
enum login_answer login_ask_program(struct login *g, int stop);

#endif
