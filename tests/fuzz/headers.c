/* headers.c - header lines of a stranger: every field lies inside, and all together are the whole. */
#include <stdint.h>
#include <string.h>

#include "article/header.h"
#include "article/overview.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct span s, struct span all)
{
    need(s.p >= all.p && s.p + s.n <= all.p + all.n);
}

static void check_overview(const struct headers *h)
{
    struct buf line = { 0 };
    size_t tabs = 0;

    overview_write(&line, h, 12345, 67);
    for (size_t i = 0; i < buf_len(&line); i++) {
        char c = buf_data(&line)[i];

        need(c != '\r' && c != '\n' && c != '\0');
        tabs += c == '\t';
    }
    need(tabs == 7);
    buf_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span head = { (const char *)data, size }, where;
    struct headers h;
    struct hdr_field f;
    struct buf out = { 0 };
    size_t at = 0, sum = 0;

    while (headers_next(head, &at, &f)) {
        inside(f.whole, head);
        inside(f.name, f.whole);
        inside(f.body, f.whole);
        sum += f.whole.n;
        (void)hdr_of(f.name);
        (void)hdr_name_valid(f.name);
        (void)hdr_body_valid(f.body);
        buf_clear(&out);
        hdr_skip_cfws(&out, f.body);
        need(buf_len(&out) <= f.body.n);
    }
    need(sum == size && at == size);
    if (headers_read(&h, head, &where) == HDR_OK) {
        for (int i = 0; i < HDR_KNOWN; i++) {
            struct span b = hdr_body(&h, (enum hdr)i);

            need((b.p == NULL) == (h.count[i] == 0));
            if (b.p != NULL)
                inside(b, head);
        }
        check_overview(&h);
    } else {
        inside(where, head);
        need(where.n <= 60);
    }
    buf_fini(&out);
    return 0;
}
