/* lib_net.c - addresses as text, ranges, listening sockets of all three families. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/net.h"
#include "tests/kit.h"

static const struct sockaddr *sa(const struct net_addr *a)
{
    return (const struct sockaddr *)&a->sa;
}

static void addresses_with_ports_are_read_or_refused_with_a_reason(void **state)
{
    static const struct { const char *text, *want; unsigned port; bool both; } rows[] = {
        { "192.0.2.1:119", "192.0.2.1", 119, false },
        { "0.0.0.0:0", "0.0.0.0", 0, false },
        { "[2001:db8::1]:119", "2001:db8::1", 119, false },
        { "[::]:65535", "::", 65535, false },
        { "*:119", "0.0.0.0", 119, true },
        { "192.0.2.1", NULL, 0, false }, { "192.0.2.1:", NULL, 0, false }, { "192.0.2.1:65536", NULL, 0, false },
        { "192.0.2.1:x", NULL, 0, false }, { "192.0.2.1:-1", NULL, 0, false }, { ":119", NULL, 0, false },
        { "2001:db8::1:119", NULL, 0, false }, { "2001:db8::1", NULL, 0, false }, { "[2001:db8::1]", NULL, 0, false },
        { "[192.0.2.1]:119", NULL, 0, false }, { "[]:119", NULL, 0, false }, { "news.example:119", NULL, 0, false },
        { "192.0.2.256:119", NULL, 0, false }, { "", NULL, 0, false },
        { "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee]:1", NULL, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = { 0 };
        struct net_addr a;
        char text[NET_TEXT_MAX];
        bool both = !rows[i].both;
        int rc = net_addr_read(rows[i].text, &a, &both, &e);

        if ((rc == 0) != (rows[i].want != NULL))
            fail_msg("\"%s\": %d %s", rows[i].text, rc, e.text);
        if (rc != 0) {
            assert_true(e.text[0] != '\0');
            continue;
        }
        assert_string_equal(net_text(sa(&a), text), rows[i].want);
        assert_int_equal(net_port(sa(&a)), rows[i].port);
        assert_int_equal(both, rows[i].both);
    }
}

static void ranges_hold_what_is_in_them_whatever_the_family(void **state)
{
    static const struct { const char *range, *address; bool in; } rows[] = {
        { "192.0.2.0/24", "192.0.2.0", true }, { "192.0.2.0/24", "192.0.2.255", true },
        { "192.0.2.0/24", "192.0.3.0", false }, { "192.0.2.77/24", "192.0.2.1", true },
        { "192.0.2.128/25", "192.0.2.127", false }, { "192.0.2.128/25", "192.0.2.200", true },
        { "192.0.2.8/29", "192.0.2.15", true }, { "192.0.2.8/29", "192.0.2.16", false },
        { "0.0.0.0/0", "203.0.113.9", true }, { "0.0.0.0/0", "2001:db8::1", false },
        { "192.0.2.1", "192.0.2.1", true }, { "192.0.2.1", "192.0.2.2", false }, { "192.0.2.1/32", "192.0.2.1", true },
        { "2001:db8::/32", "2001:db8:ffff::1", true }, { "2001:db8::/32", "2001:db9::1", false },
        { "2001:db8::/33", "2001:db8:8000::1", false }, { "2001:db8::1", "2001:db8::1", true },
        { "2001:db8::1", "2001:db8::2", false }, { "::/0", "2001:db8::1", true },
        /* a v4 client on a v6 socket is the v4 client */
        { "192.0.2.0/24", "::ffff:192.0.2.9", true }, { "::ffff:192.0.2.0/120", "192.0.2.9", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct net_cidr c;
        struct net_addr a;

        assert_int_equal(net_cidr_read(rows[i].range, &c), 0);
        assert_int_equal(net_literal(rows[i].address, 1, &a), 0);
        if (net_cidr_has(&c, sa(&a)) != rows[i].in)
            fail_msg("row %zu: %s in %s", i, rows[i].address, rows[i].range);
    }
}

static void what_is_no_range_is_refused(void **state)
{
    static const char *const rows[] = { "", "/", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/x", "192.0.2.0/-1", "2001:db8::/129",
                                        "news.example", "*", "192.0.2", "192.0.2.0/24/24", "192.0.2.0 /24" };
    struct net_cidr c;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (net_cidr_read(rows[i], &c) != -1)
            fail_msg("\"%s\"", rows[i]);
}

