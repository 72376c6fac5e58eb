/* ourselves.h - who we are to a friend: what an invitation holds.
 *
 * Threads:  pure, but that the certificate's file is read.
 */
#ifndef CTL_OURSELVES_H
#define CTL_OURSELVES_H

#include "ctl/token.h"

/* How others reach us, where the operator knows better than the listen blocks. */
struct ourselves {
    struct span address[TOKEN_LIST_MOST];     /* names, addresses, networks; the first that is no network is the host */
    size_t      n;
};

/* 'groups' NULL: all.  The caller ends the token by token_fini, whatever comes back. */
int ourselves_token(const struct conf *c, const struct ourselves *p, const char *groups, struct token *t, struct err *e) need_result;

/* The groups without those that never leave (local-groups).  The caller frees it. */
char *ourselves_leaving(const struct conf *c, const char *groups);

#endif
