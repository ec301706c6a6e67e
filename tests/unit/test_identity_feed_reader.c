// SPDX-License-Identifier: Apache-2.0
#include "common/base/util.h"
#include "services/identity/token/feed_reader.h"

#include <check.h>
#include <glib.h>
#include <stdlib.h>

START_TEST(nobody_is_waited_for_who_does_not_follow)
{
    struct feed_readers *readers = feed_readers_new();
    ck_assert(feed_readers_await(readers, 7));
    feed_readers_saw(readers, "one", 7);
    ck_assert(feed_readers_await(readers, 7));
    feed_readers_free(readers);
}
END_TEST

START_TEST(who_waits_makes_readers_hurry)
{
    struct feed_readers *readers = feed_readers_new();
    ck_assert_int_eq(feed_readers_saw(readers, "one", 7), 0);
    ck_assert(feed_readers_await(readers, 7));
    ck_assert_int_eq(feed_readers_saw(readers, "one", 7), FEED_HURRY_INTERVAL_MS);
    feed_readers_free(readers);
}
END_TEST

static void *
come_further(void *readers)
{
    g_usleep(20000);
    feed_readers_saw(readers, "one", 8);
    g_usleep(20000);
    feed_readers_saw(readers, "two", 9);
    return NULL;
}

START_TEST(a_wait_ends_when_the_last_one_knows)
{
    struct feed_readers *readers = feed_readers_new();
    feed_readers_saw(readers, "one", 7);
    feed_readers_saw(readers, "two", 7);
    int64_t start_ms = monotonic_ms();
    GThread *thread = g_thread_new("readers", come_further, readers);
    ck_assert(feed_readers_await(readers, 8));
    ck_assert_int_ge(monotonic_ms() - start_ms, 35);
    g_thread_join(thread);
    feed_readers_free(readers);
}
END_TEST

START_TEST(a_reader_that_went_away_is_waited_for_no_longer)
{
    struct feed_readers *readers = feed_readers_new();
    feed_readers_saw(readers, "one", 7);
    int64_t start_ms = monotonic_ms();
    feed_readers_await(readers, 8);
    ck_assert_int_ge(monotonic_ms() - start_ms, FEED_READER_AWAY_MS - 5);
    ck_assert_int_lt(monotonic_ms() - start_ms, 5 * FEED_READER_AWAY_MS);
    g_usleep(20000);
    ck_assert(feed_readers_await(readers, 8)); // at once
    feed_readers_free(readers);
}
END_TEST

START_TEST(strangers_do_not_fill_the_memory)
{
    struct feed_readers *readers = feed_readers_new();
    for (int i = 0; i < 4 * FEED_READERS_MAX; i++) {
        g_autofree char *id = g_strdup_printf("%d", i);
        feed_readers_saw(readers, id, 7);
    }
    ck_assert(feed_readers_await(readers, 7));
    // One that is known counts on; one too many does not.
    feed_readers_saw(readers, "0", 6);
    feed_readers_saw(readers, "more", 0);
    ck_assert(feed_readers_await(readers, 6));
    feed_readers_free(readers);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("identity_feed_reader");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, nobody_is_waited_for_who_does_not_follow);
    tcase_add_test(tcase, who_waits_makes_readers_hurry);
    tcase_add_test(tcase, a_wait_ends_when_the_last_one_knows);
    tcase_add_test(tcase, a_reader_that_went_away_is_waited_for_no_longer);
    tcase_add_test(tcase, strangers_do_not_fill_the_memory);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
