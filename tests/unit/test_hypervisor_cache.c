// SPDX-License-Identifier: Apache-2.0
// Which cached images go, and which stay.
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "common/base/util.h"
#include "services/compute/hypervisor/files.h"
#include "services/compute/hypervisor/image_cache.h"

#define MAX_AGE_S 3600
#define USED "00000000-0000-4000-8000-000000000001"
#define OLD "00000000-0000-4000-8000-000000000002"
#define YOUNG "00000000-0000-4000-8000-000000000003"
#define NEW "00000000-0000-4000-8000-000000000004"

static char *dir;
static GHashTable *used;

static void
add(const char *name, time_t age_s)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    ck_assert(g_file_set_contents(path, "x", 1, NULL));
    struct timespec then = {.tv_sec = time(NULL) - age_s};
    const struct timespec times[2] = {then, then};
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void
set_up(void)
{
    dir = g_dir_make_tmp("haneul-cache-XXXXXX", NULL);
    used = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_add(used, (gpointer)USED);
    add(USED, 100 * MAX_AGE_S);
    add(OLD, 2 * MAX_AGE_S);
    add(YOUNG, MAX_AGE_S / 2);
    add(NEW, 1);
    add(OLD ".qcow2", 2 * MAX_AGE_S);
    add(USED ".qcow2", 2 * MAX_AGE_S);
    add("notes.txt", 100 * MAX_AGE_S);
    add(OLD ".part", 1);
}

static void
tear_down(void)
{
    g_hash_table_destroy(used);
    rc_ignore(file_tree_remove(dir, NULL));
    g_free(dir);
}

static bool
has(const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    return file_exists(path);
}

static size_t
evict(int64_t min_free_bytes)
{
    const struct image_cache_config config = {dir, 1, MAX_AGE_S, min_free_bytes};
    struct image_cache *cache = NULL;
    struct err err = {0};
    ck_assert_int_eq(image_cache_open(&config, &cache, &err), RC_OK);
    size_t n = image_cache_evict(cache, used);
    image_cache_free(cache);
    return n;
}

START_TEST(only_what_is_unused_and_old_goes)
{
    ck_assert_uint_eq(evict(0), 2);
    ck_assert(has(USED ".qcow2") && !has(OLD ".qcow2"));
    ck_assert(has(USED) && !has(OLD) && has(YOUNG) && has(NEW) && has("notes.txt"));
}
END_TEST

START_TEST(short_space_takes_younger_ones_but_not_what_just_came)
{
    ck_assert_uint_eq(evict(INT64_MAX), 3);
    ck_assert(has(USED) && !has(OLD) && !has(YOUNG) && has(NEW));
}
END_TEST

START_TEST(what_a_killed_fetch_left_goes_at_start)
{
    evict(0);
    ck_assert(!has(OLD ".part"));
}
END_TEST

START_TEST(use_makes_an_image_young_again)
{
    evict(0);
    g_hash_table_remove_all(used);
    ck_assert_uint_eq(evict(0), 0);
    ck_assert(has(USED));
}
END_TEST

START_TEST(an_image_too_big_is_refused_before_it_is_asked_for)
{
    const struct image_cache_config config = {dir, 1000, MAX_AGE_S, 0};
    struct image_cache *cache = NULL;
    struct err err = {0};
    ck_assert_int_eq(image_cache_open(&config, &cache, &err), RC_OK);
    const struct order_image image = {.id = "x", .url = "http://127.0.0.1:1/", .size = 1001};
    const struct image_wait wait = {0};
    ck_assert_int_eq(image_cache_fetch(cache, &image, &wait, &err), RC_TOO_LARGE);
    image_cache_free(cache);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("hypervisor_cache");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, only_what_is_unused_and_old_goes);
    tcase_add_test(tcase, short_space_takes_younger_ones_but_not_what_just_came);
    tcase_add_test(tcase, what_a_killed_fetch_left_goes_at_start);
    tcase_add_test(tcase, use_makes_an_image_young_again);
    tcase_add_test(tcase, an_image_too_big_is_refused_before_it_is_asked_for);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
