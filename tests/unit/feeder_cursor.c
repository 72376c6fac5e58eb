/* feeder/cursor: a peer's place survives whatever happens to the file. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "feeder/cursor.h"
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

/* Damage one octet after the other in the slot that was written last: the state before it is
 * found, or the same one where the octet does not count. */
static void a_damaged_slot_leaves_the_state_before_it(void **state)
{
    const char *dir = dir_of("damaged"), *path = kit_path("damaged/p.example.state");
    struct cursor c;
    int fd;

    (void)state;
    begin(&c, dir, 10);
    save(&c, 11);
    save(&c, 12);
    assert_int_equal(again(&c, dir), CURSOR_LOADED);
    assert_int_equal(c.next, 12);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    for (off_t slot = 0; slot < 2; slot++) {
        off_t size = lseek(fd, 0, SEEK_END), at = slot == 0 ? 0 : (size > 81920 ? 86016 : size / 2);

        for (off_t i = 0; i < 40; i++) {
            char was, is;

            if (pread(fd, &was, 1, at + i) != 1)
                continue;
            is = (char)(was ^ 0x40);
            assert_int_equal(pwrite(fd, &is, 1, at + i), 1);
            assert_int_equal(again(&c, dir), CURSOR_LOADED);
            assert_in_range(c.next, 11, 12);
            assert_int_equal(pwrite(fd, &was, 1, at + i), 1);
        }
    }
    close(fd);
    cursor_close(&c);
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
        cmocka_unit_test(a_damaged_slot_leaves_the_state_before_it), cmocka_unit_test(a_file_without_a_whole_slot_is_kept_aside),
        cmocka_unit_test(a_power_cut_takes_back_no_state_that_was_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
