/* pull_line.c - see pull_line.h. */
#include "feeder/pull_line.h"

#include "article/msgid.h"

enum { OVER_DATE = 3, OVER_ID };               /* fields, the number being the first (0)     */

static bool number(struct span word, uint64_t *v)
{
    return word.n > 0 && span_u64(word, v) == 0 && *v < INT64_MAX;
}

/* All octets can stand in a word of ours and of theirs. */
static bool is_word(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return false;
    return s.n > 0;
}

bool pull_group_reply(struct span line, struct pull_range *r)
{
    uint64_t count;

    (void)span_word(&line);
    if (!number(span_word(&line), &count) || !number(span_word(&line), &r->low) || !number(span_word(&line), &r->high))
        return false;
    r->low += r->low == 0;                     /* some say 0 of a group that is empty        */
    return true;
}

bool pull_active_line(struct span line, struct span *name, struct pull_range *r)
{
    struct span flag;

    *name = span_word(&line);
    if (name->n > PULL_NAME_MOST || !is_word(*name) || !number(span_word(&line), &r->high) ||
        !number(span_word(&line), &r->low))
        return false;
    r->low += r->low == 0;
    flag = span_word(&line);
    return flag.n > 0 && flag.p[0] != '=' && flag.p[0] != 'x' && flag.p[0] != 'j';
}

bool pull_over_line(struct span line, struct pull_over *o)
{
    struct span field;

    *o = (struct pull_over){ .number = 0 };
    for (int i = 0; span_next(&line, '\t', &field); i++) {
        if (i == 0 && !number(field, &o->number)) {
            o->number = 0;
            return false;
        }
        if (i == OVER_DATE)
            o->date = field;
        if (i == OVER_ID) {
            o->id = span_trim(field);
            return o->number > 0 && msgid_valid_lax(o->id) && is_word(o->id);
        }
    }
    return false;
}
