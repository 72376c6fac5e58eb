/* letters.h - posts on their way to moderators, by mail.
 *
 * Threads:  letters_send waits for the mail system: on the lane of letters alone.
 *           The rest from any thread.
 * Memory:   nothing is kept: a letter that cannot be handed over is told, not queued.
 * Standard: RFC 5537 3.5.1.
 */
#ifndef NNTPD_LETTERS_H
#define NNTPD_LETTERS_H

#include "conf/conf.h"
#include "lib/work.h"

#define LETTERS_MOST 64               /* under way at once; who comes then hears "later" */

struct letters;

struct letters *letters_new(void);
/* From now on programs are ended: their posters hear "later". */
void letters_stop(struct letters *l);
void letters_free(struct letters **l);
struct lane *letters_lane(struct letters *l);

/* The moderator of a group: the first pattern that fits.  false: there is none. */
bool letters_address(const struct conf_site *site, struct span group, struct buf *address);

/* Give the text (lines end in LF) to the mail system; 0 when it has taken it over. */
int letters_send(struct letters *l, const struct conf_site *site, const char *address, struct span text,
                 struct err *e) need_result;

#endif
