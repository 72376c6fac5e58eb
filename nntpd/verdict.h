/* verdict.h - what can become of an article, and what each command answers.
 *
 * One table (verdict.def): name, code for IHAVE, code for TAKETHIS, code for
 * POST, whether the id is remembered, and the sentence.  Order of checks and
 * codes: INN's, except that our own trouble is "later" (436, 400 and close,
 * 441 "try again later").
 */
#ifndef NNTPD_VERDICT_H
#define NNTPD_VERDICT_H

#include <stdbool.h>

enum verdict {
    GO_ON,                /* the next stage may look                                         */
    AWAY,                 /* a job has left; its answer comes back here                      */
#define VERDICT(name, ihave, takethis, post, remember, text) V_##name,
#include "nntpd/verdict.def"
#undef VERDICT
    VERDICTS
};

struct verdict_row {
    const char *name;     /* counter and log word: "too_old"                                 */
    int  ihave, takethis, post;    /* 400 means: answer 400 and close                        */
    bool remember;        /* history keeps the id as refused                                 */
    const char *text;     /* "Too old -- \"%s\"": %s is the detail                           */
};
const struct verdict_row *verdict_row(enum verdict v);

#endif
