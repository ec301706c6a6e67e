// SPDX-License-Identifier: Apache-2.0
// What closings say: requests to other services, mails, and problems as the owner may see them.
#include "common/base/util.h"
#include "services/identity/account/close.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *template, *item;
    bool is_json;
    const char *wanted;
} fills[] = {
    {"/servers/{id}", "{\"id\": \"a-b\"}", false, "/servers/a-b"},
    {"/k/{name}?user_id={target}", "{\"name\": \"my key/?&#%\"}", false,
     "/k/my%20key%2F%3F%26%23%25?user_id=t%2F1"},
    {"/k/{name}", "{\"name\": \"키\"}", false, "/k/%ED%82%A4"},
    {"/k/{id}", "{\"id\": 7}", false, "/k/"},
    {"{\"port_id\": {id}}", "{\"id\": \"x\\\"}\"}", true, "{\"port_id\": \"x\\\"}\"}"},
    {"{\"router\": {\"routes\": []}}", "{}", true, "{\"router\": {\"routes\": []}}"},
    {"{", "{}", false, "{"},
    {"{id", "{\"id\": \"x\"}", false, "{id"},
};

START_TEST(a_request_is_filled_with_what_cannot_change_its_shape)
{
    json_auto_t *item = json_loads(fills[_i].item, 0, NULL);
    g_autofree char *text = close_fill(fills[_i].template, item, "t/1", fills[_i].is_json);
    ck_assert_str_eq(text, fills[_i].wanted);
}
END_TEST

static const struct {
    enum rc rc;
    const char *message, *wanted;
} problems[] = {
    {RC_CONFLICT, "Subnet x is in use", "network refuses: Subnet x is in use"},
    {RC_FORBIDDEN, "no", "network refuses: no"},
    {RC_UNAVAILABLE, "GET http://10.0.0.1:9696/: refused", "network cannot be asked now"},
    {RC_DEADLINE, "GET http://10.0.0.1:9696/: timeout", "network cannot be asked now"},
    {RC_BAD_GATEWAY, "http://10.0.0.1:9696/ is no JSON", "network cannot be asked now"},
    {RC_INTERNAL, "column does not exist", "network cannot be asked now"},
    {RC_UNAUTHORIZED, "token", "network cannot be asked now"},
};

START_TEST(a_problem_tells_the_answer_and_no_address)
{
    struct close_pass pass = {0};
    struct err why;
    rc_ignore(fault(&why, problems[_i].rc, "%s", problems[_i].message));
    close_problem(&pass, "network", &why);
    ck_assert_str_eq(pass.problem, problems[_i].wanted);
}
END_TEST

START_TEST(a_long_problem_is_cut_between_characters)
{
    struct close_pass pass = {0};
    struct err why = {.rc = RC_CONFLICT};
    for (size_t i = 0; i + 4 < sizeof(why.message); i += 3) {
        strcat(why.message, "한");
    }
    close_problem(&pass, "image", &why);
    ck_assert(g_utf8_validate(pass.problem, -1, NULL));
    ck_assert_uint_gt(strlen(pass.problem), sizeof(pass.problem) - 5);
}
END_TEST

START_TEST(the_first_mail_has_the_link_in_each_language)
{
    static const char *const locales[] = {"en", "ko", "xx"};
    for (size_t i = 0; i < N_ELEMENTS(locales); i++) {
        const struct closing closing = {.locale = locales[i], .is_account = true};
        struct close_text text =
            close_text_of(CLOSE_MAIL_ACCEPTED, &closing, "https://c.example/%s#id.secret", NULL);
        ck_assert_ptr_nonnull(strstr(text.body, "\n\nhttps://c.example/%s#id.secret\n\n"));
        ck_assert((strstr(text.subject, "account") == NULL) == !strcmp(locales[i], "ko"));
        g_free(text.body);
    }
}
END_TEST

START_TEST(the_last_mail_has_every_statement)
{
    const struct closing closing = {.locale = "en"};
    json_auto_t *statements =
        json_loads("[{\"project_id\": \"p1\", \"total\": \"1.500000000\", \"currency\": \"USD\"},"
                   " {\"project_id\": \"p2\", \"total\": \"0.000000000\", \"currency\": \"USD\"}]",
                   0, NULL);
    struct close_text text = close_text_of(CLOSE_MAIL_DONE, &closing, "", statements);
    ck_assert_ptr_nonnull(
        strstr(text.body, "  project p1: 1.500000000 USD\n  project p2: 0.000000000 USD\n"));
    g_free(text.body);
    json_auto_t *none = json_array();
    text = close_text_of(CLOSE_MAIL_DONE, &closing, "", none);
    ck_assert_ptr_nonnull(strstr(text.body, "  none\n"));
    g_free(text.body);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("identity_closing");
    TCase *tcase = tcase_create("all");
    tcase_add_loop_test(tcase, a_request_is_filled_with_what_cannot_change_its_shape, 0,
                        (int)N_ELEMENTS(fills));
    tcase_add_loop_test(tcase, a_problem_tells_the_answer_and_no_address, 0,
                        (int)N_ELEMENTS(problems));
    tcase_add_test(tcase, a_long_problem_is_cut_between_characters);
    tcase_add_test(tcase, the_first_mail_has_the_link_in_each_language);
    tcase_add_test(tcase, the_last_mail_has_every_statement);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
