// SPDX-License-Identifier: Apache-2.0
// The outbox and usage against a real broker and database, named by HANEUL_TEST_BUS and
// HANEUL_TEST_DSN; tests/service/test_bus.py starts them. Without them there is nothing to run.
#include "common/db/outbox.h"
#include "common/db/usage.h"
#include "common/db/usage_feed.h"
#include "tests/unit/bus_live.h"

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
    ck_assert(seen_wait(&seen, 1, 1, 10000));
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

START_TEST(the_relay_goes_on_after_its_connection_was_cut)
{
    struct db_pool *pool = pool_fresh();
    struct bus *bus = bus_connected();
    static struct seen seen;
    subscribe(bus, QUEUE_SERVICE, "live.cut", "live.out.#", seen_handle, &seen);
    publish_until_seen(bus, &seen, "live.out.warm");
    struct outbox_relay *relay = outbox_relay_start(pool, bus, "live");
    for (unsigned round = 1; round <= 3; round++) {
        tx(pool, add_hundred, NULL);
        number(pool, "SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity"
                     " WHERE usename = current_user AND pid <> pg_backend_pid()");
        tx(pool, open_two, (int64_t[]){round, 1});
        ck_assert(seen_wait(&seen, round * 100, round * 100, 15000));
    }
    ck_assert(number_becomes(pool, "SELECT count(*) AS n FROM outbox", 0, 15000));
    ck_assert(
        number_becomes(pool, "SELECT count(*) AS n FROM usage_fact WHERE NOT published", 0, 15000));
    ck_assert_int_eq(number(pool, "SELECT max(sequence) AS n FROM usage_fact"),
                     number(pool, "SELECT count(*) AS n FROM usage_fact"));
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
    Suite *suite = suite_create("bus_outbox");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 180);
    tcase_add_test(tcase, messages_of_a_transaction_are_published_once_by_one_leader);
    tcase_add_test(tcase, a_change_closes_and_opens_at_the_same_instant);
    tcase_add_test(tcase, many_changes_in_one_instant_make_empty_intervals_and_no_overlap);
    tcase_add_test(tcase, facts_get_dense_numbers_and_can_be_asked_for_again);
    tcase_add_test(tcase, the_relay_goes_on_after_its_connection_was_cut);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
