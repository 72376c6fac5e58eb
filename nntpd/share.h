/* share.h - what a user, or an address without login, has used of its limits.
 *
 * Threads:  any; one lock for all shares.
 * Memory:   a share lives while somebody holds it, and afterwards until its day is
 *           over; of those that nobody holds the oldest go beyond 'most'.
 *           All is forgotten at a restart.
 *
 * An hour and a day begin with the first thing counted in them; when they are
 * over the next begins.  Addresses are counted by household (net_household).
 */
#ifndef NNTPD_SHARE_H
#define NNTPD_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define SHARES_MOST 100000               /* users and addresses remembered that are not here */

struct shares;
struct share;

struct shares *shares_new(size_t most);
void shares_free(struct shares **all);
size_t shares_count(struct shares *all);

/* Of the user, or when NULL of the address.  Give it back with share_put. */
struct share *share_get(struct shares *all, const char *user, const struct sockaddr *from, int64_t now_us);
void share_put(struct shares *all, struct share **s);

/* One connection more; false, and not counted, when 'most' (0: any) are there. */
bool share_enter(struct shares *all, struct share *s, unsigned most);
void share_leave(struct shares *all, struct share *s);

/* At the door, before anybody is known: one connection more from an address; false,
 * and not counted, when 'most' (0: any) are there. */
bool share_knock(struct shares *all, const struct sockaddr *from, unsigned most, int64_t now_us);
void share_gone(struct shares *all, const struct sockaddr *from);

/* One post more: 0; or not counted, and how long to wait (microseconds).  Limits of 0: none. */
int64_t share_post(struct shares *all, struct share *s, unsigned an_hour, unsigned a_day, int64_t now_us);
/* It was not posted after all. */
void share_unpost(struct shares *all, struct share *s);

/* Octets were sent. */
void share_sent(struct shares *all, struct share *s, uint64_t octets, int64_t now_us);
/* 0 when fewer than 'a_day' were sent, else how long to wait. */
int64_t share_full(struct shares *all, struct share *s, uint64_t a_day, int64_t now_us);

/* "3 h 20 min", "40 s": rounded up. */
#define SHARE_TEXT_MAX 32
const char *share_wait_text(int64_t us, char out[SHARE_TEXT_MAX]);

#endif
