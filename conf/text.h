/* text.h - a configuration file as words and marks.
 *
 * Private to conf/.  Threads: pure.
 *
 * libConfuse drops letters that it does not know without a word, stays within
 * a string that is not closed, and counts the lines of comments twice.  So it
 * gets 'clean': the same lines, without comments, each word in double quotes.
 */
#ifndef CONF_TEXT_H
#define CONF_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/errors.h"

struct token {
    char   mark;              /* '{' '}' '=' ','; 0: a word          */
    int    line;
    size_t from, to;          /* in 'clean', with the quotes         */
    size_t value, value_n;    /* of a word, in 'values'              */
};

struct text {
    struct buf    clean, values;
    struct token *token;
    size_t        n;
};

/* Return false when the text cannot be made out to its end. */
bool text_read(struct text *t, const char *raw, struct errors *errors);
void text_free(struct text *t);

/* A word's value, without quotes; "" for a mark or beyond the end. */
const char *text_word(const struct text *t, size_t i);
char text_mark(const struct text *t, size_t i);          /* 0 for a word or beyond the end */
bool text_is_word(const struct text *t, size_t i);

/* The token behind the brace that closes the one at 'open'; 0: it is not closed. */
size_t text_behind_brace(const struct text *t, size_t open);

/* Take the tokens first <= i < end out of 'clean'. */
void text_blank(struct text *t, size_t first, size_t end);

#endif
