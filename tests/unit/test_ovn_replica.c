// SPDX-License-Identifier: Apache-2.0
// What an OVSDB server sends: cut into messages, taken into the replica, refused when it is
// nonsense.
#include "services/network/ovn/framer.h"
#include "services/network/ovn/nb_schema.h"
#include <check.h>
#include <string.h>

#define A "a0000000-0000-4000-8000-000000000001"
#define B "b0000000-0000-4000-8000-000000000001"
#define OWNED "[\"map\",[[\"haneul:owner\",\"port/1\"],[\"haneul:key\",\"port\"]]]"

static struct replica *replica;

static void
setup(void)
{
    replica = replica_new(&nb_schema, NULL, NULL);
}

static void
teardown(void)
{
    replica_free(replica);
}

static enum rc
update(const char *text)
{
    json_auto_t *json = json_loads(text, 0, NULL);
    ck_assert_msg(json != NULL, "%s", text);
    struct err err;
    return replica_update(replica, json, &err);
}

static const struct ovsdb_value *
value(const char *uuid, const char *column)
{
    const struct replica_row *row = replica_find(replica, uuid);
    ck_assert_ptr_nonnull(row);
    return replica_value(replica, row, column);
}

START_TEST(rows_come_change_and_go)
{
    ck_assert_int_eq(update("{\"Logical_Switch_Port\":{\"" A
                            "\":{\"initial\":{\"name\":\"p\",\"addresses\":[\"set\",[\"x\",\"y\"]],"
                            "\"options\":[\"map\",[[\"k\",\"1\"],[\"l\",\"2\"]]],\"up\":false,"
                            "\"external_ids\":" OWNED "}}}}"),
                     RC_OK);
    ck_assert_str_eq(value(A, "type")->text, "");
    ck_assert_str_eq(value(A, "up")->text, "false");
    ck_assert_ptr_null(value(A, "tag")->text);
    ck_assert_ptr_eq(replica_find_name(replica, NB_LOGICAL_SWITCH_PORT, "p"),
                     replica_find(replica, A));
    ck_assert_ptr_eq(replica_find_key(replica, "port/1", "port"), replica_find(replica, A));
    // Differences: of a set what comes or goes, of a map likewise or with another value, of the
    // rest the new value.
    ck_assert_int_eq(update("{\"Logical_Switch_Port\":{\"" A
                            "\":{\"modify\":{\"name\":\"q\",\"addresses\":[\"set\",[\"y\",\"z\"]],"
                            "\"options\":[\"map\",[[\"k\",\"1\"],[\"l\",\"3\"],[\"m\",\"4\"]]],"
                            "\"up\":true,\"tag\":5}}}}"),
                     RC_OK);
    GHashTable *addresses = value(A, "addresses")->items;
    ck_assert(g_hash_table_contains(addresses, "x") && g_hash_table_contains(addresses, "z"));
    ck_assert_uint_eq(g_hash_table_size(addresses), 2);
    ck_assert_ptr_null(ovsdb_value_map_get(value(A, "options"), "k"));
    ck_assert_str_eq(ovsdb_value_map_get(value(A, "options"), "l"), "3");
    ck_assert_str_eq(ovsdb_value_map_get(value(A, "options"), "m"), "4");
    ck_assert_str_eq(value(A, "tag")->text, "5");
    ck_assert_ptr_null(replica_find_name(replica, NB_LOGICAL_SWITCH_PORT, "p"));
    ck_assert_int_eq(
        update("{\"Logical_Switch_Port\":{\"" A "\":{\"modify\":{\"up\":[\"set\",[]]}}}}"), RC_OK);
    ck_assert_ptr_null(value(A, "up")->text);
    ck_assert_int_eq(update("{\"Logical_Switch_Port\":{\"" A "\":{\"delete\":null}}}"), RC_OK);
    ck_assert_ptr_null(replica_find(replica, A));
    ck_assert_ptr_null(replica_find_key(replica, "port/1", "port"));
    ck_assert_ptr_null(replica_owner_rows(replica, "port/1"));
}
END_TEST

