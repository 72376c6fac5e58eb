/* The peers' names, asked again and again: a scripted name service in place of getaddrinfo's. */
#include "tests/kit.h"

#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static int scripted(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **list);
static void scripted_free(struct addrinfo *list);

/* a round is due at once, again and again */
#define ROUND_US 1000
#define AGAIN_US 1000
#define getaddrinfo  scripted
#define freeaddrinfo scripted_free
#include "nntpd/resolve.c"
#undef getaddrinfo
#undef freeaddrinfo

static const char text[] =
    "site \"news.example\" { directory = \"/nowhere\" }\n"
    "listen \"127.0.0.1:1119\" { }\n"
    "peer \"one\" { address = { \"one.example\", \"2001:db8:7::/48\" } }\n"
    "peer \"two\" { address = { \"two.example\", \"one.example\" } }\n"
    "peer \"only-sent-to\" { address = { \"never-asked.example\" } accept = false send = true }\n";

/* --- the name service -------------------------------------------------- */

static struct lock script_lock;
static const char *answers;              /* "name=address,address;name=..."; a name that is not there fails */
static atomic_int asked_for_never;
static atomic_uint rounds;               /* how often one.example was asked for */

static struct addrinfo *answer(const char *address)
{
    struct net_addr *a = xcalloc(1, sizeof *a);
    struct addrinfo *i = xcalloc(1, sizeof *i);

    assert_int_equal(net_literal(address, 0, a), 0);
    i->ai_addr = (struct sockaddr *)&a->sa;
    i->ai_addrlen = a->len;
    return i;
}

static struct addrinfo *answer_list(struct span addresses)
{
    struct addrinfo *list = NULL, **tail = &list;
    struct span one;

    while (addresses.n > 0 && span_next(&addresses, ',', &one)) {
        char *copy = xstrndup(one.p, one.n);

        *tail = answer(copy);
        tail = &(*tail)->ai_next;
        free(copy);
    }
    return list;
}

static int scripted(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    struct span rest, row, left;

    (void)service, (void)hints;
    asked_for_never += strcmp(name, "never-asked.example") == 0;
    *list = NULL;
    lock_get(&script_lock);
    rest = span_of(answers);
    while (rest.n > 0 && span_next(&rest, ';', &row))
        if (span_next(&row, '=', &left) && span_eq(left, span_of(name)))
            *list = answer_list(row);
    lock_put(&script_lock);
    rounds += strcmp(name, "one.example") == 0;
    return *list != NULL ? 0 : EAI_AGAIN;
}

static void scripted_free(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;

        free(list->ai_addr);
        free(list);
        list = next;
    }
}

static void script(const char *now)
{
    lock_get(&script_lock);
    answers = now;
    lock_put(&script_lock);
}

/* --- who asks ---------------------------------------------------------- */

static struct conf *conf;
static struct resolve *r;
static atomic_uint changes;

static void on_changed(struct names *n, void *arg)
{
    (void)arg;
    changes++;
    names_unref(&n);
}

