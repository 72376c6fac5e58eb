/* wire.c - blocks as they come from a stranger: the scan finds the same end however they are cut. */
#include <stdint.h>
#include <string.h>

#include "article/wire.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    struct wire_scan whole = { 0 }, cut = { 0 };
    struct buf text = { 0 }, wire = { 0 }, back = { 0 };
    struct wire_facts facts;
    const char *cr = size > 0 ? memchr(p, '\r', size) : NULL;
    bool done = false, done_cut = false;
    size_t end = wire_scan(&whole, p, size, &done), at = 0;

    while (at < size && !done_cut)
        at += wire_scan(&cut, p + at, 1, &done_cut);
    need(done == done_cut && (!done || at == end));
    if (done) {
        struct span block = { p, end };

        need(end >= 3 && memcmp(p + end - 3, ".\r\n", 3) == 0);
        if (wire_check(block, &facts) == WIRE_OK)
            need(facts.body >= 4 && facts.body <= end && facts.lines <= end);
        need(wire_bytes(block) <= end);
    }
    /* text with LF lines (a CR alone is another matter) survives the way to the wire and back */
    wire_from_text(&wire, (struct span){ p, size });
    wire_to_text(&text, buf_span(&wire));
    wire_from_text(&back, buf_span(&text));
    need(cr != NULL || span_eq(buf_span(&wire), buf_span(&back)));
    buf_fini(&text);
    buf_fini(&wire);
    buf_fini(&back);
    return 0;
}
