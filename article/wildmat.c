/* wildmat.c - patterns for group names.  See wildmat.h.
 *
 * One star at a time is remembered, and only the last matters: so a match
 * costs at most pattern times text.  Letters are compared octet by octet; what
 * "?", "*" and sets take is a character, and an octet where UTF-8 (in its old,
 * six-octet width, as INN has it) is broken.
 */
#include "article/wildmat.h"

#include <stdint.h>
#include <string.h>

#define STRAY UINT32_C(0x80000000)

/* The code point at p (at least one octet left); *n octets were used.  An octet
 * that is part of none is a character of its own, and no other's code point. */
static uint32_t code_point(const char *p, size_t left, size_t *n)
{
    unsigned char c = (unsigned char)p[0];
    size_t len = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : c < 0xfc ? 5 : c < 0xfe ? 6 : 1;
    uint32_t v = len == 1 ? c : c & (0x7fu >> len);

    *n = 1;
    if (len == 1 || len > left)
        return c < 0x80 ? c : STRAY | c;
    for (size_t i = 1; i < len; i++) {
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return STRAY | c;
        v = v << 6 | ((unsigned char)p[i] & 0x3f);
    }
    *n = len;
    return v;
}

/* Is there a set at p[0] == '['?  Return its length with the bracket, 0: none (never closed). */
static size_t set_length(const char *p, size_t n)
{
    size_t i = 1;

    if (i < n && p[i] == '^')
        i++;
    if (i < n && p[i] == ']')                       /* first: it stands for itself */
        i++;
    while (i < n && p[i] != ']')
        i++;
    return i < n ? i + 1 : 0;
}

static bool in_set(uint32_t c, const char *p, size_t n)
{
    bool negated = n > 2 && p[1] == '^', found = false;
    size_t i = negated ? 2 : 1, k, end = n - 1;

    while (i < end) {
        uint32_t low = code_point(p + i, end - i, &k), high = low;

        i += k;
        if (i + 1 < end && p[i] == '-') {
            high = code_point(p + i + 1, end - i - 1, &k);
            i += 1 + k;
        }
        if (c >= low && c <= high && ((low ^ high) & STRAY) == 0)
            found = true;
    }
    return found != negated;
}

/* Does one element of the pattern (not a star) match at the text, of which
 * something is left?  Return how much of the pattern it is; *used of the text; 0: no. */
static size_t match_one(const char *pat, size_t n, const char *text, size_t left, size_t *used)
{
    size_t set;

    *used = 1;
    switch (pat[0]) {
    case '?':
        (void)code_point(text, left, used);
        return 1;
    case '\\':                                      /* one that escapes nothing matches nothing */
        return n > 1 && pat[1] == text[0] ? 2 : 0;
    case '[':
        set = set_length(pat, n);
        return set > 0 && in_set(code_point(text, left, used), pat, set) ? set : 0;
    default:
        return pat[0] == text[0] ? 1 : 0;
    }
}

bool wildmat_simple(struct span text, struct span pattern)
{
    size_t t = 0, p = 0, star_p = SIZE_MAX, star_t = 0, used, k;

    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star_p = ++p;
            star_t = t;
        } else if (p < pattern.n && (k = match_one(pattern.p + p, pattern.n - p, text.p + t, text.n - t, &used)) > 0) {
            p += k;
            t += used;
        } else if (star_p != SIZE_MAX) {            /* the last star takes one more */
            (void)code_point(text.p + star_t, text.n - star_t, &used);
            star_t += used;
            t = star_t;
            p = star_p;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

/* Cut the next item off a list: a comma ends it unless escaped or in a set. */
static bool next_item(struct span *list, struct span *item)
{
    size_t i = 0, set = 1;                          /* 0: no more set is closed, look for none */

    if (list->p == NULL)
        return false;
    while (i < list->n && list->p[i] != ',') {
        if (list->p[i] == '\\' && i + 1 < list->n)
            i += 2;
        else if (list->p[i] == '[' && set > 0 && (set = set_length(list->p + i, list->n - i)) > 0)
            i += set;
        else
            i++;
    }
    *item = (struct span){ list->p, i };
    *list = i < list->n ? (struct span){ list->p + i + 1, list->n - i - 1 } : (struct span){ NULL, 0 };
    return true;
}

static enum wildmat match_list(struct span text, struct span list, bool poison)
{
    enum wildmat result = WILDMAT_NO;
    struct span item;

    if (list.p == NULL)
        list = SPAN("");
    while (next_item(&list, &item)) {
        enum wildmat says = WILDMAT_YES;

        if (item.n > 0 && item.p[0] == '!')
            says = WILDMAT_NO;
        else if (poison && item.n > 0 && item.p[0] == '@')
            says = WILDMAT_POISON;
        if (says != WILDMAT_YES)
            item = (struct span){ item.p + 1, item.n - 1 };
        if (says != result && wildmat_simple(text, item))
            result = says;
    }
    return result;
}

bool wildmat(struct span text, struct span list)
{
    return match_list(text, list, false) == WILDMAT_YES;
}

enum wildmat wildmat_poison(struct span text, struct span list)
{
    return match_list(text, list, true);
}
