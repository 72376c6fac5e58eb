/* control_int.h - between the control socket and its commands. */
#ifndef NNTPD_CONTROL_INT_H
#define NNTPD_CONTROL_INT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "lib/buf.h"
#include "lib/span.h"
#include "nntpd/server.h"

/* One command being answered.  Lines are written with lib/rpc to 'out' and sent
 * by control_send; a caller that went away is found out there. */
struct request {
    struct nntpd *n;
    char  **word;             /* after the command's own words            */
    int     n_words;
    struct buf out;
    int     fd;
    bool    gone;             /* nobody listens any more: long work stops */
    const atomic_bool *closing;   /* the site ends; NULL: there is no socket */
};
void control_send(struct request *r);
/* false: nobody listens any more, or the site closes. */
bool control_progress(const char *what, uint64_t done, uint64_t total, void *request);
void control_tell(const char *line, void *request);

typedef void control_fn(struct request *r);

struct control_command { const char *words; control_fn *run; int min, max; };
extern const struct control_command control_commands[];      /* ends with words NULL */

/* control_group.c */
control_fn control_group_list, control_group_add, control_group_change, control_group_remove, control_group_import;
/* control_pull.c */
control_fn control_pull;
/* control_log.c, control_batch.c */
control_fn control_why, control_cancel, control_log_list, control_verify, control_import, control_export;

#endif
