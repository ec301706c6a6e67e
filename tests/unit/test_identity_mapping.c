// SPDX-License-Identifier: Apache-2.0
// Mappings: which rules are rules, and what they make of an assertion.
#include "services/identity/federation/assertion.h"
#include "services/identity/federation/mapping.h"
#include <check.h>
#include <string.h>

static json_t *
json_of(const char *text)
{
    g_autofree char *quoted = g_strdup(text);
    g_strdelimit(quoted, "'", '"');
    json_error_t problem;
    json_t *json = json_loads(quoted, JSON_DECODE_ANY, &problem);
    ck_assert_msg(json != NULL, "%s: %s", problem.text, text);
    return json;
}

static enum rc
check_text(const char *rules, bool names_domains, struct err *err)
{
    json_auto_t *json = json_of(rules);
    return mapping_check(json, names_domains, err);
}

#define REMOTE "'remote': [{'type': 'a'}]"

START_TEST(rules_that_are_none_are_named_by_path)
{
    static const struct {
        const char *rules, *path;
    } cases[] = {
        {"{}", "'rules'"},
        {"[]", "'rules'"},
        {"[1]", "'rules[0]'"},
        {"[{'local': []}]", "rules[0].remote"},
        {"[{" REMOTE "}]", "rules[0].local"},
        {"[{'local': [], 'remote': []}]", "rules[0].remote"},
        {"[{'local': [], " REMOTE ", 'x': 1}]", "rules[0].x"},
        {"[{'local': [{'x': 1}], " REMOTE "}]", "rules[0].local[0].x"},
        {"[{'local': [{'user': {'name': 1}}], " REMOTE "}]", "rules[0].local[0].user.name"},
        {"[{'local': [{'user': {'type': 'x'}}], " REMOTE "}]", "rules[0].local[0].user"},
        {"[{'local': [{'group': {}}], " REMOTE "}]", "rules[0].local[0].group"},
        {"[{'local': [{'group': {'name': 'g'}}], " REMOTE "}]", "rules[0].local[0].group"},
        {"[{'local': [{'group': {'id': 'g', 'name': 'g'}}], " REMOTE "}]",
         "rules[0].local[0].group"},
        {"[{'local': [{'groups': ['g']}], " REMOTE "}]", "rules[0].local[0].groups"},
        {"[{'local': [{'projects': [{'name': 'p'}]}], " REMOTE "}]", "projects[0].roles"},
        {"[{'local': [{'projects': [{'name': 'p', 'roles': [], 'domain': {}}]}], " REMOTE "}]",
         "projects[0].domain"},
        {"[{'local': [{'groups': '{x}'}], " REMOTE "}]", "rules[0].local[0].groups"},
        {"[{'local': [{'groups': 'a}'}], " REMOTE "}]", "rules[0].local[0].groups"},
        {"[{'local': [], 'remote': [{}]}]", "rules[0].remote[0].type"},
        {"[{'local': [], 'remote': [{'type': 'a', 'any_one_of': 'b'}]}]", "remote[0].any_one_of"},
        {"[{'local': [], 'remote': [{'type': 'a', 'any_one_of': [1]}]}]", "any_one_of[0]"},
        {"[{'local': [], 'remote': [{'type': 'a', 'any_one_of': [], 'whitelist': []}]}]",
         "rules[0].remote[0]"},
        {"[{'local': [], 'remote': [{'type': 'a', 'regex': true}]}]", "rules[0].remote[0]"},
        {"[{'local': [], 'remote': [{'type': 'a', 'whitelist': ['('], 'regex': true}]}]",
         "rules[0].remote[0]"},
        {"[{'local': [], 'remote': [{'type': 'a', 'whitelist': ['a'], 'regex': 1}]}]",
         "rules[0].remote[0].regex"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct err err = {0};
        ck_assert_int_eq(check_text(cases[i].rules, false, &err), RC_INVALID);
        ck_assert_msg(strstr(err.message, cases[i].path) != NULL, "%s: %s", cases[i].rules,
                      err.message);
    }
}
END_TEST

START_TEST(projects_have_domains_in_version_2_alone)
{
    static const char rules[] =
        "[{'local': [{'projects': [{'name': 'p', 'roles': [{'name': 'r'}], 'domain': {'id': "
        "'d'}}]}], " REMOTE "}]";
    struct err err = {0};
    ck_assert_int_eq(check_text(rules, false, &err), RC_INVALID);
    ck_assert_int_eq(check_text(rules, true, &err), RC_OK);
}
END_TEST

#define RULE(local, remote) "[{'local': [" local "], 'remote': [" remote "]}]"
#define NAME "{'user': {'name': '{0}'}}"
#define GROUPS "{'groups': '{0}', 'domain': {'id': 'd'}}"

// out NULL: refused.
static const struct {
    const char *rules, *assertion, *out;
} cases[] = {
    {RULE(NAME, "{'type': 'u'}"), "{'u': ['ann']}",
     "{'user': {'name': 'ann', 'type': 'ephemeral'}, 'groups': [], 'projects': []}"},
    {RULE(NAME, "{'type': 'u'}"), "{'v': ['ann']}", NULL},
    {RULE(NAME, "{'type': 'u'}"), "{'u': ['ann', 'bob']}", NULL},
    {RULE(NAME, "{'type': 'u'}"), "{'u': ['a\\nb']}", NULL},
    {RULE("{'user': {'name': '{1}'}}", "{'type': 'u'}"), "{'u': ['ann']}", NULL},
    {RULE("{'user': {'name': '{0} {{x}} {1}'}}",
          "{'type': 'u'}, {'type': 'x', 'any_one_of': ['1']}, {'type': 'v'}"),
     "{'u': ['a'], 'v': ['b'], 'x': ['1', '2']}",
     "{'user': {'name': 'a {x} b', 'type': 'ephemeral'}, 'groups': [], 'projects': []}"},
    // conditions
    {RULE("", "{'type': 'u'}"), "{'u': ['ann']}", NULL},
    {RULE(NAME, "{'type': 'u'}, {'type': 'x', 'any_one_of': ['1']}"), "{'u': ['a'], 'x': ['2']}",
     NULL},
    {RULE(NAME, "{'type': 'u'}, {'type': 'x', 'not_any_of': ['1']}"),
     "{'u': ['a'], 'x': ['2', '1']}", NULL},
    {RULE(NAME, "{'type': 'u'}, {'type': 'x', 'not_any_of': ['1']}"), "{'u': ['a']}", NULL},
    {RULE(NAME, "{'type': 'u'}, {'type': 'x', 'any_one_of': ['@b.org$'], 'regex': true}"),
     "{'u': ['a'], 'x': ['a@b.org']}",
     "{'user': {'name': 'a', 'type': 'ephemeral'}, 'groups': [], 'projects': []}"},
    // lists
    {RULE(GROUPS, "{'type': 'g'}"), "{'g': ['x', 'y']}",
     "{'user': {'type': 'ephemeral'}, 'groups': [{'name': 'x', 'domain': {'id': 'd'}}, {'name': "
     "'y', 'domain': {'id': 'd'}}], 'projects': []}"},
    {RULE(GROUPS, "{'type': 'g', 'whitelist': ['y', 'z']}"), "{'g': ['x', 'y']}",
     "{'user': {'type': 'ephemeral'}, 'groups': [{'name': 'y', 'domain': {'id': 'd'}}], "
     "'projects': []}"},
    {RULE(GROUPS, "{'type': 'g', 'whitelist': ['z']}"), "{'g': ['x']}",
     "{'user': {'type': 'ephemeral'}, 'groups': [], 'projects': []}"},
    {RULE("{'group_ids': '{0}'}", "{'type': 'g', 'blacklist': ['^x'], 'regex': true}"),
     "{'g': ['x1', 'y']}",
     "{'user': {'type': 'ephemeral'}, 'groups': [{'id': 'y'}], 'projects': []}"},
    {RULE("{'groups': '{0}'}", "{'type': 'g'}"), "{'g': ['x']}", NULL},
    {RULE("{'group': {'name': '{0}-team', 'domain': {'name': 'd'}}}", "{'type': 'g'}"),
     "{'g': ['x']}",
     "{'user': {'type': 'ephemeral'}, 'groups': [{'name': 'x-team', 'domain': {'name': 'd'}}], "
     "'projects': []}"},
    {RULE("{'projects': [{'name': 'p {0}', 'roles': [{'name': 'member'}, {'name': '{0}'}]}]}",
          "{'type': 'u'}"),
     "{'u': ['a']}",
     "{'user': {'type': 'ephemeral'}, 'groups': [], 'projects': [{'name': 'p a', 'roles': "
     "['member', 'a']}]}"},
    {RULE("{'user': {'id': '{0}', 'type': 'local'}}", "{'type': 'u'}"), "{'u': ['a']}",
     "{'user': {'id': 'a', 'type': 'local'}, 'groups': [], 'projects': []}"},
    // what a literal list says is looked at when it is used
    {RULE("{'groups': '[\\'{0}\\', \\'x\\']', 'domain': {'id': 'd'}}", "{'type': 'u'}"),
     "{'u': ['a']}",
     "{'user': {'type': 'ephemeral'}, 'groups': [{'name': 'a', 'domain': {'id': 'd'}}, {'name': "
     "'x', 'domain': {'id': 'd'}}], 'projects': []}"},
    {RULE("{'groups': '[\\'\\\\u007b0\\']', 'domain': {'id': 'd'}}", "{'type': 'u'}"),
     "{'u': ['a']}", NULL},
    {RULE("{'group_ids': '[1]'}", "{'type': 'u'}"), "{'u': ['a']}", NULL},
    // a value is never a template itself
    {RULE(NAME, "{'type': 'u'}"), "{'u': ['{1}']}",
     "{'user': {'name': '{1}', 'type': 'ephemeral'}, 'groups': [], 'projects': []}"},
    // an expression that cannot be decided lets nobody in, whatever it is for
    {RULE(NAME, "{'type': 'u', 'blacklist': ['^(a+)+$'], 'regex': true}"),
     "{'u': ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!']}", NULL},
};

START_TEST(rules_make_of_an_assertion)
{
    struct err err = {0};
    json_auto_t *rules = json_of(cases[_i].rules), *assertion = json_of(cases[_i].assertion),
                *mapped = NULL;
    ck_assert_int_eq(mapping_check(rules, false, &err), RC_OK);
    enum rc rc = mapping_apply(rules, false, assertion, &mapped, &err);
    if (!cases[_i].out) {
        ck_assert_int_eq(rc, RC_UNAUTHORIZED);
        ck_assert_ptr_null(mapped);
        return;
    }
    ck_assert_msg(rc == RC_OK, "%s", err.message);
    json_auto_t *wanted = json_of(cases[_i].out);
    g_autofree char *got = json_dumps(mapped, JSON_SORT_KEYS);
    ck_assert_msg(json_equal(mapped, wanted), "%s", got);
}
END_TEST

START_TEST(the_first_rule_that_names_somebody_decides_and_groups_add_up)
{
    static const char text[] =
        "[{'local': [{'user': {'name': '{0}'}, 'group': {'id': '1'}}], 'remote': [{'type': 'u'}]}, "
        "{'local': [{'user': {'name': 'admin'}, 'group': {'id': '2'}}], 'remote': [{'type': "
        "'u'}]}]";
    struct err err = {0};
    json_auto_t *rules = json_of(text), *assertion = json_of("{'u': ['a']}"), *mapped = NULL;
    ck_assert_int_eq(mapping_apply(rules, false, assertion, &mapped, &err), RC_OK);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(mapped, "user"), "name")),
                     "a");
    ck_assert_uint_eq(json_array_size(json_object_get(mapped, "groups")), 2);
}
END_TEST

