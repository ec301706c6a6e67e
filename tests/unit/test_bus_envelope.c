// SPDX-License-Identifier: Apache-2.0
// The envelope around messages, replies, and the back-off between tries.
#include "common/bus/envelope.h"
#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

START_TEST(an_envelope_comes_out_as_it_went_in)
{
    json_auto_t *body = json_pack("{s:s, s:i}", "name", "h\xc3\xa9", "n", 7);
    struct message message = {.type = "server.order",
                              .routing_key = "host.h1",
                              .request_id = "req-1",
                              .generation = 42,
                              .deadline_us = 5000,
                              .body = body};
    char *text;
    struct err err;
    ck_assert_int_eq(envelope_encode(&message, 1000, "id-1", &text, &err), RC_OK);
    json_auto_t *root = NULL;
    struct message read;
    ck_assert_int_eq(envelope_decode(text, strlen(text), &root, &read, &err), RC_OK);
    ck_assert_str_eq(read.id, "id-1");
    ck_assert_str_eq(read.type, "server.order");
    ck_assert_str_eq(read.request_id, "req-1");
    ck_assert_int_eq(read.generation, 42);
    ck_assert_int_eq(read.deadline_us, 5000);
    ck_assert(json_equal(read.body, body));
    ck_assert_ptr_null(read.user_id);
    g_free(text);
}
END_TEST

START_TEST(what_is_not_an_envelope_is_refused)
{
    static const char *const texts[] = {
        "",
        "[]",
        "null",
        "{",
        "{\"id\":\"a\"}",
        "{\"type\":\"a\"}",
        "{\"id\":1,\"type\":\"a\"}",
        "{\"id\":\"\",\"type\":\"a\"}",
        "{\"id\":\"a\",\"type\":\"\"}",
        "{\"id\":\"a\",\"id\":\"b\",\"type\":\"t\"}",
        "{\"id\":\"a\",\"type\":\"\xff\"}",
        "{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123456789\","
        "\"type\":"
        "\"a\"}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *root = NULL;
        struct message message;
        struct err err;
        ck_assert_int_eq(envelope_decode(texts[i], strlen(texts[i]), &root, &message, &err),
                         RC_INVALID);
        ck_assert_ptr_null(root);
    }
}
END_TEST

START_TEST(a_large_message_is_refused_on_both_sides)
{
    g_autofree char *large = g_strnfill(1024 * 1024, 'x');
    json_auto_t *body = json_string(large);
    struct message message = {.type = "t", .routing_key = "k", .body = body};
    char *text = NULL;
    struct err err;
    ck_assert_int_eq(envelope_encode(&message, 1, "id", &text, &err), RC_TOO_LARGE);
    json_t *root = NULL;
    ck_assert_int_eq(envelope_decode(large, 2 * 1024 * 1024, &root, &message, &err), RC_TOO_LARGE);
}
END_TEST

START_TEST(a_message_needs_a_type_and_a_routing_key)
{
    g_autofree char *long_key = g_strnfill(256, 'k');
    const struct message messages[] = {{.type = "", .routing_key = "k"},
                                       {.routing_key = "k"},
                                       {.type = "t"},
                                       {.type = "t", .routing_key = long_key}};
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        char *text = NULL;
        struct err err;
        ck_assert_int_eq(envelope_encode(&messages[i], 1, "id", &text, &err), RC_INVALID);
    }
}
END_TEST

START_TEST(a_failure_comes_back_as_the_same_failure)
{
    struct err failure, err;
    enum rc rc = fault_typed(&failure, RC_CONFLICT, "Busy", "server '%s' is busy", "s1");
    ck_assert_int_eq(rc, RC_CONFLICT);
    json_auto_t *reply = reply_encode(NULL, &failure);
    json_t *body = NULL;
    ck_assert_int_eq(reply_decode(reply, &body, &err), RC_CONFLICT);
    ck_assert_str_eq(err.type, "Busy");
    ck_assert_str_eq(err.message, "server 's1' is busy");
    ck_assert_ptr_null(body);
}
END_TEST

START_TEST(a_reply_that_is_none_is_a_bad_gateway)
{
    static const char *const texts[] = {"{}", "{\"error\":{\"rc\":\"ok\"}}", "{\"error\":\"x\"}",
                                        "{\"error\":{\"rc\":\"no such\"}}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_auto_t *reply = json_loads(texts[i], 0, NULL);
        json_t *body;
        struct err err;
        ck_assert_int_eq(reply_decode(reply, &body, &err), RC_BAD_GATEWAY);
    }
}
END_TEST

START_TEST(the_delay_doubles_up_to_half_a_minute)
{
    for (unsigned attempt = 0; attempt < 30; attempt++) {
        int64_t nominal = MIN(250LL << MIN(attempt, 10), 30000);
        for (uint32_t random = 0; random < 100000; random += 977) {
            int64_t delay = retry_delay_ms(attempt, random);
            ck_assert_int_ge(delay, nominal * 3 / 4);
            ck_assert_int_le(delay, nominal * 5 / 4 + 1);
        }
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bus_envelope");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, an_envelope_comes_out_as_it_went_in);
    tcase_add_test(tcase, what_is_not_an_envelope_is_refused);
    tcase_add_test(tcase, a_large_message_is_refused_on_both_sides);
    tcase_add_test(tcase, a_message_needs_a_type_and_a_routing_key);
    tcase_add_test(tcase, a_failure_comes_back_as_the_same_failure);
    tcase_add_test(tcase, a_reply_that_is_none_is_a_bad_gateway);
    tcase_add_test(tcase, the_delay_doubles_up_to_half_a_minute);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