/* Each bit of a prefix counts: against a plain comparison, bit by bit. */
static void every_prefix_length_is_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct net_addr a = { .len = sizeof(struct sockaddr_in6) };
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)&a.sa;
        struct net_cidr c = { .prefix = (int)(kit_random() % 129) };
        bool want = true;

        six->sin6_family = AF_INET6;
        for (int k = 0; k < 16; k++)
            c.bits[k] = six->sin6_addr.s6_addr[k] = (uint8_t)kit_random();
        for (unsigned flips = kit_random() % 3; flips > 0; flips--) {
            int bit = (int)(kit_random() % 128);

            six->sin6_addr.s6_addr[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        }
        for (int bit = 0; bit < c.prefix; bit++)
            if (((c.bits[bit / 8] ^ six->sin6_addr.s6_addr[bit / 8]) & (0x80 >> bit % 8)) != 0)
                want = false;
        assert_int_equal(net_cidr_has(&c, sa(&a)), want);
    }
}

static void mapped_addresses_are_shown_as_what_they_are(void **state)
{
    struct sockaddr_storage local = { .ss_family = AF_UNIX };
    char text[NET_TEXT_MAX];
    struct net_addr a;

    (void)state;
    assert_int_equal(net_literal("::ffff:192.0.2.9", 119, &a), 0);
    assert_string_equal(net_text(sa(&a), text), "192.0.2.9");
    assert_int_equal(net_port(sa(&a)), 119);
    assert_string_equal(net_text((struct sockaddr *)&local, text), "local");
    assert_int_equal(net_port((struct sockaddr *)&local), 0);
}

