/* control_log.c - the operator's questions about articles and the log.
 *
 * These read the log and the indexes beside the workers; only cancel and
 * import write, by the same door as everybody (store_submit).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "article/msgid.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/rpc.h"
#include "nntpd/control_int.h"
#include "nntpd/feeder_ask.h"
#include "nntpd/intake.h"

static const char *kind_name(enum record_kind k)
{
    switch (k) {
    case RECORD_ARTICLE: return "article";
    case RECORD_REFUSED: return "refused";
    case RECORD_CANCEL: return "cancel";
    case RECORD_GROUP: return "group";
    case RECORD_UNGROUP: return "ungroup";
    case RECORD_SNAPSHOT: return "snapshot";
    case RECORD_REMOVED: return "removed";
    case RECORD_FORGET: return "forget";
    }
    return "unknown";
}

/* "misc.test:12 misc.other:7" */
static void put_numbers(struct buf *out, struct groups *groups, const struct record *r)
{
    for (unsigned i = 0; i < r->n_numbers; i++) {
        const struct group *g = group_by_id(groups, r->numbers[i].group);

        buf_printf(out, "%s%s:%" PRIu64, i > 0 ? " " : "", g != NULL ? g->name : "?", r->numbers[i].number);
    }
    buf_add(out, "", 1);
}

static const char *when(int64_t us, char out[40])
{
    time_t t = (time_t)(us / 1000000);
    struct tm tm;

    strftime(out, 40, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&t, &tm));
    return out;
}

/* In one word (RFC 3339), to the microsecond: whoever compares two sites' logs wants it. */
static const char *moment(int64_t us, char out[40])
{
    time_t t = (time_t)(us / 1000000);
    struct tm tm;
    size_t n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", gmtime_r(&t, &tm));

    snprintf(out + n, 40 - n, ".%06dZ", (int)(us % 1000000));
    return out;
}

/* The stages of an article that is here, as they would go now. */
static void explain_kept(struct request *r, const struct record *rec)
{
    struct intake_rules *rules = nntpd_rules(r->n);
    struct intake_sender from = { .source = "why", .address = "" };
    struct buf lines = { 0 };
    struct span rest, line;

    rpc_text(&r->out, "its stages, asked again now:");
    intake_explain(nntpd_store(r->n), rules, &from, rec->data, &lines);
    rest = buf_span(&lines);
    while (rest.n > 0 && span_next(&rest, '\n', &line))
        if (line.n > 0 && !span_starts(line, SPAN("history:")))      /* "duplicate", of course: it is here */
            rpc_text(&r->out, "  %.*s", SPAN_F(line));
    buf_fini(&lines);
    intake_rules_unref(&rules);
}

/* ---- who gets it: feeder knows ---- */

static void on_peer(const char *kind, char **field, size_t n, void *arg)
{
    struct request *r = arg;

    if (kind[0] == 'R' && n >= 4 && strcmp(field[1], "yes") == 0)
        rpc_text(&r->out, "  %s: %s; %s", field[0], field[2], field[3]);
    else if (kind[0] == 'R' && n >= 4)
        rpc_text(&r->out, "  %s: not for it: %s", field[0], field[2]);
}

static bool sends(const struct conf *c)
{
    for (size_t i = 0; i < c->n_peer; i++)
        if (conf_peer_sends(&c->peer[i]))
            return true;
    return false;
}

static void explain_peers(struct request *r, const struct conf *c, uint64_t seq)
{
    char number[32];
    char *words[] = { (char[]){ "peer" }, (char[]){ "why" }, number, r->n_words > 1 ? r->word[1] : NULL };
    struct buf last = { 0 };
    struct err e = { 0 };
    int rc;

    snprintf(number, sizeof number, "%" PRIu64, seq);
    rpc_text(&r->out, "its peers:");
    rc = feeder_ask(c, r->n_words > 1 ? 4 : 3, words, 10, on_peer, r, &last, &e);
    if (rc < 0)
        rpc_text(&r->out, "  not known, feeder does not answer: %s", e.text);
    else if (rc == 0)
        rpc_text(&r->out, "  %.*s", SPAN_F(buf_span(&last)));
    buf_fini(&last);
}

static void explain(struct request *r, const struct his_entry *entry)
{
    static const char *const state[] = { "?", "kept", "refused", "expired", "cancelled" };
    struct store *s = nntpd_store(r->n);
    struct record_number numbers[RECORD_NUMBERS_MAX];
    struct log_pos pos = { entry->segment, entry->offset, entry->size };
    struct buf scratch = { 0 }, text = { 0 };
    struct record rec;
    struct err e;
    char time_text[40];

    rpc_text(&r->out, "%s: record %" PRIu64 " of the log", state[entry->state <= HIS_CANCELLED ? entry->state : 0],
             entry->seq);
    if (artlog_read(store_log(s), &pos, &rec, numbers, RECORD_NUMBERS_MAX, &scratch, &e) != 0) {
        rpc_text(&r->out, "the record cannot be read: %s", e.text);
    } else {
        rpc_text(&r->out, "arrived %s from %.*s", when(rec.arrived_us, time_text), SPAN_F(rec.source));
        if (rec.kind == RECORD_ARTICLE) {
            put_numbers(&text, store_groups(s), &rec);
            rpc_text(&r->out, "%zu octets, in %s", rec.data.n, buf_data(&text));
            if (rec.path.len > 0)
                rpc_text(&r->out, "Path: %.*s", (int)rec.path.len, rec.data.p + rec.path.at);
            if (entry->state == HIS_KEPT)
                explain_kept(r, &rec);
            if (entry->state == HIS_KEPT && sends(nntpd_conf(r->n)))
                explain_peers(r, nntpd_conf(r->n), entry->seq);
        } else {
            rpc_text(&r->out, "reason: %.*s", SPAN_F(rec.data));
        }
    }
    buf_fini(&scratch);
    buf_fini(&text);
}