START_TEST(many_values_and_expressions_end)
{
    struct err err = {0};
    json_auto_t *rules = json_of(RULE(GROUPS, "{'type': 'g', 'whitelist': [], 'regex': true}")),
                *assertion = json_object(), *mapped = NULL;
    json_t *remote = json_array_get(json_object_get(json_array_get(rules, 0), "remote"), 0),
           *values = json_array();
    for (int i = 0; i < 100; i++) {
        json_array_append_new(json_object_get(remote, "whitelist"), json_sprintf("^x%d$", i));
        json_array_append_new(values, json_sprintf("y%d", i));
    }
    json_object_set_new(assertion, "g", values);
    ck_assert_int_eq(mapping_check(rules, false, &err), RC_OK);
    ck_assert_int_eq(mapping_apply(rules, false, assertion, &mapped, &err), RC_UNAUTHORIZED);
    ck_assert_ptr_nonnull(strstr(err.message, "too many"));
}
END_TEST

START_TEST(a_domain_beside_is_the_users_and_the_projects_in_version_2)
{
    struct err err = {0};
    json_auto_t *rules = json_of(RULE("{'user': {'name': '{0}'}, 'domain': {'name': 'd'}, "
                                      "'projects': [{'name': 'p', 'roles': []}]}",
                                      "{'type': 'u'}")),
                *assertion = json_of("{'u': ['a']}"), *mapped = NULL, *plain = NULL;
    ck_assert_int_eq(mapping_apply(rules, true, assertion, &mapped, &err), RC_OK);
    json_t *user = json_object_get(mapped, "user"),
           *project = json_array_get(json_object_get(mapped, "projects"), 0);
    ck_assert_ptr_nonnull(json_object_get(user, "domain"));
    ck_assert_ptr_nonnull(json_object_get(project, "domain"));
    ck_assert_int_eq(mapping_apply(rules, false, assertion, &plain, &err), RC_OK);
    ck_assert_ptr_null(json_object_get(json_object_get(plain, "user"), "domain"));
}
END_TEST

