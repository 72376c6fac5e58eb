/* bookkit.h - a history of its own for each test. */
#ifndef TESTS_UNIT_BOOKKIT_H
#define TESTS_UNIT_BOOKKIT_H

#include "tests/unit/hiskit.h"

static struct book k;

static int setup(void **state)
{
    static int turn;
    char name[32];

    (void)state;
    snprintf(name, sizeof name, "history-%d", turn++);
    book_open(&k, name);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    book_close(&k);
    return 0;
}

#endif
