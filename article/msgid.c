/* msgid.c - Message-IDs.  See msgid.h. */
#include "article/msgid.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* atext (RFC 5322 3.2.3). */
static bool is_atext(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Words of atext with single dots between them. */
static bool dot_atom(struct span s)
{
    bool word = false;

    for (size_t i = 0; i < s.n; i++) {
        if (is_atext(s.p[i]))
            word = true;
        else if (s.p[i] == '.' && word)
            word = false;
        else
            return false;
    }
    return word;
}

/* "[" mdtext "]": printable, no blank, no bracket, no backslash, no ">". */
static bool no_fold_literal(struct span s)
{
    if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < s.n; i++) {
        char c = s.p[i];

        if (c <= ' ' || c >= 0x7f || c == '[' || c == ']' || c == '\\' || c == '>')
            return false;
    }
    return true;
}

bool msgid_valid_lax(struct span id)
{
    if (id.n < 3 || id.n > MSGID_MAX || id.p[0] != '<' || id.p[id.n - 1] != '>')
        return false;
    for (size_t i = 1; i + 1 < id.n; i++)
        if (id.p[i] <= ' ' || id.p[i] >= 0x7f || id.p[i] == '>')
            return false;
    return true;
}

bool msgid_valid(struct span id)
{
    struct span left, right;
    const char *at;

    if (!msgid_valid_lax(id))
        return false;
    id = (struct span){ id.p + 1, id.n - 2 };
    if ((at = memchr(id.p, '@', id.n)) == NULL)
        return false;
    left = (struct span){ id.p, (size_t)(at - id.p) };
    right = span_from(id, left.n + 1);
    return dot_atom(left) && (dot_atom(right) || no_fold_literal(right));
}

struct msgid_key msgid_key(const struct sipkey *secret, struct span id)
{
    char folded[MSGID_MAX];
    struct msgid_key k;
    const char *at;

    /* the left side has no "@", a literal on the right may */
    if (id.n > 0 && id.n <= sizeof folded && (at = memchr(id.p, '@', id.n)) != NULL) {
        memcpy(folded, id.p, id.n);
        for (size_t i = (size_t)(at - id.p); i < id.n; i++)
            if (folded[i] >= 'A' && folded[i] <= 'Z')
                folded[i] |= 32;
        id.p = folded;
    }
    siphash128(secret, id.p, id.n, k.b);
    return k;
}

void msgid_make(struct buf *out, const char *domain, int64_t now_us, uint64_t random)
{
    static _Atomic unsigned turn;         /* two in one microsecond differ too */

    buf_printf(out, "<%llx.%llx.%x@%s>", (unsigned long long)now_us, (unsigned long long)(random & 0xffffffffffff),
               atomic_fetch_add(&turn, 1) & 0xffff, domain);
}