START_TEST(claims_have_the_names_that_mappings_use)
{
    struct err err = {0};
    json_auto_t *claims = json_of("{'sub': 'ann', 'email_verified': true, 'groups': ['a', 'b;c'], "
                                  "'n': 5, 'none': null, 'empty': [], 'more': {'x': [1]}}"),
                *assertion = NULL,
                *wanted = json_of("{'OIDC-sub': ['ann'], 'HTTP_OIDC_SUB': ['ann'], "
                                  "'OIDC-email_verified': ['1'], 'HTTP_OIDC_EMAIL_VERIFIED': "
                                  "['1'], 'OIDC-groups': ['a', 'b;c'], 'HTTP_OIDC_GROUPS': ['a', "
                                  "'b;c'], 'OIDC-n': ['5'], 'HTTP_OIDC_N': ['5'], 'OIDC-none': "
                                  "[], 'HTTP_OIDC_NONE': [], 'OIDC-empty': [''], "
                                  "'HTTP_OIDC_EMPTY': ['']}");
    ck_assert_int_eq(assertion_from_claims(claims, &assertion, &err), RC_OK);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(assertion, "OIDC-more"), 0)),
                     "{\"x\":[1]}");
    json_object_del(assertion, "OIDC-more");
    json_object_del(assertion, "HTTP_OIDC_MORE");
    ck_assert(json_equal(assertion, wanted));
}
END_TEST

