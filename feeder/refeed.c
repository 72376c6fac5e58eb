/* refeed.c - see refeed.h. */
#include "feeder/refeed.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "conf/conf.h"
#include "lib/span.h"

/* In microseconds since 1970.  -1: it is no time. */
static int64_t read_when(const char *text, int64_t now_us)
{
    static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S" };
    int64_t ago_us;

    if (conf_read_time(text, &ago_us) == 0 && ago_us > 0)
        return ago_us < now_us ? now_us - ago_us : 0;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = { 0 };
        const char *end = strptime(text, forms[i], &tm);

        if (end != NULL && *end == '\0') {
            int day = tm.tm_mday;
            time_t t = timegm(&tm);

            return tm.tm_mday == day ? (int64_t)t * 1000000 : -1;      /* there is no 31st of November */
        }
    }
    return -1;
}

int refeed_read(struct refeed *r, char **words, int64_t now_us, struct artlog *log, struct err *e)
{
    bool from = false;
    int64_t when;

    *r = (struct refeed){ 0 };
    for (; *words != NULL; words++) {
        bool since = strcmp(*words, "--since") == 0, group = strcmp(*words, "--group") == 0;

        if ((since || group) && words[1] == NULL)
            return err_set(e, "%s wants a word behind it", *words);
        if (group) {
            r->groups = *++words;
            continue;
        }
        if (!since && strncmp(*words, "--", 2) == 0)
            return err_set(e, "%s: no such option; there are --since TIME and --group WILDMAT", *words);
        if (from)
            return err_set(e, "%s: from where is said already (a day and a time together stand within quotes)", *words);
        from = true;
        if (since && (when = read_when(*++words, now_us)) < 0)
            return err_set(e, "%s: no time; as 90m, 3d, 2026-11-01 or \"2026-11-01 18:30\"", *words);
        if (since && artlog_seq_at(log, when, &r->seq, e) != 0)
            return -1;
        if (!since && (span_u64(span_of(*words), &r->seq) != 0 || r->seq == 0))
            return err_set(e, "%s: a sequence number (newsctl log list) or --since TIME is wanted", *words);
    }
    if (!from)
        return err_set(e, "from where: a sequence number or --since TIME is wanted");
    return 0;
}
