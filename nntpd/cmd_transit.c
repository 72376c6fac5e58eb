/* cmd_transit.c - IHAVE (RFC 3977 6.3.2), CHECK and TAKETHIS (RFC 4644).
 *
 * Most of a floodfill server's life is CHECK: history answers from memory, the
 * reply goes straight to the stream.  What memory cannot tell is gathered while
 * the input lasts and goes to the database as one job:
 *
 *     CHECK a  CHECK b  CHECK c  CHECK d          (one read)
 *       438      ?        438      ?              from memory
 *                └── slot, slot, slot ──┘         the row keeps the order
 *                     one job: b, d ──▶ 238, 431
 *
 * A wrong 438 loses an article for ever, a wrong 238 costs bandwidth: whatever
 * is uncertain is 431.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "lib/mem.h"
#include "nntpd/check.h"
#include "nntpd/sess.h"

struct look {
    struct slot *slot;
    struct msgid_key key;
    enum his_answer answer;
};

struct looks {
    struct job job;
    struct session *s;
    struct his *his;
    unsigned n;
    struct look v[LOOKS_MOST];
};

/* --- what an answer means ---------------------------------------------- */

static int check_code(struct session *s, enum his_answer a)
{
    switch (a) {
    case HIS_NEW:
        COUNT(s, wanted);
        TALLY(s, WANTED);
        return 238;
    case HIS_SEEN:
        COUNT(s, known);
        TALLY(s, KNOWN);
        s->n_known++;
        return 438;
    case HIS_BUSY:
    case HIS_ASK:
    case HIS_FAILED:
        COUNT(s, later);
        TALLY(s, LATER);
        return 431;
    }
    bug("answer of history");
}

/* Claim what was found to be new. */
static enum his_answer claim(struct session *s, const struct msgid_key *key, bool looked, struct claim **out)
{
    enum his_answer a = his_claim(store_history(s->h->store), key, s, looked, out);

    if (a == HIS_NEW)
        s->claimed = true;
    return a;
}

static enum his_answer peek(struct session *s, struct span id, struct msgid_key *key, struct claim **out)
{
    enum his_answer a;

    *key = msgid_key(store_key(s->h->store), id);
    a = his_peek(store_history(s->h->store), key);
    return a == HIS_NEW ? claim(s, key, false, out) : a;
}

/* --- CHECK ------------------------------------------------------------- */

static void look_run(struct job *j)
{
    struct looks *l = (struct looks *)j;
    struct err e;

    for (unsigned i = 0; i < l->n; i++)
        l->v[i].answer = his_look(l->his, &l->v[i].key, NULL, &e);
}

static void look_back(struct mail *m)
{
    struct looks *l = (struct looks *)m;
    struct session *s = l->s;

    for (unsigned i = 0; i < l->n && !session_dead(s); i++) {
        struct look *k = &l->v[i];
        struct claim *c;

        if (k->answer == HIS_NEW)
            k->answer = claim(s, &k->key, true, &c);
        slot_fill(k->slot, check_code(s, k->answer), "");
    }
    free(l);
    session_go(s);
    session_unref(s);
}

void looks_send(struct session *s)
{
    struct looks *l = s->looks;

    if (l == NULL)
        return;
    s->looks = NULL;
    COUNT(s, jobs);
    session_ref(s);
    l->job.home = s->h->home;
    l->job.run = look_run;
    l->job.mail.deliver = look_back;
    lane_send(s->h->lane, &l->job);
}

void looks_free(struct session *s)
{
    free(s->looks);
    s->looks = NULL;
}

static void look_later(struct session *s, struct span id, const struct msgid_key *key)
{
    struct looks *l = s->looks;
    struct slot *sl = slot_new(s, id, true);

    COUNT(s, looks);
    if (l == NULL) {
        l = s->looks = xmalloc(sizeof *l);
        l->s = s;
        l->his = store_history(s->h->store);
        l->n = 0;
    }
    slot_line_up(sl);
    l->v[l->n++] = (struct look){ .slot = sl, .key = *key };
    if (l->n == LOOKS_MOST)
        looks_send(s);
}

void cmd_check(struct session *s, const struct call *c)
{
    struct span id = c->arg[0];
    struct msgid_key key;
    struct claim *unused;
    enum his_answer a;

    COUNT(s, offered);
    TALLY(s, OFFERED);
    s->n_offered++;
    if (!msgid_valid(id)) {
        reply_id(s, 438, id, "Syntax error in message-ID");
    } else if (!session_healthy(s)) {
        reply_id(s, check_code(s, HIS_FAILED), id, "");
    } else if ((a = peek(s, id, &key, &unused)) == HIS_ASK) {
        look_later(s, id, &key);
    } else {
        reply_id(s, check_code(s, a), id, "");
    }
}

