// SPDX-License-Identifier: Apache-2.0
// Which tokens a revocation ends.
#include "common/auth/revocation.h"
#include "common/base/util.h"
#include <check.h>
#include <stdlib.h>

static const char *const roles[] = {"member", "reader", NULL};
static const char *const role_ids[] = {"r1", "r2", NULL};

static const struct auth_context in_project = {.user_id = "u1",
                                               .user_domain_id = "d1",
                                               .project_id = "p1",
                                               .project_domain_id = "d2",
                                               .domain_id = "",
                                               .roles = roles,
                                               .role_ids = role_ids,
                                               .audit_id = "a1",
                                               .provider_id = "idp",
                                               .protocol_id = "openid",
                                               .issued_at_us = 1000};
static const struct auth_context in_domain = {.user_id = "u1",
                                              .user_domain_id = "d1",
                                              .project_id = "",
                                              .project_domain_id = "",
                                              .domain_id = "d3",
                                              .roles = roles,
                                              .role_ids = role_ids,
                                              .audit_id = "a2",
                                              .issued_at_us = 1000};

// clang-format off
static const struct {
    const char *name;
    struct revocation revocation;
    bool ends_project_token, ends_domain_token;
} cases[] = {
    {"one token",                 {.audit_id = "a1", .issued_before_us = 1000}, true, false},
    {"a later one lives on",      {.user_id = "u1", .issued_before_us = 999}, false, false},
    {"all of a user",             {.user_id = "u1", .issued_before_us = 1000}, true, true},
    {"another user",              {.user_id = "u2", .issued_before_us = 1000}, false, false},
    {"a project",                 {.project_id = "p1", .issued_before_us = 2000}, true, false},
    {"the user's domain",         {.domain_id = "d1", .issued_before_us = 2000}, true, true},
    {"the project's domain",      {.domain_id = "d2", .issued_before_us = 2000}, true, false},
    {"the scope's domain",        {.domain_id = "d3", .issued_before_us = 2000}, false, true},
    {"a user's role on a project", {.user_id = "u1", .project_id = "p1", .role_id = "r2", .issued_before_us = 2000}, true, false},
    {"a role that is not held",   {.user_id = "u1", .project_id = "p1", .role_id = "r3", .issued_before_us = 2000}, false, false},
    {"a role on the user's own domain is not one on the project", {.user_id = "u1", .domain_id = "d1", .role_id = "r1", .issued_before_us = 2000}, false, false},
    {"a role on the domain in scope", {.user_id = "u1", .domain_id = "d3", .role_id = "r1", .issued_before_us = 2000}, false, true},
    {"a role everywhere",         {.role_id = "r1", .issued_before_us = 2000}, true, true},
    {"a provider's protocol",     {.federation = "idp/openid", .issued_before_us = 2000}, true, false},
    {"another of its protocols",  {.federation = "idp/saml2", .issued_before_us = 2000}, false, false},
    {"one with all its fields",   {.audit_id = "a1", .user_id = "u1", .project_id = "p1", .domain_id = "d1", .role_id = "r1", .federation = "idp/openid", .issued_before_us = 2000}, false, false},
    {"a user by a protocol",      {.user_id = "u1", .federation = "idp/openid", .issued_before_us = 2000}, true, false},
    {"everything",                {.issued_before_us = 2000}, true, true},
};
// clang-format on

START_TEST(a_revocation_ends_what_matches_all_its_fields)
{
    struct revocation_set *set = revocation_set_new();
    uint64_t epoch = revocation_set_epoch(set);
    revocation_set_add(set, &cases[_i].revocation);
    ck_assert_uint_ne(revocation_set_epoch(set), epoch);
    ck_assert_msg(revocation_set_matches(set, &in_project) == cases[_i].ends_project_token, "%s",
                  cases[_i].name);
    ck_assert_msg(revocation_set_matches(set, &in_domain) == cases[_i].ends_domain_token, "%s",
                  cases[_i].name);
    revocation_set_free(set);
}
END_TEST

START_TEST(the_latest_time_counts_whatever_the_order)
{
    struct revocation_set *set = revocation_set_new();
    revocation_set_add(set, &(struct revocation){.user_id = "u1", .issued_before_us = 5000});
    revocation_set_add(set, &(struct revocation){.user_id = "u1", .issued_before_us = 10});
    ck_assert(revocation_set_matches(set, &in_project));
    revocation_set_free(set);
}
END_TEST

