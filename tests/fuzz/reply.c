/* reply.c - what a peer answers. */
#include <stdint.h>

#include "feeder/reply.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span line = { (const char *)data, size }, id;
    int code = reply_read(line, &id);

    need(code >= -1 && code <= 999);
    if (id.p != NULL)
        need(code >= 0 && id.p >= line.p && id.p + id.n <= line.p + line.n && id.n >= 3);
    return 0;
}
