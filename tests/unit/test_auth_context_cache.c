// SPDX-License-Identifier: Apache-2.0
// Contexts come back by their keys, the least used of a set makes room, and references are counted.
#include "common/auth/context_cache.h"
#include "common/auth/jws.h"

#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

static struct auth_context *
context_of(const char *user_id)
{
    struct auth_context *context = NULL;
    struct err err = {0};
    json_auto_t *claims =
        json_pack("{s:s, s:s, s:[s, s], s:s, s:I, s:I}", "sub", user_id, "sub_name", "name", "udom",
                  "d1", "one", "aud_id", "a", "iat_us", (json_int_t)1, "exp_us", (json_int_t)2);
    ck_assert_int_eq(context_from_claims(claims, &context, &err), RC_OK);
    return context;
}

static struct context_key
key_of(const char *text, uint64_t hash)
{
    return (struct context_key){text, strlen(text), hash};
}

static void
put(struct context_cache *cache, const char *text, uint64_t hash, uint64_t stamp)
{
    const struct context_key key = key_of(text, hash);
    const struct context_entry entry = {context_of(text), stamp, 7};
    context_cache_put(cache, &key, &entry);
    auth_context_unref(entry.context);
}

// The stamp; 0: not there.
static uint64_t
stamp_of(struct context_cache *cache, const char *text, uint64_t hash)
{
    const struct context_key key = key_of(text, hash);
    struct context_entry entry;
    if (!context_cache_find(cache, &key, &entry)) {
        return 0;
    }
    ck_assert_str_eq(entry.context->user_id, text);
    ck_assert_int_eq(entry.made_ms, 7);
    auth_context_unref(entry.context);
    return entry.stamp;
}

START_TEST(what_was_put_is_found_by_its_whole_key)
{
    struct context_cache *cache = context_cache_new(64);
    put(cache, "user", 5, 1);
    put(cache, "use", 5, 2);
    put(cache, "user1", 5, 3);
    ck_assert_uint_eq(stamp_of(cache, "user", 5), 1);
    ck_assert_uint_eq(stamp_of(cache, "use", 5), 2);
    ck_assert_uint_eq(stamp_of(cache, "user1", 5), 3);
    ck_assert_uint_eq(stamp_of(cache, "usex", 5), 0);
    ck_assert_uint_eq(stamp_of(cache, "user", 6), 0);
    context_cache_free(cache);
    context_cache_free(NULL);
}
END_TEST

START_TEST(putting_again_replaces)
{
    struct context_cache *cache = context_cache_new(64);
    put(cache, "a", 1, 1);
    put(cache, "a", 1, 2);
    ck_assert_uint_eq(stamp_of(cache, "a", 1), 2);
    // The very context that is there already.
    const struct context_key key = key_of("a", 1);
    struct context_entry entry;
    ck_assert(context_cache_find(cache, &key, &entry));
    entry.stamp = 3;
    context_cache_put(cache, &key, &entry);
    auth_context_unref(entry.context);
    ck_assert_uint_eq(stamp_of(cache, "a", 1), 3);
    context_cache_free(cache);
}
END_TEST

START_TEST(what_is_dropped_is_gone_but_lives_for_who_has_it)
{
    struct context_cache *cache = context_cache_new(64);
    const struct context_key key = key_of("a", 1), other = key_of("b", 1);
    struct context_entry entry;
    put(cache, "a", 1, 1);
    ck_assert(context_cache_find(cache, &key, &entry));
    context_cache_drop(cache, &other);
    ck_assert_uint_eq(stamp_of(cache, "a", 1), 1);
    context_cache_drop(cache, &key);
    ck_assert_uint_eq(stamp_of(cache, "a", 1), 0);
    context_cache_free(cache);
    ck_assert_str_eq(entry.context->user_id, "a");
    auth_context_unref(entry.context);
}
END_TEST

START_TEST(the_least_used_of_a_set_makes_room)
{
    struct context_cache *cache = context_cache_new(64);
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        put(cache, keys[i], 3, i + 1);
    }
    ck_assert_uint_eq(stamp_of(cache, "a", 3), 1); // used: "b" is the oldest now
    put(cache, "e", 3, 5);
    ck_assert_uint_eq(stamp_of(cache, "b", 3), 0);
    ck_assert_uint_eq(stamp_of(cache, "a", 3), 1);
    ck_assert_uint_eq(stamp_of(cache, "c", 3), 3);
    ck_assert_uint_eq(stamp_of(cache, "d", 3), 4);
    ck_assert_uint_eq(stamp_of(cache, "e", 3), 5);
    context_cache_free(cache);
}
END_TEST

START_TEST(it_keeps_as_many_as_it_was_made_for)
{
    struct context_cache *cache = context_cache_new(100); // 128
    int n_known = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++) {
            char text[16];
            g_snprintf(text, sizeof text, "u%d", i);
            if (round == 0) {
                put(cache, text, (uint64_t)i, 1);
            } else {
                n_known += stamp_of(cache, text, (uint64_t)i) == 1;
            }
        }
    }
    ck_assert_int_eq(n_known, 128);
    context_cache_free(cache);
}
END_TEST

static gpointer
use_much(gpointer data)
{
    struct context_cache *cache = data;
    for (int i = 0; i < 5000; i++) {
        char text[16];
        g_snprintf(text, sizeof text, "u%d", i % 24);
        const struct context_key key = key_of(text, (uint64_t)(i % 4));
        if (i % 3 == 0) {
            put(cache, text, key.hash, 1);
        } else if (i % 7 == 0) {
            context_cache_drop(cache, &key);
        } else {
            ck_assert_uint_le(stamp_of(cache, text, key.hash), 1);
        }
    }
    return NULL;
}

START_TEST(threads_share_it)
{
    struct context_cache *cache = context_cache_new(16);
    GThread *threads[4];
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("user", use_much, cache);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
    context_cache_free(cache);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("auth_context_cache");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, what_was_put_is_found_by_its_whole_key);
    tcase_add_test(tests, putting_again_replaces);
    tcase_add_test(tests, what_is_dropped_is_gone_but_lives_for_who_has_it);
    tcase_add_test(tests, the_least_used_of_a_set_makes_room);
    tcase_add_test(tests, it_keeps_as_many_as_it_was_made_for);
    tcase_add_test(tests, threads_share_it);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
