/* The one command table: its rows, its gates, what HELP and CAPABILITIES make of it. */
#include "tests/kit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "nntpd/command.h"

static const struct command_table *const tables[] = { &commands, &list_variants, &mode_variants, &auth_variants };
#define TABLES (sizeof tables / sizeof *tables)

#define EACH_ROW(row)                                       \
    for (size_t t_ = 0; t_ < TABLES; t_++)                  \
        for (const struct command *row = tables[t_]->row; row < tables[t_]->row + tables[t_]->n; row++)

static struct span sp(const char *s)
{
    return span_of(s);
}

static void every_row_has_a_name_in_capitals_a_help_and_sound_bounds(void **state)
{
    (void)state;
    EACH_ROW(row) {
        for (const char *p = row->name; *p != '\0'; p++)
            assert_true(isupper((unsigned char)*p) || *p == '.');
        assert_true((row->run != NULL) != (row->variants != NULL));
        assert_true(strlen(row->help) > 0);
        assert_true(row->min <= row->max);
        if ((row->max == 0) != (*row->args == '\0'))
            fail_msg("%s: %u arguments, shown as \"%s\"", row->name, row->max, row->args);
        if (row->min > 0 && *row->args == '[' && strchr(row->args, ' ') == NULL)
            fail_msg("%s: an argument that must be there is shown as optional", row->name);
    }
}

static void every_row_is_found_by_its_name_in_any_case_and_names_are_unique(void **state)
{
    char low[64];

    (void)state;
    for (size_t t = 0; t < TABLES; t++) {
        for (unsigned i = 0; i < tables[t]->n; i++) {
            const char *name = tables[t]->row[i].name;

            for (size_t k = 0; k <= strlen(name); k++)
                low[k] = (char)tolower((unsigned char)name[k]);
            assert_ptr_equal(command_find(tables[t], sp(name)), &tables[t]->row[i]);
            assert_ptr_equal(command_find(tables[t], sp(low)), &tables[t]->row[i]);
        }
    }
    assert_null(command_find(&commands, sp("XYZZY")));
    assert_null(command_find(&commands, sp("CHECKS")));
    assert_null(command_find(&commands, sp("CHEC")));
}

static void every_row_has_its_own_counter(void **state)
{
    char seen[256] = { 0 }, name[40];

    (void)state;
    EACH_ROW(row) {
        unsigned i = command_index(row);

        assert_true(i < command_count() && !seen[i]);
        seen[i] = 1;
        command_name(i, name, sizeof name);
        assert_non_null(strstr(name, row->name));
    }
}

/* The transit commands' codes for bad arguments are those that a feeder takes for a "no". */
static void bad_arguments_are_never_501_to_a_feeder(void **state)
{
    (void)state;
    assert_int_equal(command_find(&commands, sp("IHAVE"))->wrong, 435);
    assert_int_equal(command_find(&commands, sp("CHECK"))->wrong, 438);
    assert_int_equal(command_find(&commands, sp("TAKETHIS"))->wrong, 439);
}

static void only_takethis_is_followed_by_a_block_whatever_is_said(void **state)
{
    (void)state;
    EACH_ROW(row)
        assert_int_equal((row->flags & CMD_BODY) != 0, strcmp(row->name, "TAKETHIS") == 0);
}

/* What may be said to whom. */
static const struct rights stranger, reader = { .read = { "*", 1 }, .read_all = true },
    poster = { .read = { "*", 1 }, .post = { "*", 1 }, .newnews = true },
    peer = { .transit = true, .streaming = true }, slow_peer = { .transit = true },
    both = { .read = { "*", 1 }, .post = { "*", 1 }, .transit = true, .streaming = true, .newnews = true };

