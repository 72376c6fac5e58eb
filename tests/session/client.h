/* client.h - the other ends: named clients that send and expect.
 *
 * Threads:  main alone.  Memory: clients live until clients_end.
 */
#ifndef TESTS_SESSION_CLIENT_H
#define TESTS_SESSION_CLIENT_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/span.h"

struct client;

struct client *client_find(struct span name);        /* NULL: none of that name that is connected */
void client_connect(struct span name, const char *address);

void client_send(struct client *c, struct span bytes);
void client_eof(struct client *c);                   /* its sending side is closed                */
void client_close(struct client *c);                 /* it goes away, whatever is said to it      */

/* Once the line that grants it was heard: TLS (it stands on return), DEFLATE. */
void client_begin_tls(struct client *c);
void client_begin_deflate(struct client *c);

/* What the next line must be: "text" whole, "text*" its beginning, "~regex" (its
 * groups become $1 to $9), "..." all lines up to one that is ".". */
void client_expect(struct client *c, struct span want);
void client_line(struct client *c, struct buf *out);  /* whatever the next line is, without its end */
bool client_says(struct span want, struct span got);  /* is 'got' what client_expect would take?   */
void client_expect_close(struct client *c);          /* the connection ends, nothing more is said */

/* The end of the script: nothing may be left that was said and not expected. */
void clients_end(void);

/* A line of the script to bytes: \t \r \n \\ \$ \xHH, $DATE (now), $(TEXT*N), $1 to $9, $0. */
void expand(struct buf *out, struct span line);
void client_zero(const char *word);                  /* $0 is this from now on                    */

#endif