START_TEST(referrers_are_known)
{
    ck_assert_int_eq(update("{\"Port_Group\":{\"" B
                            "\":{\"insert\":{\"name\":\"g\",\"ports\":[\"uuid\",\"" A "\"]}}}}"),
                     RC_OK);
    ck_assert(g_hash_table_contains(replica_referrers(replica, A), replica_find(replica, B)));
    ck_assert_int_eq(update("{\"Port_Group\":{\"" B
                            "\":{\"modify\":{\"ports\":[\"set\",[[\"uuid\",\"" A "\"]]]}}}}"),
                     RC_OK);
    ck_assert_ptr_null(replica_referrers(replica, A));
}
END_TEST

START_TEST(changes_of_an_owner_are_tracked)
{
    replica_track_owners(replica, true);
    uint64_t before = replica_serial(replica);
    ck_assert(!replica_owner_changed_since(replica, "port/1", before));
    ck_assert_int_eq(
        update("{\"Logical_Switch_Port\":{\"" A "\":{\"insert\":{\"external_ids\":" OWNED "}}}}"),
        RC_OK);
    ck_assert(replica_owner_changed_since(replica, "port/1", before));
    uint64_t after = replica_serial(replica);
    ck_assert_int_eq(update("{\"Logical_Switch_Port\":{\"" A "\":{\"modify\":{\"up\":true}}}}"),
                     RC_OK);
    ck_assert(!replica_owner_changed_since(replica, "port/1", after)); // northd's doing
    ck_assert_int_eq(update("{\"Logical_Switch_Port\":{\"" A "\":{\"delete\":null}}}"), RC_OK);
    ck_assert(replica_owner_changed_since(replica, "port/1", after));
}
END_TEST

// clang-format off
static const char *const nonsense[] = {
    "[]", "{\"NAT\":[]}", "{\"Nope\":{}}", "{\"NAT\":{\"x\":{\"insert\":{}}}}", "{\"NAT\":{\"" A "\":7}}", "{\"NAT\":{\"" A "\":{}}}",
    "{\"NAT\":{\"" A "\":{\"insert\":7}}}", "{\"NAT\":{\"" A "\":{\"modify\":{}}}}", "{\"NAT\":{\"" A "\":{\"delete\":null}}}",
    "{\"NAT\":{\"" A "\":{\"insert\":{\"type\":1}}}}", "{\"NAT\":{\"" A "\":{\"insert\":{\"nope\":1}}}}",
    "{\"NAT\":{\"" A "\":{\"insert\":{\"external_ids\":[\"map\",[[1,2]]]}}}}", "{\"NAT\":{\"" A "\":{\"insert\":{\"external_ids\":[\"set\",[]]}}}}",
    "{\"ACL\":{\"" A "\":{\"insert\":{\"priority\":\"1\"}}}}", "{\"ACL\":{\"" A "\":{\"insert\":{\"priority\":1.5}}}}",
    "{\"ACL\":{\"" A "\":{\"insert\":{\"name\":[\"set\",[1]]}}}}",
    "{\"Port_Group\":{\"" A "\":{\"insert\":{\"ports\":[\"uuid\",\"x\"]}}}}", "{\"Port_Group\":{\"" A "\":{\"insert\":{\"ports\":[\"set\",{}]}}}}",
    "{\"Port_Group\":{\"" A "\":{\"insert\":{\"ports\":[\"set\",[[\"uuid\",7]]]}}}}", "{\"Port_Group\":{\"" A "\":{\"insert\":{\"ports\":null}}}}",
    "{\"Logical_Switch_Port\":{\"" A "\":{\"insert\":{\"up\":\"true\"}}}}",
};
// clang-format on

START_TEST(nonsense_is_refused)
{
    ck_assert_int_eq(update(nonsense[_i]), RC_BAD_GATEWAY);
    replica_clear(replica);
    ck_assert_int_eq(update("{\"NAT\":{\"" A "\":{\"insert\":{\"type\":\"snat\"}}}}"), RC_OK);
}
END_TEST

