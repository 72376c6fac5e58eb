/* control_batch.c - import and export of rnews batches, for the operator. */
#include <inttypes.h>

#include "lib/rpc.h"
#include "nntpd/control_int.h"
#include "nntpd/import.h"

#define TOLD_MOST 1000        /* refusals named one by one; the rest are counted */

struct batch {
    struct request *r;
    uint64_t told, by_verdict[VERDICTS];
};

static bool on_progress(const char *what, uint64_t done, uint64_t total, void *arg)
{
    return control_progress(what, done, total, ((struct batch *)arg)->r);
}

/* Duplicates are what a resumed import is full of: only counted. */
static void on_refusal(struct span msgid, enum verdict v, const char *text, void *arg)
{
    struct batch *b = arg;

    b->by_verdict[v]++;
    if (v == V_DUPLICATE || b->told++ >= TOLD_MOST)
        return;
    rpc_text(&b->r->out, "%.*s %s: %s", SPAN_F(msgid), verdict_row(v)->name, text);
    control_send(b->r);
}

static void sum_up(struct batch *b)
{
    if (b->told > TOLD_MOST)
        rpc_text(&b->r->out, "(%" PRIu64 " more)", b->told - TOLD_MOST);
    for (int v = 0; v < VERDICTS; v++)
        if (b->by_verdict[v] > 0)
            rpc_text(&b->r->out, "%8" PRIu64 " %s", b->by_verdict[v], verdict_row((enum verdict)v)->name);
}

void control_import(struct request *r)
{
    struct intake_rules *rules = nntpd_rules(r->n);
    struct batch b = { .r = r };
    struct import_counts sum = { 0 };
    struct err e;
    int rc = 0;

    for (int i = 0; i < r->n_words && rc == 0 && !r->gone; i++) {
        struct import_counts c = { 0 };

        rc = import_rnews(nntpd_store(r->n), rules, r->word[i], on_progress, on_refusal, &b, &c, &e);
        sum.articles += c.articles;
        sum.stored += c.stored;
        sum.duplicate += c.duplicate;
        sum.refused += c.refused;
        sum.later += c.later;
    }
    sum_up(&b);
    if (rc != 0)
        rpc_error(&r->out, "%s (%" PRIu64 " were stored before that; start again to go on)", e.text, sum.stored);
    else
        rpc_ok(&r->out, "%" PRIu64 " articles: %" PRIu64 " stored, %" PRIu64 " were there, %" PRIu64 " refused",
               sum.articles, sum.stored, sum.duplicate, sum.refused);
    intake_rules_unref(&rules);
}

void control_export(struct request *r)
{
    struct batch b = { .r = r };
    struct err e;
    int64_t damaged = 0;
    int64_t n = export_rnews(nntpd_store(r->n), r->word[0], r->n_words > 1 ? span_of(r->word[1]) : SPAN(""), &damaged,
                             on_progress, &b, &e);

    if (n < 0)
        rpc_error(&r->out, "%s", e.text);
    else if (damaged > 0)
        rpc_error(&r->out, "%" PRId64 " articles written, but %" PRId64 " are damaged in the log and left out (newsctl verify "
                  "names them)", n, damaged);
    else
        rpc_ok(&r->out, "%" PRId64 " articles written", n);
}
