/* inject_identity.c - who posted it, said so that only this site can read it: the
 * account in Injection-Info, and the locks and keys of RFC 8315.
 *
 * All of it is made with secrets that come from the site's key; whoever has not
 * got that can neither find an account's name from its hash nor make a key.
 *
 *     one who has logged in        by its name
 *     another one                  by its address; an IPv6 address by its first half
 */
#include "article/canlock.h"
#include "lib/base64.h"
#include "lib/net.h"
#include "nntpd/stages.h"

#define ACCOUNT_OCTETS 9              /* of the hash: 12 letters of Base64 */

struct secret { uint8_t bytes[DIGEST_MOST]; size_t n; };

static struct span secret_for(const struct intake *in, const char *what, struct secret *s)
{
    const struct sipkey *key = store_key(in->store);

    s->n = digest_hmac(DIGEST_SHA256, (struct span){ (const char *)key->b, sizeof key->b }, span_of(what), s->bytes);
    return (struct span){ (const char *)s->bytes, s->n };
}

/* An address as one that posts; the newline keeps it apart from all names. */
static void add_address(struct buf *out, const char *address)
{
    struct net_addr a;
    uint8_t key[16];

    buf_puts(out, "\n");
    if (net_literal(address, 0, &a) == 0)
        buf_add(out, key, net_household((const struct sockaddr *)&a.sa, key));
}

static void add_poster(const struct intake *in, struct buf *out)
{
    if (in->account != NULL)
        buf_puts(out, in->account);
    else
        add_address(out, in->address);
}

void inject_account(const struct intake *in, struct buf *out)
{
    struct buf poster = { 0 };
    uint8_t sum[DIGEST_MOST];
    struct secret s;

    add_poster(in, &poster);
    digest_hmac(DIGEST_SHA256, secret_for(in, "posting-account", &s), buf_span(&poster), sum);
    base64_write(out, (struct span){ (char *)sum, ACCOUNT_OCTETS });
    buf_fini(&poster);
}

/* By whom a lock is opened, beside the site itself; false: by nobody. */
static bool locker(const struct intake *in, struct buf *out)
{
    enum conf_lock how = in->rules->site->cancel_lock;

    if (how == CONF_LOCK_ADDRESS || (how == CONF_LOCK_USER && in->account != NULL))
        add_poster(in, out);
    return buf_len(out) > 0;
}

/* What was given, as it was; an empty one is no field. */
static void keep_field(const struct intake *in, struct buf *out, enum hdr which)
{
    if (hdr_has(&in->h, which))
        buf_add_span(out, in->h.field[which].whole);
}

/* "Cancel-Lock: what was given", without its end. */
static void begin_field(const struct intake *in, struct buf *out, enum hdr which)
{
    buf_printf(out, "%s: ", hdr_name(which));
    if (hdr_has(&in->h, which)) {
        buf_add_span(out, hdr_body(&in->h, which));
        buf_puts(out, "\r\n ");
    }
}

void inject_lock(const struct intake *in, struct span msgid, struct buf *out)
{
    struct buf who = { 0 };
    struct secret s;
    struct span secret = secret_for(in, "Cancel-Lock", &s);

    if (in->rules->site->cancel_lock == CONF_LOCK_NONE) {
        keep_field(in, out, HDR_CANCEL_LOCK);
        return;
    }
    begin_field(in, out, HDR_CANCEL_LOCK);
    if (locker(in, &who)) {
        canlock_lock(out, DIGEST_SHA256, secret, buf_span(&who), msgid);
        buf_puts(out, "\r\n ");
    }
    canlock_lock(out, DIGEST_SHA256, secret, SPAN(""), msgid);
    buf_puts(out, "\r\n");
    buf_fini(&who);
}

void inject_key(const struct intake *in, struct buf *out)
{
    struct span target = intake_target(in);
    struct buf who = { 0 };
    struct secret s;

    if (target.n == 0 || !locker(in, &who)) {
        keep_field(in, out, HDR_CANCEL_KEY);
    } else {
        begin_field(in, out, HDR_CANCEL_KEY);
        canlock_key(out, DIGEST_SHA256, secret_for(in, "Cancel-Lock", &s), buf_span(&who), target);
        buf_puts(out, "\r\n");
    }
    buf_fini(&who);
}
