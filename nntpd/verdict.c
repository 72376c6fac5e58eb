/* verdict.c - the table of verdict.def.  See verdict.h. */
#include "nntpd/verdict.h"

#include <ctype.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "lib/mem.h"

static char names[VERDICTS][24];

static struct verdict_row rows[VERDICTS] = {
    [GO_ON] = { "go_on", 0, 0, 0, false, "ok" },
    [AWAY] = { "away", 0, 0, 0, false, "away" },
#define VERDICT(name, ihave, takethis, post, remember, text) [V_##name] = { #name, ihave, takethis, post, remember, text },
#include "nntpd/verdict.def"
#undef VERDICT
};

/* The table has its names in capitals; counters and logs want them small. */
static void lower_names(void)
{
    for (int v = 0; v < VERDICTS; v++) {
        size_t n = strlen(rows[v].name);

        need(n < sizeof names[v]);
        for (size_t i = 0; i < n; i++)
            names[v][i] = (char)tolower((unsigned char)rows[v].name[i]);
        rows[v].name = names[v];
    }
}

const struct verdict_row *verdict_row(enum verdict v)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, lower_names);
    need(v < VERDICTS);
    return &rows[v];
}
