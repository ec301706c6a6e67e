// SPDX-License-Identifier: Apache-2.0
// The operator's password expression: what it takes, and that it cannot be made to cost.
#include "common/base/util.h"
#include "services/identity/tenancy/compliance.h"
#include <check.h>
#include <stdlib.h>

static enum rc
check(const char *pattern, const char *password)
{
    struct compliance compliance = {0};
    ck_assert_int_eq(compliance_set_regex(&compliance, pattern, "be good", NULL), RC_OK);
    enum rc rc = compliance_check_password(&compliance, password, NULL);
    compliance_done(&compliance);
    return rc;
}

START_TEST(a_password_matches_from_its_beginning)
{
    static const char letters_and_digits[] = "^(?=.*\\d)(?=.*[a-zA-Z]).{7,}$";
    ck_assert_int_eq(check("", ""), RC_OK);
    ck_assert_int_eq(check(letters_and_digits, "abcdef1"), RC_OK);
    ck_assert_int_eq(check(letters_and_digits, "abcdefg"), RC_INVALID);
    ck_assert_int_eq(check(letters_and_digits, "abc1"), RC_INVALID);
    ck_assert_int_eq(check("b", "ab"), RC_INVALID);
    ck_assert_int_eq(check("a", "ab"), RC_OK);
    ck_assert_int_eq(check("^.{3}$", "하늘이"), RC_OK);
}
END_TEST

START_TEST(a_wrong_expression_is_told_at_the_start)
{
    struct compliance compliance = {0};
    ck_assert_int_eq(compliance_set_regex(&compliance, "(", "", NULL), RC_INVALID);
    compliance_done(&compliance);
}
END_TEST

START_TEST(an_expression_that_backtracks_refuses_soon)
{
    int64_t start = now_us();
    ck_assert_int_eq(
        check("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
        RC_INVALID);
    ck_assert_int_eq(
        check("^(a|aa)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
        RC_INVALID);
    ck_assert_int_lt(now_us() - start, 500000);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("compliance");
    TCase *tests = tcase_create("password expression");
    tcase_add_test(tests, a_password_matches_from_its_beginning);
    tcase_add_test(tests, a_wrong_expression_is_told_at_the_start);
    tcase_add_test(tests, an_expression_that_backtracks_refuses_soon);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
