/* his_sweep.c - takes rows that mean nothing any more out of the database.
 * See his_sweep.h.
 *
 *     0 ──────── start ──────────────▶ the last key
 *     └─ second ──▶│     └─ first ──────────────▶┘
 */
#include "history/his_sweep.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/mem.h"

struct his_sweep {
    struct his_db   *db;
    struct bdb_bulk  bulk;
    bool             on, second, last;  /* a pass is under way; in its second half; at its end */
    uint32_t         day;               /* of this pass                                */
    _Atomic uint32_t done_day;          /* of the last that was finished               */
    struct msgid_key start, at;
    struct msgid_key *found;
    int              n, room;
};

struct his_sweep *his_sweep_new(struct his_db *d)
{
    struct his_sweep *s = xcalloc(1, sizeof *s);

    s->db = d;
    return s;
}

void his_sweep_free(struct his_sweep **s)
{
    if (*s == NULL)
        return;
    bdb_bulk_fini(&(*s)->bulk);
    free((*s)->found);
    free(*s);
    *s = NULL;
}

bool his_sweep_done(const struct his_sweep *s)
{
    return s->done_day == his_db_forgotten_day(s->db);
}

static void begin(struct his_sweep *s)
{
    s->on = true;
    s->second = s->last = false;
    s->day = his_db_forgotten_day(s->db);
    if (getrandom(s->start.b, sizeof s->start.b, GRND_NONBLOCK) != sizeof s->start.b)
        memset(s->start.b, 0, sizeof s->start.b);
    s->at = s->start;
}

static void end(struct his_sweep *s)
{
    s->on = s->last = false;
    s->done_day = s->day;
}

int his_sweep_look(struct his_sweep *s, int rows, struct err *e)
{
    bool at_end;

    s->n = 0;
    if (s->last)                        /* and what it found last has gone */
        end(s);
    if (his_sweep_done(s))
        return 0;
    if (!s->on)
        begin(s);
    if (s->room < rows) {
        s->found = xrealloc(s->found, (size_t)rows * sizeof *s->found);
        s->room = rows;
    }
    if ((s->n = his_db_keys(s->db, &s->at, s->found, rows, true, &at_end, &s->bulk, e)) < 0) {
        s->n = 0;
        return -1;
    }
    if (at_end && !s->second) {
        s->second = true;
        memset(s->at.b, 0, sizeof s->at.b);
    } else if (s->second && (at_end || memcmp(s->at.b, s->start.b, sizeof s->at.b) >= 0)) {
        s->last = true;
    }
    return s->n;
}

unsigned his_sweep_drop(struct his_sweep *s, struct txn *t)
{
    unsigned n = 0;

    for (int i = 0; i < s->n; i++)
        n += his_db_drop(s->db, t, &s->found[i]);
    return n;
}
