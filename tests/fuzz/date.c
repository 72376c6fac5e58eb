/* date.c - dates of a stranger: what the strict reading takes, the lax one takes too, alike. */
#include <stdint.h>

#include "article/date.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = { (const char *)data, size };
    int64_t strict, lax, again;
    char out[DATE_TEXT_MAX];

    if (date_read(text, &strict) == 0) {
        need(date_read_lax(text, &lax) == 0 && lax == strict);
        date_write(strict, out);
        need(date_read(span_of(out), &again) == 0 && again == strict);
    } else if (date_read_lax(text, &lax) == 0) {
        date_write(lax, out);
        need(date_read(span_of(out), &again) == 0 && again == lax);
    }
    if (size >= 6)
        (void)date_read_nntp((struct span){ text.p, size - 6 }, span_from(text, size - 6), 1800000000, &again);
    return 0;
}
