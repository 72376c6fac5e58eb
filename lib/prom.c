/* prom.c - lines of the text format.  See prom.h. */
#include "lib/prom.h"

#include <inttypes.h>
#include <stdbool.h>

#include "lib/utf8.h"

/* Backslash and newline, and within labels the quote, would end or change the line. */
static void put_escaped(struct buf *out, const char *s, bool label)
{
    bool utf8 = utf8_valid(span_of(s));

    for (; *s != '\0'; s++) {
        char c = !utf8 && (unsigned char)*s >= 0x80 ? '?' : *s;

        if (c == '\\' || (c == '"' && label))
            buf_add(out, "\\", 1);
        if (c == '\n')
            buf_add(out, "\\n", 2);
        else
            buf_add(out, &c, 1);
    }
}

void prom_family(struct buf *out, const char *name, enum prom_kind kind, const char *help)
{
    static const char *const kinds[] = { [PROM_COUNTER] = "counter", [PROM_GAUGE] = "gauge", [PROM_SUMMARY] = "summary" };

    buf_printf(out, "# HELP %s ", name);
    put_escaped(out, help, false);
    buf_printf(out, "\n# TYPE %s %s\n", name, kinds[kind]);
}

static void begin(struct buf *out, const char *name, const char *const *label)
{
    buf_puts(out, name);
    for (size_t i = 0; label[i] != NULL; i += 2) {
        buf_printf(out, "%s%s=\"", i == 0 ? "{" : ",", label[i]);
        put_escaped(out, label[i + 1], true);
        buf_puts(out, label[i + 2] == NULL ? "\"}" : "\"");
    }
    buf_add(out, " ", 1);
}

void prom_sample(struct buf *out, const char *name, const char *const *labels, uint64_t v)
{
    begin(out, name, labels);
    buf_number(out, v);
    buf_add(out, "\n", 1);
}

void prom_seconds(struct buf *out, const char *name, const char *const *labels, int64_t us)
{
    uint64_t size = us < 0 ? -(uint64_t)us : (uint64_t)us;

    begin(out, name, labels);
    buf_printf(out, "%s%" PRIu64 ".%06" PRIu64 "\n", us < 0 ? "-" : "", size / 1000000, size % 1000000);
}

void prom_counter(struct buf *out, const char *name, uint64_t v, const char *help)
{
    prom_family(out, name, PROM_COUNTER, help);
    prom_sample(out, name, PROM_NONE, v);
}

void prom_gauge(struct buf *out, const char *name, uint64_t v, const char *help)
{
    prom_family(out, name, PROM_GAUGE, help);
    prom_sample(out, name, PROM_NONE, v);
}
