/* prom.h - figures for a monitor: Prometheus' text format, version 0.0.4.
 *
 * Threads:  pure.  Memory: appends to a buf of the caller's.
 *
 * A family is told once, and all its samples directly behind it.  Names are the
 * caller's constants: base units (_seconds, _bytes), counters end in _total.
 * Label values are taken as they are, and escaped; what is no UTF-8 gets "?".
 */
#ifndef LIB_PROM_H
#define LIB_PROM_H

#include <stdint.h>

#include "lib/buf.h"

#define PROM_TYPE "text/plain; version=0.0.4; charset=utf-8"      /* of an HTTP answer */

enum prom_kind { PROM_COUNTER, PROM_GAUGE, PROM_SUMMARY };

void prom_family(struct buf *out, const char *name, enum prom_kind kind, const char *help);

/* Labels: name, value, name, value, ..., NULL. */
#define PROM_LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define PROM_NONE        ((const char *const[]){ NULL })
void prom_sample(struct buf *out, const char *name, const char *const *labels, uint64_t v);
void prom_seconds(struct buf *out, const char *name, const char *const *labels, int64_t us);    /* as seconds */

/* A family of one. */
void prom_counter(struct buf *out, const char *name, uint64_t v, const char *help);
void prom_gauge(struct buf *out, const char *name, uint64_t v, const char *help);

#endif
