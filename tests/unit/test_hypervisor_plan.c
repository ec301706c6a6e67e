// SPDX-License-Identifier: Apache-2.0
// From desired and actual state to steps: one row per situation.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/util.h"
#include "services/compute/hypervisor/plan.h"

#define GUEST_MS 60000
#define READY                                                                             \
    .has_base = true, .has_overlay = true, .has_config_drive = true, .has_network = true, \
    .has_files = true

// clang-format off
static const struct {
    const char *situation;
    struct wanted wanted;
    struct actual actual;
    const char *steps; // names with blanks between
    enum outcome outcome;
    int64_t wait_ms;
} CASES[] = {
    {"a new server gets everything",
     {WANT_RUNNING, 1, .config_drive = true}, {.reboot_done = -1, .shutdown_ms = -1},
     "fetch_image make_overlay make_config_drive plug_network note_reboot define start note_started"},
    {"a new server without config drive gets none",
     {WANT_RUNNING, 1}, {.reboot_done = -1, .shutdown_ms = -1},
     "fetch_image make_overlay plug_network note_reboot define start note_started"},
    {"a cached image is not fetched",
     {WANT_RUNNING, 1}, {.has_base = true, .reboot_done = -1, .shutdown_ms = -1},
     "make_overlay plug_network note_reboot define start note_started"},
    {"killed between overlay and define",
     {WANT_RUNNING, 1}, {READY, .reboot_done = 0, .shutdown_ms = -1}, "define start note_started"},
    {"killed between start and its note",
     {WANT_RUNNING, 1}, {READY, .power = POWER_RUNNING, .reboot_done = 0, .shutdown_ms = -1}, "note_started"},
    {"a running server is left alone",
     {WANT_RUNNING, 1}, {READY, .power = POWER_RUNNING, .started_generation = 1, .shutdown_ms = -1}, "", OUTCOME_RUNNING},
    {"a paused server is left alone",
     {WANT_RUNNING, 1}, {READY, .power = POWER_PAUSED, .started_generation = 1, .shutdown_ms = -1}, "", OUTCOME_RUNNING},
    {"a restarted agent plugs the network again",
     {WANT_RUNNING, 1}, {.power = POWER_RUNNING, .started_generation = 1, .shutdown_ms = -1}, "plug_network"},
    {"a guest that shut itself down stays down",
     {WANT_RUNNING, 1}, {READY, .power = POWER_OFF, .started_generation = 1, .shutdown_ms = -1}, "", OUTCOME_STOPPED},
    {"a guest that crashed stays down",
     {WANT_RUNNING, 1}, {READY, .power = POWER_CRASHED, .started_generation = 1, .shutdown_ms = -1}, "", OUTCOME_STOPPED},
    {"a newer order starts it again",
     {WANT_RUNNING, 2}, {READY, .power = POWER_OFF, .started_generation = 1, .shutdown_ms = -1}, "define start note_started"},
    {"the host's reboot starts it again",
     {WANT_RUNNING, 1}, {READY, .power = POWER_OFF, .started_generation = 1, .host_rebooted = true, .shutdown_ms = -1},
     "define start note_started"},
    {"a newer order for a running server is only noted",
     {WANT_RUNNING, 2}, {READY, .power = POWER_RUNNING, .started_generation = 1, .shutdown_ms = -1}, "note_started"},
    {"a guest is paused",
     {WANT_PAUSED, 2}, {READY, .power = POWER_RUNNING, .started_generation = 1, .shutdown_ms = -1}, "pause"},
    {"a paused guest rests",
     {WANT_PAUSED, 2}, {READY, .power = POWER_PAUSED, .started_generation = 1, .shutdown_ms = -1}, "", OUTCOME_PAUSED},
    {"a guest that is down cannot be paused",
     {WANT_PAUSED, 2}, {READY, .power = POWER_OFF, .started_generation = 1, .shutdown_ms = -1}, "", OUTCOME_STOPPED},
    {"after the host's reboot it is started, to be paused",
     {WANT_PAUSED, 2}, {READY, .power = POWER_OFF, .started_generation = 1, .host_rebooted = true, .shutdown_ms = -1},
     "define start note_started"},
    {"a newer order lets a paused guest go on",
     {WANT_RUNNING, 3}, {READY, .power = POWER_PAUSED, .started_generation = 1, .shutdown_ms = -1}, "unpause note_started"},
    {"a guest is suspended",
     {WANT_SUSPENDED, 2}, {READY, .power = POWER_RUNNING, .started_generation = 1, .shutdown_ms = -1}, "suspend"},
    {"a suspended guest stays off, whatever its host does",
     {WANT_SUSPENDED, 2}, {READY, .power = POWER_OFF, .started_generation = 1, .host_rebooted = true, .shutdown_ms = -1}, "", OUTCOME_SUSPENDED},
    {"a suspended guest is started to go on",
     {WANT_RUNNING, 3}, {READY, .power = POWER_OFF, .started_generation = 1, .shutdown_ms = -1}, "define start note_started"},
    {"a hard reboot cuts the power",
     {WANT_RUNNING, 2, 1, true}, {READY, .power = POWER_RUNNING, .started_generation = 1, .shutdown_ms = -1}, "destroy"},
    {"then notes the reboot and starts",
     {WANT_RUNNING, 2, 1, true}, {READY, .power = POWER_OFF, .started_generation = 1, .shutdown_ms = -1},
     "note_reboot define start note_started"},
    {"killed after the note it still starts",
     {WANT_RUNNING, 2, 1, true}, {READY, .power = POWER_OFF, .reboot_done = 1, .shutdown_ms = -1}, "define start note_started"},
    {"a reboot done is not done again",
     {WANT_RUNNING, 2, 1, true}, {READY, .power = POWER_RUNNING, .started_generation = 2, .reboot_done = 1, .shutdown_ms = -1},
     "", OUTCOME_RUNNING},
    {"a soft reboot asks the guest",
     {WANT_RUNNING, 2, 1, .shutdown_timeout_ms = GUEST_MS},
     {READY, .power = POWER_RUNNING, .started_generation = 1, .shutdown_ms = -1}, "shutdown"},
    {"then waits",
     {WANT_RUNNING, 2, 1, .shutdown_timeout_ms = GUEST_MS},
     {READY, .power = POWER_RUNNING, .started_generation = 1, .shutdown_ms = 1000}, "", OUTCOME_PENDING, GUEST_MS - 1000},
    {"and asks again, for it may have been booting",
     {WANT_RUNNING, 2, 1, .shutdown_timeout_ms = GUEST_MS, .shutdown_again_ms = 5000},
     {READY, .power = POWER_RUNNING, .started_generation = 1, .shutdown_ms = 9000, .asked_ms = 5000}, "shutdown"},
    {"but not too often",
     {WANT_RUNNING, 2, 1, .shutdown_timeout_ms = GUEST_MS, .shutdown_again_ms = 5000},
     {READY, .power = POWER_RUNNING, .started_generation = 1, .shutdown_ms = 9000, .asked_ms = 2000}, "", OUTCOME_PENDING, 3000},
    {"and cuts the power of a deaf guest",
     {WANT_RUNNING, 2, 1, .shutdown_timeout_ms = GUEST_MS},
     {READY, .power = POWER_RUNNING, .started_generation = 1, .shutdown_ms = GUEST_MS}, "destroy"},
    {"a first start is no reboot, whatever the count",
     {WANT_RUNNING, 9, 5}, {READY, .power = POWER_NONE, .reboot_done = -1, .shutdown_ms = -1},
     "note_reboot define start note_started"},
    {"a stop asks the guest",
     {WANT_STOPPED, 2, .shutdown_timeout_ms = GUEST_MS}, {READY, .power = POWER_RUNNING, .shutdown_ms = -1}, "shutdown"},
    {"a paused guest cannot be asked",
     {WANT_STOPPED, 2, .shutdown_timeout_ms = GUEST_MS}, {READY, .power = POWER_PAUSED, .shutdown_ms = -1}, "destroy"},
    {"no time to obey, no question",
     {WANT_STOPPED, 2}, {READY, .power = POWER_RUNNING, .shutdown_ms = -1}, "destroy"},
    {"a stopped server is stopped",
     {WANT_STOPPED, 2}, {READY, .power = POWER_OFF, .shutdown_ms = -1}, "", OUTCOME_STOPPED},
    {"a server never started here is stopped",
     {WANT_STOPPED, 2}, {.reboot_done = -1, .shutdown_ms = -1}, "", OUTCOME_STOPPED},
    {"a running server goes without a trace",
     {WANT_ABSENT, 3}, {READY, .power = POWER_RUNNING, .shutdown_ms = -1},
     "destroy undefine unplug_network remove_files note_absent"},
    {"a stopped one too",
     {WANT_ABSENT, 3}, {READY, .power = POWER_OFF, .shutdown_ms = -1}, "undefine unplug_network remove_files note_absent"},
    {"one that was never here is noted",
     {WANT_ABSENT, 3}, {.reboot_done = -1, .shutdown_ms = -1}, "unplug_network note_absent"},
    {"a tombstone stays one",
     {WANT_ABSENT, 3}, {.absent_done = true, .shutdown_ms = -1}, "", OUTCOME_ABSENT},
};
// clang-format on

