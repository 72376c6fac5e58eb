/* canlock.c - Cancel-Lock and Cancel-Key.  See canlock.h.
 *
 *     c-lock = scheme ":" Base64 of the hash of the key, as it stands in Cancel-Key
 *
 * A lock and the key that opens it become the same mark, so that whoever
 * compares needs no hashes.
 */
#include "article/canlock.h"

#include <string.h>

#include "article/header.h"
#include "lib/base64.h"
#include "lib/mem.h"

static const struct { const char *name; enum digest digest; } schemes[] = {
    { "sha256", DIGEST_SHA256 }, { "sha512", DIGEST_SHA512 }, { "sha1", DIGEST_SHA1 },
};
#define SCHEMES (sizeof schemes / sizeof *schemes)

static const char *name_of(enum digest d)
{
    for (size_t i = 0; i < SCHEMES; i++)
        if (schemes[i].digest == d)
            return schemes[i].name;
    bug("a digest without a scheme");
}

/* Append "scheme:Base64(hash(key))". */
static void add_lock(struct buf *out, enum digest d, struct span key)
{
    uint8_t sum[DIGEST_MOST];
    size_t n = digest_sum(d, key, sum);

    buf_printf(out, "%s:", name_of(d));
    base64_write(out, (struct span){ (char *)sum, n });
}

static void add_mark(struct buf *marks, struct span lock)
{
    uint8_t sum[DIGEST_MOST];

    digest_sum(DIGEST_SHA256, lock, sum);
    buf_add(marks, sum, CANLOCK_MARK);
}

/* "sha256:text[:clue]", the scheme in any case. */
static bool read_word(struct span word, enum digest *d, struct span *text)
{
    struct span scheme, clue = word;

    if (!span_next(&clue, ':', &scheme) || !span_next(&clue, ':', text) || text->n == 0)
        return false;
    for (size_t i = 0; i < SCHEMES; i++) {
        if (span_ieq(scheme, span_of(schemes[i].name))) {
            *d = schemes[i].digest;
            return true;
        }
    }
    return false;
}

static void read_marks(struct buf *marks, struct span body, bool keys)
{
    struct buf plain = { 0 }, lock = { 0 };
    struct span rest, word, text;
    enum digest d;

    if (body.p == NULL)
        return;
    hdr_skip_cfws(&plain, body);
    rest = buf_span(&plain);
    while (buf_len(marks) < CANLOCK_MOST * CANLOCK_MARK && (word = span_word(&rest)).n > 0) {
        if (!read_word(word, &d, &text))
            continue;
        buf_clear(&lock);
        if (keys)
            add_lock(&lock, d, text);
        else
            buf_printf(&lock, "%s:%.*s", name_of(d), SPAN_F(text));
        add_mark(marks, buf_span(&lock));
    }
    buf_fini(&plain);
    buf_fini(&lock);
}

void canlock_locks(struct buf *marks, struct span body)
{
    read_marks(marks, body, false);
}

void canlock_keys(struct buf *marks, struct span body)
{
    read_marks(marks, body, true);
}

bool canlock_opens(struct span keys, struct span locks)
{
    for (size_t i = 0; i + CANLOCK_MARK <= keys.n; i += CANLOCK_MARK)
        for (size_t j = 0; j + CANLOCK_MARK <= locks.n; j += CANLOCK_MARK)
            if (memcmp(keys.p + i, locks.p + j, CANLOCK_MARK) == 0)
                return true;
    return false;
}

/* ---- ours ---- */

static void make_key(struct buf *out, enum digest d, struct span secret, struct span user, struct span msgid)
{
    uint8_t sum[DIGEST_MOST];
    struct buf of = { 0 };
    size_t n;

    buf_add_span(&of, user);
    buf_add_span(&of, msgid);
    n = digest_hmac(d, secret, buf_span(&of), sum);
    base64_write(out, (struct span){ (char *)sum, n });
    buf_fini(&of);
}

void canlock_key(struct buf *out, enum digest scheme, struct span secret, struct span user, struct span msgid)
{
    buf_printf(out, "%s:", name_of(scheme));
    make_key(out, scheme, secret, user, msgid);
}

void canlock_lock(struct buf *out, enum digest scheme, struct span secret, struct span user, struct span msgid)
{
    struct buf key = { 0 };

    make_key(&key, scheme, secret, user, msgid);
    add_lock(out, scheme, buf_span(&key));
    buf_fini(&key);
}