START_TEST(many_revocations_cost_as_little_as_few)
{
    struct revocation_set *set = revocation_set_new();
    for (int i = 0; i < 50000; i++) {
        g_autofree char *audit_id = g_strdup_printf("other-%d", i);
        revocation_set_add(
            set, &(struct revocation){.audit_id = audit_id, .issued_before_us = now_us()});
    }
    int64_t start_us = now_us();
    for (int i = 0; i < 1000; i++) {
        ck_assert(!revocation_set_matches(set, &in_project));
    }
    ck_assert_int_lt((now_us() - start_us) / 1000, 100);
    revocation_set_free(set);
}
END_TEST

#define S INT64_C(1000000)

START_TEST(what_ended_is_forgotten_and_the_rest_is_not)
{
    struct revocation_set *set = revocation_set_new();
    for (int i = 0; i < 5000; i++) {
        g_autofree char *audit_id = g_strdup_printf("other-%d", i * 7919 % 5000);
        revocation_set_add(set, &(struct revocation){.audit_id = audit_id,
                                                     .user_id = "u1",
                                                     .issued_before_us = 2000,
                                                     .ends_us = (i * 7919 % 5000 + 1) * S});
    }
    revocation_set_add(set, &(struct revocation){.audit_id = "a1", .issued_before_us = 2000});
    revocation_set_prune(set, 1001 * S + REVOCATION_SPARE_US);
    ck_assert_uint_eq(revocation_set_size(set), 4001);
    revocation_set_add(set, &(struct revocation){.audit_id = "other-1000", // later than it was
                                                 .user_id = "u1",
                                                 .issued_before_us = 2000,
                                                 .ends_us = 6000 * S});
    revocation_set_prune(set, 5001 * S + REVOCATION_SPARE_US);
    ck_assert_uint_eq(revocation_set_size(set), 2);
    ck_assert(revocation_set_matches(set, &in_project));
    revocation_set_prune(set, (TOKEN_LIFE_MAX_S + 1) * S + REVOCATION_SPARE_US);
    ck_assert_uint_eq(revocation_set_size(set), 0);
    ck_assert(!revocation_set_matches(set, &in_project));
    revocation_set_free(set);
}
END_TEST

// A user's tokens that were ended one by one at 0, 10, 20 … µs, each of them issued 5 µs before.
#define N_SINGLE 100

static void
add_single(struct revocation_set *set, int i)
{
    g_autofree char *audit_id = g_strdup_printf("s-%d", i);
    revocation_set_add(set, &(struct revocation){.audit_id = audit_id,
                                                 .user_id = "u1",
                                                 .issued_before_us = i * INT64_C(10),
                                                 .ends_us = 100 * S});
}

static bool
is_single_ended(const struct revocation_set *set, int i, const char *user_id)
{
    g_autofree char *audit_id = g_strdup_printf("s-%d", i);
    const struct auth_context token = {.user_id = user_id,
                                       .audit_id = audit_id,
                                       .project_id = "p",
                                       .domain_id = "",
                                       .issued_at_us = i * INT64_C(10) - 5};
    return revocation_set_matches(set, &token);
}

// In the order: before, amid, after the single ones.
START_TEST(a_fold_stands_for_what_was_before_it_whatever_the_order)
{
    const struct revocation fold = {.user_id = "u1", .issued_before_us = 490, .ends_us = 101 * S},
                            other = {.audit_id = "s-1",
                                     .user_id = "u2",
                                     .issued_before_us = 10,
                                     .ends_us = 100 * S};
    struct revocation_set *set = revocation_set_new();
    revocation_set_add(set, &other);
    for (int i = 0; i < N_SINGLE; i++) {
        if (i == _i * N_SINGLE / 2) {
            revocation_set_add(set, &fold);
        }
        add_single(set, i);
    }
    revocation_set_add(set, &fold);
    ck_assert_uint_eq(revocation_set_size(set), N_SINGLE / 2 + 2);
    uint64_t epoch = revocation_set_epoch(set);
    for (int i = 0; i < N_SINGLE; i++) {
        add_single(set, i); // again, as after a lost reply
        ck_assert(is_single_ended(set, i, "u1"));
        ck_assert(is_single_ended(set, i, "u2") == (i == 1));
    }
    ck_assert_uint_eq(revocation_set_size(set), N_SINGLE / 2 + 2);
    ck_assert_uint_eq(revocation_set_epoch(set), epoch);
    ck_assert(!revocation_set_matches(set, &in_project)); // of the same user, later
    revocation_set_prune(set, 100 * S + REVOCATION_SPARE_US + 1);
    ck_assert_uint_eq(revocation_set_size(set), 1);
    ck_assert(is_single_ended(set, 3, "u1"));
    revocation_set_free(set);
}
END_TEST

