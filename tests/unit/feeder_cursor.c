/* feeder/cursor: a peer's place survives whatever happens to the file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "feeder/cursor.h"
#include "lib/crc32c.h"
#include "lib/disk.h"
#include "tests/kit.h"
#include "tests/simdisk.h"

static const char *dir_of(const char *name)
{
    const char *dir = kit_path("%s", name);

    mkdir(dir, 0755);
    return dir;
}

static const char *numbered_dir(unsigned long n)
{
    char name[40];

    snprintf(name, sizeof name, "cut%lu", n);
    return dir_of(name);
}

static void begin(struct cursor *c, const char *dir, uint64_t next)
{
    struct err e = { 0 };

    assert_int_equal(cursor_open(c, dir, "p.example", &e), CURSOR_NONE);
    assert_int_equal(cursor_begin(c, next, &e), 0);
}

static void save(struct cursor *c, uint64_t next)
{
    struct err e = { 0 };

    c->next = next;
    c->dirty = true;
    if (cursor_save(c, &e) != 0)
        fail_msg("%s", e.text);
}

static enum cursor_found again(struct cursor *c, const char *dir)
{
    struct err e = { 0 };

    cursor_close(c);
    return cursor_open(c, dir, "p.example", &e);
}

static void what_was_saved_is_there_again(void **state)
{
    struct exception x = { .seq = 7, .due_us = 123456789, .tries = 2 }, aside = { .seq = 9, .due_us = ASIDE };
    const char *dir = dir_of("saved");
    struct cursor c;

    (void)state;
    begin(&c, dir, UINT64_C(1) << 40);
    assert_true(cursor_defer(&c, &x));
    assert_true(cursor_defer(&c, &aside));
    save(&c, (UINT64_C(1) << 40) + 5);
    assert_int_equal(again(&c, dir), CURSOR_LOADED);
    assert_int_equal(c.next, (UINT64_C(1) << 40) + 5);
    assert_int_equal(c.n_exc, 2);
    assert_int_equal(cursor_find(&c, 7)->due_us, 123456789);
    assert_int_equal(cursor_find(&c, 7)->tries, 2);
    assert_true(cursor_find(&c, 9)->due_us == ASIDE);
    cursor_settle(&c, 7);
    assert_null(cursor_find(&c, 7));
    cursor_close(&c);
}

static void an_exception_is_there_once_and_their_number_is_bounded(void **state)
{
    const char *dir = dir_of("bounded");
    struct cursor c;

    (void)state;
    begin(&c, dir, 1);
    for (uint64_t i = 1; i <= EXCEPTIONS_MOST; i++) {
        struct exception x = { .seq = i };

        assert_true(cursor_defer(&c, &x));
        assert_true(cursor_defer(&c, &x));
    }
    assert_int_equal(c.n_exc, EXCEPTIONS_MOST);
    assert_false(cursor_defer(&c, &(struct exception){ .seq = EXCEPTIONS_MOST + 1 }));
    save(&c, 2);
    assert_int_equal(again(&c, dir), CURSOR_LOADED);
    assert_int_equal(c.n_exc, EXCEPTIONS_MOST);
    cursor_move(&c, 100);
    assert_int_equal(c.n_exc, 99);
    cursor_close(&c);
}

/* ---- bytes ---- */

#define SLOT 86016                     /* doc/formats.md */

static uint64_t le(const char *p, int n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | (unsigned char)p[n];
    return v;
}

/* Two states: 1 with nothing, 2 with two exceptions in slot 0; the file as it lies there. */
static char *two_states(const char *name, size_t *n)
{
    struct exception x = { .seq = UINT64_C(0x1122334455667788), .due_us = 3000000, .tries = 7 }, aside = { .seq = 9, .due_us = ASIDE };
    const char *dir = dir_of(name);
    struct cursor c;
    char *bytes;

    begin(&c, dir, 10);
    assert_true(cursor_defer(&c, &x));
    assert_true(cursor_defer(&c, &aside));
    save(&c, UINT64_C(0xaabbccdd00));
    cursor_close(&c);
    bytes = disk_slurp(kit_path("%s/p.example.state", name), 2 * SLOT, n);
    assert_non_null(bytes);
    return bytes;
}

/* What the state is when these are the file's bytes. */
static enum cursor_found found_in(const char *name, const char *bytes, size_t n, uint64_t *next)
{
    struct err e = { 0 };
    struct cursor c;
    enum cursor_found found;

    assert_int_equal(disk_replace(kit_path("%s/p.example.state", name), bytes, n, 0644), 0);
    found = cursor_open(&c, kit_path("%s", name), "p.example", &e);
    *next = c.next;
    cursor_close(&c);
    return found;
}