static void gates_ask_who_it_is(void **state)
{
    static const struct { const char *name; int stranger, reader, poster, slow_peer, peer; } rows[] = {
        { "CAPABILITIES", 0, 0, 0, 0, 0 }, { "HELP", 0, 0, 0, 0, 0 }, { "QUIT", 0, 0, 0, 0, 0 },
        { "DATE", 0, 0, 0, 0, 0 },
        { "ARTICLE", 502, 0, 0, 502, 502 }, { "GROUP", 502, 0, 0, 502, 502 }, { "OVER", 502, 0, 0, 502, 502 },
        { "NEWGROUPS", 502, 0, 0, 502, 502 }, { "XPAT", 502, 0, 0, 502, 502 },
        { "POST", 440, 440, 0, 440, 440 },
        { "NEWNEWS", 502, 502, 0, 502, 502 },
        { "IHAVE", 502, 502, 502, 0, 0 },
        { "CHECK", 502, 502, 502, 502, 0 }, { "TAKETHIS", 502, 502, 502, 502, 0 },
        { "STARTTLS", 0, 0, 0, 0, 0 }, { "COMPRESS", 0, 0, 0, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct command *c = command_find(&commands, sp(rows[i].name));

        assert_non_null(c);
        if (command_denied(c, &stranger) != rows[i].stranger || command_denied(c, &reader) != rows[i].reader ||
            command_denied(c, &poster) != rows[i].poster || command_denied(c, &slow_peer) != rows[i].slow_peer ||
            command_denied(c, &peer) != rows[i].peer)
            fail_msg("row %s", rows[i].name);
        if (rows[i].stranger != 500)
            assert_int_equal(command_denied(c, &both), 0);
    }
}

static const struct conf_site bare, full = { .motd = { "", 0 }, .subscriptions = { "", 0 }, .distributions = { "", 0 },
                                            .distrib_pats = { "", 0 }, .moderators = { NULL, 1 } };

/* RFC 4643 2.2, RFC 3977 3.2.1: 480 for what a login would allow, 483 for what TLS would,
 * and never 480 for AUTHINFO itself. */
static void gates_tell_what_would_help(void **state)
{
    static const struct rights all_by_login = { .logins = true, .login = { true, true, true, true, true } },
        read_by_login = { .logins = true, .login = { .read = true }, .tls = { .post = true } },
        all_by_tls = { .tls = { true, true, true, true, true } };
    static const struct { const char *name; int all_by_login, read_by_login, all_by_tls; } rows[] = {
        { "GROUP", 480, 480, 483 }, { "POST", 480, 483, 483 }, { "NEWNEWS", 480, 502, 483 }, { "IHAVE", 480, 502, 483 },
        { "CHECK", 480, 502, 483 }, { "TAKETHIS", 480, 502, 483 }, { "DATE", 0, 0, 0 }, { "QUIT", 0, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct command *c = command_find(&commands, sp(rows[i].name));

        if (command_denied(c, &all_by_login) != rows[i].all_by_login || command_denied(c, &read_by_login) != rows[i].read_by_login ||
            command_denied(c, &all_by_tls) != rows[i].all_by_tls)
            fail_msg("row %s", rows[i].name);
    }
}

/* RFC 4643 2.2 to 2.4 */
static void gates_of_authinfo(void **state)
{
    static const struct rights none, open = { .logins = true, .clear = true }, insecure = { .logins = true },
        done = { .logins = true, .clear = true, .logged_in = true };
    static const struct { const char *name; int none, open, insecure, done; } rows[] = {
        { "USER", 500, 0, 483, 502 }, { "PASS", 500, 0, 483, 502 }, { "SASL", 500, 0, 0, 502 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct command *c = command_find(&auth_variants, sp(rows[i].name));

        if (command_denied(c, &none) != rows[i].none || command_denied(c, &open) != rows[i].open ||
            command_denied(c, &insecure) != rows[i].insecure || command_denied(c, &done) != rows[i].done)
            fail_msg("row %s", rows[i].name);
    }
}

static void assert_caps(const struct rights *r, const struct conf_site *site, const char *want)
{
    struct buf b = { 0 };
    char all[1024];

    snprintf(all, sizeof all, "101 Capability list:\r\nVERSION 2\r\nIMPLEMENTATION Freshet %s\r\n%s.\r\n", FRESHET_VERSION, want);
    command_capabilities(&b, r, site);
    if (!span_eq(buf_span(&b), sp(all)))
        fail_msg("got:\n%.*s\nwant:\n%s", SPAN_F(buf_span(&b)), all);
    buf_fini(&b);
}

#define LISTS "LIST ACTIVE ACTIVE.TIMES COUNTS HEADERS NEWSGROUPS OVERVIEW.FMT\r\n"

static void capabilities_tell_the_truth_in_every_state(void **state)
{
    (void)state;
    assert_caps(&stranger, &bare, "");
    assert_caps(&reader, &bare, "READER\r\nOVER MSGID\r\nHDR\r\n" LISTS);
    assert_caps(&poster, &bare, "READER\r\nOVER MSGID\r\nHDR\r\nPOST\r\n" LISTS "NEWNEWS\r\n");
    assert_caps(&peer, &bare, "STREAMING\r\nIHAVE\r\n");
    assert_caps(&slow_peer, &bare, "IHAVE\r\n");
    assert_caps(&both, &full, "STREAMING\r\nIHAVE\r\nREADER\r\nOVER MSGID\r\nHDR\r\nPOST\r\n"
                "LIST ACTIVE ACTIVE.TIMES COUNTS DISTRIB.PATS DISTRIBUTIONS HEADERS MODERATORS MOTD NEWSGROUPS OVERVIEW.FMT "
                "SUBSCRIPTIONS\r\nNEWNEWS\r\n");
}

/* RFC 4643 2.1, 2.2: AUTHINFO goes with the login, SASL stays as it was; no USER where a
 * password may not be sent.  What a login would give is told before it, as in 2.1's example. */
static void capabilities_tell_of_logins_in_every_state(void **state)
{
    struct rights r = { .logins = true, .clear = true, .login = { .read = true, .post = true } };

    (void)state;
    assert_caps(&r, &bare, "READER\r\nOVER MSGID\r\nHDR\r\nPOST\r\n" LISTS "AUTHINFO USER SASL\r\nSASL PLAIN\r\n");
    r.clear = false;
    assert_caps(&r, &bare, "READER\r\nOVER MSGID\r\nHDR\r\nPOST\r\n" LISTS "AUTHINFO\r\n");
    r.clear = r.compressed = true;       /* RFC 8054 2.2.2 */
    assert_caps(&r, &bare, "READER\r\nOVER MSGID\r\nHDR\r\nPOST\r\n" LISTS "AUTHINFO\r\n");
    r = (struct rights){ .logins = true, .clear = true, .logged_in = true, .read = { "*", 1 } };
    assert_caps(&r, &bare, "READER\r\nOVER MSGID\r\nHDR\r\n" LISTS "SASL PLAIN\r\n");
}

/* RFC 4642 2.1, RFC 8054 2.1: not once they are active. */
static void capabilities_name_the_layers_that_may_begin(void **state)
{
    struct rights r = { .transit = true, .starttls = true, .compress = true };

    (void)state;
    assert_caps(&r, &bare, "IHAVE\r\nSTARTTLS\r\nCOMPRESS DEFLATE\r\n");
    r.starttls = false;
    assert_caps(&r, &bare, "IHAVE\r\nCOMPRESS DEFLATE\r\n");
    r.compress = false;
    assert_caps(&r, &bare, "IHAVE\r\n");
}

/* RFC 3977 5.2.2: what is not built is not named. */
static void no_capability_names_what_is_not_built(void **state)
{
    struct buf b = { 0 };

    (void)state;
    command_capabilities(&b, &both, &full);
    assert_null(memmem(buf_data(&b), buf_len(&b), "AUTHINFO", 8));
    assert_null(memmem(buf_data(&b), buf_len(&b), "STARTTLS", 8));
    assert_null(memmem(buf_data(&b), buf_len(&b), "COMPRESS", 8));
    assert_null(memmem(buf_data(&b), buf_len(&b), "MODE-READER", 11));
    buf_fini(&b);
}

static void help_lists_every_command_that_runs_and_no_line_needs_a_second_dot(void **state)
{
    struct buf b = { 0 };

    (void)state;
    command_help(&b);
    EACH_ROW(row) {
        char line[64];

        snprintf(line, sizeof line, "%s%s", row->name, *row->args != '\0' ? " " : " -");
        if (row->run != NULL && memmem(buf_data(&b), buf_len(&b), line, strlen(line)) == NULL)
            fail_msg("HELP is silent about %s", row->name);
    }
    assert_memory_equal(buf_data(&b), "100 ", 4);
    assert_memory_equal(buf_data(&b) + buf_len(&b) - 2, "\r\n", 2);
    assert_null(memmem(buf_data(&b), buf_len(&b), "\r\n.", 3));
    buf_fini(&b);
}

static void lines_are_cut_into_words_at_blanks_and_tabs(void **state)
{
    struct call c;

    (void)state;
    assert_false(command_split(sp(""), &c));
    assert_false(command_split(sp(" \t "), &c));
    assert_true(command_split(sp("  group \t misc.test  "), &c));
    assert_true(span_eq(c.name, SPAN("group")) && c.n == 1 && span_eq(c.arg[0], SPAN("misc.test")));
    assert_true(command_split(sp("a 1 2 3 4 5 6 7 8 9 10"), &c));
    assert_int_equal(c.n, 10);
    assert_true(span_eq(c.arg[CALL_ARGS - 1], SPAN("8")));
    assert_true(span_eq(call_tail(&c, 7), SPAN("8 9 10")));
    assert_int_equal(call_tail(&c, 8).n, 0);
    assert_int_equal(call_tail(&c, 200).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_name_in_capitals_a_help_and_sound_bounds),
        cmocka_unit_test(every_row_is_found_by_its_name_in_any_case_and_names_are_unique),
        cmocka_unit_test(every_row_has_its_own_counter),
        cmocka_unit_test(bad_arguments_are_never_501_to_a_feeder),
        cmocka_unit_test(only_takethis_is_followed_by_a_block_whatever_is_said),
        cmocka_unit_test(gates_ask_who_it_is),
        cmocka_unit_test(gates_tell_what_would_help),
        cmocka_unit_test(gates_of_authinfo),
        cmocka_unit_test(capabilities_tell_the_truth_in_every_state),
        cmocka_unit_test(capabilities_tell_of_logins_in_every_state),
        cmocka_unit_test(capabilities_name_the_layers_that_may_begin),
        cmocka_unit_test(no_capability_names_what_is_not_built),
        cmocka_unit_test(help_lists_every_command_that_runs_and_no_line_needs_a_second_dot),
        cmocka_unit_test(lines_are_cut_into_words_at_blanks_and_tabs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
