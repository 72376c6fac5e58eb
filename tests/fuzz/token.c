/* token.c - a stranger's invitation to peer, and the file of users: any line, any text.
 *
 * The first octet chooses: 't' a token as it stands, 'l' lines to make a token of, whose sum
 * is right; else a users file.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/block.h"
#include "ctl/token.h"
#include "lib/base64.h"
#include "lib/crc32c.h"
#include "lib/mem.h"
#include "lib/users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The lines as a token, as token_write packs them. */
static void pack(struct span lines, struct buf *out)
{
    struct buf code = { 0 };

    base64_write(&code, lines);
    buf_puts(out, "freshet1:");
    for (size_t i = 0; i < buf_len(&code); i++) {
        char c = buf_data(&code)[i];

        if (c != '=')
            buf_add(out, c == '+' ? "-" : c == '/' ? "_" : &c, 1);
    }
    buf_printf(out, ".%08" PRIx32, crc32c(0, lines.p, lines.n));
    buf_fini(&code);
}

/* What an operator would be shown to paste: the configuration takes it as one peer of that
 * name, or says why not. */
static void check_block(const struct token *t)
{
    bool yes = t->nntps.n > 0;
    struct buf text = { 0 }, errors = { 0 };
    struct block b = {
        .name = t->site, .comment = "a comment", .address = t->address, .path = t->alias,
        .connect = yes ? t->nntps.v[0] : t->nntp.v[0], .groups = t->want, .accept_groups = t->offer,
        .size_max = t->article_max, .tls = yes ? "yes" : t->starttls ? "starttls" : NULL, .fingerprint = t->fingerprint,
    };

    block_write(&b, &text);
    need(block_prove(NULL, t->site, buf_span(&text), &errors) == (buf_len(&errors) == 0));
    buf_fini(&text);
    buf_fini(&errors);
}

static void one_token(struct span text)
{
    struct token t, again;
    struct buf line = { 0 }, second = { 0 };
    struct err e = { 0 };

    if (token_read(&t, text, &e) != 0) {
        need(e.text[0] != '\0' && t.site == NULL && t.address.v == NULL);
        return;
    }
    check_block(&t);
    token_write(&t, &line);
    need(token_read(&again, buf_span(&line), &e) == 0);       /* ours is never longer than theirs */
    token_write(&again, &second);
    need(span_eq(buf_span(&line), buf_span(&second)));
    token_fini(&t);
    token_fini(&again);
    buf_fini(&line);
    buf_fini(&second);
}

/* ---- users ---- */

static struct users *users;

/* Who is listed first under a name is found under it, and an edit changes this one alone. */
static void check_user(struct span text, struct span name)
{
    struct span hash, flags;
    struct buf out = { 0 };

    need(users_has(users, name) && users_find(text, name, &hash, &flags));
    need(users_edit(&out, text, name, NULL));
    need(!users_find(buf_span(&out), name, &hash, &flags));
    buf_clear(&out);
    need(users_edit(&out, text, name, "x:y:off"));
    need(users_find(buf_span(&out), SPAN("x"), &hash, &flags));
    buf_fini(&out);
}

static void each_user(int line, struct span name, struct span flags, const char *damage, void *arg)
{
    (void)flags, (void)damage;
    need(line > 0);
    if (line <= 64 && users_name_good(name))
        check_user(*(struct span *)arg, name);
}

static void one_file(struct span text)
{
    users = users_parse(text, NULL, NULL);
    users_each(text, each_user, &text);
    users_free(&users);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = xmalloc(size);            /* exactly as long: the sanitizer stands at its end */
    struct span s = { copy, size > 0 ? size - 1 : 0 };
    struct buf token = { 0 };

    if (s.n > 0)
        memcpy(copy, data + 1, s.n);
    if (size > 0 && data[0] == 'l') {
        pack(s, &token);
        one_token(buf_span(&token));
    } else if (size > 0 && data[0] == 't') {
        one_token(s);
    } else {
        one_file(s);
    }
    buf_fini(&token);
    free(copy);
    return 0;
}