START_TEST(a_situation_leads_to_its_steps)
{
    struct plan next = plan(&CASES[_i].wanted, &CASES[_i].actual);
    g_autoptr(GString) steps = g_string_new(NULL);
    for (size_t i = 0; i < next.n_steps; i++) {
        g_string_append_printf(steps, "%s%s", i ? " " : "", step_name(next.steps[i]));
    }
    ck_assert_msg(strcmp(steps->str, CASES[_i].steps) == 0, "%s: %s", CASES[_i].situation,
                  steps->str);
    if (next.n_steps == 0) {
        ck_assert_msg(next.outcome == CASES[_i].outcome, "%s: outcome %d", CASES[_i].situation,
                      next.outcome);
        ck_assert_msg(next.wait_ms == CASES[_i].wait_ms, "%s: wait", CASES[_i].situation);
    }
}
END_TEST

// Carries a step out on the model of a host.
static void
step_do(enum step step, const struct wanted *wanted, struct actual *actual)
{
    switch (step) {
    case STEP_FETCH_IMAGE:
        actual->has_base = true;
        break;
    case STEP_MAKE_OVERLAY:
        actual->has_overlay = actual->has_files = true;
        break;
    case STEP_MAKE_CONFIG_DRIVE:
        actual->has_config_drive = true;
        break;
    case STEP_PLUG_NETWORK:
        actual->has_network = true;
        break;
    case STEP_NOTE_REBOOT:
        actual->reboot_done = wanted->reboot_count;
        actual->started_generation = 0;
        break;
    case STEP_DEFINE:
        actual->power = actual->power == POWER_NONE ? POWER_OFF : actual->power;
        break;
    case STEP_START:
        actual->power = POWER_RUNNING;
        break;
    case STEP_NOTE_STARTED:
        actual->started_generation = wanted->generation;
        actual->reboot_done = MAX(actual->reboot_done, wanted->reboot_count);
        actual->host_rebooted = false;
        break;
    case STEP_SHUTDOWN:
        actual->shutdown_ms = 0;
        break;
    case STEP_DESTROY:
        actual->power = POWER_OFF;
        break;
    case STEP_UNDEFINE:
        actual->power = POWER_NONE;
        break;
    case STEP_REMOVE_FILES:
        actual->has_files = false;
        break;
    case STEP_NOTE_ABSENT:
        actual->absent_done = true;
        break;
    default:
        break;
    }
}

