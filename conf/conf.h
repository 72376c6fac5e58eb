/* conf.h - what may be set: nntpd.conf as an immutable struct.
 *
 * Threads:  conf_read from one thread at a time (libConfuse has a global
 *           scanner); a struct conf may be read on any thread.
 * Memory:   conf_read's result belongs to the caller until conf_free; rooms get
 *           copies of what they need in their own options.
 * Errors:   all of a file's errors are told, each with file and line; a file
 *           with errors gives no struct.
 *
 * The keys, their bounds, units and defaults: conf/schema.def, nntpd.conf(5).
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/net.h"

enum conf_fsync { CONF_FSYNC_ALWAYS, CONF_FSYNC_INTERVAL, CONF_FSYNC_NEVER };
enum conf_unknown { CONF_UNKNOWN_REFUSE, CONF_UNKNOWN_JUNK, CONF_UNKNOWN_DROP };   /* articles in no known group */
enum conf_filing { CONF_FILE_CONTROL, CONF_FILE_BOTH, CONF_FILE_OWN };   /* control messages         */
enum conf_only { CONF_ANY, CONF_NOT, CONF_ONLY };                         /* what is sent to a peer */
enum conf_tls { CONF_TLS_NO, CONF_TLS_STARTTLS, CONF_TLS_YES };           /* towards a peer */
enum conf_cancels { CONF_CANCELS_IGNORE, CONF_CANCELS_LOCK, CONF_CANCELS_ALL };
enum conf_lock { CONF_LOCK_NONE, CONF_LOCK_USER, CONF_LOCK_ADDRESS };   /* whom a post's Cancel-Lock knows */
enum conf_tls_minimum { CONF_TLS_1_2, CONF_TLS_1_3 };
enum conf_compress { CONF_COMPRESS_ALWAYS, CONF_COMPRESS_CLEAR, CONF_COMPRESS_NEVER };
enum conf_stranger { CONF_STRANGER_REFUSE, CONF_STRANGER_READ };       /* hosts that nothing matches */

struct conf_list { char **v; size_t n; };
struct conf_text { char *p; size_t n; };                               /* p NULL: there is none */

