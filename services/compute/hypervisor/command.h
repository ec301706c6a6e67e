// SPDX-License-Identifier: Apache-2.0
// Runs programs with an argument vector (never a shell), in another network namespace where asked,
// with limits.
#pragma once
#include <sys/types.h>

#include "common/base/err.h"

struct command {
    const char *const *argv;   // ended by NULL; argv[0] is looked up in PATH
    const char *netns;         // path of a network namespace, "" or NULL: our own
    unsigned timeout_s;        // 0: 30; then it is killed
    unsigned memory_limit_mib; // of address space; 0: none
    int64_t max_file_bytes;    // of any file that it writes; 0: no limit
};
// Waits for its end. RC_DEADLINE: killed by the timeout; RC_INTERNAL: could not be run or failed;
// the message has its last words. ret_output (may be NULL): what it printed, at most 1 MiB; the
// caller frees.
enum rc command_run(const struct command *command, char **ret_output, struct err *err) CHECKED;
#define COMMAND_RUN(netns_, ret_output_, err_, ...)                                       \
    command_run(&(const struct command){.argv = (const char *const[]){__VA_ARGS__, NULL}, \
                                        .netns = netns_},                                 \
                ret_output_, err_)

// Starts it and returns. It lives as long as its standard input, whose other end is ret_lifeline,
// is open: it ends with us.
enum rc command_start(const struct command *command, pid_t *ret_pid, int *ret_lifeline,
                      struct err *err) CHECKED;
