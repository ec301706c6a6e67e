// SPDX-License-Identifier: Apache-2.0
// What access rules cover, and that they travel in tokens unharmed.
#include "common/auth/jws.h"
#include "common/base/util.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *pattern, *path;
    bool matches;
} cases[] = {
    {"/v2.1/servers", "/v2.1/servers", true},
    {"/v2.1/servers", "/v2.1/servers/", false},
    {"/v2.1/servers", "/v2.1/serversx", false},
    {"/v2.1/servers", "/v2.1/server", false},
    {"/v2.1/servers", "/v2x1/servers", false},
    {"/v2.1/servers/*", "/v2.1/servers/a", true},
    {"/v2.1/servers/*", "/v2.1/servers/", false},
    {"/v2.1/servers/*", "/v2.1/servers/a/b", false},
    {"/v2.1/servers/*/ips", "/v2.1/servers/a/ips", true},
    {"/v2.1/servers/*/ips", "/v2.1/servers/a/b/ips", false},
    {"/v2.1/servers/{id}", "/v2.1/servers/a-b", true},
    {"/v2.1/servers/{id}", "/v2.1/servers/a/b", false},
    {"/v2.1/{a}/x{b}y/*", "/v2.1/q/x1y/z", true},
    {"/v2.1/{a}/x{b}y/*", "/v2.1/q/xy/z", false},
    {"/v2.1/**", "/v2.1/", true},
    {"/v2.1/**", "/v2.1/a/b/c", true},
    {"/v2.1/**", "/v2.1", false},
    {"/v2.1/**/ips", "/v2.1/a/b/ips", true},
    {"/v2.1/**/ips", "/v2.1/a/b/ips/c", false},
    {"/v2.1**", "/v2.1", true},
    {"**", "", true},
    {"*", "", false},
    {"***", "ab/c", true},
    {"/a*b", "/ab", false},
    {"/a*b", "/axxbxb", true},
    {"/{open", "/{open", true},
    {"/{}", "/a", true},
    {"", "", true},
    {"", "/", false},
};

START_TEST(a_pattern_covers_what_its_wildcards_say)
{
    ck_assert_msg(access_rule_path_matches(cases[_i].pattern, cases[_i].path) == cases[_i].matches,
                  "'%s' and '%s'", cases[_i].pattern, cases[_i].path);
}
END_TEST

START_TEST(a_hostile_pattern_costs_little)
{
    g_autoptr(GString) pattern = g_string_new("/"), path = g_string_new("/");
    for (int i = 0; i < 110; i++) {
        g_string_append(pattern, "**");
    }
    g_string_append(pattern, "b");
    while (path->len < ACCESS_RULE_PATH_MAX) {
        g_string_append_c(path, 'a');
    }
    int64_t start = now_us();
    ck_assert(!access_rule_path_matches(pattern->str, path->str));
    ck_assert_int_lt(now_us() - start, 500000);
    g_string_append_c(path, 'b');
    ck_assert(!access_rule_path_matches("**", path->str)); // longer than any rule covers
    g_autofree char *long_pattern = g_strnfill(300, '*');
    ck_assert(!access_rule_path_matches("/", long_pattern));
}
END_TEST

static const struct access_rule rules[] = {{"compute", "GET", "/v2.1/servers/*"},
                                           {"network", "POST", "/v2.0/**"}};

START_TEST(a_rule_is_of_one_service_and_one_method)
{
    static const char *const compute[] = {"other", "compute", NULL}, *const none[] = {NULL};
    ck_assert(access_rules_allow(rules, 2, compute, "GET", "/v2.1/servers/1"));
    ck_assert(!access_rules_allow(rules, 2, compute, "HEAD", "/v2.1/servers/1"));
    ck_assert(!access_rules_allow(rules, 2, compute, "POST", "/v2.0/networks"));
    ck_assert(!access_rules_allow(rules, 2, none, "GET", "/v2.1/servers/1"));
    ck_assert(!access_rules_allow(rules, 2, NULL, "GET", "/v2.1/servers/1"));
    ck_assert(!access_rules_allow(rules, 0, compute, "GET", "/v2.1/servers/1"));
}
END_TEST

static struct auth_context *
through_claims(const char *rules_json)
{
    static const char *const none[] = {NULL};
    const struct auth_context auth = {.user_id = "u",
                                      .user_name = "n",
                                      .user_domain_id = "d",
                                      .user_domain_name = "D",
                                      .roles = none,
                                      .role_ids = none,
                                      .audit_id = "a",
                                      .appcred_id = "c",
                                      .appcred_name = "cred",
                                      .is_restricted = true,
                                      .access_rules = rules,
                                      .n_access_rules = 2,
                                      .issued_at_us = 1,
                                      .expires_at_us = 2};
    g_autofree char *text = claims_text(&auth);
    json_auto_t *claims = json_loads(text, 0, NULL);
    if (rules_json) {
        json_object_set_new(claims, "rules", json_loads(rules_json, JSON_DECODE_ANY, NULL));
    }
    struct auth_context *context = NULL;
    ck_assert_int_eq(context_from_claims(claims, &context, NULL), RC_OK);
    return context;
}

START_TEST(claims_keep_the_rules)
{
    struct auth_context *context = through_claims(NULL);
    ck_assert_str_eq(context->appcred_id, "c");
    ck_assert_str_eq(context->appcred_name, "cred");
    ck_assert(context->is_restricted);
    ck_assert_uint_eq(context->n_access_rules, 2);
    ck_assert_str_eq(context->access_rules[1].service, "network");
    ck_assert_str_eq(context->access_rules[1].method, "POST");
    ck_assert_str_eq(context->access_rules[1].path, "/v2.0/**");
    auth_context_unref(context);
}
END_TEST

START_TEST(rules_that_are_not_rules_allow_nothing)
{
    static const char *const strange[] = {"[]", "7", "[[]]", "[{}]", "\"x\"", "null"},
                             *const types[] = {"compute", NULL};
    for (size_t i = 0; i < N_ELEMENTS(strange); i++) {
        struct auth_context *context = through_claims(strange[i]);
        ck_assert_uint_ge(context->n_access_rules, 1);
        ck_assert(!access_rules_allow(context->access_rules, context->n_access_rules, types, "GET",
                                      "/v2.1/servers/1"));
        auth_context_unref(context);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("access rules");
    TCase *tests = tcase_create("rules");
    tcase_add_loop_test(tests, a_pattern_covers_what_its_wildcards_say, 0, N_ELEMENTS(cases));
    tcase_add_test(tests, a_hostile_pattern_costs_little);
    tcase_add_test(tests, a_rule_is_of_one_service_and_one_method);
    tcase_add_test(tests, claims_keep_the_rules);
    tcase_add_test(tests, rules_that_are_not_rules_allow_nothing);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
