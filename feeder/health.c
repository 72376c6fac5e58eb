/* health.c - delays and reasons of one peer.  See health.h. */
#include "feeder/health.h"

#include <stdbool.h>
#include <string.h>

#define FADE_AT 65536u

/* Eight classes to a doubling: the place of the highest bit, and the three bits below it. */
static unsigned class_of(int64_t us)
{
    uint64_t v = us > 0 ? (uint64_t)us : 0;
    unsigned top, class;

    if (v < 8)
        return (unsigned)v;
    top = 63 - (unsigned)__builtin_clzll(v);
    class = (top - 2) * 8 + (unsigned)((v >> (top - 3)) & 7);
    return class < DELAY_CLASSES ? class : DELAY_CLASSES - 1;
}

/* The middle of a class. */
static int64_t value_of(unsigned class)
{
    unsigned top = class / 8 + 2;
    int64_t low;

    if (class < 8)
        return class;
    low = (INT64_C(8) + class % 8) << (top - 3);
    return low + (INT64_C(1) << (top - 3)) / 2;
}

void health_delay(struct health *h, int64_t us)
{
    if (h->n_delays >= FADE_AT) {
        h->n_delays = 0;
        for (unsigned i = 0; i < DELAY_CLASSES; i++)
            h->n_delays += h->delay[i] /= 2;
    }
    h->delay[class_of(us)]++;
    h->n_delays++;
    h->all_delays++;
    h->delays_us += us > 0 ? (uint64_t)us : 0;
}

int64_t health_percentile(const struct health *h, double share)
{
    double wanted = share * h->n_delays, seen = 0;

    for (unsigned i = 0; i < DELAY_CLASSES; i++) {
        seen += h->delay[i];
        if (h->delay[i] > 0 && seen >= wanted)
            return value_of(i);
    }
    return -1;
}

/* The words that stay the same: no ids, no digits, nothing quoted. */
static void gist(struct span line, char out[REASON_MOST])
{
    size_t n = 0;
    char until = '\0';

    for (size_t i = 0; i < line.n && n < REASON_MOST - 1; i++) {
        char c = line.p[i];

        if (until != '\0') {
            until = c == until ? '\0' : until;
            continue;
        }
        if (c == '<' || c == '"')
            until = c == '<' ? '>' : '"';
        else if ((unsigned char)c > ' ' && (unsigned char)c < 0x7f && (c < '0' || c > '9'))
            out[n++] = c;
        else if (n > 0 && out[n - 1] != ' ')
            out[n++] = ' ';
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

void health_reason(struct health *h, struct span line)
{
    char text[REASON_MOST];

    gist(span_from(line, line.n < 4 ? line.n : 4), text);
    if (text[0] == '\0')
        memcpy(text, "(none given)", sizeof "(none given)");
    for (size_t i = 0; i < h->n_reasons; i++) {
        if (strcmp(h->reason[i].text, text) == 0) {
            h->reason[i].n++;
            return;
        }
    }
    if (h->n_reasons == REASONS_MOST) {
        h->other_reasons++;
        return;
    }
    h->reason[h->n_reasons].n = 1;
    memcpy(h->reason[h->n_reasons++].text, text, sizeof text);
}
