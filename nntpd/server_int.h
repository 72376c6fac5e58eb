/* server_int.h - struct nntpd, between server*.c, status.c and metrics.c. */
#ifndef NNTPD_SERVER_INT_H
#define NNTPD_SERVER_INT_H

#include <stdatomic.h>

#include "lib/lock.h"
#include "lib/work.h"
#include "nntpd/server.h"
#include "nntpd/who.h"

struct worker;

struct nntpd {
    struct lock lock;                  /* conf list, rules, who, tls; posting them in order     */
    _Atomic(struct conf *) conf;       /* the newest                                            */
    struct conf **all_conf;
    size_t n_conf;
    struct intake_rules *rules;
    struct who *who;
    struct tls *tls;                   /* NULL: no certificate                                  */

    struct store *store;
    struct lane *lane;
    struct guests *guests;
    struct logins *logins;
    struct shares *shares;
    struct letters *letters;
    struct resolve *resolve;
    struct control *control;
    struct metrics_http *metrics;      /* NULL: not over HTTP                                   */
    struct child *child;
    struct door *door;
    struct worker **worker;
    unsigned n_worker, next;
    struct event_base *base;           /* main's                                                */
    struct mailbox *home;
    struct event *signal[3];
    _Atomic uint64_t connections;      /* accepted and not gone                                 */
    _Atomic uint64_t turned_away;      /* 400: connections_max, connections_per_address         */
    uint64_t sockets_most;             /* what the descriptor limit leaves for connections      */
    int64_t started_us;
    int64_t crowd_told_us;             /* the log was told of too many from one address         */
};

/* server_door.c */
void nntpd_knock(int fd, const struct net_addr *from, bool tls, void *arg);   /* it goes to a worker, or hears 400 */
void nntpd_left(const struct sockaddr *from, void *arg);                      /* its session has gone              */
uint64_t nntpd_sockets_most(const struct conf *c);

struct nntpd_mail { struct mail mail; struct nntpd *n; };

#endif
