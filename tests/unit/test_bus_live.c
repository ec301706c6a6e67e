// SPDX-License-Identifier: Apache-2.0
// The bus against a real broker, named by HANEUL_TEST_BUS ("host:port:user:password");
// tests/service/test_bus.py starts it. Without it there is nothing to run.
#include "common/bus/link.h"
#include "tests/unit/bus_live.h"

static int
queue_length(const char *name)
{
    struct link link = {0};
    struct bus_config config = broker();
    struct err err;
    ck_assert_int_eq(link_open(&link, &config, "test", &err), RC_OK);
    amqp_queue_declare_ok_t *ok =
        amqp_queue_declare(link.conn, BUS_CHANNEL, amqp_cstring_bytes(name), true, false, false,
                           false, amqp_empty_table);
    int n = ok ? (int)ok->message_count : -1;
    link_close(&link, true);
    return n;
}

START_TEST(a_message_arrives_with_its_envelope_and_sender)
{
    struct bus *bus = bus_connected();
    static struct seen seen;
    subscribe(bus, QUEUE_SERVICE, "live.one", "live.one.#", seen_handle, &seen);
    publish_until_seen(bus, &seen, "live.one.x");
    publish(bus, "live.one.a", "thing.made", 0);
    ck_assert(seen_wait(&seen, 1, 1, 5000));
    g_autofree char *wanted =
        g_strdup_printf("live.one.a|thing.made|%s|req-7|{\"n\":1}", broker().user);
    ck_assert_str_eq(seen.last, wanted);
    bus_free(bus);
}
END_TEST

START_TEST(a_retryable_failure_is_tried_again_until_it_works)
{
    struct bus *bus = bus_connected();
    static struct seen seen;
    subscribe(bus, QUEUE_SERVICE, "live.retry", "live.retry", seen_handle, &seen);
    publish_until_seen(bus, &seen, "live.retry");
    seen.rc = RC_UNAVAILABLE;
    seen.n_to_fail = 2;
    int64_t start = monotonic_ms();
    publish(bus, "live.retry", "t", 0);
    ck_assert(seen_wait(&seen, 1, 3, 10000));
    ck_assert_int_ge(monotonic_ms() - start, 500); // it backed off
    ck_assert_int_eq(seen_ids(&seen), 1);
    bus_free(bus);
}
END_TEST

START_TEST(a_message_in_retry_survives_its_consumer)
{
    struct bus *bus = bus_connected();
    static struct seen seen;
    subscribe(bus, QUEUE_SERVICE, "live.survive", "live.survive", seen_handle, &seen);
    publish_until_seen(bus, &seen, "live.survive");
    seen.rc = RC_UNAVAILABLE;
    seen.n_to_fail = 1000;
    publish(bus, "live.survive", "t", 0);
    ck_assert(seen_wait(&seen, 1, 1, 5000));
    bus_free(bus);
    bus = bus_connected();
    static struct seen second;
    subscribe(bus, QUEUE_SERVICE, "live.survive", "live.survive", seen_handle, &second);
    ck_assert(seen_wait(&second, 1, 1, 10000));
    bus_free(bus);
}
END_TEST

START_TEST(a_refused_message_goes_to_the_dead_letters)
{
    struct bus *bus = bus_connected();
    static struct seen seen;
    subscribe(bus, QUEUE_SERVICE, "live.dead", "live.dead", seen_handle, &seen);
    publish_until_seen(bus, &seen, "live.dead");
    int before = queue_length(BUS_DEAD);
    ck_assert_int_ge(before, 0);
    seen.rc = RC_INVALID;
    seen.n_to_fail = 1;
    publish(bus, "live.dead", "t", 0);
    ck_assert(seen_wait(&seen, 1, 1, 5000));
    int64_t until = monotonic_ms() + 5000;
    while (queue_length(BUS_DEAD) != before + 1 && monotonic_ms() < until) {
        g_usleep(20000);
    }
    ck_assert_int_eq(queue_length(BUS_DEAD), before + 1);
    bus_free(bus);
}
END_TEST

START_TEST(a_late_message_is_dropped)
{
    struct bus *bus = bus_connected();
    static struct seen seen;
    subscribe(bus, QUEUE_SERVICE, "live.late", "live.late", seen_handle, &seen);
    publish_until_seen(bus, &seen, "live.late");
    publish(bus, "live.late", "late", now_us() - 1);
    publish(bus, "live.late", "timely", now_us() + 60000000);
    ck_assert(seen_wait(&seen, 1, 1, 5000));
    ck_assert_int_eq(seen_ids(&seen), 1);
    ck_assert_ptr_nonnull(strstr(seen.last, "|timely|"));
    bus_free(bus);
}
END_TEST

