// SPDX-License-Identifier: Apache-2.0
#include "common/base/background.h"
#include "common/base/err.h"
#include "common/base/util.h"

#include <check.h>
#include <glib.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

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

// What GLib's standard Base64 becomes by two other digits and without padding.
static char *
reference_encode(const unsigned char *bytes, size_t size)
{
    char *text = g_base64_encode(bytes, size);
    g_strdelimit(g_strdelimit(text, "+", '-'), "/", '_');
    text[strcspn(text, "=")] = '\0';
    return text;
}

START_TEST(base64url_is_the_standard_one_of_any_length)
{
    unsigned char bytes[1024];
    for (size_t size = 0; size < sizeof(bytes); size++) {
        random_bytes(bytes, size);
        g_autofree char *text = base64url_encode(bytes, size);
        g_autofree char *expected = reference_encode(bytes, size);
        ck_assert_str_eq(text, expected);
        size_t back_size;
        g_autofree unsigned char *back = base64url_decode(text, &back_size);
        ck_assert_uint_eq(back_size, size);
        ck_assert(size == 0 || memcmp(back, bytes, size) == 0);
        g_autoptr(GString) longer = g_string_new("before");
        base64url_append(longer, bytes, size);
        ck_assert_str_eq(longer->str + 6, expected);
        ck_assert_uint_eq(longer->len, 6 + strlen(expected));
    }
}
END_TEST

START_TEST(base64url_has_64_digits_and_padding_at_its_end_only)
{
    size_t size;
    for (unsigned c = 1; c < 256; c++) {
        bool is_digit = g_ascii_isalnum(c) || c == '-' || c == '_';
        for (size_t place = 0; place < 4; place++) {
            char text[] = "abcd";
            text[place] = (char)c;
            g_autofree unsigned char *data = base64url_decode(text, &size);
            ck_assert_msg(!data == !(is_digit || (c == '=' && place == 3)), "%u at %zu", c, place);
        }
    }
    static const struct {
        const char *text, *bytes; // NULL: refused
    } cases[] = {{"", ""},      {"YQ", "a"},    {"YQ==", "a"},   {"YQ====", "a"}, {"YWI=", "ab"},
                 {"=", ""},     {"YR", "a"},    {"YWJj", "abc"}, {"a", NULL},     {"YWJjZ", NULL},
                 {"Y=Q", NULL}, {"ab+/", NULL}, {"ab cd", NULL}, {"YWJj\n", NULL}};
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        g_autofree unsigned char *data = base64url_decode(cases[i].text, &size);
        ck_assert_msg(!data == !cases[i].bytes, "%s", cases[i].text);
        ck_assert(!data || (size == strlen(cases[i].bytes) && !memcmp(data, cases[i].bytes, size)));
    }
}
END_TEST

START_TEST(times_are_written_as_strftime_writes_them)
{
    static const int64_t days[] = {0,       58,      59,        60,    365,     789,
                                   11015,   11016,   11017,     47540, 47541,   2932895,
                                   2932896, 2932897, 100000000, -1,    -719529, 20778};
    for (size_t i = 0; i < N_ELEMENTS(days); i++) {
        for (int64_t of_day = 0; of_day < 86400; of_day += 3593) {
            time_t second = days[i] * 86400 + of_day;
            struct tm tm;
            gmtime_r(&second, &tm);
            char text[32], expected[32], with_fraction[48];
            strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &tm);
            iso8601_format(second * INT64_C(1000000), false, text);
            ck_assert_str_eq(text, expected);
            iso8601_format(second * INT64_C(1000000) + (second < 0 ? 0 : of_day), true, text);
            g_snprintf(with_fraction, sizeof with_fraction, "%.*s.%06dZ", (int)strlen(expected) - 1,
                       expected, second < 0 ? 0 : (int)of_day);
            ck_assert_str_eq(text, with_fraction);
        }
    }
}
END_TEST

START_TEST(integers_are_written_whole)
{
    static const int64_t values[] = {0, 1, -1, 9, 10, 1234567890, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < N_ELEMENTS(values); i++) {
        g_autoptr(GString) text = g_string_new("=");
        append_int64(text, values[i]);
        ck_assert_int_eq(text->str[0], '=');
        ck_assert_int_eq(g_ascii_strtoll(text->str + 1, NULL, 10), values[i]);
    }
}
END_TEST

START_TEST(ids_are_never_the_same)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (int i = 0; i < 1000; i++) {
        char id[UUID_SIZE];
        uuid_new(id);
        ck_assert(uuid_is_valid(id) && id[14] == '4');
        ck_assert(g_hash_table_add(seen, g_strdup(id)));
    }
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

struct seen {
    int nice, policy;
};

static gpointer
enter_background(gpointer data)
{
    struct seen *seen = data;
    background_enter();
    background_enter();
    seen->nice = getpriority(PRIO_PROCESS, 0);
    seen->policy = sched_getscheduler(0);
    return NULL;
}

START_TEST(a_background_thread_gives_way_alone)
{
    int nice = getpriority(PRIO_PROCESS, 0);
    struct seen seen = {0};
    g_thread_join(g_thread_new("background", enter_background, &seen));
    ck_assert_int_eq(seen.nice, MIN(nice + 10, 19));
    ck_assert_int_eq(seen.policy, SCHED_BATCH);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), nice);
    ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
    ck_assert_int_ge(background_threads(), 1);
}
END_TEST

int
main(void)
{
    TCase *cases = tcase_create("base");
    tcase_add_test(cases, derived_ids_are_stable_and_differ_by_name);
    tcase_add_test(cases, uuids_are_recognised);
    tcase_add_test(cases, base64url_is_the_standard_one_of_any_length);
    tcase_add_test(cases, base64url_has_64_digits_and_padding_at_its_end_only);
    tcase_add_test(cases, times_are_written_as_strftime_writes_them);
    tcase_add_test(cases, integers_are_written_whole);
    tcase_add_test(cases, ids_are_never_the_same);
    tcase_add_test(cases, times_are_parsed_in_every_form_that_clients_send);
    tcase_add_test(cases, comparison_is_exact);
    tcase_add_test(cases, every_outcome_has_a_status_and_a_name);
    tcase_add_test(cases, a_failure_can_be_wrapped_in_itself);
    tcase_add_test(cases, control_characters_are_not_clean);
    tcase_add_test(cases, a_background_thread_gives_way_alone);
    Suite *suite = suite_create("common base");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
