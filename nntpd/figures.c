/* figures.c - what the store and history count, each figure with both its names.  See figures.h.
 *
 * The names stay: people read them in scripts and draw curves by them.
 */
#include "nntpd/figures.h"

#include <stddef.h>
#include <string.h>

#include "history/history.h"
#include "lib/prom.h"

struct figures {
    struct store_counts store;
    struct his_counts   history;
};

enum unit { NUMBER, MICROSECONDS };      /* a uint64_t; an int64_t */

static const struct figure {
    const char    *status;               /* its name in `newsctl status`    */
    const char    *metric;               /* for a monitor; NULL: not there  */
    enum prom_kind kind;
    enum unit      unit;
    size_t         at;                   /* in struct figures               */
    const char    *help;
} table[] = {
#define STORE(field)   offsetof(struct figures, store.field)
#define HISTORY(field) offsetof(struct figures, history.field)
    { "store.stored", "freshet_store_articles_total", PROM_COUNTER, NUMBER, STORE(stored), "articles stored" },
    { "store.refused", "freshet_store_refused_total", PROM_COUNTER, NUMBER, STORE(refused),
      "records of ids that were refused" },
    { "store.later", "freshet_store_later_total", PROM_COUNTER, NUMBER, STORE(later),
      "articles that could not be stored: our own trouble" },
    { "store.batches", "freshet_store_batches_total", PROM_COUNTER, NUMBER, STORE(batches),
      "batches, each with one sync" },
    { "store.largest_batch", NULL, PROM_GAUGE, NUMBER, STORE(largest_batch), "articles" },
    { "store.bytes", "freshet_store_bytes_total", PROM_COUNTER, NUMBER, STORE(bytes), "octets written to the log" },
    { "store.queued", "freshet_store_queue_articles", PROM_GAUGE, NUMBER, STORE(queued),
      "articles that wait to be stored" },
    { "store.queued_bytes", "freshet_store_queue_bytes", PROM_GAUGE, NUMBER, STORE(queued_bytes), "their octets" },
    { "store.applied_seq", "freshet_store_applied_sequence", PROM_GAUGE, NUMBER, STORE(applied_seq),
      "last record that is in the indexes" },
    { "store.published_seq", "freshet_store_published_sequence", PROM_GAUGE, NUMBER, STORE(published_seq),
      "last record that readers and feeder see" },
    { "store.sync_ms", "freshet_store_sync_seconds_total", PROM_COUNTER, MICROSECONDS, STORE(sync_us),
      "time spent syncing the log" },
    { "store.apply_ms", "freshet_store_apply_seconds_total", PROM_COUNTER, MICROSECONDS, STORE(apply_us),
      "time spent changing the indexes" },
    { "history.ids", "freshet_history_ids", PROM_GAUGE, NUMBER, HISTORY(ids), "ids in history" },
    { "history.filter_bits", "freshet_history_filter_bits", PROM_GAUGE, NUMBER, HISTORY(filter_bits),
      "size of the filter in memory" },
    { "history.cache_hits", "freshet_history_cache_hits_total", PROM_COUNTER, NUMBER, HISTORY(cache_hits),
      "ids known from the cache" },
    { "history.filter_news", "freshet_history_filter_news_total", PROM_COUNTER, NUMBER, HISTORY(filter_news),
      "ids new by the filter alone" },
    { "history.looks", "freshet_history_looks_total", PROM_COUNTER, NUMBER, HISTORY(looks),
      "ids looked up in the database" },
    { "history.false_hits", "freshet_history_false_hits_total", PROM_COUNTER, NUMBER, HISTORY(false_hits),
      "of them not there, against the filter" },
    { "history.claims", "freshet_history_claims", PROM_GAUGE, NUMBER, HISTORY(claims),
      "ids that somebody was told to send" },
    { "history.swept", "freshet_history_swept_total", PROM_COUNTER, NUMBER, STORE(swept),
      "rows of forgotten ids taken out of history" },
#undef STORE
#undef HISTORY
};

#define FIGURES (sizeof table / sizeof table[0])

static void count(struct figures *all, struct store *s)
{
    store_counts(s, &all->store);
    his_counts(store_history(s), &all->history);
}

static uint64_t value_of(const struct figures *all, const struct figure *f)
{
    uint64_t v;

    memcpy(&v, (const char *)all + f->at, sizeof v);
    return v;
}

void figures_status(struct store *s, void (*row)(const char *name, uint64_t value, void *), void *arg)
{
    struct figures all;

    count(&all, s);
    for (const struct figure *f = table; f < table + FIGURES; f++)
        row(f->status, f->unit == MICROSECONDS ? value_of(&all, f) / 1000 : value_of(&all, f), arg);
}

void figures_metrics(struct store *s, struct buf *out)
{
    struct figures all;

    count(&all, s);
    for (const struct figure *f = table; f < table + FIGURES; f++) {
        if (f->metric == NULL)
            continue;
        prom_family(out, f->metric, f->kind, f->help);
        if (f->unit == MICROSECONDS)
            prom_seconds(out, f->metric, PROM_NONE, (int64_t)value_of(&all, f));
        else
            prom_sample(out, f->metric, PROM_NONE, value_of(&all, f));
    }
}
