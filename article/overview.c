/* overview.c - the overview line of an article.  See overview.h. */
#include "article/overview.h"

#include <string.h>

static const enum hdr fields[] = { HDR_SUBJECT, HDR_FROM, HDR_DATE, HDR_MESSAGE_ID, HDR_REFERENCES };

void overview_write(struct buf *out, const struct headers *h, size_t bytes, size_t lines)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct span body = h->field[fields[i]].body;

        if (h->count[fields[i]] > 0)
            hdr_unfold(out, fields[i] == HDR_MESSAGE_ID ? hdr_body(h, HDR_MESSAGE_ID) : body);
        buf_add(out, "\t", 1);
    }
    buf_printf(out, "%zu\t%zu\t", bytes, lines);
}

bool overview_field(struct span line, int which, struct span *field)
{
    while (span_next(&line, '\t', field))
        if (which-- == 0)
            return true;
    return false;
}

int overview_index(struct span name)
{
    static const char *const names[] = { "Subject", "From", "Date", "Message-ID", "References", ":bytes", ":lines", "Xref" };

    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (span_ieq(name, span_of(names[i])))
            return i;
    return -1;
}
