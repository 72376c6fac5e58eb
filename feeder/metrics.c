/* metrics.c - what each peer was sent, as families of figures.  See metrics.h.
 *
 * Names stay, as those of nntpd/metrics.c.
 */
#include "feeder/metrics.h"

#include "feeder/pull.h"
#include "lib/prom.h"

typedef uint64_t value_fn(const struct peer *p);

static void each_peer(const struct feeder *f, struct buf *out, const char *name, enum prom_kind kind, const char *help,
                      value_fn *value)
{
    prom_family(out, name, kind, help);
    for (size_t i = 0; i < f->n_peer; i++)
        prom_sample(out, name, PROM_LABELS("peer", f->peer[i]->name), value(f->peer[i]));
}

static uint64_t connections(const struct peer *p) { return p->n_conns; }
static uint64_t in_flight(const struct peer *p)   { return p->n_away; }
static uint64_t deferred(const struct peer *p)    { return p->cursor.n_exc - peer_aside(p); }
static uint64_t aside(const struct peer *p)       { return peer_aside(p); }
static uint64_t paused(const struct peer *p)      { return p->paused; }

static void counts(const struct feeder *f, struct buf *out)
{
    static const struct { enum peer_count what; const char *name, *help; } rows[] = {
        { N_OFFERED,  "freshet_outgoing_offered_total",   "articles that a peer was offered" },
        { N_ACCEPTED, "freshet_outgoing_accepted_total",  "articles that it took" },
        { N_REFUSED,  "freshet_outgoing_refused_total",   "articles that it had already" },
        { N_DEFERRED, "freshet_outgoing_deferred_total",  "answers that mean later" },
        { N_ASIDE,    "freshet_outgoing_set_aside_total", "articles set aside after answers that made no sense" },
        { N_GONE,     "freshet_outgoing_gone_total",      "articles that were gone before they could be sent" },
        { N_GARBAGE,  "freshet_outgoing_nonsense_total",  "answers that made no sense" },
        { N_BYTES,    "freshet_outgoing_bytes_total",     "octets of articles sent" },
    };

    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        prom_family(out, rows[k].name, PROM_COUNTER, rows[k].help);
        for (size_t i = 0; i < f->n_peer; i++)
            prom_sample(out, rows[k].name, PROM_LABELS("peer", f->peer[i]->name), f->peer[i]->n[rows[k].what]);
    }
}

static void rejected(const struct feeder *f, struct buf *out)
{
    static const char name[] = "freshet_outgoing_rejected_total";

    prom_family(out, name, PROM_COUNTER, "articles that a peer read and refused, by its words");
    for (size_t i = 0; i < f->n_peer; i++) {
        const struct peer *p = f->peer[i];

        for (size_t k = 0; k < p->health.n_reasons; k++)
            prom_sample(out, name, PROM_LABELS("peer", p->name, "reason", p->health.reason[k].text), p->health.reason[k].n);
        if (p->health.other_reasons > 0)
            prom_sample(out, name, PROM_LABELS("peer", p->name, "reason", "(others)"), p->health.other_reasons);
    }
}

static void not_wanted(const struct feeder *f, struct buf *out)
{
    static const char name[] = "freshet_outgoing_not_for_it_total";

    prom_family(out, name, PROM_COUNTER, "articles that a peer is not sent, by the setting that says so");
    for (size_t i = 0; i < f->n_peer; i++)
        for (int k = OFFER_NO_GROUP; k < OFFER_NOT_ARTICLE; k++)
            if (f->peer[i]->not_wanted[k] > 0)
                prom_sample(out, name, PROM_LABELS("peer", f->peer[i]->name, "reason", offer_words[k]), f->peer[i]->not_wanted[k]);
}

static void delays(const struct feeder *f, struct buf *out)
{
    static const struct { double share; const char *text; } quantiles[] = { { 0.5, "0.5" }, { 0.9, "0.9" }, { 0.99, "0.99" } };
    static const char name[] = "freshet_outgoing_delay_seconds";

    prom_family(out, name, PROM_SUMMARY, "from an article's arrival here until a peer has taken it; quantiles of the last ones");
    for (size_t i = 0; i < f->n_peer; i++) {
        const struct peer *p = f->peer[i];
        const struct health *h = &p->health;

        for (size_t q = 0; q < sizeof quantiles / sizeof *quantiles && h->n_delays > 0; q++)
            prom_seconds(out, name, PROM_LABELS("peer", p->name, "quantile", quantiles[q].text),
                         health_percentile(h, quantiles[q].share));
        prom_seconds(out, "freshet_outgoing_delay_seconds_sum", PROM_LABELS("peer", p->name), (int64_t)h->delays_us);
        prom_sample(out, "freshet_outgoing_delay_seconds_count", PROM_LABELS("peer", p->name), h->all_delays);
    }
}

static void dead(const struct feeder *f, struct buf *out)
{
    static const char name[] = "freshet_outgoing_dead_since_timestamp_seconds";

    prom_family(out, name, PROM_GAUGE, "since when nothing could be said to a peer; 0: it answers");
    for (size_t i = 0; i < f->n_peer; i++)
        prom_seconds(out, name, PROM_LABELS("peer", f->peer[i]->name), f->peer[i]->dead_us);
}

static void pulled(const struct feeder *f, struct buf *out)
{
    static const char *const results[PULL_COUNTS] = {
        "stored", "known", "refused", "gone", "too_big", "too_old", "damaged_line", "left_out",
    };
    static const char name[] = "freshet_pulled_total", last[] = "freshet_pull_last_run_timestamp_seconds";

    prom_family(out, name, PROM_COUNTER, "articles of a server that is pulled from, by what became of them");
    for (size_t i = 0; i < f->n_pull; i++)
        for (int k = 0; k < PULL_COUNTS; k++)
            prom_sample(out, name, PROM_LABELS("peer", pull_name(f->pull[i]), "result", results[k]),
                        pull_counted(f->pull[i], (enum pull_count)k));
    prom_family(out, last, PROM_GAUGE, "when a server was last pulled from without trouble; 0: never");
    for (size_t i = 0; i < f->n_pull; i++)
        prom_seconds(out, last, PROM_LABELS("peer", pull_name(f->pull[i])), pull_last_us(f->pull[i]));
}

void metrics_write(const struct feeder *f, struct buf *out)
{
    prom_family(out, "freshet_feeder_start_timestamp_seconds", PROM_GAUGE, "when feeder was started");
    prom_seconds(out, "freshet_feeder_start_timestamp_seconds", PROM_NONE, f->started_us);
    prom_gauge(out, "freshet_feeder_sequence", f->live - 1, "last record of the log that feeder has read");
    each_peer(f, out, "freshet_outgoing_connections", PROM_GAUGE, "our connections to a peer", connections);
    each_peer(f, out, "freshet_outgoing_in_flight", PROM_GAUGE, "articles on their way to a peer", in_flight);
    each_peer(f, out, "freshet_outgoing_lag_records", PROM_GAUGE, "records of the log that a peer still has before it", peer_lag);
    each_peer(f, out, "freshet_outgoing_deferred", PROM_GAUGE, "articles that are offered again later", deferred);
    each_peer(f, out, "freshet_outgoing_set_aside", PROM_GAUGE, "articles set aside now", aside);
    each_peer(f, out, "freshet_outgoing_paused", PROM_GAUGE, "1: newsctl peer pause", paused);
    counts(f, out);
    rejected(f, out);
    not_wanted(f, out);
    delays(f, out);
    dead(f, out);
    if (f->n_pull > 0)
        pulled(f, out);
}