START_TEST(two_spellings_of_one_name_are_refused)
{
    struct err err = {0};
    json_auto_t *claims = json_of("{'a-b': '1', 'a_b': '2'}"), *assertion = NULL;
    ck_assert_int_eq(assertion_from_claims(claims, &assertion, &err), RC_UNAUTHORIZED);
    json_auto_t *headers = json_object();
    const struct assertion_header first = {"OIDC-", "oidc-Sub", "a;b"},
                                  second = {"OIDC-", "OIDC_sub", "c"},
                                  third = {"OIDC-", "OIDC-x", "\xff"};
    ck_assert(assertion_has_prefix(first.name, "OIDC-"));
    ck_assert(assertion_has_prefix(second.name, "OIDC-"));
    ck_assert(!assertion_has_prefix("OIDC", "OIDC-"));
    ck_assert_int_eq(assertion_add_header(headers, &first, &err), RC_OK);
    ck_assert_uint_eq(json_array_size(json_object_get(headers, "OIDC-sub")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(headers, "HTTP_OIDC_SUB")), 2);
    ck_assert_int_eq(assertion_add_header(headers, &second, &err), RC_UNAUTHORIZED);
    ck_assert_int_eq(assertion_add_header(headers, &third, &err), RC_UNAUTHORIZED);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("identity mapping");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, rules_that_are_none_are_named_by_path);
    tcase_add_test(tcase, projects_have_domains_in_version_2_alone);
    tcase_add_loop_test(tcase, rules_make_of_an_assertion, 0, G_N_ELEMENTS(cases));
    tcase_add_test(tcase, the_first_rule_that_names_somebody_decides_and_groups_add_up);
    tcase_add_test(tcase, many_values_and_expressions_end);
    tcase_add_test(tcase, a_domain_beside_is_the_users_and_the_projects_in_version_2);
    tcase_add_test(tcase, claims_have_the_names_that_mappings_use);
    tcase_add_test(tcase, two_spellings_of_one_name_are_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed != 0;
}