void control_why(struct request *r)
{
    struct span id = span_of(r->word[0]);
    struct his_entry entry;
    struct err e = { 0 };

    if (!msgid_valid_lax(id)) {
        rpc_error(&r->out, "%s: not a Message-ID (they stand in < and >)", r->word[0]);
        return;
    }
    switch (store_find(nntpd_store(r->n), id, &entry, &e)) {
    case HIS_SEEN:
        explain(r, &entry);
        rpc_ok(&r->out, "%s", "");
        return;
    case HIS_BUSY:
        rpc_error(&r->out, "%s is on its way just now", r->word[0]);
        return;
    case HIS_NEW:
        rpc_error(&r->out, "%s is not known here: never offered, mailed to a moderator, or refused for a reason "
                  "that is not remembered (the log of nntpd tells each refusal)", r->word[0]);
        return;
    case HIS_ASK:
    case HIS_FAILED:
        break;
    }
    rpc_error(&r->out, "cannot tell: %s", e.text);
}

/* What a cancel of this id will do: nobody shall think that an article is gone whose id was mistyped. */
static const char *cancel_does(struct request *r, struct span id)
{
    struct his_entry entry;
    struct err e;

    switch (store_find(nntpd_store(r->n), id, &entry, &e)) {
    case HIS_NEW:
        return "noted, but there is no such article here: it will be refused when it comes";
    case HIS_SEEN:
        return entry.state == HIS_KEPT ? "cancelled"
             : entry.state == HIS_CANCELLED ? "it was cancelled already"
                                            : "noted, but it was not here any more: newsctl why tells what became of it";
    case HIS_BUSY: case HIS_ASK: case HIS_FAILED:
        break;
    }
    return "cancelled";
}

void control_cancel(struct request *r)
{
    struct span id = span_of(r->word[0]);
    struct submission *sub;
    const char *done;

    if (!msgid_valid_lax(id)) {
        rpc_error(&r->out, "%s: not a Message-ID (they stand in < and >)", r->word[0]);
        return;
    }
    done = cancel_does(r, id);
    sub = submission_cancel(nntpd_store(r->n), id, r->n_words > 1 ? r->word[1] : "by the operator");
    if (store_commit_wait(nntpd_store(r->n), sub) == COMMIT_STORED)
        rpc_ok(&r->out, "%s", done);
    else
        rpc_error(&r->out, "not done: %s", sub->why);
    submission_free(&sub);
}

static void put_record(struct request *r, const struct record *rec, const struct log_pos *pos)
{
    struct buf numbers = { 0 };
    char seq[24], arrived[40], size[24];
    char *source = xstrndup(rec->source.p, rec->source.n);
    char *id = xstrndup(rec->msgid.len > 0 && rec->data.n > 0 ? rec->data.p + rec->msgid.at : "",
                        rec->data.n > 0 ? rec->msgid.len : 0);

    snprintf(seq, sizeof seq, "%" PRIu64, rec->seq);
    snprintf(size, sizeof size, "%" PRIu32, pos->size);
    put_numbers(&numbers, store_groups(nntpd_store(r->n)), rec);
    rpc_fields(&r->out, "R", moment(rec->arrived_us, arrived), seq, kind_name(rec->kind), size, source, buf_data(&numbers), id, NULL);
    buf_fini(&numbers);
    free(source);
    free(id);
}

void control_log_list(struct request *r)
{
    uint64_t from = 1, count = UINT64_MAX;
    struct artlog *log = store_log(nntpd_store(r->n));
    struct log_reader *reader;
    struct record rec;
    struct log_pos pos;
    struct err e;
    int rc = 1;

    if ((r->n_words > 0 && span_u64(span_of(r->word[0]), &from) != 0) ||
        (r->n_words > 1 && span_u64(span_of(r->word[1]), &count) != 0)) {
        rpc_error(&r->out, "a sequence number and a count are wanted");
        return;
    }
    reader = log_reader_new(log, from);
    rpc_fields(&r->out, "C", "arrived", "sequence", "kind", "octets", "source", "numbers", "message-id", NULL);
    while (count-- > 0 && !r->gone && (rc = log_reader_next(reader, &rec, &pos, &e)) == 1) {
        put_record(r, &rec, &pos);
        if (buf_len(&r->out) > 65536)
            control_send(r);
    }
    log_reader_free(&reader);
    if (rc < 0)
        rpc_error(&r->out, "%s", e.text);
    else
        rpc_ok(&r->out, "%s", "");
}

void control_verify(struct request *r)
{
    struct err e = { 0 };
    int64_t faults = store_verify(nntpd_store(r->n), control_progress, control_tell, r, &e);

    if (faults < 0)
        rpc_error(&r->out, "%s", e.text);
    else if (faults > 0)
        rpc_error(&r->out, "%" PRId64 " faults; newsctl rebuild mends the indexes, a damaged record of the log comes from a backup alone", faults);
    else
        rpc_ok(&r->out, "log and indexes agree");
}
