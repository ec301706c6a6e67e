// SPDX-License-Identifier: Apache-2.0
// The bus, the outbox and usage against a real broker and database, named by HANEUL_TEST_BUS
// ("host:port:user:password") and HANEUL_TEST_DSN; tests/service/test_bus.py starts them. Without
// them there is nothing to run.
#include "common/base/util.h"
#include "common/bus/bus.h"
#include "common/bus/link.h"
#include "common/db/migrate.h"
#include "common/db/outbox.h"
#include "common/db/usage.h"
#include "common/db/usage_feed.h"
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bus_config
broker_of(const char *variable)
{
    static GPtrArray *kept; // the texts live as long as the process
    kept = kept ? kept : g_ptr_array_new();
    char **parts = g_strsplit(getenv(variable), ":", 4);
    g_ptr_array_add(kept, parts);
    ck_assert_int_eq(g_strv_length(parts), 4);
    return (struct bus_config){parts[0], atoi(parts[1]), "/", parts[2], parts[3]};
}

static struct bus_config
broker(void)
{
    return broker_of("HANEUL_TEST_BUS");
}

static struct bus *
bus_connected_as(struct bus_config config)
{
    struct bus *bus = bus_new(&config);
    for (int i = 0; i < 1000 && !bus_is_connected(bus); i++) {
        g_usleep(10000);
    }
    ck_assert(bus_is_connected(bus));
    return bus;
}

static struct bus *
bus_connected(void)
{
    return bus_connected_as(broker());
}

// What a handler saw; the mutex guards all.
struct seen {
    GMutex mutex;
    unsigned n_calls;
    unsigned n_to_fail; // that many calls are answered with `rc`
    enum rc rc;
    GHashTable *ids;
    char last[512]; // "type|user|request|body"
    struct bus *bus;
};

