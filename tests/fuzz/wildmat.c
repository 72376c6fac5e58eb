/* wildmat.c - patterns of a stranger: they end, and in time. */
#include <stdint.h>
#include <string.h>

#include "article/wildmat.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data, *cut = size > 0 ? memchr(p, '\n', size) : NULL;
    struct span text = { p, cut != NULL ? (size_t)(cut - p) : size / 2 }, list;

    if (size > 4096)
        return 0;
    list = span_from((struct span){ p, size }, text.n + (cut != NULL));
    if (wildmat(text, list))
        need(wildmat_poison(text, list) != WILDMAT_NO || memchr(list.p, '@', list.n) != NULL);
    (void)wildmat_simple(text, list);
    need(wildmat_simple(text, SPAN("*")));
    return 0;
}
