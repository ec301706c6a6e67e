// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/command.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_S 30
#define MAX_OUTPUT (1024 * 1024)
#define LIMITED_STACK_BYTES (2 << 20)

// What the child does between fork and exec: system calls only.
struct child_setup {
    int netns; // -1: none
    unsigned timeout_s, memory_limit_mib;
    int64_t max_file_bytes;
};

// A program without its limits does not run.
static void
limit(int resource, rlim_t value)
{
    if (setrlimit(resource, &(struct rlimit){value, value})) {
        _exit(126);
    }
}

static void
child_prepare(gpointer data)
{
    const struct child_setup *setup = data;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (setup->netns >= 0 && setns(setup->netns, CLONE_NEWNET)) {
        _exit(126);
    }
    if (setup->memory_limit_mib) {
        limit(RLIMIT_AS, (rlim_t)setup->memory_limit_mib << 20);
        limit(RLIMIT_STACK, LIMITED_STACK_BYTES);
        limit(RLIMIT_CORE, 0);
    }
    if (setup->max_file_bytes) {
        limit(RLIMIT_FSIZE, (rlim_t)setup->max_file_bytes);
    }
    if (setup->timeout_s) {
        limit(RLIMIT_CPU, setup->timeout_s);
        signal(SIGALRM, SIG_DFL);
        alarm(setup->timeout_s); // survives exec
    }
}

static enum rc
setup_init(const struct command *command, struct child_setup *ret_setup, struct err *err)
{
    int fd = -1;
    if (command->netns && *command->netns) {
        fd = open(command->netns, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            return fault(err, RC_UNAVAILABLE, "cannot enter network namespace '%s': %s",
                         command->netns, g_strerror(errno));
        }
    }
    *ret_setup = (struct child_setup){fd, 0, command->memory_limit_mib, command->max_file_bytes};
    return RC_OK;
}

// Address space is limited, and each thread of qemu-img may reserve 128 MiB of it for its heap and
// 8 for its stack without using them: with many threads at work a good image failed by chance. So
// they share one heap, and stacks are LIMITED_STACK_BYTES. The caller frees.
static char **
environment_make(const struct command *command)
{
    char **environment = g_get_environ();
    return command->memory_limit_mib ? g_environ_setenv(environment, "MALLOC_ARENA_MAX", "1", TRUE)
                                     : environment;
}

static void
setup_done(struct child_setup *setup)
{
    if (setup->netns >= 0) {
        close(setup->netns);
    }
}

static const char *
last_line(char *text)
{
    g_strchomp(text);
    const char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

static enum rc
status_check(const char *program, int status, char *errors, struct err *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return RC_OK;
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        return fault(err, RC_DEADLINE, "'%s' took too long", program);
    }
    return fault(err, RC_INTERNAL, "'%s' failed with %s %d: %.300s", program,
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), last_line(errors));
}

enum rc
command_run(const struct command *command, char **ret_output, struct err *err)
{
    struct child_setup setup;
    enum rc rc = setup_init(command, &setup, err);
    if (rc) {
        return rc;
    }
    setup.timeout_s = command->timeout_s ? command->timeout_s : DEFAULT_TIMEOUT_S;
    g_autofree char *output = NULL, *errors = NULL;
    g_autoptr(GError) error = NULL;
    int status = 0;
    g_auto(GStrv) environment = environment_make(command);
    bool ran = g_spawn_sync(NULL, (char **)command->argv, environment, G_SPAWN_SEARCH_PATH,
                            child_prepare, &setup, &output, &errors, &status, &error);
    setup_done(&setup);
    if (!ran) {
        return fault(err, RC_INTERNAL, "cannot run '%s': %s", command->argv[0], error->message);
    }
    rc = status_check(command->argv[0], status, errors, err);
    if (rc == RC_OK && ret_output) {
        if (strlen(output) > MAX_OUTPUT) {
            return fault(err, RC_INTERNAL, "'%s' printed too much", command->argv[0]);
        }
        *ret_output = g_steal_pointer(&output);
    }
    return rc;
}

enum rc
command_start(const struct command *command, pid_t *ret_pid, int *ret_lifeline, struct err *err)
{
    struct child_setup setup;
    enum rc rc = setup_init(command, &setup, err);
    if (rc) {
        return rc;
    }
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) environment = environment_make(command);
    bool ran = g_spawn_async_with_pipes(
        NULL, (char **)command->argv, environment,
        G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CLOEXEC_PIPES, child_prepare,
        &setup, ret_pid, ret_lifeline, NULL, NULL, &error);
    setup_done(&setup);
    return ran ? RC_OK
               : fault(err, RC_INTERNAL, "cannot start '%s': %s", command->argv[0], error->message);
}