static enum rc
seen_handle(const struct message *message, void *context, struct err *err)
{
    struct seen *seen = context;
    g_mutex_lock(&seen->mutex);
    seen->n_calls++;
    if (!seen->ids) {
        seen->ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    g_hash_table_add(seen->ids, g_strdup(message->id));
    g_autofree char *body = json_dumps(message->body, JSON_COMPACT | JSON_ENCODE_ANY);
    g_snprintf(seen->last, sizeof(seen->last), "%s|%s|%s|%s|%s", message->routing_key,
               message->type, message->user_id, message->request_id ? message->request_id : "",
               body ? body : "");
    bool failing = seen->n_to_fail > 0;
    seen->n_to_fail -= failing;
    enum rc rc = failing ? seen->rc : RC_OK;
    g_mutex_unlock(&seen->mutex);
    return rc ? fault(err, rc, "as told") : RC_OK;
}

static unsigned
seen_ids(struct seen *seen)
{
    g_mutex_lock(&seen->mutex);
    unsigned n = seen->ids ? g_hash_table_size(seen->ids) : 0;
    g_mutex_unlock(&seen->mutex);
    return n;
}

static bool
seen_wait(struct seen *seen, unsigned n_ids, unsigned n_calls, int timeout_ms)
{
    for (int64_t until = monotonic_ms() + timeout_ms; monotonic_ms() < until; g_usleep(5000)) {
        g_mutex_lock(&seen->mutex);
        bool enough = seen->n_calls >= n_calls;
        g_mutex_unlock(&seen->mutex);
        if (enough && seen_ids(seen) >= n_ids) {
            return true;
        }
    }
    return false;
}

static void
subscribe(struct bus *bus, enum queue_kind kind, const char *queue, const char *pattern,
          bus_handler_fn handle, void *context)
{
    const char *bindings[] = {pattern, NULL};
    struct subscription subscription = {
        .kind = kind, .queue = queue, .bindings = bindings, .handle = handle, .context = context};
    struct err err;
    ck_assert_int_eq(bus_subscribe(bus, &subscription, &err), RC_OK);
}

static void
publish(struct bus *bus, const char *key, const char *type, int64_t deadline_us)
{
    json_auto_t *body = json_pack("{s:i}", "n", 1);
    struct message message = {.type = type,
                              .routing_key = key,
                              .request_id = "req-7",
                              .deadline_us = deadline_us,
                              .body = body};
    struct err err;
    ck_assert_msg(bus_publish(bus, &message, &err) == RC_OK, "%s", err.message);
}

// Publishes until the consumer's queue exists: the first messages may find none.
static void
publish_until_seen(struct bus *bus, struct seen *seen, const char *key)
{
    for (int i = 0; i < 200 && !seen_wait(seen, 1, 1, 50); i++) {
        publish(bus, key, "warm.up", 0);
    }
    ck_assert(seen_wait(seen, 1, 1, 1000));
    g_usleep(200000);
    g_mutex_lock(&seen->mutex);
    g_clear_pointer(&seen->ids, g_hash_table_unref);
    seen->n_calls = 0;
    g_mutex_unlock(&seen->mutex);
}

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

// ---- outbox and usage

static struct db_pool *
pool_fresh(void)
{
    static const char *const files[] = {"9010_outbox.sql", "9020_usage.sql"};
    struct db_pool *pool = db_pool_new(getenv("HANEUL_TEST_DSN"), "live");
    struct db *db;
    struct err err;
    ck_assert_msg(db_get(pool, &db, &err) == RC_OK, "%s", err.message);
    ck_assert_int_eq(db_script(db, "DROP SCHEMA IF EXISTS live CASCADE; CREATE SCHEMA live", &err),
                     RC_OK);
    for (size_t i = 0; i < N_ELEMENTS(files); i++) {
        g_autofree char *path = g_strdup_printf("common/db/schema/%s", files[i]);
        g_autofree char *sql = NULL;
        ck_assert(g_file_get_contents(path, &sql, NULL, NULL));
        ck_assert_msg(db_script(db, sql, &err) == RC_OK, "%s", err.message);
    }
    return pool;
}

static int64_t
number(struct db_pool *pool, const char *sql)
{
    struct db *db;
    struct err err;
    g_autoptr(db_result) row = NULL;
    ck_assert_int_eq(db_get(pool, &db, &err), RC_OK);
    ck_assert_msg(db_run_one(db, sql, DB_NONE, &row, &err) == RC_OK, "%s: %s", sql, err.message);
    return db_int(row, 0, "n");
}

static bool
number_becomes(struct db_pool *pool, const char *sql, int64_t wanted, int timeout_ms)
{
    for (int64_t until = monotonic_ms() + timeout_ms; monotonic_ms() < until; g_usleep(10000)) {
        if (number(pool, sql) == wanted) {
            return true;
        }
    }
    return false;
}

static void
tx(struct db_pool *pool, db_tx_fn fn, void *argument)
{
    struct db *db;
    struct err err;
    ck_assert_int_eq(db_get(pool, &db, &err), RC_OK);
    ck_assert_msg(db_tx(db, fn, argument, &err) == RC_OK, "%s", err.message);
}

static enum rc
add_hundred(struct db *db, void *argument, struct err *err)
{
    enum rc rc = RC_OK;
    for (int i = 0; i < 100 && !rc; i++) {
        json_auto_t *body = json_pack("{s:i}", "i", i);
        rc = outbox_add(db, "live.out.x", "t", body, err);
    }
    return rc;
}

START_TEST(messages_of_a_transaction_are_published_once_by_one_leader)
{
    struct db_pool *pool = pool_fresh();
    struct bus *bus = bus_connected();
    static struct seen seen;
    subscribe(bus, QUEUE_SERVICE, "live.out", "live.out.#", seen_handle, &seen);
    publish_until_seen(bus, &seen, "live.out.warm");
    struct outbox_relay *one = outbox_relay_start(pool, bus, "live");
    struct outbox_relay *two = outbox_relay_start(pool, bus, "live");
    tx(pool, add_hundred, NULL);
    ck_assert(seen_wait(&seen, 100, 100, 10000));
    ck_assert(number_becomes(pool, "SELECT count(*) AS n FROM outbox", 0, 5000));
    ck_assert_int_eq(seen.n_calls, 100);
    outbox_relay_stop(one); // the other one takes over
    tx(pool, add_hundred, NULL);
    ck_assert(seen_wait(&seen, 200, 200, 10000));
    outbox_relay_stop(two);
    bus_free(bus);
    db_pool_free(pool);
}
END_TEST

static enum rc
open_two(struct db *db, void *argument, struct err *err)
{
    int64_t *quantity = argument;
    struct usage usages[] = {
        {"p1", "server", "s1", "web", "server.vcpu", quantity[0]},
        {"p1", "server", "s1", "web", "server.ram_mib", quantity[1]},
    };
    return usage_open(db, usages, 2, err);
}

static enum rc
close_it(struct db *db, void *argument, struct err *err)
{
    return usage_close(db, "s1", err);
}

START_TEST(a_change_closes_and_opens_at_the_same_instant)
{
    struct db_pool *pool = pool_fresh();
    tx(pool, open_two, (int64_t[]){2, 1024});
    tx(pool, open_two, (int64_t[]){2, 1024}); // nothing changes
    ck_assert_int_eq(number(pool, "SELECT count(*) AS n FROM usage_fact"), 2);
    tx(pool, open_two, (int64_t[]){4, 1024});
    ck_assert_int_eq(number(pool, "SELECT count(*) AS n FROM usage_fact"), 4);
    ck_assert_int_eq(number(pool,
                            "SELECT count(*) AS n FROM usage_interval a, usage_interval b"
                            " WHERE a.meter = b.meter AND a.to_us = b.from_us AND a.id <> b.id"),
                     1);
    tx(pool, close_it, NULL);
    tx(pool, close_it, NULL);
    ck_assert_int_eq(number(pool, "SELECT count(*) AS n FROM usage_interval WHERE to_us IS NULL"),
                     0);
    ck_assert_int_eq(number(pool, "SELECT count(*) AS n FROM usage_fact WHERE kind = 'close'"), 3);
    db_pool_free(pool);
}
END_TEST

static enum rc
open_many(struct db *db, void *argument, struct err *err)
{
    for (int64_t i = 1; i <= 50; i++) {
        enum rc rc = open_two(db, (int64_t[]){i, i}, err); // the same instant again and again
        if (rc) {
            return rc;
        }
    }
    return RC_OK;
}

START_TEST(many_changes_in_one_instant_make_empty_intervals_and_no_overlap)
{
    struct db_pool *pool = pool_fresh();
    tx(pool, open_many, NULL);
    ck_assert_int_eq(number(pool, "SELECT count(*) AS n FROM usage_interval"), 100);
    ck_assert_int_eq(number(pool, "SELECT count(*) AS n FROM usage_interval WHERE to_us IS NULL"),
                     2);
    ck_assert_int_eq(
        number(pool, "SELECT coalesce(sum(to_us - from_us), 0) AS n FROM usage_interval"), 0);
    struct db *db;
    struct err err;
    ck_assert_int_eq(db_get(pool, &db, &err), RC_OK);
    ck_assert_int_eq(
        db_run(db,
               "INSERT INTO usage_interval (project_id, resource_type, resource_id, resource_name,"
               " meter, quantity, from_us, to_us) SELECT project_id, resource_type, resource_id,"
               " resource_name, meter, 9, from_us - 10, from_us + 10 FROM usage_interval"
               " WHERE to_us IS NULL LIMIT 1",
               DB_NONE, NULL, &err),
        RC_CONFLICT);
    ck_assert_str_eq(err.type, "usage_interval_overlap");
    db_pool_free(pool);
}
END_TEST

START_TEST(facts_get_dense_numbers_and_can_be_asked_for_again)
{
    struct db_pool *pool = pool_fresh();
    struct bus *bus = bus_connected();
    static struct seen seen;
    subscribe(bus, QUEUE_SERVICE, "live.usage", "usage.live", seen_handle, &seen);
    publish_until_seen(bus, &seen, "usage.live");
    struct outbox_relay *relay = outbox_relay_start(pool, bus, "live");
    for (int64_t i = 1; i <= 20; i++) {
        tx(pool, open_two, (int64_t[]){i, i * 1024});
    }
    tx(pool, close_it, NULL);
    ck_assert(seen_wait(&seen, 80, 80, 10000));
    ck_assert(
        number_becomes(pool, "SELECT count(*) AS n FROM usage_fact WHERE NOT published", 0, 5000));
    ck_assert_int_eq(number(pool, "SELECT max(sequence) - min(sequence) + 1 AS n FROM usage_fact"),
                     80);
    struct db *db;
    struct err err;
    char *text = NULL;
    ck_assert_int_eq(db_get(pool, &db, &err), RC_OK);
    ck_assert_int_eq(usage_feed_page(db, 70, 5, &text, &err), RC_OK);
    json_auto_t *page = json_loads(text, 0, NULL);
    json_t *facts = json_object_get(page, "facts");
    ck_assert_int_eq(json_integer_value(json_object_get(page, "last")), 80);
    ck_assert_int_eq(json_integer_value(json_object_get(page, "pending")), 0);
    ck_assert_int_gt(json_integer_value(json_object_get(page, "settled_us")), now_us() - 5000000);
    ck_assert_int_eq(json_array_size(facts), 5);
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(facts, 0), "sequence")), 71);
    g_free(text);
    outbox_relay_stop(relay);
    bus_free(bus);
    db_pool_free(pool);
}
END_TEST

int
main(void)
{
    if (!getenv("HANEUL_TEST_BUS") || !getenv("HANEUL_TEST_DSN")) {
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
        tcase_add_test(tcase, messages_of_a_transaction_are_published_once_by_one_leader);
        tcase_add_test(tcase, a_change_closes_and_opens_at_the_same_instant);
        tcase_add_test(tcase, many_changes_in_one_instant_make_empty_intervals_and_no_overlap);
        tcase_add_test(tcase, facts_get_dense_numbers_and_can_be_asked_for_again);
    }
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
