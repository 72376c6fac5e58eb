/* traits.c - see traits.h. */
#include "feeder/traits.h"

#include "article/groups.h"
#include "article/header.h"
#include "lib/digest.h"

/* The first word of a field body, up to a blank, fold or semicolon. */
static struct span first_word(struct span body)
{
    size_t n = 0;

    while (n < body.n && body.p[n] != ' ' && body.p[n] != '\t' && body.p[n] != '\r' && body.p[n] != '\n' && body.p[n] != ';')
        n++;
    return (struct span){ body.p, n };
}

void traits_read(struct traits *t, const struct record *r, size_t n_groups)
{
    struct span head = { r->data.p, r->body >= 2 && r->body <= r->data.n ? r->body - 2 : 0 }, where;
    struct headers h;

    *t = (struct traits){ .followups = n_groups };
    if (head.n == 0 || headers_read(&h, head, &where) != HDR_OK)
        return;
    if (hdr_has(&h, HDR_CONTROL))
        t->control = first_word(hdr_body(&h, HDR_CONTROL));
    if (groups_count(hdr_body(&h, HDR_FOLLOWUP_TO)) > 0)
        t->followups = groups_count(hdr_body(&h, HDR_FOLLOWUP_TO));
    t->moderated = hdr_has(&h, HDR_APPROVED) && t->control.n == 0;
    if (hdr_has(&h, HDR_INJECTION_INFO))
        t->origin = first_word(hdr_body(&h, HDR_INJECTION_INFO));
    else if (hdr_has(&h, HDR_X_TRACE))
        t->origin = first_word(hdr_body(&h, HDR_X_TRACE));
}

uint32_t traits_hash(struct span msgid, uint32_t of)
{
    uint8_t sum[16];
    uint32_t v;

    digest_md5(msgid, sum);
    v = (uint32_t)sum[12] << 24 | (uint32_t)sum[13] << 16 | (uint32_t)sum[14] << 8 | sum[15];
    return v % of + 1;
}