START_TEST(every_process_gets_a_hint_and_the_host_its_own)
{
    struct bus *one = bus_connected();
    struct bus *two = bus_connected();
    static struct seen seen[3];
    subscribe(one, QUEUE_HINT, NULL, "live.hint", seen_handle, &seen[0]);
    subscribe(two, QUEUE_HINT, NULL, "live.hint", seen_handle, &seen[1]);
    subscribe(two, QUEUE_HOST, "host.live", "host.live", seen_handle, &seen[2]);
    publish_until_seen(one, &seen[0], "live.hint");
    publish_until_seen(one, &seen[1], "live.hint");
    publish_until_seen(one, &seen[2], "host.live");
    publish(one, "live.hint", "t", 0);
    ck_assert(seen_wait(&seen[0], 1, 1, 5000));
    ck_assert(seen_wait(&seen[1], 1, 1, 5000));
    ck_assert_int_eq(seen_ids(&seen[2]), 0);
    bus_free(one);
    bus_free(two);
}
END_TEST

START_TEST(a_batch_larger_than_the_window_is_confirmed_in_order)
{
    enum { N = 1500 };
    struct bus *bus = bus_connected();
    static struct seen seen;
    subscribe(bus, QUEUE_SERVICE, "live.batch", "live.batch", seen_handle, &seen);
    publish_until_seen(bus, &seen, "live.batch");
    g_autofree char *pad = g_strnfill(2000, 'x');
    json_auto_t *body = json_string(pad);
    struct message messages[N];
    for (int i = 0; i < N; i++) {
        messages[i] = (struct message){.type = "t", .routing_key = "live.batch", .body = body};
    }
    size_t n_confirmed;
    struct err err;
    ck_assert_int_eq(bus_publish_batch(bus, messages, N, &n_confirmed, &err), RC_OK);
    ck_assert_int_eq(n_confirmed, N);
    ck_assert(seen_wait(&seen, N, N, 20000));
    bus_free(bus);
}
END_TEST

static enum rc
answer(const struct message *message, void *context, struct err *err)
{
    struct bus *bus = context;
    if (!strcmp(message->type, "silence")) {
        return RC_OK;
    }
    if (!strcmp(message->type, "fail")) {
        struct err failure;
        rc_ignore(fault(&failure, RC_CONFLICT, "busy"));
        return bus_reply(bus, message, NULL, &failure, err);
    }
    return bus_reply(bus, message, message->body, NULL, err);
}

START_TEST(a_call_ends_with_an_answer_a_failure_or_its_deadline)
{
    struct bus *bus = bus_connected();
    subscribe(bus, QUEUE_HOST, "host.call", "host.call", answer, bus);
    json_auto_t *body = json_pack("{s:i}", "length", 10);
    struct message message = {.type = "echo", .routing_key = "host.call", .body = body};
    json_t *reply = NULL;
    struct err err = {0};
    enum rc rc = RC_DEADLINE;
    for (int i = 0; i < 20 && rc == RC_DEADLINE; i++) {
        rc = bus_call(bus, &message, 1000, &reply, &err);
    }
    ck_assert_msg(rc == RC_OK, "%s", err.message);
    ck_assert(json_equal(reply, body));
    json_decref(reply);
    message.type = "fail";
    ck_assert_int_eq(bus_call(bus, &message, 3000, &reply, &err), RC_CONFLICT);
    ck_assert_str_eq(err.message, "busy");
    message.type = "silence";
    int64_t start = monotonic_ms();
    ck_assert_int_eq(bus_call(bus, &message, 300, &reply, &err), RC_DEADLINE);
    ck_assert_int_lt(monotonic_ms() - start, 2000);
    bus_free(bus);
}
END_TEST

START_TEST(without_a_broker_publishing_fails_soon)
{
    struct bus_config config = {"127.0.0.1", 1, "/", "guest", "guest"};
    struct bus *bus = bus_new(&config);
    struct message message = {.type = "t", .routing_key = "k"};
    struct err err;
    int64_t start = monotonic_ms();
    ck_assert_int_eq(bus_publish(bus, &message, &err), RC_UNAVAILABLE);
    ck_assert(!bus_is_connected(bus));
    bus_free(bus);
    ck_assert_int_lt(monotonic_ms() - start, 3000);
}
END_TEST

