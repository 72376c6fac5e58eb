/* Command lines: cut into words, looked up. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "nntpd/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct span s, struct span of)
{
    return s.n == 0 || (s.p >= of.p && s.p + s.n <= of.p + of.n);
}

/* The words, counted in the simplest way. */
static unsigned count_words(struct span s)
{
    unsigned n = 0;

    for (size_t i = 0; i < s.n; i++) {
        bool blank = s.p[i] == ' ' || s.p[i] == '\t';
        bool after = i == 0 || s.p[i - 1] == ' ' || s.p[i - 1] == '\t';

        n += !blank && after;
    }
    return n;
}

static void check_call(const struct call *c, struct span line)
{
    need(c->name.n > 0 && inside(c->name, line));
    need(count_words(line) == c->n + 1);
    for (unsigned i = 0; i < c->n && i < CALL_ARGS; i++) {
        struct span tail = call_tail(c, i);

        need(c->arg[i].n > 0 && inside(c->arg[i], line));
        need(inside(tail, line) && tail.n >= c->arg[i].n);
    }
    need(call_tail(c, c->n).n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = xmalloc(size + 1);        /* so that a read beyond the end is seen */
    struct span line = { copy, size };
    struct call c;

    if (size > 0)
        memcpy(copy, data, size);
    if (command_split(line, &c)) {
        const struct command *row = command_find(&commands, c.name);

        check_call(&c, line);
        if (row != NULL)
            need(command_index(row) < command_count());
    } else {
        need(count_words(line) == 0);
    }
    free(copy);
    return 0;
}
