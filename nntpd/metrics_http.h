/* metrics_http.h - the same figures over HTTP: GET /metrics, and nothing else.
 *
 * Threads:  one of its own, which answers one after the other; no session waits for it.
 * Memory:   requests of 4 kB at most, which have five seconds to come.
 * Errors:   a port that cannot be had ends the start; later ones are the client's.
 *
 * Who may connect may read: there is no login.  By default nobody may, and then the
 * machine itself (metrics-listen = "127.0.0.1:9119") is a good place.
 */
#ifndef NNTPD_METRICS_HTTP_H
#define NNTPD_METRICS_HTTP_H

#include "lib/err.h"
#include "nntpd/server.h"

struct metrics_http;

/* 'address' as in a listen block. */
struct metrics_http *metrics_http_open(struct nntpd *n, const char *address, struct err *e);
void metrics_http_close(struct metrics_http **h);

#endif
