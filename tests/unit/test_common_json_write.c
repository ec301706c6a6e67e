// SPDX-License-Identifier: Apache-2.0
// What is written is what a parser reads.
#include "common/json/write.h"
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

START_TEST(every_character_comes_back)
{
    for (unsigned c = 1; c < 0x800; c++) {
        char value[16] = "a";
        value[1 + g_unichar_to_utf8(c, value + 1)] = '\0';
        strcat(value, "b");
        g_autoptr(GString) text = g_string_new(NULL);
        json_write_string(text, value);
        json_auto_t *read = json_loads(text->str, JSON_DECODE_ANY, NULL);
        ck_assert_str_eq(json_string_value(read), value);
    }
}
END_TEST

START_TEST(commas_are_where_they_belong)
{
    g_autoptr(GString) text = g_string_new(NULL);
    json_write_open(text, '{');
    json_write_member(text, "name", "ends with {");
    json_write_member(text, "none", NULL);
    json_write_member_int(text, "n", INT64_MIN);
    json_write_name(text, "list");
    json_write_open(text, '[');
    json_write_strings(text, NULL);
    json_write_strings(text, "a", "b", NULL);
    json_write_bool(text, true);
    json_write_json(text, "{\"x\":[]}");
    json_write_open(text, '{');
    json_write_close(text, '}');
    json_write_close(text, ']');
    json_write_close(text, '}');
    ck_assert_str_eq(text->str,
                     "{\"name\":\"ends with {\",\"none\":null,\"n\":-9223372036854775808,"
                     "\"list\":[[],[\"a\",\"b\"],true,{\"x\":[]},{}]}");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("common_json_write");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, every_character_comes_back);
    tcase_add_test(tcase, commas_are_where_they_belong);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
