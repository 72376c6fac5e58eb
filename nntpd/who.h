/* who.h - who is this address, what may it do, and how many of them are here.
 *
 * Threads:  a struct who is immutable and shared by reference count; rights
 *           belong to their session.  Guests may be asked on any thread.
 *           Nothing here asks the name service: nntpd/resolve does, and makes a
 *           new struct who when an answer has changed.
 * Memory:   rights hold a reference to the who they came from; what they point
 *           to in the configuration lives as long as the program.
 *
 * A connection's rights are the union of the peer blocks that it matches (by
 * address, by the certificate it showed, or by its login) and the last access
 * block that it matches.  What is missing may be had by a login or by TLS: the
 * rights say so, for 480 and 483.
 */
#ifndef NNTPD_WHO_H
#define NNTPD_WHO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "conf/conf.h"
#include "lib/map.h"
#include "lib/net.h"
#include "lib/rate.h"
#include "lib/span.h"
#include "nntpd/tally.h"

/* What the name service said: name to addresses.  Immutable, counted. */
struct names {
    _Atomic unsigned refs;
    struct map *map;               /* to struct name_addresses                                  */
};
struct name_addresses { size_t n; struct net_addr v[]; };
struct names *names_new(void);
void names_put(struct names *n, struct span name, const struct net_addr *v, size_t count);
const struct name_addresses *names_get(const struct names *n, struct span name);    /* NULL: not known */
struct names *names_ref(struct names *n);
void names_unref(struct names **n);

struct who;
struct who *who_new(const struct conf *c, const struct names *n /* NULL: literals only */);
struct who *who_ref(struct who *w);
void who_unref(struct who **w);

/* Kinds of commands. */
struct may { bool read, post, newnews, transit, streaming; };

struct rights {
    struct who *who;
    const struct conf_peer **peer;  /* those that match and may send to us                       */
    size_t      n_peer;
    const struct conf_access *access;   /* the last that matches, or NULL                        */
    struct span read, post;         /* wildmats; n 0: nothing                                    */
    bool        read_all;           /* 'read' is "*"                                             */
    bool        transit;            /* IHAVE                                                     */
    bool        streaming;          /* CHECK and TAKETHIS                                        */
    bool        newnews;
    bool        starttls, compress; /* the connection may still begin these                      */
    bool        compressed;         /* no login any more                                         */
    unsigned    most;               /* connections of this peer at once; 0: no limit             */
    uint64_t    command_rate, byte_rate;   /* a second, all its connections; 0: no limit         */
    struct may  login, tls;         /* not now, but somebody may after AUTHINFO, STARTTLS        */
    bool        logins;             /* there is AUTHINFO                                         */
    bool        clear;              /* passwords may be sent as the connection is now            */
    bool        logged_in;
};

/* What is known of the other end: its address from the start, the rest by TLS
 * (RFC 4642) and AUTHINFO (RFC 4643). */
struct identity {
    struct net_addr from;
    bool  tls;                      /* encrypted                                                 */
    char  cert[65];                 /* SHA-256 of the certificate it showed, in hex, or ""       */
    bool  cert_good;                /* signed by the CA of the configuration                     */
    char *cert_names;               /* then: whom it is for, a line each (tls_names), owned; or NULL */
    char *user;                     /* logged in, owned; or NULL                                 */
};

/* Fill *r for one; nothing allowed is an answer too (rights_any and rights_hope are false). */
void rights_of(struct rights *r, struct who *w, const struct identity *id);
void rights_fini(struct rights *r);
bool rights_any(const struct rights *r);
bool rights_hope(const struct rights *r);            /* a login or TLS would give something       */
bool rights_may_read(const struct rights *r, struct span group);
bool rights_may_post(const struct rights *r, struct span group);
/* What would let one from there read the group: 480, a login; 483, TLS; 0: neither, or not needed. */
int  rights_group_wants(const struct rights *r, const struct identity *id, struct span group);

/* Who is here, by peer, and what their articles on the way weigh. */
struct guests {
    struct map *by_peer;
    struct lock *lock;
    _Atomic uint64_t connections;   /* all sessions                                              */
    _Atomic uint64_t bytes;         /* of articles that are being read or stored                 */
    uint64_t bytes_most;            /* beyond it a session with articles on the way reads no more; 0: no limit */
};
struct guests *guests_new(uint64_t bytes_most);
void guests_free(struct guests **g);

/* Count one more of 'peer'; false, and not counted, when 'most' are here already. */
bool guests_enter(struct guests *g, const char *peer, unsigned most);
void guests_leave(struct guests *g, const char *peer);
unsigned guests_of(struct guests *g, const char *peer);

/* What a peer has sent of late, all its connections together; lives as long as 'g'. */
struct guest_rates { struct rate commands, octets; };
struct guest_rates *guests_rates(struct guests *g, const char *peer);

/* All that it ever sent, likewise. */
struct tally *guests_tally(struct guests *g, const char *peer);

#endif