static void the_bytes_are_those_of_formats_md(void **state)
{
    static const char head[12] = { 'F', 'r', 'g', 'C', 'u', 'r', 's', 'r', 1, 0, 0, 0 };
    size_t n;
    char *b = two_states("bytes", &n);

    (void)state;
    assert_int_equal(n, SLOT + 40);                 /* generation 1 is in slot 1 */
    for (size_t at = 0; at <= SLOT; at += SLOT)
        assert_memory_equal(b + at, head, sizeof head);
    assert_int_equal(le(b + SLOT + 12, 4), crc32c(0, b + SLOT + 16, 24));
    assert_int_equal(le(b + SLOT + 16, 8), 1);
    assert_int_equal(le(b + SLOT + 24, 8), 10);
    assert_int_equal(le(b + SLOT + 32, 8), 0);
    assert_int_equal(le(b + 12, 4), crc32c(0, b + 16, 24 + 40));
    assert_int_equal(le(b + 16, 8), 2);
    assert_true(le(b + 24, 8) == UINT64_C(0xaabbccdd00));
    assert_int_equal(le(b + 32, 8), 2);
    assert_true(le(b + 40, 8) == UINT64_C(0x1122334455667788) && le(b + 48, 8) == 3000000 && le(b + 56, 4) == 7);
    assert_true(le(b + 60, 8) == 9 && le(b + 68, 8) == INT64_MAX && le(b + 76, 4) == 0);
    free(b);
}

/* Only the minor version, and what lies behind the last exception, may be anything. */
static void every_octet_of_the_newest_state_counts(void **state)
{
    size_t n;
    char *b = two_states("octets", &n);
    uint64_t next;

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        bool counts = i < 80 && i != 10 && i != 11;

        b[i] = (char)(b[i] ^ 0x40);
        assert_int_equal(found_in("octets", b, n, &next), CURSOR_LOADED);
        if (counts != (next == 10))
            fail_msg("octet %zu %s", i, counts ? "does not count" : "counts");
        b[i] = (char)(b[i] ^ 0x40);
    }
    free(b);
}

static void a_state_cut_short_leaves_the_one_before_it(void **state)
{
    struct err e = { 0 };
    struct cursor c;
    size_t n;
    char *b = two_states("short", &n);
    uint64_t next;

    (void)state;
    assert_int_equal(found_in("short", b, n, &next), CURSOR_LOADED);
    assert_int_equal(cursor_open(&c, kit_path("short"), "p.example", &e), CURSOR_LOADED);
    save(&c, 7);                                    /* generation 3, at the file's end */
    cursor_close(&c);
    free(b);
    b = disk_slurp(kit_path("short/p.example.state"), 2 * SLOT, &n);
    assert_int_equal(n, SLOT + 80);
    for (size_t cut = n; cut > SLOT - 10; cut--) {
        assert_int_equal(found_in("short", b, cut, &next), CURSOR_LOADED);
        assert_true(next == (cut == n ? 7 : UINT64_C(0xaabbccdd00)));
    }
    for (size_t cut = 0; cut < 80; cut++)
        assert_int_equal(found_in("short", b, cut, &next), CURSOR_DAMAGED);
    free(b);
}

static void another_major_is_not_read(void **state)
{
    size_t n;
    char *b = two_states("major", &n);
    uint64_t next;

    (void)state;
    b[8] = b[SLOT + 8] = 2;
    assert_int_equal(found_in("major", b, n, &next), CURSOR_DAMAGED);
    free(b);
}

/* As many as fit, and a good sum: what could never have been written. */
static void a_number_of_exceptions_beyond_reason_is_damage(void **state)
{
    size_t n;
    char *b = two_states("many", &n);
    uint32_t sum;
    uint64_t next;

    (void)state;
    memset(b + 32, 0xff, 4);
    sum = crc32c(0, b + 16, 64);
    for (int i = 0; i < 4; i++)
        b[12 + i] = (char)(sum >> 8 * i);
    assert_int_equal(found_in("many", b, n, &next), CURSOR_LOADED);
    assert_int_equal(next, 10);
    free(b);
}

/* ---- trouble ---- */

static void trouble_is_no_damage(void **state)
{
    struct err e = { 0 };
    struct cursor c;

    (void)state;
    begin(&c, dir_of("trouble"), 10);
    simdisk_use();
    simdisk_count_reads(true);
    for (unsigned long n = 1; n <= 2; n++) {        /* the open, the read */
        cursor_close(&c);
        simdisk_fail_at(simdisk_ops() + n, EIO);
        assert_int_equal(cursor_open(&c, kit_path("trouble"), "p.example", &e), CURSOR_FAILED);
    }
    assert_int_equal(again(&c, kit_path("trouble")), CURSOR_LOADED);
    assert_int_equal(c.next, 10);
    cursor_close(&c);
    simdisk_end();
}

