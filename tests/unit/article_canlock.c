/* Cancel-Lock and Cancel-Key: INN's scheme by its table, and which key opens which lock. */
#include <stdio.h>
#include <string.h>

#include "article/canlock.h"
#include "tests/kit.h"

static unsigned rows;

static bool is(struct span cell, const char *word)
{
    return span_eq(cell, span_of(word));
}

/* what, scheme, secret, message_id, user, value */
static void canlock_row(const struct kit_row *r, void *arg)
{
    enum digest d = is(r->cell[1], "sha1") ? DIGEST_SHA1 : DIGEST_SHA256;
    bool key = is(r->cell[0], "admin key") || is(r->cell[0], "user key");
    struct buf got = { 0 }, want = { 0 };

    (void)arg;
    (key ? canlock_key : canlock_lock)(&got, d, r->cell[2], r->cell[4], r->cell[3]);
    buf_printf(&want, "%.*s:%.*s", SPAN_F(r->cell[1]), SPAN_F(r->cell[5]));
    if (!span_eq(buf_span(&got), buf_span(&want)))
        fail_msg("line %d: got %.*s, wanted %.*s", r->line, SPAN_F(buf_span(&got)), SPAN_F(buf_span(&want)));
    buf_fini(&got);
    buf_fini(&want);
    rows++;
}

static void keys_and_locks_are_those_of_inn(void **state)
{
    (void)state;
    kit_table("canlock.tsv", canlock_row, NULL);
    assert_int_equal(rows, 8);
}

static bool opens(const char *key, const char *lock)
{
    struct buf keys = { 0 }, locks = { 0 };
    bool yes;

    canlock_keys(&keys, span_of(key));
    canlock_locks(&locks, span_of(lock));
    yes = canlock_opens(buf_span(&keys), buf_span(&locks));
    buf_fini(&keys);
    buf_fini(&locks);
    return yes;
}

/* of JaneDoe, in the table */
#define KEY1   "mHkFFHF4DM97Oi+8vEsCXQb4aM0="
#define LOCK1  "zdoRY4lJw5jLLtJTfpEqu1epqzc="
#define KEY256 "yM0ep490Fzt83CLYYAytm3S2HasHhYG4LAeAlmuSEys="
#define LOCK256 "NSBTz7BfcQFTCen+U4lQ0VS8VIlZao2b8mxD/xJaaeE="

static void a_key_opens_its_lock_and_no_other(void **state)
{
    (void)state;
    assert_true(opens("sha256:" KEY256, "sha256:" LOCK256));
    assert_true(opens("sha1:" KEY1, "sha1:" LOCK1));
    assert_false(opens("sha256:" KEY1, "sha256:" LOCK256));
    assert_false(opens("sha1:" KEY1, "sha256:" LOCK1));
    assert_false(opens("sha256:" LOCK256, "sha256:" LOCK256));       /* the lock is no key */
    assert_false(opens("sha1:" KEY1, "sha1:zdoRY4lJw5jLLtJTfpEqu1epqzC="));
    /* printf key | openssl dgst -sha512 -binary | base64 -w0 */
    assert_true(opens("sha512:key", "sha512:gzX6VtSHVi3iSPR778cnQzNAUd3/zCwJJ19mVFSZAxdZR0XuF8CPeYzX3OC6gVXc2hT2OYwdFUURZSChMwF8CQ=="));
}

static void one_of_many_is_enough(void **state)
{
    (void)state;
    assert_true(opens("sha256:YQ== sha256:" KEY256, "sha256:YQ== sha256:" LOCK256 " sha1:" LOCK1));
    assert_true(opens("sha1:" KEY1, "sha256:" LOCK256 "\r\n\tsha1:" LOCK1));
    assert_false(opens("sha1:YQ== sha256:YQ==", "sha256:" LOCK256 " sha1:" LOCK1));
}

static void schemes_know_no_case_comments_and_clues_are_passed_over(void **state)
{
    (void)state;
    assert_true(opens("SHA256:" KEY256, "sHa256:" LOCK256));
    assert_true(opens("(mine) sha256:" KEY256 " (too)", "(a (b) c)sha256:" LOCK256));
    assert_true(opens("sha1:" KEY1 ":clue", "sha1:" LOCK1 ":other"));
    assert_false(opens("sha256:nSBTz7BfcQFTCen+U4lQ0VS8VIlZao2b8mxD/xJaaeE=", "sha256:" LOCK256));    /* Base64 does know case */
}

static void what_is_no_lock_is_passed_over(void **state)
{
    static const char *const odd[] = { "", " ", "sha256", "sha256:", ":", "md5:YQ==", ":YQ==", "sha256::x", "(open", "sha25:x sha2566:x" };

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct buf marks = { 0 };

        canlock_locks(&marks, span_of(odd[i]));
        canlock_keys(&marks, span_of(odd[i]));
        assert_int_equal(buf_len(&marks), 0);
        assert_false(opens(odd[i], odd[i]));
        buf_fini(&marks);
    }
    assert_true(opens("md5:x sha256:" KEY256, "sha256: sha256:" LOCK256));
    canlock_locks(&(struct buf){ 0 }, (struct span){ 0 });
}

static void only_the_first_locks_count(void **state)
{
    struct buf many = { 0 }, marks = { 0 };

    (void)state;
    for (int i = 0; i < 100; i++)
        buf_printf(&many, "sha256:%dAA= ", i);
    canlock_locks(&marks, buf_span(&many));
    assert_int_equal(buf_len(&marks), CANLOCK_MOST * CANLOCK_MARK);
    buf_fini(&many);
    buf_fini(&marks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_locks_are_those_of_inn), cmocka_unit_test(a_key_opens_its_lock_and_no_other),
        cmocka_unit_test(one_of_many_is_enough), cmocka_unit_test(schemes_know_no_case_comments_and_clues_are_passed_over),
        cmocka_unit_test(what_is_no_lock_is_passed_over), cmocka_unit_test(only_the_first_locks_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
