// SPDX-License-Identifier: Apache-2.0
// The life-cycle table as a whole, the engine that walks it, and keys.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/keygen.h"
#include "services/compute/core/life.h"

START_TEST(every_state_has_its_own_look)
{
    for (int a = 0; a < N_LIFE_STATES; a++) {
        ck_assert_ptr_nonnull(life_vm_state(a));
        ck_assert_ptr_nonnull(life_status(a));
        ck_assert_int_eq(life_state_from(life_vm_state(a), life_task_state(a)), a);
        g_autofree char *name = life_task_state(a)
                                    ? g_strdup_printf("%s/%s", life_vm_state(a), life_task_state(a))
                                    : g_strdup(life_vm_state(a));
        ck_assert_str_eq(life_fsm.states[a], name);
    }
    ck_assert_int_eq(life_state_from("active", "dreaming"), N_LIFE_STATES);
}
END_TEST

START_TEST(every_state_but_deleted_can_be_left_for_deletion)
{
    for (int state = 0; state < N_LIFE_STATES; state++) {
        int next = fsm_next(&life_fsm, state, LIFE_EV_DELETE);
        if (state == LIFE_DELETED) {
            ck_assert_int_eq(next, -1);
        } else {
            ck_assert_msg(life_is_deleting(next), "%s", life_fsm.states[state]);
            ck_assert_int_eq(fsm_next(&life_fsm, next, LIFE_EV_ABSENT), LIFE_DELETED);
        }
    }
}
END_TEST

START_TEST(no_state_with_work_can_stick)
{
    for (int state = 0; state < N_LIFE_STATES; state++) {
        if (life_task_state(state) && !life_is_deleting(state)) {
            ck_assert_msg(fsm_next(&life_fsm, state, LIFE_EV_FAILED) == LIFE_ERROR, "%s",
                          life_fsm.states[state]);
        }
    }
}
END_TEST

START_TEST(no_transition_is_given_twice)
{
    for (int i = 0; i < life_fsm.n_rows; i++) {
        for (int j = i + 1; j < life_fsm.n_rows; j++) {
            ck_assert_msg(life_fsm.rows[i].from != life_fsm.rows[j].from ||
                              life_fsm.rows[i].event != life_fsm.rows[j].event,
                          "%s, %s", life_fsm.states[life_fsm.rows[i].from],
                          life_fsm.events[life_fsm.rows[i].event]);
        }
    }
}
END_TEST

START_TEST(build_cannot_be_stopped)
{
    ck_assert_int_eq(fsm_next(&life_fsm, LIFE_SPAWNING, LIFE_EV_STOP), -1);
    ck_assert_int_eq(fsm_next(&life_fsm, LIFE_STOPPED, LIFE_EV_REBOOT_SOFT), -1);
    ck_assert_int_eq(fsm_next(&life_fsm, LIFE_SPAWNING, LIFE_EV_RUNNING), LIFE_ACTIVE);
}
END_TEST

START_TEST(an_exact_row_goes_before_any)
{
    static const char *const names[] = {"a", "b", "c"};
    static const struct fsm_row rows[] = {
        {FSM_ANY, 0, 2, ""}, {1, 0, FSM_SAME, "stay"}, {0, 1, 1, ""}};
    const struct fsm fsm = {"test", names, 3, names, 2, rows, 3};
    ck_assert_int_eq(fsm_next(&fsm, 0, 0), 2);
    ck_assert_int_eq(fsm_next(&fsm, 1, 0), 1);
    ck_assert_int_eq(fsm_next(&fsm, 0, 1), 1);
    ck_assert_int_eq(fsm_next(&fsm, 1, 1), -1);
    ck_assert_int_eq(fsm_state_from_text(&fsm, "c"), 2);
    ck_assert_int_eq(fsm_state_from_text(&fsm, "d"), -1);
}
END_TEST

START_TEST(the_graph_has_every_state)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fsm_print_dot(&life_fsm, out);
    fclose(out);
    for (int state = 0; state < N_LIFE_STATES; state++) {
        ck_assert_ptr_nonnull(strstr(text, life_fsm.states[state]));
    }
    ck_assert(g_str_has_prefix(text, "digraph") && g_str_has_suffix(text, "}\n"));
    free(text);
}
END_TEST

START_TEST(a_made_key_has_the_fingerprint_of_its_public_part)
{
    char *secret = NULL, *open = NULL, *fingerprint = NULL;
    struct err err;
    ck_assert_int_eq(keygen_rsa(&secret, &open, &err), RC_OK);
    ck_assert(g_str_has_prefix(secret, "-----BEGIN RSA PRIVATE KEY-----"));
    ck_assert(g_str_has_prefix(open, "ssh-rsa AAAA"));
    ck_assert_int_eq(keygen_fingerprint(open, &fingerprint, &err), RC_OK);
    ck_assert_uint_eq(strlen(fingerprint), 47);
    keygen_wipe(secret);
    g_free(open);
    g_free(fingerprint);
}
END_TEST

static const struct {
    const char *key, *fingerprint;
} keys[] = {
    {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me",
     "65:96:2d:fc:e8:d5:a9:11:64:0c:0f:ea:00:6e:5b:bd"},
    {"", NULL},
    {"ssh-rsa", NULL},
    {"ssh-rsa !!!!", NULL},
    {"ssh-rsa AAAA", NULL},
    {"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl", NULL},
};

START_TEST(only_public_keys_have_fingerprints)
{
    char *fingerprint = NULL;
    struct err err;
    enum rc rc = keygen_fingerprint(keys[_i].key, &fingerprint, &err);
    ck_assert_int_eq(rc, keys[_i].fingerprint ? RC_OK : RC_INVALID);
    if (keys[_i].fingerprint) {
        ck_assert_str_eq(fingerprint, keys[_i].fingerprint);
    }
    g_free(fingerprint);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("compute life");
    TCase *tcase = tcase_create("life");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, every_state_has_its_own_look);
    tcase_add_test(tcase, every_state_but_deleted_can_be_left_for_deletion);
    tcase_add_test(tcase, no_state_with_work_can_stick);
    tcase_add_test(tcase, no_transition_is_given_twice);
    tcase_add_test(tcase, build_cannot_be_stopped);
    tcase_add_test(tcase, an_exact_row_goes_before_any);
    tcase_add_test(tcase, the_graph_has_every_state);
    tcase_add_test(tcase, a_made_key_has_the_fingerprint_of_its_public_part);
    tcase_add_loop_test(tcase, only_public_keys_have_fingerprints, 0, N_ELEMENTS(keys));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
