// SPDX-License-Identifier: Apache-2.0
// The oslo.policy language, as operators write it.
#include "common/auth/auth.h"
#include "common/base/util.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const member[] = {"member", "reader", NULL};
static const char *const admin[] = {"Admin", NULL};
static const char *const none[] = {NULL};
static const struct auth_context people[] = {
    {.user_id = "u1", .user_domain_id = "d1", .project_id = "p1", .domain_id = "", .roles = member},
    {.user_id = "u0",
     .user_domain_id = "d0",
     .project_id = "p0",
     .domain_id = "d0",
     .roles = admin,
     .is_admin = true,
     .is_system = true},
    {.user_id = "u2", .user_domain_id = "d1", .project_id = "", .domain_id = "", .roles = none},
};

// The answers for the member, the admin and the unscoped user; target {"project_id": "p1",
// "user_id": "u1", "target": {"user": {"id": "u1"}}, "size": 5, "empty": "", "target.group.id":
// "u1"}.
// clang-format off
static const struct {
    const char *rule;
    const char *answers;
} cases[] = {
    {"", "yyy"}, {"@", "yyy"}, {"!", "nnn"}, {"not !", "yyy"},
    {"role:member", "ynn"}, {"role:ADMIN", "nyn"}, {"not role:member", "nyy"},
    {"role:member or role:admin", "yyn"}, {"role:member and role:reader", "ynn"},
    {"role:admin or role:member and not role:reader", "nyn"},
    {"(role:admin or role:member) and not role:reader", "nyn"},
    {"( role:admin )or(role:reader)", "yyn"},
    {"project_id:%(project_id)s", "ynn"}, {"user_id:%(user_id)s", "ynn"}, {"user_id:%(target.user.id)s", "ynn"},
    {"user_id:%(target.group.id)s", "nnn"},
    {"project_id:%(missing)s", "nnn"}, {"domain_id:%(empty)s", "nnn"}, {"project_id:%(empty)s", "nnn"},
    {"user_domain_id:d1", "yny"}, {"system_scope:all", "nyn"}, {"is_admin:True", "nyn"}, {"is_admin:1", "nnn"},
    {"'p1':%(project_id)s", "yyy"}, {"\"p 2\":%(project_id)s", "nnn"}, {"5:%(size)s", "yyy"}, {"None:%(missing)s", "nnn"},
    {"rule:is_member", "ynn"}, {"not rule:is_member", "nyy"}, {"unknown_attribute:u1", "nnn"},
    {"role:admin or rule:owner", "yyn"}, {"NOT role:admin AND role:member", "ynn"},
};
static const char *const malformed[] = {
    "role:", ":x", "role", "role:a role:b", "role:a and", "or role:a", "(role:a", "role:a)", "not", "()", "'x:%(a)s",
    "project_id:%(x", "rule:a or", "role:a andrule:b", "rule:no_such_rule", "role:a or not rule:no_such_rule",
};
// clang-format on

static struct policy *
policy_with(const char *rule)
{
    const struct policy_rule defaults[] = {
        {"is_member", "role:member", ""},
        {"owner", "rule:is_member and project_id:%(project_id)s", ""},
        {"tested", rule, ""},
        {0}};
    struct policy *policy = NULL;
    struct err err;
    ck_assert_msg(policy_new(defaults, NULL, &policy, &err) == RC_OK, "%s", err.message);
    return policy;
}

START_TEST(a_rule_answers_as_oslo_policy_does)
{
    struct policy *policy = policy_with(cases[_i].rule);
    json_auto_t *target =
        json_pack("{s:s, s:s, s:{s:{s:s}}, s:i, s:s, s:s}", "project_id", "p1", "user_id", "u1",
                  "target", "user", "id", "u1", "size", 5, "empty", "", "target.group.id", "u1");
    for (size_t i = 0; i < N_ELEMENTS(people); i++) {
        ck_assert_msg(policy_allows(policy, "tested", &people[i], target) ==
                          (cases[_i].answers[i] == 'y'),
                      "%s for person %zu", cases[_i].rule, i);
    }
    policy_free(policy);
}
END_TEST

START_TEST(a_malformed_rule_is_refused_by_name)
{
    const struct policy_rule defaults[] = {{"broken", malformed[_i], ""}, {0}};
    struct policy *policy = NULL;
    struct err err;
    ck_assert_msg(policy_new(defaults, NULL, &policy, &err) == RC_INVALID, "%s", malformed[_i]);
    ck_assert_ptr_nonnull(
        strstr(err.message, strstr(malformed[_i], "no_such") ? "'no_such_rule'" : "'broken'"));
}
END_TEST

