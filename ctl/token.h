/* token.h - an invitation to peer, as one line that can be pasted.
 *
 *     freshet1:BASE64URL.SUM      lines "key value" in UTF-8, and their CRC-32C
 *
 * It holds what the other site's peer block needs, and no secret.  The bytes:
 * doc/formats.md.
 *
 * Threads:  pure.
 * Memory:   token_fini frees what a token holds; zeroed = empty.
 * Errors:   a token comes from a stranger: token_read refuses what is damaged, too
 *           long, twice or missing, and characters that a terminal or the
 *           configuration would make something of.  Whether names and addresses
 *           are such is the configuration's to say (block.h).
 */
#ifndef CTL_TOKEN_H
#define CTL_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/span.h"

#define TOKEN_TEXT_MOST 4096       /* octets of the lines                           */
#define TOKEN_PREFIX    "freshet1:"
#define TOKEN_SUM       8          /* digits behind the dot                         */
#define TOKEN_MOST      8192       /* of the token, with blanks that mailers put in */
#define TOKEN_LIST_MOST 16

struct token {
    char    *site;                 /* path identity                                 */
    struct conf_list alias;        /* other ones                                    */
    struct conf_list nntp, nntps;  /* host:port; nntps: TLS from the first octet    */
    struct conf_list address;      /* where its connections come from               */
    bool     starttls;             /* on nntp                                       */
    char    *fingerprint;          /* of its certificate, or NULL                   */
    char    *offer, *want;         /* wildmats: what it would send, what it would like */
    uint64_t article_max;          /* octets; 0: it does not say                    */
    bool     answer;               /* to an invitation: no answer is wanted         */
};

void token_write(const struct token *t, struct buf *out);
int  token_read(struct token *t, struct span text, struct err *e) need_result;
void token_fini(struct token *t);

/* Append a copy. */
void token_add(struct conf_list *l, struct span item);

#endif
