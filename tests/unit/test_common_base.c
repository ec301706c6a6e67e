// SPDX-License-Identifier: Apache-2.0
#include "common/base/err.h"
#include "common/base/util.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(derived_ids_are_stable_and_differ_by_name)
{
    char first[UUID_SIZE], again[UUID_SIZE], other[UUID_SIZE];
    uuid_derive("owner", "port0", first);
    uuid_derive("owner", "port0", again);
    uuid_derive("owner", "port1", other);
    ck_assert_str_eq(first, again);
    ck_assert_str_ne(first, other);
    ck_assert(uuid_is_valid(first));
    ck_assert_int_eq(first[14], '5');
}
END_TEST

START_TEST(uuids_are_recognised)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"2f1e5d0c-6b7a-5c41-9d33-8a51e40b7790", true},
        {"2F1E5D0C6B7A5C419D338A51E40B7790", true},
        {"", false},
        {"2f1e5d0c-6b7a-5c41-9d33-8a51e40b779", false},
        {"2f1e5d0c-6b7a-5c41-9d33-8a51e40b779g", false},
        {"2f1e5d0c+6b7a-5c41-9d33-8a51e40b7790", false},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        ck_assert_msg(uuid_is_valid(cases[i].text) == cases[i].valid, "%s", cases[i].text);
    }
}
END_TEST

START_TEST(base64url_goes_there_and_back)
{
    unsigned char bytes[64];
    for (size_t size = 0; size < sizeof(bytes); size++) {
        random_bytes(bytes, size);
        g_autofree char *text = base64url_encode(bytes, size);
        size_t back_size;
        g_autofree unsigned char *back = base64url_decode(text, &back_size);
        ck_assert_uint_eq(back_size, size);
        ck_assert(size == 0 || memcmp(back, bytes, size) == 0);
    }
    size_t size;
    ck_assert_ptr_null(base64url_decode("a", &size));
    ck_assert_ptr_null(base64url_decode("ab+/", &size));
    ck_assert_ptr_null(base64url_decode("ab cd", &size));
}
END_TEST

START_TEST(times_are_parsed_in_every_form_that_clients_send)
{
    static const char *const same[] = {"2026-11-20T20:37:19Z", "2026-11-20T20:37:19.000000Z",
                                       "2026-11-20T20:37:19", "2026-11-20 20:37:19",
                                       "2026-11-20T22:37:19+02:00"};
    for (size_t i = 0; i < N_ELEMENTS(same); i++) {
        int64_t time_us;
        ck_assert_msg(iso8601_parse(same[i], &time_us), "%s", same[i]);
        char text[32];
        iso8601_format(time_us, false, text);
        ck_assert_str_eq(text, same[0]);
    }
    int64_t time_us;
    static const char *const wrong[] = {"", "yesterday", "2026-13-01T00:00:00Z",
                                        "2026-11-20T25:00:00Z", "2026-11-20T20:37:19Zjunk"};
    for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
        ck_assert_msg(!iso8601_parse(wrong[i], &time_us), "%s", wrong[i]);
    }
}
END_TEST

START_TEST(comparison_is_exact)
{
    ck_assert(equal_constant_time("abc", "abc"));
    ck_assert(!equal_constant_time("abc", "abd"));
    ck_assert(!equal_constant_time("abc", "ab"));
    ck_assert(!equal_constant_time("", "a"));
    ck_assert(!equal_constant_time("a", ""));
    ck_assert(equal_constant_time("", ""));
}
END_TEST

START_TEST(every_outcome_has_a_status_and_a_name)
{
    for (int rc = 0; rc < N_RC; rc++) {
        ck_assert_int_ge(rc_http_status((enum rc)rc), 200);
        ck_assert_ptr_nonnull(rc_name((enum rc)rc));
    }
}
END_TEST

START_TEST(a_failure_can_be_wrapped_in_itself)
{
    struct err err;
    rc_ignore(fault(&err, RC_CONFLICT, "inner"));
    ck_assert_int_eq(fault(&err, RC_CONFLICT, "outer: %s", err.message), RC_CONFLICT);
    ck_assert_str_eq(err.message, "outer: inner");
}
END_TEST

START_TEST(control_characters_are_not_clean)
{
    ck_assert(text_is_clean("하늘 sky", 6));
    ck_assert(!text_is_clean("하늘 sky", 5));
    ck_assert(!text_is_clean("a\r\nBcc: x", 100));
    ck_assert(!text_is_clean("\xff\xfe", 100));
}
END_TEST

int
main(void)
{
    TCase *cases = tcase_create("base");
    tcase_add_test(cases, derived_ids_are_stable_and_differ_by_name);
    tcase_add_test(cases, uuids_are_recognised);
    tcase_add_test(cases, base64url_goes_there_and_back);
    tcase_add_test(cases, times_are_parsed_in_every_form_that_clients_send);
    tcase_add_test(cases, comparison_is_exact);
    tcase_add_test(cases, every_outcome_has_a_status_and_a_name);
    tcase_add_test(cases, a_failure_can_be_wrapped_in_itself);
    tcase_add_test(cases, control_characters_are_not_clean);
    Suite *suite = suite_create("common base");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