// From any state, with the agent killed after any number of steps, the end is what was wanted.
START_TEST(every_state_converges_though_killed_anywhere)
{
    const unsigned bits = (unsigned)_i;
    for (int want = WANT_RUNNING; want <= WANT_ABSENT; want++) {
        struct wanted wanted = {want, 3, .reboot_count = 1, .shutdown_timeout_ms = 10};
        struct actual actual = {
            .power = bits % N_POWER,
            .has_base = bits / 5 & 1,
            .has_overlay = bits / 10 & 1,
            .has_network = bits / 20 & 1,
            .host_rebooted = bits / 40 & 1,
            .started_generation = bits / 80 % 4,
            .reboot_done = (int64_t)(bits / 320 % 3) - 1,
            .shutdown_ms = -1,
        };
        unsigned kill_after =
            bits % 7; // then the rest of the plan is lost, and the question to the guest
        enum outcome outcome = OUTCOME_PENDING;
        for (int round = 0; round < 20 && outcome == OUTCOME_PENDING; round++) {
            struct plan next = plan(&wanted, &actual);
            size_t n = round == 0 ? MIN(next.n_steps, kill_after) : next.n_steps;
            for (size_t i = 0; i < n; i++) {
                step_do(next.steps[i], &wanted, &actual);
            }
            actual.shutdown_ms = next.wait_ms ? wanted.shutdown_timeout_ms : actual.shutdown_ms;
            outcome = next.n_steps || next.wait_ms ? OUTCOME_PENDING : next.outcome;
        }
        static const enum outcome ENDS[] = {OUTCOME_RUNNING, OUTCOME_STOPPED, OUTCOME_ABSENT};
        bool by_itself = want == WANT_RUNNING && outcome == OUTCOME_STOPPED;
        ck_assert(outcome == ENDS[want] || by_itself);
        ck_assert(want != WANT_ABSENT || (actual.power == POWER_NONE && !actual.has_files));
    }
}
END_TEST

START_TEST(every_step_and_power_has_a_name)
{
    for (int step = 0; step < N_STEPS; step++) {
        ck_assert_ptr_nonnull(step_name(step));
    }
    for (int power = 0; power < N_POWER; power++) {
        ck_assert_ptr_nonnull(power_name(power));
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("hypervisor_plan");
    TCase *tcase = tcase_create("all");
    tcase_add_loop_test(tcase, a_situation_leads_to_its_steps, 0, (int)N_ELEMENTS(CASES));
    tcase_add_loop_test(tcase, every_state_converges_though_killed_anywhere, 0, 960);
    tcase_add_test(tcase, every_step_and_power_has_a_name);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