/* Whichever call of a save fails, the state before it is there, and the next save is good. */
static void a_save_that_fails_leaves_the_state_before_it(void **state)
{
    (void)state;
    for (unsigned long n = 1; n <= 2; n++) {
        const char *dir = numbered_dir(1000 + n);
        struct err e = { 0 };
        struct cursor c;

        begin(&c, dir, 1);
        save(&c, 2);
        simdisk_use();
        simdisk_fail_at(n, n == 1 ? ENOSPC : EIO);
        c.next = 3;
        c.dirty = true;
        assert_int_equal(cursor_save(&c, &e), -1);
        assert_true(c.dirty);
        simdisk_cut(n);
        simdisk_end();
        assert_int_equal(again(&c, dir), CURSOR_LOADED);
        assert_in_range(c.next, 2, 3);
        save(&c, 4);
        assert_int_equal(again(&c, dir), CURSOR_LOADED);
        assert_int_equal(c.next, 4);
        cursor_close(&c);
    }
}

static void a_file_without_a_whole_slot_is_kept_aside(void **state)
{
    const char *dir = dir_of("aside"), *path = kit_path("aside/p.example.state");
    struct err e = { 0 };
    struct cursor c;

    (void)state;
    begin(&c, dir, 10);
    cursor_close(&c);
    assert_int_equal(truncate(path, 20), 0);
    assert_int_equal(cursor_open(&c, dir, "p.example", &e), CURSOR_DAMAGED);
    assert_int_equal(cursor_begin(&c, 5, &e), 0);
    assert_int_equal(access(kit_path("aside/p.example.state.damaged"), F_OK), 0);
    assert_int_equal(again(&c, dir), CURSOR_LOADED);
    assert_int_equal(c.next, 5);
    cursor_close(&c);
}

/* Whatever call is the last before the power goes, the state is one that was saved, and not older
 * than the last that was said to be safe. */
static void a_power_cut_takes_back_no_state_that_was_safe(void **state)
{
    unsigned long stop = 0;
    bool all = false;

    (void)state;
    while (!all) {
        const char *dir = numbered_dir(++stop);
        struct err e = { 0 };
        struct cursor c;
        uint64_t safe = 0;

        simdisk_use();
        simdisk_stop_at(stop);
        if (cursor_open(&c, dir, "p.example", &e) == CURSOR_NONE && cursor_begin(&c, 1, &e) == 0)
            for (safe = 1; safe < 12; safe++) {
                for (uint64_t i = 0; i < 60; i++)           /* more than one sector */
                    assert_true(cursor_defer(&c, &(struct exception){ .seq = 1000 * safe + i, .due_us = (int64_t)safe }));
                c.next = safe + 1;
                c.dirty = true;
                if (cursor_save(&c, &e) != 0)
                    break;
            }
        cursor_close(&c);
        all = !simdisk_stopped();
        simdisk_cut(stop);
        switch (cursor_open(&c, dir, "p.example", &e)) {
        case CURSOR_NONE:
            assert_int_equal(safe, 0);
            break;
        case CURSOR_LOADED:
            assert_in_range(c.next, safe, safe + 1);
            assert_int_equal(c.n_exc, 60 * (c.next - 1));
            for (size_t i = 0; i < c.n_exc; i++)
                assert_true(c.exc[i].seq == 1000 * (i / 60 + 1) + i % 60 && c.exc[i].due_us == (int64_t)(i / 60 + 1));
            break;
        default:
            fail_msg("stop %lu: %s", stop, e.text);
        }
        cursor_close(&c);
        simdisk_end();
    }
    assert_true(stop > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_saved_is_there_again), cmocka_unit_test(an_exception_is_there_once_and_their_number_is_bounded),
        cmocka_unit_test(the_bytes_are_those_of_formats_md), cmocka_unit_test(every_octet_of_the_newest_state_counts),
        cmocka_unit_test(a_state_cut_short_leaves_the_one_before_it), cmocka_unit_test(another_major_is_not_read),
        cmocka_unit_test(a_number_of_exceptions_beyond_reason_is_damage), cmocka_unit_test(trouble_is_no_damage),
        cmocka_unit_test(a_save_that_fails_leaves_the_state_before_it), cmocka_unit_test(a_file_without_a_whole_slot_is_kept_aside),
        cmocka_unit_test(a_power_cut_takes_back_no_state_that_was_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
