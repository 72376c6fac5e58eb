/* simdisk.h - a disk that loses power: what was not synced may be gone.
 *
 * Below lib/disk.h (and Berkeley DB, after bdb_route).  All calls go through
 * to real files, and what a power cut could undo is remembered meanwhile:
 *
 *     bytes   what fdatasync returned 0 for stays.  Of the writes, truncations
 *             and holes after it any may stay or not; a write may be torn at
 *             any 512 bytes (or see simdisk_tear_at).  A sync that failed may have kept some for good,
 *             and those it did not keep no later sync brings back.
 *     names   what was created, renamed or removed since the directory's last
 *             fsync may be undone, the latest first (as file systems with a
 *             journal do).  Directories themselves are never lost.
 *
 * Threads:  any, below one lock.  Files that the tests open by other ways are
 *           not seen.  One process: in a forked child, cut there too.
 */
#ifndef TESTS_SIMDISK_H
#define TESTS_SIMDISK_H

#include <stdbool.h>
#include <stdint.h>

/* Put the simulated disk in place, with all that is there now being durable. */
void simdisk_use(void);
void simdisk_end(void);                      /* back to the real disk                         */

/* Operations since simdisk_use or the last cut: all that change or sync
 * something; with 'reads' also opening and reading. */
unsigned long simdisk_ops(void);
void simdisk_count_reads(bool reads);

/* The n-th operation from the start (1 is the first) fails with 'sys', once.
 * A write may have got a part of its bytes to the file; with ENOSPC it returns
 * that part, and the operation after it fails. */
void simdisk_fail_at(unsigned long n, int sys);

/* From the n-th operation on nothing works (EIO), reads neither: the power is gone. */
void simdisk_stop_at(unsigned long n);
bool simdisk_stopped(void);

/* Tear writes at multiples of so many bytes (512 until said otherwise). */
void simdisk_tear_at(unsigned bytes);

/* Put the files into a state that a power cut now could leave; power is back
 * after it.  The same seed and history give the same state. */
void simdisk_cut(uint64_t seed);

#endif