START_TEST(deep_nesting_and_circles_are_refused)
{
    char deep[500];
    memset(deep, '(', sizeof deep);
    deep[sizeof deep - 1] = 0;
    const struct policy_rule nested[] = {{"deep", deep, ""}, {0}};
    const struct policy_rule circle[] = {
        {"a", "rule:b", ""}, {"b", "not rule:c", ""}, {"c", "role:x or rule:a", ""}, {0}};
    struct policy *policy = NULL;
    struct err err;
    ck_assert_int_eq(policy_new(nested, NULL, &policy, &err), RC_INVALID);
    ck_assert_int_eq(policy_new(circle, NULL, &policy, &err), RC_INVALID);
}
END_TEST

START_TEST(without_a_target_the_owner_is_oneself)
{
    struct policy *policy = policy_with("project_id:%(project_id)s and user_id:%(user_id)s");
    ck_assert(policy_allows(policy, "tested", &people[0], NULL));
    ck_assert(!policy_allows(policy, "tested", &people[2], NULL));
    ck_assert(!policy_allows(policy, "absent", &people[1], NULL));
    ck_assert(!policy_allows(policy, "tested", NULL, NULL));
    policy_free(policy);
}
END_TEST

static enum rc
policy_from_text(const char *text, struct policy **ret_policy)
{
    static const struct policy_rule defaults[] = {
        {"a", "role:admin", ""}, {"b", "rule:a", ""}, {0}};
    char path[] = "/tmp/policy-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs(text, file);
    fclose(file);
    struct err err;
    enum rc rc = policy_new(defaults, path, ret_policy, &err);
    remove(path);
    return rc;
}

START_TEST(a_file_overrides_the_defaults)
{
    static const char *const files[] = {
        "{\"a\": \"role:member\"}", "# comment\n---\n\"a\": \"role:member\"\n", "a: role:member\n"};
    for (size_t i = 0; i < N_ELEMENTS(files); i++) {
        struct policy *policy = NULL;
        ck_assert_int_eq(policy_from_text(files[i], &policy), RC_OK);
        ck_assert(policy_allows(policy, "b", &people[0], NULL));
        ck_assert(!policy_allows(policy, "b", &people[1], NULL));
        policy_free(policy);
    }
    struct policy *policy = NULL;
    ck_assert_int_eq(policy_from_text("{\"a\": 1}", &policy), RC_INVALID);
    ck_assert_int_eq(policy_from_text("{\"a\": ", &policy), RC_INVALID);
    ck_assert_int_eq(policy_from_text("nothing\n", &policy), RC_INVALID);
}
END_TEST

START_TEST(a_refused_scope_is_refused_whatever_the_rule_says)
{
    static const struct policy_rule defaults[] = {{"plain", "@", "", 0},
                                                  {"no_domain", "!", "", POLICY_NO_DOMAIN},
                                                  {"no_system", "@", "", POLICY_NO_SYSTEM},
                                                  {0}};
    const struct auth_context project = {.project_id = "p", .domain_id = "", .roles = none},
                              domain = {.project_id = "", .domain_id = "d", .roles = none},
                              system = {.domain_id = "", .roles = none, .is_system = true};
    char path[] = "/tmp/policy-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_eq(write(fd, "no_domain: '@'\n", 15), 15);
    close(fd);
    struct policy *policy = NULL;
    struct err err;
    ck_assert_int_eq(policy_new(defaults, path, &policy, &err), RC_OK);
    remove(path);
    ck_assert(policy_allows(policy, "plain", &domain, NULL));
    ck_assert(policy_allows(policy, "plain", &system, NULL));
    ck_assert(policy_allows(policy, "no_domain", &project, NULL));
    ck_assert(!policy_allows(policy, "no_domain", &domain, NULL));
    ck_assert(policy_allows(policy, "no_domain", &system, NULL));
    ck_assert(policy_allows(policy, "no_system", &domain, NULL));
    ck_assert(!policy_allows(policy, "no_system", &system, NULL));
    policy_free(policy);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("auth_policy");
    TCase *tcase = tcase_create("all");
    tcase_add_loop_test(tcase, a_rule_answers_as_oslo_policy_does, 0, (int)N_ELEMENTS(cases));
    tcase_add_loop_test(tcase, a_malformed_rule_is_refused_by_name, 0, (int)N_ELEMENTS(malformed));
    tcase_add_test(tcase, deep_nesting_and_circles_are_refused);
    tcase_add_test(tcase, without_a_target_the_owner_is_oneself);
    tcase_add_test(tcase, a_file_overrides_the_defaults);
    tcase_add_test(tcase, a_refused_scope_is_refused_whatever_the_rule_says);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
