/* inject_text.c - what the lines of a post must be: dots doubled, not too long,
 * not mostly quotations.
 */
#include <stdio.h>
#include <string.h>

#include "nntpd/stages.h"

#define QUOTES_FEW 20           /* so many quoted lines are never too many */

struct lines {
    bool   single_dot;
    size_t longest, with_text, quoted;
};

/* 'line' is without its LF; 'starts': it stands after a CRLF or first. */
static void look_at_line(struct lines *l, struct span line, bool starts)
{
    size_t dots = starts && line.n > 0 && line.p[0] == '.';

    l->single_dot |= dots == 1 && (line.n < 2 || line.p[1] != '.');
    line = span_from(line, dots);
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (line.n > l->longest)
        l->longest = line.n;
    l->with_text += span_trim(line).n > 0;
    l->quoted += line.n > 0 && line.p[0] == '>';
}

static void look_at_body(const struct intake *in, struct lines *l)
{
    struct span body = span_from(in->block, in->facts.body), line;
    bool starts = true;

    body.n -= 3;                /* ".\r\n" */
    while (body.n > 0 && span_next(&body, '\n', &line)) {
        look_at_line(l, line, starts);
        starts = line.n > 0 && line.p[line.n - 1] == '\r';
    }
}

enum verdict stage_p_text(struct intake *in)
{
    const struct conf_site *site = in->rules->site;
    struct lines l = { 0 };
    char text[60];

    look_at_body(in, &l);
    if (l.single_dot)
        return V_P_SINGLE_DOT;
    if (site->post_line_max > 0 && l.longest > (size_t)site->post_line_max) {
        snprintf(text, sizeof text, "%zu octets, and %d are allowed", l.longest, site->post_line_max);
        return intake_say(in, V_P_TEXT_LINE_LONG, span_of(text));
    }
    if (l.quoted > QUOTES_FEW && l.quoted * 100 > l.with_text * (size_t)site->post_quote_max) {
        snprintf(text, sizeof text, "%zu of %zu lines", l.quoted, l.with_text);
        return intake_say(in, V_P_QUOTES, span_of(text));
    }
    return GO_ON;
}
