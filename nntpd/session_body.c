/* session_body.c - reading a block, and handing it to intake.
 *
 * Bytes are looked at once, as they arrive, and copied once, out of the input
 * buffer.  An article over the limit is read to its end; only its head is kept,
 * so memory is bounded by the limit.  One that nobody wants (refused before it
 * came) is passed over without being kept at all.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "nntpd/sess.h"

void body_begin(struct session *s, uint64_t most, struct slot *sl, void (*done)(struct session *))
{
    struct claim *claim = s->body.claim;

    s->body = (struct body){ .most = most, .slot = sl, .done = done, .claim = claim };
    s->state = SESS_BODY;
}

void body_fini(struct body *b)
{
    buf_fini(&b->bytes);
    slot_free(b->slot);
    *b = (struct body){ 0 };
}

/* Too large: keep the head. */
static void cut(struct body *b)
{
    struct buf head = { 0 };

    buf_add(&head, buf_data(&b->bytes), buf_len(&b->bytes) < BODY_HEAD ? buf_len(&b->bytes) : BODY_HEAD);
    buf_fini(&b->bytes);
    b->bytes = head;
    b->big = true;
}

static void keep(struct body *b, const char *p, size_t n)
{
    if (b->most == 0 || b->big || b->lost)
        return;
    if (!buf_reserve(&b->bytes, n)) {
        buf_fini(&b->bytes);
        b->lost = true;
        return;
    }
    buf_add(&b->bytes, p, n);
    if (b->size > b->most)
        cut(b);
}

/* n octets of the block as the wire has it; return how many of them are its own. */
static size_t take(struct body *b, const char *p, size_t n, bool *done)
{
    n = wire_scan(&b->scan, p, n, done);
    b->size += n;
    keep(b, p, n);
    return n;
}

/* The same of a post.  When its first line ends in LF alone, all of them may, as with
 * commands: someone types it, or a script writes it, and else would wait for us as we
 * for its CRLF.  When it ends in CRLF, the end does too, whatever stands within. */
static size_t take_typed(struct body *b, const char *p, size_t n, bool *done)
{
    size_t at = 0;

    *done = false;
    while (at < n && !*done) {
        const char *lf = memchr(p + at, '\n', n - at);
        size_t len = lf != NULL ? (size_t)(lf - p) - at : n - at;

        if (len > 0) {
            take(b, p + at, len, done);
            b->cr = p[at + len - 1] == '\r';
        }
        at += len;
        if (lf == NULL)
            break;
        if (b->ends == ENDS_ASK)
            b->ends = b->cr ? ENDS_CRLF : ENDS_LF;
        if (b->ends == ENDS_LF && !b->cr)
            take(b, "\r", 1, done);
        take(b, "\n", 1, done);
        b->cr = false;
        at++;
    }
    return at;
}

bool body_step(struct session *s)
{
    struct body *b = &s->body;
    struct buf *in = stream_in(s->st);
    size_t n = buf_len(in);
    bool done = false;

    if (n == 0)
        return false;
    n = b->ends == ENDS_CRLF ? take(b, buf_data(in), n, &done) : take_typed(b, buf_data(in), n, &done);
    buf_drop(in, n);
    if (!done) {
        session_part(s);
        return false;
    }
    s->part_us = 0;
    s->state = SESS_LINE;
    b->done(s);
    return !session_dead(s);
}

static void refused(struct session *s)
{
    struct slot *sl = s->body.slot;

    s->body = (struct body){ 0 };
    slot_line_up(sl);
    slot_ready(sl);
}

void body_refuse(struct session *s, struct slot *sl, int code, const char *text)
{
    slot_say(sl, code, text);
    body_begin(s, 0, sl, refused);
}

/* --- intake ------------------------------------------------------------ */

static void count_answer(struct session *s, enum intake_way way, int code)
{
    switch (code) {
    case 235: case 239:
        COUNT(s, accepted), s->n_accepted++;
        break;
    case 240:
        COUNT(s, posted), s->n_posted++;
        break;
    case 436: case 400:
        COUNT(s, deferred), s->n_deferred++;
        break;
    default:
        s->n_rejected++;
        if (way == WAY_POST)
            COUNT(s, post_refused);
        else
            COUNT(s, rejected);
    }
}

struct flight {                     /* an article with intake */
    struct slot *slot;
    enum intake_way way;
    uint64_t size;
};

static void intake_back(struct intake *in, void *user)
{
    struct flight *f = user;
    struct session *s = f->slot->s;
    int code = intake_code(in);

    count_answer(s, f->way, code);
    if (f->way != WAY_POST)
        tally_article(s->tally, intake_verdict(in), f->size);
    if (f->way == WAY_POST && code != 240)
        share_back(s);
    slot_fill(f->slot, code, intake_text(in));
    intake_free(&in);
    free(f);
    session_go(s);
    session_unref(s);
}

static struct intake_sender sender_of(const struct session *s, enum intake_way way, struct buf *approve)
{
    if (way == WAY_POST && s->rights.access != NULL)
        conf_join(&s->rights.access->approve, approve);
    return (struct intake_sender){
        .source = way == WAY_POST ? s->source_post : s->source,
        .address = s->address,
        .peer = s->rights.peer,
        .n_peer = way == WAY_POST ? 0 : s->rights.n_peer,
        .post_groups = s->rights.post,
        .read_groups = s->rights.read,
        .approve = buf_span(approve),
        .letters = s->h->letters,
        .user = way == WAY_POST ? s->who.user : NULL,
    };
}

void body_answer(struct session *s, enum intake_way way, int code, const char *text)
{
    struct body b = s->body;

    s->body = (struct body){ 0 };
    buf_fini(&b.bytes);
    slot_line_up(b.slot);
    count_answer(s, way, code);
    slot_fill(b.slot, code, text);
}

/* No memory to keep it: our own trouble, so "later". */
static void lost(struct session *s, enum intake_way way, struct slot *sl, struct claim *claim)
{
    int code = way == WAY_IHAVE ? 436 : way == WAY_POST ? 441 : 400;

    if (claim != NULL)
        his_release(store_history(s->h->store), &claim);
    count_answer(s, way, code);
    if (way != WAY_POST)
        tally_article(s->tally, V_LATER, 0);
    slot_fill(sl, code, "Out of memory, try again later");
}

void body_to_intake(struct session *s, enum intake_way way)
{
    struct body b = s->body;
    struct intake_sender from;
    struct buf approve = { 0 };
    struct flight *f;
    struct intake *in;
    struct span named = { b.slot->id, b.slot->id_n };
    size_t n;
    char *block;

    s->body = (struct body){ 0 };
    slot_line_up(b.slot);
    COUNT_N(s, article_bytes, b.size);
    if (way != WAY_POST)
        COUNT(s, received);
    if (b.lost) {
        lost(s, way, b.slot, b.claim);
        return;
    }
    if (way == WAY_POST && s->source_post == NULL)
        s->source_post = xasprintf("post %s%s%s", s->who.user != NULL ? s->who.user : "", s->who.user != NULL ? " " : "", s->address);
    block = buf_steal(&b.bytes, &n);
    b.slot->bytes = n;
    s->flying += n;
    s->h->guests->bytes += n;
    from = sender_of(s, way, &approve);
    f = xmalloc(sizeof *f);
    *f = (struct flight){ b.slot, way, b.size };
    session_ref(s);
    in = intake_new(s->h->store, s->h->rules, s->h->lane, s->h->home, way, &from, block, n, b.size, named, b.claim,
                    intake_back, f);
    buf_fini(&approve);
    intake_run(in);
}
