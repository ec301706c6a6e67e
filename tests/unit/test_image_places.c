// SPDX-License-Identifier: Apache-2.0
// Shares: nobody has all places or all threads, nothing is lost.
#include <check.h>

#include "services/image/data/places.h"
#include "services/image/data/turns.h"

START_TEST(a_project_has_its_share_of_places_and_all_have_no_more_than_there_are)
{
    struct places *places = places_new("uploads", 5, 2);
    ck_assert(places_try(places, "a") && places_try(places, "a"));
    ck_assert(!places_try(places, "a"));
    ck_assert(places_try(places, "b") && places_try(places, "") && places_try(places, ""));
    ck_assert(!places_try(places, "b") && !places_try(places, ""));
    places_give(places, "");
    ck_assert(!places_try(places, "a"));
    places_give(places, "a");
    ck_assert(places_try(places, "a"));
    places_unref(places_ref(places));
    places_unref(places);
    places_unref(NULL);
}
END_TEST

START_TEST(a_refusal_says_whose_places_are_taken_and_when_to_come_back)
{
    struct err err = {0};
    struct places *places = places_new("uploads", 2, 1);
    ck_assert_int_eq(places_take(places, "a", &err), RC_OK);
    ck_assert_int_eq(places_take(places, "a", &err), RC_UNAVAILABLE);
    ck_assert_str_eq(err.message, "too many uploads of this project at once, try again");
    ck_assert_uint_gt(err.retry_after_s, 0);
    ck_assert_int_eq(places_take(places, "b", &err), RC_OK);
    err = (struct err){0};
    ck_assert_int_eq(places_take(places, "c", &err), RC_UNAVAILABLE);
    ck_assert_str_eq(err.message, "too many uploads at once, try again");
    ck_assert_uint_gt(err.retry_after_s, 0);
    places_give(places, "b");
    ck_assert_int_eq(places_take(places, "c", &err), RC_OK);
    places_unref(places);
}
END_TEST

static struct {
    GMutex mutex;
    GCond changed;
    int n_slow, n_slow_max, n_done;
    gboolean may_end;
} state;

// Work "slow" waits until it may end; anything else ends at once.
static void
run(void *work, void *context)
{
    g_mutex_lock(&state.mutex);
    if (work == context) {
        state.n_slow++;
        state.n_slow_max = MAX(state.n_slow_max, state.n_slow);
        g_cond_broadcast(&state.changed);
        while (!state.may_end) {
            g_cond_wait(&state.changed, &state.mutex);
        }
        state.n_slow--;
    }
    state.n_done++;
    g_cond_broadcast(&state.changed);
    g_mutex_unlock(&state.mutex);
}

START_TEST(an_owner_whose_work_is_slow_keeps_nobody_else_waiting)
{
    char slow, quick;
    struct turns *turns = turns_new(run, &slow, 4, 2);
    for (int i = 0; i < 10; i++) {
        turns_push(turns, "slow", &slow);
    }
    for (int i = 0; i < 100; i++) {
        turns_push(turns, i % 2 ? "a" : "b", &quick);
    }
    g_mutex_lock(&state.mutex);
    while (state.n_done < 100 || state.n_slow < 2) {
        g_cond_wait(&state.changed, &state.mutex);
    }
    ck_assert_int_eq(state.n_slow_max, 2);
    state.may_end = TRUE;
    g_cond_broadcast(&state.changed);
    while (state.n_done < 110) {
        g_cond_wait(&state.changed, &state.mutex);
    }
    g_mutex_unlock(&state.mutex);
    ck_assert_int_eq(state.n_slow_max, 2);
    turns_free(turns);
}
END_TEST

START_TEST(what_waits_is_run_before_the_end)
{
    char slow, quick;
    struct turns *turns = turns_new(run, &slow, 1, 1);
    int before = state.n_done;
    for (int i = 0; i < 50; i++) {
        turns_push(turns, i % 2 ? "a" : "b", &quick);
    }
    turns_free(turns);
    ck_assert_int_eq(state.n_done, before + 50);
    turns_free(NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("image places");
    TCase *all = tcase_create("places and turns");
    tcase_add_test(all, a_project_has_its_share_of_places_and_all_have_no_more_than_there_are);
    tcase_add_test(all, a_refusal_says_whose_places_are_taken_and_when_to_come_back);
    tcase_add_test(all, an_owner_whose_work_is_slow_keeps_nobody_else_waiting);
    tcase_add_test(all, what_waits_is_run_before_the_end);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed != 0;
}
