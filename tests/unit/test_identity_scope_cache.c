// SPDX-License-Identifier: Apache-2.0
// What users hold in their scopes is given until something that it depends on has changed.
#include "common/auth/jws.h"
#include "common/base/util.h"
#include "services/identity/token/scope_cache.h"
#include <check.h>
#include <stdlib.h>

static struct auth_context *
held_by(const char *user_id)
{
    struct auth_context *context = NULL;
    struct err err = {0};
    json_auto_t *claims = json_pack(
        "{s:s, s:s, s:[s, s], s:[s, s, s, s], s:s, s:I, s:I, s:[[s, s]]}", "sub", user_id,
        "sub_name", "name", "udom", "d1", "one", "prj", "p1", "project", "d2", "two", "aud_id", "a",
        "iat_us", (json_int_t)1, "exp_us", (json_int_t)2, "roles", "r1", "member");
    ck_assert_int_eq(context_from_claims(claims, &context, &err), RC_OK);
    return context;
}

static void
put(struct scope_cache *cache, const struct scope_key *key, uint64_t epoch)
{
    struct auth_context *context = held_by(key->user_id);
    scope_cache_put(cache, key, context, epoch);
    auth_context_unref(context);
}

static bool
is_known(struct scope_cache *cache, const struct scope_key *key)
{
    struct auth_context *context = scope_cache_find(cache, key);
    bool found = context && !g_strcmp0(context->user_id, key->user_id);
    auth_context_unref(context);
    return found;
}

static const struct scope_key by_id = {"u1", SCOPE_PROJECT, {.id = "p1"}};

// clang-format off
static const struct {
    const char *changed;
    bool is_left;
} changes[] = {{"u1", false}, {"d1", false}, {"p1", false}, {"d2", false}, {NULL, false}, {"somebody", true}};
// clang-format on

START_TEST(a_change_of_what_it_depends_on_ends_an_entry)
{
    struct scope_cache *cache = scope_cache_new(64);
    put(cache, &by_id, scope_cache_epoch(cache));
    ck_assert(is_known(cache, &by_id));
    scope_cache_changed(cache, changes[_i].changed);
    ck_assert_msg(is_known(cache, &by_id) == changes[_i].is_left, "%s", changes[_i].changed);
    put(cache, &by_id, scope_cache_epoch(cache));
    ck_assert(is_known(cache, &by_id));
    scope_cache_free(cache);
}
END_TEST

START_TEST(what_was_read_before_a_change_is_not_kept)
{
    struct scope_cache *cache = scope_cache_new(64);
    uint64_t epoch = scope_cache_epoch(cache);
    scope_cache_changed(cache, "u1");
    put(cache, &by_id, epoch);
    ck_assert(!is_known(cache, &by_id));
    scope_cache_free(cache);
}
END_TEST

START_TEST(scopes_and_users_are_told_apart)
{
    static const struct scope_key others[] = {
        {"u2", SCOPE_PROJECT, {.id = "p1"}},
        {"u1", SCOPE_DOMAIN, {.id = "p1"}},
        {"u1", SCOPE_SYSTEM, {0}},
        {"u1", SCOPE_PROJECT, {.name = "p1", .domain_id = "d2"}},
        {"u1", SCOPE_PROJECT, {.name = "p1", .domain_name = "d2"}},
    };
    struct scope_cache *cache = scope_cache_new(64);
    put(cache, &by_id, scope_cache_epoch(cache));
    for (size_t i = 0; i < N_ELEMENTS(others); i++) {
        ck_assert_msg(!is_known(cache, &others[i]), "%zu", i);
    }
    for (size_t i = 0; i < N_ELEMENTS(others); i++) {
        put(cache, &others[i], scope_cache_epoch(cache));
        ck_assert_msg(is_known(cache, &others[i]), "%zu", i);
    }
    scope_cache_free(cache);
}
END_TEST

START_TEST(it_stays_small_and_long_names_are_not_kept)
{
    struct scope_cache *cache = scope_cache_new(64);
    int n_known = 0;
    char ids[1000][16];
    for (int i = 0; i < 1000; i++) {
        g_snprintf(ids[i], sizeof ids[i], "u%d", i);
        put(cache, &(struct scope_key){ids[i], SCOPE_PROJECT, {.id = "p1"}}, 0);
    }
    for (int i = 0; i < 1000; i++) {
        n_known += is_known(cache, &(struct scope_key){ids[i], SCOPE_PROJECT, {.id = "p1"}});
    }
    ck_assert_int_gt(n_known, 60);
    ck_assert_int_le(n_known, 128);
    g_autofree char *name = g_strnfill(1000, 'x');
    const struct scope_key key = {"u1", SCOPE_PROJECT, {.name = name, .domain_id = "d2"}};
    put(cache, &key, 0);
    ck_assert(!is_known(cache, &key));
    scope_cache_free(cache);
}
END_TEST

START_TEST(what_it_knew_long_ago_is_not_sure)
{
    struct scope_cache *cache = scope_cache_new(64);
    ck_assert_int_eq(scope_cache_as_of_us(cache), 0);
    scope_cache_confirm(cache, 5, monotonic_ms());
    ck_assert_int_eq(scope_cache_as_of_us(cache), 5);
    scope_cache_confirm(cache, 6, monotonic_ms() - 1000);
    ck_assert_int_eq(scope_cache_as_of_us(cache), 0);
    scope_cache_free(cache);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("identity_scope_cache");
    TCase *tcase = tcase_create("all");
    tcase_add_loop_test(tcase, a_change_of_what_it_depends_on_ends_an_entry, 0,
                        (int)N_ELEMENTS(changes));
    tcase_add_test(tcase, what_was_read_before_a_change_is_not_kept);
    tcase_add_test(tcase, scopes_and_users_are_told_apart);
    tcase_add_test(tcase, it_stays_small_and_long_names_are_not_kept);
    tcase_add_test(tcase, what_it_knew_long_ago_is_not_sure);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