struct conf_site {                 /* site "news.example.org" { ... }, exactly one             */
    char    *name;                 /* our path-identity and the name in Xref                   */
    char    *organization;         /* NULL: none                                               */
    char    *complaints;           /* mail-complaints-to in Injection-Info; NULL: none         */
    struct conf_list aliases;      /* other path-identities that are us                        */
    bool     path_aliases;         /* written into Path, behind our name                       */
    struct conf_list exclude;      /* not taken: what has these in Path                        */
    struct conf_list accept_distributions;   /* distribution_wanted's rules; empty: all        */
    struct conf_list local_groups; /* wildmats: never sent to a peer                           */
    struct conf_list private_groups; /* wildmats: sent to peers with a fingerprint alone       */
    char    *directory;            /* data; absolute after reading (relative: to the file)     */
    char    *run_directory;        /* sockets; default: directory/run                          */
    char    *log_file;             /* NULL: standard error                                     */
    char    *log_level;
    char    *metrics_listen;       /* NULL: none                                               */
    int      workers;              /* threads; 0: one a core                                   */
    int      lane_threads;         /* disk lane                                                */
    enum conf_fsync fsync;
    int64_t  fsync_interval_us;
    uint64_t segment_bytes;
    uint64_t cache_bytes;          /* Berkeley DB                                              */
    uint64_t queue_bytes;          /* articles waiting to be stored, all sessions together     */
    uint64_t disk_reserve_bytes;   /* left for the indexes; 0: none                            */
    uint64_t article_max;          /* octets of wire form, relayed                             */
    uint64_t post_max;             /* the same, posted                                         */
    int64_t  age_max_us;           /* older articles are refused; 0: no limit                  */
    int64_t  future_max_us;        /* further ahead are refused                                */
    int64_t  history_remember_us;
    int64_t  claim_us;             /* how long a 238/335 keeps others waiting                  */
    int64_t  idle_us;              /* readers; peers: peer_idle_us                             */
    int64_t  peer_idle_us;
    uint32_t connections_max;
    uint32_t connections_per_address;  /* 0: no limit                                          */
    int      crosspost_max, followup_max;             /* 0: no limit                           */
    int      post_line_max;        /* octets; 0: no limit                                      */
    int      post_quote_max;       /* lines that begin with ">", in percent                    */
    int      post_crosspost_max, post_followup_max;   /* of posters, besides; 0: no limit      */
    enum conf_unknown unknown_groups;
    enum conf_filing control_groups;
    enum conf_stranger strangers;
    enum conf_cancels cancels;     /* which of them take an article away                       */
    enum conf_lock cancel_lock;
    bool     path_diagnostics;     /* RFC 5537 3.2.1                                           */
    bool     posting_host;         /* the client's address into Injection-Info                 */
    struct conf_list moderators;   /* "pattern:address", see conf_read_moderator               */
    char    *tls_certificate;      /* PEM; NULL: no TLS                                        */
    char    *tls_key;              /* default: tls_certificate's file                          */
    char    *tls_ca;               /* who signs our clients' certificates; NULL: nobody        */
    char    *tls_ciphers;          /* NULL: OpenSSL's                                          */
    int64_t  tls_handshake_us;     /* of one who connects to us                                */
    enum conf_tls_minimum tls_minimum;
    struct { int certificate, key, ca, ciphers; } tls_line;   /* where these stand, for what is found later */
    enum conf_compress compress;
    char    *sendmail;             /* program and options                                      */
    int64_t  sendmail_time_us;
    char    *motd_file;
    char    *users_file;           /* absolute; names and password hashes                      */
    struct conf_list login_program;/* and its arguments; empty: none                           */
    int64_t  login_program_time_us;
    int      login_threads;        /* passwords checked at once                                */
    bool     cleartext_logins;     /* passwords without TLS                                    */
    char    *subscriptions_file, *distributions_file, *distrib_pats_file;
    struct conf_text motd;         /* what these files said when the configuration was read:   */
    struct conf_text subscriptions, distributions, distrib_pats;       /* good lines, LF after each */
};

struct conf_listen { char *address; bool tls; };   /* listen "0.0.0.0:119" { }                 */

struct conf_peer {                 /* peer "news.friend.net" { ... }                           */
    char    *name;
    struct conf_list address;      /* names, literals, CIDR: who they are when they connect; first: where we connect.
                                      Empty: known by login or certificate alone               */
    char    *login;                /* user who is the peer; NULL: none                         */
    struct conf_list certificate;  /* fingerprints or names, any of them is the peer           */
    char    *connect;              /* "host:port" to feed; default address[0]:119              */
    char    *source;               /* our address towards them; NULL: any                      */
    struct conf_list path;         /* names they have in Path; default: the block's name       */
    struct conf_list groups;       /* wildmats in order, "!" and "@"; default "*"              */
    struct conf_list accept_groups;/* the same for what they may send; default: "*"            */
    struct conf_list distributions;/* wanted ones, "!x" not; empty: all                        */
    struct conf_list exclude;      /* not what has these in Path                               */
    bool     send, accept, streaming;
    enum conf_tls tls;             /* towards them                                             */
    bool     tls_verify;
    char    *fingerprint;          /* of their certificate; NULL: by name and authority        */
    bool     show_certificate;     /* the site's own, to them                                  */
    char    *login_as, *login_password;   /* at theirs; NULL: no login                         */
    bool     cleartext_login, compress;
    int      connections;          /* outgoing, at most                                        */
    int      incoming_connections; /* at most; 0: no limit                                     */
    int      command_rate;         /* lines a second taken from them; 0: no limit              */
    uint64_t byte_rate;            /* octets, the same                                         */
    uint64_t article_max;          /* octets of wire form taken from them; 0: the site's       */
    int      window;               /* articles in flight, a connection                         */
    uint64_t size_max;             /* octets; 0: no limit                                      */
    uint64_t size_min;
    int      hops_max, crosspost_max, followup_max, crosspost_weight_max;   /* 0: no limit     */
    enum conf_only control, moderated;
    bool     require_distribution, known_groups, origin_missing, posted_here, path_check;
    struct conf_list origins;      /* wildmats, "!" not; empty: all                            */
    char    *hash;                 /* "1/3", "2-3/3"; NULL: all                                */
    int64_t  delay_us;
    int64_t  retry_us;             /* deferred articles again after                            */
    int64_t  reply_time_us;        /* who owes us an answer longer is in trouble               */
    struct conf_list pull;         /* groups read from them, wildmats, "!" not; empty: none     */
    int64_t  pull_every_us;
    int      pull_first, pull_rate;    /* newest of a new group; a second, 0: no limit         */
    bool     pull_post;            /* our posts go up as a reader's                            */
};