START_TEST(same_row_twice_is_refused)
{
    ck_assert_int_eq(update("{\"NAT\":{\"" A "\":{\"insert\":{}}}}"), RC_OK);
    ck_assert_int_eq(update("{\"NAT\":{\"" A "\":{\"insert\":{}}}}"), RC_BAD_GATEWAY);
}
END_TEST

// Any bytes at all: messages that were good, damaged at random places (the same ones each time).
START_TEST(damaged_messages_never_crash)
{
    static const char *const good[] = {
        "{\"Logical_Switch_Port\":{\"" A
        "\":{\"initial\":{\"name\":\"p\",\"addresses\":[\"set\",[\"x\",\"y\"]],\"tag\":7,"
        "\"options\":[\"map\",[[\"k\",\"1\"]]],\"up\":false,\"external_ids\":" OWNED "}}}}",
        "{\"Port_Group\":{\"" B "\":{\"insert\":{\"name\":\"g\",\"ports\":[\"set\",[[\"uuid\",\"" A
        "\"]]]}}}}",
        "{\"Logical_Switch_Port\":{\"" A "\":{\"modify\":{\"external_ids\":" OWNED
        "}}},\"Port_Group\":{\"" B "\":{\"delete\":null}}}",
        "{\"Logical_Switch_Port\":{\"" A "\":{\"delete\":null}}}",
    };
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    for (int round = 0; round < 20000; round++) {
        g_autofree char *text = g_strdup(good[round % N_ELEMENTS(good)]);
        size_t len = strlen(text);
        for (int n = g_rand_int_range(random, 0, 3); n > 0; n--) {
            text[g_rand_int_range(random, 0, (gint32)len)] = (char)g_rand_int_range(random, 1, 256);
        }
        struct framer framer;
        framer_init(&framer, 1 << 20);
        framer_push(&framer, text, len);
        json_auto_t *message = NULL;
        struct err err;
        if (framer_next(&framer, &message, &err) == RC_OK && message &&
            replica_update(replica, message, &err) != RC_OK) {
            replica_clear(replica);
        }
        framer_done(&framer);
    }
}
END_TEST

START_TEST(messages_are_cut_whatever_the_pieces)
{
    static const char stream[] = "{\"a\":\"}\\\"{\"} \n{\"b\":[1,{\"c\":2}]}{}";
    struct framer framer;
    framer_init(&framer, 64);
    int n = 0;
    for (size_t i = 0; i < sizeof stream - 1; i++) {
        json_auto_t *message = NULL;
        framer_push(&framer, stream + i, 1);
        ck_assert_int_eq(framer_next(&framer, &message, NULL), RC_OK);
        n += message != NULL;
    }
    ck_assert_int_eq(n, 3);
    framer_done(&framer);
}
END_TEST

START_TEST(endless_message_is_refused)
{
    struct framer framer;
    framer_init(&framer, 64);
    framer_push(&framer, "{\"", 2);
    json_t *message;
    enum rc rc = RC_OK;
    for (int i = 0; rc == RC_OK && i < 100; i++) {
        framer_push(&framer, "x", 1);
        rc = framer_next(&framer, &message, NULL);
    }
    ck_assert_int_eq(rc, RC_BAD_GATEWAY);
    framer_done(&framer);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ovn_replica");
    TCase *tests = tcase_create("replica");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, rows_come_change_and_go);
    tcase_add_test(tests, referrers_are_known);
    tcase_add_test(tests, changes_of_an_owner_are_tracked);
    tcase_add_loop_test(tests, nonsense_is_refused, 0, N_ELEMENTS(nonsense));
    tcase_add_test(tests, same_row_twice_is_refused);
    tcase_add_test(tests, damaged_messages_never_crash);
    tcase_add_test(tests, messages_are_cut_whatever_the_pieces);
    tcase_add_test(tests, endless_message_is_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? 1 : 0;
}