static int begin(void **state)
{
    struct buf errors = { 0 };

    (void)state;
    lock_init(&script_lock, "script");
    if ((conf = conf_read_text("test.conf", text, &errors)) == NULL)
        fail_msg("%.*s", SPAN_F(buf_span(&errors)));
    buf_fini(&errors);
    changes = 0;
    r = resolve_new(on_changed, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    resolve_free(&r);
    conf_free(&conf);
    lock_fini(&script_lock);
    return 0;
}

/* Two whole rounds with the script as it is now. */
static void let_it_ask(void)
{
    unsigned from = rounds;

    while (rounds - from < 3)
        sched_yield();
}

/* Which peer comes from there?  NULL: none. */
static const char *peer_at(const char *address)
{
    struct names *n = resolve_names(r);
    struct who *w = who_new(conf, n);
    struct identity id = { 0 };
    struct rights rights;
    const char *name;

    assert_int_equal(net_literal(address, 119, &id.from), 0);
    rights_of(&rights, w, &id);
    name = rights.n_peer > 0 ? rights.peer[0]->name : NULL;
    rights_fini(&rights);
    who_unref(&w);
    names_unref(&n);
    return name;
}

static void peer_is_known_by_all_addresses_of_its_name_in_both_families(void **state)
{
    (void)state;
    script("one.example=192.0.2.1,2001:db8::1;two.example=192.0.2.2");
    resolve_conf(r, conf);
    resolve_wait(r, INT64_C(60000000));
    assert_string_equal(peer_at("192.0.2.1"), "one");
    assert_string_equal(peer_at("2001:db8::1"), "one");
    assert_string_equal(peer_at("::ffff:192.0.2.1"), "one");
    assert_string_equal(peer_at("2001:db8:7::9"), "one");
    assert_string_equal(peer_at("192.0.2.2"), "two");
    assert_null(peer_at("192.0.2.3"));
    assert_int_equal(asked_for_never, 0);
}

static void name_that_has_moved_is_known_by_its_new_address_alone(void **state)
{
    (void)state;
    script("one.example=192.0.2.1;two.example=192.0.2.2");
    resolve_conf(r, conf);
    resolve_wait(r, INT64_C(60000000));
    script("one.example=192.0.2.1;two.example=2001:db8::2");
    let_it_ask();
    assert_null(peer_at("192.0.2.2"));
    assert_string_equal(peer_at("2001:db8::2"), "two");
    assert_string_equal(peer_at("192.0.2.1"), "one");
}

static void name_that_does_not_resolve_keeps_its_addresses(void **state)
{
    (void)state;
    script("one.example=192.0.2.1;two.example=192.0.2.2");
    resolve_conf(r, conf);
    resolve_wait(r, INT64_C(60000000));
    script("one.example=192.0.2.7");
    let_it_ask();
    assert_string_equal(peer_at("192.0.2.2"), "two");
    assert_string_equal(peer_at("192.0.2.7"), "one");
    assert_null(peer_at("192.0.2.1"));
}

static void name_that_fails_at_first_is_known_when_it_resolves(void **state)
{
    (void)state;
    script("one.example=192.0.2.1");
    resolve_conf(r, conf);
    resolve_wait(r, INT64_C(60000000));
    assert_null(peer_at("192.0.2.2"));
    script("one.example=192.0.2.1;two.example=192.0.2.2");
    let_it_ask();
    assert_string_equal(peer_at("192.0.2.2"), "two");
}

static void answers_in_another_order_are_no_news(void **state)
{
    unsigned before;

    (void)state;
    script("one.example=192.0.2.1,192.0.2.3,2001:db8::1;two.example=192.0.2.2");
    resolve_conf(r, conf);
    resolve_wait(r, INT64_C(60000000));
    before = changes;
    assert_int_equal(before, 1);
    script("one.example=2001:db8::1,192.0.2.1,192.0.2.1,192.0.2.3;two.example=192.0.2.2");
    let_it_ask();
    assert_int_equal(changes, before);
}

static void names_of_peers_that_went_are_forgotten(void **state)
{
    struct buf errors = { 0 };
    struct conf *less;
    struct names *n;

    (void)state;
    script("one.example=192.0.2.1;two.example=192.0.2.2");
    resolve_conf(r, conf);
    resolve_wait(r, INT64_C(60000000));
    less = conf_read_text("test.conf", "site \"news.example\" { directory = \"/nowhere\" }\n"
                          "listen \"127.0.0.1:1119\" { }\npeer \"one\" { address = { \"one.example\" } }\n", &errors);
    assert_non_null(less);
    resolve_conf(r, less);
    resolve_wait(r, INT64_C(60000000));
    n = resolve_names(r);
    assert_non_null(names_get(n, SPAN("one.example")));
    assert_null(names_get(n, SPAN("two.example")));
    names_unref(&n);
    resolve_free(&r);
    conf_free(&less);
    buf_fini(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(peer_is_known_by_all_addresses_of_its_name_in_both_families, begin, end),
        cmocka_unit_test_setup_teardown(name_that_has_moved_is_known_by_its_new_address_alone, begin, end),
        cmocka_unit_test_setup_teardown(name_that_does_not_resolve_keeps_its_addresses, begin, end),
        cmocka_unit_test_setup_teardown(name_that_fails_at_first_is_known_when_it_resolves, begin, end),
        cmocka_unit_test_setup_teardown(answers_in_another_order_are_no_news, begin, end),
        cmocka_unit_test_setup_teardown(names_of_peers_that_went_are_forgotten, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