struct conf_access {               /* access "members" { ... }; the last that matches counts   */
    char    *name;
    struct conf_list from;         /* CIDR or "*"; default "*"                                 */
    struct conf_list user;         /* wildmats of those who must have logged in; empty: no login needed */
    bool     tls;
    struct conf_list certificate;  /* fingerprints or "*"; empty: none is wanted               */
    struct conf_list read, post;   /* wildmats; empty: nothing                                 */
    struct conf_list approve;      /* the same: where Approved may be given                    */
    bool     newnews;
    int      connections, posts_per_hour, posts_per_day;     /* of each user or address; 0: no limit */
    uint64_t bytes_per_day;        /* sent to each; 0: no limit                                */
};

struct conf {
    char *file;
    struct conf_site    site;
    struct conf_listen *listen;  size_t n_listen;
    struct conf_peer   *peer;    size_t n_peer;
    struct conf_access *access;  size_t n_access;
};

/* Read the file.  NULL when there is any error; 'errors' then holds a line for
 * each, "file:line: what is wrong\n". */
struct conf *conf_read(const char *file, struct buf *errors);
struct conf *conf_read_text(const char *name, const char *text, struct buf *errors);   /* tests, fuzzers */
void conf_free(struct conf **c);

/* For one who has to reach a running site while somebody edits its file: what can be made out of a file with
 * errors, defaults for the rest.  NULL: not even where the site is, for its block is missing or broken. */
struct conf *conf_read_rest(const char *file);

/* All settings in force, defaults too, as a file that reads back the same. */
void conf_show(const struct conf *c, struct buf *out);

/* What differs and needs a restart, one line each; empty: all of 'to' can be taken live. */
void conf_changes(const struct conf *from, const struct conf *to, struct buf *needs_restart);

/* What a program looks at all the time and cannot change while it runs, name and places of the site, stays in
 * 'to' as it was in 'from'. */
void conf_stay(const struct conf *from, struct conf *to);

/* A list of patterns as one "a,!b,@c" wildmat. */
void conf_join(const struct conf_list *l, struct buf *out);

bool conf_list_equal(const struct conf_list *a, const struct conf_list *b);

/* How long ids that are not kept are remembered; 0: for ever. */
int64_t conf_remember_us(const struct conf_site *s);

/* May the peer be sent private groups: TLS, and a certificate that is pinned? */
bool conf_peer_private(const struct conf_peer *p);

/* Does anything go out to it: a feed, or our posts? */
bool conf_peer_sends(const struct conf_peer *p);

/* Are all settings the same? */
bool conf_peer_equal(const struct conf_peer *a, const struct conf_peer *b);

/* Can a login change anything here? */
bool conf_has_logins(const struct conf *c);

/* "2-3/10": the parts 2 to 3 of 10; "2-3/10_4": by octets of the sum that lie 4 before the last
 * ones.  -1: it is no share. */
struct conf_hash { uint32_t from, to, of, offset; };
int conf_read_hash(const char *text, struct conf_hash *h);

/* "comp.*:%s@moderators.example": a wildmat and a mail address, in which %s (once) is the group's
 * name with dots as dashes and %% a percent sign.  -1: it is none. */
int conf_read_moderator(const char *text, struct span *pattern, struct span *address);

/* May it stand on a program's command line as a mail address? */
bool conf_address_good(struct span address);

/* A time as the file has it ("90m", "10d"), in microseconds; "forever" is 0.  -1: it is none. */
int conf_read_time(const char *text, int64_t *us);

#endif