static int connect_to(const char *host, uint16_t port)
{
    struct net_addr a;
    int fd;

    assert_int_equal(net_literal(host, port, &a), 0);
    fd = socket(a.sa.ss_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (connect(fd, sa(&a), a.len) == 0)
        return fd;
    close(fd);
    return -1;
}

static void take_one(int listening)
{
    int fd;

    while ((fd = accept(listening, NULL, NULL)) < 0)
        assert_int_equal(errno, EAGAIN);
    close(fd);
}

static int listen_at(const char *text, struct err *e)
{
    struct net_addr a;
    bool both;

    assert_int_equal(net_addr_read(text, &a, &both, e), 0);
    return net_listen(&a, 16, e);
}

/* Listen at 'first' on a port of the system's choice, then at "second:PORT".  That
 * port may be a stranger's in the other family: then once more. */
static bool listen_twice(const char *first, const char *second, int fd[2])
{
    struct err e = { 0 };
    char text[64];

    for (int tries = 0; tries < 20; tries++) {
        if ((fd[0] = listen_at(first, &e)) >= 0) {
            snprintf(text, sizeof text, "%s:%u", second, net_bound(fd[0]));
            if ((fd[1] = listen_at(text, &e)) >= 0)
                return true;
            close(fd[0]);
        }
        if (e.sys == EAFNOSUPPORT || e.sys == EADDRNOTAVAIL)
            return false;                        /* a machine without IPv6 */
    }
    fail_msg("%s and %s: %s", first, second, e.text);
    return false;
}

/* As "*:119" is: one port, a socket of each family, each with its own clients. */
static void both_families_listen_on_one_port_side_by_side(void **state)
{
    static const char *const first[] = { "127.0.0.1:0", "[::]:0" }, *const second[] = { "[::1]", "0.0.0.0" };
    int fd[2], client;

    (void)state;
    for (int i = 0; i < 2; i++) {
        int four, six;

        if (!listen_twice(first[i], second[i], fd))
            skip();
        four = fd[i == 0 ? 0 : 1];
        six = fd[i == 0 ? 1 : 0];
        assert_true(net_bound(four) > 0);
        assert_int_equal(net_bound(six), net_bound(four));
        assert_true((client = connect_to("127.0.0.1", net_bound(four))) >= 0);
        take_one(four);                          /* and not at the other */
        close(client);
        assert_true((client = connect_to("::1", net_bound(six))) >= 0);
        take_one(six);
        close(client);
        close(four);
        close(six);
    }
}

static void a_port_that_is_taken_is_told_with_address_and_reason(void **state)
{
    struct err e = { 0 };
    int fd = listen_at("127.0.0.1:0", &e);
    char text[64];

    (void)state;
    snprintf(text, sizeof text, "127.0.0.1:%u", net_bound(fd));
    assert_int_equal(listen_at(text, &e), -1);
    assert_int_equal(e.sys, EADDRINUSE);
    assert_non_null(strstr(e.text, "127.0.0.1"));
    close(fd);
}

/* SO_REUSEADDR: a restart need not wait for old connections to be forgotten. */
static void a_port_can_be_taken_again_right_after_a_connection(void **state)
{
    struct err e = { 0 };
    int fd = listen_at("127.0.0.1:0", &e), client;
    char text[64];

    (void)state;
    snprintf(text, sizeof text, "127.0.0.1:%u", net_bound(fd));
    client = connect_to("127.0.0.1", net_bound(fd));
    take_one(fd);
    close(client);
    close(fd);
    fd = listen_at(text, &e);
    if (fd < 0)
        fail_msg("%s", e.text);
    close(fd);
}

static void a_unix_socket_replaces_a_dead_one_and_no_living_one(void **state)
{
    const char *path = kit_path("door.sock");
    struct err e = { 0 };
    struct stat st;
    int fd = net_listen_unix(path, 0660, &e), again, client;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_true((client = net_connect_unix(path, &e)) >= 0);
    close(client);
    assert_int_equal(net_listen_unix(path, 0660, &e), -1);
    assert_non_null(strstr(e.text, "somebody listens there"));
    close(fd);                                   /* the name stays, as after kill -9 */
    assert_int_equal(net_connect_unix(path, &e), -1);
    assert_int_equal(e.sys, ECONNREFUSED);
    assert_true((again = net_listen_unix(path, 0660, &e)) >= 0);
    close(again);
}

static void a_file_that_is_no_socket_is_not_replaced(void **state)
{
    const char *path = kit_path("file");
    struct err e = { 0 };
    struct stat st;
    FILE *f = fopen(path, "w");

    (void)state;
    fclose(f);
    assert_int_equal(net_listen_unix(path, 0660, &e), -1);
    assert_non_null(strstr(e.text, path));
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static void a_name_too_long_for_a_unix_socket_is_told(void **state)
{
    struct err e = { 0 };
    char path[300];

    (void)state;
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[299] = '\0';
    assert_int_equal(net_listen_unix(path, 0660, &e), -1);
    assert_non_null(strstr(e.text, "too long"));
    assert_int_equal(net_connect_unix(path, &e), -1);
    assert_non_null(strstr(e.text, "too long"));
}

static void hosts_are_the_same_whatever_port_and_form(void **state)
{
    static const struct { const char *a, *b; bool same; } rows[] = {
        { "192.0.2.1", "192.0.2.1", true }, { "192.0.2.1", "::ffff:192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false }, { "2001:db8::1", "2001:db8:0::1", true },
        { "2001:db8::1", "2001:db8::2", false }, { "::1", "127.0.0.1", false },
    };
    struct net_addr a, b;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(net_literal(rows[i].a, 1, &a), 0);
        assert_int_equal(net_literal(rows[i].b, 2, &b), 0);
        if (net_same_host((struct sockaddr *)&a.sa, (struct sockaddr *)&b.sa) != rows[i].same)
            fail_msg("row %zu: %s, %s", i, rows[i].a, rows[i].b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_the_same_whatever_port_and_form),
        cmocka_unit_test(addresses_with_ports_are_read_or_refused_with_a_reason),
        cmocka_unit_test(ranges_hold_what_is_in_them_whatever_the_family),
        cmocka_unit_test(what_is_no_range_is_refused),
        cmocka_unit_test(every_prefix_length_is_exact),
        cmocka_unit_test(mapped_addresses_are_shown_as_what_they_are),
        cmocka_unit_test(both_families_listen_on_one_port_side_by_side),
        cmocka_unit_test(a_port_that_is_taken_is_told_with_address_and_reason),
        cmocka_unit_test(a_port_can_be_taken_again_right_after_a_connection),
        cmocka_unit_test(a_unix_socket_replaces_a_dead_one_and_no_living_one),
        cmocka_unit_test(a_file_that_is_no_socket_is_not_replaced),
        cmocka_unit_test(a_name_too_long_for_a_unix_socket_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
