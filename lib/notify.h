/* notify.h - tell the one who started us that we are ready (sd_notify(3)'s protocol).
 *
 * Threads:  any.
 *
 * So `systemctl start` ends when the site serves, and fails when it does not.
 */
#ifndef LIB_NOTIFY_H
#define LIB_NOTIFY_H

/* Send 'state' ("READY=1") to the socket that $NOTIFY_SOCKET names.  Nothing is done where there is none. */
void notify_say(const char *state);

#endif