/* --- TAKETHIS ---------------------------------------------------------- */

static void takethis_read(struct session *s)
{
    body_to_intake(s, WAY_TAKETHIS);
}

/* Whatever is wrong already, the article comes: it is read to its end first. */
void cmd_takethis(struct session *s, const struct call *c)
{
    struct span id = c->arg[0];
    struct slot *sl = slot_new(s, id, true);
    struct msgid_key key;

    if (!msgid_valid(id)) {
        COUNT(s, rejected);
        s->n_rejected++;
        tally_article(s->tally, V_BAD_ID, 0);
        body_refuse(s, sl, 439, "Syntax error in message-ID");
        return;
    }
    if (!session_healthy(s)) {
        COUNT(s, deferred);
        s->n_deferred++;
        tally_article(s->tally, V_LATER, 0);
        body_refuse(s, sl, 400, "Articles cannot be stored now, please come back later");
        return;
    }
    key = msgid_key(store_key(s->h->store), id);
    if (his_peek(store_history(s->h->store), &key) == HIS_SEEN) {
        COUNT(s, received_known);
        TALLY(s, KNOWN);
        s->n_known++;
        body_refuse(s, sl, 439, "Duplicate");
        return;
    }
    body_begin(s, s->conf->site.article_max, sl, takethis_read);
}

/* --- IHAVE ------------------------------------------------------------- */

struct ihave {
    struct task t;
    struct msgid_key key;
    enum his_answer answer;
    unsigned id_n;
    char id[MSGID_MAX + 1];
};

static void ihave_read(struct session *s)
{
    body_to_intake(s, WAY_IHAVE);
}

static void ihave_answer(struct session *s, enum his_answer a, struct span id, struct claim *c)
{
    switch (a) {
    case HIS_NEW:
        COUNT(s, wanted);
        TALLY(s, WANTED);
        reply(s, "335 Send it");
        s->body.claim = c;
        body_begin(s, s->conf->site.article_max, slot_new(s, id, false), ihave_read);
        return;
    case HIS_SEEN:
        COUNT(s, known);
        TALLY(s, KNOWN);
        s->n_known++;
        reply(s, "435 Duplicate");
        return;
    case HIS_BUSY:
        COUNT(s, later);
        TALLY(s, LATER);
        reply(s, "436 Another peer is sending it; retry later");
        return;
    case HIS_ASK:
    case HIS_FAILED:
        COUNT(s, later);
        TALLY(s, LATER);
        reply(s, "436 Cannot tell now; retry later");
        return;
    }
}

static void ihave_look(struct task *t)
{
    struct ihave *i = (struct ihave *)t;

    i->answer = his_look(store_history(t->store), &i->key, NULL, &t->e);
}

static void ihave_looked(struct task *t)
{
    struct ihave *i = (struct ihave *)t;
    struct claim *c = NULL;

    if (i->answer == HIS_NEW)
        i->answer = claim(t->s, &i->key, true, &c);
    ihave_answer(t->s, i->answer, (struct span){ i->id, i->id_n }, c);
}

static void ihave_ask(struct session *s, struct span id, const struct msgid_key *key)
{
    struct ihave *i = task_new(s, sizeof *i, ihave_look);

    COUNT(s, looks);
    i->key = *key;
    i->id_n = (unsigned)id.n;
    memcpy(i->id, id.p, id.n);
    i->t.done = ihave_looked;
    task_send(&i->t);
}

void cmd_ihave(struct session *s, const struct call *c)
{
    struct span id = c->arg[0];
    struct claim *cl = NULL;
    struct msgid_key key;
    enum his_answer a;

    COUNT(s, offered);
    TALLY(s, OFFERED);
    s->n_offered++;
    if (!msgid_valid(id)) {
        reply(s, "435 Syntax error in message-ID");
    } else if (!session_healthy(s)) {
        COUNT(s, later);
        TALLY(s, LATER);
        reply(s, "436 Articles cannot be stored now; retry later");
    } else if ((a = peek(s, id, &key, &cl)) == HIS_ASK) {
        ihave_ask(s, id, &key);
    } else {
        ihave_answer(s, a, id, cl);
    }
}
