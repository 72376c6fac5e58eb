/* letters.c - posts on their way to moderators.  See letters.h.
 *
 * The mail system is a program with sendmail's command line: options, then the
 * address, the letter on its input.  It has taken the letter when it ends with 0.
 */
#include "nntpd/letters.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "article/wildmat.h"
#include "lib/mem.h"
#include "lib/run.h"

#define THREADS   2
#define WORDS_MOST 30
#define WHY_MOST  200

struct letters {
    struct lane *lane;
    int          stop;                /* readable when we are closing */
};

struct letters *letters_new(void)
{
    struct letters *l = xcalloc(1, sizeof *l);

    if ((l->stop = eventfd(0, EFD_CLOEXEC)) < 0)
        die(1, "cannot make an event descriptor");
    l->lane = lane_new("letters", THREADS);
    return l;
}

void letters_stop(struct letters *l)
{
    uint64_t one = 1;

    need(write(l->stop, &one, sizeof one) == sizeof one);
}

void letters_free(struct letters **lp)
{
    struct letters *l = *lp;

    if (l == NULL)
        return;
    letters_stop(l);
    lane_free(&l->lane);
    close(l->stop);
    free(l);
    *lp = NULL;
}

struct lane *letters_lane(struct letters *l)
{
    return l->lane;
}

/* ---- whom to ---- */

/* "%s" becomes the group's name with dashes for dots, "%%" a percent sign. */
static void fill_in(struct buf *out, struct span address, struct span group)
{
    for (size_t i = 0; i < address.n; i++) {
        if (address.p[i] != '%' || i + 1 == address.n) {
            buf_add(out, &address.p[i], 1);
        } else if (address.p[++i] == 's') {
            for (size_t j = 0; j < group.n; j++)
                buf_add(out, group.p[j] == '.' ? "-" : &group.p[j], 1);
        } else {
            buf_puts(out, "%");
        }
    }
}

bool letters_address(const struct conf_site *site, struct span group, struct buf *address)
{
    struct span pattern, to;

    for (size_t i = 0; i < site->moderators.n; i++) {
        if (conf_read_moderator(site->moderators.v[i], &pattern, &to) != 0 || !wildmat(group, pattern))
            continue;
        buf_clear(address);
        fill_in(address, to, group);
        /* the name of a group may hold what an address must not */
        return conf_address_good(buf_span(address));
    }
    return false;
}

/* ---- away with it ---- */

/* Of its complaint, or else of what it said. */
static struct span first_line(const struct run_end *end)
{
    struct span says = buf_span(buf_len(&end->complains) > 0 ? &end->complains : &end->says), line = { 0 };

    if (says.n > 0)
        span_next(&says, '\n', &line);
    return (struct span){ line.p, line.n < WHY_MOST ? line.n : WHY_MOST };
}

static int send_with(char **words, unsigned n, struct letters *l, const struct conf_site *site, const char *address,
                     struct span text, struct err *e)
{
    const char *argv[WORDS_MOST + 2];
    struct run_end end;
    struct span line;
    int rc;

    for (unsigned i = 0; i < n; i++)
        argv[i] = words[i];
    argv[n] = address;
    argv[n + 1] = NULL;
    rc = run_program(&(struct run){ argv, text, site->sendmail_time_us, l->stop }, &end, e);
    if (rc == 0 && end.code != 0) {
        line = first_line(&end);
        rc = err_set(e, "%s ended with %d%s%.*s", argv[0], end.code, line.n > 0 ? ": " : "", SPAN_F(line));
    }
    run_end_fini(&end);
    return rc;
}

int letters_send(struct letters *l, const struct conf_site *site, const char *address, struct span text, struct err *e)
{
    struct span rest = span_of(site->sendmail), word;
    char *words[WORDS_MOST];
    unsigned n = 0;
    int rc;

    while (n < WORDS_MOST && (word = span_word(&rest)).n > 0)
        words[n++] = xstrndup(word.p, word.n);
    rc = n > 0 ? send_with(words, n, l, site, address, text, e) : err_set(e, "sendmail: no program is named");
    for (unsigned i = 0; i < n; i++)
        free(words[i]);
    return rc;
}
