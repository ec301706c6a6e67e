// SPDX-License-Identifier: Apache-2.0
// Texts are given until they are replaced, too old, or pushed out by others.
#include "common/base/text_cache.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static bool
has(struct text_cache *cache, const char *key, const char *label, const char *text)
{
    struct cached_text found;
    if (!text_cache_find(cache, key, &found)) {
        return false;
    }
    bool is_same = !strcmp(found.label, label) && !strcmp(found.text, text);
    text_cache_done(&found);
    return is_same;
}

START_TEST(what_was_put_last_is_given)
{
    struct text_cache *cache = text_cache_new(1 << 20, 60000);
    ck_assert(!has(cache, "a", "1", "one"));
    text_cache_put(cache, "a", "1", "one");
    text_cache_put(cache, "b", "1", "other");
    text_cache_put(cache, "a", "2", "two");
    ck_assert(has(cache, "a", "2", "two"));
    ck_assert(has(cache, "b", "1", "other"));
    text_cache_free(cache);
}
END_TEST

START_TEST(only_what_was_found_is_renewed)
{
    struct text_cache *cache = text_cache_new(1 << 20, 60000);
    struct cached_text found;
    text_cache_put(cache, "a", "1", "one");
    ck_assert(text_cache_find(cache, "a", &found));
    text_cache_renew(cache, "a", found.serial, "3");
    ck_assert(has(cache, "a", "3", "one"));
    text_cache_put(cache, "a", "2", "two");
    text_cache_renew(cache, "a", found.serial, "4");
    ck_assert(has(cache, "a", "2", "two"));
    text_cache_renew(cache, "gone", found.serial, "4");
    text_cache_done(&found);
    text_cache_free(cache);
}
END_TEST

START_TEST(a_text_ends_with_its_life)
{
    struct text_cache *cache = text_cache_new(1 << 20, 0);
    text_cache_put(cache, "a", "1", "one");
    ck_assert(!has(cache, "a", "1", "one"));
    size_t n_bytes, n_texts;
    text_cache_size(cache, &n_bytes, &n_texts);
    ck_assert_uint_eq(n_bytes, 0);
    ck_assert_uint_eq(n_texts, 0);
    text_cache_free(cache);
}
END_TEST

START_TEST(the_one_used_longest_ago_makes_room)
{
    enum { MAX = 64 * 1024, TEXT = 4000 };
    struct text_cache *cache = text_cache_new(MAX, 60000);
    g_autofree char *text = g_strnfill(TEXT, 'x');
    text_cache_put(cache, "first", "1", text);
    for (int i = 0; i < 100; i++) {
        char key[16];
        g_snprintf(key, sizeof key, "%d", i);
        text_cache_put(cache, key, "1", text);
        ck_assert(has(cache, "first", "1", text)); // so it is never the oldest
        size_t n_bytes, n_texts;
        text_cache_size(cache, &n_bytes, &n_texts);
        ck_assert_uint_le(n_bytes, MAX);
    }
    ck_assert(has(cache, "99", "1", text));
    ck_assert(!has(cache, "0", "1", text));
    g_autofree char *huge = g_strnfill(MAX / 4, 'x');
    text_cache_put(cache, "huge", "1", huge);
    ck_assert(!has(cache, "huge", "1", huge));
    text_cache_free(cache);
}
END_TEST

int
main(void)
{
    TCase *tcase = tcase_create("text cache");
    tcase_add_test(tcase, what_was_put_last_is_given);
    tcase_add_test(tcase, only_what_was_found_is_renewed);
    tcase_add_test(tcase, a_text_ends_with_its_life);
    tcase_add_test(tcase, the_one_used_longest_ago_makes_room);
    Suite *suite = suite_create("text cache");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
