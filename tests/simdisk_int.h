/* simdisk_int.h - a file of the simulated disk: what is durable of it, and what was changed since.
 *
 * Between simdisk.c (names, operations) and simdisk_node.c (bytes, chance).
 *
 * Threads:  simdisk.c holds its lock.
 */
#ifndef TESTS_SIMDISK_INT_H
#define TESTS_SIMDISK_INT_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

enum change_kind { CHANGE_WRITE, CHANGE_SIZE, CHANGE_GROW, CHANGE_PUNCH };

struct change {
    enum change_kind kind;
    uint64_t at, n;            /* SIZE and GROW: at is the size */
    char    *bytes;            /* WRITE                         */
    STAILQ_ENTRY(change) link;
};

struct node {
    char    *p;                /* durable bytes */
    uint64_t n, cap;
    mode_t   mode;
    STAILQ_HEAD(, change) changes;
    SLIST_ENTRY(node) link;
};

/* Chance: the same seed gives the same numbers, below 'below'. */
void     dice_seed(uint64_t seed);
uint64_t dice_roll(uint64_t below);

void node_set_size(struct node *d, uint64_t n);      /* of its durable bytes; new ones are zero  */

/* Something was done to the file that is not durable yet; WRITE: 'bytes' are copied. */
void node_note(struct node *d, enum change_kind kind, uint64_t at, uint64_t n, const char *bytes);

/* What was noted is forgotten, and has become durable: all; some by chance, as after a
 * sync that failed; what a power cut leaves. */
void node_keep_all(struct node *d);
void node_keep_some(struct node *d);
void node_lose_power(struct node *d);

void node_tear_at(unsigned bytes);                   /* writes tear at multiples of so many bytes */

#endif
