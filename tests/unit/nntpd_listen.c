/* The listening sockets: both families, and out of descriptors. */
#include "tests/kit.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/log.h"
#include "nntpd/listen.h"

static struct event_base *base;
static int came, came_tls;

static void take(int fd, const struct net_addr *from, bool tls, void *arg)
{
    (void)from, (void)arg;
    came++;
    came_tls += tls;
    close(fd);
}

static struct conf conf_of(struct conf_listen *l, size_t n)
{
    return (struct conf){ .listen = l, .n_listen = n };
}

/* A port that was free just now. */
static uint16_t free_port(void)
{
    struct net_addr a;
    struct err e;
    uint16_t port;
    int fd;

    assert_int_equal(net_literal("127.0.0.1", 0, &a), 0);
    fd = net_listen(&a, 1, &e);
    assert_true(fd >= 0);
    port = net_bound(fd);
    close(fd);
    return port;
}

static int knock(const char *address, uint16_t port)
{
    struct net_addr a;
    int fd;

    assert_int_equal(net_literal(address, port, &a), 0);
    fd = socket(a.sa.ss_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&a.sa, a.len) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int setup(void **state)
{
    struct err e;

    (void)state;
    base = event_base_new();
    came = came_tls = 0;
    return log_open("test", LOG_ERROR, "/dev/null", &e);
}

static int teardown(void **state)
{
    (void)state;
    event_base_free(base);
    return 0;
}

static void star_listens_in_both_families_on_one_port(void **state)
{
    char text[32];
    struct conf_listen l = { .address = text };
    struct conf c = conf_of(&l, 1);
    struct door *d;
    struct err e;
    uint16_t port = free_port();
    int four, six;

    (void)state;
    snprintf(text, sizeof text, "*:%u", port);
    d = door_open(base, &c, take, NULL, &e);
    if (d == NULL)
        fail_msg("%s", e.text);
    four = knock("127.0.0.1", port);
    six = knock("::1", port);
    assert_true(four >= 0);
    while (came < 1 + (six >= 0))
        event_base_loop(base, EVLOOP_ONCE);
    close(four);
    if (six >= 0)
        close(six);
    else
        print_message("# no IPv6 here: only half of it was tried\n");
    door_close(&d);
}

static void address_in_use_is_told_with_its_name(void **state)
{
    char text[32];
    struct conf_listen l = { .address = text };
    struct conf c = conf_of(&l, 1);
    struct door *first, *second;
    struct err e;

    (void)state;
    snprintf(text, sizeof text, "127.0.0.1:%u", free_port());
    first = door_open(base, &c, take, NULL, &e);
    assert_non_null(first);
    second = door_open(base, &c, take, NULL, &e);
    assert_null(second);
    assert_non_null(strstr(e.text, text));
    door_close(&first);
}

static void it_says_which_clients_speak_tls(void **state)
{
    char text[2][32];
    struct conf_listen l[2] = { { .address = text[0] }, { .address = text[1], .tls = true } };
    struct conf c = conf_of(l, 2);
    uint16_t port[2];
    struct door *d;
    struct err e;

    (void)state;
    for (int i = 0; i < 2; i++) {
        port[i] = free_port();
        snprintf(text[i], sizeof text[i], "127.0.0.1:%u", port[i]);
    }
    d = door_open(base, &c, take, NULL, &e);
    assert_non_null(d);
    for (int i = 0; i < 2; i++) {
        int fd = knock("127.0.0.1", port[i]);

        while (came < i + 1)
            event_base_loop(base, EVLOOP_ONCE);
        assert_int_equal(came_tls, i);
        close(fd);
    }
    door_close(&d);
}

/* It takes its ears off the sockets (no busy loop) and comes back by itself. */
static void out_of_descriptors_it_rests_and_comes_back(void **state)
{
    char text[32];
    struct conf_listen l = { .address = text };
    struct conf c = conf_of(&l, 1);
    struct rlimit was, none;
    struct door *d;
    struct err e;
    uint16_t port = free_port();
    int fd, before;

    (void)state;
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    d = door_open(base, &c, take, NULL, &e);
    assert_non_null(d);
    fd = knock("127.0.0.1", port);
    assert_true(fd >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = was;
    none.rlim_cur = (rlim_t)fd + 1;             /* the lowest free descriptor is above it */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    before = event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
    event_base_loop(base, EVLOOP_ONCE);         /* EMFILE: one ear less, one timer more */
    assert_int_equal(came, 0);
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), before);
    event_base_loop(base, EVLOOP_NONBLOCK);     /* nothing is ready, though somebody knocks */
    assert_int_equal(came, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    while (came == 0)
        event_base_loop(base, EVLOOP_ONCE);
    close(fd);
    door_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(star_listens_in_both_families_on_one_port, setup, teardown),
        cmocka_unit_test_setup_teardown(address_in_use_is_told_with_its_name, setup, teardown),
        cmocka_unit_test_setup_teardown(it_says_which_clients_speak_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(out_of_descriptors_it_rests_and_comes_back, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
