/* feeder/post_form: what goes out as a post, and what is made of the answer. */
#include <string.h>

#include "feeder/post_form.h"
#include "tests/kit.h"

static void assert_form(const char *article, const char *wanted)
{
    struct buf out = { 0 };

    post_form(&out, span_of(article));
    buf_add(&out, "", 1);
    assert_string_equal(buf_data(&out), wanted);
    buf_fini(&out);
}

static void what_tells_its_way_is_left_out_with_its_folds(void **state)
{
    (void)state;
    assert_form("Path: a!b\r\nFrom: x\r\nXref: a g:1\r\n g:2\r\n\tg:3\r\nSubject: s\r\n t\r\nInjection-Info: a;\r\n b=c\r\n"
                "NNTP-Posting-Host: h\r\nnntp-posting-date: d\r\nX-Trace: t\r\nx-complaints-to: c\r\nInjection-Date: i\r\n"
                "Message-ID: <a@b>\r\nDate: d\r\nCancel-Lock: sha256:x\r\n\r\nPath: in the body\r\n..\r\n.\r\n",
                "From: x\r\nSubject: s\r\n t\r\nInjection-Date: i\r\nMessage-ID: <a@b>\r\nDate: d\r\n"
                "Cancel-Lock: sha256:x\r\n\r\nPath: in the body\r\n..\r\n.\r\n");
}

static void what_only_looks_like_it_stays(void **state)
{
    (void)state;
    assert_form("Pathos: x\r\nX-Path: y\r\nX-Xref: z\r\n\r\n.\r\n", "Pathos: x\r\nX-Path: y\r\nX-Xref: z\r\n\r\n.\r\n");
    assert_form("Path: x\r\n\r\n.\r\n", "\r\n.\r\n");
    assert_form("Path: x\r\n", "");
    assert_form("", "");
}

static void replies_to_post_are_understood(void **state)
{
    static const struct { const char *line; bool sent; enum reply r; } rows[] = {
        { "340 go", false, REPLY_SEND },
        { "440 posting not permitted", false, REPLY_GOODBYE },
        { "480 login first", false, REPLY_GOODBYE },
        { "436 later", false, REPLY_LATER },
        { "503 fault", false, REPLY_LATER },
        { "240 thanks", false, REPLY_NONSENSE },
        { "441 no", false, REPLY_NONSENSE },
        { "240 thanks", true, REPLY_ACCEPTED },
        { "240", true, REPLY_ACCEPTED },
        { "340 go", true, REPLY_NONSENSE },
        { "441 435 Duplicate", true, REPLY_REFUSED },
        { "441 Duplicate", true, REPLY_REFUSED },
        { "441 duplicate message-ID <a@b>", true, REPLY_REFUSED },
        { "441 We already have it", true, REPLY_REFUSED },
        { "441 Duplicate \"From\" header field", true, REPLY_REJECTED },
        { "441 437 Too old", true, REPLY_REJECTED },
        { "441 Posting failed", true, REPLY_REJECTED },
        { "441", true, REPLY_REJECTED },
        { "441 436 try again", true, REPLY_LATER },
        { "441 Try again later -- no space", true, REPLY_LATER },
        { "437 no", true, REPLY_REJECTED },
        { "400 bye", true, REPLY_GOODBYE },
        { "500 what", true, REPLY_NONSENSE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct span line = span_of(rows[i].line), id;

        assert_int_equal(post_meaning(reply_read(line, &id), line, rows[i].sent), rows[i].r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_tells_its_way_is_left_out_with_its_folds), cmocka_unit_test(what_only_looks_like_it_stays),
        cmocka_unit_test(replies_to_post_are_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