// HANEUL_TEST_HOST_BUS is the broker's user host-h1 with a host's narrow permissions.
START_TEST(a_host_sends_reports_answers_calls_and_hears_only_its_own_orders)
{
    struct bus *service = bus_connected();
    struct bus *host = bus_connected_as(broker_of("HANEUL_TEST_HOST_BUS"));
    static struct seen orders, reports, others;
    subscribe(host, QUEUE_HOST, "host.h1", "host.h1", seen_handle, &orders);
    subscribe(host, QUEUE_HOST, "host.h1", "host.h2", seen_handle, &others);
    subscribe(service, QUEUE_SERVICE, "live.reports", "compute.host", seen_handle, &reports);
    publish_until_seen(service, &orders, "host.h1");
    publish_until_seen(host, &reports, "compute.host");
    publish(host, "compute.host", "host.report", 0);
    ck_assert(seen_wait(&reports, 1, 1, 5000));
    ck_assert_ptr_nonnull(strstr(reports.last, "|host-h1|"));
    publish(service, "host.h2", "server.order", 0);
    publish(service, "host.h1", "server.order", 0);
    ck_assert(seen_wait(&orders, 1, 1, 5000));
    ck_assert_int_eq(seen_ids(&others), 0);
    struct message forged = {.type = "usage.fact", .routing_key = "usage.compute"};
    struct err err;
    ck_assert_int_eq(bus_publish(host, &forged, &err), RC_UNAVAILABLE);
    bus_free(host);
    bus_free(service);
}
END_TEST

START_TEST(a_host_answers_a_call_with_its_narrow_permissions)
{
    struct bus *service = bus_connected();
    struct bus *host = bus_connected_as(broker_of("HANEUL_TEST_HOST_BUS"));
    subscribe(host, QUEUE_HOST, "host.h1", "host.h1", answer, host);
    struct message message = {.type = "echo", .routing_key = "host.h1"};
    json_t *reply = NULL;
    struct err err = {0};
    enum rc rc = RC_DEADLINE;
    for (int i = 0; i < 20 && rc == RC_DEADLINE; i++) {
        rc = bus_call(service, &message, 1000, &reply, &err);
    }
    ck_assert_msg(rc == RC_OK, "%s", err.message);
    json_decref(reply);
    bus_free(host);
    bus_free(service);
}
END_TEST

// Publishes for HANEUL_TEST_FLOOD_S seconds while the broker is killed and restarted outside: all
// must arrive.
START_TEST(no_confirmed_message_is_lost_when_the_broker_dies)
{
    struct bus *bus = bus_connected();
    static struct seen seen;
    subscribe(bus, QUEUE_SERVICE, "live.flood", "live.flood", seen_handle, &seen);
    publish_until_seen(bus, &seen, "live.flood");
    unsigned n_confirmed = 0, n_failed = 0;
    int64_t until = monotonic_ms() + 1000LL * atoi(getenv("HANEUL_TEST_FLOOD_S"));
    while (monotonic_ms() < until) {
        struct message message = {.type = "t", .routing_key = "live.flood"};
        if (bus_publish(bus, &message, NULL)) {
            n_failed++;
            g_usleep(10000);
        } else {
            n_confirmed++;
        }
    }
    bool all = seen_wait(&seen, n_confirmed, 1, 30000);
    printf("confirmed %u, failed %u, seen %u\n", n_confirmed, n_failed, seen_ids(&seen));
    fflush(stdout);
    ck_assert(all);
    ck_assert_int_gt(n_failed, 0);
    bus_free(bus);
}
END_TEST

int
main(void)
{
    if (!getenv("HANEUL_TEST_BUS")) {
        return EXIT_SUCCESS; // run by tests/service/test_bus.py
    }
    Suite *suite = suite_create("bus_live");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 180);
    if (getenv("HANEUL_TEST_FLOOD_S")) {
        tcase_add_test(tcase, no_confirmed_message_is_lost_when_the_broker_dies);
    } else {
        tcase_add_test(tcase, a_message_arrives_with_its_envelope_and_sender);
        tcase_add_test(tcase, a_retryable_failure_is_tried_again_until_it_works);
        tcase_add_test(tcase, a_message_in_retry_survives_its_consumer);
        tcase_add_test(tcase, a_refused_message_goes_to_the_dead_letters);
        tcase_add_test(tcase, a_late_message_is_dropped);
        tcase_add_test(tcase, every_process_gets_a_hint_and_the_host_its_own);
        tcase_add_test(tcase, a_batch_larger_than_the_window_is_confirmed_in_order);
        tcase_add_test(tcase, a_call_ends_with_an_answer_a_failure_or_its_deadline);
        tcase_add_test(tcase, a_host_sends_reports_answers_calls_and_hears_only_its_own_orders);
        tcase_add_test(tcase, a_host_answers_a_call_with_its_narrow_permissions);
        tcase_add_test(tcase, without_a_broker_publishing_fails_soon);
    }
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
