/* inject_text.c - what the lines of a post must be: ended by CRLF, dots doubled, not
 * too long, not mostly quotations.
 *
 * RFC 3977 3.6 has no CR and no LF in an article but in pairs.  A line that ends in
 * LF alone is mended, as in commands: what most readers take for a line must be one,
 * or a dot in it would end the article for them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nntpd/stages.h"

#define QUOTES_FEW 20           /* so many quoted lines are never too many */

static bool has_lone_lf(struct span s)
{
    const char *end = s.p + s.n;

    for (const char *p = s.p; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        if (p == s.p || p[-1] != '\r')
            return true;
    return false;
}

void inject_mend_ends(struct intake *in)
{
    struct span rest = in->block, line;
    struct buf out = { 0 };
    bool begins = true;             /* for the wire, too: its dot is doubled already */

    if (!has_lone_lf(rest))
        return;
    while (rest.n > 0 && span_next(&rest, '\n', &line)) {
        bool ends = line.n > 0 && line.p[line.n - 1] == '\r';

        if (line.n > 0 && line.p[0] == '.' && (!begins || (line.n == 1 && !ends)))
            buf_add(&out, ".", 1);
        buf_add_span(&out, line);
        buf_puts(&out, ends ? "\n" : "\r\n");
        begins = ends;
    }
    free(in->bytes);
    in->bytes = buf_steal(&out, &in->block.n);
    in->block.p = in->bytes;
}

struct lines {
    bool   single_dot, lone_cr;
    size_t longest, with_text, quoted;
};

/* 'line' is without its LF. */
static void look_at_line(struct lines *l, struct span line)
{
    size_t dots = line.n > 0 && line.p[0] == '.';

    l->single_dot |= dots == 1 && (line.n < 2 || line.p[1] != '.');
    line = span_from(line, dots);
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    l->lone_cr |= line.n > 0 && memchr(line.p, '\r', line.n) != NULL;
    if (line.n > l->longest)
        l->longest = line.n;
    l->with_text += span_trim(line).n > 0;
    l->quoted += line.n > 0 && line.p[0] == '>';
}

static void look_at_body(const struct intake *in, struct lines *l)
{
    struct span body = span_from(in->block, in->facts.body), line;

    body.n -= 3;                /* ".\r\n" */
    while (body.n > 0 && span_next(&body, '\n', &line))
        look_at_line(l, line);
}

enum verdict stage_p_text(struct intake *in)
{
    const struct conf_site *site = in->rules->site;
    struct lines l = { 0 };
    char text[60];

    look_at_body(in, &l);
    if (l.single_dot)
        return V_P_SINGLE_DOT;
    if (l.lone_cr)
        return V_P_LONE_CR;
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
