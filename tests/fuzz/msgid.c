/* msgid.c - ids of a stranger: strict is within lax, and the key does not see the domain's case. */
#include <stdint.h>
#include <string.h>

#include "article/msgid.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sipkey secret = { { 1, 2, 3 } };
    struct span id = { (const char *)data, size };
    struct msgid_key a = msgid_key(&secret, id), b;
    char other[MSGID_MAX];

    if (msgid_valid(id)) {
        char *at = memcpy(other, id.p, size);

        need(msgid_valid_lax(id) && size <= MSGID_MAX);
        for (at = memchr(other, '@', size); at < other + size; at++)
            if (*at >= 'a' && *at <= 'z')
                *at -= 32;
        b = msgid_key(&secret, (struct span){ other, size });
        need(memcmp(&a, &b, sizeof a) == 0);
    }
    return 0;
}
