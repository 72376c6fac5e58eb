/* reply.c - what a peer's reply means.  See reply.h.
 *
 * A row holds for a step when its letter is in 'when': c CHECK, t TAKETHIS,
 * i IHAVE, a the article after 335.  "No" and "later" are taken at any step
 * that they could make sense at; "yes" only where the standard has it.
 */
#include "feeder/reply.h"

#include <stddef.h>
#include <string.h>

static const struct { int code; const char *when; enum reply r; } meanings[] = {
    { 238, "c",    REPLY_SEND },
    { 239, "t",    REPLY_ACCEPTED },
    { 431, "ctia", REPLY_LATER },
    { 438, "cti",  REPLY_REFUSED },
    { 439, "cta",  REPLY_REJECTED },

    { 335, "i",    REPLY_SEND },
    { 235, "a",    REPLY_ACCEPTED },
    { 435, "cti",  REPLY_REFUSED },
    { 436, "ctia", REPLY_LATER },
    { 437, "ctia", REPLY_REJECTED },

    { 403, "ctia", REPLY_LATER },         /* its own trouble (RFC 3977 3.2.1)         */

    { 400, "ctia", REPLY_GOODBYE },       /* shutting down, or overloaded             */
    { 480, "ctia", REPLY_GOODBYE },       /* wants a password                         */
    { 483, "ctia", REPLY_GOODBYE },       /* wants encryption                         */
    { 502, "ctia", REPLY_GOODBYE },       /* no permission                            */
    { 503, "ctia", REPLY_GOODBYE },       /* a fault of the program (RFC 2980 4)      */
};

int reply_read(struct span line, struct span *id)
{
    struct span rest, word;
    int code = 0;

    *id = (struct span){ NULL, 0 };
    if (line.n < 3 || (line.n > 3 && line.p[3] != ' ' && line.p[3] != '\t'))
        return -1;
    for (int i = 0; i < 3; i++) {
        if (line.p[i] < '0' || line.p[i] > '9')
            return -1;
        code = code * 10 + (line.p[i] - '0');
    }
    if (code < 100 || code > 599)
        return -1;
    rest = span_from(line, 3);
    word = span_word(&rest);
    if (word.n >= 3 && word.p[0] == '<' && word.p[word.n - 1] == '>')
        *id = word;
    return code;
}

enum reply reply_meaning(int code, bool streaming, bool sent)
{
    char step = streaming ? (sent ? 't' : 'c') : (sent ? 'a' : 'i');

    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].code == code && strchr(meanings[i].when, step) != NULL)
            return meanings[i].r;
    return REPLY_NONSENSE;
}

bool reply_needs_id(enum reply r, bool streaming)
{
    return streaming && r != REPLY_GOODBYE && r != REPLY_NONSENSE;
}
