/* check.h - CHECKs that memory could not answer, looked up together on the lane.
 * Private to cmd_transit.c (which fills it) and session.c. */
#ifndef NNTPD_CHECK_H
#define NNTPD_CHECK_H

struct session;

void looks_send(struct session *s);   /* what was gathered in this turn goes to the lane */
void looks_free(struct session *s);   /* the session ends: what was gathered is dropped  */

#endif
