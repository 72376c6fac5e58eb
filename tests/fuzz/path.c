/* path.c - Paths of a stranger: elements lie inside, and our name in front is found again. */
#include <stdint.h>

#include "article/groups.h"
#include "article/path.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span path = { (const char *)data, size }, e;
    size_t at = 0, n = 0, names = 0;
    struct buf out = { 0 };

    while (path_next(path, &at, true, &e)) {
        need(e.n > 0 && e.p >= path.p && e.p + e.n <= path.p + path.n);
        need(path_has(path, e) || e.p[0] == '.');
        n++;
    }
    need(path_hops(path) <= n);
    path_prepend(&out, SPAN("us.example"), PATH_MISMATCH, SPAN("them.example"), path);
    need(path_has(buf_span(&out), SPAN("US.example")) && path_hops(buf_span(&out)) >= path_hops(path));
    buf_clear(&out);
    path_inject(&out, SPAN("us.example"), SPAN(""), path);
    need(path_is_posted(buf_span(&out)));
    buf_fini(&out);
    for (at = 0; groups_next(path, &at, &e); names++)
        need(e.p >= path.p && e.p + e.n <= path.p + path.n);
    need(names == groups_count(path));
    return 0;
}