START_TEST(a_fold_that_ends_sooner_takes_nothing_away)
{
    struct revocation_set *set = revocation_set_new();
    add_single(set, 3);
    revocation_set_add(
        set, &(struct revocation){.user_id = "u1", .issued_before_us = 490, .ends_us = 99 * S});
    ck_assert_uint_eq(revocation_set_size(set), 2);
    revocation_set_prune(set, 100 * S + REVOCATION_SPARE_US - 1);
    ck_assert_uint_eq(revocation_set_size(set), 1);
    ck_assert(is_single_ended(set, 3, "u1"));
    revocation_set_free(set);
}
END_TEST

// A loop of one user, folded as identity does: never more than so many are known.
START_TEST(a_loop_of_one_user_is_bounded)
{
    enum { N_MAX = 64, N_LOOP = 20000 };
    struct revocation_set *set = revocation_set_new();
    for (int i = 0, last = 0; i < N_LOOP; i++) {
        add_single(set, i);
        if (i - last > N_MAX) {
            last = i - N_MAX / 2;
            revocation_set_add(set, &(struct revocation){.user_id = "u1",
                                                         .issued_before_us = last * INT64_C(10),
                                                         .ends_us = 200 * S});
        }
        ck_assert_uint_le(revocation_set_size(set), N_MAX + 2);
    }
    for (int i = 0; i < N_LOOP; i++) {
        ck_assert(is_single_ended(set, i, "u1"));
    }
    revocation_set_free(set);
}
END_TEST

START_TEST(an_id_of_any_length_is_revoked)
{
    struct revocation_set *set = revocation_set_new();
    g_autofree char *id = g_strnfill(5000, 'x');
    struct auth_context token = in_domain;
    token.audit_id = id;
    revocation_set_add(set, &(struct revocation){.audit_id = id, .issued_before_us = 2000});
    ck_assert(revocation_set_matches(set, &token) && !revocation_set_matches(set, &in_domain));
    revocation_set_free(set);
}
END_TEST

START_TEST(a_revocation_goes_through_the_feed_as_it_is)
{
    const struct revocation whole = {"a", "u", "p", "d", "r", 0}, some = {.user_id = "u"};
    json_auto_t *object = revocation_to_json(&whole), *short_one = revocation_to_json(&some);
    ck_assert_uint_eq(json_object_size(object), 5);
    ck_assert_uint_eq(json_object_size(short_one), 1);
    json_object_set_new(object, "issued_before_us", json_integer(7));
    json_auto_t *with_end = revocation_to_json(&(struct revocation){.user_id = "u", .ends_us = 9});
    ck_assert_int_eq(revocation_from_json(with_end).ends_us, 9);
    struct revocation back = revocation_from_json(object);
    ck_assert_str_eq(back.audit_id, "a");
    ck_assert_str_eq(back.user_id, "u");
    ck_assert_str_eq(back.project_id, "p");
    ck_assert_str_eq(back.domain_id, "d");
    ck_assert_str_eq(back.role_id, "r");
    ck_assert_int_eq(back.issued_before_us, 7);
    back = revocation_from_json(short_one);
    ck_assert_str_eq(back.user_id, "u");
    ck_assert_ptr_null(back.audit_id);
    ck_assert_ptr_null(back.role_id);
    json_auto_t *odd = json_pack("{s:i, s:n}", "user_id", 5, "role_id");
    back = revocation_from_json(odd);
    ck_assert_ptr_null(back.user_id);
    ck_assert_ptr_null(back.role_id);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("auth_revocation");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_revocation_ends_what_matches_all_its_fields, 0,
                        (int)N_ELEMENTS(cases));
    tcase_add_test(tcase, the_latest_time_counts_whatever_the_order);
    tcase_add_test(tcase, many_revocations_cost_as_little_as_few);
    tcase_add_test(tcase, what_ended_is_forgotten_and_the_rest_is_not);
    tcase_add_loop_test(tcase, a_fold_stands_for_what_was_before_it_whatever_the_order, 0, 3);
    tcase_add_test(tcase, a_fold_that_ends_sooner_takes_nothing_away);
    tcase_add_test(tcase, a_loop_of_one_user_is_bounded);
    tcase_add_test(tcase, an_id_of_any_length_is_revoked);
    tcase_add_test(tcase, a_revocation_goes_through_the_feed_as_it_is);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
