// SPDX-License-Identifier: Apache-2.0
// Opens the stream to one remote of ovsdb.h.
#pragma once
#include "common/base/err.h"

enum rc ovsdb_remote_check(const char *remote,
                           struct err *err) CHECKED; // RC_INVALID when malformed
// A non-blocking connected socket. wake_fd: becoming readable it ends the attempt. RC_UNAVAILABLE
// when there is no answer.
enum rc ovsdb_connect(const char *remote, int wake_fd, int timeout_ms, int *ret_fd,
                      struct err *err) CHECKED;
