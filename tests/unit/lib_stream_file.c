/* lib_stream_file.c - ranges of files on their way out: hot, cold, in part, short, and given up midway.
 *
 * The kernel's "not in memory" is put in by hand: disk_ops.pread_now is ours here.  What is
 * cold is then read by a real lane, whose only thread a test may hold up.
 */
#include "tests/unit/streamkit.h"

static enum { HOT, COLD, COLD_OLD_KERNEL, MIXED } heat;
static unsigned asked;

static ssize_t heated(int fd, void *p, size_t n, off_t at)
{
    asked++;
    if (heat == COLD || heat == COLD_OLD_KERNEL || (heat == MIXED && kit_random() % 3 == 0)) {
        errno = heat == COLD_OLD_KERNEL ? EOPNOTSUPP : EAGAIN;
        return -1;
    }
    if (heat == MIXED && kit_random() % 2 == 0)
        n = 1 + kit_random() % n;
    return pread(fd, p, n, at);                /* in memory or not: the test may wait */
}

#include "lib/stream_file.c"

#include "lib/lock.h"

#define FILE_SIZE (3 << 20)

static struct lane *lane;
static struct mailbox *home;
static int file;
static unsigned released;
static struct disk_ops ops;

static int open_all(void **state)
{
    char *p = xmalloc(FILE_SIZE);

    open_base(state);
    ops = *disk_table();
    ops.pread_now = heated;
    disk_use(&ops);
    home = mailbox_new(base);
    lane = lane_new("test", 1);
    file = open(kit_path("file"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    pattern_fill(p, 0, FILE_SIZE);
    assert_int_equal(write(file, p, FILE_SIZE), FILE_SIZE);
    free(p);
    heat = HOT;
    asked = released = 0;
    return 0;
}

static int close_all(void **state)
{
    lane_free(&lane);
    mailbox_free(&home);
    close(file);
    disk_use(NULL);
    return close_base(state);
}

static void on_release(void *arg)
{
    assert_ptr_equal(arg, &released);
    released++;
}

static void send_range(struct end *e, uint64_t at, uint64_t len)
{
    stream_send_file(e->s, file, at, len, lane, home, on_release, &released);
}

/* --- the gate: the lane's thread waits there --------------------------- */

static struct lock gate_lock;
static struct cond gate_cond;
static bool gate_open, gate_reached;
static struct job gate_job;

static void at_gate(struct job *j)
{
    (void)j;
    lock_get(&gate_lock);
    gate_reached = true;
    cond_broadcast(&gate_cond);
    while (!gate_open)
        cond_wait(&gate_cond, &gate_lock);
    lock_put(&gate_lock);
}

static void gate_done(struct mail *m)
{
    (void)m;
}

static void gate_shut(void)
{
    gate_open = gate_reached = false;
    gate_job = (struct job){ .run = at_gate, .mail.deliver = gate_done, .home = home };
    lane_send(lane, &gate_job);
    lock_get(&gate_lock);
    while (!gate_reached)
        cond_wait(&gate_cond, &gate_lock);
    lock_put(&gate_lock);
}

static void gate_let_through(void)
{
    lock_get(&gate_lock);
    gate_open = true;
    cond_broadcast(&gate_cond);
    lock_put(&gate_lock);
}

/* --- whole ------------------------------------------------------------- */

static void a_small_hot_range_leaves_with_its_status_line_in_one_write(void **state)
{
    struct end a, b;
    struct tap tap;

    (void)state;
    ends_open(&a, &b);
    stream_layer(a.s, tap_wrap, &tap);
    stream_puts(a.s, "220 0 <id@example>\r\n");
    send_range(&a, 1000, 60000);
    stream_puts(a.s, "223 next\r\n");
    assert_int_equal(asked, 0);                  /* not before the turn's end */
    until(buf_len(&b.got) == 20 + 60000 + 10);
    assert_int_equal(tap.writes, 1);
    assert_int_equal(asked, 1);
    assert_int_equal(released, 1);
    assert_memory_equal(buf_data(&b.got), "220 0 <id@example>\r\n", 20);
    buf_drop(&b.got, 20);
    b.checked = 1000;
    check_pattern(&b, (struct span){ buf_data(&b.got), 60000 });
    assert_memory_equal(buf_data(&b.got) + 60000, "223 next\r\n", 10);
    end_close(&a);
    end_close(&b);
}

static void transfer(int how)
{
    struct end a, b;

    heat = how;
    released = 0;
    ends_open(&a, &b);
    b.pattern = true;
    send_range(&a, 0, FILE_SIZE);
    assert_int_equal(stream_out_len(a.s), FILE_SIZE);
    until(b.checked == FILE_SIZE);
    until(released == 1);
    assert_int_equal(stream_out_len(a.s), 0);
    end_close(&a);
    end_close(&b);
}

static void a_large_range_arrives_whole_hot_cold_and_mixed(void **state)
{
    (void)state;
    transfer(HOT);
    transfer(COLD);
    transfer(COLD_OLD_KERNEL);
    for (int i = 0; i < 20; i++)
        transfer(MIXED);
}

static void a_range_beyond_4_gigabytes_is_found(void **state)
{
    struct end a, b;
    uint64_t far = (UINT64_C(5) << 30) + 7;
    int big = open(kit_path("sparse"), O_RDWR | O_CREAT, 0600);

    (void)state;
    assert_int_equal(pwrite(big, "far away", 8, (off_t)far), 8);
    for (heat = HOT; heat <= COLD; heat++) {
        ends_open(&a, &b);
        stream_send_file(a.s, big, far, 8, lane, home, NULL, NULL);
        until(got_is(&b, "far away"));
        end_close(&a);
        end_close(&b);
    }
    close(big);
}

static void little_is_read_ahead_of_one_who_does_not_read(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    stream_pause(b.s, true);
    send_range(&a, 0, FILE_SIZE);
    settle();
    assert_in_range(asked, 1, 8);                /* a few pieces, of the two dozen there are */
    assert_int_equal(released, 0);
    b.pattern = true;
    stream_pause(b.s, false);
    until(b.checked == FILE_SIZE);
    assert_int_equal(released, 1);
    end_close(&a);
    end_close(&b);
}

static void nothing_overtakes_a_cold_range(void **state)
{
    struct end a, b;

    (void)state;
    heat = COLD;
    ends_open(&a, &b);
    gate_shut();
    stream_puts(a.s, "before|");
    send_range(&a, 0, 5);
    stream_puts(a.s, "|after");
    until(got_is(&b, "before|"));
    settle();
    assert_true(got_is(&b, "before|"));
    gate_let_through();
    until(buf_len(&b.got) == 7 + 5 + 6);
    assert_memory_equal(buf_data(&b.got) + 12, "|after", 6);
    end_close(&a);
    end_close(&b);
}

/* Writes, gifts and ranges in any order, against the same bytes put together by hand. */
static void all_kinds_of_output_keep_their_order(void **state)
{
    (void)state;
    heat = MIXED;
    for (int round = 0; round < 30; round++) {
        struct buf want = { 0 };
        struct end a, b;
        unsigned ranges = 0;

        released = 0;
        ends_open(&a, &b);
        for (int i = 0; i < 60; i++) {
            uint64_t at = kit_random() % (FILE_SIZE / 2);
            size_t n = (size_t)(kit_random() % (kit_random() % 4 == 0 ? 300000 : 400));
            char *p = xmalloc(n + 1);

            pattern_fill(p, at, n);
            buf_add(&want, p, n);
            switch (kit_random() % 4) {
            case 0: stream_write(a.s, p, n); free(p); break;
            case 1: stream_give(a.s, p, n); break;
            default: send_range(&a, at, n); ranges++; free(p);
            }
            if (kit_random() % 8 == 0)
                event_base_loop(base, EVLOOP_NONBLOCK);
        }
        until(buf_len(&b.got) == buf_len(&want) && released == ranges);
        assert_memory_equal(buf_data(&b.got), buf_data(&want), buf_len(&want));
        end_close(&a);
        end_close(&b);
        buf_fini(&want);
    }
}

static void a_finish_waits_for_a_cold_range(void **state)
{
    struct end a, b;

    (void)state;
    heat = COLD;
    ends_open(&a, &b);
    b.pattern = true;
    gate_shut();
    send_range(&a, 0, 400000);
    stream_finish(a.s);
    settle();
    assert_int_equal(b.told[STREAM_CLOSED], 0);
    gate_let_through();
    until(b.told[STREAM_CLOSED] == 1);
    assert_int_equal(b.checked, 400000);
    end_close(&b);
    until(a.told[STREAM_CLOSED] == 1);
    end_close(&a);
}

static void memory_streams_send_files_too(void **state)
{
    (void)state;
    for (heat = HOT; heat <= COLD; heat++) {
        struct end a = { 0 };

        a.s = stream_memory(base, on_end, &a);
        stream_puts(a.s, "220\r\n");
        send_range(&a, 0, 200000);
        until(buf_len(stream_taken(a.s)) == 200005);
        check_pattern(&a, span_from(buf_span(stream_taken(a.s)), 5));
        end_close(&a);
    }
}

static void an_empty_range_is_released_at_once(void **state)
{
    struct end a, b;

    (void)state;
    ends_open(&a, &b);
    send_range(&a, 5, 0);
    assert_int_equal(released, 1);
    end_close(&a);
    end_close(&b);
}

/* --- not whole --------------------------------------------------------- */

static void a_file_that_ends_early_fails_the_stream(void **state)
{
    (void)state;
    for (heat = HOT; heat <= COLD; heat++) {
        struct end a, b;

        released = 0;
        ends_open(&a, &b);
        b.pattern = true;
        b.checked = FILE_SIZE - 100000;
        send_range(&a, FILE_SIZE - 100000, 100001);
        until(a.told[STREAM_FAILED] == 1);
        assert_string_equal(stream_reason(a.s), "a file ended early");
        settle();
        assert_int_equal(a.told[STREAM_FAILED], 1);
        end_close(&a);
        assert_int_equal(released, 1);
        end_close(&b);
    }
}

static void a_file_that_cannot_be_read_fails_the_stream_with_the_reason(void **state)
{
    int dir = open(kit_dir(), O_RDONLY | O_DIRECTORY);

    (void)state;
    for (heat = HOT; heat <= COLD; heat++) {
        struct end a, b;

        ends_open(&a, &b);
        stream_send_file(a.s, dir, 0, 100, lane, home, NULL, NULL);
        until(a.told[STREAM_FAILED] == 1);
        assert_string_equal(stream_reason(a.s), strerror(EISDIR));
        end_close(&a);
        end_close(&b);
    }
    close(dir);
}

/* --- given up midway --------------------------------------------------- */

static void a_stream_freed_while_its_read_is_away_releases_when_it_is_back(void **state)
{
    struct end a, b;

    (void)state;
    heat = COLD;
    ends_open(&a, &b);
    gate_shut();
    send_range(&a, 0, 100000);
    send_range(&a, 0, 100000);                   /* this one has not begun */
    settle();
    assert_int_equal(lane_load(lane), 2);
    end_close(&a);
    assert_int_equal(released, 1);
    gate_let_through();
    until(released == 2);                        /* the file may be closed only now */
    end_close(&b);
}

static void a_stream_that_failed_while_its_read_is_away_is_told_and_freed(void **state)
{
    struct end a, b;

    (void)state;
    heat = COLD;
    ends_open(&a, &b);
    gate_shut();
    stream_puts(a.s, "gone");
    send_range(&a, 0, 100000);
    settle();
    end_close(&b);
    stream_pause(a.s, true);
    gate_let_through();
    until(a.told[STREAM_FAILED] == 1);           /* written to nobody */
    end_close(&a);
    until(released == 1);
}

static void free_now(struct end *e, enum stream_event what)
{
    (void)what;
    stream_free(&e->s);
}

static void ranges_are_released_whenever_the_stream_goes(void **state)
{
    unsigned ranges = 0;

    (void)state;
    heat = MIXED;
    for (int i = 0; i < 300; i++) {
        struct end a, b;

        ends_open(&a, &b);
        for (unsigned n = 1 + kit_random() % 4; n > 0; n--, ranges++)
            send_range(&a, kit_random() % 1000, 1 + kit_random() % 500000);
        for (unsigned turns = kit_random() % 12; turns > 0; turns--)
            event_base_loop(base, EVLOOP_NONBLOCK);
        if (kit_random() % 2 == 0) {
            a.then = free_now;
            stream_puts(b.s, "x");
            until(a.s == NULL);
        }
        stream_free(&a.s);
        buf_fini(&a.got);
        end_close(&b);
    }
    until(released == ranges);
    settle();
    assert_int_equal(released, ranges);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_small_hot_range_leaves_with_its_status_line_in_one_write), T(a_large_range_arrives_whole_hot_cold_and_mixed),
        T(a_range_beyond_4_gigabytes_is_found), T(little_is_read_ahead_of_one_who_does_not_read),
        T(nothing_overtakes_a_cold_range), T(all_kinds_of_output_keep_their_order), T(a_finish_waits_for_a_cold_range),
        T(memory_streams_send_files_too), T(an_empty_range_is_released_at_once), T(a_file_that_ends_early_fails_the_stream),
        T(a_file_that_cannot_be_read_fails_the_stream_with_the_reason),
        T(a_stream_freed_while_its_read_is_away_releases_when_it_is_back),
        T(a_stream_that_failed_while_its_read_is_away_is_told_and_freed), T(ranges_are_released_whenever_the_stream_goes),
    };
    int rc;

    lock_init(&gate_lock, "gate");
    cond_init(&gate_cond);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    cond_fini(&gate_cond);
    lock_fini(&gate_lock);
    return rc;
}
