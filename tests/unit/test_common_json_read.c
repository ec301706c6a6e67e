// SPDX-License-Identifier: Apache-2.0
// json_read and jansson say the same of every text.
#include "common/base/util.h"
#include "common/json/read.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static void
compare(const char *text, size_t size)
{
    json_error_t error = {0}, expected_error = {0};
    json_auto_t *value = json_read(text, size, &error);
    json_auto_t *expected =
        json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &expected_error);
    ck_assert_msg(!value == !expected, "%.*s: %s", (int)size, text, expected_error.text);
    if (expected) {
        ck_assert_msg(json_equal(value, expected), "%.*s", (int)size, text);
    } else {
        ck_assert_str_eq(error.text, expected_error.text);
        ck_assert_int_eq(error.line, expected_error.line);
        ck_assert_int_eq(error.column, expected_error.column);
    }
}

static const char *const texts[] = {
    "",
    " ",
    "{}",
    "[]",
    " { } ",
    "[ ]",
    "\t\r\n[\n1 , 2\t]\r",
    "{\"a\":1}",
    "{\"a\" : \"b\" }",
    "{\"a\":1,\"a\":2}",
    "{\"a\":{\"a\":[{\"a\":null}]}}",
    "{\"a\":1,}",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\"}",
    "{\"a\":}",
    "{a:1}",
    "{1:1}",
    "{\"a\":1",
    "[1",
    "\"a",
    "\"",
    "{",
    "[",
    "}",
    "]",
    "null",
    "true",
    "false",
    "nul",
    "nullx",
    "truefalse",
    "True",
    "null null",
    "[true,false]",
    "0",
    "-0",
    "-",
    "--1",
    "+1",
    "01",
    "-01",
    "1.0",
    "1.",
    ".5",
    "1e3",
    "1E+3",
    "0x10",
    "1a",
    "123456789012345678",
    "999999999999999999",
    "1000000000000000000",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-999999999999999999",
    "[0,-1,10]",
    "1-1",
    "\"\"",
    "\"plain\"",
    "\"\\n\"",
    "\"\\u0041\"",
    "\"\\u0000\"",
    "\"\\\"\"",
    "\"\\\\\"",
    "\"\\x\"",
    "\"tab\there\"",
    "\"line\nbreak\"",
    "\"\x7f\"",
    "\"하늘\"",
    "{\"하늘\":\"하늘\"}",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xff\"",
    "\"\xe3\x81\"",
    "{\"\xff\":1}",
    "{\"a\\\"b\":1}",
    "{\"\":1}",
    "\xef\xbb\xbf{}",
    "{}x",
    "{} {}",
    "/**/1",
    "'a'",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"};

START_TEST(every_kind_of_text_is_read_as_jansson_reads_it)
{
    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        compare(texts[i], strlen(texts[i]));
    }
    compare("1\0", 2);
    compare("\"a\0b\"", 5);
    compare("{}\0{}", 5);
}
END_TEST

START_TEST(nesting_is_bounded_as_jansson_bounds_it)
{
    static const size_t depths[] = {31, 32, 33, 2047, 2048, 2049, 100000};
    for (size_t i = 0; i < N_ELEMENTS(depths); i++) {
        g_autofree char *text = g_malloc(2 * depths[i]);
        memset(text, '[', depths[i]);
        memset(text + depths[i], ']', depths[i]);
        compare(text, 2 * depths[i]);
        compare(text, depths[i]);
    }
}
END_TEST

// Each piece of a real body, and the body with each byte gone, doubled or another.
START_TEST(damaged_bodies_are_refused_as_jansson_refuses_them)
{
    static const char body[] = "{\"auth\": {\"identity\": {\"methods\": [\"token\"], \"token\": "
                               "{\"id\": \"eyJh.eyJ-_.x\"}},"
                               " \"scope\": {\"project\": {\"id\": \"17\", \"n\": -20, \"e\": "
                               "\"\\u00e9\", \"on\": true}}}}";
    static const char others[] = "\"\\{}[]:,0-9.eE \n\t\x01\x7f\x80\xc3\xff"
                                 "ntf";
    size_t size = sizeof body - 1;
    for (size_t i = 0; i < size; i++) {
        compare(body, i);
        compare(body + i, size - i);
        g_autofree char *text = g_malloc(size + 1);
        memcpy(text, body, i);
        memcpy(text + i, body + i + 1, size - i - 1);
        compare(text, size - 1);
        for (size_t k = 0; k < sizeof others; k++) {
            memcpy(text + i + 1, body + i, size - i);
            text[i] = others[k];
            compare(text, size + 1);
            memcpy(text + i + 1, body + i + 1, size - i - 1);
            compare(text, size);
        }
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("json_read");
    TCase *cases = tcase_create("read");
    tcase_add_test(cases, every_kind_of_text_is_read_as_jansson_reads_it);
    tcase_add_test(cases, nesting_is_bounded_as_jansson_bounds_it);
    tcase_add_test(cases, damaged_bodies_are_refused_as_jansson_refuses_them);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
