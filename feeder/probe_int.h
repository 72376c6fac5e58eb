/* probe_int.h - the inside of a probe, for feeder/probe*.c alone. */
#ifndef FEEDER_PROBE_INT_H
#define FEEDER_PROBE_INT_H

#include <event2/event_struct.h>
#include <stdatomic.h>

#include "feeder/hello.h"
#include "feeder/probe.h"
#include "lib/net.h"
#include "lib/stream.h"

#define PROBE_ADDRESSES 8              /* of a name                                   */
#define PROBE_NAMES     8              /* of 'address' that are asked for             */
#define PROBE_SAYS      800            /* octets of a row's text                      */

/* A question to the name service. */
struct asked {
    char           *name;
    struct net_addr v[PROBE_ADDRESSES];
    size_t          n;
    int             rc;
};

struct ask {
    struct job      job;
    struct probe   *probe;             /* NULL: nobody waits any more                 */
    _Atomic bool    off;               /* the same, for the lane                      */
    struct asked    q[1 + PROBE_NAMES];/* the host of 'connect', the names of 'address' */
    size_t          n;
    char            port[8];
    int             family;
    struct net_cidr *cidr;             /* of 'address'                                */
    size_t          n_cidr;
};

enum probe_stage { PROBE_ASKING, PROBE_CONNECTING, PROBE_HELLO, PROBE_HELP, PROBE_CAPABILITIES, PROBE_QUIT };

struct probe {
    struct feeder  *f;
    probe_fn       *fn;
    void           *arg;
    char           *name, *connect, *host, *source, *fingerprint, *user, *password;
    bool            tls_verify, show_certificate;
    struct hello_wants wants;
    struct event    turn, deadline;
    struct ask     *ask;
    bool            asked;             /* it is the lane's                            */
    struct net_addr to[PROBE_ADDRESSES];
    size_t          n_to, at_to;
    struct stream  *stream;
    struct hello    hello;
    enum probe_stage stage;
    bool            freshet;           /* its greeting says so                        */
    bool            sends;             /* it is a peer that gets articles             */
    bool            takes;             /* it streams, or says that it has IHAVE       */
    bool            in_block;
    size_t          block_lines;
    struct buf      words;             /* what is kept of a block                     */
    struct buf      ours;              /* told at the end, whatever that is           */
    char            summary[200];
    int64_t         step_us;           /* when the step at hand began                 */
};

enum probe_result { PROBE_OK, PROBE_NOTE, PROBE_BAD };

/* probe.c.  A row about the step, at once; then the next step's time begins. */
void probe_row(struct probe *p, const char *step, enum probe_result r, const char *fmt, ...) printf_like(4, 5);
/* The end: the probe is gone after these. */
void probe_fail(struct probe *p, const char *step, const char *fmt, ...) printf_like(3, 4);
void probe_done(struct probe *p);
void probe_next_address(struct probe *p, const char *trouble);

/* probe_talk.c: the stream's events from the moment that it stands. */
void probe_on_stream(struct stream *s, enum stream_event what, void *arg);
const char *probe_step(const struct probe *p);             /* the one at hand */

/* probe_tell.c.  Rows about the names; false: there is nothing to connect to. */
bool probe_tell_names(struct probe *p, const struct ask *a);
/* Rows about TLS; false: that is not the one we want. */
bool probe_tell_tls(struct probe *p, char why[PROBE_SAYS]);
/* Somebody else's words, made fit for a terminal. */
const char *probe_quote(struct span s, char out[PROBE_SAYS]);

#endif
