/* load.h - what the files of the load generator share.
 *
 * A connection is a thread's own, or the main thread's; blocking.  Trouble ends the
 * program with a sentence.
 */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct load_options {
    const char *mode;
    int port, sink_port, conns, window, groups, range;
    double seconds, rate;
    long count, run, size, pid, known;
    bool tls, deflate;               /* layers of each connection                    */
    bool quick;                      /* acknowledge at once                          */
    int  sources;                    /* addresses 127.0.1.1 ... to come from; 0: any */
};
extern struct load_options opt;

double now(void);
_Noreturn void fail(const char *what);
/* "over", "over.tls", "over.deflate", "over.tls+deflate": the mode and the layers. */
const char *figure(void);
/* Seconds of processor time that the server has used (-P); 0: not known. */
double server_used(void);

/* load_io.c: a connection with its layers, greeted, and buffers of its own. */
struct line_io;
extern atomic_long wire_in;          /* octets that came over the wire, of closed connections         */
extern atomic_bool resume;           /* show the server the TLS session of the thread's last connection */
extern atomic_long resumed;          /* how many did begin so                                         */
struct line_io *open_conn(int port);
struct line_io *take_conn(int fd);   /* one that somebody else made: no layers, no greeting           */
void close_conn(struct line_io *c);
void put(struct line_io *c, const char *p, size_t n);
void put_text(struct line_io *c, const char *text);
void flush_out(struct line_io *c);
/* The next line without CRLF; valid until the next call.  NULL: closed. */
char *get_line(struct line_io *c);
bool has_line(const struct line_io *c);   /* one is here already                                      */
void rest_conn(struct line_io *c);   /* nothing is on its way: give the buffers back                  */

/* load.c */
int id_of(char *out, long run, long number);
/* Wire form of article 'number'; return its length. */
size_t article_of(char *out, size_t cap, long number, bool post);
/* One answer: count it, tell whether it begins with 'want'. */
bool answer(struct line_io *c, const char *want);
long take(void);                     /* the next number, or -1 when the run is over */

/* load_idle.c: readers that come and go (modes setup and resume), or stay */
void run_visits(void);               /* on each thread */
void run_idle(void);

/* load_prop.c: from our 239 to the next site's receipt */
void run_prop(void);

#endif
