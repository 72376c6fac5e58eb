/* session_reply.c - replies in order.
 *
 *     row:  [filled] [filled] [empty] [filled] ...
 *            └─ sent at once   └─ all behind it wait
 *
 * With an empty row a reply goes straight to the stream.  Slots are made by the
 * transit commands alone; every other command waits for the row to be empty
 * (command.c), so it may write to the stream as it likes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "nntpd/sess.h"

struct slot *slot_new(struct session *s, struct span id, bool with_id)
{
    struct slot *sl = xcalloc(1, sizeof *sl + id.n + 1);

    sl->s = s;
    if (id.n > 0)
        memcpy(sl->id, id.p, id.n);
    sl->id_n = (unsigned)id.n;
    sl->with_id = with_id;
    return sl;
}

void slot_free(struct slot *sl)
{
    if (sl == NULL)
        return;
    free(sl->text);
    free(sl);
}

void slot_line_up(struct slot *sl)
{
    STAILQ_INSERT_TAIL(&sl->s->row, sl, link);
    sl->s->n_slots++;
}

static void leave(struct slot *sl)
{
    struct session *s = sl->s;

    if (STAILQ_FIRST(&s->row) == sl)
        STAILQ_REMOVE_HEAD(&s->row, link);
    else
        STAILQ_REMOVE(&s->row, sl, slot, link);
    s->n_slots--;
    slot_free(sl);
}

void row_free(struct session *s)
{
    while (!row_empty(s))
        leave(STAILQ_FIRST(&s->row));
}

/* A reply that is ready: to the stream, or behind those that are not. */
static void send_or_queue(struct session *s, const char *p, size_t n)
{
    struct slot *sl;

    if (session_dead(s))
        return;
    if (row_empty(s)) {
        stream_write(s->st, p, n);
        return;
    }
    sl = slot_new(s, (struct span){ 0 }, false);
    slot_line_up(sl);
    sl->full = true;
    sl->text = xstrndup(p, n);
}

/* What the client sent may come back in a reply: no controls, in one line. */
static size_t clean(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] < ' ' || p[i] == 127)
            p[i] = '?';
    return n;
}

void reply(struct session *s, const char *fmt, ...)
{
    char line[LINE_MOST + 2];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, LINE_MOST - 1, fmt, ap);
    va_end(ap);
    if (n > LINE_MOST - 2)
        n = LINE_MOST - 2;
    n = (int)clean(line, (size_t)n);
    memcpy(line + n, "\r\n", 2);
    send_or_queue(s, line, (size_t)n + 2);
}

/* The fast one: CHECK's.  Ids were tried (printable) or are cleaned here. */
void reply_id(struct session *s, int code, struct span id, const char *text)
{
    char line[LINE_MOST];
    size_t n = 4, m = strlen(text);

    m = m < 100 ? m : 100;
    if (id.n > LINE_MOST - 7 - m)
        id.n = LINE_MOST - 7 - m;
    line[0] = (char)('0' + code / 100);
    line[1] = (char)('0' + code / 10 % 10);
    line[2] = (char)('0' + code % 10);
    line[3] = ' ';
    memcpy(line + n, id.p, id.n);
    n += clean(line + n, id.n);
    if (m > 0) {
        line[n++] = ' ';
        memcpy(line + n, text, m);
        n += clean(line + n, m);
    }
    memcpy(line + n, "\r\n", 2);
    send_or_queue(s, line, n + 2);
}

/* Send what is filled at the head of the row. */
static void row_flush(struct session *s)
{
    struct slot *sl;

    while ((sl = STAILQ_FIRST(&s->row)) != NULL && sl->full) {
        bool close = sl->close;

        if (s->state != SESS_FINISH)
            stream_write(s->st, sl->text, strlen(sl->text));
        leave(sl);
        if (close)
            session_finish(s, "answered 400: articles cannot be taken now");
    }
}

void slot_say(struct slot *sl, int code, const char *text)
{
    char id[ARGUMENT_MOST + 1];
    int id_n = (int)(sl->id_n < ARGUMENT_MOST ? sl->id_n : ARGUMENT_MOST), most = LINE_MOST - 8 - id_n;

    memcpy(id, sl->id, (size_t)id_n);
    clean(id, (size_t)id_n);                       /* a NUL would end it */
    free(sl->text);
    sl->close = code == 400;
    if (sl->with_id && !sl->close)
        sl->text = xasprintf("%d %.*s%s%.*s\r\n", code, id_n, id, *text != '\0' ? " " : "", most > 0 ? most : 0, text);
    else
        sl->text = xasprintf("%d %.*s\r\n", code, LINE_MOST - 6, text);
    clean(sl->text, strlen(sl->text) - 2);
}

void slot_ready(struct slot *sl)
{
    struct session *s = sl->s;

    s->flying -= sl->bytes;
    s->h->guests->bytes -= sl->bytes;
    sl->bytes = 0;
    if (session_dead(s)) {
        leave(sl);
        return;
    }
    sl->full = true;
    row_flush(s);
}

void slot_fill(struct slot *sl, int code, const char *text)
{
    slot_say(sl, code, text);
    slot_ready(sl);
}
